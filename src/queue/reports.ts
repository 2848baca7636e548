/**
 * What a report means for the store, the same for both backends: which Deliveries of which jobs are done,
 * which go on as jobs of their own, which have ended and how the log tells it. Pure.
 */
import { type Delivered, deliveredLines } from './deliveredBatch.ts';
import { deliveryBytes, encodeHead, eventsOf, type QueuedDelivery } from './delivery.ts';
import { type Entry, entryOf, type LogPayloads, NO_TRACE, type Trace, traced } from './entry.ts';
import { NO_SEAL, type Sealer } from './seal.ts';
import type { ClaimedJob, FailedDelivery, Report } from './store.ts';

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

/** What is reported of one job. */
export interface JobReport {
  readonly webhook: string;
  /** The bits of all its Deliveries that are reported. */
  readonly mask: number;
  /** Of these, what was delivered at its first try and is logged in the job (deliveredBatch.ts). */
  readonly delivered: number;
  /** Of the Events of those. */
  readonly deliveredBytes: number;
  /** When the last of those ended. */
  readonly deliveredMs: number;
  readonly records: string;
  /** Sealed. */
  readonly exchanges: string;
}

export interface ReportPlan {
  /** By job id. */
  readonly jobs: ReadonlyMap<string, JobReport>;
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
  const jobs = new Map<string, JobReport>();
  const retries: ReportPlan['retries'][number][] = [];
  const ended: ReportPlan['ended'][number][] = [];
  for (const [id, ofJob] of byJob(reports)) {
    const delivered: Delivered[] = [];
    let mask = 0;
    for (const report of ofJob) {
      const { job, index, outcome, attempt } = report;
      const delivery = job.deliveries[index];
      if (delivery === undefined) continue;
      const bit = 2 ** index;
      mask |= bit;
      if (outcome.kind === 'cancelled') continue;
      if (outcome.kind === 'delivered' && job.trace === undefined) {
        delivered.push({ index, attempt, endedMs: endedMsOf(report, nowMs) });
        continue;
      }
      const nextMs = outcome.kind === 'retry' ? outcome.dueMs : null;
      const trace = traced(job.trace ?? NO_TRACE, attempt, nextMs, policy);
      if (outcome.kind === 'retry') {
        const { attempts, dueMs } = outcome;
        retries.push({ job: id, bit, ...singleJob(delivery, trace, policy), attempts, dueMs });
        continue;
      }
      const isFailed = outcome.kind === 'failed';
      const ending = {
        webhook: job.webhook,
        delivery,
        state: outcome.kind,
        endedMs: endedMsOf(report, nowMs),
        reason: isFailed ? outcome.reason : null,
        detail: isFailed ? outcome.detail : null,
        trace,
      };
      ended.push({ job: id, bit, eventBytes: deliveryBytes(delivery), entry: entryOf(ending, policy) });
    }
    const [first] = ofJob;
    if (first !== undefined) jobs.set(id, jobReport(first.job, mask, delivered, policy));
  }
  return { jobs, retries, ended };
}

function byJob(reports: readonly Report[]): ReadonlyMap<string, readonly Report[]> {
  const jobs = new Map<string, Report[]>();
  for (const report of reports) {
    const ofJob = jobs.get(report.job.id);
    if (ofJob === undefined) jobs.set(report.job.id, [report]);
    else ofJob.push(report);
  }
  return jobs;
}

function jobReport(
  job: ClaimedJob,
  mask: number,
  delivered: readonly Delivered[],
  policy: LogPolicy,
): JobReport {
  const lines = delivered.length === 0 ? NO_LINES : deliveredLines(delivered, policy);
  let bits = 0;
  let deliveredBytes = 0;
  for (const { index } of delivered) {
    const delivery = job.deliveries[index];
    bits |= 2 ** index;
    deliveredBytes += delivery === undefined ? 0 : deliveryBytes(delivery);
  }
  const deliveredMs = Math.max(0, ...delivered.map(({ endedMs }) => endedMs));
  return { webhook: job.webhook, mask, delivered: bits, deliveredBytes, deliveredMs, ...lines };
}

const NO_LINES = { records: '', exchanges: '' };

function endedMsOf({ outcome, attempt }: Report, nowMs: number): number {
  if (outcome.kind === 'failed') return outcome.failedAtMs;
  return attempt === undefined ? nowMs : Math.round(attempt.startedMs + attempt.durationMs);
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
