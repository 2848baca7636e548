/** SIGTERM while a service does not answer: the daemon ends all the same, and loses nothing. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Scope } from '../../src/core/lifecycle.ts';
import { configFolder, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase } from '../helpers/database.ts';
import { openProxy, type Proxy as ServiceProxy } from '../helpers/proxy.ts';
import { createQueue, isQueueMissing, QUEUE_KINDS, type QueueKind } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

const SHUTDOWN_MS = 2_000;
/** For closing, and for a machine that has other things to do. */
const A_LITTLE_MS = 13_000;

interface Running extends AsyncDisposable {
  readonly watched: ServiceProxy;
  readonly queue: ServiceProxy;
  insert(id: number): Promise<unknown>;
  start(): ReturnType<typeof startDaemon>;
  arrived(): number[];
}

async function running(kind: QueueKind): Promise<Running> {
  const scope = new Scope();
  const use = <T extends AsyncDisposable>(opened: T): T => {
    scope.defer(() => opened[Symbol.asyncDispose]() as Promise<void>);
    return opened;
  };
  const database = use(await createDatabase());
  const queue = use(await createQueue(kind));
  const sink = use(await openSink());
  const watchedProxy = use(await openProxy(database.url));
  const queueProxy = use(await openProxy(queue.section.url));
  await database.client.query('create table thing (id int primary key)');
  const slot = `slot_${randomBytes(5).toString('hex')}`;
  const folder = use(
    await configFolder({
      postgres: { url: watchedProxy.url, slot },
      queue: { ...queue.section, url: queueProxy.url },
      admin: false,
      shutdown_timeout: `${SHUTDOWN_MS}ms`,
      webhooks: [{ name: 'w', models: ['thing'], events: ['created'], url: sink.url }],
    }),
  );
  expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0, stderr: '' });
  return {
    watched: watchedProxy,
    queue: queueProxy,
    insert: (id) => database.client.query('insert into thing values ($1)', [id]),
    start: () => use(startDaemon(['-c', folder.file])),
    arrived: () => sink.events().map((event) => (event['data'] as { id: number }).id),
    [Symbol.asyncDispose]: () => scope.close(),
  };
}

describe.each(QUEUE_KINDS)('SIGTERM, with the queue on %s,', (kind) => {
  it.skipIf(isQueueMissing(kind)).each(['watched', 'queue'] as const)(
    'ends the daemon within shutdown_timeout and a little although the %s server does not answer',
    async (service) => {
      await using of = await running(kind);
      const daemon = of.start();
      await daemon.untilLogged('capturing');
      await of.insert(1);
      await until(() => of.arrived().includes(1));
      of[service].freeze();
      await of.insert(2);
      const startedMs = performance.now();
      daemon.kill('SIGTERM');
      expect(await daemon.ended, daemon.output()).toBe(0);
      expect(performance.now() - startedMs).toBeLessThan(SHUTDOWN_MS + A_LITTLE_MS);
      of[service].cut();
      of.start();
      await until(() => of.arrived().includes(2), { timeoutMs: 40_000 });
    },
  );
});
