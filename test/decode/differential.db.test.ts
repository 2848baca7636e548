/**
 * Random statements on a real server: what it sends is read by us as by the client library, and the same
 * however the connection's bytes are cut.
 */
import fc from 'fast-check';
import { PgoutputPlugin } from 'pg-logical-replication';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PgoutputDecoder } from '../../src/decode/pgoutput.ts';
import { type Frame, FrameSplitter } from '../../src/replication/frames.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { ours, theirs } from './oracle.ts';
import { openSlotReader, type SlotReader } from './slotReader.ts';

let database: TestDatabase;
let reader: SlotReader;

beforeAll(async () => {
  database = await createDatabase();
  await database.client.query(`
    create table by_key (id int primary key, v text, big text, n numeric);
    create table whole (id int, v text, big text, n numeric);
    create table by_index (id int not null, v text, big text, n numeric);
    create unique index by_index_id on by_index (id);
    alter table whole replica identity full;
    alter table by_index replica identity using index by_index_id;
    alter table by_key alter big set storage external;
    alter table whole alter big set storage external;
    alter table by_index alter big set storage external;`);
  reader = await openSlotReader(database);
});
afterAll(() => database[Symbol.asyncDispose]());

interface Statement {
  readonly sql: string;
  readonly values: readonly unknown[];
}

const table = fc.constantFrom('by_key', 'whole', 'by_index');
const id = fc.integer({ min: 1, max: 5 });
/** PostgreSQL has no NUL in texts, and UTF-8 no lone surrogates. */
const text = fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\u0000', ''));
const value = fc.option(text);
const big = fc.option(fc.constantFrom('', 'short', 'é'.repeat(3_000), 'x'.repeat(20_000)));
const number = fc.option(fc.constantFrom('0.00', '-1.10', '1e30', 'NaN'));

const statement: fc.Arbitrary<Statement> = fc.oneof(
  fc.tuple(table, id, value, big, number).map(([name, ...values]) => ({
    sql: `insert into ${name} values ($1, $2, $3, $4)${name === 'whole' ? '' : ' on conflict (id) do nothing'}`,
    values,
  })),
  fc.tuple(table, id, value).map(([name, ...values]) => ({
    sql: `update ${name} set v = $2 where id = $1`,
    values,
  })),
  fc.tuple(table, id, big).map(([name, ...values]) => ({
    sql: `update ${name} set big = $2 where id = $1`,
    values,
  })),
  fc.tuple(table, id).map(([name, key]) => ({
    sql: `update ${name} set id = id + 5 where id = $1 and not exists (select from ${name} where id = $1 + 5)`,
    values: [key],
  })),
  fc.tuple(table, id).map(([name, key]) => ({ sql: `delete from ${name} where id = $1`, values: [key] })),
  table.map((name) => ({ sql: `truncate ${name}`, values: [] })),
  fc.tuple(fc.boolean(), text).map((values) => ({
    sql: "select pg_logical_emit_message($1, 'prefix', $2::text)",
    values,
  })),
);

async function sent(transactions: readonly (readonly Statement[])[]): Promise<Buffer[]> {
  const { client } = database;
  for (const statements of transactions) {
    await client.query('begin');
    for (const { sql, values } of statements) await client.query(sql, [...values]);
    await client.query('commit');
  }
  return reader.read();
}

/** As the server frames it: CopyData, XLogData with its positions. */
function framed(message: Buffer): Buffer {
  const frame = Buffer.alloc(5 + 25 + message.length);
  frame.write('d', 0, 'latin1');
  frame.writeUInt32BE(frame.length - 1, 1);
  frame.write('w', 5, 'latin1');
  message.copy(frame, 30);
  return frame;
}

function decoded(frames: readonly Frame[], decoder = new PgoutputDecoder()): unknown[] {
  return frames.map((frame) =>
    frame.tag === 'data' ? ours(decoder.decode(frame.buffer, frame.start, frame.end)) : frame.tag,
  );
}

describe('what a server sends of random statements', () => {
  it('is read as the client library reads it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(statement, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 }),
        async (transactions) => {
          const messages = await sent(transactions);
          const decoder = new PgoutputDecoder();
          const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: ['everything'] });
          for (const message of messages) {
            expect(ours(decoder.decode(message, 0, message.length))).toEqual(theirs(plugin.parse(message)));
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is read the same wherever the connection’s bytes are cut', async () => {
    const messages = await sent([
      [
        { sql: "insert into by_key values ($1, 'é🐘', $2, 1.10)", values: [100, 'x'.repeat(200)] },
        { sql: "update by_key set v = 'b' where id = $1", values: [100] },
        { sql: "select pg_logical_emit_message(true, 'walhook', $1::text)", values: ['{"username": "é"}'] },
        { sql: 'update by_key set id = 101 where id = $1', values: [100] },
        { sql: 'delete from by_key where id = $1', values: [101] },
      ],
    ]);
    const bytes = Buffer.concat(messages.map(framed));
    const cut = (...places: number[]): unknown[] => {
      const splitter = new FrameSplitter(1_000_000, () => undefined);
      const frames: Frame[] = [];
      for (const [i, start] of [0, ...places].entries()) {
        splitter.push(bytes.subarray(start, places[i] ?? bytes.length));
        frames.push(...splitter.take());
      }
      return decoded(frames);
    };
    const expected = cut();
    expect(expected.length).toBe(messages.length);
    for (let at = 1; at < bytes.length; at += 1) expect(cut(at)).toEqual(expected);
    expect(cut(...Array.from({ length: bytes.length - 1 }, (_, at) => at + 1))).toEqual(expected);
  });
});
