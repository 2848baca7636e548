/**
 * What a report means for the store, the same for both backends: which Deliveries of which jobs are done,
 * which go on as jobs of their own, which have ended and how the log tells it. Pure.
 */
import { deliveryBytes, encodeHead, eventsOf, type QueuedDelivery } from './delivery.ts';
import { type Entry, entryOf, type LogPayloads, NO_TRACE, type Trace, traced } from './entry.ts';
import { NO_SEAL, type Sealer } from './seal.ts';
import type { FailedDelivery, Report } from './store.ts';

export interface LogPolicy {
  readonly payloads: LogPayloads;
  readonly sealer: Sealer;
}

export const DEFAULT_POLICY: LogPolicy = { payloads: 'full', sealer: NO_SEAL };

/** One job with one Delivery. */
export interface SingleJob {
  readonly eventId: string;
  readonly committedMs: number;
  readonly attempts: number;
  readonly dueMs: number;
  /** Of the Event. */
  readonly bytes: number;
  readonly head: string;
  /** Sealed. */
  readonly events: string;
  readonly trace: Trace;
}

export interface ReportPlan {
  /** Job id → the bits of the Deliveries that are reported. */
  readonly jobs: ReadonlyMap<string, number>;
  readonly retries: readonly (SingleJob & { readonly job: string; readonly bit: number })[];
  readonly ended: readonly {
    readonly job: string;
    readonly bit: number;
    readonly eventBytes: number;
    readonly entry: Entry;
  }[];
}

/** @param nowMs when what was delivered without a record has ended */
export function planReports(reports: readonly Report[], policy: LogPolicy, nowMs: number): ReportPlan {
  const jobs = new Map<string, number>();
  const retries: ReportPlan['retries'][number][] = [];
  const ended: ReportPlan['ended'][number][] = [];
  for (const { job, index, outcome, attempt } of reports) {
    const delivery = job.deliveries[index];
    if (delivery === undefined) continue;
    const bit = 2 ** index;
    jobs.set(job.id, (jobs.get(job.id) ?? 0) | bit);
    if (outcome.kind === 'cancelled') continue;
    const nextMs = outcome.kind === 'retry' ? outcome.dueMs : null;
    const trace = traced(job.trace ?? NO_TRACE, attempt, nextMs, policy);
    if (outcome.kind === 'retry') {
      const { attempts, dueMs } = outcome;
      retries.push({ job: job.id, bit, ...singleJob(delivery, trace, policy), attempts, dueMs });
      continue;
    }
    const isFailed = outcome.kind === 'failed';
    const endedMs = isFailed
      ? outcome.failedAtMs
      : attempt === undefined
        ? nowMs
        : Math.round(attempt.startedMs + attempt.durationMs);
    const ending = {
      webhook: job.webhook,
      delivery,
      state: outcome.kind,
      endedMs,
      reason: isFailed ? outcome.reason : null,
      detail: isFailed ? outcome.detail : null,
      trace,
    };
    const eventBytes = deliveryBytes(delivery);
    ended.push({ job: job.id, bit, eventBytes, entry: entryOf(ending, policy) });
  }
  return { jobs, retries, ended };
}

/** A job for one Delivery, due at once. */
export function singleJob(delivery: QueuedDelivery, trace: Trace, { sealer }: LogPolicy): SingleJob {
  return {
    eventId: delivery.eventId,
    committedMs: delivery.committedAtMs,
    attempts: 0,
    dueMs: 0,
    bytes: deliveryBytes(delivery),
    head: encodeHead([delivery]),
    events: sealer.seal(eventsOf([delivery])),
    trace,
  };
}

/** The entry of a Delivery that failed before any request was made. */
export function failedEntry(failed: FailedDelivery, policy: LogPolicy): Entry {
  const { webhook, delivery, reason, detail, failedAtMs } = failed;
  return entryOf(
    { webhook, delivery, state: 'failed', endedMs: failedAtMs, reason, detail, trace: NO_TRACE },
    policy,
  );
}
