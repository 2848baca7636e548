/** The client library's own decoder as the judge of ours, over what a real server sends. */
import { PgoutputPlugin } from 'pg-logical-replication';
import { expect, it } from 'vitest';
import { PgoutputDecoder } from '../../src/decode/pgoutput.ts';
import { createDatabase } from '../helpers/database.ts';
import { ours, theirs } from './oracle.ts';
import { openSlotReader } from './slotReader.ts';

it('reads what a server sends as the client library does, but for its known faults', async () => {
  await using database = await createDatabase();
  const { client } = database;
  await client.query(`
    create type mood as enum ('sad', 'happy');
    create type pair as (a int, b text);
    create table plain (id int8 primary key, t text, big text, at timestamptz, n numeric, m mood, p pair, l int[]);
    alter table plain alter column big set storage external;
    create table "Odd.Name ""q""" ("select" int primary key, "a.b" text, "🐘" text);
    create table whole (id int, note text);
    alter table whole replica identity full;
    create table none_at_all ();
    create table keyless (v text);
    create table by_index (id int, code text not null, v text);
    create unique index by_index_code on by_index (code);
    alter table by_index replica identity using index by_index_code;
    create table parted (id int, v text, primary key (id)) partition by range (id);
    create table parted_low partition of parted for values from (0) to (100);
    create table parted_high partition of parted for values from (100) to (200);`);
  const reader = await openSlotReader(database);
  await client.query('begin; end');
  await client.query(`
    insert into plain values (9007199254740993, 'text', repeat('x', 10000), '2023-08-07 19:30:23.140019+00', 1.10, 'happy', '(1,"a b")', '{1,NULL}');
    begin;
      select pg_logical_emit_message(true, 'walhook', '{"username": "é🐘"}');
      update plain set t = null;
      savepoint s;
      update plain set id = 7;
      rollback to savepoint s;
      update plain set id = 8;
      insert into "Odd.Name ""q""" values (1, 'dot', 'elephant'), (2, '', null);
      insert into none_at_all default values;
      insert into keyless values ('a'), (null);
    commit;
    select pg_logical_emit_message(false, 'other', 'not in a transaction');
    insert into whole values (1, repeat('y', 5000)), (2, null);
    update whole set id = id + 1;
    delete from whole where id = 2;
    insert into by_index values (1, 'one', 'a');
    update by_index set v = 'b';
    update by_index set code = 'two';
    delete from by_index;
    insert into parted values (1, 'low'), (150, 'high');
    update parted set id = 151 where id = 1;
    alter table plain add column added boolean default true, drop column l;
    update plain set added = false;
    delete from plain;
    truncate whole, keyless, by_index restart identity cascade;`);
  const messages = await reader.read();

  const decoder = new PgoutputDecoder();
  const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: ['everything'], messages: true });
  const tags = new Set<string>();
  for (const message of messages) {
    const decoded = decoder.decode(message, 0, message.length);
    tags.add(decoded.tag);
    expect(ours(decoded)).toEqual(theirs(plugin.parse(message)));
  }
  expect([...tags].toSorted()).toEqual(
    [
      'begin',
      'commit',
      'delete',
      'ignored',
      'insert',
      'message',
      'relation',
      'truncate',
      'update',
    ].toSorted(),
  );
  expect(messages.length).toBeGreaterThan(40);
});
