/**
 * Order by row on PostgreSQL: a job names up to two rows and its place among all jobs, which a retry inherits.
 * A job may be taken only while no job of one of its rows has an earlier place.
 *
 * That is asked of one snapshot in the statement that takes jobs, so it needs no lock: a job that is under
 * way still stands in the table, and the report that removes it puts its retry there in the same statement.
 */

/** @param schema checked to be a plain identifier */
export function rowSchemaSql(schema: string): string {
  return `
-- Where order matters: the rows of the one Delivery of a job, and where it comes among the jobs of them.
create sequence if not exists ${schema}.job_turn;
alter table ${schema}.job add column if not exists row_a text;
alter table ${schema}.job add column if not exists row_b text;
alter table ${schema}.job add column if not exists place bigint;
create index if not exists job_row_a on ${schema}.job (webhook, row_a, place) where row_a is not null;
create index if not exists job_row_b on ${schema}.job (webhook, row_b, place) where row_b is not null;
`;
}

/** A condition on a job `alias` that is true where nothing of its rows comes before it. */
export function isFirstOfItsRows(schema: string, alias: string): string {
  const earlier = `e.webhook = ${alias}.webhook and e.place < ${alias}.place`;
  const rows = `(${alias}.row_a, ${alias}.row_b)`;
  return `(${alias}.row_a is null or (
      not exists (select from ${schema}.job e where ${earlier} and e.row_a in ${rows})
      and not exists (select from ${schema}.job e where ${earlier} and e.row_b in ${rows})
    ))`;
}
