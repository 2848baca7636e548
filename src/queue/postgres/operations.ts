/** Listing and operating on Deliveries in PostgreSQL, one statement each. */
import { type EntryScan, type JobScan, ORDERED_LENGTH } from '../backend.ts';
import type { DeliveryFilter } from '../inspect.ts';
import { isInQueue, leavingQueue, unlog } from './batchStatements.ts';
import { ENTRY_BYTES, ENTRY_COLUMNS, entryArrays, writeEntries } from './entries.ts';
import { openGaps } from './gaps.ts';

export interface Query {
  readonly text: string;
  readonly values: unknown[];
}

/** Of a job `j`. */
const JOB_COLUMNS =
  'j.id::text, j.webhook, j.attempts, j.due_ms::text, j.done, j.size, j.owner is not null as is_taken, j.head, j.history, j.last_ms::text, j.logged, j.records';

/** Conditions with their parameters, joined by `and`. */
class Conditions {
  readonly values: unknown[] = [];
  readonly #texts: string[] = [];

  /** `?` stands for each value. */
  add(text: string, ...values: readonly unknown[]): void {
    let i = 0;
    this.#texts.push(text.replaceAll('?', () => this.value(values[i++])));
  }

  value(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  toString(): string {
    return this.#texts.length === 0 ? 'true' : this.#texts.join(' and ');
  }
}

export function scanJobs(q: string, scan: JobScan): Query {
  const where = new Conditions();
  where.add(scan.part === 'waiting' ? isInQueue('j') : 'logged <> 0');
  if (scan.webhook !== null) where.add('webhook = ?', scan.webhook);
  if (scan.after !== null) where.add('(last_ms, id) < (?::bigint, ?::bigint)', ...readPlace(scan.after));
  if (scan.sinceMs !== null) where.add('last_ms >= ?', scan.sinceMs);
  // The first commit time in a head is that of its first Delivery.
  if (scan.untilMs !== null) where.add(`substring(head from '"c":([0-9]+)')::bigint < ?`, scan.untilMs);
  if (scan.tried !== null) where.add(scan.tried ? 'attempts > 0' : 'attempts = 0');
  if (scan.attempt !== null) {
    where.add(`strpos(${scan.part === 'waiting' ? 'history' : 'records'}, ?) > 0`, scan.attempt);
  }
  for (const token of scan.tokens) where.add('strpos(head, ?) > 0', token);
  if (scan.events !== null) {
    const ordered = (column: string) => `(left(${column}, ${ORDERED_LENGTH}) collate "C")`;
    where.add(
      `exists (select from unnest(?::text[]) as e where ${ordered('e')} between ${ordered('first_id')} and ${ordered('last_id')})`,
      [...scan.events],
    );
  }
  if (scan.taken !== null) where.add(scan.taken ? 'owner is not null' : 'owner is null');
  const limit = where.value(scan.most);
  return {
    text: `select ${JOB_COLUMNS} from ${q}.job j where ${where} order by j.last_ms desc, j.id desc limit ${limit}`,
    values: where.values,
  };
}

/** A job's place: its last commit time and its id. */
export function jobPlace(lastMs: string, id: string): string {
  return `${lastMs}:${id}`;
}

function readPlace(place: string): [string, string] {
  const colon = place.indexOf(':');
  return [place.slice(0, colon), place.slice(colon + 1)];
}

function entryConditions(filter: DeliveryFilter): Conditions {
  const { webhook, state, model, key, requestId, status, sinceMs, untilMs } = filter;
  const where = new Conditions();
  if (webhook !== undefined) where.add('webhook = ?', webhook);
  if (state !== undefined) where.add('state = ?', state);
  if (model !== undefined) where.add('model = ?', model);
  if (key !== undefined) where.add('key = ?', key);
  if (requestId !== undefined) where.add("request_id = ? and request_id <> ''", requestId);
  if (status !== undefined) where.add('status = ?', status);
  if (sinceMs !== undefined) where.add('committed_ms >= ?', sinceMs);
  if (untilMs !== undefined) where.add('committed_ms < ?', untilMs);
  return where;
}

export function scanEntries(q: string, { filter, after, most }: EntryScan): Query {
  const where = entryConditions(filter);
  if (after !== null) where.add('(committed_ms, id) < (?::bigint, ?)', ...readPlace(after));
  const limit = where.value(most);
  return {
    text: `select l.id, l.committed_ms::text, l.head from ${q}.log l where ${where} order by l.committed_ms desc, l.id desc limit ${limit}`,
    values: where.values,
  };
}

export function countEntries(q: string, filter: DeliveryFilter): Query {
  const where = entryConditions(filter);
  return { text: `select count(*)::int as n from ${q}.log where ${where}`, values: where.values };
}

export interface Operations {
  readonly readJobs: string;
  readonly readEntries: string;
  readonly cancel: string;
  readonly blank: string;
  readonly requeue: string;
  readonly makeDue: string;
  readonly dropEntries: string;
  readonly outcomes: string;
  readonly straddling: string;
  readonly numbering: string;
  readonly sweepOld: string;
  readonly sweepDelivered: string;
  readonly sweepExchanges: string;
  readonly sweepBodies: string;
  readonly sweepBytes: string;
  readonly dropWebhook: string;
  readonly closeOrphan: string;
}

/** @param q the schema, checked to be a plain identifier */
export function operationsFor(q: string): Operations {
  return {
    // $1 ids
    readJobs: `select ${JOB_COLUMNS}, j.payload, j.bodies, j.exchanges from ${q}.job j where id = any ($1::bigint[])`,
    // $1 ids
    readEntries: `
      select id, head, coalesce(event, '') as event, coalesce(bodies, '') as bodies
      from ${q}.log left join ${q}.log_text using (id) where id = any ($1::text[])`,

    // $1 jobs, $2 bits, $3 bytes, $4–$15 entries, $16 channel
    cancel: `
      with input as (
        select * from unnest($1::bigint[], $2::int[], $3::int[], ${entryArrays(4)})
          as i (job, bit, event_bytes, ${ENTRY_COLUMNS}, event, bodies)
      ),
      before as (
        select j.id as job, j.webhook, j.done, j.size, j.attempts, j.logged, j.owner is null as is_free,
          (select bit_or(bit) from input where input.job = j.id) as mask
        from ${q}.job j where j.id in (select job from input) for update
      ),
      fresh as (
        select i.*, b.is_free, b.attempts from input i join before b using (job) where b.done & i.bit = 0
      ),
      ${endInJobs(q)},
      ${writeEntries(q, 'fresh')},
      counted as (
        ${countEnded(q, `count(*) as n, sum(event_bytes) as bytes, 0 as delivered, count(*) as cancelled, sum(${ENTRY_BYTES}) as log_bytes`)}
      )
      select (select count(*)::int from fresh) as n, ${notifyTaken('$16')}`,

    // $1 jobs, $2 heads and $3 done expected, $4 masks, $5 bytes, $6 heads, $7 payloads, $8 exchanges, $9 channel
    blank: `
      with input as (
        select * from unnest($1::bigint[], $2::text[], $3::int[], $4::int[], $5::bigint[], $6::text[], $7::text[], $8::text[])
          as i (job, expected_head, expected_done, mask, event_bytes, head, payload, exchanges)
      ),
      before as (
        select j.id as job, j.webhook, j.done, j.size, j.attempts, i.mask, i.event_bytes, i.head, i.payload, i.exchanges,
          j.owner is null or j.owner = '' as is_free, j.logged & i.mask as unlogged, j.logged & ~i.mask as logged, j.log_bytes,
          (j.owner is null or j.owner = '') and bit_count((j.done | i.mask)::bit(32)) = j.size as is_over
        from ${q}.job j join input i on i.job = j.id
        where j.head = i.expected_head and j.done = i.expected_done for update of j
      ),
      fresh as (
        select job, webhook, is_free, attempts, bit_count((mask & ~done)::bit(32)) as n, event_bytes,
          bit_count(unlogged::bit(32)) as delivered,
          case when unlogged <> 0 and logged = 0 then log_bytes else 0 end as log_bytes
        from before
      ),
      blanked as (
        update ${q}.job j set head = b.head, payload = b.payload, done = b.done | b.mask, logged = b.logged,
          exchanges = case when b.logged = 0 then '' else b.exchanges end,
          records = case when b.logged = 0 then '' else j.records end,
          log_bytes = case when b.logged = 0 then 0 else j.log_bytes end,
          owner = case when b.is_over then '' else j.owner end,
          history = case when b.size = 1 then '' else j.history end,
          bodies = case when b.size = 1 then '' else j.bodies end
        from before b
        where j.id = b.job and not (b.is_over and b.logged = 0)
      ),
      finished as (
        delete from ${q}.job j using before b where j.id = b.job and b.is_over and b.logged = 0
      ),
      counted as (
        ${countEnded(q, 'sum(n) as n, sum(event_bytes) as bytes, -sum(delivered) as delivered, 0 as cancelled, -sum(log_bytes) as log_bytes')}
      )
      select job::text as job, ${notifyTaken('$9')} from before`,

    // $1 Deliveries; $2 Webhooks, $3 commit times, $4 bytes, $5 Event ids, $6 heads, $7 payloads, $8 histories,
    // $9 bodies; $10 jobs and $11 bits of those that are logged in one; $12 channel
    requeue: `
      with input as (
        select * from unnest($1::text[], $2::text[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::bigint[], $11::int[])
          as i (id, webhook, last_ms, event_bytes, event_id, head, payload, history, bodies, from_job, from_bit)
      ),
      ${dropFrom(q, 'select id from input where from_job is null')},
      ${unlog(q, 'select from_job as id, bit_or(from_bit) as mask from input where from_job is not null group by from_job')},
      back as (
        select i.* from input i join gone using (id)
        union all
        select i.* from input i join unlogged u on u.id = i.from_job and u.gone & i.from_bit <> 0
      ),
      job as (
        insert into ${q}.job (webhook, size, bytes, first_id, last_id, last_ms, head, payload, history, bodies, tried)
        select webhook, 1, event_bytes, event_id, event_id, last_ms, head, payload, history, bodies, nextval('${q}.outcome')
        from back order by last_ms, event_id
      ),
      counted as (
        update ${q}.webhook w set pending = w.pending + s.n, pending_bytes = w.pending_bytes + s.event_bytes,
          ${minusGone('s')}
        from (
          select webhook, sum(n) as n, sum(event_bytes) as event_bytes, sum(delivered) as delivered, sum(failed) as failed,
            sum(cancelled) as cancelled, sum(log_bytes) as log_bytes
          from (
            select webhook, 1 as n, event_bytes, 0 as delivered, 0 as failed, 0 as cancelled, 0 as log_bytes from back
            union all
            select webhook, 0, 0, (state = 'delivered')::int, (state = 'failed')::int, (state = 'cancelled')::int, bytes from gone
            union all
            select webhook, 0, 0, n, 0, 0, bytes from unlogged
          ) as changes
          group by webhook
        ) as s
        where w.key = s.webhook
      )
      select count(*)::int as n,
        pg_notify($12, '|' || left(string_agg(distinct webhook, ','), 7900)) from back having count(*) > 0`,

    // $1 jobs, $2 channel
    makeDue: `
      with due as (
        update ${q}.job set due_ms = 0 where id = any ($1::bigint[]) and attempts > 0 and owner is null returning webhook
      )
      select count(*)::int as n, pg_notify($2, '|' || left(string_agg(distinct webhook, ','), 7900))
      from due having count(*) > 0`,

    // $1 ids
    dropEntries: dropEntries(q, 'select unnest($1::text[])'),

    // $1 after, $2 most
    outcomes: `
      select * from (
        select 'ended' as kind, l.seq::text as number, l.head as entry, null::text as id, null::text as webhook,
          null::int as attempts, null::text as due_ms, null::int as done, null::int as size, null::boolean as is_taken,
          null::text as head, null::text as history, null::text as last_ms, null::int as logged, null::text as records
        from (values ('delivered'), ('failed'), ('cancelled')) as s (state)
        cross join lateral (
          select seq, head from ${q}.log where state = s.state and seq > $1 order by seq limit $2
        ) as l
        union all
        (select 'tried', j.tried::text, '', ${JOB_COLUMNS} from ${q}.job j where j.tried > $1 order by j.tried limit $2)
        union all
        (select 'delivered', j.seq::text, '', ${JOB_COLUMNS} from ${q}.job j where j.logged <> 0 and j.seq > $1 order by j.seq limit $2)
      ) as outcomes`,

    // $1 number, $2 most. A job stands at its newest number: those with something logged up to $1 and more after it.
    straddling: `
      select j.seq::text as number, ${JOB_COLUMNS}
      from (select * from ${q}.job where logged <> 0 and seq > $1 order by seq limit $2) as j
      where nullif(split_part(j.records, ' ', 1), '')::bigint <= $1`,

    // Transactions that have drawn a number and have not ended: they hold this lock until then.
    numbering: `
      select virtualtransaction as id from pg_locks
      where locktype = 'relation' and relation = '${q}.outcome'::regclass and mode = 'RowExclusiveLock'
        and database = (select oid from pg_database where datname = current_database())`,

    // $1 state, $2 ended before, $3 most to drop
    sweepOld: dropEntries(
      q,
      `select id from (
          select id, ended_ms from ${q}.log where state = $1 order by seq limit $3
        ) as oldest
        where ended_ms < $2`,
    ),

    // $1 most kept, $2 ended before, $3 bytes to be kept, $4 most to drop. Entries, and what is logged in jobs.
    sweepDelivered: `
      with oldest as (
        select * from (
          (select seq, id as entry, null::bigint as job, 1 as mask, 1 as n, bytes, ended_ms from ${q}.log
            where state = 'delivered' order by seq limit $4)
          union all
          (select seq, null, id, logged, bit_count(logged::bit(32)), log_bytes, logged_ms from ${q}.job
            where logged <> 0 order by seq limit $4)
        ) as delivered
        order by seq limit $4
      ),
      excess as (
        select sum(delivered) - $1::bigint as n, sum(log_bytes) - $3::bigint as bytes from ${q}.webhook
      ),
      summed as (
        select o.*, sum(o.n) over older as so_far,
          (o.ended_ms < $2 or sum(o.n) over older <= e.n or sum(o.bytes) over older - o.bytes < e.bytes) as is_dropped,
          greatest(0, e.n - sum(o.n) over older + o.n) as over
        from oldest o cross join excess e
        window older as (order by o.seq)
      ),
      dropped as (
        -- Of the job that the bound falls into, as many as are too many.
        select job as id, case when is_dropped then mask else (
            select coalesce(sum(1 << i), 0)::int from (
              select i from generate_series(0, 24) i where mask >> i & 1 = 1 order by i limit over
            ) as lowest
          ) end as mask
        from summed where job is not null and (is_dropped or over > 0)
      ),
      ${dropFrom(q, 'select entry from summed where entry is not null and is_dropped')},
      ${unlog(q, 'select id, mask from dropped')},
      counted as (
        update ${q}.webhook w set delivered = w.delivered - s.n, log_bytes = w.log_bytes - s.bytes
        from (
          select webhook, sum(n) as n, sum(bytes) as bytes
          from (select webhook, 1 as n, bytes from gone union all select webhook, n, bytes from unlogged) as d
          group by webhook
        ) as s
        where w.key = s.webhook
      )
      select ((select count(*) from gone) + (select coalesce(sum(n), 0) from unlogged))::int as n`,

    // $1 ended before, $2 most
    sweepExchanges: `
      with old as (
        select seq, id, webhook, octet_length(exchanges) as bytes from (
          select seq, id, webhook, exchanges, logged_ms from ${q}.job
          where logged <> 0 and seq > coalesce((select seq from ${q}.swept where state = 'batch'), -1)
          order by seq limit $2
        ) as next_ones
        where logged_ms < $1
      ),
      emptied as (
        update ${q}.job j set exchanges = '', log_bytes = j.log_bytes - o.bytes from old o where j.id = o.id and o.bytes > 0
      ),
      counted as (
        update ${q}.webhook w set log_bytes = w.log_bytes - s.bytes
        from (select webhook, sum(bytes) as bytes from old group by webhook) as s where w.key = s.webhook
      ),
      mark as (
        insert into ${q}.swept (state, seq) select 'batch', max(seq) from old having count(*) > 0
        on conflict (state) do update set seq = excluded.seq
      )
      select count(*)::int as n from old`,

    // $1 state, $2 ended before, $3 most
    sweepBodies: `
      with old as (
        select seq, id, webhook from (
          select seq, id, webhook, ended_ms from ${q}.log
          where state = $1 and seq > coalesce((select seq from ${q}.swept where state = $1), -1)
          order by seq limit $3
        ) as next_ones
        where ended_ms < $2
      ),
      sizes as (
        select o.webhook, o.id, octet_length(t.bodies) as bytes from old o join ${q}.log_text t using (id)
        where t.bodies <> ''
      ),
      emptied as (
        update ${q}.log_text set bodies = '' where id in (select id from sizes)
      ),
      lighter as (
        update ${q}.log l set bytes = l.bytes - s.bytes from sizes s where l.id = s.id
      ),
      counted as (
        update ${q}.webhook w set log_bytes = w.log_bytes - s.bytes
        from (select webhook, sum(bytes) as bytes from sizes group by webhook) as s where w.key = s.webhook
      ),
      mark as (
        insert into ${q}.swept (state, seq) select $1, max(seq) from old having count(*) > 0
        on conflict (state) do update set seq = excluded.seq
      )
      select count(*)::int as n from old`,

    // $1 state, $2 bytes to be kept, $3 most
    sweepBytes: dropEntries(
      q,
      `select id from (
          select id, sum(bytes) over (order by seq) - bytes as before from (
            select id, seq, bytes from ${q}.log where state = $1 order by seq limit $3
          ) as oldest
        ) as summed
        where before < (select sum(log_bytes) from ${q}.webhook) - $2::bigint`,
    ),

    // $1 webhook, $2 now. Deliveries of a Webhook that is gone; a Gap tells which.
    dropWebhook: `
      with dropped as (
        select id, head, done, attempts, logged from ${q}.job
        where webhook = $1 and owner is null order by id limit 200 for update
      ),
      emptied as (
        delete from ${q}.job where id in (select id from dropped where logged = 0)
      ),
      left_logged as (
        update ${q}.job j set done = (1 << j.size) - 1, ${leavingQueue('j', 'true')}
        where id in (select id from dropped where logged <> 0)
      ),
      missed as (
        select 'orphan' as kind, $1::text as webhook, d.one
        from dropped j, jsonb_array_elements(j.head::jsonb -> 'd') with ordinality as d (one, n)
        where (j.done >> (d.n::int - 1)) & 1 = 0 and d.one ->> 'i' <> ''
      ),
      ${openGaps(q, 'missed', '$2')},
      sums as (
        select count(*) as n, coalesce(sum(coalesce(one ->> 'b', one ->> 'n')::bigint), 0) as bytes from missed
      ),
      counted as (
        update ${q}.webhook w set pending = w.pending - s.n, pending_bytes = w.pending_bytes - s.bytes,
          delayed = w.delayed - (select count(*) from dropped where attempts > 0), skipped_total = w.skipped_total + s.n
        from sums s where w.key = $1
      )
      select n::int, (select count(*)::int from dropped) as jobs from sums`,

    // $1 webhook, $2 now
    closeOrphan: `update ${q}.gap set closed_ms = $2 where kind = 'orphan' and webhook = $1 and closed_ms is null`,
  };
}

/**
 * Marks the Deliveries of `fresh` as done in the jobs of `before`. Jobs that are done then, and that nobody has,
 * leave the queue.
 */
function endInJobs(q: string): string {
  const isOver = 'b.is_free and bit_count((b.done | b.mask)::bit(32)) = b.size';
  return `
      ended_in as (
        update ${q}.job j set done = b.done | b.mask, ${leavingQueue('j', `(${isOver})`)} from before b
        where j.id = b.job and not (${isOver} and b.logged = 0)
      ),
      finished as (
        delete from ${q}.job j using before b
        where j.id = b.job and ${isOver} and b.logged = 0
      )`;
}

/** What of `fresh` waits no longer. */
function countEnded(q: string, sums: string): string {
  return `
        update ${q}.webhook w set
          pending = w.pending - s.n,
          pending_bytes = w.pending_bytes - s.bytes,
          active = w.active - s.active,
          delayed = w.delayed - s.delayed,
          delivered = w.delivered + s.delivered,
          cancelled = w.cancelled + s.cancelled,
          log_bytes = w.log_bytes + s.log_bytes
        from (
          select t.webhook, sum(t.n) as n, sum(t.bytes) as bytes, sum(t.delivered) as delivered, sum(t.cancelled) as cancelled,
            sum(t.log_bytes) as log_bytes,
            coalesce(sum(t.n) filter (where not t.is_free), 0) as active,
            coalesce(sum(t.n) filter (where t.is_free and t.tried), 0) as delayed
          from (select webhook, is_free, attempts > 0 as tried, ${sums} from fresh group by 1, 2, 3) as t
          group by t.webhook
        ) as s
        where w.key = s.webhook`;
}

/** Tells the processes that have the jobs. */
function notifyTaken(channel: string): string {
  return `(
        select pg_notify(${channel}, '!' || string_agg(job || ':' || mask, ',')) from (
          select job, mask from before where not is_free limit 200
        ) as taken having count(*) > 0
      ) as told`;
}

const GONE_STATES = ['delivered', 'failed', 'cancelled'] as const;

/** Common table expressions that drop the entries whose ids a query gives; `gone` has what they were. */
function dropFrom(q: string, ids: string): string {
  return `
      gone as (
        delete from ${q}.log where id in (${ids}) returning id, webhook, state, bytes
      ),
      gone_text as (
        delete from ${q}.log_text where id in (select id from gone)
      )`;
}

function sumsOfGone(alias: string): string {
  const states = GONE_STATES.map(
    (state) => `count(*) filter (where ${alias}.state = '${state}') as ${state}`,
  );
  return [...states, `sum(${alias}.bytes) as log_bytes`].join(', ');
}

function minusGone(alias: string): string {
  return [...GONE_STATES, 'log_bytes'].map((name) => `${name} = w.${name} - ${alias}.${name}`).join(', ');
}

function dropEntries(q: string, ids: string): string {
  return `
      with ${dropFrom(q, ids)},
      counted as (
        update ${q}.webhook w set ${minusGone('s')}
        from (select g.webhook, ${sumsOfGone('g')} from gone g group by g.webhook) as s
        where w.key = s.webhook
      )
      select count(*)::int as n from gone`;
}
