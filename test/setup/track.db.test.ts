/** sql/schema.sql as applications use it: who is named for each Change, as capture would see it. */
import type { Pool } from 'pg';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { contextOf } from '../../src/change/context.ts';
import { type ContextOption, describeTable, type Table } from '../../src/change/table.ts';
import { TransactionReader } from '../../src/change/transaction.ts';
import { NO_TLS, openPool } from '../../src/database/connect.ts';
import type { Relation } from '../../src/decode/messages.ts';
import { PgoutputDecoder } from '../../src/decode/pgoutput.ts';
import { Catalog } from '../../src/represent/catalog.ts';
import { readSql } from '../../src/setup/perform.ts';
import { openSlotReader, type SlotReader } from '../decode/slotReader.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';

const CONTEXT: readonly ContextOption[] = [{ kind: 'message', source: 0 }, { kind: 'tracked' }];

const WALHOOK = { prefix: 'walhook', username: 'username', requestId: 'request_id', allowMute: false };

const EMIT_MESSAGE = `pg_logical_emit_message(boolean, text, text${inject('postgresVersion') < 17 ? '' : ', boolean'})`;

let database: TestDatabase;
let reader: SlotReader;
let pool: Pool;
let app: Client;
const role = () => `${database.name}_app`;

beforeAll(async () => {
  database = await createDatabase();
  await database.client.query(readSql('schema.sql'));
  await database.client.query(`create role ${role()} login password 'pw'`);
  reader = await openSlotReader(database);
  pool = await openPool({ url: () => database.url, tls: NO_TLS, role: 'watched' }, 2);
  // The application: a role of its own that owns nothing.
  app = new Client({ connectionString: database.urlFor({ user: role(), password: 'pw' }) });
  await app.connect();
});
afterAll(async () => {
  await app.end();
  await pool.end();
  const { client, name } = database;
  await client.query(`drop owned by ${name}_app; drop role ${name}_app`);
  await database[Symbol.asyncDispose]();
});
afterEach(async () => {
  await app.query('rollback');
  await database.client.query('drop table if exists t, other, hist cascade');
  await reader.read();
});

/** A table that the application may write, tracked or not. */
async function table(track: string | null, columns = 'id int primary key, v text'): Promise<void> {
  const { client } = database;
  await client.query(`create table t (${columns}); grant all on t to ${role()}`);
  if (track !== null) await client.query(track);
}

/** `created t alice r1`, for each Change since the last call. */
async function changes(): Promise<string[]> {
  const decoder = new PgoutputDecoder();
  const transactions = new TransactionReader([WALHOOK]);
  const catalog = new Catalog(pool);
  const tables = new Map<Relation, Table>();
  const seen: string[] = [];
  for (const bytes of await reader.read()) {
    const message = decoder.decode(bytes, 0, bytes.length);
    if (message.tag === 'relation') {
      const facts = await catalog.facts(message.relation);
      tables.set(message.relation, describeTable(message.relation, facts, [], CONTEXT));
    }
    transactions.accept(message, (change) => {
      const described = tables.get(change.relation);
      if (described === undefined) throw new Error('a Change of an unknown table');
      const { username, requestId } = contextOf(described.contextSources, {
        messages: change.messages,
        lastMessages: null,
        kind: change.kind,
        images: change.row?.images() ?? null,
        audit: () => null,
      });
      seen.push(`${change.kind} ${described.model} ${username} ${requestId}`);
    });
  }
  return seen;
}

const acting = (username: string, requestId: string) =>
  app.query("select set_config('walhook.username', $1, true), set_config('walhook.request_id', $2, true)", [
    username,
    requestId,
  ]);

