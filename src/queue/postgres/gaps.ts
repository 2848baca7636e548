/** How Gaps are opened, extended, read and settled in SQL. */
import { type FoundGap, type Gap, MAX_GAPS } from '../gaps.ts';

/** @param q the schema, checked to be a plain identifier */
export function gapStatements(q: string) {
  return {
    read: `
      select id::text, kind, webhook, coalesce(generation, left(first_id, 8)) as generation, first_id, last_id, first_lsn,
        last_lsn, first_ms::text, last_ms::text, models, tables, opened_ms::text, closed_ms::text, settled_ms::text, detail
      from ${q}.gap order by id desc`,

    // $1 kind, $2 webhook, $3 generation, $4–$9 bounds, $10 models, $11 tables, $12 opened, $13 closed, $14 settled, $15 detail
    record: `
      with known as (
        select id from ${q}.gap
        where settled_ms is null and kind = $1 and webhook is not distinct from $2
          and coalesce(generation, left(first_id, 8)) is not distinct from coalesce($3, left($4, 8))
          and first_lsn is not distinct from $6
        order by id limit 1
      ),
      made as (
        insert into ${q}.gap (kind, webhook, generation, first_id, last_id, first_lsn, last_lsn, first_ms, last_ms, models,
          tables, opened_ms, closed_ms, settled_ms, detail)
        select $1, $2, $3, $4, $5, $6, $7, $8::bigint, $9::bigint, $10::jsonb, $11::jsonb, $12::bigint, $13::bigint, $14::bigint, $15
        where not exists (select from known)
        returning id
      )
      select id::text from known union all select id::text from made`,

    // $1 number, $2 now, $3 and $4 its end where it has none
    settle: `
      update ${q}.gap set
        last_lsn = case when settled_ms is null then coalesce(last_lsn, $3) else last_lsn end,
        last_ms = case when settled_ms is null and last_lsn is null then $4::bigint else last_ms end,
        closed_ms = coalesce(closed_ms, $2::bigint),
        settled_ms = coalesce(settled_ms, $2::bigint)
      where id = $1 returning id`,

    trim: `
      delete from ${q}.gap where id in (
        select id from ${q}.gap where closed_ms is not null
        order by (settled_ms is null), id
        limit greatest((select count(*) from ${q}.gap) - ${MAX_GAPS}, 0)
      ) returning id`,
  };
}

/** The parameters of `record`. */
export function gapParameters(gap: FoundGap): unknown[] {
  const { kind, webhook, generation, firstId, lastId, firstLsn, lastLsn, firstMs, lastMs } = gap;
  return [
    ...[kind, webhook, generation, firstId, lastId, firstLsn, lastLsn, firstMs, lastMs],
    ...[JSON.stringify(gap.models), JSON.stringify(gap.tables)],
    ...[gap.openedMs, gap.closedMs, gap.settledMs, gap.detail],
  ];
}

/** What `read` returns. */
export interface GapRow {
  readonly id: string;
  readonly kind: Gap['kind'];
  readonly webhook: string | null;
  readonly generation: string | null;
  readonly first_id: string | null;
  readonly last_id: string | null;
  readonly first_lsn: string | null;
  readonly last_lsn: string | null;
  readonly first_ms: string | null;
  readonly last_ms: string | null;
  readonly models: Readonly<Record<string, number>>;
  readonly tables: readonly string[];
  readonly opened_ms: string;
  readonly closed_ms: string | null;
  readonly settled_ms: string | null;
  readonly detail: string | null;
}

export function gapOfRow(row: GapRow): Gap {
  const time = (text: string | null) => (text === null ? null : Number(text));
  return {
    id: Number(row.id),
    kind: row.kind,
    webhook: row.webhook,
    generation: row.generation,
    firstId: row.first_id,
    lastId: row.last_id,
    firstLsn: row.first_lsn,
    lastLsn: row.last_lsn,
    firstMs: time(row.first_ms),
    lastMs: time(row.last_ms),
    models: row.models,
    tables: row.tables,
    openedMs: Number(row.opened_ms),
    closedMs: time(row.closed_ms),
    settledMs: time(row.settled_ms),
    detail: row.detail,
  };
}

/**
 * A common table expression `opened` that adds Deliveries to the open Gaps of their Webhooks, or opens them.
 *
 * @param source name of one with kind, webhook and `one`, a Delivery's part of a job's head
 * @param now parameter with the time, in milliseconds
 */
export function openGaps(q: string, source: string, now: string): string {
  return `
      opened as (
        insert into ${q}.gap as g (kind, webhook, first_id, first_lsn, first_ms, last_id, last_lsn, last_ms, models, opened_ms)
        select kind, webhook,
          (array_agg(one ->> 'i' order by one ->> 'i'))[1],
          (array_agg(one ->> 'l' order by one ->> 'i'))[1],
          (array_agg(one ->> 'c' order by one ->> 'i'))[1]::bigint,
          (array_agg(one ->> 'i' order by one ->> 'i' desc))[1],
          (array_agg(one ->> 'l' order by one ->> 'i' desc))[1],
          (array_agg(one ->> 'c' order by one ->> 'i' desc))[1]::bigint,
          (
            select jsonb_object_agg(model, n) from (
              select a.one ->> 'm' as model, count(*) as n from ${source} a
              where a.kind = m.kind and a.webhook = m.webhook group by 1
            ) as models
          ),
          ${now}::bigint
        from ${source} m group by kind, webhook
        on conflict (kind, webhook) where closed_ms is null do update set
          last_id = greatest(g.last_id, excluded.last_id),
          last_lsn = case when excluded.last_id > g.last_id then excluded.last_lsn else g.last_lsn end,
          last_ms = case when excluded.last_id > g.last_id then excluded.last_ms else g.last_ms end,
          models = (
            select jsonb_object_agg(model, n) from (
              select key as model, sum(value::bigint) as n from (
                select * from jsonb_each_text(g.models) union all select * from jsonb_each_text(excluded.models)
              ) as both_of_them group by key
            ) as models
          )
      )`;
}
