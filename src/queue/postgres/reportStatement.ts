/** What deliver reports, in one SQL statement: jobs done, retries and entries of the log. */
import { recordJobs } from './batchStatements.ts';
import { ENTRY_BYTES, ENTRY_COLUMNS, entryArrays, writeEntries } from './entries.ts';

/** How counters of a Webhook change: each part of a report names the columns that it changes. */
const COUNTERS = [
  'active',
  'pending',
  'pending_bytes',
  'delayed',
  'delivered',
  'failed',
  'cancelled',
  'log_bytes',
  'delivered_total',
  'failed_total',
] as const;

function change(sums: Partial<Record<(typeof COUNTERS)[number], string>>, from: string): string {
  const columns = COUNTERS.map((name) => `${sums[name] ?? '0'} as ${name}`);
  return `select webhook, ${columns.join(', ')} from ${from}`;
}

/** Counts what `mine`, `numbered` and `revived` say, and more. */
function counted(q: string, more: readonly string[]): string {
  const changes = [
    change(
      {
        active: '-bit_count(fresh::bit(32))',
        pending: '-bit_count(fresh::bit(32))',
        pending_bytes: '-counted_bytes',
        delivered: 'bit_count(arrived::bit(32))',
        delivered_total: 'bit_count(arrived::bit(32))',
        log_bytes: 'more_bytes',
      },
      'numbered',
    ),
    change({ cancelled: '-1', log_bytes: '-bytes' }, 'revived'),
    ...more,
  ];
  return `
      sums as (
        select webhook, ${COUNTERS.map((name) => `sum(${name}) as ${name}`).join(', ')}
        from (${changes.join(' union all ')}) as changes
        group by webhook
      ),
      locked as (
        -- In one order everywhere, so that two statements never wait for each other.
        select key from ${q}.webhook where key in (select webhook from mine) order by key for update
      )
      update ${q}.webhook w set ${COUNTERS.map((name) => `${name} = w.${name} + s.${name}`).join(', ')}
      from sums s join locked l on l.key = s.webhook
      where w.key = s.webhook`;
}

/** A report of nothing but Deliveries that arrived at their first try, which is most: $1–$10 of {@link recordJobs}. */
export function reportDelivered(q: string): string {
  return `with ${recordJobs(q)}, ${counted(q, [])}`;
}

/** $1–$10 of {@link recordJobs}; $11–$21 retries; $22–$24 and $25–$36 what has ended, with its entries */
export function reportAll(q: string): string {
  return `
      with ${recordJobs(q)},
      retry as (
        insert into ${q}.job (webhook, due_ms, attempts, size, bytes, first_id, last_id, last_ms, head, payload, history, bodies, tried,
          row_a, row_b, place)
        select m.webhook, r.due_ms, r.attempts, 1, r.bytes, r.event_id, r.event_id, r.last_ms, r.head, r.payload, r.history,
          r.bodies, nextval('${q}.outcome'), m.row_a, m.row_b, m.place
        from unnest($11::bigint[], $12::int[], $13::bigint[], $14::int[], $15::int[], $16::text[], $17::bigint[], $18::text[],
            $19::text[], $20::text[], $21::text[])
          as r (job, bit, due_ms, attempts, bytes, event_id, last_ms, head, payload, history, bodies)
        join mine m on m.id = r.job and m.fresh & r.bit <> 0
        returning webhook
      ),
      reported as (
        select e.*, m.fresh & e.bit <> 0 as is_fresh
        from unnest($22::bigint[], $23::int[], $24::int[], ${entryArrays(25)})
          as e (job, bit, event_bytes, ${ENTRY_COLUMNS}, event, bodies)
        join mine m on m.id = e.job
      ),
      old as (
        select l.id, l.webhook, l.state, l.bytes from ${q}.log l where l.id in (select id from reported)
      ),
      ended as (
        -- What was cancelled while its request was in flight, and arrived all the same, is delivered.
        select r.* from reported r left join old o on o.id = r.id
        where r.is_fresh or (r.state = 'delivered' and o.state = 'cancelled')
      ),
      ${writeEntries(q, 'ended')},
      ${counted(q, [
        change({ pending: '1', delayed: '1' }, 'retry'),
        change(
          {
            pending_bytes: 'case when is_fresh then -event_bytes else 0 end',
            delivered: "(state = 'delivered')::int",
            failed: "(state = 'failed')::int",
            cancelled: "(state = 'cancelled')::int",
            log_bytes: ENTRY_BYTES,
            delivered_total: "(state = 'delivered')::int",
            failed_total: "(state = 'failed')::int",
          },
          'ended',
        ),
        change(
          {
            delivered: "-(state = 'delivered')::int",
            failed: "-(state = 'failed')::int",
            cancelled: "-(state = 'cancelled')::int",
            log_bytes: '-bytes',
          },
          'old where id in (select id from ended)',
        ),
      ])}`;
}
