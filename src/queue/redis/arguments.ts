/** What the flush and the report scripts take. */
import { hash8 } from '../../core/hash.ts';
import { splitPayload } from '../delivery.ts';
import type { LogPolicy, ReportPlan } from '../reports.ts';
import type { Flush } from '../store.ts';
import { type Argument, entryArguments, hexMs } from './redisCall.ts';

/** Twelve for each batch. */
export function flushArguments(flush: Flush, { sealer }: LogPolicy): Argument[] {
  return flush.batches.flatMap(({ webhook, size, bytes, firstId, lastId, lastMs, rows, payload }) => {
    const { head, events } = splitPayload(payload);
    const bound = flush.backlogs?.get(webhook);
    return [
      webhook,
      size,
      bytes,
      firstId,
      lastId,
      hexMs(lastMs),
      head,
      sealer.seal(events),
      bound?.max ?? 0,
      bound?.bytes ?? 0,
      bound?.rule ?? '',
      rows.join(' '),
    ];
  });
}

export function planArguments({ jobs, retries, ended }: ReportPlan): Argument[] {
  return [
    jobs.size,
    ...[...jobs].flatMap(([id, one]) => [
      id,
      one.mask,
      one.delivered,
      one.deliveredBytes,
      one.deliveredMs,
      one.records,
      one.exchanges,
      hash8(one.webhook),
    ]),
    retries.length,
    ...retries.flatMap((one) => [
      one.job,
      one.bit,
      hexMs(one.committedMs),
      one.dueMs,
      one.attempts,
      one.bytes,
      one.eventId,
      one.head,
      one.events,
      one.trace.history,
      one.trace.bodies,
    ]),
    ended.length,
    ...ended.flatMap(({ job, bit, eventBytes, entry }) => [job, bit, eventBytes, ...entryArguments(entry)]),
  ];
}
