/** What the flush and the report statements take, as their parameters: arrays, one element for each row. */
import { hash8 } from '../../core/hash.ts';
import { splitPayload } from '../delivery.ts';
import type { LogPolicy, ReportPlan } from '../reports.ts';
import type { Flush } from '../store.ts';
import { entryParameters } from './entries.ts';

/** The parameters $5–$15 of the flush statement. */
export function batchParameters({ batches, backlogs }: Flush, { sealer }: LogPolicy): unknown[] {
  const parts = batches.map((batch) => splitPayload(batch.payload));
  const bounds = batches.map((batch) => backlogs?.get(batch.webhook));
  return [
    batches.map((batch) => batch.webhook),
    batches.map((batch) => batch.size),
    batches.map((batch) => batch.bytes),
    batches.map((batch) => batch.firstId),
    batches.map((batch) => batch.lastId),
    batches.map((batch) => batch.lastMs),
    parts.map((part) => part.head),
    parts.map((part) => sealer.seal(part.events)),
    bounds.map((bound) => bound?.max ?? 0),
    bounds.map((bound) => bound?.bytes ?? 0),
    bounds.map((bound) => bound?.rule ?? ''),
  ];
}

/** The parameters $2–$9 of the report statements. */
export function jobParameters({ jobs }: ReportPlan): unknown[] {
  const all = [...jobs.values()];
  return [
    [...jobs.keys()],
    all.map((one) => one.mask),
    all.map((one) => one.delivered),
    all.map((one) => one.deliveredBytes),
    all.map((one) => one.deliveredMs),
    all.map((one) => one.records),
    all.map((one) => one.exchanges),
    all.map((one) => hash8(one.webhook)),
  ];
}

/** The parameters $11–$36 of the report statement. */
export function planParameters({ retries, ended }: ReportPlan): unknown[] {
  return [
    retries.map((one) => one.job),
    retries.map((one) => one.bit),
    retries.map((one) => one.dueMs),
    retries.map((one) => one.attempts),
    retries.map((one) => one.bytes),
    retries.map((one) => one.eventId),
    retries.map((one) => one.committedMs),
    retries.map((one) => one.head),
    retries.map((one) => one.events),
    retries.map((one) => one.trace.history),
    retries.map((one) => one.trace.bodies),
    ended.map((one) => one.job),
    ended.map((one) => one.bit),
    ended.map((one) => one.eventBytes),
    ...entryParameters(ended.map((one) => one.entry)),
  ];
}
