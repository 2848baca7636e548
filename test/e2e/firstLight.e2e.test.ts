/** From a row to a receiver through the built command, on both queues. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { configFolder, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createQueue, isQueueMissing, QUEUE_KINDS, type TestQueue } from '../helpers/queue.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

describe.each(QUEUE_KINDS)('with the queue on %s', (kind) => {
  const isSkipped = isQueueMissing(kind);
  let database: TestDatabase;
  let queue: TestQueue;
  let sink: Sink;
  let folder: Awaited<ReturnType<typeof configFolder>>;
  const slot = `slot_${randomBytes(5).toString('hex')}`;

  beforeAll(async () => {
    if (isSkipped) return;
    database = await createDatabase();
    queue = await createQueue(kind);
    sink = await openSink();
    await database.client.query(`
      create type mood as enum ('fine', 'odd');
      create type pair as (a int, b text);
      create table internetexchangepeeringsession (id bigint primary key, ip_address inet);
      create table kinds (
        id bigint primary key, small smallint, price numeric, at timestamptz, plain timestamp, forever date,
        nan float8, doc json, docb jsonb, grid int[][], words text[], part pair, feeling mood, raw bytea, big text
      );
      alter table kinds alter column big set storage external;`);
    folder = await configFolder({
      environment: 'test',
      postgres: { url: database.url, slot },
      queue: queue.section,
      webhooks: [
        {
          name: 'seed example',
          models: ['internetexchangepeeringsession'],
          events: ['created'],
          url: `${sink.url}seed`,
          body_template:
            '{"text": "IXP session {{ data["ip_address"] }} was {{ event }} by {{ username }}."}',
        },
        {
          name: 'kinds',
          models: ['kinds'],
          events: ['created', 'updated', 'deleted'],
          url: `${sink.url}kinds`,
        },
      ],
    });
    const done = await walhook(['setup', '-c', folder.file]);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    await database.client.query("select walhook.track('internetexchangepeeringsession')");
  });

  afterAll(async () => {
    if (isSkipped) return;
    await folder[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
    await queue[Symbol.asyncDispose]();
  });

  it.skipIf(isSkipped)('sends what the template of the original documentation promises', async () => {
    await using daemon = startDaemon(['-c', folder.file]);
    await database.client.query(`
      begin;
      set local walhook.username = 'admin';
      insert into internetexchangepeeringsession values (85, '2001:db8::fbf2:1');
      commit;`);
    const found = await until(() => sink.received.find((one) => one.path === '/seed'), {
      what: daemon.output(),
    });
    expect(found.body).toBe('{"text": "IXP session 2001:db8::fbf2:1 was created by admin."}');
    expect(found.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{16}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$/),
      'webhook-timestamp': expect.stringMatching(/^\d{10}$/),
      'user-agent': expect.stringMatching(/^walhook\/\d/),
    });
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
  });

  it.skipIf(isSkipped)('carries every kind of value to the receiver exactly', async () => {
    await using daemon = startDaemon(['-c', folder.file]);
    const large = 'x'.repeat(9_000);
    await database.client.query(
      `insert into kinds values (9223372036854775807, 7, 1.10, '2023-08-07 19:30:23.140019+00', '2023-08-07 19:30:23',
        'infinity', 'NaN', '{"n": 12345678901234567890}', '{"b": 12345678901234567890}', '{{1,2},{3,NULL}}',
        array['a"b', null, 'c\\d'], row(1, 'x,y'), 'odd', '\\xdeadbeef', $1)`,
      [large],
    );
    await database.client.query('update kinds set small = 8');
    const bodies = await until(() => {
      const found = sink.received.filter((one) => one.path === '/kinds').map((one) => one.body);
      // They go out side by side: created before updated is the order of their texts only.
      return found.length >= 2 && found.toSorted();
    });
    const row = (small: number) =>
      `{"id":9223372036854775807,"small":${small},"price":"1.10","at":"2023-08-07T19:30:23.140019Z",` +
      '"plain":"2023-08-07T19:30:23.000000","forever":"infinity","nan":"NaN","doc":{"n": 12345678901234567890},' +
      '"docb":{"b": 12345678901234567890},"grid":[[1,2],[3,null]],"words":["a\\"b",null,"c\\\\d"],' +
      '"part":{"a":1,"b":"x,y"},"feeling":"odd","raw":"\\\\xdeadbeef"';
    expect(bodies[0]).toContain(
      `"data":${row(7)},"big":"${large}"},"snapshots":{"prechange":null,"postchange":${row(7)},"big":"${large}"}}}`,
    );
    expect(bodies[1]).toContain(
      `"data":${row(8)}},"snapshots":{"prechange":{"id":9223372036854775807},"postchange":${row(8)}}},` +
        '"unavailable":{"data":{"big":"toast"},"prechange":{"*":"identity"},"postchange":{"big":"toast"}}}',
    );
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
  });

  it.skipIf(isSkipped)('tries again what failed and keeps what failed for good', async () => {
    let refusals = 0;
    sink.answerWith((request, response) => {
      const isFirst = request.body.includes('"small":1,') && refusals++ === 0;
      response.statusCode = request.body.includes('"small":2,') ? 404 : isFirst ? 503 : 204;
      response.end();
    });
    const config = JSON.parse(await (await import('node:fs/promises')).readFile(folder.file, 'utf8'));
    config.webhooks[1].retry = { schedule: ['100ms'] };
    await using patient = await configFolder(config);
    await using daemon = startDaemon(['-c', patient.file]);
    const before = sink.received.length;
    await database.client.query('insert into kinds (id, small) values (1, 1), (2, 2)');
    await until(() => sink.received.length - before >= 4, { what: daemon.output() });
    const again = sink.received.slice(before).filter((one) => one.body.includes('"small":1,'));
    expect(new Set(again.map((one) => one.headers['webhook-id'])).size).toBe(1);
    const report = await until(async () => {
      const { stdout } = await walhook(['status', '--json', '-c', folder.file]);
      const { webhooks } = JSON.parse(stdout) as { webhooks: Record<string, unknown>[] };
      const kinds = webhooks.find((one) => one['webhook'] === 'kinds');
      return kinds?.['failed'] === 1 && kinds;
    });
    expect(report).toMatchObject({ waiting: 0, delayed: 0, active: 0, failed: 1 });
    sink.answerWith((_request, response) => void response.end());
  });

  it.skipIf(isSkipped)('refuses a queue that belongs to another environment', async () => {
    const config = { environment: 'other', postgres: { url: database.url, slot }, queue: queue.section };
    await using wrong = await configFolder(config);
    const { code, stderr } = await walhook(['run', '-c', wrong.file]);
    expect({ code, first: stderr.split(':')[0] }).toEqual({ code: 1, first: 'NOT_MY_QUEUE' });
    expect(stderr).toMatch(/^Try: /m);
    expect(inject('postgresUrl')).toBeTruthy();
  });
});