describe('a tracked table', () => {
  it('names who inserts and updates by its stamp, and who deletes by a message', async () => {
    await table("select walhook.track('t')");
    await app.query('begin');
    await acting('alice', 'r1');
    await app.query("insert into t (id, v) values (1, 'a'), (2, 'b')");
    await app.query("update t set v = 'c' where id = 1");
    await app.query('delete from t where id = 2');
    await app.query('commit');
    expect(await changes()).toEqual([
      'created t alice r1',
      'created t alice r1',
      'updated t alice r1',
      'deleted t alice r1',
    ]);
  });

  it('names nobody when nothing is set, and forgets who wrote before', async () => {
    await table("select walhook.track('t')");
    await app.query('begin');
    await acting('alice', 'r1');
    await app.query("insert into t (id, v) values (1, 'a')");
    await app.query('commit');
    await app.query("update t set v = 'b'");
    await app.query('delete from t');
    expect(await changes()).toEqual(['created t alice r1', 'updated t null null', 'deleted t null null']);
  });

  it('does not believe what the application writes into the columns', async () => {
    await table("select walhook.track('t')");
    await app.query("insert into t (id, changed_by) values (1, 'mallory')");
    await app.query('begin');
    await acting('alice', '');
    await app.query("update t set changed_by = 'mallory', request_id = 'x'");
    await app.query('commit');
    expect(await changes()).toEqual(['created t null null', 'updated t alice null']);
  });

  it('follows who acts within a transaction, back again too', async () => {
    await table("select walhook.track('t')");
    await app.query('begin');
    await app.query('insert into t (id) select generate_series(1, 4)');
    await acting('alice', 'r1');
    await app.query('delete from t where id = 1');
    await acting('bob', 'r2');
    await app.query('delete from t where id = 2');
    await app.query('savepoint s');
    await acting('carol', 'r3');
    await app.query('delete from t where id = 3');
    await app.query('rollback to savepoint s');
    await app.query('delete from t where id = 3');
    await acting('', '');
    await app.query('delete from t where id = 4');
    await app.query('commit');
    expect((await changes()).slice(4)).toEqual([
      'deleted t alice r1',
      'deleted t bob r2',
      'deleted t bob r2',
      'deleted t null null',
    ]);
  });

  it('is announced only, where no column may be added', async () => {
    await table("select walhook.track('t', columns => false)");
    await app.query('begin');
    await acting('alice', 'r1');
    await app.query("insert into t values (1, 'a')");
    await app.query("update t set v = 'b'");
    await app.query('delete from t');
    await app.query('commit');
    await app.query("insert into t values (2, 'a')");
    expect(await changes()).toEqual([
      'created t alice r1',
      'updated t alice r1',
      'deleted t alice r1',
      'created t null null',
    ]);
    const { rows } = await database.client.query(
      "select count(*)::int as n from information_schema.columns where table_name = 't'",
    );
    expect(rows).toEqual([{ n: 2 }]);
  });

  it.each([
    ['its columns are gone', 'alter table t drop column changed_by, drop column request_id'],
    ['a column has another type', 'alter table t alter column changed_by type int using null'],
    [
      'a column cannot be NULL',
      "update t set changed_by = 'x'; alter table t alter column changed_by set default 'x'",
    ],
    [
      'a column is generated',
      'alter table t drop column request_id; alter table t add column request_id text generated always as (v) stored',
    ],
    ['messages are not allowed', `revoke execute on function ${EMIT_MESSAGE} from public`],
  ])('goes on working when %s', async (_what, breaks) => {
    await table("select walhook.track('t')");
    await database.client.query(breaks);
    try {
      await app.query('begin');
      await acting('alice', 'r1');
      await app.query("insert into t (id, v) values (1, 'a')");
      await app.query("update t set v = 'b'");
      await app.query('delete from t');
      await app.query('commit');
    } finally {
      await database.client.query(`grant execute on function ${EMIT_MESSAGE} to public`);
    }
    expect((await changes()).map((one) => one.split(' ')[0])).toEqual(
      expect.arrayContaining(['created', 'updated', 'deleted']),
    );
  });

  it('keeps every other column as it was written', async () => {
    await table(
      "select walhook.track('t')",
      "id int primary key, v text, n numeric, at timestamptz, j json, l int[], b bytea, g int generated always as (id * 2) stored, d text default 'x'",
    );
    await app.query(
      `insert into t (id, v, n, at, j, l, b) values (1, 'é', 12345678901234567890.10, '2023-08-07 19:30:23.140019+02', '{"a" :  1.10}', '[0:1]={1,NULL}', '\\x00ff')`,
    );
    const { rows } = await app.query(
      'select v, n::text, extract(epoch from at)::text as at, j::text, l::text, b::text, g, d from t',
    );
    expect(rows).toEqual([
      {
        v: 'é',
        n: '12345678901234567890.10',
        at: '1691429423.140019',
        j: '{"a" :  1.10}',
        l: '[0:1]={1,NULL}',
        b: '\\x00ff',
        g: 2,
        d: 'x',
      },
    ]);
  });

  async function partitioned(): Promise<void> {
    await database.client.query(`create table t (id int primary key, v text) partition by range (id);
      create table t1 partition of t for values from (0) to (10); create table t2 partition of t for values from (10) to (20);
      grant all on t to ${role()}; select walhook.track('t')`);
  }

  it('may be partitioned', async () => {
    await partitioned();
    await app.query('begin');
    await acting('alice', 'r1');
    await app.query('insert into t values (1), (11)');
    await app.query("update t set v = 'b'");
    await app.query('delete from t');
    await app.query('commit');
    const seen = await changes();
    expect(seen).toHaveLength(6);
    expect(seen.every((one) => one.endsWith(' t alice r1'))).toBe(true);
  });

  // The server makes a delete and an insert of it, and no DELETE statement.
  it('may be partitioned, and names who moves a row from one partition to another', async () => {
    await partitioned();
    await app.query('insert into t values (1)');
    await app.query('begin');
    await acting('alice', 'r1');
    await app.query('update t set id = 12');
    await app.query('commit');
    expect((await changes()).slice(1)).toEqual(['deleted t alice r1', 'created t alice r1']);
  });

  // The trigger is there and does not fire: the row names its last editor.
  it('is not believed while its trigger is disabled', async () => {
    await table("select walhook.track('t')");
    await app.query('begin');
    await acting('alice', 'r1');
    await app.query("insert into t (id, v) values (1, 'a')");
    await app.query('commit');
    await database.client.query('alter table t disable trigger walhook_stamp');
    await app.query("update t set v = 'b'");
    expect(await changes()).toEqual(['created t alice r1', 'updated t null null']);
  });
});

