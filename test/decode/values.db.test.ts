/** Values on their whole way: a real server's pgoutput, the catalog's word on types, JSON. */
import fc from 'fast-check';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeTable, type Table } from '../../src/change/table.ts';
import { parseJson } from '../../src/core/json.ts';
import { NO_TLS, openPool } from '../../src/database/connect.ts';
import { type Relation, type Tuple, UNCHANGED } from '../../src/decode/messages.ts';
import { PgoutputDecoder } from '../../src/decode/pgoutput.ts';
import { Catalog } from '../../src/represent/catalog.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { openSlotReader, type SlotReader } from './slotReader.ts';

let database: TestDatabase;
let reader: SlotReader;
let pool: Pool;

beforeAll(async () => {
  database = await createDatabase();
  reader = await openSlotReader(database);
  const target = { url: () => database.url, tls: NO_TLS, role: 'watched' as const };
  pool = await openPool(target, 2);
  await database.client.query(`
    create type mood as enum ('sad', 'so "so"', 'happy');
    create type pair as (n int8, note text);
    create type nested as (pairs pair[], at timestamptz, doc json, gone int);
    alter type nested drop attribute gone;
    create domain positive as int8 check (value > 0);
    create domain moments as timestamptz[];
    create domain wrapped as pair;
    create type span as range (subtype = int4);`);
});
afterAll(async () => {
  await pool.end();
  await database[Symbol.asyncDispose]();
});

/** Rows decoded from the slot since the last call, as JSON fragments by column. */
async function decodedRows(): Promise<Record<string, string>[]> {
  const decoder = new PgoutputDecoder();
  const catalog = new Catalog(pool);
  const tables = new Map<Relation, Table>();
  const rows: Record<string, string>[] = [];
  for (const bytes of await reader.read()) {
    const message = decoder.decode(bytes, 0, bytes.length);
    if (message.tag === 'relation') {
      const facts = await catalog.facts(message.relation);
      tables.set(message.relation, describeTable(message.relation, facts, [], []));
    } else if (message.tag === 'insert') {
      rows.push(fragmentsOf(tables.get(message.relation), message.images().new));
    }
  }
  return rows;
}

function fragmentsOf(table: Table | undefined, tuple: Tuple | null): Record<string, string> {
  if (table === undefined || tuple === null) throw new Error('a row of an unknown table');
  return Object.fromEntries(
    table.columns.map((column) => {
      const text = tuple.text(column.index);
      if (text === UNCHANGED) throw new Error('an inserted value is always sent');
      return [column.name, text === null ? 'null' : column.encode(text)];
    }),
  );
}

/** Puts each literal into a table of one column of the type; what arrives, and what to_jsonb makes of it. */
async function throughTheStream(
  type: string,
  literals: readonly string[],
): Promise<{ ours: string; theirs: string }[]> {
  const { client } = database;
  await client.query('drop table if exists probe');
  await client.query(`create table probe (place serial, v ${type})`);
  for (const literal of literals) await client.query('insert into probe (v) values ($1)', [literal]);
  const decoded = await decodedRows();
  const { rows } = await client.query<{ json: string }>(
    'select to_jsonb(v)::text as json from probe order by place',
  );
  return decoded.map(({ v }, i) => ({ ours: v ?? '', theirs: rows[i]?.json ?? 'null' }));
}

