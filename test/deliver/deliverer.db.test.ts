/** Deliver over both stores, with real requests and real time. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { NO_FAILPOINT } from '../../src/core/failpoint.ts';
import { SILENT } from '../../src/core/logger.ts';
import { NO_TLS } from '../../src/database/connect.ts';
import { Deliverer } from '../../src/deliver/deliverer.ts';
import type { DeliverTarget } from '../../src/deliver/target.ts';
import { type QueuedDelivery, toBatches } from '../../src/queue/delivery.ts';
import { PostgresStore } from '../../src/queue/postgres/postgresStore.ts';
import { RedisStore } from '../../src/queue/redis/redisStore.ts';
import type { QueueCounts, QueueStore, Report } from '../../src/queue/store.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { ALL_SILENT } from '../queue/stores.ts';
import { deliveries, deliverTarget, guard } from './webhooks.ts';

const INSTALLATION = {
  queueId: 'q',
  generation: '0badcafe',
  environment: 'test',
  systemIdentifier: '7',
  database: 'db',
  slot: 'walhook',
};

describe.each(QUEUE_KINDS)('delivering from the %s queue', (kind) => {
  const isSkipped = isQueueMissing(kind);
  let database: TestDatabase | null = null;
  beforeAll(async () => {
    if (kind === 'postgres') database = await createDatabase();
  });
  afterAll(async () => {
    await database?.[Symbol.asyncDispose]();
  });

  async function open(prefix: string): Promise<QueueStore> {
    if (kind === 'redis') return RedisStore.open({ url: () => inject('redisUrl') ?? '', prefix });
    const url = database?.url ?? '';
    const target = { url: () => url, tls: NO_TLS, role: 'queue' as const };
    return PostgresStore.open({ target, prefix, clock: systemClock });
  }

  /** A store that is set up, a receiver, and a way to start processes that deliver. */
  async function prepared() {
    const prefix = `d${randomBytes(6).toString('hex')}`;
    const store = await open(prefix);
    await store.initialise(INSTALLATION, 'pos-0');
    const fence = await store.takeFence();
    const sink = await openSink();
    const stops: (() => Promise<void>)[] = [];
    let at = 0;
    const counts = async (webhook = 'w'): Promise<QueueCounts> => {
      const found = (await store.counts()).get(webhook);
      if (found === undefined) throw new Error(`the store knows nothing of ${webhook}`);
      return found;
    };
    return {
      store,
      sink,
      counts,
      /** Stores Deliveries, and tells every process of them. */
      async enqueue(byWebhook: Readonly<Record<string, readonly QueuedDelivery[]>>) {
        const batches = Object.entries(byWebhook).flatMap(([webhook, all]) => toBatches(webhook, all));
        const flush = {
          fence,
          from: `pos-${at}`,
          to: `pos-${at + 1}`,
          batches,
          failed: [],
          definitions: null,
        };
        at += 1;
        expect(await store.flush(flush)).toBe('done');
      },
      /** Starts a process of its own connection. Returns how to stop it. */
      async start(targets: readonly DeliverTarget[], shutdownMs = 5_000) {
        const own = await open(prefix);
        const deliverer = new Deliverer({
          store: own,
          process: `p-${randomBytes(4).toString('hex')}`,
          targets,
          userAgent: 'walhook/test',
          addresses: guard(),
          clock: systemClock,
          log: SILENT,
          failpoint: NO_FAILPOINT,
          shutdownMs,
        });
        const abort = new AbortController();
        const running = deliverer.run(abort.signal);
        let stopping: Promise<void> | null = null;
        const stop = () => {
          abort.abort();
          stopping ??= running.then(() => own.close());
          return stopping;
        };
        stops.push(stop);
        return { stop, deliverer };
      },
      async [Symbol.asyncDispose]() {
        await Promise.all(stops.map((stop) => stop()));
        await store.destroy();
        await store.close();
        await sink[Symbol.asyncDispose]();
      },
    };
  }

  it.skipIf(isSkipped)('sends every Delivery once, its body byte for byte', async () => {
    await using queue = await prepared();
    const odd = deliveries(3, systemClock.now()).map((one, i) => ({
      ...one,
      json: ['{"n":9223372036854775807}', '{"é":"🐘\\u0000"}', '{}'][i] ?? '',
    }));
    const many = deliveries(200, systemClock.now());
    await queue.start([deliverTarget('w', queue.sink.url, { concurrency: 8 })]);
    await queue.enqueue({ w: [...odd, ...many] });
    await until(async () => (await queue.counts()).deliveredTotal === 203);
    expect(queue.sink.received.map((one) => one.body).toSorted()).toEqual(
      [...odd, ...many].map((one) => one.json).toSorted(),
    );
    expect(new Set(queue.sink.received.map((one) => one.headers['webhook-id'])).size).toBe(203);
    expect(await queue.counts()).toMatchObject({ waiting: 0, active: 0, delayed: 0, bytes: 0, failed: 0 });
  });

  it.skipIf(isSkipped)('tries again at its time, with the same id', async () => {
    await using queue = await prepared();
    let tries = 0;
    queue.sink.answerWith((_request, response) => {
      tries += 1;
      response.statusCode = tries === 1 ? 503 : 200;
      response.end();
    });
    await queue.start([
      deliverTarget('w', queue.sink.url, { retry: { scheduleMs: [900], maxAgeMs: 60_000, onGone: 'fail' } }),
    ]);
    await queue.enqueue({ w: deliveries(1, systemClock.now()) });
    await until(async () => (await queue.counts()).delayed === 1);
    await until(async () => (await queue.counts()).deliveredTotal === 1);
    const [first, second] = queue.sink.received;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(880);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(second?.body).toBe(first?.body);
  });

  it.skipIf(isSkipped)('keeps what failed for good, with its reason and its Event', async () => {
    await using queue = await prepared();
    queue.sink.answerWith((request, response) => {
      response.statusCode = request.body === '{"bad":1}' ? 410 : 200;
      response.end();
    });
    const [bad, ...good] = deliveries(5, systemClock.now());
    if (bad === undefined) throw new Error('no Deliveries');
    const failing = { ...bad, json: '{"bad":1}' };
    const retry = { scheduleMs: [5_000], maxAgeMs: 60_000, onGone: 'fail' } as const;
    await queue.start([deliverTarget('w', queue.sink.url, { retry })]);
    await queue.enqueue({ w: [failing, ...good] });
    await until(async () => (await queue.counts()).deliveredTotal === 4);
    await until(async () => (await queue.counts()).failed === 1);
    expect(await queue.store.failed('w', 5)).toMatchObject([
      { reason: 'gone', detail: 'HTTP 410', attempts: 1, delivery: failing },
    ]);
    expect(await queue.counts()).toMatchObject({ waiting: 0, active: 0, bytes: 0 });
  });

  it.skipIf(isSkipped)('holds what is resent against the address policy of now, not of then', async () => {
    await using queue = await prepared();
    queue.sink.answerWith((_request, response) => {
      response.statusCode = 410;
      response.end();
    });
    const retry = { scheduleMs: [5_000], maxAgeMs: 60_000, onGone: 'fail' } as const;
    const before = await queue.start([deliverTarget('w', queue.sink.url, { retry })]);
    await queue.enqueue({ w: deliveries(1, systemClock.now()) });
    await until(async () => (await queue.counts()).failed === 1);
    await before.stop();
    // As if the receiver's name led to this machine by now: its address is written nowhere.
    await queue.start([deliverTarget('w', queue.sink.url, { retry, writtenLoopback: null })]);
    expect(await queue.store.deliveries.resend({ state: 'failed' }, systemClock.now())).toMatchObject({
      done: 1,
    });
    await until(async () => (await queue.store.failed('w', 5))[0]?.reason === 'address');
    expect(queue.sink.received).toHaveLength(1);
  });

  it.skipIf(isSkipped)('serves 200 Webhooks', async () => {
    await using queue = await prepared();
    const keys = Array.from({ length: 200 }, (_, i) => `w${i}`);
    await queue.start(keys.map((key) => deliverTarget(key, `${queue.sink.url}${key}`)));
    await queue.enqueue(Object.fromEntries(keys.map((key) => [key, deliveries(2, systemClock.now())])));
    await until(() => queue.sink.received.length === 400);
    const paths = queue.sink.received.map((one) => one.path);
    expect(new Set(paths).size).toBe(200);
    await until(async () =>
      [...(await queue.store.counts()).values()].every((one) => one.deliveredTotal === 2),
    );
  });

  it.skipIf(isSkipped)(
    'never has more in flight than its concurrency over all processes, which share the work',
    async () => {
      await using queue = await prepared();
      let inFlight = 0;
      let most = 0;
      queue.sink.answerWith((_request, response) => {
        inFlight += 1;
        most = Math.max(most, inFlight);
        setTimeout(() => {
          inFlight -= 1;
          response.end();
        }, 2);
      });
      const target = deliverTarget('w', queue.sink.url, { concurrency: 3 });
      await queue.start([target]);
      await queue.start([target]);
      for (let i = 0; i < 4; i += 1) await queue.enqueue({ w: deliveries(100, systemClock.now()) });
      await until(async () => (await queue.counts()).deliveredTotal === 400);
      expect(most).toBeLessThanOrEqual(3);
      expect(new Set(queue.sink.received.map((one) => one.headers['webhook-id'])).size).toBe(400);
      expect(queue.sink.received).toHaveLength(400);
    },
  );

  it.skipIf(isSkipped)(
    'begins nothing of a Webhook that is paused, and all of it when it is resumed',
    async () => {
      await using queue = await prepared();
      await queue.store.pause('w');
      await queue.start([deliverTarget('w', queue.sink.url), deliverTarget('x', `${queue.sink.url}x`)]);
      await queue.enqueue({ w: deliveries(30, systemClock.now()), x: deliveries(30, systemClock.now()) });
      await until(async () => (await queue.counts('x')).deliveredTotal === 30);
      expect(queue.sink.received.filter((one) => one.path === '/')).toEqual([]);
      expect(await queue.counts()).toMatchObject({ waiting: 30, isPaused: true });
      await queue.store.resume('w');
      await until(async () => (await queue.counts()).deliveredTotal === 30);
    },
  );

  it.skipIf(isSkipped)(
    'ends by recording what was in flight; what was not begun waits for the next process',
    async () => {
      await using queue = await prepared();
      const held: (() => void)[] = [];
      queue.sink.answerWith((_request, response) => void held.push(() => response.end()));
      const first = await queue.start([deliverTarget('w', queue.sink.url, { concurrency: 1 })]);
      for (let i = 0; i < 3; i += 1) await queue.enqueue({ w: deliveries(1, systemClock.now()) });
      await until(() => held.length === 1);
      const stopped = first.stop();
      held.shift()?.();
      await stopped;
      expect(await queue.counts()).toMatchObject({ deliveredTotal: 1, waiting: 2, active: 0 });
      queue.sink.answerWith((_request, response) => void response.end());
      await queue.start([deliverTarget('w', queue.sink.url)]);
      await until(async () => (await queue.counts()).deliveredTotal === 3);
      expect(queue.sink.received).toHaveLength(3);
    },
  );

  it.skipIf(isSkipped)(
    'takes over the jobs of a process that died, but for what that had recorded',
    async () => {
      await using queue = await prepared();
      await queue.enqueue({ w: deliveries(4, systemClock.now()) });
      await queue.store.heartbeat('dead', 10_000);
      const { jobs } = await queue.store.claim({
        webhook: 'w',
        process: 'dead',
        maxJobs: 5,
        nowMs: systemClock.now(),
      });
      const job = jobs[0];
      if (job === undefined) throw new Error('no job');
      await queue.store.report('dead', [{ job, index: 2, outcome: { kind: 'delivered' }, isLast: false }]);
      await queue.store.heartbeat('other', ALL_SILENT);
      await queue.start([deliverTarget('w', queue.sink.url)]);
      await until(async () => (await queue.counts()).deliveredTotal === 4);
      expect(queue.sink.received.map((one) => one.body)).toEqual(
        job.deliveries.filter((_, i) => i !== 2).map((one) => one.json),
      );
    },
  );

  it.skipIf(isSkipped)('takes a report that is repeated once', async () => {
    await using queue = await prepared();
    await queue.enqueue({ w: deliveries(3, systemClock.now()) });
    const { jobs } = await queue.store.claim({
      webhook: 'w',
      process: 'p',
      maxJobs: 5,
      nowMs: systemClock.now(),
    });
    const job = jobs[0];
    if (job === undefined) throw new Error('no job');
    const reports: Report[] = [
      { job, index: 0, outcome: { kind: 'delivered' }, isLast: false },
      { job, index: 1, outcome: { kind: 'retry', attempts: 1, dueMs: 1 }, isLast: false },
    ];
    await queue.store.report('p', reports);
    const once = await queue.counts();
    await queue.store.report('p', reports);
    expect(await queue.counts()).toEqual(once);
  });

  it.skipIf(isSkipped)('leaves its jobs to a process whose clock is behind', async () => {
    await using queue = await prepared();
    await queue.enqueue({ w: deliveries(1, systemClock.now()) });
    const slowClock = systemClock.now() - 15_000;
    await queue.store.heartbeat('behind', 10_000);
    await queue.store.claim({ webhook: 'w', process: 'behind', maxJobs: 5, nowMs: slowClock });
    await queue.store.heartbeat('right', 10_000);
    expect(await queue.counts()).toMatchObject({ active: 1, waiting: 0 });
  });
});
