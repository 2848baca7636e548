/**
 * The Deliveries of one Webhook in this process: takes jobs, keeps as many requests in flight as its gate
 * lets it, hands outcomes to the reporter. A lane exists while its Webhook has work, and knows nothing of
 * other Webhooks.
 */
import { toWalhookError } from '../core/errors.ts';
import type { CancelledInJob, ClaimedJob, DeliverStore } from '../queue/store.ts';
import { Attempter, type AttempterOptions } from './attempter.ts';
import { type Demand, Gate } from './flow/gate.ts';
import { type Burden, Places, STEP_MS } from './flow/places.ts';
import type { Swapper } from './flow/swapper.ts';
import { Hand, type Item } from './hand.ts';
import type { Load } from './load.ts';
import { type AttemptResult, asksToPause } from './outcome.ts';
import type { Reporter } from './reporter.ts';
import type { DeliverTarget } from './target.ts';
import type { Turns } from './turns.ts';

export interface LaneOptions extends AttempterOptions {
  readonly store: DeliverStore;
  readonly process: string;
  readonly reporter: Reporter;
  /** When a lane may ask the store for its share and for jobs: few lanes at a time. */
  readonly turns: Turns;
  readonly swapper: Pick<Swapper, 'swap'>;
  /** Of this process. */
  readonly load: Pick<Load, 'isBusy'>;
  /** Other processes that are known to have ended, as of now. */
  readonly ended: () => ReadonlySet<string>;
  /** Whether this process still counts as alive: otherwise its jobs may be another's by now. */
  readonly isAlive: () => boolean;
  /** Called when nothing is left to do here. */
  readonly onIdle: () => void;
  /** An answer of the store was lost: what this process owns there may be more than it knows. */
  readonly onDoubt: () => void;
}

/** How many jobs one claim takes at most: batches of 25, or singles after failures. */
const MAX_JOBS = 8;
/** The same where each job is one Delivery because rows are kept in order. */
const MAX_ORDERED_JOBS = 64;
/** A retry that is due within this is taken when it is due; the poll finds the others, a second late at most. */
const SOON_MS = 10_000;
/** Retries of the same so many milliseconds are taken together. */
const TOGETHER_MS = 50;
/** Deliveries in hand for each place in flight: a claim takes as long as a few quick requests. */
const AHEAD = 4;

export class Lane {
  readonly #target: DeliverTarget;
  readonly #options: LaneOptions;
  readonly #attempter: Attempter;
  readonly #gate: Gate;
  readonly #hand = new Hand();
  readonly #places = new Places();
  readonly #whenSent: (() => void)[] = [];
  /** When to wake for retries, in milliseconds since the Unix epoch. */
  readonly #dueAtMs = new Set<number>();
  /** Ends what sleeps until something is due. */
  readonly #closing = new AbortController();
  #claiming: Promise<void> | null = null;
  #returning: Promise<void> = Promise.resolve();
  #isNapping = false;
  #isStepping = false;
  #mayHaveMore = false;
  #isHeld = false;
  #isPausing = false;
  #isStopped = false;

  constructor(target: DeliverTarget, options: LaneOptions) {
    this.#target = target;
    this.#options = options;
    this.#attempter = new Attempter(target, options);
    this.#gate = new Gate({ ...options, ...target, webhook: target.key });
  }

  get target(): DeliverTarget {
    return this.#target;
  }

  /** Ids of the jobs this lane has taken. */
  get jobIds(): string[] {
    return this.#hand.jobIds;
  }

  get isIdle(): boolean {
    const hasNothing = this.#hand.inFlight === 0 && this.#hand.waiting === 0;
    return hasNothing && this.#claiming === null && !this.#isPausing;
  }

  /** There may be work. */
  wake(): void {
    this.#mayHaveMore = true;
    this.#pump();
  }

