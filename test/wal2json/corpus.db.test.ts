/** Both plugins give identical Events, but for the differences that docs/wal2json.md lists. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EmbeddedPostgres } from '../../src/demo/embeddedPostgres.ts';
import { createDatabase } from '../helpers/database.ts';
import { openSlots, told } from './plugins.ts';
import { startWal2jsonServer, WAL2JSON_ROOT } from './server.ts';

const TABLES = `
  create type mood as enum ('sad', 'so "so"');
  create type pair as (a int, b text);
  create table parted (id int, v text, n int, primary key (id)) partition by range (id);
  create table parted_low partition of parted for values from (0) to (100);
  create table parted_high (n int, v text, id int not null);
  alter table parted attach partition parted_high for values from (100) to (200);
  create domain positive as int8 check (value > 0);
  create table item (id int8 primary key, name text, amount numeric(20, 4), n int4 default 0);
  create table child (id int primary key, item_id int8 references item on delete cascade on update cascade, note text);
  create table whole (id int primary key, name text, n int);
  alter table whole replica identity full;
  create table by_index (id int, code text not null, v text);
  create unique index by_index_code on by_index (code);
  alter table by_index replica identity using index by_index_code;
  create table "Odd.Name ""q""" ("select" int primary key, "a.b" text, "🐘" text);
  create table kinds (
    id int primary key, b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, money money, t text,
    vc varchar(40), ch char(5), "c" "char", nm name, raw bytea, j json, jb jsonb, at timestamptz, ts timestamp(3),
    d date, tm time, tz timetz, iv interval, u uuid, ip inet, net cidr, mac macaddr, bits bit(3), vb varbit, pt point,
    r int4range, a int[], ta text[], ba bytea[], m mood, p pair, pos positive, o oid, x xml, tsv tsvector
  );`;

const CORPUS: readonly (readonly [what: string, sql: string])[] = [
  [
    'inserts, updates and deletes',
    "insert into item values (1, 'a', 1.10), (9007199254740993, null, null); update item set name = 'b' where id = 1; update item set id = 2 where id = 1; delete from item",
  ],
  [
    'values of every kind',
    `insert into kinds values (1, true, -32768, 2147483647, 9223372036854775807, 1e30, 1e-300, 12345678901234567890.123456789000, 12.5,
       E'te"x\\t\\\\é🐘 \\u0001', 'vc', 'ch', 'c', 'nm', '\\xdeadbeef00', '{"k":  1.0, "big": 12345678901234567890}', '{"a": [1, null]}',
       '2023-08-07 19:30:23.140019+00', '2023-08-07 19:30:23.14', '0044-03-15 BC', '19:30:23.14', '19:30:23+02', '1 day 02:00', 'af7aebe6-d049-405a-910f-d01e5ff043cd',
       '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', B'101', B'1', '(1,2)', '[1,3)', '{1,NULL,3}', '{"a b",NULL,"NULL",""}', '{"\\\\xff"}',
       'so "so"', '(1,"x ""y")', 5, 4000000000, '<a/>', 'fat cats');
     insert into kinds (id, at, f8, n) values (2, 'infinity', 0.1, 0.00), (3, '10000-01-01 00:00:00+00', -0.0, 1e30)`,
  ],
  [
    'names with quotes, dots and emoji',
    'insert into "Odd.Name ""q""" values (1, \'x\', \'y\'); update "Odd.Name ""q""" set "select" = 2; delete from "Odd.Name ""q"""',
  ],
  [
    'rows before and after',
    "insert into whole values (1, 'a', 1); update whole set n = 2; update whole set id = 2; delete from whole",
  ],
  [
    'an index as the identity',
    "insert into by_index values (1, 'one', 'a'); update by_index set v = 'b'; update by_index set code = 'two'; delete from by_index",
  ],
  [
    'savepoints and subtransactions',
    "begin; insert into item values (1, 'kept'); savepoint s; insert into item values (2, 'rolled back'); rollback to s; insert into item values (3, 'kept'); savepoint t; update item set n = 1; release t; commit; begin; delete from item; rollback",
  ],
  [
    'a block with exceptions',
    `do $$ begin
       for i in 1..5 loop
         begin
           insert into whole values (i, 'row', i);
           if i % 2 = 0 then raise exception 'no'; end if;
         exception when others then null;
         end;
       end loop;
     end $$`,
  ],
  [
    'ON CONFLICT',
    "insert into whole values (1, 'first', 1) on conflict (id) do update set name = 'second', n = whole.n + 10; insert into whole values (1, 'x', 1) on conflict do nothing",
  ],
  [
    'cascades',
    "insert into item values (10, 'parent'); insert into child values (1, 10, 'c'), (2, 10, 'd'); update item set id = 11 where id = 10; delete from item where id = 11",
  ],
  [
    'statements that make rows of other statements',
    "with gone as (delete from whole returning *) insert into item select 1, 'counted', count(*) from gone",
  ],
  [
    'TRUNCATE CASCADE',
    'insert into item values (1); insert into child values (1, 1); truncate item cascade; truncate whole, by_index restart identity',
  ],
  [
    'messages',
    `begin; insert into item values (50, 'nobody'); select pg_logical_emit_message(true, 'walhook', '{"username": "é🐘", "request_id": "r1"}');
     insert into item values (51, 'somebody'); select pg_logical_emit_message(true, 'walhook', '{}'); insert into item values (52, 'nobody'); commit;
     select pg_logical_emit_message(false, 'walhook', '{"username": "outside"}'); insert into item values (53, 'nobody')`,
  ],
  [
    'prepared transactions',
    "begin; insert into item values (60, 'prepared'); prepare transaction 'one'; begin; insert into item values (61, 'gone'); prepare transaction 'two'; rollback prepared 'two'; commit prepared 'one'",
  ],
  [
    'partitions, also of another order of columns',
    "insert into parted values (1, 'low', 1), (101, 'high', 2); update parted set n = 3; update parted set id = 102 where id = 1; delete from parted",
  ],
  [
    'a table made later',
    "create table later (id int primary key, v text); insert into later values (1, 'a')",
  ],
];

describe.skipIf(WAL2JSON_ROOT === null)('wal2json tells what pgoutput tells', () => {
  let server: EmbeddedPostgres;
  let version = 0;
  beforeAll(async () => {
    server = await startWal2jsonServer();
    await using database = await createDatabase(server.url('postgres'));
    const { rows } = await database.client.query<{ v: string }>(
      "select current_setting('server_version_num') as v",
    );
    version = Number(rows[0]?.v);
  });
  afterAll(() => server?.stop());

  async function both(sql: string): Promise<void> {
    await using database = await createDatabase(server.url('postgres'));
    await database.client.query(TABLES);
    await openSlots(database);
    for (const statement of statementsOf(sql)) await database.client.query(statement);
    const pgoutput = await told(database, 'pgoutput');
    const wal2json = await told(database, 'wal2json');
    expect(parsed(wal2json.events)).toEqual(parsed(pgoutput.events));
    expect(pgoutput.events.length).toBeGreaterThan(0);
    expect([wal2json.failed, pgoutput.failed]).toEqual([[], []]);
  }

  it.each(CORPUS)('%s', async (_what, sql) => both(sql));

  it('schema changes, each read before the next', async () => {
    await using database = await createDatabase(server.url('postgres'));
    await database.client.query(TABLES);
    await openSlots(database);
    for (const change of [
      "alter table item add column added text default 'd'; insert into item values (70, 'a')",
      'alter table item drop column name; update item set n = 5 where id = 70',
      'alter table item rename column added to renamed; update item set n = 6 where id = 70',
      "alter table item alter column n type text; insert into item (id, n) values (71, 'text')",
      'alter table item replica identity full; update item set n = 7; delete from item where id = 71',
      'alter table item replica identity default; update item set n = 8; delete from item',
      'alter table whole rename to renamed; insert into renamed values (1)',
      "drop table by_index; create table by_index (v text primary key); insert into by_index values ('new')",
    ]) {
      for (const statement of statementsOf(change)) await database.client.query(statement);
      const pgoutput = await told(database, 'pgoutput');
      const wal2json = await told(database, 'wal2json');
      expect(parsed(wal2json.events)).toEqual(parsed(pgoutput.events));
      expect(pgoutput.events.length).toBeGreaterThan(0);
    }
  });

  it('MERGE', async ({ skip }) => {
    if (version < 150_000) skip('MERGE exists since 15');
    await both(
      "insert into whole values (1, 'a', 1), (2, 'b', 2); merge into whole w using (values (1), (3)) v (id) on w.id = v.id when matched then update set n = 9 when not matched then insert values (v.id, 'new', 0)",
    );
  });

  it('COPY', async () => {
    await both('copy whole from program \'printf "1\\ta\\t1\\n2\\t\\\\\\\\N\\t2\\n"\'');
  });
});

/** Statements on their own, so that each is a Transaction where none is open; a block stays whole. */
function statementsOf(sql: string): string[] {
  return sql.includes('$$') ? [sql] : sql.split(/;\s*(?=[a-z])/i);
}

/** The object for people who read a failure, the text because the order of its keys counts. */
function parsed(events: readonly { readonly json: string }[]): unknown[] {
  return events.map((event) => ({ ...event, json: JSON.parse(event.json) as unknown, text: event.json }));
}
