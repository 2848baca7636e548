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
import type { AttemptSample } from './attempter.ts';
import { Swapper } from './flow/swapper.ts';
import { Lane } from './lane.ts';
import { Load } from './load.ts';
import { Reporter } from './reporter.ts';
import type { AddressGuard, DeliverTarget } from './target.ts';
import { Turns } from './turns.ts';

export interface DelivererOptions {
  readonly store: DeliverStore;
  /** This process among all that share the store. */
  readonly process: string;
  /** Whether another process has certainly ended, e.g. because it ran on this machine; default: nothing is known. */
  readonly hasEnded?: (process: string) => boolean;
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
  /** See the reporter. */
  readonly restMs?: number;
}

const POLL_MS = 1_000;
const HEARTBEAT_MS = 2_000;
/** After this silence other processes take a process's jobs. */
const TIME_TO_LIVE_MS = 10_000;
/** Lanes that ask the store at a time. */
const TURNS = 8;
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
  readonly #turns = new Turns(TURNS);
  readonly #load = new Load();
  readonly #swapper: Swapper;
  readonly #abort = new AbortController();
  #ended: ReadonlySet<string> = new Set();
  #nextHeartbeatMs = 0;
  #aliveUntilMs = 0;
  #isListening = false;
  #isInDoubt = false;
  #isStopping = false;

  constructor(options: DelivererOptions) {
    this.#options = options;
    this.#reporter = new Reporter(options);
    this.#swapper = new Swapper(options.store);
    this.#targets = new Map(options.targets.map((target) => [target.key, target]));
  }

  /** Delivers until the signal is aborted, then drains. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.#poll();
      await clock.sleep(POLL_MS, signal);
    }
    await this.#drain();
  }

  /** There may be work for these Webhooks. */
  wake(webhooks: readonly string[]): void {
    for (const lane of this.#lanesOf(webhooks)) lane.wake();
  }

  /**
   * Takes the targets of a reload, or of rows that changed: what is in flight ends as it began, everything else is sent as the new
   * definitions say.
   */
  replaceTargets(targets: readonly DeliverTarget[]): void {
    this.#targets = new Map(targets.map((target) => [target.key, target]));
    const changed = [...this.#lanes].filter(([key, lane]) => this.#targets.get(key) !== lane.target);
    for (const [key, lane] of changed) {
      this.#lanes.delete(key);
      void this.#retire(lane);
    }
    this.wake([...this.#targets.keys()]);
  }

  async #retire(lane: Lane): Promise<void> {
    this.#retired.add(lane);
    await lane.stop();
    await lane.close();
    this.#retired.delete(lane);
    this.wake([...this.#targets.keys()]);
  }

  get #allLanes(): Lane[] {
    return [...this.#lanes.values(), ...this.#retired];
  }

  /** Other processes say that there is work for these Webhooks, or that they were paused or resumed. */
  #review(webhooks: readonly string[]): void {
    for (const lane of this.#lanesOf(webhooks)) void lane.review();
  }

  #lanesOf(webhooks: readonly string[]): Lane[] {
    if (this.#isStopping) return [];
    return webhooks.flatMap((webhook) => {
      const target = this.#targets.get(webhook);
      // The Deliveries of a Webhook that is defined no more wait for it.
      return target === undefined ? [] : [this.#lane(target)];
    });
  }

  async #poll(): Promise<void> {
    const { store, clock, log } = this.#options;
    try {
      await this.#heartbeatWhenDue();
      await this.#buryEnded();
      await this.#listen();
      await this.#recover();
      this.wake(await store.dueWebhooks(clock.now()));
      // Not waited for: a share that is contested must not hold the heartbeat.
      for (const lane of this.#lanes.values()) void lane.confirm();
    } catch (error) {
      const known = toWalhookError(error);
      log.warn({ code: known.code, try: known.remedy }, `queue not reached: ${known.message}`);
    }
  }

  /** Polling finds everything a second later where the store cannot tell. */
  async #listen(): Promise<void> {
    if (this.#isListening) return;
    await this.#options.store.onWake(
      (webhooks) => this.#review(webhooks),
      (cancelled) => {
        for (const lane of this.#allLanes) lane.cancel(cancelled);
      },
      () => {
        this.#isInDoubt = true;
      },
    );
    this.#isListening = true;
  }

  #lane(target: DeliverTarget): Lane {
    clearTimeout(this.#lingering.get(target.key));
    this.#lingering.delete(target.key);
    let lane = this.#lanes.get(target.key);
    if (lane === undefined) {
      lane = new Lane(target, {
        ...this.#options,
        reporter: this.#reporter,
        turns: this.#turns,
        swapper: this.#swapper,
        load: this.#load,
        ended: () => this.#ended,
        isAlive: () => this.#options.clock.monotonic() < this.#aliveUntilMs,
        abortSignal: this.#abort.signal,
        onIdle: () => this.#linger(target.key),
        onDoubt: () => {
          this.#isInDoubt = true;
        },
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

  async #heartbeatWhenDue(): Promise<void> {
    const { store, process, clock } = this.#options;
    if (clock.monotonic() < this.#nextHeartbeatMs) return;
    const wasAlive = clock.monotonic() < this.#aliveUntilMs;
    const askedMs = clock.monotonic();
    await store.heartbeat(process, TIME_TO_LIVE_MS);
    if (!wasAlive) {
      // What was in hand may have been taken by another process meanwhile.
      for (const lane of this.#allLanes) lane.forget();
      this.#isInDoubt = true;
      await this.#recover();
    }
    this.#aliveUntilMs = askedMs + TIME_TO_LIVE_MS * 0.8;
    this.#nextHeartbeatMs = askedMs + HEARTBEAT_MS;
    if (!wasAlive) for (const lane of this.#lanes.values()) lane.wake();
  }

  /** Gives back at once what processes had that are known to have ended; of others, only their silence tells. */
  async #buryEnded(): Promise<void> {
    const { store, process, hasEnded, log } = this.#options;
    if (hasEnded === undefined) return;
    const ended = (await store.workers()).filter((one) => one.process !== process && hasEnded(one.process));
    this.#ended = new Set(ended.map((one) => one.process));
    for (const one of ended) {
      if (one.jobs === 0) continue;
      await store.recover(one.process, []);
      log.info({ process: one.process, jobs: one.jobs }, 'taking over from a process that has ended');
    }
  }

  /** Gives back what this process owns in the store and knows nothing of, because an answer was lost. */
  async #recover(): Promise<void> {
    if (!this.#isInDoubt) return;
    const { store, process } = this.#options;
    const lanes = this.#allLanes;
    try {
      // A claim under way would look like one whose answer was lost.
      await Promise.all(lanes.map((lane) => lane.hold()));
      this.#isInDoubt = false;
      // What is done and waits to be recorded would be sent once more by whoever takes it.
      const known = [...lanes.flatMap((lane) => lane.jobIds), ...this.#reporter.finishing];
      await store.recover(process, known);
    } catch (error) {
      this.#isInDoubt = true;
      throw error;
    } finally {
      for (const lane of lanes) lane.unhold();
    }
  }

  async #drain(): Promise<void> {
    const { shutdownMs, log } = this.#options;
    this.#isStopping = true;
    for (const timer of this.#lingering.values()) clearTimeout(timer);
    const lanes = this.#allLanes;
    const drained = new AbortController();
    const beating = this.#beatUntil(drained.signal);
    const stopped = Promise.allSettled(lanes.map((lane) => lane.stop()));
    if (!(await settlesWithin(stopped, shutdownMs))) {
      log.warn({ shutdownMs }, 'requests in flight are cut off; they will be sent again');
      this.#abort.abort();
    }
    if (!(await settlesWithin(this.#reporter.drain(), LAST_REPORT_MS))) this.#reporter.giveUp();
    await settlesWithin(stopped, LAST_REPORT_MS);
    await settlesWithin(Promise.allSettled(lanes.map((lane) => lane.close())), LAST_REPORT_MS);
    drained.abort();
    await beating;
  }

  /** Stays alive for the others while requests in flight end. */
  async #beatUntil(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#heartbeatWhenDue();
      } catch (error) {
        log.warn({ code: toWalhookError(error).code }, 'queue not reached while draining');
      }
      await clock.sleep(POLL_MS, signal);
    }
  }
}
