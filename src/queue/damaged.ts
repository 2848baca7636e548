/**
 * Jobs whose text cannot be read: altered, cut off, or written by something else. One of them would fail every
 * claim of its Webhook, again and again; so its Deliveries end as failed, with the reason and without their
 * Events, and the others go on. Not so where a newer version wrote it or a key is missing: that can be mended,
 * and until then the job waits. Pure.
 */
import { toWalhookError } from '../core/errors.ts';
import { decodeHead, PURGED, type QueuedDelivery } from './delivery.ts';
import { entryOf, isResent, NO_TRACE, type Trace } from './entry.ts';
import type { LogPolicy, ReportPlan } from './reports.ts';

/** A job as it stands in the store, read once it is known to be damaged. */
export interface DamagedJob {
  readonly id: string;
  readonly webhook: string;
  readonly size: number;
  /** Bit i is set when delivery i is done with already. */
  readonly done: number;
  /** Of its Events. */
  readonly bytes: number;
  /** Event id of its first Delivery. */
  readonly firstId: string;
  /** Commit time of its last one. */
  readonly lastMs: number;
  readonly head: string;
  readonly history: string;
  readonly bodies: string;
}

/** Whether waiting and trying again cannot help. */
export function isDamage(error: unknown): boolean {
  return toWalhookError(error).code === 'QUEUE_JOB_DAMAGED';
}

/** The report that ends a job: what is known of each of its Deliveries goes to the log as failed. */
export function planDamaged(job: DamagedJob, error: unknown, nowMs: number, policy: LogPolicy): ReportPlan {
  const ended = deliveriesOf(job).flatMap(({ delivery, bytes, index }): ReportPlan['ended'] => {
    const isDone = ((job.done >> index) & 1) === 1;
    if (isDone || delivery.eventId === '') return [];
    const ending = {
      webhook: job.webhook,
      delivery,
      state: 'failed',
      endedMs: nowMs,
      reason: 'damaged',
    } as const;
    const detail = toWalhookError(error).message;
    const entry = entryOf({ ...ending, detail, trace: traceOf(job) }, policy);
    return [{ job: job.id, bit: 2 ** index, eventBytes: bytes, entry }];
  });
  const nothing = { delivered: 0, deliveredBytes: 0, deliveredMs: 0, records: '', exchanges: '' };
  const report = { webhook: job.webhook, mask: 2 ** job.size - 1, ...nothing };
  return { jobs: new Map([[job.id, report]]), retries: [], ended };
}

/** One stands for all of a job that does not even say what it holds. */
function deliveriesOf(job: DamagedJob): { delivery: QueuedDelivery; bytes: number; index: number }[] {
  try {
    const heads = decodeHead(job.head);
    if (heads.length === job.size) return heads.map((one, index) => ({ ...one, index }));
  } catch {
    // Said below.
  }
  const left = Array.from({ length: job.size }, (_, i) => i).filter((i) => ((job.done >> i) & 1) === 0);
  const delivery = { ...PURGED, eventId: job.firstId, committedAtMs: job.lastMs };
  return [{ delivery, bytes: job.done === 0 ? job.bytes : 0, index: left[0] ?? 0 }];
}

function traceOf({ history, bodies }: DamagedJob): Trace {
  try {
    isResent(history);
    return { history, bodies };
  } catch {
    return NO_TRACE;
  }
}
