/**
 * The Deliveries of one Webhook in this process: takes jobs, keeps `concurrency` requests in flight, hands
 * outcomes to the reporter. A lane exists while its Webhook has work, and knows nothing of other Webhooks.
 */
import type { AddressRules } from '../core/addressRules.ts';
import type { Clock } from '../core/clock.ts';
import { toWalhookError, WalhookError } from '../core/errors.ts';
import type { Failpoint } from '../core/failpoint.ts';
import type { Logger } from '../core/logger.ts';
import type { Secret } from '../core/secret.ts';
import type { CancelledInJob, ClaimedJob, DeliverStore, Outcome } from '../queue/store.ts';
import type { OwnServices, Resolve } from './addresses/ownServices.ts';
import { recordAttempt } from './attemptRecord.ts';
import { send } from './http.ts';
import { type AttemptResult, asksToPause, decide, type RetryPolicy } from './outcome.ts';
import type { Reporter } from './reporter.ts';
import { type PreparedRequest, prepareRequest, type RequestShape } from './request.ts';
import type { TlsSettings } from './tlsFiles.ts';
import { Transport } from './transport.ts';

/** A Webhook as deliver needs it. */
export interface DeliverTarget extends RequestShape {
  readonly retry: RetryPolicy;
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly tls: TlsSettings;
  /** URL of an HTTP proxy; null: none. */
  readonly proxy: Secret | null;
  /** The loopback host that stands in the url of the configuration file; null without one. */
  readonly writtenLoopback: string | null;
}

/** Where requests may go. */
export interface AddressGuard {
  readonly rules: AddressRules;
  readonly own: OwnServices;
  readonly resolve: Resolve;
}

/** An Attempt as the metrics count it. */
export interface AttemptSample {
  /** The Webhook's key. */
  readonly webhook: string;
  readonly outcome: Outcome['kind'];
  readonly durationMs: number;
  /** Since the commit. */
  readonly ageMs: number;
}

export interface LaneOptions {
  readonly store: DeliverStore;
  readonly process: string;
  readonly reporter: Reporter;
  readonly clock: Clock;
  readonly log: Logger;
  readonly userAgent: string;
  readonly failpoint: Failpoint;
  readonly addresses: AddressGuard;
  /** Whether this process still counts as alive: otherwise its jobs may be another's by now. */
  readonly isAlive: () => boolean;
  /** Aborts what is in flight. */
  readonly abortSignal: AbortSignal;
  /** Told of every Attempt, for the metrics. */
  readonly onAttempt?: (sample: AttemptSample) => void;
  /** Called when nothing is left to do here. */
  readonly onIdle: () => void;
}

/** One Delivery of a taken job that was not begun yet. */
interface Item {
  readonly job: OpenJob;
  readonly index: number;
}

interface OpenJob {
  readonly claimed: ClaimedJob;
  /** Deliveries whose outcome is not known yet. */
  left: number;
  /** Of them, those that are neither begun nor given back. */
  waiting: number;
}

/** How many jobs one claim takes at most: singles after failures, batches of 25 otherwise. */
const MAX_JOBS = 8;
/** With fewer Deliveries than this at hand the next ones are claimed, so that requests go on meanwhile. */
const LOW_ITEMS = 100;

export class Lane {
  readonly #target: DeliverTarget;
  readonly #options: LaneOptions;
  readonly #transport: Transport;
  readonly #jobs = new Map<string, OpenJob>();
  #items: Item[] = [];
  #inFlight = 0;
  #claiming: Promise<void> | null = null;
  #mayHaveMore = false;
  #isStopped = false;

