/**
 * Loads of a contest, made by the server itself so that no client takes part: a backlog of small
 * Transactions, one large Transaction, and rows at a steady rate.
 */
import { Client } from 'pg';
import { rowValues } from './arena.ts';
import type { Place } from './contender.ts';

/** Which rows a load has: `first` to `first + count - 1`. */
export interface Span {
  readonly first: number;
  readonly count: number;
}

const last = ({ first, count }: Span): number => first + count - 1;

/** Each row a Transaction of its own. */
export async function commitSingly(place: Place, span: Span): Promise<void> {
  await alone(place, (client) =>
    client.query(`do $$ begin
      for i in ${span.first} .. ${last(span)} loop
        insert into load select ${rowValues('i')};
        commit;
      end loop; end $$`),
  );
}

/** All rows in one Transaction. */
export async function commitAtOnce(place: Place, span: Span): Promise<void> {
  await alone(place, (client) =>
    client.query(
      `insert into load select ${rowValues('i')} from generate_series(${span.first}, ${last(span)}) i`,
    ),
  );
}

/**
 * Each row a Transaction of its own, `rate` a second. The server sleeps until a row's turn has come, so it
 * falls behind and catches up by a millisecond or so, as applications do.
 *
 * @returns how many a second it came to
 */
export async function commitSteadily(place: Place, span: Span, rate: number): Promise<number> {
  const start = performance.now();
  await alone(place, (client) =>
    client.query(`do $$ declare
      began timestamptz := clock_timestamp();
      ahead float8;
    begin
      for i in ${span.first} .. ${last(span)} loop
        ahead := (i - ${span.first})::float8 / ${rate} - extract(epoch from clock_timestamp() - began);
        if ahead > 0.0005 then perform pg_sleep(ahead); end if;
        insert into load select ${rowValues('i')};
        commit;
      end loop; end $$`),
  );
  return (span.count * 1_000) / (performance.now() - start);
}

/** When each row was committed, in ms since 1970. */
export async function commitTimes(place: Place, span: Span): Promise<Map<number, number>> {
  const rows = await place.sql(
    `select id::int4 as id, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as at
     from load where id between $1 and $2`,
    [span.first, last(span)],
  );
  return new Map(rows.map(({ id, at }) => [Number(id), Number(at)]));
}

async function alone(place: Place, use: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: place.url });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}
