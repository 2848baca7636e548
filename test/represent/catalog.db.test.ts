import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_TLS, openPool } from '../../src/database/connect.ts';
import type { Relation } from '../../src/decode/messages.ts';
import { Catalog } from '../../src/represent/catalog.ts';
import { readSql } from '../../src/setup/perform.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { testRelation } from '../helpers/rows.ts';

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createDatabase();
  pool = await openPool({ url: () => database.url, tls: NO_TLS, role: 'watched' }, 2);
  await database.client.query(readSql('schema.sql'));
});
afterAll(async () => {
  await pool.end();
  await database[Symbol.asyncDispose]();
});

/** The Relation that the server would announce for a table, with the types of its columns. */
async function relationOf(table: string): Promise<Relation> {
  const { rows } = await database.client.query<{ name: string; type: string; oid: string }>(
    `select attname as name, atttypid::text as type, attrelid::text as oid from pg_attribute
     where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum`,
    [table],
  );
  const columns = rows.map(({ name, type }) => [name, Number(type)] as const);
  return testRelation(columns, 'default', { oid: Number(rows[0]?.oid), name: table });
}

const facts = async (table: string) => new Catalog(pool).facts(await relationOf(table));

describe('what the catalog knows of a table', () => {
  it('is its primary key, in the order of the key', async () => {
    await database.client.query('create table keyed (a int, b text, c int, primary key (c, a))');
    expect(await facts('keyed')).toEqual({
      primaryKey: ['c', 'a'],
      isTracked: false,
      isStamping: false,
      foreignKeys: [],
      types: new Map(),
    });
  });

  it('is no key where there is none, whatever else is unique', async () => {
    await database.client.query('create table keyless (a int not null unique)');
    expect((await facts('keyless')).primaryKey).toEqual([]);
  });

  it('is the key of a partitioned root', async () => {
    await database.client.query('create table parted (a int primary key) partition by range (a)');
    expect((await facts('parted')).primaryKey).toEqual(['a']);
  });

  it('is whether its rows are stamped, not whether they are announced', async () => {
    const { client } = database;
    await client.query(
      'create table stamped (a int primary key); create table announced (a int primary key)',
    );
    await client.query("select walhook.track('stamped'), walhook.track('announced', columns => false)");
    expect([(await facts('stamped')).isTracked, (await facts('announced')).isTracked]).toEqual([true, false]);
  });

  it.each([
    ['enable always', true],
    ['enable replica', false],
    ['disable', false],
  ])('is whether the stamp fires: %s', async (state, isStamping) => {
    const { client } = database;
    await client.query("create table switched (a int primary key); select walhook.track('switched')");
    await client.query(`alter table switched ${state} trigger walhook_stamp`);
    expect(await facts('switched')).toMatchObject({ isTracked: true, isStamping });
    await client.query('drop table switched');
  });

  it('is nothing of a table that is gone', async () => {
    await database.client.query('create table passing (a int primary key)');
    const relation = await relationOf('passing');
    await database.client.query('drop table passing');
    expect(await new Catalog(pool).facts(relation)).toEqual({
      primaryKey: [],
      isTracked: false,
      isStamping: false,
      foreignKeys: [],
      types: new Map(),
    });
  });

  it('is what the types of its columns are made of', async () => {
    await database.client.query(`
      create type mood as enum ('sad');
      create domain positive as int8 check (value > 0);
      create type pair as (n positive, moods mood[], at timestamptz);
      create table typed (a pair, b pair[], c positive[], d mood, e box[], f int4range, g text[]);`);
    const relation = await relationOf('typed');
    const { types } = await facts('typed');
    const pair = {
      kind: 'composite',
      fields: [
        { name: 'n', type: { kind: 'scalar', oid: 20 } },
        {
          name: 'moods',
          type: { kind: 'array', delimiter: ',', element: { kind: 'scalar', oid: expect.any(Number) } },
        },
        { name: 'at', type: { kind: 'scalar', oid: 1184 } },
      ],
    };
    expect(relation.columns.map(({ typeOid }) => types.get(typeOid))).toEqual([
      pair,
      { kind: 'array', delimiter: ',', element: pair },
      { kind: 'array', delimiter: ',', element: { kind: 'scalar', oid: 20 } },
      { kind: 'scalar', oid: relation.columns[3]?.typeOid },
      { kind: 'array', delimiter: ';', element: { kind: 'scalar', oid: 603 } },
      { kind: 'scalar', oid: relation.columns[5]?.typeOid },
      { kind: 'array', delimiter: ',', element: { kind: 'scalar', oid: 25 } },
    ]);
  });

  it('needs no right on the table', async () => {
    const { client, name } = database;
    await client.query(
      `create table private (a int primary key); create role ${name}_bare login password 'pw'`,
    );
    const url = database.urlFor({ user: `${name}_bare`, password: 'pw' });
    const bare = await openPool({ url: () => url, tls: NO_TLS, role: 'watched' }, 1);
    try {
      expect((await new Catalog(bare).facts(await relationOf('private'))).primaryKey).toEqual(['a']);
    } finally {
      await bare.end();
      await client.query(`drop role ${name}_bare`);
    }
  });
});