  constructor(target: DeliverTarget, options: LaneOptions) {
    this.#target = target;
    this.#options = options;
    this.#transport = new Transport({
      ...options.addresses,
      connections: target.concurrency,
      timeoutMs: target.timeoutMs,
      tls: target.tls,
      proxy: target.proxy,
      writtenLoopback: target.writtenLoopback,
      clock: options.clock,
    });
  }

  /** Ids of the jobs this lane has taken. */
  get jobIds(): string[] {
    return [...this.#jobs.keys()];
  }

  get isIdle(): boolean {
    return this.#inFlight === 0 && this.#items.length === 0 && this.#claiming === null;
  }

  /** There may be work, or the Webhook was paused or resumed. */
  wake(): void {
    this.#mayHaveMore = true;
    this.#pump();
  }

  /** Takes nothing further and gives back what was not begun; resolves when nothing is in flight. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#claiming;
    await this.#giveBack();
    while (this.#inFlight > 0) await new Promise<void>((resolve) => this.#whenSent.push(resolve));
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  readonly #whenSent: (() => void)[] = [];

  #pump(): void {
    const { isAlive } = this.#options;
    while (!this.#isStopped && this.#inFlight < this.#target.concurrency && isAlive()) {
      const item = this.#items.shift();
      if (item === undefined) break;
      item.job.waiting -= 1;
      this.#inFlight += 1;
      void this.#attempt(item);
    }
    const isLow = this.#items.length < Math.max(this.#target.concurrency, LOW_ITEMS);
    const wantsMore = isLow && this.#mayHaveMore;
    if (!this.#isStopped && wantsMore && this.#claiming === null && isAlive()) {
      this.#claiming = this.#claim().finally(() => {
        this.#claiming = null;
        this.#pump();
      });
    } else if (this.isIdle) {
      this.#options.onIdle();
    }
  }

  async #claim(): Promise<void> {
    const { store, process, clock, log } = this.#options;
    this.#mayHaveMore = false;
    try {
      const { jobs, isPaused } = await store.claim({
        webhook: this.#target.key,
        process,
        maxJobs: MAX_JOBS,
        nowMs: clock.now(),
      });
      for (const claimed of jobs) this.#open(claimed);
      if (jobs.length === MAX_JOBS) this.#mayHaveMore = true;
      if (isPaused) await this.#giveBack();
    } catch (error) {
      const known = toWalhookError(error);
      log.warn({ webhook: this.#target.key, code: known.code }, `no jobs taken: ${known.message}`);
    }
  }

  #open(claimed: ClaimedJob): void {
    const open = claimed.deliveries.flatMap((_, index) => ((claimed.done >> index) & 1 ? [] : [index]));
    const job: OpenJob = { claimed, left: open.length, waiting: open.length };
    this.#jobs.set(claimed.id, job);
    for (const index of open) this.#items.push({ job, index });
  }

  /** Drops Deliveries that were cancelled; one that is in flight is not cut off. */
  cancel({ job: id, mask }: CancelledInJob): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    const isCancelled = (item: Item) => item.job === job && ((mask >> item.index) & 1) === 1;
    const dropped = this.#items.filter(isCancelled);
    this.#items = this.#items.filter((item) => !isCancelled(item));
    for (const { index } of dropped) {
      job.waiting -= 1;
      job.left -= 1;
      if (job.left === 0) this.#jobs.delete(id);
      const outcome = { kind: 'cancelled' } as const;
      this.#options.reporter.add({ job: job.claimed, index, outcome, isLast: job.left === 0 });
    }
    this.#pump();
  }

  /** Lets go of the jobs of which nothing is in flight, without telling the store. Returns them. */
  forgetIdle(): ClaimedJob[] {
    const idle = new Set([...this.#jobs.values()].filter((job) => job.waiting === job.left));
    this.#items = this.#items.filter((item) => !idle.has(item.job));
    for (const job of idle) this.#jobs.delete(job.claimed.id);
    return [...idle].map((job) => job.claimed);
  }

  async #giveBack(): Promise<void> {
    const idle = this.forgetIdle();
    if (idle.length === 0) return;
    // What is done of them must stand in the store before another process takes them.
    await this.#options.reporter.drain();
    await this.#options.store.release(this.#options.process, idle);
  }

  async #attempt({ job, index }: Item): Promise<void> {
    const { clock, failpoint, reporter, abortSignal, onAttempt } = this.#options;
    const startedMs = clock.monotonic();
    const startedAtMs = clock.now();
    const { result, request } = await this.#try(job.claimed, index);
    if (result.kind === 'response') failpoint.reach('after_response');
    this.#inFlight -= 1;
    // Cut off at the end of the process: no Attempt was made, the job goes to whoever takes it next.
    if (!(abortSignal.aborted && result.kind === 'timeout')) {
      const delivery = job.claimed.deliveries[index];
      const attempts = job.claimed.attempts + 1;
      const outcome = decide(result, this.#target.retry, {
        attempts,
        ageMs: clock.now() - (delivery?.committedAtMs ?? 0),
        nowMs: clock.now(),
        random: Math.random(),
      });
      job.left -= 1;
      if (job.left === 0) this.#jobs.delete(job.claimed.id);
      this.#tell(job.claimed, index, outcome, clock.monotonic() - startedMs);
      if (asksToPause(result, this.#target.retry)) this.#pause();
      const durationMs = clock.monotonic() - startedMs;
      const ageMs = clock.now() - (delivery?.committedAtMs ?? clock.now());
      onAttempt?.({ webhook: this.#target.key, outcome: outcome.kind, durationMs, ageMs });
      const attempt = recordAttempt(this.#target, request, result, { startedMs: startedAtMs, durationMs });
      reporter.add({ job: job.claimed, index, outcome, isLast: job.left === 0, attempt });
    }
    for (const resolve of this.#whenSent.splice(0)) resolve();
    this.#pump();
  }

  async #try(
    job: ClaimedJob,
    index: number,
  ): Promise<{ readonly result: AttemptResult; readonly request: PreparedRequest | null }> {
    const { clock, userAgent, abortSignal } = this.#options;
    const delivery = job.deliveries[index];
    let request: PreparedRequest;
    try {
      if (delivery === undefined) throw new WalhookError('UNEXPECTED', 'the job has no such Delivery');
      const isResend = job.isResend === true;
      request = prepareRequest(this.#target, delivery, { nowMs: clock.now(), userAgent, isResend });
    } catch (error) {
      return { result: unsendable(error), request: null };
    }
    return { result: await send(this.#transport, request, this.#target.timeoutMs, abortSignal), request };
  }

  /** The receiver says that its address is gone: the Webhook rests until somebody looks at it. */
  #pause(): void {
    const { store, log } = this.#options;
    const webhook = this.#target.key;
    store.pause(webhook).then(
      () => log.warn({ webhook, try: 'walhook webhooks resume' }, 'paused: the receiver answered 410 Gone'),
      (error: unknown) => log.warn({ webhook, code: toWalhookError(error).code }, 'not paused after a 410'),
    );
  }

  /** One line per Attempt; what was sent and what came back is never in it. */
  #tell(job: ClaimedJob, index: number, outcome: Outcome, durationMs: number): void {
    const fields = {
      webhook: this.#target.key,
      event: job.deliveries[index]?.eventId,
      attempt: job.attempts + 1,
      durationMs: Math.round(durationMs),
    };
    const { log } = this.#options;
    if (outcome.kind === 'delivered') log.debug(fields, 'delivered');
    else if (outcome.kind === 'retry')
      log.info({ ...fields, due: new Date(outcome.dueMs).toISOString() }, 'to be retried');
    else if (outcome.kind === 'failed')
      log.warn({ ...fields, reason: outcome.reason }, `failed: ${outcome.detail}`);
  }
}

const UNSENDABLE = {
  TEMPLATE_FAILED: 'template',
  URL_INVALID: 'url',
  HEADER_INVALID: 'header',
} as const;

function unsendable(error: unknown): AttemptResult {
  const known = toWalhookError(error);
  const reason = Object.hasOwn(UNSENDABLE, known.code)
    ? UNSENDABLE[known.code as keyof typeof UNSENDABLE]
    : 'template';
  return { kind: 'unsendable', reason, detail: known.message };
}
