/**
 * Decides what may be acknowledged: the end LSN of the newest Transaction such that everything of it and
 * of all before it is durable in the queue's store, or matched nothing.
 *
 * Where the store cannot confirm that it has reached the disk (Redis with AOF before 7.2), an
 * acknowledgement trails the flush by a delay. Pure but for what it remembers; the caller brings the time.
 */
import { LSN_ZERO, type Lsn } from '../core/lsn.ts';

export class Acker {
  readonly #delayMs: number;
  /** Settled positions that still wait for the delay, oldest first. */
  readonly #waiting: { readonly lsn: Lsn; readonly dueMs: number }[] = [];
  #confirmed: Lsn;
  #settled: Lsn;

  /**
   * @param delayMs how long a settled position waits before it may be acknowledged
   * @param confirmed what the slot has confirmed already
   */
  constructor(delayMs: number, confirmed: Lsn = LSN_ZERO) {
    this.#delayMs = delayMs;
    this.#confirmed = confirmed;
    this.#settled = confirmed;
  }

  /** Everything that ends at or before `lsn` is in the store. Older positions than known are ignored. */
  settle(lsn: Lsn, monotonicMs: number): void {
    if (lsn <= this.#settled) return;
    this.#settled = lsn;
    const last = this.#waiting.at(-1);
    // Positions settled within a quarter of the delay share an entry, so that the list stays short.
    if (this.#waiting.length > 1 && last && monotonicMs + this.#delayMs - last.dueMs < this.#delayMs / 4) {
      this.#waiting[this.#waiting.length - 1] = { lsn, dueMs: monotonicMs + this.#delayMs };
    } else {
      this.#waiting.push({ lsn, dueMs: monotonicMs + this.#delayMs });
    }
  }

  /** What a status update may carry now. Never moves back. */
  confirmable(monotonicMs: number): Lsn {
    for (let first = this.#waiting[0]; first && first.dueMs <= monotonicMs; first = this.#waiting[0]) {
      this.#confirmed = first.lsn;
      this.#waiting.shift();
    }
    return this.#confirmed;
  }

  /** The newest settled position, acknowledged or not. */
  get settled(): Lsn {
    return this.#settled;
  }
}
