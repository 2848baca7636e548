/** Flow state on PostgreSQL: one row for each Webhook. */

/** @param schema checked to be a plain identifier */
export function flowSchemaSql(schema: string): string {
  return `
-- What the processes that deliver a Webhook agree on; see src/queue/flow.ts.
create table if not exists ${schema}.flow (
  webhook text primary key,
  state   text not null
) with (fillfactor = 50);
`;
}

/** $1 webhooks, $2 expected or null, $3 next; answers in their order */
export function swapFlowsSql(schema: string): string {
  return `
    with input as (
      select * from unnest($1::text[], $2::text[], $3::text[]) with ordinality as i (webhook, expected, next, place)
    ),
    swapped as (
      -- Always in the same order, so that two processes never wait for each other.
      insert into ${schema}.flow as f (webhook, state) select webhook, next from input order by webhook
      on conflict (webhook) do update set state = excluded.state
        where f.state is not distinct from (select expected from input i where i.webhook = excluded.webhook)
      returning webhook, state
    )
    select s.webhook is not null as is_swapped, coalesce(s.state, f.state) as current
    from input i
    left join swapped s on s.webhook = i.webhook
    left join ${schema}.flow f on f.webhook = i.webhook
    order by i.place`;
}
