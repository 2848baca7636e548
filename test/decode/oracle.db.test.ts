/** The client library's own decoder as the judge of ours, over what a real server sends. */
import { types } from 'pg';
import { type Pgoutput, PgoutputPlugin } from 'pg-logical-replication';
import { expect, it } from 'vitest';
import { formatLsn, parseLsn } from '../../src/core/lsn.ts';
import { type Relation, type Tuple, UNCHANGED, type WalMessage } from '../../src/decode/messages.ts';
import { PgoutputDecoder } from '../../src/decode/pgoutput.ts';
import { createDatabase } from '../helpers/database.ts';
import { openSlotReader } from './slotReader.ts';

type Values = Record<string, unknown> | null;

/** Our reading of a tuple, as the library would give it: parsed by its parsers, unchanged values undefined. */
function valuesOf(relation: Relation, tuple: Tuple | null, fallback: Tuple | null = null): Values {
  if (tuple === null) return null;
  return Object.fromEntries(
    relation.columns.map(({ name, typeOid }, i) => {
      let text = tuple.text(i);
      if (text === UNCHANGED && fallback !== null) text = fallback.text(i);
      const parse = types.getTypeParser(typeOid) as (value: string) => unknown;
      return [name, typeof text === 'string' ? parse(text) : text === null ? null : undefined];
    }),
  );
}

function ours(message: WalMessage): unknown {
  switch (message.tag) {
    case 'begin':
      return {
        tag: 'begin',
        commitLsn: formatLsn(message.commitLsn),
        us: message.committedAtUs,
        xid: message.xid,
      };
    case 'commit':
      return { tag: 'commit', commitLsn: formatLsn(message.commitLsn), endLsn: formatLsn(message.endLsn) };
    case 'relation': {
      const { oid, schema, name, identity, columns } = message.relation;
      return {
        tag: 'relation',
        oid,
        schema,
        name,
        identity,
        columns: columns.map(({ isIdentity, name, typeOid, typeModifier }) => ({
          isIdentity,
          name,
          typeOid,
          typeModifier,
        })),
      };
    }
    case 'insert':
    case 'update':
    case 'delete': {
      const { old, new: now } = message.images();
      const { relation, tag } = message;
      const full = old.kind === 'full' ? old.tuple : null;
      const before = old.kind === 'none' ? null : valuesOf(relation, old.tuple);
      return { tag, table: relation.name, kind: old.kind, before, after: valuesOf(relation, now, full) };
    }
    case 'truncate':
      return { tag: 'truncate', tables: message.relations.map((relation) => relation.name) };
    case 'message':
      return {
        tag: 'message',
        transactional: message.transactional,
        prefix: message.prefix,
        content: message.content,
      };
    default:
      return { tag: message.tag };
  }
}

/** The library pads and lower-cases its LSNs. */
const lsnOf = (text: string | null): string => formatLsn(parseLsn(text ?? '0/0'));

function theirs(message: Pgoutput.Message): unknown {
  switch (message.tag) {
    case 'begin':
      return {
        tag: 'begin',
        commitLsn: lsnOf(message.commitLsn),
        us: BigInt(message.commitTime as bigint),
        xid: message.xid >>> 0,
      };
    case 'commit':
      return { tag: 'commit', commitLsn: lsnOf(message.commitLsn), endLsn: lsnOf(message.commitEndLsn) };
    case 'relation':
      return {
        tag: 'relation',
        oid: message.relationOid >>> 0,
        schema: message.schema,
        name: message.name,
        identity: message.replicaIdentity,
        columns: message.columns.map(({ flags, name, typeOid, typeMod }) => ({
          isIdentity: flags === 1,
          name,
          typeOid: typeOid >>> 0,
          typeModifier: typeMod,
        })),
      };
    case 'insert':
    case 'update':
    case 'delete': {
      const key = 'key' in message ? message.key : null;
      const old = 'old' in message ? message.old : null;
      const before =
        key === null
          ? old
          : Object.fromEntries(message.relation.columns.map(({ name }) => [name, key[name] ?? null]));
      return {
        tag: message.tag,
        table: message.relation.name,
        kind: key !== null ? 'key' : old !== null ? 'full' : 'none',
        before: before === null ? null : { ...before },
        after: 'new' in message ? { ...message.new } : null,
      };
    }
    case 'truncate':
      return { tag: 'truncate', tables: message.relations.map((relation) => relation.name) };
    case 'message':
      return {
        tag: 'message',
        transactional: message.transactional,
        prefix: message.prefix,
        content: Buffer.from(message.content).toString('utf8'),
      };
    default:
      return { tag: 'ignored' };
  }
}

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
