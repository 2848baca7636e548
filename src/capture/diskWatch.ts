/**
 * Holds acknowledgements back until the queue's store says that what they stand for is on its disk. Trails the
 * flushes and blocks none: while one answer is outstanding the newest position waits, and the next question is
 * for all up to it. What the store does not confirm stays unacknowledged, and is read again after a restart.
 */
import { backoffMs } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';
import { toWalhookError } from '../core/errors.ts';
import { settlesWithin } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import { type Lsn, lsnToHex } from '../core/lsn.ts';
import type { QueueStore } from '../queue/store.ts';

export interface DiskWatchOptions {
  readonly store: Pick<QueueStore, 'untilOnDisk'>;
  readonly onConfirmed: (lsn: Lsn) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

const BACKOFF = { firstMs: 100, maxMs: 5_000 };
/** Questions without a yes, after which it is said. */
const TOLD_AFTER = 3;
/** How long the end waits for the last answer: a second where the file is synced every second. */
const LAST_ANSWER_MS = 3_000;

export class DiskWatch {
  readonly #options: DiskWatchOptions;
  readonly #ended = new AbortController();
  #offered: Lsn | null = null;
  #running: Promise<void> | null = null;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  /** Everything that ends at or before `lsn` is in the store. */
  offer(lsn: Lsn): void {
    this.#offered = lsn;
    if (this.#ended.signal.aborted) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Waits a little for what is outstanding; from then on nothing is confirmed. */
  async finish(): Promise<void> {
    await settlesWithin(this.#running ?? Promise.resolve(), LAST_ANSWER_MS);
    this.stop();
  }

  stop(): void {
    this.#ended.abort();
  }

  async #run(): Promise<void> {
    const { onConfirmed, clock, log } = this.#options;
    const { signal } = this.#ended;
    let tries = 0;
    while (this.#offered !== null && !signal.aborted) {
      const lsn = this.#offered;
      const refusal = await this.#ask(lsn);
      if (signal.aborted) return;
      if (refusal === null) {
        if (this.#offered === lsn) this.#offered = null;
        tries = 0;
        onConfirmed(lsn);
        continue;
      }
      tries += 1;
      if (tries === TOLD_AFTER) log.warn({ tries }, `acknowledgements wait: ${refusal}`);
      await clock.sleep(backoffMs(tries, BACKOFF, Math.random()), signal);
    }
  }

  /** null: it is on disk; else why that is not known. */
  async #ask(lsn: Lsn): Promise<string | null> {
    try {
      const isOnDisk = await this.#options.store.untilOnDisk(lsnToHex(lsn));
      return isOnDisk ? null : "the queue's store does not confirm that what it holds is on its disk";
    } catch (error) {
      return toWalhookError(error).message;
    }
  }
}
