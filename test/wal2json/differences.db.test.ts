/** The differences between the plugins: each row of the table in docs/wal2json.md is one of these tests. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EmbeddedPostgres } from '../../src/demo/embeddedPostgres.ts';
import { readWal2jsonTables, wal2jsonFindings } from '../../src/setup/wal2json.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { openSlots, PUBLICATION, shown, type Told, told } from './plugins.ts';
import { startWal2jsonServer, WAL2JSON_ROOT } from './server.ts';

interface Outcome {
  readonly pgoutput: Told;
  readonly wal2json: Told;
  /** Codes of what check finds, with the table. */
  readonly findings: readonly string[];
}

interface Difference {
  /** As the first column of the document's table. */
  readonly name: string;
  readonly tables: string;
  /** What the publication has. */
  readonly published?: string;
  readonly sql: readonly string[];
  expect(outcome: Outcome): void;
}

const data = (one: Told) => shown(one).map((event) => event['data']);
const kinds = (one: Told) => one.events.map(({ json, table }) => `${JSON.parse(json).event} ${table}`);

const DIFFERENCES: readonly Difference[] = [
  {
    name: 'NaN and Infinity',
    tables: 'create table t (id int primary key, f float8, n numeric)',
    sql: ["insert into t values (1, 'NaN', 'NaN'), (2, '-Infinity', 1)"],
    expect({ pgoutput, wal2json, findings }) {
      expect(data(pgoutput)).toEqual([
        { id: 1, f: 'NaN', n: 'NaN' },
        { id: 2, f: '-Infinity', n: '1' },
      ]);
      expect([
        data(pgoutput),
        [
          { id: 1, f: null, n: null },
          { id: 2, f: null, n: '1' },
        ],
      ]).toContainEqual(data(wal2json));
      expect(findings).toContain('WAL2JSON_NAN t');
    },
  },
  {
    name: 'Tables without a key',
    tables: 'create table t (v text)',
    published: "t with (publish = 'insert')",
    sql: ["insert into t values ('a')", "update t set v = 'b'", 'delete from t'],
    expect({ wal2json, findings }) {
      expect(kinds(wal2json)).toEqual(['created t']);
      expect(findings).toContain('WAL2JSON_KEYLESS t');
    },
  },
  {
    name: 'Large values that an update left as they were',
    tables: 'create table t (id int primary key, n int)',
    sql: [
      'insert into t values (1, 1)',
      'update t set n = 2',
      'alter table t add column added text',
      'update t set n = 3',
    ],
    expect({ pgoutput, wal2json, findings }) {
      expect(shown(pgoutput)[1]).not.toHaveProperty('unavailable.data');
      expect(shown(wal2json)[1]).toHaveProperty('unavailable.data', { added: 'toast' });
      expect(shown(wal2json)[2]).toEqual(shown(pgoutput)[2]);
      expect(findings).toContain('WAL2JSON_TOAST t');
    },
  },
  {
    name: 'Partitions',
    tables: `create table t (id int primary key) partition by range (id);
      create table t_low partition of t for values from (0) to (100)`,
    published: `t with (publish_via_partition_root = true)`,
    sql: ['insert into t values (1)', 'alter table t detach partition t_low'],
    expect({ pgoutput, wal2json, findings }) {
      expect(kinds(pgoutput)).toEqual(['created t']);
      expect(kinds(wal2json)).toEqual([]);
      expect(findings).toContain('WAL2JSON_PARTITIONS t');
    },
  },
  {
    name: 'Event ids beside unpublished tables and truncated partitions',
    tables: `create table t (id int primary key); create table other (id int primary key)`,
    published: 't',
    sql: ['begin; insert into other values (1); insert into t values (1); commit'],
    expect({ pgoutput, wal2json }) {
      expect(pgoutput.events.map(({ eventId }) => eventId.split('-')[2])).toEqual(['00000000']);
      expect(wal2json.events.map(({ eventId }) => eventId.split('-')[2])).toEqual(['00000001']);
      expect(data(wal2json)).toEqual(data(pgoutput));
    },
  },
  {
    name: 'Row filters',
    tables: 'create table t (id int primary key)',
    published: 't where (id > 1)',
    sql: ['insert into t values (1), (2)'],
    expect({ pgoutput, wal2json, findings }) {
      expect(data(pgoutput)).toEqual([{ id: 2 }]);
      expect(data(wal2json)).toEqual([{ id: 1 }, { id: 2 }]);
      expect(findings).toContain('WAL2JSON_ROW_FILTER t');
    },
  },
  {
    name: 'Operations that are not published',
    tables: 'create table t (id int primary key)',
    published: "t with (publish = 'insert')",
    sql: ['insert into t values (1)', 'update t set id = 2'],
    expect({ pgoutput, wal2json }) {
      expect(kinds(pgoutput)).toEqual(['created t']);
      expect(kinds(wal2json)).toEqual(['created t', 'updated t']);
    },
  },
  {
    name: 'Tables published or taken out while walhook is behind',
    tables: 'create table t (id int primary key); create table other (id int primary key)',
    published: 'other',
    sql: ['insert into t values (1)', `alter publication ${PUBLICATION} add table t`],
    expect({ pgoutput, wal2json }) {
      expect(kinds(pgoutput)).toEqual([]);
      expect(kinds(wal2json)).toEqual(['created t']);
    },
  },
  {
    name: 'Tables dropped or renamed while walhook is behind',
    tables: 'create table t (id int primary key, v text)',
    published: 't',
    sql: [
      'create table never_published (id int primary key)',
      'insert into never_published values (1)',
      "insert into t values (1, 'a')",
      'drop table t',
      'drop table never_published',
    ],
    expect({ pgoutput, wal2json }) {
      expect(kinds(pgoutput)).toEqual(['created t']);
      expect(kinds(wal2json)).toEqual(['created never_published', 'created t']);
      expect(data(wal2json)[1]).toEqual(data(pgoutput)[0]);
    },
  },
];

