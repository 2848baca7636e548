/** How entries of the log are written in SQL: their columns, their parameters, their insertion. */
import { ENTRY_OVERHEAD_BYTES, type Entry } from '../entry.ts';

/** In the order of {@link entryParameters}, without event and bodies. */
export const ENTRY_COLUMNS =
  'id, webhook, state, model, key, request_id, status, committed_ms, ended_ms, head';
const TYPES = [
  ...Array<string>(7).fill('text'),
  'bigint',
  'bigint',
  ...Array<string>(3).fill('text'),
] as const;

/** What an entry counts for in `retention.bytes`. */
export const ENTRY_BYTES = `${ENTRY_OVERHEAD_BYTES} + octet_length(head) + octet_length(event) + octet_length(bodies)`;

/** `$18::text[], $19::text[] …` */
export function entryArrays(first: number): string {
  return TYPES.map((type, i) => `$${first + i}::${type}[]`).join(', ');
}

/** The parameters of {@link entryArrays}. */
export function entryParameters(entries: readonly Entry[]): unknown[] {
  return [
    entries.map((entry) => entry.id),
    entries.map((entry) => entry.webhook),
    entries.map((entry) => entry.state),
    entries.map((entry) => entry.model),
    entries.map((entry) => entry.key),
    entries.map((entry) => entry.requestId),
    entries.map((entry) => entry.status),
    entries.map((entry) => entry.committedMs),
    entries.map((entry) => entry.endedMs),
    entries.map((entry) => entry.head),
    entries.map((entry) => entry.event),
    entries.map((entry) => entry.bodies),
  ];
}

/**
 * Two common table expressions, `entry` and `entry_text`, that write the entries of another one in place of
 * those that are there. `entry` returns webhook, bytes and whether it is new.
 */
export function writeEntries(q: string, source: string): string {
  return `
      entry as (
        insert into ${q}.log (${ENTRY_COLUMNS}, bytes)
        select ${ENTRY_COLUMNS}, ${ENTRY_BYTES} from ${source}
        on conflict (id) do update set state = excluded.state, status = excluded.status, ended_ms = excluded.ended_ms,
          head = excluded.head, bytes = excluded.bytes, seq = excluded.seq
        returning webhook, bytes, xmax = 0 as is_new
      ),
      entry_text as (
        insert into ${q}.log_text (id, event, bodies) select id, event, bodies from ${source}
        on conflict (id) do update set event = excluded.event, bodies = excluded.bodies
      )`;
}
