/**
 * Deliver: opens a lane for each Webhook that has work, keeps this process counted as alive, and drains at
 * the end. Wakes come from this process's own flushes, from other processes, and from a poll that also
 * finds the retries whose time has come.
 */
import type { Clock } from '../core/clock.ts';
import { toWalhookError } from '../core/errors.ts';
import type { Failpoint } from '../core/failpoint.ts';
import { settlesWithin } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { DeliverStore } from '../queue/store.ts';
import { type AddressGuard, type AttemptSample, type DeliverTarget, Lane } from './lane.ts';
import { Reporter } from './reporter.ts';

export interface DelivererOptions {
  readonly store: DeliverStore;
  /** This process among all that share the store. */
  readonly process: string;
  readonly targets: readonly DeliverTarget[];
  readonly userAgent: string;
  readonly addresses: AddressGuard;
  readonly clock: Clock;
  readonly log: Logger;
  readonly failpoint: Failpoint;
  /** Told of every Attempt, for the metrics. */
  readonly onAttempt?: (sample: AttemptSample) => void;
  /** How long requests in flight may take after the signal. */
  readonly shutdownMs: number;
}

const POLL_MS = 1_000;
const HEARTBEAT_MS = 2_000;
/** After this silence other processes take a process's jobs. */
const TIME_TO_LIVE_MS = 10_000;
/** A lane without work is closed after this, with its connections. */
const LINGER_MS = 10_000;
/** At the end, how long the store may take to record the last outcomes. */
const LAST_REPORT_MS = 3_000;

export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #reporter: Reporter;
  #targets: ReadonlyMap<string, DeliverTarget>;
  readonly #lanes = new Map<string, Lane>();
  /** Lanes of definitions that were replaced, until their requests in flight have ended. */
  readonly #retired = new Set<Lane>();
  readonly #lingering = new Map<string, NodeJS.Timeout>();
  readonly #abort = new AbortController();
  #aliveUntilMs = 0;
  #isStopping = false;

  constructor(options: DelivererOptions) {
    this.#options = options;
    this.#reporter = new Reporter(options);
    this.#targets = new Map(options.targets.map((target) => [target.key, target]));
  }

  /** Delivers until the signal is aborted, then drains. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, clock, log } = this.#options;
    await store.onWake(
      (webhooks) => this.wake(webhooks),
      (cancelled) => {
        for (const lane of this.#lanes.values()) lane.cancel(cancelled);
      },
    );
    let nextHeartbeatMs = 0;
    while (!signal.aborted) {
      try {
        if (clock.monotonic() >= nextHeartbeatMs) {
          await this.#heartbeat();
          nextHeartbeatMs = clock.monotonic() + HEARTBEAT_MS;
        }
        this.wake(await store.dueWebhooks(clock.now()));
      } catch (error) {
        const known = toWalhookError(error);
        log.warn({ code: known.code, try: known.remedy }, `queue not reached: ${known.message}`);
      }
      await clock.sleep(POLL_MS, signal);
    }
    await this.#drain();
  }

  /** There may be work for these Webhooks, or they were paused or resumed. */
  wake(webhooks: readonly string[]): void {
    if (this.#isStopping) return;
    for (const webhook of webhooks) {
      const target = this.#targets.get(webhook);
      // The Deliveries of a Webhook that is defined no more wait for it.
      if (target !== undefined) this.#lane(target).wake();
    }
  }

  /**
   * Takes the targets of a reload: what is in flight ends as it began, everything else is sent as the new
   * definitions say.
   */
  replaceTargets(targets: readonly DeliverTarget[]): void {
    this.#targets = new Map(targets.map((target) => [target.key, target]));
    const keys = new Set([...this.#targets.keys(), ...this.#lanes.keys()]);
    for (const lane of this.#lanes.values()) void this.#retire(lane);
    this.#lanes.clear();
    this.wake([...keys]);
  }

  async #retire(lane: Lane): Promise<void> {
    this.#retired.add(lane);
    try {
      await lane.stop();
    } catch (error) {
      // What could not be given back is taken over when this process has told that it lives.
      const known = toWalhookError(error);
      this.#options.log.warn({ code: known.code }, `jobs not given back: ${known.message}`);
    }
    await lane.close();
    this.#retired.delete(lane);
    if (!this.#isStopping) this.wake([...this.#targets.keys()]);
  }

  #lane(target: DeliverTarget): Lane {
    clearTimeout(this.#lingering.get(target.key));
    this.#lingering.delete(target.key);
    let lane = this.#lanes.get(target.key);
    if (lane === undefined) {
      lane = new Lane(target, {
        ...this.#options,
        reporter: this.#reporter,
        isAlive: () => this.#options.clock.monotonic() < this.#aliveUntilMs,
        abortSignal: this.#abort.signal,
        onIdle: () => this.#linger(target.key),
      });
      this.#lanes.set(target.key, lane);
    }
    return lane;
  }

  #linger(webhook: string): void {
    if (this.#isStopping || this.#lingering.has(webhook)) return;
    const timer = setTimeout(() => {
      this.#lingering.delete(webhook);
      const lane = this.#lanes.get(webhook);
      if (lane === undefined || !lane.isIdle) return;
      this.#lanes.delete(webhook);
      void lane.close();
    }, LINGER_MS);
    timer.unref();
    this.#lingering.set(webhook, timer);
  }

  async #heartbeat(): Promise<void> {
    const { store, process, clock } = this.#options;
    const wasAlive = clock.monotonic() < this.#aliveUntilMs;
    const askedMs = clock.monotonic();
    await store.heartbeat(process, clock.now(), TIME_TO_LIVE_MS);
    if (!wasAlive) {
      // Whatever this process does not know it holds was taken by a claim whose answer never came.
      await store.recover(
        process,
        [...this.#lanes.values(), ...this.#retired].flatMap((lane) => lane.jobIds),
      );
    }
    this.#aliveUntilMs = askedMs + TIME_TO_LIVE_MS * 0.8;
  }

  async #drain(): Promise<void> {
    const { shutdownMs, log } = this.#options;
    this.#isStopping = true;
    for (const timer of this.#lingering.values()) clearTimeout(timer);
    const lanes = [...this.#lanes.values(), ...this.#retired];
    const stopped = Promise.allSettled(lanes.map((lane) => lane.stop()));
    if (!(await settlesWithin(stopped, shutdownMs))) {
      log.warn({ shutdownMs }, 'requests in flight are cut off; they will be sent again');
      this.#abort.abort();
    }
    if (!(await settlesWithin(this.#reporter.drain(), LAST_REPORT_MS))) this.#reporter.giveUp();
    await settlesWithin(stopped, LAST_REPORT_MS);
    await Promise.allSettled(lanes.map((lane) => lane.close()));
  }
}
