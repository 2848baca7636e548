/**
 * The live tail: what becomes of Deliveries, in every process, as it is recorded. One poll of the queue
 * serves all who watch, and each Delivery is put into words once; nobody watching, nothing is asked.
 *
 * It shows what happens now: when it is further behind than {@link MAX_BEHIND}, it goes on from the newest,
 * and says how much it left out.
 */
import type { Clock } from '../core/clock.ts';
import { toWalhookError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { DeliverySummary, InspectStore } from '../queue/inspect.ts';

const POLL_MS = 500;
const MAX_AT_ONCE = 500;
/** Pages read without a pause before it is looked how far behind this is: some seconds of a busy queue. */
const MAX_PAGES = 10;
/** Outcomes not yet shown, above which the older ones are left out. */
export const MAX_BEHIND = MAX_AT_ONCE * MAX_PAGES;
export const MAX_WATCHERS = 50;

/** A Delivery with the text in which all who watch are sent it. */
export interface TailItem {
  readonly delivery: DeliverySummary;
  readonly text: string;
}

/** @param skipped outcomes left out before these */
export type Watcher = (items: readonly TailItem[], skipped: number) => void;

export interface TailOptions {
  readonly outcomes: InspectStore['outcomes'];
  readonly write: (deliveries: readonly DeliverySummary[]) => readonly string[];
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
    const { clock, log } = this.#options;
    this.#isRunning = true;
    let cursor: string | null = null;
    while (this.#watchers.size > 0) {
      try {
        cursor = await this.#show(cursor);
      } catch (error) {
        log.debug({ code: toWalhookError(error).code }, 'admin: the tail does not reach the queue');
      }
      await clock.sleep(POLL_MS);
    }
    this.#isRunning = false;
  }

  /** Shows what was recorded since; returns up to where. */
  async #show(from: string | null): Promise<string> {
    const { outcomes } = this.#options;
    const now = (await outcomes(null, 0)).cursor;
    let cursor = from ?? now;
    const behind = Number(now) - Number(cursor);
    if (behind > MAX_BEHIND) {
      const next = Number(now) - MAX_AT_ONCE;
      this.#tell([], next - Number(cursor));
      cursor = String(next);
    }
    for (let pages = 0; pages < MAX_PAGES && this.#watchers.size > 0; pages += 1) {
      const page = await outcomes(cursor, MAX_AT_ONCE);
      cursor = page.cursor;
      if (page.items.length > 0) this.#tell(page.items, 0);
      if (page.items.length < MAX_AT_ONCE) break;
    }
    return cursor;
  }

  #tell(deliveries: readonly DeliverySummary[], skipped: number): void {
    const texts = this.#options.write(deliveries);
    const items = deliveries.map((delivery, i) => ({ delivery, text: texts[i] ?? '' }));
    for (const watcher of this.#watchers) watcher(items, skipped);
  }
}
