/** Time that stands still until a test moves it. */
import type { Clock } from '../../src/core/clock.ts';

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

export class ManualClock implements Clock {
  readonly #epochMs: number;
  #elapsedMs = 0;
  #sleepers: Sleeper[] = [];

  /** @param epochMs what the wall clock shows at the beginning */
  constructor(epochMs = Date.UTC(2023, 7, 7, 19, 30, 23)) {
    this.#epochMs = epochMs;
  }

  now(): number {
    return this.#epochMs + this.#elapsedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  /** How many sleeps have not ended. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const abort = () => this.#end(sleeper);
      const wake = () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const sleeper = { dueMs: this.#elapsedMs + ms, wake };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', abort);
    });
  }

  /** Moves on, ending the sleeps that are due in their order; what they set going runs in between. */
  async advance(ms: number): Promise<void> {
    const target = this.#elapsedMs + ms;
    await settled();
    for (let next = this.#next(target); next !== undefined; next = this.#next(target)) {
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
      this.#end(next);
      await settled();
    }
    this.#elapsedMs = target;
    await settled();
  }

  #next(targetMs: number): Sleeper | undefined {
    return this.#sleepers.filter(({ dueMs }) => dueMs <= targetMs).sort((a, b) => a.dueMs - b.dueMs)[0];
  }

  #end(sleeper: Sleeper): void {
    this.#sleepers = this.#sleepers.filter((one) => one !== sleeper);
    sleeper.wake();
  }
}

/** Lets every promise that can settle without I/O settle. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
