/** The Deliveries of a job as people see them: what still waits in it, and what was delivered from it. Pure. */
import type { BlankItem, StoredJob, WholeJob } from './backend.ts';
import { isDamage } from './damaged.ts';
import { type DeliveredRecord, exchangesWithout, readRecords, summaryOfDelivered } from './deliveredBatch.ts';
import {
  decodeHead,
  decodeJob,
  deliveryBytes,
  deliveryId,
  encodeHead,
  eventsOf,
  PURGED,
  type QueuedDelivery,
} from './delivery.ts';
import { summaryOfTrace } from './entry.ts';
import type { DeliveryFilter, DeliverySummary } from './inspect.ts';
import type { LogPolicy } from './reports.ts';
import type { Sealer } from './seal.ts';

/** A Delivery in a job. */
export interface JobItem {
  readonly job: StoredJob;
  readonly index: number;
  readonly isDone: boolean;
  readonly isLogged: boolean;
  readonly summary: DeliverySummary;
}

/** The Deliveries of a job that are still to be done (or all that were not purged). */
export function waitingItems(job: StoredJob, parked: ReadonlySet<string>, withDone = false): JobItem[] {
  const state = job.isTaken
    ? 'active'
    : parked.has(job.webhook)
      ? 'parked'
      : job.attempts > 0
        ? 'delayed'
        : 'waiting';
  return itemsOf(job)
    .filter(({ isDone }) => withDone || !isDone)
    .map(({ delivery, ...item }): JobItem => {
      const { eventId, model, key, requestId, committedAtMs } = delivery;
      const summary: DeliverySummary = {
        id: deliveryId(eventId, job.webhook),
        webhook: job.webhook,
        state,
        model,
        key,
        requestId,
        eventId,
        committedAtMs,
        ...summaryOfTrace(job.history),
        nextMs: !job.isTaken && job.dueMs > 0 ? job.dueMs : null,
        endedMs: null,
      };
      return { ...item, summary };
    });
}

/** The Deliveries of a job that the log holds in it (or all that were not purged). */
export function loggedItems(job: StoredJob, withOthers = false): JobItem[] {
  const records = recordsOf(job);
  return itemsOf(job)
    .filter(({ isLogged }) => withOthers || isLogged)
    .map(({ delivery, ...item }): JobItem => {
      const summary = summaryOfDelivered(job.webhook, delivery, records.get(item.index) ?? NO_RECORD);
      return { ...item, summary };
    });
}

const NO_RECORD: DeliveredRecord = { seq: 0, endedMs: 0, attempt: null };

/** What the log knows of a Delivery of a job. */
export function recordOf(job: StoredJob, index: number): DeliveredRecord {
  return recordsOf(job).get(index) ?? NO_RECORD;
}

/** Records that are damaged tell nothing; what they tell of goes with the job. */
function recordsOf(job: StoredJob): ReadonlyMap<number, DeliveredRecord> {
  try {
    return readRecords(job.records);
  } catch (error) {
    if (isDamage(error)) return new Map();
    throw error;
  }
}

/** The numbers of the outcomes of a job after one, each with its Deliveries. */
export function outcomesOfJob(job: StoredJob, after: number): { seq: number; items: DeliverySummary[] }[] {
  const bySeq = new Map<number, DeliverySummary[]>();
  for (const { index, summary } of loggedItems(job)) {
    const { seq } = recordOf(job, index);
    if (seq > after) bySeq.set(seq, [...(bySeq.get(seq) ?? []), summary]);
  }
  return [...bySeq].map(([seq, items]) => ({ seq, items }));
}

function itemsOf(job: StoredJob) {
  return readableHeads(job.head).flatMap((delivery, index) => {
    const isDone = ((job.done >> index) & 1) === 1;
    const isLogged = ((job.logged >> index) & 1) === 1;
    return delivery.eventId === '' ? [] : [{ job, index, isDone, isLogged, delivery }];
  });
}

/** A job that is damaged shows nothing until a claim ends it: one must not hide all the others. */
function readableHeads(head: string): QueuedDelivery[] {
  try {
    return decodeHead(head).map(({ delivery }) => delivery);
  } catch (error) {
    if (isDamage(error)) return [];
    throw error;
  }
}

/** With their Events, which are empty texts where the log does not keep those of what was delivered. */
export function deliveriesOf(job: WholeJob, sealer: Sealer): QueuedDelivery[] {
  if (job.events === '') return decodeHead(job.head).map(({ delivery }) => delivery);
  return decodeJob(job.head, sealer.open(job.events));
}

/** A job without some of its Deliveries. */
export function blanked(job: WholeJob, indexes: ReadonlySet<number>, { sealer }: LogPolicy): BlankItem {
  const deliveries = deliveriesOf(job, sealer);
  const rest = deliveries.map((delivery, i) => (indexes.has(i) ? PURGED : delivery));
  let mask = 0;
  let freshBytes = 0;
  for (const index of indexes) {
    mask |= 2 ** index;
    const isDone = ((job.done >> index) & 1) === 1;
    if (!isDone) freshBytes += deliveryBytes(deliveries[index] ?? PURGED);
  }
  return {
    job: job.id,
    expected: { head: job.head, done: job.done },
    mask,
    freshBytes,
    head: encodeHead(rest),
    events: sealer.seal(eventsOf(rest)),
    exchanges: exchangesWithout(job.exchanges, indexes, sealer),
  };
}

export function isWanted(summary: DeliverySummary, filter: DeliveryFilter): boolean {
  const { webhook, state, model, key, requestId, status, sinceMs, untilMs } = filter;
  return (
    (webhook === undefined || summary.webhook === webhook) &&
    (state === undefined || summary.state === state) &&
    (model === undefined || summary.model === model) &&
    (key === undefined || summary.key === key) &&
    (requestId === undefined || summary.requestId === requestId) &&
    (status === undefined || String(summary.status ?? summary.error) === status) &&
    (sinceMs === undefined || summary.committedAtMs >= sinceMs) &&
    (untilMs === undefined || summary.committedAtMs < untilMs)
  );
}