describe('what arrives of a value is what to_jsonb makes of it', () => {
  it.each<[string, readonly string[]]>([
    ['bool', ['t', 'f']],
    ['int2', ['-32768', '32767']],
    ['int4', ['-2147483648', '0']],
    ['int8', ['9223372036854775807', '-9223372036854775808', '9007199254740993']],
    ['oid', ['4294967295']],
    ['float4', ['1.1', '1e20', 'NaN', 'Infinity', '-Infinity']],
    ['float8', ['0.1', '1e-7', '1.7976931348623157e308', '5e-324', 'NaN', '-Infinity']],
    ['text', ['', ' a ', 'quote " back \\ tab \t line \n', '🐘é\u2028', '{"a": 1}', 'NULL']],
    ['varchar(5)', ['abc']],
    ['char(5)', ['ab']],
    ['"char"', ['"', '\\', 'a']],
    ['name', ['a "name"']],
    ['bytea', ['\\x', '\\x00ff22', 'plain']],
    ['uuid', ['AF7AEBE6-D049-405A-910F-D01E5FF043CD']],
    ['inet', ['10.0.0.1', '2001:db8::1/64']],
    ['cidr', ['10.0.0.0/8']],
    ['macaddr', ['08:00:2b:01:02:03']],
    ['macaddr8', ['08:00:2b:01:02:03:04:05']],
    ['money', ['1234.56', '-0.01']],
    ['bit(4)', ['0101']],
    ['varbit', ['1', '']],
    ['interval', ['1 year 2 mons 3 days 04:05:06.789', '-1 day', '0', '1 mon -1 day']],
    ['date', ['2023-08-07', '0044-03-15 BC', '12023-01-01', 'infinity', '-infinity']],
    ['xml', ['<a b="c">&lt;</a>']],
    ['tsvector', ["'a':1A 'b c':2"]],
    ['tsquery', ["'a' & 'b'"]],
    ['point', ['(1,2)']],
    ['box', ['(3,3),(1,1)']],
    ['pg_lsn', ['16/B374D848']],
    ['int4range', ['[1,5)', 'empty']],
    ['int4multirange', ['{[1,2),[5,9)}', '{}']],
    ['tstzrange', ['["2023-08-07 19:30:23+00",infinity)']],
    ['span', ['[1,2]']],
    ['mood', ['sad', 'so "so"']],
    ['positive', ['9007199254740993']],
    ['int4[]', ['{}', '{1,NULL,3}', '{{1,2},{3,4}}', '[0:1]={5,6}', '{{{{{{1}}}}}}']],
    ['text[]', ['{"",NULL,"NULL","a,b","{}","say \\"hi\\"","back\\\\slash"," a ","line\nend","🐘"}']],
    ['bool[]', ['{t,f,NULL}']],
    ['float8[]', ['{NaN,-Infinity,0.1,1e20}']],
    ['date[]', ['{2023-08-07,infinity,"0044-03-15 BC"}']],
    ['mood[]', ['{sad,"so \\"so\\"",NULL}']],
    ['box[]', ['{(1,1),(0,0);(3,3),(2,2)}']],
    ['uuid[]', ['{af7aebe6-d049-405a-910f-d01e5ff043cd}']],
    ['bytea[]', ['{"\\\\x00ff","\\\\x"}']],
    ['pair', ['(9007199254740993,"a ""b"", c")', '(,)', '(1,"")', '(,NULL)']],
    ['pair[]', ['{"(1,\\"two words\\")",NULL,"(,)"}', '{}']],
    ['positive[]', ['{1,NULL}']],
    ['wrapped', ['(1,x)']],
    [
      'jsonb',
      [
        '{"b": [1, null, "x"], "a": {"deep": "\\u00e9"}}',
        'null',
        '"text"',
        '9007199254740993',
        '12345678901234567890',
      ],
    ],
    ['json', [' { "a" : 12345678901234567890 ,\n "b" : [ ] } ', 'null', '"\\ud83d\\ude00"']],
    ['jsonb[]', ['{"{\\"a\\": 1}","null",NULL}']],
  ])('%s', async (type, literals) => {
    // jsonb writes the digits of a large float out; only its value says the same.
    const read: (json: string) => unknown = type.startsWith('float') ? JSON.parse : parseJson;
    const values = await throughTheStream(type, literals);
    expect(values).toHaveLength(literals.length);
    for (const { ours, theirs } of values) expect(read(ours)).toEqual(read(theirs));
  });
});

describe('what arrives of a value differs from to_jsonb on purpose', () => {
  it.each<[string, string, string]>([
    ['float8', '-0', '-0'],
    ['numeric', '1.10', '"1.10"'],
    ['numeric', '123456789012345678901234567890.5', '"123456789012345678901234567890.5"'],
    ['numeric', 'NaN', '"NaN"'],
    ['numeric[]', '{1.10,NULL}', '["1.10",null]'],
    ['time', '19:30:23.5', '"19:30:23.500000"'],
    ['timetz', '19:30:23+02', '"19:30:23.000000+02:00"'],
    ['timetz', '19:30:23-00:19:32', '"19:30:23.000000-00:19:32"'],
    ['timestamp', '2023-08-07 19:30:23.14', '"2023-08-07T19:30:23.140000"'],
    ['timestamp', '12023-08-07 19:30:23', '"12023-08-07 19:30:23"'],
    ['timestamp', '0044-03-15 12:00 BC', '"0044-03-15 12:00:00 BC"'],
    ['timestamptz', '2023-08-07 19:30:23.140019+02', '"2023-08-07T17:30:23.140019Z"'],
    ['timestamptz', 'infinity', '"infinity"'],
    ['moments', '{"2023-08-07 19:30:23+02"}', '["2023-08-07T17:30:23.000000Z"]'],
    [
      'nested',
      '("{""(1,x)"",NULL}","2023-08-07 19:30:23+00","{""a"": 1.10}")',
      '{"pairs":[{"n":1,"note":"x"},null],"at":"2023-08-07T19:30:23.000000Z","doc":{"a": 1.10}}',
    ],
    ['json', '{"a": 1.10, "a": 1e400}', '{"a": 1.10, "a": 1e400}'],
  ])('%s %s → %s', async (type, literal, json) => {
    const [value] = await throughTheStream(type, [literal]);
    expect(value?.ours).toBe(json);
  });
});

