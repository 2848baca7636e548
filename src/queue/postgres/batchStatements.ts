/**
 * The log of what was delivered at its first try, on PostgreSQL: it stays in the row of its job
 * (deliveredBatch.ts). A job that is done has the owner `''`, which no process is called, until retention drops
 * it; one that is partly delivered holds its part of the log while it waits.
 */
import { ENTRY_OVERHEAD_BYTES } from '../entry.ts';

/** @param schema checked to be a plain identifier */
export function batchSchemaSql(schema: string): string {
  return `
-- What was delivered at its first try: which of the job, when and how, the newest outcome's number and time,
-- what it counts for, and whether the Events go when the job is done.
alter table ${schema}.job
  add column if not exists logged    integer not null default 0,
  add column if not exists records   text not null default '',
  add column if not exists exchanges text not null default '',
  add column if not exists seq       bigint,
  add column if not exists logged_ms bigint not null default 0,
  add column if not exists log_bytes integer not null default 0,
  add column if not exists is_bare   boolean not null default false;
alter table ${schema}.job alter column exchanges set storage external;
create index if not exists job_logged on ${schema}.job (webhook, last_ms, id) where logged <> 0;
create index if not exists job_seq on ${schema}.job (seq) where logged <> 0;
`;
}

/** A condition on a job `alias`: it is not done. */
export function isInQueue(alias: string): string {
  return `${alias}.owner is distinct from ''`;
}

/** What a job `alias` becomes when it leaves the queue and the log keeps a part of it, where a condition holds. */
export function leavingQueue(alias: string, condition: string): string {
  return `owner = case when ${condition} then '' else ${alias}.owner end,
          row_a = case when ${condition} then null else ${alias}.row_a end,
          row_b = case when ${condition} then null else ${alias}.row_b end,
          payload = case when ${condition} and ${alias}.is_bare then '' else ${alias}.payload end`;
}

/**
 * Common table expressions that record what a process reports of its jobs. `mine` has the jobs with the bits
 * that are new, `numbered` and `revived` what is logged.
 *
 * $1 process; $2–$9 of each job id, mask, mask of what was delivered at its first try, bytes and time of that,
 * its records and exchanges, end of its ids; $10 what is delivered loses its Event
 */
export function recordJobs(q: string): string {
  return `
      input as (
        select * from unnest($2::bigint[], $3::int[], $4::int[], $5::int[], $6::bigint[], $7::text[], $8::text[], $9::text[])
          as i (id, mask, delivered, event_bytes, ended_ms, lines, exchanged, suffix)
      ),
      before as (
        select j.id, j.webhook, j.done, j.size, j.bytes, j.logged, j.row_a, j.row_b, j.place, i.mask, i.delivered,
          i.event_bytes, i.ended_ms, i.lines, i.exchanged, i.suffix
        from ${q}.job j join input i on i.id = j.id
        where j.owner = $1 for update of j
      ),
      looked as (
        -- Of these jobs something was cancelled or purged while its request was in flight.
        select b.id, one.bit, b.done & one.bit = 0 as is_fresh, (d.one ->> 'i') || '-' || b.suffix as entry,
          coalesce(d.one ->> 'b', d.one ->> 'n')::int as bytes
        from before b join ${q}.job j on j.id = b.id,
          jsonb_array_elements(j.head::jsonb -> 'd') with ordinality as d (one, n),
          lateral (select 1 << (d.n::int - 1) as bit) as one
        where b.delivered & b.done <> 0 and b.delivered & one.bit <> 0
      ),
      revived as (
        -- It was cancelled and arrived all the same: it is delivered.
        delete from ${q}.log l using looked s where l.id = s.entry and not s.is_fresh and l.state = 'cancelled'
        returning s.id as job, s.bit, l.id, l.webhook, l.bytes
      ),
      revived_text as (
        delete from ${q}.log_text where id in (select id from revived)
      ),
      judged as (
        -- Exchanges are one text, perhaps sealed: those of what was purged must not be kept.
        select b.*, (b.delivered & ~b.done) | coalesce((select bit_or(bit) from revived r where r.job = b.id), 0) as arrived,
          case when b.delivered & b.done = 0 then b.event_bytes
            else (select coalesce(sum(bytes), 0) from looked s where s.id = b.id and s.is_fresh) end as counted_bytes,
          case when b.delivered & b.done = 0 and b.exchanged <> '' then b.exchanged || E'\\n' else '' end as kept_exchanges
        from before b
      ),
      numbered as (
        select j.*, mask & ~done as fresh, bit_count((done | mask)::bit(32)) = size as is_finished,
          logged | arrived = 0 as is_logless,
          case when arrived <> 0 then nextval('${q}.outcome') end as number,
          case when arrived = 0 then 0 else octet_length(lines) + octet_length(kept_exchanges)
            + case when logged = 0 then ${ENTRY_OVERHEAD_BYTES} + case when $10 then 0 else bytes end else 0 end
          end as more_bytes
        from judged j
      ),
      forgotten as (
        delete from ${q}.job j using numbered n where j.id = n.id and n.is_finished and n.is_logless
      ),
      recorded as (
        update ${q}.job j set done = n.done | n.mask, logged = n.logged | n.arrived,
          records = case when n.arrived = 0 then j.records else j.records || n.number || ' ' || n.lines || E'\\n' end,
          exchanges = case when n.arrived = 0 then j.exchanges else j.exchanges || n.kept_exchanges end,
          seq = coalesce(n.number, j.seq), logged_ms = greatest(j.logged_ms, n.ended_ms),
          log_bytes = j.log_bytes + n.more_bytes, is_bare = $10,
          owner = case when n.is_finished then '' else j.owner end,
          row_a = case when n.is_finished then null else j.row_a end,
          row_b = case when n.is_finished then null else j.row_b end,
          payload = case when n.is_finished and $10 then '' else j.payload end
        from numbered n where j.id = n.id and not (n.is_finished and n.is_logless)
      ),
      mine as (
        select id, webhook, fresh, row_a, row_b, place from numbered
      )`;
}

/**
 * Common table expressions that take Deliveries out of the log that is in jobs; `unlogged` has for each job what
 * was there, with `n` Deliveries and `bytes`.
 *
 * @param source a query that gives `id` and `mask`, each id once
 */
export function unlog(q: string, source: string): string {
  return `
      unlogged as (
        select j.id, j.webhook, j.logged & s.mask as gone, j.logged & ~s.mask as rest, j.owner is not distinct from '' as is_over,
          bit_count((j.logged & s.mask)::bit(32)) as n,
          case when j.logged & ~s.mask = 0 then j.log_bytes else 0 end as bytes
        from ${q}.job j join (${source}) as s on s.id = j.id
        where j.logged & s.mask <> 0 for update of j
      ),
      lighter as (
        update ${q}.job j set logged = u.rest, log_bytes = j.log_bytes - u.bytes,
          records = case when u.rest = 0 then '' else j.records end,
          exchanges = case when u.rest = 0 then '' else j.exchanges end
        from unlogged u where j.id = u.id and not (u.rest = 0 and u.is_over)
      ),
      emptied as (
        delete from ${q}.job j using unlogged u where j.id = u.id and u.rest = 0 and u.is_over
      )`;
}
