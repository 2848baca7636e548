/** Large Transactions and large rows on their whole way, in bounded memory. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configFolder, type Daemon, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createQueue, type TestQueue } from '../helpers/queue.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

const MIB = 1_048_576;

let database: TestDatabase;
let queue: TestQueue;
let sink: Sink;

beforeEach(async () => {
  database = await createDatabase();
  queue = await createQueue('postgres');
  sink = await openSink();
  await database.client.query('create table after (id int primary key)');
});
afterEach(async () => {
  await sink[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  await queue[Symbol.asyncDispose]();
});

/** Sets up and runs the daemon while `use` is at work. */
async function withDaemon(
  config: Record<string, unknown>,
  conditions: unknown,
  use: (daemon: Daemon) => Promise<void>,
): Promise<void> {
  const events = ['created', 'updated', 'deleted'];
  await using folder = await configFolder({
    environment: 'test',
    // What capturing takes, without the server of the page.
    admin: false,
    postgres: { url: database.url, slot: `slot_${randomBytes(5).toString('hex')}` },
    queue: queue.section,
    ...config,
    webhooks: [
      { name: 'rows', models: ['load'], events, conditions, url: `${sink.url}rows` },
      { name: 'after', models: ['after'], events, url: `${sink.url}after` },
    ],
  });
  expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0 });
  await using daemon = startDaemon(['-c', folder.file]);
  await daemon.untilLogged('capturing');
  await use(daemon);
}

/** Bytes of VmHWM; null where there is no /proc. */
async function peakResidentBytes(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => null);
  return status === null ? null : Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1_024;
}

async function untilAfter(daemon: Daemon): Promise<void> {
  await until(() => sink.received.some((one) => one.path === '/after'), {
    what: `the commit that follows; so far:\n${daemon.output()}`,
    timeoutMs: 60_000,
  });
}

describe('a Transaction of 150,000 updates with whole rows', () => {
  it('passes through in bounded memory, and the next commit after it', async () => {
    const { client } = database;
    await client.query(`
      create table load (id int primary key, bucket int, note text, n int);
      alter table load replica identity full;
      insert into load select i, i % 1000, repeat('n', 200), 0 from generate_series(1, 150000) i`);
    await withDaemon({}, { attr: 'bucket', value: 0 }, async (daemon) => {
      await client.query('update load set n = n + 1');
      await client.query('insert into after values (1)');
      await untilAfter(daemon);
      const arrived = () => sink.received.filter((one) => one.path === '/rows');
      await until(() => arrived().length === 150, { what: daemon.output() });
      const ids = arrived().map(({ body }) => (JSON.parse(body) as { data: { id: number } }).data.id);
      expect(ids.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 150 }, (_, i) => (i + 1) * 1_000));
      expect(((await peakResidentBytes(daemon.pid)) ?? 0) / MIB).toBeLessThan(180);
    });
  });
});

describe('a large row', () => {
  it.each([
    ['above limits.message is a failed Delivery', { limits: { message: '1MiB' } }, 0, 160],
    ['below limits.message comes without its large value', {}, 1, 200],
  ] as const)('%s, and the stream goes on', async (_what, config, sent, maxMib) => {
    const { client } = database;
    await client.query(`
      create table load (id int primary key, big bytea);
      alter table load alter big set storage external;`);
    await withDaemon(config, null, async (daemon) => {
      await client.query("insert into load values (1, decode(repeat('ab', 20000000), 'hex'))");
      await client.query('insert into after values (1)');
      await untilAfter(daemon);
      if (sent > 0) await until(() => sink.received.length === 2, { what: daemon.output() });
      const rows = sink.received.filter((one) => one.path === '/rows').map((one) => JSON.parse(one.body));
      expect(rows).toHaveLength(sent);
      if (sent > 0) {
        expect(rows[0]).toMatchObject({ data: { id: 1 }, unavailable: { data: { big: 'too_large' } } });
      } else {
        expect(daemon.log().filter((line) => line['reason'] === 'too_large')).toHaveLength(1);
      }
      expect(((await peakResidentBytes(daemon.pid)) ?? 0) / MIB).toBeLessThan(maxMib);
    });
  });
});