describe.skipIf(WAL2JSON_ROOT === null)('wal2json differs from pgoutput', () => {
  let server: EmbeddedPostgres;
  beforeAll(async () => {
    server = await startWal2jsonServer();
  });
  afterAll(() => server?.stop());

  async function prepared({ tables, published }: Difference): Promise<TestDatabase> {
    const database = await createDatabase(server.url('postgres'));
    for (const statement of tables.split(';')) await database.client.query(statement);
    await openSlots(database);
    if (published === undefined) return database;
    // The slots are older than this publication, which would be the wrong order for pgoutput.
    await database.client.query(`drop publication ${PUBLICATION}`);
    const [list = '', options = ''] = published.split(' with ');
    await database.client.query(
      `create publication ${PUBLICATION} for table ${list}, the_end${options === '' ? '' : ` with ${options}`}`,
    );
    for (const plugin of ['pgoutput', 'wal2json']) {
      await database.client.query(
        'select pg_drop_replication_slot($1), pg_create_logical_replication_slot($1, $2)',
        [`${database.name}_${plugin}`, plugin],
      );
    }
    return database;
  }

  it.each(DIFFERENCES)('$name', async (difference) => {
    await using database = await prepared(difference);
    for (const statement of difference.sql) await database.client.query(statement);
    const pgoutput = await told(database, 'pgoutput');
    const wal2json = await told(database, 'wal2json');
    const tables = await readWal2jsonTables(database.client, PUBLICATION, [{ schema: 'public', table: 't' }]);
    const findings = wal2jsonFindings(tables).map(
      ({ code, message }) => `${code} ${/public\.(\w+)/.exec(message)?.[1]}`,
    );
    difference.expect({ pgoutput, wal2json, findings });
  });
});

it('is documented difference by difference', async () => {
  const text = await readFile(new URL('../../docs/wal2json.md', import.meta.url), 'utf8');
  const [, ...rows] = [...text.matchAll(/^\| ([^|]+) \|/gm)].map((row) => row[1]?.trim());
  expect(rows.filter((name) => name !== '---')).toEqual(DIFFERENCES.map(({ name }) => name));
});
