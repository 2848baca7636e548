/** Jobs, counters and Gaps, as Redis answers with them. */
import { decodeJob, decodePayload } from '../delivery.ts';
import { isResent } from '../entry.ts';
import type { Gap } from '../gaps.ts';
import type { LogPolicy } from '../reports.ts';
import type { ClaimedJob, QueueCounts } from '../store.ts';

/** @param fields id, attempts, done, head, events, history, bodies. Throws what {@link decodeJob} throws. */
export function claimedJob(
  webhook: string,
  fields: readonly (string | number)[],
  { sealer }: LogPolicy,
): ClaimedJob {
  const [id, attempts, done, head, events, history, bodies] = fields.map(String);
  const job = { id: id ?? '', webhook, attempts: Number(attempts), done: Number(done) };
  // A job of format 1 is one text.
  if (head === '') return { ...job, deliveries: decodePayload(events ?? '') };
  const deliveries = decodeJob(head ?? '', sealer.open(events ?? ''));
  if (history === undefined || history === '') return { ...job, deliveries };
  return { ...job, deliveries, trace: { history, bodies: bodies ?? '' }, isResend: isResent(history) };
}

/** @param fields of the hash `count:<webhook>` */
export function toCounts(fields: Readonly<Record<string, string>>): QueueCounts {
  const number = (name: string) => Number(fields[name] ?? 0);
  return {
    isPaused: fields['is_paused'] === '1',
    isBraked: fields['is_braked'] === '1',
    isParked: fields['is_parked'] === '1',
    waiting: number('pending') - number('delayed') - number('active'),
    delayed: number('delayed'),
    active: number('active'),
    delivered: number('delivered'),
    failed: number('failed'),
    cancelled: number('cancelled'),
    deliveredTotal: number('delivered_total'),
    failedTotal: number('failed_total'),
    skippedTotal: number('skipped_total'),
    bytes: number('pending_bytes'),
    logBytes: number('log_bytes'),
  };
}

/** Lua writes what is nil not at all. */
export function toGap(text: string): Gap {
  const read = JSON.parse(text) as Partial<Gap> & Pick<Gap, 'id' | 'kind' | 'openedMs'>;
  const empty = { firstId: null, lastId: null, firstLsn: null, lastLsn: null, firstMs: null, lastMs: null };
  const rest = { webhook: null, models: {}, tables: [], closedMs: null, settledMs: null, detail: null };
  const generation = read.generation ?? read.firstId?.slice(0, 8) ?? null;
  return { ...empty, ...rest, ...read, generation };
}
