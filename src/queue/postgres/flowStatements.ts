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

/** $1 webhook, $2 expected or null, $3 next */
export function swapFlowSql(schema: string): string {
  return `
    with swapped as (
      insert into ${schema}.flow as f (webhook, state) values ($1, $3)
      on conflict (webhook) do update set state = excluded.state where f.state is not distinct from $2
      returning state
    )
    select exists (select from swapped) as is_swapped,
      coalesce((select state from swapped), (select state from ${schema}.flow where webhook = $1)) as current`;
}
