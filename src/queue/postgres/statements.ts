/** The queue's operations, one SQL statement each: what is one statement is one transaction. */
import { isFirstOfItsRows } from './rowStatements.ts';

export interface Statements {
  readonly flush: string;
  readonly heartbeat: string;
  readonly claim: string;
  readonly report: string;
  readonly release: string;
  readonly recover: string;
  readonly dueWebhooks: string;
  readonly counts: string;
  readonly pause: string;
  readonly failed: string;
}

/** @param q the schema, checked to be a plain identifier */
export function statementsFor(q: string): Statements {
  return {
    // $1 fence, $2 from, $3 to, $4 definitions; $5–$10 batches; $11–$18 failed Deliveries; $19 channel,
    // $20 sender,
    // $21–$22 rows of the batches. A list that is too long for a notification is cut; polling finds the rest.
    flush: `
      with guard as (
        update ${q}.store set position = $3, definitions = coalesce($4, definitions)
        where fence = $1 and position = $2
        returning true
      ),
      batch as (
        select * from unnest($5::text[], $6::int[], $7::int[], $8::text[], $9::text[], $10::text[], $21::text[], $22::text[])
          with ordinality as b (webhook, size, bytes, first_id, last_id, payload, row_a, row_b, place)
        where exists (select from guard)
      ),
      job as (
        insert into ${q}.job (webhook, size, bytes, first_id, last_id, payload, row_a, row_b, place)
        select webhook, size, bytes, first_id, last_id, payload, row_a, row_b,
          case when row_a is not null then nextval('${q}.job_place') end
        from (select * from batch order by place) as ordered
      ),
      bad as (
        insert into ${q}.failed (id, webhook, failed_ms, attempts, reason, detail, bytes, payload)
        select * from unnest($11::text[], $12::text[], $13::bigint[], $14::int[], $15::text[], $16::text[], $17::int[], $18::text[])
        where exists (select from guard)
        on conflict (id) do nothing
        returning webhook
      ),
      counted as (
        insert into ${q}.webhook as w (key, pending, pending_bytes, failed, failed_total)
        select webhook, sum(size), sum(bytes), sum(failed), sum(failed)
        from (
          select webhook, size, bytes, 0 as failed from batch
          union all
          select webhook, 0, 0, 1 from bad
        ) as added
        group by webhook order by webhook
        on conflict (key) do update set
          pending = w.pending + excluded.pending,
          pending_bytes = w.pending_bytes + excluded.pending_bytes,
          failed = w.failed + excluded.failed,
          failed_total = w.failed_total + excluded.failed_total
      )
      select exists (select from guard) as done,
        (select pg_notify($19, $20 || '|' || left(string_agg(distinct webhook, ','), 7900)) from batch having count(*) > 0)`,

    // $1 process, $2 now, $3 time to live, $4 channel
    heartbeat: `
      with alive as (
        insert into ${q}.process (id, seen_ms) values ($1, $2)
        on conflict (id) do update set seen_ms = greatest(excluded.seen_ms, ${q}.process.seen_ms)
      ),
      dead as (
        delete from ${q}.process where id <> $1 and seen_ms < $2 - $3 returning id
      ),
      freed as (
        update ${q}.job set owner = null where owner in (select id from dead)
        returning webhook, attempts, size, done
      ),
      counted as (
        update ${q}.webhook w set active = w.active - f.n, delayed = w.delayed + f.tried
        from (
          select webhook, sum(size - bit_count(done::bit(32))) as n, count(*) filter (where attempts > 0) as tried
          from freed group by webhook
        ) as f
        where w.key = f.webhook
      )
      select pg_notify($4, '|' || left(string_agg(distinct webhook, ','), 7900)) from freed having count(*) > 0`,

    // $1 webhook, $2 process, $3 most jobs, $4 now
    claim: `
      with state as (
        select coalesce((select is_paused from ${q}.webhook where key = $1), false) as is_paused
      ),
      picked as (
        select id from ${q}.job j
        where webhook = $1 and owner is null and due_ms <= $4 and not (select is_paused from state)
          and ${isFirstOfItsRows(q, 'j')}
        order by due_ms, id limit $3
        for update skip locked
      ),
      taken as (
        update ${q}.job j set owner = $2 from picked p where j.id = p.id
        returning j.id, j.due_ms, j.attempts, j.size, j.done, j.payload
      ),
      counted as (
        update ${q}.webhook w set active = w.active + t.n, delayed = w.delayed - t.tried
        from (
          select sum(size - bit_count(done::bit(32))) as n, count(*) filter (where attempts > 0) as tried
          from taken
        ) as t
        where w.key = $1 and t.n > 0
      )
      select state.is_paused, t.id::text, t.attempts, t.done, t.payload,
        (
          select min(due_ms) from ${q}.job
          where webhook = $1 and owner is null and id not in (select id from picked)
        )::text as next_due_ms
      from state left join taken t on true
      order by t.due_ms, t.id`,

    // $1 process; $2–$6 jobs; $7–$12 retries; $13–$20 failed; $21–$22 bytes that wait no longer
    report: `
      with input as (
        select * from unnest($2::bigint[], $3::int[], $4::boolean[], $5::int[], $6::int[])
          as i (id, mask, is_last, outcomes, delivered)
      ),
      finished as (
        delete from ${q}.job j using input i
        where j.id = i.id and j.owner = $1 and i.is_last
        returning j.id, j.webhook, i.outcomes, i.delivered, j.row_a, j.row_b, j.place
      ),
      going_on as (
        update ${q}.job j set done = j.done | i.mask from input i
        where j.id = i.id and j.owner = $1 and not i.is_last
        returning j.id, j.webhook, i.outcomes, i.delivered, j.row_a, j.row_b, j.place
      ),
      mine as (
        select * from finished union all select * from going_on
      ),
      retry as (
        insert into ${q}.job (webhook, due_ms, attempts, size, bytes, first_id, last_id, payload, row_a, row_b, place)
        select m.webhook, r.due_ms, r.attempts, 1, r.bytes, r.event_id, r.event_id, r.payload, m.row_a, m.row_b, m.place
        from unnest($7::bigint[], $8::bigint[], $9::int[], $10::int[], $11::text[], $12::text[])
          as r (job, due_ms, attempts, bytes, event_id, payload)
        join mine m on m.id = r.job
        returning webhook, bytes
      ),
      bad as (
        insert into ${q}.failed (id, webhook, failed_ms, attempts, reason, detail, bytes, payload)
        select f.id, m.webhook, f.failed_ms, f.attempts, f.reason, f.detail, f.bytes, f.payload
        from unnest($13::bigint[], $14::text[], $15::bigint[], $16::int[], $17::text[], $18::text[], $19::int[], $20::text[])
          as f (job, id, failed_ms, attempts, reason, detail, bytes, payload)
        join mine m on m.id = f.job
        on conflict (id) do update set failed_ms = excluded.failed_ms, attempts = excluded.attempts,
          reason = excluded.reason, detail = excluded.detail
        returning webhook, xmax = 0 as is_new
      ),
      locked as (
        -- In one order everywhere, so that two statements never wait for each other.
        select key from ${q}.webhook where key in (select webhook from mine) order by key for update
      ),
      bytes as (
        select m.webhook, sum(b.bytes) as bytes
        from unnest($21::bigint[], $22::int[]) as b (job, bytes)
        join mine m on m.id = b.job
        group by m.webhook
      )
      update ${q}.webhook w set
        active = w.active - t.outcomes,
        delayed = w.delayed + t.retried,
        pending = w.pending - t.outcomes + t.retried,
        pending_bytes = w.pending_bytes - t.bytes,
        delivered_total = w.delivered_total + t.delivered,
        failed_total = w.failed_total + t.failed,
        failed = w.failed + t.kept
      from (
        select m.webhook, m.outcomes, m.delivered,
          (select count(*) from retry r where r.webhook = m.webhook) as retried,
          (select count(*) from bad b where b.webhook = m.webhook) as failed,
          (select count(*) from bad b where b.webhook = m.webhook and b.is_new) as kept,
          coalesce((select b.bytes from bytes b where b.webhook = m.webhook), 0) as bytes
        from (
          select webhook, sum(outcomes) as outcomes, sum(delivered) as delivered from mine group by webhook
        ) as m
      ) as t
      join locked l on l.key = t.webhook
      where w.key = t.webhook`,

    // $1 process, $2 job ids
    release: givenBack(q, 'id = any ($2::bigint[]) and owner = $1'),
    // $1 process, $2 ids of the jobs it knows
    recover: givenBack(q, 'id <> all ($2::bigint[]) and owner = $1'),

    // $1 now. Walks from webhook to webhook by the index instead of over every job.
    dueWebhooks: `
      with recursive next (webhook) as (
        select min(webhook) from ${q}.job where owner is null
        union all
        select (select min(j.webhook) from ${q}.job j where j.owner is null and j.webhook > next.webhook)
        from next where next.webhook is not null
      )
      select n.webhook
      from next n
      left join ${q}.webhook w on w.key = n.webhook
      where n.webhook is not null and w.is_paused is not true and exists (
        select from ${q}.job j where j.webhook = n.webhook and j.owner is null and j.due_ms <= $1
      )`,

    counts: `
      select key, is_paused, pending - delayed - active as waiting, delayed, active, failed,
        delivered_total, failed_total, pending_bytes
      from ${q}.webhook order by key`,

    // $1 webhook, $2 paused or not, $3 channel
    pause: `
      with changed as (
        insert into ${q}.webhook (key, is_paused) values ($1, $2)
        on conflict (key) do update set is_paused = excluded.is_paused
      )
      select pg_notify($3, '|' || $1)`,

    // $1 webhook, $2 most
    failed: `
      select failed_ms::text, attempts, reason, detail, payload from ${q}.failed
      where webhook = $1 order by failed_ms desc, id desc limit $2`,
  };
}

/** Takes the owner from the jobs that a condition names. */
function givenBack(q: string, condition: string): string {
  return `
      with freed as (
        update ${q}.job set owner = null where ${condition}
        returning webhook, attempts, size, done
      )
      update ${q}.webhook w set active = w.active - f.n, delayed = w.delayed + f.tried
      from (
        select webhook, sum(size - bit_count(done::bit(32))) as n, count(*) filter (where attempts > 0) as tried
        from freed group by webhook
      ) as f
      where w.key = f.webhook`;
}
