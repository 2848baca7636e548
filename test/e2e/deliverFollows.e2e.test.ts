/** A process that only delivers follows what the one that captures says; and commands know webhooks kept as rows. */
import { createHmac, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { configFolder, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase } from '../helpers/database.ts';
import { createQueue, isQueueMissing, QUEUE_KINDS, type QueueKind } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

async function installed(kind: QueueKind) {
  const database = await createDatabase();
  const queue = await createQueue(kind);
  const sink = await openSink();
  await database.client.query('create table orders (id bigint primary key)');
  const base = {
    postgres: { url: database.url, slot: `slot_${randomBytes(5).toString('hex')}` },
    queue: queue.section,
    admin: false,
    addresses: { allow: [`127.0.0.1:${sink.port}`] },
  };
  return {
    database,
    sink,
    base,
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      await queue[Symbol.asyncDispose]();
    },
  };
}

const webhook = (url: string, more: object = {}) => ({
  name: 'orders',
  models: ['orders'],
  events: ['created'],
  url,
  ...more,
});

describe.each(QUEUE_KINDS)('with the queue on %s', { timeout: 120_000 }, (kind) => {
  const isSkipped = isQueueMissing(kind);

  it.skipIf(isSkipped)('a reload of who captures takes effect where another process delivers', async () => {
    await using of = await installed(kind);
    const { database, sink, base } = of;
    await using capturing = await configFolder({
      ...base,
      webhooks: [webhook(`${sink.url}first`, { secret: 'theirs' })],
    });
    // Older than what the capturing process has; its secret is its own.
    await using delivering = await configFolder({
      ...base,
      webhooks: [webhook(`${sink.url}stale`, { secret: 'ours' })],
    });
    expect(await walhook(['setup', '-c', capturing.file])).toMatchObject({ code: 0, stderr: '' });
    await using capture = startDaemon(['--role', 'capture', '-c', capturing.file]);
    await capture.untilLogged('capturing');
    await using deliver = startDaemon(['--role', 'deliver', '-c', delivering.file]);
    await deliver.untilLogged('walhook starts');
    const hasCome = (path: string) => sink.received.some((one) => one.path === `/${path}`);
    await database.client.query('insert into orders values (1)');
    await until(() => hasCome('first'), { what: capture.output() + deliver.output() });

    const config = JSON.parse(await readFile(capturing.file, 'utf8')) as object;
    const webhooks = [webhook(`${sink.url}second`, { secret: 'theirs', body_template: '{{ data.id }}' })];
    await writeFile(capturing.file, JSON.stringify({ ...config, webhooks }));
    capture.kill('SIGHUP');
    await capture.untilLogged('reloaded definitions hold');
    // Followed within a second or so, whatever is sent meanwhile.
    let id = 1;
    await until(
      async () => {
        await database.client.query(`insert into orders values (${++id})`);
        return hasCome('second');
      },
      { what: capture.output() + deliver.output() },
    );
    const [last] = sink.received.filter((one) => one.path === '/second');
    expect(last?.body).toMatch(/^\d+$/);
    const signature = createHmac('sha512', 'ours')
      .update(last?.body ?? '')
      .digest('hex');
    expect(last?.headers['x-hook-signature']).toBe(signature);
    expect(hasCome('stale')).toBe(false);
  });

  it.skipIf(isSkipped)('replay and try know webhooks kept as rows', async () => {
    await using of = await installed(kind);
    const { database, sink, base } = of;
    await using folder = await configFolder({ ...base, webhooks: [] });
    expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0, stderr: '' });
    await database.client.query('insert into orders values (1), (2)');
    await using daemon = startDaemon(['-c', folder.file]);
    await daemon.untilLogged('capturing');
    await database.client.query(
      `insert into walhook.webhook (name, models, events, url, body_template)
       values ('of a row', '{orders}', '{created}', '${sink.url}row', 'n{{ data.id }}')`,
    );
    await daemon.untilLogged('a webhook kept as a row is in force');
    const replayed = await walhook([
      'replay',
      '--model',
      'orders',
      '--webhook',
      'of a row',
      '-c',
      folder.file,
    ]);
    expect(replayed, replayed.stdout).toMatchObject({ code: 0, stderr: '' });
    await until(() => sink.received.length >= 2, { what: daemon.output() });
    expect(sink.received.map(({ body }) => body).sort()).toEqual(['n1', 'n2']);
    const unknown = await walhook(['replay', '--model', 'orders', '--webhook', 'none', '-c', folder.file]);
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('WEBHOOK_UNKNOWN') });

    const input = JSON.stringify({ event: 'created', model: 'orders', data: { id: 7 } });
    const tried = (name: string) =>
      walhook(['try', '--webhook', name, '--event', '-', '-c', folder.file], { input });
    expect(await tried('of a row')).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse((await tried('of-a-row')).stdout)).toMatchObject({
      matched: true,
      request: { body: 'n7' },
    });
    expect(await tried('none')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('WEBHOOK_UNKNOWN'),
    });
  });
});