describe('track', () => {
  it('may be repeated, turned into the other form and undone', async () => {
    await table(null);
    const { client } = database;
    const triggers = async () =>
      (
        await client.query<{ name: string }>(
          "select tgname as name from pg_trigger where tgrelid = 't'::regclass and not tgisinternal order by 1",
        )
      ).rows.map(({ name }) => name);
    await client.query("select walhook.track('t'); select walhook.track('t')");
    expect(await triggers()).toEqual(['walhook_announce', 'walhook_stamp']);
    await client.query("select walhook.track('t', columns => false)");
    expect(await triggers()).toEqual(['walhook_announce']);
    await client.query("select walhook.track('t'); insert into t (id, changed_by) values (1, 'x')");
    await client.query("select walhook.untrack('t')");
    expect(await triggers()).toEqual([]);
    expect((await client.query('select changed_by from t')).rows).toEqual([{ changed_by: null }]);
    await client.query("select walhook.untrack('t', drop_columns => true)");
    expect((await client.query('select * from t')).fields.map(({ name }) => name)).toEqual(['id', 'v']);
  });

  it('works on a table of any name', async () => {
    const { client } = database;
    await client.query(
      `create schema "Odd "".sch"; create table "Odd "".sch"."T 'x' %s" (id int primary key)`,
    );
    await client.query(`select walhook.track('"Odd "".sch"."T ''x'' %s"')`);
    await client.query(`insert into "Odd "".sch"."T 'x' %s" values (1)`);
    expect(await changes()).toEqual([`created Odd ".sch.T 'x' %s null null`]);
    await client.query('drop schema "Odd "".sch" cascade');
  });

  it.each([
    ['of another type', 'id int primary key, changed_by int'],
    ['that may not be NULL', "id int primary key, request_id text not null default ''"],
    ['that is generated', 'id int primary key, v text, changed_by text generated always as (v) stored'],
  ])('refuses a column of its name %s, and says what else can be done', async (_what, columns) => {
    await table(null, columns);
    await expect(database.client.query("select walhook.track('t')")).rejects.toMatchObject({
      message: expect.stringContaining('has a column of its own'),
      hint: expect.stringContaining('columns => false'),
    });
    await database.client.query("select walhook.track('t', columns => false)");
  });

  it('says first what may mind new columns', async () => {
    const { client } = database;
    await table(null);
    await client.query(`
      create table hist (id int, v text);
      create function keep() returns trigger language plpgsql as $$ begin insert into hist select old.*; return null; end $$;
      create trigger keep after update on t for each row execute function keep();
      create view seen as select * from t;`);
    const notices: string[] = [];
    const listen = (notice: { message?: string | undefined }) => notices.push(notice.message ?? '');
    client.on('notice', listen);
    await client.query("select walhook.track('t')");
    client.off('notice', listen);
    await client.query('drop view seen; drop trigger keep on t; drop function keep()');
    expect(notices).toEqual([
      expect.stringContaining('trigger keep runs keep()'),
      expect.stringContaining('view seen reads t'),
    ]);
  });

  it('does not make the application wait behind it', async () => {
    await table(null);
    await app.query('begin; select * from t');
    const startedMs = performance.now();
    await expect(database.client.query("select walhook.track('t')")).rejects.toMatchObject({ code: '55P03' });
    expect(performance.now() - startedMs).toBeLessThan(8_000);
    await app.query('commit');
    expect((await database.client.query('show lock_timeout')).rows).toEqual([{ lock_timeout: '0' }]);
  });

  it('is not for everyone', async () => {
    await table(null);
    await expect(app.query("select walhook.track('t')")).rejects.toMatchObject({ code: '42501' });
    await expect(app.query('select * from walhook.installation')).rejects.toMatchObject({ code: '42501' });
  });
});

