/**
 * Collects Deliveries and puts them into the store, flush by flush.
 *
 * There is no timer. While a flush is on its way the next one fills; an idle stream flushes at once. So
 * under light load a flush holds one Transaction and latency is lowest, and under load the cost of a flush
 * is shared by many. What waits here is bounded: `ready` resolves when there is room.
 *
 * What is added is staged until `advance` says which position covers it: a flush stores Deliveries and the
 * position behind them together, and never a position without what lies before it. A flush that failed is repeated as it was,
 * until it is stored or the daemon stops. Only then is its position settled.
 */

import { backoffMs } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';
import { toWalhookError, WalhookError } from '../core/errors.ts';
import type { Failpoint } from '../core/failpoint.ts';
import type { Logger } from '../core/logger.ts';
import type { Lsn } from '../core/lsn.ts';
import { type QueuedDelivery, toBatches } from '../queue/delivery.ts';
import type { CaptureStore, FailedDelivery, Flush, FlushResult } from '../queue/store.ts';
import { formatPosition, isAfter, type Position } from './position.ts';

export interface EnqueuerOptions {
  readonly store: CaptureStore;
  readonly fence: number;
  /** Where the store stands. */
  readonly position: Position;
  /** Published with the first flush; null when the store has them. */
  readonly definitions: string | null;
  /** Called when everything that ends at or before `lsn` is in the store. */
  readonly onSettled: (lsn: Lsn) => void;
  /** Called with the Webhooks that have new jobs. */
  readonly onQueued: (webhooks: readonly string[]) => void;
  /** Called when definitions are in the store. */
  readonly onPublished?: (definitions: string) => void;
  /** Called when nothing more is stored: an idle stream would not ask. `ready` throws the same. */
  readonly onFailed?: (error: unknown) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly failpoint: Failpoint;
  readonly signal: AbortSignal;
}

/** What may wait for the flush under way: enough to fill the next one, little enough to hold in memory. */
const MAX_WAITING_BYTES = 4 * 1_048_576;
const MAX_WAITING_DELIVERIES = 5_000;
/** Where nothing matches, the position is stored this often: the acknowledgement never runs ahead of it. */
const IDLE_FLUSH_MS = 1_000;
const BACKOFF = { firstMs: 100, maxMs: 5_000 };
/** How often a held flush is tried again, and every how many tries that is told. */
const HELD_MS = 200;
const HELD_TOLD_EVERY = 50;

export class Enqueuer {
  readonly #options: EnqueuerOptions;
  /** Added, and not covered by a position yet. */
  #staged: { readonly webhook: string; readonly delivery: QueuedDelivery }[] = [];
  #stagedFailed: FailedDelivery[] = [];
  #waiting = new Map<string, QueuedDelivery[]>();
  #failed: FailedDelivery[] = [];
  #waitingBytes = 0;
  #waitingDeliveries = 0;
  /** Where the store will stand once what waits is in it, and what may be acknowledged then. */
  #next: { readonly position: Position; readonly settles: Lsn | null };
  #stored: Position;
  #definitions: string | null;
  /** In force after Changes that no position covers yet. */
  #stagedDefinitions: string | null = null;
  #storedAtMs: number;
  #running: Promise<void> | null = null;
  #idleTimer: NodeJS.Timeout | null = null;
  #isStopped = false;
  #failure: { readonly error: unknown } | null = null;
  /** Called when what waits now is stored. */
  #onStored: (() => void)[] = [];

  constructor(options: EnqueuerOptions) {
    this.#options = options;
    this.#stored = options.position;
    this.#next = { position: options.position, settles: null };
    this.#definitions = options.definitions;
    this.#storedAtMs = options.clock.monotonic();
  }

  /** Deliveries that no position covers yet. */
  get staged(): number {
    return this.#staged.length + this.#stagedFailed.length;
  }

  add(webhook: string, delivery: QueuedDelivery): void {
    this.#staged.push({ webhook, delivery });
  }

  addFailed(failed: FailedDelivery): void {
    this.#stagedFailed.push(failed);
  }

