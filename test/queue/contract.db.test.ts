/** What both backends of the queue promise, one list of facts over both. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { NO_TLS } from '../../src/database/connect.ts';
import { MAX_BATCH_DELIVERIES, type QueuedDelivery, toBatches } from '../../src/queue/delivery.ts';
import { PostgresStore } from '../../src/queue/postgres/postgresStore.ts';
import { RedisStore } from '../../src/queue/redis/redisStore.ts';
import type { ClaimedJob, Flush, Installation, Outcome, QueueStore, Report } from '../../src/queue/store.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';
import { ALL_SILENT } from './stores.ts';

const installation: Installation = {
  queueId: 'q',
  generation: '0badcafe',
  environment: 'test',
  systemIdentifier: '7',
  database: 'db',
  slot: 'walhook',
};

let nextLsn = 1;
function delivery(json = '{"event":"created"}', key = '1'): QueuedDelivery {
  const lsn = (nextLsn++).toString(16).padStart(16, '0');
  return {
    eventId: `0badcafe-${lsn}-00000000-${'a'.repeat(8)}`,
    model: 'thing',
    schema: 'public',
    table: 'thing',
    key,
    requestId: null,
    lsn: '0/1',
    xid: 4_000_000_000,
    committedAtMs: 1,
    json,
  };
}

describe.each(['postgres', 'redis'] as const)('the %s queue', (kind) => {
  const isSkipped = kind === 'redis' && inject('redisUrl') === null;
  let database: TestDatabase | null = null;
  const open = async (): Promise<QueueStore> => {
    const prefix = `p${randomBytes(6).toString('hex')}`;
    return openPrefix(prefix);
  };
  const openPrefix = async (prefix: string): Promise<QueueStore> => {
    if (kind === 'redis') return RedisStore.open({ url: () => inject('redisUrl') ?? '', prefix });
    const url = database?.url ?? '';
    const target = { url: () => url, tls: NO_TLS, role: 'queue' as const };
    return PostgresStore.open({ target, prefix, clock: systemClock });
  };

  /** Another process's connection to the same store. */
  const sibling = async (prefix: string): Promise<QueueStore> => openPrefix(prefix);

  /** A store that is set up, with a capturing daemon's fence and a cursor over positions. */
  async function prepared() {
    const prefix = `p${randomBytes(6).toString('hex')}`;
    const store = await openPrefix(prefix);
    await store.initialise(installation, 'pos-0');
    const fence = await store.takeFence();
    let at = 0;
    const flush = (byWebhook: Record<string, readonly QueuedDelivery[]>, more: Partial<Flush> = {}) => {
      const from = `pos-${at}`;
      at += 1;
      const batches = Object.entries(byWebhook).flatMap(([webhook, all]) => toBatches(webhook, all));
      return store.flush({ fence, from, to: `pos-${at}`, batches, failed: [], definitions: null, ...more });
    };
    const claim = (webhook: string, process = 'p1', nowMs = 1_000) =>
      store.claim({ webhook, process, maxJobs: 10, nowMs });
    return {
      store,
      prefix,
      flush,
      claim,
      async [Symbol.asyncDispose]() {
        await store.destroy();
        await store.close();
      },
    };
  }

  const reports = (job: ClaimedJob, outcomes: readonly Outcome[]): Report[] =>
    outcomes.map((outcome, index) => ({ job, index, outcome, isLast: index === job.deliveries.length - 1 }));

  beforeAll(async () => {
    if (kind === 'postgres') database = await createDatabase();
  });
  afterAll(async () => {
    await database?.[Symbol.asyncDispose]();
  });

  it.skipIf(isSkipped)('knows nothing before setup, and its binding after', async () => {
    const store = await open();
    expect(await store.state()).toBeNull();
    await store.initialise(installation, 'pos-0');
    await store.initialise(installation, 'pos-9');
    expect(await store.state()).toEqual({ installation, position: 'pos-0', fence: 0, definitions: null });
    await store.destroy();
    expect(await store.state()).toBeNull();
    await store.close();
  });

  it.skipIf(isSkipped)('hands an Event on byte for byte', async () => {
    await using queue = await prepared();
    const events = [
      '{"z":1,"a":9223372036854775807,"n":12345678901234567890}',
      String.raw`{"nul":"\u0000","surrogate":"\ud800","quote":"\"","slash":"\\"}`,
      '{"emoji":"🐘","umlaut":"Pöer","line":"\u2028"}',
      `{"big":"${'x'.repeat(300_000)}"}`,
    ];
    await queue.flush({ w: events.map((json) => delivery(json)) });
    const { jobs } = await queue.claim('w');
    expect(jobs.flatMap((job) => job.deliveries).map((one) => one.json)).toEqual(events);
    expect(jobs[0]?.deliveries[0]?.xid).toBe(4_000_000_000);
  });

  it.skipIf(isSkipped)(
    'tells the definitions to who knows others, and nothing to who knows them',
    async () => {
      await using queue = await prepared();
      const { store } = queue;
      const none = await store.definitionsOtherThan(null);
      expect(none).toMatchObject({ text: null });
      expect(await store.definitionsOtherThan(none?.digest ?? null)).toBeNull();
      await queue.flush({}, { definitions: '{"v":1}' });
      const first = await store.definitionsOtherThan(none?.digest ?? null);
      expect(first).toMatchObject({ text: '{"v":1}' });
      expect(await store.definitionsOtherThan(first?.digest ?? null)).toBeNull();
      await queue.flush({ a: [delivery()] });
      expect(await store.definitionsOtherThan(first?.digest ?? null)).toBeNull();
      await queue.flush({}, { definitions: '{"v":2}' });
      expect(await store.definitionsOtherThan(first?.digest ?? null)).toMatchObject({ text: '{"v":2}' });
    },
  );

  it.skipIf(isSkipped)('stores jobs, position and definitions of a flush together', async () => {
    await using queue = await prepared();
    const all = Array.from({ length: MAX_BATCH_DELIVERIES + 5 }, () => delivery());
    expect(await queue.flush({ a: all, b: [delivery()] }, { definitions: '{"v":1}' })).toBe('done');
    expect(await queue.store.state()).toMatchObject({ position: 'pos-1', definitions: '{"v":1}' });
    const counts = await queue.store.counts();
    expect(counts.get('a')).toMatchObject({ waiting: 30, active: 0 });
    expect(counts.get('b')).toMatchObject({ waiting: 1 });
    const { jobs } = await queue.claim('a');
    expect(jobs.map((job) => job.deliveries.length)).toEqual([25, 5]);
    expect(jobs.flatMap((job) => job.deliveries.map((one) => one.eventId))).toEqual(
      all.map((one) => one.eventId),
    );
  });

  it.skipIf(isSkipped)('stores nothing of a flush whose daemon has been replaced', async () => {
    await using queue = await prepared();
    await queue.store.takeFence();
    expect(await queue.flush({ a: [delivery()] }, { definitions: 'new' })).toBe('fenced');
    expect(await queue.store.state()).toMatchObject({ position: 'pos-0', definitions: null });
    expect((await queue.claim('a')).jobs).toEqual([]);
    expect((await queue.store.counts()).get('a')).toBeUndefined();
  });

  it.skipIf(isSkipped)('stores a repeated flush once', async () => {
    await using queue = await prepared();
    const flush = { from: 'pos-0', to: 'pos-1' };
    const one = delivery();
    expect(await queue.flush({ a: [one] }, flush)).toBe('done');
    expect(await queue.flush({ a: [one] }, flush)).toBe('done');
    expect((await queue.store.counts()).get('a')).toMatchObject({ waiting: 1 });
  });

  it.skipIf(isSkipped)('refuses a flush that does not continue where the store is', async () => {
    await using queue = await prepared();
    expect(await queue.flush({ a: [delivery()] }, { from: 'pos-7', to: 'pos-8' })).toBe('fenced');
    expect((await queue.claim('a')).jobs).toEqual([]);
  });

  it.skipIf(isSkipped)('gives a job to one process only, in order', async () => {
    await using queue = await prepared();
    await queue.flush({ w: Array.from({ length: 100 }, () => delivery()) });
    const claimed = await Promise.all(
      ['p1', 'p2', 'p3', 'p4'].map((process) =>
        queue.store.claim({ webhook: 'w', process, maxJobs: 2, nowMs: 1 }),
      ),
    );
    const ids = claimed.flatMap(({ jobs }) => jobs.map((job) => job.id));
    expect(new Set(ids).size).toBe(4);
    for (const { jobs } of claimed)
      expect(jobs.map((job) => job.id)).toEqual(jobs.map((job) => job.id).toSorted());
    expect((await queue.store.counts()).get('w')).toMatchObject({ waiting: 0, active: 100 });
  });

  it.skipIf(isSkipped)('counts every way a Delivery can go', async () => {
    await using queue = await prepared();
    await queue.flush({ w: [delivery(), delivery(), delivery()] });
    const { jobs } = await queue.claim('w');
    const job = jobs[0] as ClaimedJob;
    const failed: Outcome = { kind: 'failed', attempts: 1, reason: 'status', detail: '404', failedAtMs: 9 };
    const retry: Outcome = { kind: 'retry', attempts: 1, dueMs: 5_000 };
    await queue.store.report('p1', reports(job, [{ kind: 'delivered' }, retry, failed]));
    const counted = (await queue.store.counts()).get('w');
    expect(counted).toEqual({
      waiting: 0,
      delayed: 1,
      active: 0,
      delivered: 1,
      failed: 1,
      cancelled: 0,
      deliveredTotal: 1,
      failedTotal: 1,
      skippedTotal: 0,
      bytes: Buffer.byteLength(job.deliveries[1]?.json ?? ''),
      logBytes: counted?.logBytes,
      isPaused: false,
      isBraked: false,
      isParked: false,
    });
    expect(await queue.store.failed('w', 10)).toMatchObject([
      { reason: 'status', detail: '404', failedAtMs: 9, delivery: job.deliveries[2] },
    ]);

    expect(await queue.claim('w', 'p1', 4_999)).toMatchObject({ jobs: [], nextDueMs: 5_000 });
    const later = await queue.claim('w', 'p1', 5_000);
    expect(later.jobs).toMatchObject([{ attempts: 1, done: 0, deliveries: [job.deliveries[1]] }]);
    await queue.store.report('p1', reports(later.jobs[0] as ClaimedJob, [{ kind: 'delivered' }]));
    expect((await queue.store.counts()).get('w')).toMatchObject({
      waiting: 0,
      delayed: 0,
      active: 0,
      deliveredTotal: 2,
      bytes: 0,
    });
    expect((await queue.claim('w', 'p1', 9_000)).nextDueMs).toBeNull();
  });

  it.skipIf(isSkipped)('remembers which Deliveries of a job are done when its process dies', async () => {
    await using queue = await prepared();
    await queue.store.heartbeat('p1', 10_000);
    await queue.flush({ w: [delivery(), delivery(), delivery()] });
    const job = (await queue.claim('w', 'p1')).jobs[0] as ClaimedJob;
    await queue.store.report('p1', [{ job, index: 1, outcome: { kind: 'delivered' }, isLast: false }]);
    await queue.store.heartbeat('p2', 10_000);
    expect((await queue.claim('w', 'p2')).jobs).toEqual([]);
    await queue.store.heartbeat('p2', ALL_SILENT);
    const again = (await queue.claim('w', 'p2')).jobs;
    expect(again).toMatchObject([{ id: job.id, done: 0b010 }]);
    expect((await queue.store.counts()).get('w')).toMatchObject({ waiting: 0, active: 2, deliveredTotal: 1 });
    // What the dead process says after all is dropped: the job is another's.
    await queue.store.report('p1', [{ job, index: 0, outcome: { kind: 'delivered' }, isLast: true }]);
    expect((await queue.store.counts()).get('w')).toMatchObject({ active: 2, deliveredTotal: 1 });
  });

  it.skipIf(isSkipped)('takes back jobs that were released, and those whose claim was lost', async () => {
    await using queue = await prepared();
    await queue.flush({ w: [delivery()], x: [delivery()] });
    const first = (await queue.claim('w')).jobs;
    await queue.store.release('p1', first);
    expect((await queue.store.counts()).get('w')).toMatchObject({ waiting: 1, active: 0 });
    expect((await queue.claim('w')).jobs).toHaveLength(1);
    const known = (await queue.claim('x')).jobs.map((job) => job.id);
    await queue.store.recover('p1', known);
    expect((await queue.store.counts()).get('w')).toMatchObject({ waiting: 1, active: 0 });
    expect((await queue.store.counts()).get('x')).toMatchObject({ waiting: 0, active: 1 });
  });

  it.skipIf(isSkipped)('gives out nothing of a paused Webhook and goes on counting', async () => {
    await using queue = await prepared();
    await queue.flush({ w: [delivery()] });
    await queue.store.pause('w');
    await queue.flush({ w: [delivery()] });
    expect(await queue.claim('w')).toEqual({ jobs: [], nextDueMs: null, isPaused: true });
    expect((await queue.store.counts()).get('w')).toMatchObject({ waiting: 2, isPaused: true });
    await queue.store.resume('w');
    expect(await queue.store.dueWebhooks(1)).toEqual(['w']);
    expect((await queue.claim('w')).jobs).toHaveLength(2);
  });

  it.skipIf(isSkipped)('keeps Deliveries that failed before any request', async () => {
    await using queue = await prepared();
    const one = delivery();
    const failed = {
      webhook: 'w',
      delivery: one,
      reason: 'too_large',
      detail: 'x',
      attempts: 0,
      failedAtMs: 3,
    };
    await queue.flush({}, { failed: [failed] });
    expect(await queue.store.failed('w', 5)).toEqual([failed]);
    expect((await queue.store.counts()).get('w')).toMatchObject({ failed: 1, failedTotal: 1, waiting: 0 });
  });

  it.skipIf(isSkipped)('names the Webhooks that have work due', async () => {
    await using queue = await prepared();
    await queue.flush({ a: [delivery()], b: [delivery()], c: [delivery()] });
    await queue.claim('a');
    const [job] = (await queue.claim('b')).jobs;
    await queue.store.report(
      'p1',
      reports(job as ClaimedJob, [{ kind: 'retry', attempts: 1, dueMs: 7_000 }]),
    );
    await queue.store.pause('c');
    expect(await queue.store.dueWebhooks(6_999)).toEqual([]);
    expect(await queue.store.dueWebhooks(7_000)).toEqual(['b']);
  });

  it.skipIf(isSkipped)('wakes other processes for new work and for a resumed Webhook', async () => {
    await using queue = await prepared();
    const other = await sibling(queue.prefix);
    const woken: string[] = [];
    const own: string[] = [];
    await other.onWake((webhooks) => woken.push(...webhooks));
    await queue.store.onWake((webhooks) => own.push(...webhooks));
    await queue.flush({ a: [delivery(), delivery()], b: [delivery()] });
    await until(() => woken.includes('a') && woken.includes('b'));
    await queue.store.resume('c');
    await until(() => woken.includes('c') && own.includes('c'));
    expect(own).toEqual(['c']);
    await other.close();
  });

  it.skipIf(isSkipped)('carries 200 Webhooks over a few connections', async () => {
    await using queue = await prepared();
    const webhooks = Array.from({ length: 200 }, (_, i) => `w${String(i).padStart(3, '0')}`);
    await queue.flush(Object.fromEntries(webhooks.map((webhook) => [webhook, [delivery()]])));
    expect((await queue.store.dueWebhooks(1)).toSorted()).toEqual(webhooks);
    const claims = await Promise.all(webhooks.map((webhook) => queue.claim(webhook)));
    expect(claims.every(({ jobs }) => jobs.length === 1)).toBe(true);
    await Promise.all(
      claims.map(({ jobs }) =>
        queue.store.report('p1', reports(jobs[0] as ClaimedJob, [{ kind: 'delivered' }])),
      ),
    );
    const counts = await queue.store.counts();
    expect([...counts.values()].every((one) => one.deliveredTotal === 1 && one.active === 0)).toBe(true);
    if (database !== null) {
      const { rows } = await database.client.query<{ n: number }>(
        "select count(*)::int as n from pg_stat_activity where datname = current_database() and application_name = 'walhook'",
      );
      expect(rows[0]?.n).toBeLessThanOrEqual(7);
    }
  });
});