describe('types that look like arrays', () => {
  // Their text is `1 2 3`, without braces.
  it.each([
    ['int2vector', '1 2 3', [1, 2, 3]],
    ['oidvector', '26 25', ['26', '25']],
  ])('%s arrives whole', async (type, literal, elements) => {
    const [value] = await throughTheStream(type, [literal]);
    expect([elements, literal]).toContainEqual(parseJson(value?.ours ?? ''));
  });
});

describe('rows from before their types were changed', () => {
  it('are valid JSON though a field of their composite is gone', async () => {
    const { client } = database;
    await client.query('create type changing as (label text, n int4)');
    await client.query('create table changes (id int primary key, v changing)');
    await client.query(`insert into changes values (1, '("two words",7)')`);
    await client.query('alter type changing drop attribute label');
    const [row] = await decodedRows();
    expect(() => parseJson(row?.['v'] ?? '')).not.toThrow();
  });

  it('keep the text of values whose type is gone', async () => {
    const { client } = database;
    await client.query('create type passing as (label text, n int4)');
    await client.query('create table passes (id int primary key, v passing)');
    await client.query(`insert into passes values (1, '("two words",7)')`);
    await client.query('drop table passes; drop type passing');
    expect(await decodedRows()).toEqual([{ id: '1', v: String.raw`"(\"two words\",7)"` }]);
  });
});

describe('whatever is in a row', () => {
  it('every fragment is valid JSON that says what was stored', async () => {
    const { client } = database;
    await client.query(
      'create table rows (id int primary key, t text, l text[], p pair, pl pair[], f float8, n numeric, d jsonb, b bytea, at timestamptz)',
    );
    const text = fc
      .string({ unit: 'binary', maxLength: 30 })
      .filter((one) => !one.includes('\0') && Buffer.from(one).toString() === one);
    const sample = fc.record({
      text,
      list: fc.array(fc.option(text), { maxLength: 4 }),
      json: fc
        .json({ maxDepth: 3 })
        .filter((one) => !one.includes('\\u0000') && !/\\u[dD][89a-fA-F]/.test(one)),
      float: fc.double(),
      numeric: fc.bigInt(),
      bytes: fc.uint8Array({ maxLength: 10 }),
      seconds: fc.integer({ min: -60_000_000_000, max: 250_000_000_000 }),
    });
    const samples = fc.sample(sample, 150);
    await client.query('begin');
    for (const [i, one] of samples.entries()) {
      await client.query(
        `insert into rows values ($1, $2, $3, row($4::int8, $2)::pair, array[row(1, $2)::pair, null], $5, $6, $7, $8, to_timestamp($9))`,
        [
          i,
          one.text,
          one.list,
          i,
          String(one.float),
          `${one.numeric}.50`,
          one.json,
          Buffer.from(one.bytes),
          one.seconds,
        ],
      );
    }
    await client.query('commit');
    const decoded = await decodedRows();
    expect(decoded).toHaveLength(samples.length);
    for (const [i, one] of samples.entries()) {
      const row = Object.fromEntries(
        Object.entries(decoded[i] ?? {}).map(([name, json]) => [name, parseJson(json)]),
      );
      expect(row).toMatchObject({
        id: i,
        t: one.text,
        l: one.list,
        p: { n: i, note: one.text },
        pl: [{ n: 1, note: one.text }, null],
        n: `${one.numeric}.50`,
        b: `\\x${Buffer.from(one.bytes).toString('hex')}`,
      });
      // Negative zero went in as text without its sign.
      expect(Number(row['f'])).toBe(one.float + 0);
      expect(typeof row['at']).toBe('string');
    }
  });
});
