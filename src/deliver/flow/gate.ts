/**
 * How many requests a lane may have in flight and start, as agreed with the other processes, and whether
 * its Webhook is parked. Asks anew every few seconds, and sooner where that may give more.
 */
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { DeliverStore } from '../../queue/store.ts';
import type { AttemptResult } from '../outcome.ts';
import { Agreement } from './agreement.ts';
import { HealthWindow, healthOf, park, unpark } from './breaker.ts';
import { type Rate, share, withdraw } from './share.ts';
import type { Swapper } from './swapper.ts';

export interface GateOptions {
  readonly store: Pick<DeliverStore, 'setParked'>;
  readonly swapper: Pick<Swapper, 'swap'>;
  readonly webhook: string;
  readonly process: string;
  readonly concurrency: number;
  readonly rate: Rate | null;
  readonly timeoutMs: number;
  /** Processes that are known to have ended, as of now. */
  readonly ended: () => ReadonlySet<string>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What a lane could use now. */
export interface Demand {
  readonly inFlight: number;
  /** Deliveries in hand that were not begun. */
  readonly waiting: number;
  /** There may be more in the store. */
  readonly mayHaveMore: boolean;
}

/** What is held is confirmed this often; others take it for given up after ten seconds. */
const CONFIRM_MS = 2_000;
/** Asking again where others hold what this process wants. */
const CONTESTED_MS = 500;
/** Beyond the deadline of the request itself, for the outcome to be stored. */
const PROBE_MARGIN_MS = 10_000;

export class Gate {
  readonly #options: GateOptions;
  readonly #agreement: Agreement;
  readonly #window = new HealthWindow();
  #slots = 0;
  #starts = 0;
  #isProbe = false;
  #parkedUntilMs: number | null = null;
  #nextAskMs = Number.NEGATIVE_INFINITY;
  #nextStartsMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | null = null;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#agreement = new Agreement(options.swapper, options.webhook);
  }

  /** Requests that may be in flight here. */
  get slots(): number {
    return this.#slots;
  }

  /** Whether the next request decides if the Webhook stays parked. */
  get isProbe(): boolean {
    return this.#isProbe;
  }

  get isParked(): boolean {
    return this.#parkedUntilMs !== null;
  }

  mayStart(inFlight: number): boolean {
    // The probe does not wait for requests that were begun before its Webhook was parked.
    const places = this.#isProbe ? this.#options.concurrency : this.#slots;
    return inFlight < places && this.#starts > 0;
  }

  /** A request was begun. */
  started(): void {
    this.#starts -= 1;
  }

  /** Whether asking now may give a lane with this demand more than it has. */
  isWorthAsking(demand: Demand): boolean {
    const atMs = this.worthAskingAtMs(demand);
    return this.#asking === null && atMs !== null && this.#options.clock.now() >= atMs;
  }