  /** The Webhook may have been paused or resumed: asks the store, though there is enough in hand. */
  async review(): Promise<void> {
    this.#mayHaveMore = true;
    if (this.isIdle || this.#isStopped) return this.#pump();
    await this.#claiming;
    await this.#claimOnce(this.#hand.waiting > 0 ? 0 : MAX_JOBS);
  }

  /** Confirms its share with the other processes. */
  async confirm(): Promise<void> {
    if (this.#isStopped) return;
    await this.#gate
      .confirm(this.#demand())
      .catch((error: unknown) => this.#warn(error, 'share not confirmed'));
    if (this.#gate.isParked) this.#giveBack();
    this.#pump();
  }

  /** Forgets what was not begun: it is another process's by now. */
  forget(): void {
    this.#hand.drop();
  }

  /** Drops Deliveries that were cancelled; one that is in flight is not cut off. */
  cancel({ job, mask }: CancelledInJob): void {
    for (const { claimed, index, isLast } of this.#hand.cancel(job, mask)) {
      this.#report({ job: claimed, index, outcome: { kind: 'cancelled' }, isLast });
    }
    this.#pump();
  }

  /** While held, nothing is taken; resolves when no answer of the store is outstanding. */
  async hold(): Promise<void> {
    this.#isHeld = true;
    await this.#claiming;
    await this.#returning;
  }

  /** Ends {@link hold}. */
  unhold(): void {
    this.#isHeld = false;
    this.wake();
  }

  /** Takes nothing further and gives back what was not begun; resolves when nothing is in flight. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#claiming;
    this.#giveBack();
    while (this.#hand.inFlight > 0) await new Promise<void>((resolve) => this.#whenSent.push(resolve));
    await this.#returning;
  }

  async close(): Promise<void> {
    this.#isStopped = true;
    this.#closing.abort('closed');
    await this.#gate.release().catch((error: unknown) => this.#warn(error, 'share not given back'));
    await this.#attempter.close();
  }

  #burden(): Burden {
    const { waiting } = this.#hand;
    return { waiting, mayHaveMore: this.#mayHaveMore, isBusy: this.#options.load.isBusy };
  }

  #demand(): Demand {
    const { inFlight, waiting } = this.#hand;
    return { inFlight, waiting, mayHaveMore: this.#mayHaveMore };
  }

  #pump(): void {
    if (this.#isStopped || this.#isPausing || !this.#options.isAlive()) return;
    this.#begin();
    if (this.#wantsTurn()) void this.#takeTurn();
    else if (this.isIdle) this.#options.onIdle();
    this.#napUntilWorthAsking();
    this.#stepWhileWaiting();
  }

  #begin(): void {
    const { clock } = this.#options;
    while (this.#gate.mayStart(this.#hand.inFlight) && this.#hasPlace()) {
      const item = this.#hand.begin(this.#places.within(this.#gate.slots));
      if (item === null) return;
      this.#places.began(this.#hand.inFlight - 1, clock.monotonic());
      this.#gate.started();
      void this.#attempt(item, this.#gate.isProbe);
    }
  }

  #hasPlace(): boolean {
    // The probe does not wait for requests that were begun before its Webhook was parked.
    return this.#gate.isProbe || this.#hand.inFlight < this.#places.within(this.#gate.slots);
  }

  /** Enough is in hand when every place in flight could be filled a few times more. */
  #wantsMore(): boolean {
    const { slots } = this.#gate;
    const isFilled = this.#hand.waiting >= (this.#gate.isProbe ? 1 : AHEAD * slots);
    return slots > 0 && this.#mayHaveMore && !isFilled;
  }

  #wantsTurn(): boolean {
    if (this.#claiming !== null || this.#isHeld) return false;
    return this.#gate.isWorthAsking(this.#demand()) || this.#wantsMore();
  }

  #maxJobs(): number {
    if (this.#gate.isProbe) return 1;
    return this.#target.ordering === 'row' ? MAX_ORDERED_JOBS : MAX_JOBS;
  }

  /** Asks for a share where that may give more, and takes jobs where they are wanted. */
  async #takeTurn(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#gate.isWorthAsking(this.#demand())) await this.#ask();
      if (this.#wantsMore()) await this.#claim(this.#maxJobs());
    });
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    if (this.#isHeld || this.#isStopped) return;
    this.#claiming ??= this.#options.turns
      .run(async () => {
        if (!this.#isHeld && !this.#isStopped) await work();
      })
      .finally(() => {
        this.#claiming = null;
        this.#pump();
      });
    await this.#claiming;
  }

  async #ask(): Promise<void> {
    try {
      await this.#gate.ask(this.#demand());
    } catch (error) {
      // The polling that goes on asks again.
      return this.#warn(error, 'no share agreed on');
    }
    if (this.#gate.isParked) this.#giveBack();
    if (!this.#isPausing) this.#begin();
  }

  /** Makes use of another place from time to time while nothing is answered. */
  #stepWhileWaiting(): void {
    const { clock } = this.#options;
    if (this.#isStepping || !this.#isShortOfPlaces()) return;
    this.#isStepping = true;
    void clock.sleep(STEP_MS).then(() => {
      this.#isStepping = false;
      if (this.#isShortOfPlaces()) this.#places.waited(clock.monotonic(), this.#burden());
      this.#pump();
    });
  }

  /** Whether more could be in flight if there were another place. */
  #isShortOfPlaces(): boolean {
    if (this.#isStopped || this.#gate.isProbe || this.#hand.waiting === 0) return false;
    return this.#gate.mayStart(this.#hand.inFlight) && !this.#hasPlace();
  }

  /** Sleeps until asking may help, where there is something to send. */
  #napUntilWorthAsking(): void {
    const { clock } = this.#options;
    const atMs = this.#hand.waiting > 0 ? this.#gate.worthAskingAtMs(this.#demand()) : null;
    if (atMs === null || this.#isNapping || atMs <= clock.now()) return;
    this.#isNapping = true;
    void clock.sleep(atMs - clock.now(), this.#closing.signal).then(() => {
      this.#isNapping = false;
      this.#pump();
    });
  }

  /** Looks for a retry when it is due, and not only with the next poll. */
  #wakeWhenDue(dueMs: number): void {
    const { clock } = this.#options;
    const atMs = Math.ceil(dueMs / TOGETHER_MS) * TOGETHER_MS;
    const inMs = atMs - clock.now();
    if (inMs > SOON_MS || this.#dueAtMs.has(atMs)) return;
    this.#dueAtMs.add(atMs);
    void clock.sleep(Math.max(0, inMs), this.#closing.signal).then(() => {
      this.#dueAtMs.delete(atMs);
      this.wake();
    });
  }

  async #claimOnce(maxJobs: number): Promise<void> {
    await this.#inTurn(() => this.#claim(maxJobs));
  }

  async #claim(maxJobs: number): Promise<void> {
    const { store, process, clock, onDoubt } = this.#options;
    if (maxJobs > 0) this.#mayHaveMore = false;
    try {
      const nowMs = clock.now();
      const answer = await store.claim({ webhook: this.#target.key, process, maxJobs, nowMs });
      const { jobs, nextDueMs, isPaused } = answer;
      for (const claimed of jobs) this.#hand.take(claimed);
      // What is due already is taken when there is room for it, or waits for its row.
      if (nextDueMs !== null && nextDueMs > nowMs) this.#wakeWhenDue(nextDueMs);
      if (jobs.length === maxJobs) this.#mayHaveMore = true;
      if (isPaused) {
        this.#mayHaveMore = false;
        this.#giveBack();
      }
      if (this.#gate.isProbe && this.#hand.waiting === 0 && this.#hand.inFlight === 0) {
        await this.#gate.release();
      }
    } catch (error) {
      onDoubt();
      this.#warn(error, 'no jobs taken');
    }
  }

  /** Gives back what was not begun; of a job with something in flight, the rest goes back after that. */
  #giveBack(): void {
    this.#release(this.#hand.drop());
  }

  #release(jobs: readonly ClaimedJob[]): void {
    if (jobs.length === 0) return;
    const { reporter, store, process, onDoubt } = this.#options;
    const releasing = async () => {
      // What is done of them must stand in the store before another process takes them.
      await reporter.recorded();
      await store.release(process, jobs);
    };
    const released = releasing().catch((error: unknown) => {
      onDoubt();
      this.#warn(error, 'jobs not given back');
    });
    this.#returning = Promise.all([this.#returning, released]).then(() => undefined);
  }

  async #attempt(item: Item, isProbe: boolean): Promise<void> {
    const { clock } = this.#options;
    const { job, index } = item;
    const sinceMs = clock.monotonic();
    const attempted = await this.#attempter.attempt(job.claimed, index);
    const { isLast, isReturned } = this.#hand.end(item, attempted !== null);
    this.#places.ended(clock.monotonic() - sinceMs, clock.monotonic(), this.#burden());
    if (attempted !== null) {
      const { result, outcome, record: attempt, isTelling } = attempted;
      this.#report({ job: job.claimed, index, outcome, isLast, attempt });
      if (outcome.kind === 'retry') this.#wakeWhenDue(outcome.dueMs);
      if (asksToPause(result, this.#target.retry)) void this.#pause();
      if (isTelling && this.#gate.observe(result, isProbe)) await this.#judge(result, isProbe);
    }
    if (isReturned) this.#release([job.claimed]);
    if (this.#whenSent.length > 0) for (const resolve of this.#whenSent.splice(0)) resolve();
    this.#pumpWhenFree();
  }

  /**
   * The client takes a connection back only in the next turn of the event loop. A request that is begun before
   * that would open another one, which is what having fewer places than there may be is to spare.
   */
  #pumpWhenFree(): void {
    const { slots } = this.#gate;
    if (this.#hand.waiting > 0 && this.#places.within(slots) < slots) setImmediate(() => this.#pump());
    else this.#pump();
  }

  #report(report: Parameters<Reporter['add']>[0]): void {
    const { reporter } = this.#options;
    // The row's next Delivery is free only when it is recorded.
    if (this.#target.ordering === 'row') reporter.add(report, () => this.wake());
    else reporter.add(report);
  }

  /** Lets the gate learn of the receiver's health; parked, what was not begun goes back. */
  async #judge(result: AttemptResult, isProbe: boolean): Promise<void> {
    await this.#gate.decide(result).catch((error: unknown) => this.#warn(error, 'breaker not told'));
    if (this.#gate.isParked) this.#giveBack();
    if (isProbe || this.#gate.isParked) this.#mayHaveMore = true;
  }

  /**
   * The receiver says that its address is gone: the Webhook rests until somebody looks at it. Nothing further is
   * begun here from now on; the other processes hear of it from the store.
   */
  async #pause(): Promise<void> {
    if (this.#isPausing) return;
    const { store, log } = this.#options;
    const webhook = this.#target.key;
    this.#isPausing = true;
    this.#giveBack();
    try {
      await store.pause(webhook);
      log.warn({ webhook, try: 'walhook webhooks resume' }, 'paused: the receiver answered 410 Gone');
    } catch (error) {
      this.#warn(error, 'not paused after a 410');
    }
    // What a claim took before the pause was stored is not begun either; what there is to send, the store says.
    await this.#claiming;
    this.#giveBack();
    this.#isPausing = false;
    this.wake();
  }

  #warn(error: unknown, what: string): void {
    const { code, message } = toWalhookError(error);
    this.#options.log.warn({ webhook: this.#target.key, code }, `${what}: ${message}`);
  }
}
