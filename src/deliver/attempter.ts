/**
 * One Attempt of one Delivery: its request, what came of it, what that means for the Delivery, and what is told of
 * it. Of other Deliveries, of places and shares it knows nothing: that is the lane's.
 */
import type { Clock } from '../core/clock.ts';
import { toWalhookError, WalhookError } from '../core/errors.ts';
import type { Failpoint } from '../core/failpoint.ts';
import type { Logger } from '../core/logger.ts';
import type { AttemptRecord } from '../queue/attempt.ts';
import type { ClaimedJob, Outcome } from '../queue/store.ts';
import { attemptRecorder, type RecordAttempt } from './attemptRecord.ts';
import { send } from './http.ts';
import { type AttemptResult, decide } from './outcome.ts';
import { type PreparedRequest, type PrepareRequest, requestMaker } from './request.ts';
import type { AddressGuard, DeliverTarget } from './target.ts';
import { Transport } from './transport.ts';

/** An Attempt as the metrics count it. */
export interface AttemptSample {
  /** The Webhook's key. */
  readonly webhook: string;
  readonly outcome: Outcome['kind'];
  readonly durationMs: number;
  /** Since the commit. */
  readonly ageMs: number;
}

export interface AttempterOptions {
  readonly addresses: AddressGuard;
  readonly clock: Clock;
  readonly log: Logger;
  readonly userAgent: string;
  readonly failpoint: Failpoint;
  /** Aborts what is in flight. */
  readonly abortSignal: AbortSignal;
  /** Told of every Attempt, for the metrics. */
  readonly onAttempt?: (sample: AttemptSample) => void;
}

export interface Attempted {
  readonly result: AttemptResult;
  readonly outcome: Outcome;
  /** For the log. */
  readonly record: AttemptRecord;
  /** Whether it says something of the receiver. */
  readonly isTelling: boolean;
}

export class Attempter {
  readonly #target: DeliverTarget;
  readonly #options: AttempterOptions;
  readonly #transport: Transport;
  readonly #prepare: PrepareRequest;
  readonly #record: RecordAttempt;

  constructor(target: DeliverTarget, options: AttempterOptions) {
    this.#target = target;
    this.#options = options;
    this.#prepare = requestMaker(target);
    this.#record = attemptRecorder(target);
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

  /**
   * Sends Delivery `index` of a job. null where it was cut off at the end of the process: then no Attempt was made,
   * and the job goes to whoever takes it next.
   */
  async attempt(job: ClaimedJob, index: number): Promise<Attempted | null> {
    const { clock, failpoint, abortSignal } = this.#options;
    const { retry, timeoutMs } = this.#target;
    const sinceMs = clock.monotonic();
    const startedMs = clock.now();
    const made = this.#make(job, index, startedMs);
    const request = 'kind' in made ? null : made;
    const result = await ('kind' in made ? made : send(this.#transport, made, timeoutMs, abortSignal));
    if (result.kind === 'response') failpoint.reach('after_response');
    if (abortSignal.aborted && result.kind === 'timeout') return null;
    const nowMs = clock.now();
    const durationMs = clock.monotonic() - sinceMs;
    const attempts = job.attempts + 1;
    const ageMs = nowMs - (job.deliveries[index]?.committedAtMs ?? nowMs);
    const outcome = decide(result, retry, { attempts, ageMs, nowMs, random: Math.random() });
    this.#tell(job, index, outcome, durationMs);
    this.#options.onAttempt?.({ webhook: this.#target.key, outcome: outcome.kind, durationMs, ageMs });
    const record = this.#record(request, result, { startedMs, durationMs });
    return { result, outcome, record, isTelling: !isOwnDelay(result, durationMs, timeoutMs) };
  }

  /** Closes the connections. */
  async close(): Promise<void> {
    await this.#transport.close();
  }

  /** The request for a Delivery, or why none could be made. */
  #make(job: ClaimedJob, index: number, nowMs: number): PreparedRequest | AttemptResult {
    const delivery = job.deliveries[index];
    try {
      if (delivery === undefined) throw new WalhookError('UNEXPECTED', 'the job has no such Delivery');
      const { userAgent } = this.#options;
      return this.#prepare(delivery, { nowMs, userAgent, isResend: job.isResend === true });
    } catch (error) {
      return unsendable(error);
    }
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

/** A deadline noticed this much too late says that this process did not get to run. */
const LATE_MS = 1_000;

/** Whether a timeout is to be blamed on this process, e.g. because it was stopped, and not on the receiver. Pure. */
export function isOwnDelay(result: AttemptResult, durationMs: number, timeoutMs: number): boolean {
  return result.kind === 'timeout' && durationMs > timeoutMs + LATE_MS;
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
