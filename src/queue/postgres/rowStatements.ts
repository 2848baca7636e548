/**
 * Order by row on PostgreSQL: a job names up to two rows and its place among all jobs, which a retry inherits.
 * A job may be taken only while no job of one of its rows has an earlier place.
 *
 * That is asked of one snapshot in the statement that takes jobs, so it needs no lock: a job that is under
 * way still stands in the table, and the report that removes it puts its retry there in the same statement.
 *
 * So that taking jobs costs the same however many wait for their row, those that have to wait are marked, and no
 * index of what is ready has them. The mark is taken away by triggers, whatever statement ends what came before:
 * they see what was committed up to the moment at which they hold the counters of the Webhook, which each of
 * them locks first. So of two that end, or of one that ends and one that is added, the later sees the other.
 * A mark that is missing costs a look at the job; order rests on the question above alone.
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

-- Jobs that wait for their row are marked with what comes before them, something that was in the store when they
-- came (store) or else something that came with them (flush). Those of an older format are marked here, while
-- nobody else writes.
do $$
begin
  if not exists (
    select from pg_attribute where attrelid = '${schema}.job'::regclass and attname = 'behind' and not attisdropped
  ) then
    alter table ${schema}.job add column behind text;
    update ${schema}.job j set behind = 'store' where not ${isFirstOfItsRows(schema, 'j')};
  end if;
end $$;
create index if not exists job_free on ${schema}.job (webhook, due_ms, id) where owner is null and behind is null;
drop index if exists ${schema}.job_ready;

create or replace function ${schema}.row_ended() returns trigger language plpgsql as $$
declare
  row_name text;
  next_id bigint;
begin
  perform from ${schema}.webhook where key = old.webhook for update;
  foreach row_name in array array_remove(array[old.row_a, old.row_b], null) loop
    select id into next_id from (
      (select id, place from ${schema}.job
        where webhook = old.webhook and row_a = row_name and place >= old.place order by place limit 1)
      union all
      (select id, place from ${schema}.job
        where webhook = old.webhook and row_b = row_name and place >= old.place order by place limit 1)
    ) as later order by place limit 1;
    update ${schema}.job j set behind = null
    where id = next_id and behind is not null and ${isFirstOfItsRows(schema, 'j')};
  end loop;
  return null;
end $$;
create or replace trigger row_ended after delete on ${schema}.job
  for each row when (old.row_a is not null) execute function ${schema}.row_ended();
create or replace trigger row_left after update of row_a on ${schema}.job
  for each row when (old.row_a is not null and new.row_a is null) execute function ${schema}.row_ended();

-- What stood before it when the statement began may have ended by now; what came with it cannot have.
create or replace function ${schema}.row_joined() returns trigger language plpgsql as $$
begin
  perform from ${schema}.webhook where key = new.webhook for update;
  update ${schema}.job j set behind = null where id = new.id and ${isFirstOfItsRows(schema, 'j')};
  return null;
end $$;
create or replace trigger row_joined after insert on ${schema}.job
  for each row when (new.behind = 'store') execute function ${schema}.row_joined();
`;
}

/** A condition on a job `alias` that is true where nothing of its rows comes before it. */
export function isFirstOfItsRows(schema: string, alias: string): string {
  return `(${alias}.row_a is null or least(${firstPlaces(schema, alias)}) >= ${alias}.place)`;
}

/**
 * The earliest places among the jobs of the rows of `alias`, one for each way to share a row; null where there is
 * none. Asked for in order, so that whatever the planner takes a row to have, it reads one entry of an index.
 */
function firstPlaces(schema: string, alias: string): string {
  const place = (theirs: string, ours: string) => `(
        select e.place from ${schema}.job e where e.webhook = ${alias}.webhook and e.${theirs} = ${alias}.${ours}
        order by e.place limit 1
      )`;
  return [
    place('row_a', 'row_a'),
    place('row_b', 'row_a'),
    place('row_a', 'row_b'),
    place('row_b', 'row_b'),
  ].join(', ');
}

/**
 * Common table expressions on `batch`, what a flush adds: `behind` has by their `place` in the flush the jobs that
 * something of their rows comes before, and `what` that is, as the column of that name says it.
 */
export function findBehind(schema: string): string {
  return `
      joining as (
        select place, row_number() over (partition by webhook, name order by place) > 1 as is_later
        from (
          select webhook, row_a as name, place from batch where row_a is not null
          union all
          select webhook, row_b, place from batch where row_b is not null
        ) as named
      ),
      behind as (
        select b.place, case when l.is_later then 'flush' else 'store' end as what
        from batch b join (select place, bool_or(is_later) as is_later from joining group by place) as l using (place)
        where l.is_later or coalesce(${firstPlaces(schema, 'b')}) is not null
      )`;
}
