/**
 * The live tail: what becomes of Deliveries, in every process, as it is recorded. One poll of the queue
 * serves all who watch; nobody watching, nothing is asked.
 */
import type { Clock } from '../core/clock.ts';
import { toWalhookError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { DeliverySummary, InspectStore } from '../queue/inspect.ts';

const POLL_MS = 500;
const MAX_AT_ONCE = 200;
export const MAX_WATCHERS = 50;

export type Watcher = (deliveries: readonly DeliverySummary[]) => void;

export interface TailOptions {
  readonly outcomes: InspectStore['outcomes'];
  readonly clock: Clock;
  readonly log: Logger;
}

export class Tail {
  readonly #options: TailOptions;
  readonly #watchers = new Set<Watcher>();
  #isRunning = false;

  constructor(options: TailOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#watchers.size >= MAX_WATCHERS;
  }

  /** Calls back from now on. Returns what ends it. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    if (!this.#isRunning) void this.#run();
    return () => void this.#watchers.delete(watcher);
  }

  async #run(): Promise<void> {
    const { outcomes, clock, log } = this.#options;
    this.#isRunning = true;
    let cursor: string | null = null;
    while (this.#watchers.size > 0) {
      try {
        const page = await outcomes(cursor, MAX_AT_ONCE);
        cursor = page.cursor;
        if (page.items.length > 0) for (const watcher of this.#watchers) watcher(page.items);
        if (page.items.length === MAX_AT_ONCE) continue;
      } catch (error) {
        log.debug({ code: toWalhookError(error).code }, 'admin: the tail does not reach the queue');
      }
      await clock.sleep(POLL_MS);
    }
    this.#isRunning = false;
  }
}
