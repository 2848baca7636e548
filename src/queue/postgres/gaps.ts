/** How Gaps are opened and extended in SQL. */

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