  /** From when on asking may give more; null where there is enough for this demand. */
  worthAskingAtMs(demand: Demand): number | null {
    const { concurrency, rate } = this.#options;
    const isShortOfStarts =
      rate !== null && this.#starts <= 0 && demand.waiting > 0 && demand.inFlight < this.#slots;
    if (isShortOfStarts && !this.#isProbe) return this.#nextStartsMs;
    return this.#slots < Math.min(concurrency, this.#wants(demand)) ? this.#nextAskMs : null;
  }

  /**
   * Confirms what is held, where it is time to; what is idle gives it back instead, and asks again when it has
   * work. Throws what the store throws.
   */
  async confirm(demand: Demand): Promise<void> {
    const isHolding = this.#nextAskMs !== Number.NEGATIVE_INFINITY;
    if (!isHolding || this.#options.clock.now() < this.#nextAskMs) return;
    if (this.#wants(demand) === 0 && !this.isParked && !this.#isProbe) await this.release();
    else await this.#askOnce(demand, 0);
  }

  /** Asks once; whoever asks meanwhile waits for the same answer. Throws what the store throws. */
  async ask(demand: Demand): Promise<void> {
    await this.#askOnce(demand, Math.min(this.#options.concurrency - demand.inFlight, demand.waiting));
  }

  /**
   * Takes note of what an Attempt says of the receiver. Returns whether the Webhook is to be parked or unparked
   * for it, by {@link decide}.
   *
   * @param isProbe it was begun as the probe. While one is out, nothing else decides: a request that was begun
   *   before the Webhook was parked may time out long after its receiver has come back.
   */
  observe(result: AttemptResult, isProbe: boolean): boolean {
    const health = healthOf(result);
    if (health === 'unknown' || (this.#isProbe && !isProbe)) return false;
    const isDown = this.#window.isDownAfter(health, this.#options.clock.now());
    return this.#isProbe || (isDown && !this.isParked);
  }

  /** Parks or unparks the Webhook after an Attempt that {@link observe} found to say so. Throws what the store throws. */
  async decide(result: AttemptResult): Promise<void> {
    const { clock, log, webhook, store } = this.#options;
    const nowMs = clock.now();
    if (this.#isProbe && healthOf(result) === 'up') {
      await this.#agreement.change((state) => ({ state: unpark(state, nowMs), grant: null }));
      this.#window.clear();
      this.#reset();
      await store.setParked(webhook, false);
      log.info({ webhook }, 'the receiver answers again: going on, slowly at first');
    } else {
      await this.#park(result.kind === 'response' ? `status ${result.status}` : result.kind, nowMs);
    }
  }

  /** Gives back what is held. Throws what the store throws. */
  async release(): Promise<void> {
    const { process, clock } = this.#options;
    const isHolding = this.#nextAskMs !== Number.NEGATIVE_INFINITY;
    // Before the store knows of it: whoever has work meanwhile asks again.
    this.#reset();
    if (!isHolding) return;
    const nowMs = clock.now();
    await this.#agreement.change((state) => ({ state: withdraw(state, process, nowMs), grant: null }));
  }

  #reset(): void {
    this.#isProbe = false;
    this.#parkedUntilMs = null;
    this.#nextAskMs = Number.NEGATIVE_INFINITY;
    this.#nextStartsMs = Number.NEGATIVE_INFINITY;
    this.#slots = 0;
    this.#starts = 0;
  }

  #wants({ inFlight, waiting, mayHaveMore }: Demand): number {
    const { concurrency } = this.#options;
    return Math.min(concurrency, inFlight + waiting + (mayHaveMore ? concurrency : 0));
  }

  async #askOnce(demand: Demand, starts: number): Promise<void> {
    this.#asking ??= this.#ask(demand, starts).finally(() => {
      this.#asking = null;
    });
    await this.#asking;
  }

  async #ask(demand: Demand, starts: number): Promise<void> {
    const { process, concurrency, rate, timeoutMs, clock } = this.#options;
    const ended = this.#options.ended();
    const nowMs = clock.now();
    const wants = this.#wants(demand);
    const probeMs = timeoutMs + PROBE_MARGIN_MS;
    const inUse = demand.inFlight;
    const grant = await this.#agreement.change((state) =>
      share(state, { process, nowMs, inUse, wants, starts, concurrency, rate, probeMs, ended }),
    );
    if (grant === null) {
      this.#nextAskMs = nowMs + CONTESTED_MS;
      this.#nextStartsMs = nowMs + CONTESTED_MS;
      return;
    }
    this.#slots = grant.slots;
    this.#starts = grant.starts;
    this.#isProbe = grant.isProbe;
    this.#parkedUntilMs = grant.parkedUntilMs;
    this.#nextStartsMs = grant.startsAgainMs ?? nowMs;
    const pauseMs = grant.slots < wants && grant.parkedUntilMs === null ? CONTESTED_MS : CONFIRM_MS;
    const againMs = grant.againMs ?? Number.POSITIVE_INFINITY;
    this.#nextAskMs = grant.isProbe ? againMs : Math.min(againMs, nowMs + pauseMs);
  }

  async #park(reason: string, nowMs: number): Promise<void> {
    const { log, webhook, process, store } = this.#options;
    const random = Math.random();
    const isFirst = !this.#isProbe;
    this.#isProbe = false;
    this.#slots = 0;
    this.#starts = 0;
    this.#parkedUntilMs = nowMs;
    const parked = await this.#agreement.change((state) => {
      // Another process may have seen it first, and its time counts.
      const isParked = state.park !== null && (isFirst || state.park.prober !== process);
      const next = isParked ? state : park(state, reason, nowMs, random);
      return { state: next, grant: next.park };
    });
    this.#parkedUntilMs = parked?.untilMs ?? nowMs;
    this.#nextAskMs = nowMs;
    await store.setParked(webhook, true);
    log.warn(
      { webhook, reason, until: new Date(this.#parkedUntilMs).toISOString(), openings: parked?.openings },
      'parked: the receiver is down; its Deliveries wait and use up no Attempt',
    );
  }
}
