/**
 * What bounds a Webhook on its way into the store: its backlog, which the store itself keeps to, and its
 * brake, which counts matches here. Stands between the enqueuer and the store.
 */
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Backlog } from '../queue/gaps.ts';
import type { CaptureStore, Flush, FlushResult } from '../queue/store.ts';

export interface Brake {
  /** Matches. */
  readonly max: number;
  readonly perMs: number;
}

export interface Bounds {
  readonly backlog: Backlog;
  /** null: none. */
  readonly brake: Brake | null;
}

/** Matches of one Webhook within a window that begins with the first of them. */
interface Window {
  readonly startedMs: number;
  matches: number;
}

export class BoundedStore implements CaptureStore {
  readonly #store: CaptureStore;
  #brakes: ReadonlyMap<string, Brake> = new Map();
  #backlogs: ReadonlyMap<string, Backlog> = new Map();
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #windows = new Map<string, Window>();
  /** Whom a flush pauses. One that is tried again counts once; two may end at one position. */
  readonly #counted = new WeakMap<Flush, readonly string[]>();

  constructor(store: CaptureStore, bounds: ReadonlyMap<string, Bounds>, clock: Clock, log: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.replace(bounds);
  }

  /** Other webhooks are in force. */
  replace(bounds: ReadonlyMap<string, Bounds>): void {
    this.#backlogs = new Map([...bounds].map(([webhook, { backlog }]) => [webhook, backlog]));
    this.#brakes = new Map(
      [...bounds].flatMap(([webhook, { brake }]) => (brake === null ? [] : [[webhook, brake] as const])),
    );
  }

  async takeFence(): Promise<number> {
    return await this.#store.takeFence();
  }

  async flush(flush: Flush): Promise<FlushResult> {
    const braked = this.#counted.get(flush) ?? this.#count(flush);
    this.#counted.set(flush, braked);
    return await this.#store.flush({ ...flush, backlogs: this.#backlogs, braked });
  }

  /** Counts matches; returns the Webhooks that are to be paused with this flush. */
  #count({ batches }: Flush): string[] {
    const nowMs = this.#clock.monotonic();
    const braked = new Set<string>();
    for (const { webhook, size } of batches) {
      const brake = this.#brakes.get(webhook);
      if (brake === undefined) continue;
      let window = this.#windows.get(webhook);
      if (window === undefined || nowMs - window.startedMs >= brake.perMs) {
        window = { startedMs: nowMs, matches: 0 };
        this.#windows.set(webhook, window);
      }
      window.matches += size;
      if (window.matches <= brake.max || braked.has(webhook)) continue;
      braked.add(webhook);
      // Resumed by hand, it may fire as often again before the brake pulls once more.
      this.#windows.delete(webhook);
      this.#log.warn(
        { webhook, matches: window.matches, max: brake.max, try: `walhook webhooks resume ${webhook}` },
        'the brake pulls: the webhook is paused, its Deliveries wait',
      );
    }
    return [...braked];
  }
}