  /** The webhooks in force from here on: stored with the next position that is advanced to, never before. */
  publish(definitions: string): void {
    this.#stagedDefinitions = definitions;
  }

  /**
   * Says that every Delivery of the Changes before `position` has been added.
   *
   * @param settles what may be acknowledged once the position is stored; null within a Transaction
   */
  advance(position: Position, settles: Lsn | null): void {
    if (isAfter(position, this.#next.position)) {
      this.#next = { position, settles: settles ?? this.#next.settles };
    } else if (settles !== null && !isAfter(position, this.#stored)) {
      // Read again after a reconnect: the store has had it all along.
      this.#options.onSettled(settles);
    }
    this.#cover();
  }

  /**
   * Puts in Deliveries that belong to no position: those of a replay. Resolves when they are stored; throws
   * what ended the flushing. Where the answer of the store is lost, they may be stored twice, under one id.
   */
  async insert(
    deliveries: readonly { readonly webhook: string; readonly delivery: QueuedDelivery }[],
    failed: readonly FailedDelivery[],
  ): Promise<void> {
    if (deliveries.length + failed.length === 0) return;
    await this.makeRoom();
    const stored = new Promise<void>((resolve) => this.#onStored.push(resolve));
    for (const { webhook, delivery } of deliveries) this.#wait(webhook, delivery);
    this.#failed.push(...failed);
    this.#waitingDeliveries += deliveries.length + failed.length;
    this.flush();
    while (this.#failure === null) {
      const running = this.#running ?? Promise.resolve();
      const isStored = await Promise.race([stored.then(() => true), running.then(() => false)]);
      if (isStored) return;
      this.flush();
    }
    throw this.#failure.error;
  }

  #wait(webhook: string, delivery: QueuedDelivery): void {
    const list = this.#waiting.get(webhook);
    if (list === undefined) this.#waiting.set(webhook, [delivery]);
    else list.push(delivery);
    this.#waitingBytes += delivery.json.length;
  }

  /** What was added, and what is in force after it, goes with the next flush. */
  #cover(): void {
    this.#coverDeliveries();
    this.#definitions = this.#stagedDefinitions ?? this.#definitions;
    this.#stagedDefinitions = null;
  }

  #coverDeliveries(): void {
    for (const { webhook, delivery } of this.#staged) this.#wait(webhook, delivery);
    for (const { delivery } of this.#stagedFailed) this.#waitingBytes += delivery.json.length;
    this.#waitingDeliveries += this.#staged.length + this.#stagedFailed.length;
    this.#failed.push(...this.#stagedFailed);
    this.#staged = [];
    this.#stagedFailed = [];
  }

  /** Starts a flush where there is something to store. Returns at once. */
  flush(): void {
    if (this.#running !== null || this.#failure !== null) return;
    const isDue =
      this.#waitingDeliveries > 0 ||
      this.#definitions !== null ||
      this.#options.clock.monotonic() - this.#storedAtMs >= IDLE_FLUSH_MS;
    if (!this.#hasNews()) return;
    if (!isDue) {
      this.#flushLater();
      return;
    }
    this.#running = this.#run();
  }

  /** Resolves when there is room for more. Throws what ended the flushing, e.g. QUEUE_FENCED. */
  async ready(): Promise<void> {
    while (this.#running !== null && this.#isFull()) await this.#running;
    if (this.#failure !== null) throw this.#failure.error;
  }

  /**
   * Lets what was added so far go ahead of its position, where a Transaction is too much for one flush. A crash
   * before the position follows repeats these Deliveries, under the ids that they have.
   */
  async spill(): Promise<void> {
    this.#coverDeliveries();
    await this.makeRoom();
  }

  /** Starts a flush only where there is no room for more, and waits until there is. */
  async makeRoom(): Promise<void> {
    if (this.#isFull()) this.flush();
    await this.ready();
  }

  #isFull(): boolean {
    return this.#waitingBytes >= MAX_WAITING_BYTES || this.#waitingDeliveries >= MAX_WAITING_DELIVERIES;
  }

  /** Stores everything that was added, or throws. For the end. */
  async drain(): Promise<void> {
    do {
      await this.#running;
      await this.ready();
      this.#storedAtMs = Number.NEGATIVE_INFINITY;
      this.flush();
      await this.#running;
      await this.ready();
    } while (this.#hasNews());
  }

  /** Stops the timer of an idle stream, for good. */
  stop(): void {
    this.#isStopped = true;
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
  }

  #hasNews(): boolean {
    const { position } = this.#next;
    return (
      this.#waitingDeliveries > 0 ||
      this.#definitions !== null ||
      position.lsn !== this.#stored.lsn ||
      position.index !== this.#stored.index
    );
  }

  #flushLater(): void {
    if (this.#isStopped) return;
    this.#idleTimer ??= setTimeout(() => {
      this.#idleTimer = null;
      this.flush();
    }, IDLE_FLUSH_MS);
  }

  /** The last look at what waits and the end of the run are one step: nothing can be added in between. */
  async #run(): Promise<void> {
    try {
      do await this.#flushOnce();
      while (this.#waitingDeliveries > 0 || this.#definitions !== null);
    } catch (error) {
      this.#failure = { error };
      this.#options.onFailed?.(error);
    } finally {
      this.#running = null;
    }
    // A position that came meanwhile: an idle stream would not ask for it again.
    if (this.#failure === null && this.#hasNews()) this.#flushLater();
  }

  async #flushOnce(): Promise<void> {
    const { store, fence, onSettled, onQueued, onPublished, clock, failpoint } = this.#options;
    const waiting = this.#waiting;
    const { position, settles } = this.#next;
    const flush: Flush = {
      fence,
      from: formatPosition(this.#stored),
      to: formatPosition(position),
      batches: [...waiting].flatMap(([webhook, deliveries]) => toBatches(webhook, deliveries)),
      failed: this.#failed,
      definitions: this.#definitions,
    };
    const onStored = this.#onStored;
    this.#onStored = [];
    this.#waiting = new Map();
    this.#failed = [];
    this.#waitingBytes = 0;
    this.#waitingDeliveries = 0;
    this.#definitions = null;
    this.#next = { position, settles: null };
    const result = await this.#persist(() => {
      const stored = store.flush(flush);
      failpoint.reach('inside_flush');
      return stored;
    });
    if (result === 'fenced') {
      throw new WalhookError(
        'QUEUE_FENCED',
        'expected to be the one that captures, found another daemon that is',
      );
    }
    failpoint.reach('after_flush');
    this.#stored = position;
    this.#storedAtMs = clock.monotonic();
    if (flush.definitions !== null) onPublished?.(flush.definitions);
    if (settles !== null) onSettled(settles);
    for (const tell of onStored) tell();
    if (waiting.size > 0) onQueued([...waiting.keys()]);
  }

  /** Repeats a flush until it is stored. Only the store being gone holds the stream, and it says so. */
  async #persist(store: () => Promise<FlushResult>): Promise<'done' | 'fenced'> {
    const { clock, log, signal } = this.#options;
    for (let tries = 1; ; tries += 1) {
      try {
        const result = await store();
        if (result === 'held') {
          if (tries % HELD_TOLD_EVERY === 1)
            log.warn({ tries }, 'the stream is held: a webhook with backlog.then = hold is at its bound');
          if (signal.aborted) throw new WalhookError('QUEUE_HELD', 'stopped while a backlog held the stream');
          await clock.sleep(HELD_MS, signal);
          continue;
        }
        if (tries > 1) log.info({ tries }, 'queue reached again');
        return result;
      } catch (error) {
        const known = toWalhookError(error);
        if (known.code !== 'QUEUE_UNREACHABLE' || signal.aborted) throw known;
        const delayMs = backoffMs(tries, BACKOFF, Math.random());
        const level = tries < 3 ? 'warn' : 'error';
        log[level](
          { code: known.code, tries, delayMs, try: known.remedy },
          `flush not stored: ${known.message}`,
        );
        await clock.sleep(delayMs, signal);
      }
    }
  }
}
