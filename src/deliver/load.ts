/**
 * Whether this process itself is what takes the time: its event loop was at work for most of the time lately. What a
 * receiver seems to take says little then.
 */
import { performance } from 'node:perf_hooks';

/** How long a look at the event loop holds. */
const SPAN_MS = 100;
/** Share of the time that the event loop was at work. */
const BUSY = 0.6;

export class Load {
  #last = performance.eventLoopUtilization();
  #lookedAtMs = performance.now();
  #isBusy = false;

  /** Of the last tenth of a second, or more. */
  get isBusy(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#lookedAtMs >= SPAN_MS) {
      const now = performance.eventLoopUtilization();
      this.#isBusy = performance.eventLoopUtilization(now, this.#last).utilization > BUSY;
      this.#last = now;
      this.#lookedAtMs = nowMs;
    }
    return this.#isBusy;
  }
}