describe('set_context', () => {
  it('names who acts for what follows, in any table', async () => {
    await table(null);
    await app.query('begin');
    await app.query("insert into t values (1, 'a')");
    await app.query("select walhook.set_context('alice', 'r1')");
    await app.query("insert into t values (2, 'a')");
    await app.query("select walhook.set_context('bob')");
    await app.query('delete from t');
    await app.query('commit');
    await app.query("insert into t values (3, 'a')");
    expect(await changes()).toEqual([
      'created t null null',
      'created t alice r1',
      'deleted t bob null',
      'deleted t bob null',
      'created t null null',
    ]);
  });

  it('is decoded before an insert directly after it, though it was written in a savepoint', async () => {
    await table(null);
    for (let i = 0; i < 20; i += 1) {
      await app.query('begin');
      await app.query(
        `savepoint s; select walhook.set_context('alice', 'r${i}'); release savepoint s; insert into t values (${i}, 'a')`,
      );
      await app.query('commit');
    }
    expect(await changes()).toEqual(Array.from({ length: 20 }, (_, i) => `created t alice r${i}`));
  });

  it('is undone with the savepoint in which it was called', async () => {
    await table(null);
    await app.query('begin');
    await app.query("select walhook.set_context('alice', 'r1')");
    await app.query("savepoint s; select walhook.set_context('mallory', 'r2'); rollback to savepoint s");
    await app.query("insert into t values (1, 'a')");
    await app.query('commit');
    expect(await changes()).toEqual(['created t alice r1']);
  });

  it('goes together with tracked tables, and is not announced twice', async () => {
    await table("select walhook.track('t', columns => false)");
    await app.query('begin');
    await app.query("select walhook.set_context('alice', 'r1')");
    await app.query("insert into t values (1, 'a')");
    await app.query('delete from t');
    await app.query('commit');
    const messages = (await reader.read()).filter(
      (bytes) => bytes[0] === 0x4d && bytes.includes('"username"'),
    );
    expect(messages).toHaveLength(1);
  });

  it.each([
    "o'brien",
    '"quoted"',
    'line\nend',
    '\\',
    '🐘',
    'x'.repeat(500),
  ])('carries any name: %j', async (name) => {
    await table(null);
    await app.query('begin');
    await app.query('select walhook.set_context($1, $2)', [name, name]);
    await app.query("insert into t values (1, 'a')");
    await app.query('commit');
    expect(await changes()).toEqual([`created t ${name} ${name}`]);
  });

  it('fails nothing where messages are not allowed, or nothing may be written', async () => {
    await database.client.query(`revoke execute on function ${EMIT_MESSAGE} from public`);
    try {
      await app.query("select walhook.set_context('alice', 'r1')");
    } finally {
      await database.client.query(`grant execute on function ${EMIT_MESSAGE} to public`);
    }
    await app.query('begin read only');
    await app.query("select walhook.set_context('alice', null)");
    await app.query('commit');
  });

  it('does not outlive its transaction', async () => {
    await table("select walhook.track('t')");
    await app.query("begin; select walhook.set_context('alice', 'r1'); commit");
    await app.query('insert into t (id) values (1)');
    expect(await changes()).toEqual(['created t null null']);
  });
});
