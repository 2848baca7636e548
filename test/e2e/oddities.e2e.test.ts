/** Tables, names and definitions as nobody would choose them, through the built command. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Scope } from '../../src/core/lifecycle.ts';
import { configFolder, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase } from '../helpers/database.ts';
import { createQueue, isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { openStore } from '../helpers/stores.ts';
import { until } from '../helpers/until.ts';

const LONGEST = 'n'.repeat(63);
const ODD = 'Odd.Name "q" 🐘';
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
const WIDE = Array.from({ length: 1_600 }, (_, i) => `c${i}`);

describe.each(QUEUE_KINDS)('with the queue on %s', (kind) => {
  const isSkipped = isQueueMissing(kind);

  it.skipIf(isSkipped)('odd tables, names and webhooks are delivered as they are', async () => {
    await using scope = new Scope();
    const use = <T extends AsyncDisposable>(opened: T): T => {
      scope.defer(() => opened[Symbol.asyncDispose]() as Promise<void>);
      return opened;
    };
    const database = use(await createDatabase());
    const queue = use(await createQueue(kind));
    const sink = use(await openSink());
    await database.client.query(`
      create table ${quoted(ODD)} (${quoted(ODD)} int primary key, ${quoted(LONGEST)} text);
      create table ${LONGEST} (id int primary key);
      create table nothing ();
      alter table nothing replica identity full;
      create table wide (${WIDE.map((name) => `${name} int`).join(', ')}, primary key (c0))`);
    const slot = `slot_${randomBytes(5).toString('hex')}`;
    const models = [ODD, LONGEST, 'nothing', 'wide'];
    const webhook = (name: string) => ({ name, models, events: ['created'], url: sink.url });
    const config = (webhooks: readonly object[]) => ({
      postgres: { url: database.url, slot },
      queue: queue.section,
      admin: false,
      webhooks,
    });
    // Two webhooks with one address, one of them named by digits.
    const both = use(await configFolder(config([webhook('7'), webhook('a:b')])));
    expect(await walhook(['setup', '-c', both.file])).toMatchObject({ code: 0, stderr: '' });
    const daemon = use(startDaemon(['-c', both.file]));
    await daemon.untilLogged('capturing');
    await database.client.query(`
      begin; commit;
      insert into ${quoted(ODD)} values (1, 'x');
      insert into ${LONGEST} values (1);
      insert into nothing default values;
      insert into wide (c0, c1599) values (1, 2)`);
    await until(() => sink.received.length === 8, { what: '8 requests' });
    expect(
      sink
        .events()
        .map((event) => event['model'])
        .sort(),
    ).toEqual([...models, ...models].sort());
    const dataOf = (model: string) => sink.events().find((event) => event['model'] === model)?.['data'];
    expect(dataOf(ODD)).toEqual({ [ODD]: 1, [LONGEST]: 'x' });
    expect(dataOf('nothing')).toEqual({});
    expect(Object.keys(dataOf('wide') as object)).toHaveLength(1_600);
    expect(dataOf('wide')).toMatchObject({ c0: 1, c1: null, c1599: 2 });
    // No two requests are one: each webhook has ids of its own.
    expect(new Set(sink.received.map(({ headers }) => headers['webhook-id'])).size).toBe(8);
    for (const url of [database.url, queue.section.url]) {
      const { password } = new URL(url);
      if (password !== '') expect(daemon.output()).not.toContain(password);
    }

    // What waits for a webhook that is taken out of the file waits on, and holds up nobody.
    const store = await openStore(queue.section);
    scope.defer(() => store.close());
    await store.pause('a-b');
    await database.client.query(`insert into ${LONGEST} values (2)`);
    await until(async () => (await store.counts()).get('a-b')?.waiting === 1);
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    const one = use(await configFolder(config([webhook('7')])));
    const after = use(startDaemon(['-c', one.file]));
    await after.untilLogged('capturing');
    await store.resume('a-b');
    await database.client.query(`insert into ${LONGEST} values (3)`);
    await until(() => sink.received.length === 10, { what: '10 requests' });
    expect((await store.counts()).get('a-b')).toMatchObject({ waiting: 1, active: 0, failed: 0 });
  });
});
