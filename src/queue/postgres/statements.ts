/** The queue's operations, one SQL statement each: what is one statement is one transaction. */
import { MAX_UNDECIDED, UNDECIDED } from '../entry.ts';
import { leavingQueue } from './batchStatements.ts';
import { ENTRY_COLUMNS, entryArrays, writeEntries } from './entries.ts';
import { openGaps } from './gaps.ts';
import { reportAll, reportDelivered } from './reportStatement.ts';
import { findBehind, isFirstOfItsRows } from './rowStatements.ts';

const UNDECIDED_LIST = UNDECIDED.map((reason) => `'${reason}'`).join(', ');
/** Entries that one flush looks at; a store that holds more is brought within its bound by several. */
const MAX_RANKED = 10_000;
/** A process that was heard of within this is not about to be given up. */
const HEARD_MS = 5_000;

export interface Statements {
  readonly flush: string;
  readonly heartbeat: string;
  readonly claim: string;
  readonly report: string;
  readonly reportDelivered: string;
  readonly release: string;
  readonly recover: string;
  readonly dueWebhooks: string;
  readonly counts: string;
  readonly pause: string;
  readonly park: string;
  readonly enqueue: string;
}

/** @param q the schema, checked to be a plain identifier */
export function statementsFor(q: string): Statements {
  return {
    // $1 fence, $2 from, $3 to, $4 definitions; $5–$15 batches with their bounds (max 0: none); $16–$27
    // entries; $28 Webhooks to pause, $29 now, $30 channel, $31 sender, $32–$33 rows of the batches. A list that is too long for a
    // notification is cut; polling finds the rest. Answers done, held or refused.
    flush: `
      with input as (
        select *
        from unnest($5::text[], $6::int[], $7::int[], $8::text[], $9::text[], $10::bigint[], $11::text[], $12::text[],
            $13::bigint[], $14::bigint[], $15::text[], $32::text[], $33::text[])
          with ordinality as b (webhook, size, bytes, first_id, last_id, last_ms, head, payload, max, max_bytes, rule,
            row_a, row_b, place)
      ),
      filled as (
        select i.*, coalesce(w.pending, 0) = 0 as was_empty, coalesce(w.pending, 0) + sum(i.size) over waiting as after,
          coalesce(w.pending_bytes, 0) + sum(i.bytes) over waiting as after_bytes
        from input i left join ${q}.webhook w on w.key = i.webhook
        window waiting as (partition by i.webhook order by i.place)
      ),
      judged as (
        -- What is larger than the bound by itself would be held for ever: it is let in where nothing waits.
        select *, max > 0 and (after > max or after_bytes > max_bytes) and not (rule = 'hold' and was_empty) as is_over
        from filled
      ),
      guard as (
        update ${q}.store set position = $3, definitions = coalesce($4, definitions)
        where fence = $1 and position = $2 and not exists (select from judged where is_over and rule = 'hold')
        returning true
      ),
      batch as (
        select * from judged where exists (select from guard) and not (is_over and rule = 'overflow')
      ),
      ${findBehind(q)},
      job as (
        insert into ${q}.job (webhook, size, bytes, first_id, last_id, last_ms, head, payload, row_a, row_b, place, behind)
        select webhook, size, bytes, first_id, last_id, last_ms, head, payload, row_a, row_b,
          case when row_a is not null then nextval('${q}.job_turn') end, what
        from (select * from batch left join behind using (place) order by place) as ordered
      ),
      excess as (
        select webhook, max(after - max) as n, max(after_bytes - max_bytes) as bytes
        from batch where is_over group by webhook
      ),
      doomed as (
        select * from (
          select o.*, e.n, e.bytes as excess_bytes, sum(o.left_n) over older - o.left_n as before,
            sum(o.left_bytes) over older - o.left_bytes as before_bytes
          from excess e
          cross join lateral (
            select id, webhook, head, done, attempts, logged, last_ms, size - bit_count(done::bit(32)) as left_n,
              -- Bytes of what was done already were counted off before.
              case when done = 0 then bytes else (
                select coalesce(sum(coalesce(d.one ->> 'b', d.one ->> 'n')::bigint), 0)
                from jsonb_array_elements(head::jsonb -> 'd') with ordinality as d (one, n)
                where (done >> (d.n::int - 1)) & 1 = 0
              ) end as left_bytes
            from ${q}.job
            where webhook = e.webhook and owner is null order by last_ms, id limit 500
          ) as o
          window older as (partition by e.webhook order by o.last_ms, o.id)
        ) as summed
        where before < n or before_bytes < excess_bytes
      ),
      emptied as (
        delete from ${q}.job j using doomed d
        where j.id = d.id and j.owner is null and j.done = d.done and j.logged = 0
        returning j.id
      ),
      left_logged as (
        update ${q}.job j set done = (1 << j.size) - 1, ${leavingQueue('j', 'true')} from doomed d
        where j.id = d.id and j.owner is null and j.done = d.done and j.logged = d.logged and j.logged <> 0
        returning j.id
      ),
      dropped as (
        select webhook, head, done, attempts from doomed
        where id in (select id from emptied union all select id from left_logged)
      ),
      missed as (
        select 'overflow' as kind, j.webhook, d.one, j.place * 32 + d.n as place, 0 as bytes
        from judged j, jsonb_array_elements(j.head::jsonb -> 'd') with ordinality as d (one, n)
        where j.is_over and j.rule = 'overflow' and exists (select from guard)
        union all
        select 'dropped', j.webhook, d.one, d.n, coalesce(d.one ->> 'b', d.one ->> 'n')::bigint
        from dropped j, jsonb_array_elements(j.head::jsonb -> 'd') with ordinality as d (one, n)
        where (j.done >> (d.n::int - 1)) & 1 = 0 and d.one ->> 'i' <> ''
      ),
      ${openGaps(q, 'missed', '$29')},
      closed as (
        update ${q}.gap set closed_ms = $29
        where closed_ms is null and webhook in (select webhook from batch)
          and webhook not in (select webhook from judged where is_over)
      ),
      bad as (
        select * from unnest(${entryArrays(16)}) as e (${ENTRY_COLUMNS}, event, bodies)
        where exists (select from guard)
      ),
      ranked as (
        -- Of those whose condition could not be evaluated the newest are kept, with those that are there.
        select id, webhook, is_new, bytes,
          row_number() over (partition by webhook order by committed_ms desc, id desc) > ${MAX_UNDECIDED} as is_over
        from (
          select id, webhook, committed_ms, true as is_new, 0 as bytes from bad where status in (${UNDECIDED_LIST})
          union all
          select l.id, l.webhook, l.committed_ms, false, l.bytes
          from (select distinct webhook from bad where status in (${UNDECIDED_LIST})) as b
          cross join lateral (
            select id, webhook, committed_ms, bytes from ${q}.log
            where webhook = b.webhook and state = 'failed' and status in (${UNDECIDED_LIST})
              and id not in (select id from bad)
            order by committed_ms, id limit ${MAX_RANKED}
          ) as l
        ) as undecided
      ),
      forgotten as (
        delete from ${q}.log where id in (select id from ranked where is_over and not is_new) returning webhook, bytes
      ),
      forgotten_text as (
        delete from ${q}.log_text where id in (select id from ranked where is_over and not is_new)
      ),
      kept as (
        select * from bad where id not in (select id from ranked where is_over and is_new)
      ),
      ${writeEntries(q, 'kept')},
      counted as (
        insert into ${q}.webhook as w (key, pending, pending_bytes, delayed, failed, failed_total, log_bytes,
          skipped_total, is_paused, is_braked)
        select webhook, sum(size), sum(bytes), -sum(tried), sum(failed), sum(ever), sum(log_bytes), sum(skipped),
          bool_or(brakes), bool_or(brakes)
        from (
          select webhook, size, bytes, 0 as tried, 0 as failed, 0 as ever, 0 as log_bytes, 0 as skipped, false as brakes from batch
          union all
          select webhook, 0, 0, 0, 1, 1, bytes, 0, false from entry where is_new
          union all
          select webhook, 0, 0, 0, 0, 1, 0, 0, false from ranked where is_over and is_new
          union all
          select webhook, 0, 0, 0, -1, 0, -bytes, 0, false from forgotten
          union all
          select webhook, case kind when 'dropped' then -1 else 0 end, -bytes, 0, 0, 0, 0, 1, false from missed
          union all
          select webhook, 0, 0, 1, 0, 0, 0, 0, false from dropped where attempts > 0
          union all
          select webhook, 0, 0, 0, 0, 0, 0, 0, true from unnest($28::text[]) as b (webhook) where exists (select from guard)
        ) as added
        group by webhook order by webhook
        on conflict (key) do update set
          pending = w.pending + excluded.pending,
          pending_bytes = w.pending_bytes + excluded.pending_bytes,
          delayed = w.delayed + excluded.delayed,
          failed = w.failed + excluded.failed,
          failed_total = w.failed_total + excluded.failed_total,
          log_bytes = w.log_bytes + excluded.log_bytes,
          skipped_total = w.skipped_total + excluded.skipped_total,
          is_paused = w.is_paused or excluded.is_paused,
          is_braked = w.is_braked or excluded.is_braked
      )
      select case when exists (select from guard) then 'done'
          when exists (select from judged where is_over and rule = 'hold') then 'held' else 'refused' end as answer,
        (select pg_notify($30, $31 || '|' || left(string_agg(distinct webhook, ','), 7900)) from batch having count(*) > 0)`,

    // $1 process, $2 time to live, $3 channel
    heartbeat: `
      with clock as (
        select (extract(epoch from clock_timestamp()) * 1000)::bigint as now
      ),
      alive as (
        insert into ${q}.process (id, seen_ms) select $1, now from clock
        on conflict (id) do update set seen_ms = greatest(excluded.seen_ms, ${q}.process.seen_ms)
      ),
      dead as (
        delete from ${q}.process where id <> $1 and seen_ms < (select now from clock) - $2::bigint returning id
      ),
      ${freed(q, 'owner in (select id from dead)')},
      counted as (
        ${countFreed(q)}
      )
      select pg_notify($3, '|' || left(string_agg(distinct webhook, ','), 7900)) from freed having count(*) > 0`,

    // $1 webhook, $2 process, $3 most jobs, $4 now
    claim: `
      with state as (
        select coalesce((select is_paused from ${q}.webhook where key = $1), false) as is_paused
      ),
      picked as (
        select id from ${q}.job j
        where webhook = $1 and owner is null and behind is null and due_ms <= $4
          and not (select is_paused from state)
          and ${isFirstOfItsRows(q, 'j')}
        order by due_ms, id limit $3
        for update skip locked
      ),
      taken as (
        update ${q}.job j set owner = $2 from picked p where j.id = p.id
        returning j.id, j.due_ms, j.attempts, j.size, j.done, j.head, j.payload, j.history, j.bodies
      ),
      present as (
        -- Given up meanwhile, it could take what nobody would ever take back from it.
        insert into ${q}.process as p (id, seen_ms)
        select $2, c.now from (select (extract(epoch from clock_timestamp()) * 1000)::bigint as now) as c
        where exists (select from taken)
          and not exists (select from ${q}.process where id = $2 and seen_ms > c.now - ${HEARD_MS})
        on conflict (id) do update set seen_ms = greatest(excluded.seen_ms, p.seen_ms)
      ),
      counted as (
        update ${q}.webhook w set active = w.active + t.n, delayed = w.delayed - t.tried
        from (
          select sum(size - bit_count(done::bit(32))) as n, count(*) filter (where attempts > 0) as tried
          from taken
        ) as t
        where w.key = $1 and t.n > 0
      )
      select state.is_paused, t.id::text, t.attempts, t.done, t.head, t.payload, t.history, t.bodies,
        (
          select min(due_ms) from ${q}.job
          where webhook = $1 and owner is null and behind is null and id not in (select id from picked)
        )::text as next_due_ms
      from state left join taken t on true
      order by t.due_ms, t.id`,

    report: reportAll(q),
    reportDelivered: reportDelivered(q),

    // $1 process, $2 job ids
    release: givenBack(q, 'id = any ($2::bigint[]) and owner = $1'),
    // $1 process, $2 ids of the jobs it knows
    recover: givenBack(q, 'id <> all ($2::bigint[]) and owner = $1'),

    // $1 now. Walks from webhook to webhook by the index instead of over every job.
    dueWebhooks: `
      with recursive next (webhook) as (
        select min(webhook) from ${q}.job where owner is null and behind is null
        union all
        select (
          select min(j.webhook) from ${q}.job j
          where j.owner is null and j.behind is null and j.webhook > next.webhook
        )
        from next where next.webhook is not null
      )
      select n.webhook
      from next n
      left join ${q}.webhook w on w.key = n.webhook
      where n.webhook is not null and w.is_paused is not true and exists (
        select from ${q}.job j where j.webhook = n.webhook and j.owner is null and j.behind is null and j.due_ms <= $1
      )`,

    counts: `
      select key, is_paused, is_braked, is_parked, pending - delayed - active as waiting, delayed, active, delivered,
        failed, cancelled, delivered_total, failed_total, skipped_total, pending_bytes, log_bytes
      from ${q}.webhook order by key`,

    // $1 webhook, $2 paused or not, $3 channel
    pause: `
      with changed as (
        insert into ${q}.webhook (key, is_paused) values ($1, $2)
        on conflict (key) do update set is_paused = excluded.is_paused, is_braked = false
      )
      select pg_notify($3, '|' || $1)`,

    // $1 webhook, $2 parked or not
    park: `
      insert into ${q}.webhook (key, is_parked) values ($1, $2)
      on conflict (key) do update set is_parked = excluded.is_parked`,

    // $1 webhook, $2 bytes, $3 Event id, $4 commit time, $5 head, $6 payload, $7 channel
    enqueue: `
      with job as (
        insert into ${q}.job (webhook, size, bytes, first_id, last_id, last_ms, head, payload)
        values ($1, 1, $2, $3, $3, $4, $5, $6)
      ),
      counted as (
        insert into ${q}.webhook as w (key, pending, pending_bytes) values ($1, 1, $2)
        on conflict (key) do update set pending = w.pending + 1, pending_bytes = w.pending_bytes + excluded.pending_bytes
      )
      select pg_notify($7, '|' || $1)`,
  };
}

/** Takes the owner from the jobs that a condition names. */
function givenBack(q: string, condition: string): string {
  return `with ${freed(q, condition)} ${countFreed(q)}`;
}

/** Those of which all is done leave the queue: they are gone, or stay for what the log has in them. */
function freed(q: string, condition: string): string {
  const isDone = 'bit_count(j.done::bit(32)) = j.size';
  return `
      gone as (
        delete from ${q}.job j where ${condition} and ${isDone} and j.logged = 0
      ),
      logged as (
        update ${q}.job j set ${leavingQueue('j', 'true')} where ${condition} and ${isDone} and j.logged <> 0
      ),
      freed as (
        update ${q}.job j set owner = null where ${condition} and not (${isDone})
        returning webhook, attempts, size, done
      )`;
}

function countFreed(q: string): string {
  return `
      update ${q}.webhook w set active = w.active - f.n, delayed = w.delayed + f.tried
      from (
        select webhook, sum(size - bit_count(done::bit(32))) as n, count(*) filter (where attempts > 0) as tried
        from freed group by webhook
      ) as f
      where w.key = f.webhook`;
}
