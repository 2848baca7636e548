/** Operations on many Deliveries by their ids, and purging by state: what both stores promise. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { deliveryId } from '../../src/queue/delivery.ts';
import { PostgresBackend } from '../../src/queue/postgres/postgresBackend.ts';
import { RedisBackend } from '../../src/queue/redis/redisBackend.ts';
import {
  attempt,
  DELIVERED,
  deliveriesAt,
  deliveryAt,
  FAILED,
  FAILURE,
  isStoreMissing,
  type Prepared,
  prepareStore,
  reports,
  STORE_KINDS,
} from './stores.ts';

const RETRY = { kind: 'retry', attempts: 1, dueMs: 2e12 } as const;
const NOW = 1e12;

/** 300 delivered, 100 failed, 100 that wait for a retry, 100 that wait; ids of all, in no order. */
async function fill(queue: Prepared): Promise<string[]> {
  await queue.end('w', deliveriesAt(1, 300), DELIVERED, attempt());
  await queue.end('w', deliveriesAt(301, 400), FAILED, FAILURE);
  await queue.end('w', deliveriesAt(401, 500), RETRY, FAILURE);
  await queue.flush({ w: deliveriesAt(501, 600), other: deliveriesAt(601, 700) });
  const ids = deliveriesAt(1, 600).map(({ eventId }) => deliveryId(eventId, 'w'));
  return ids.sort((a, b) => (a.slice(-20) + a.slice(9, 25) < b.slice(-20) + b.slice(9, 25) ? 1 : -1));
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(STORE_KINDS)('hundreds of ids in the %s queue', (kind) => {
  const isSkipped = isStoreMissing(kind);
  const Kind = kind === 'redis' ? RedisBackend : PostgresBackend;

  it.skipIf(isSkipped)('are resent in a few calls of the store, not in one for each', async () => {
    await using queue = await prepareStore(kind);
    const ids = await fill(queue);
    const calls = [vi.spyOn(Kind.prototype, 'scanJobs'), vi.spyOn(Kind.prototype, 'webhookKeys')];
    const foreign = [
      deliveryId(deliveryAt(900).eventId, 'w'),
      deliveryId(deliveryAt(1).eventId, 'nobody'),
      'x',
    ];
    const { deliveries } = queue.store;
    expect(await deliveries.resend({ ids: [...ids, ...foreign] }, NOW)).toEqual({ done: 500, skipped: 100 });
    expect(calls.reduce((sum, { mock }) => sum + mock.calls.length, 0)).toBeLessThan(30);
    expect((await queue.store.counts()).get('w')).toMatchObject({ waiting: 500, delayed: 100, failed: 0 });
    const { items } = await deliveries.list({ ids }, { limit: 500, cursor: null });
    expect(items.map(({ id }) => id).sort()).toEqual([...ids].sort());
    // Ids and a further condition: both must hold.
    expect(await deliveries.count({ ids, state: 'delayed' })).toBe(100);
    expect((await queue.store.counts()).get('other')).toMatchObject({ waiting: 100 });
  });

  it.skipIf(isSkipped)('are cancelled and purged likewise', async () => {
    await using queue = await prepareStore(kind);
    const ids = await fill(queue);
    const calls = vi.spyOn(Kind.prototype, 'scanJobs');
    const { deliveries } = queue.store;
    expect(await deliveries.cancel({ ids }, NOW)).toEqual({ done: 200, skipped: 0 });
    expect(await deliveries.purge({ ids })).toEqual({ done: 600, skipped: 0 });
    expect(calls.mock.calls.length).toBeLessThan(60);
    expect((await deliveries.list({}, { limit: 500, cursor: null })).items).toHaveLength(100);
  });

  it.skipIf(isSkipped)('of an older Event in a job whose ids do not hold it find nothing', async () => {
    await using queue = await prepareStore(kind);
    await queue.flush({ w: [deliveryAt(10), deliveryAt(20)] });
    const at = (place: number, object = 'aaaaaaaa') =>
      deliveryId(deliveryAt(place).eventId.replace(/.{8}$/, object), 'w');
    const found = async (...ids: string[]) => await queue.store.deliveries.count({ ids });
    expect(await found(at(10))).toBe(1);
    expect(await found(at(20), at(5), at(15), at(30))).toBe(1);
    // Objects of one Change are in no order: this one is not there, but might have been.
    expect(await found(at(10, '00000000'))).toBe(0);
    expect(await found(at(5), at(30))).toBe(0);
  });
});

describe.each(STORE_KINDS)('purging by state in the %s queue', (kind) => {
  it.skipIf(isStoreMissing(kind)).each([
    ['failed', FAILED],
    ['delayed', RETRY],
    ['delivered', RETRY],
  ] as const)(
    'leaves nothing of what is %s, also where it had been split off from others',
    async (state, outcome) => {
      await using queue = await prepareStore(kind);
      const { store } = queue;
      const hidden = deliveryAt(2, { key: 'hidden', requestId: 'hidden-r', json: '{"hidden":1}' });
      // The others of its job wait, or are kept in the log: the job stays.
      await queue.flush({ w: [deliveryAt(1), hidden, deliveryAt(3)] });
      const [job] = await queue.claim('w');
      if (job === undefined) throw new Error('nothing was claimed');
      const [first, second] = reports(job, DELIVERED, attempt());
      if (first === undefined || second === undefined) throw new Error('nothing to report');
      await store.report('p1', [first, { ...second, outcome, attempt: FAILURE }]);
      if (state === 'delivered') {
        const [retried] = await queue.claim('w');
        if (retried !== undefined) await store.report('p1', reports(retried, DELIVERED, attempt()));
        await store.deliveries.resend({ key: 'hidden' }, 3e12);
        const due = await store.claim({ webhook: 'w', process: 'p1', maxJobs: 9, nowMs: 3e12 });
        for (const one of due.jobs) await store.report('p1', reports(one, DELIVERED, attempt()));
      }
      expect(await queue.everything()).toContain('hidden');
      expect(await store.deliveries.purge({ state, key: 'hidden' })).toEqual({ done: 1, skipped: 0 });
      expect(await queue.everything()).not.toContain('hidden');
      // The others are as they were.
      expect((await store.counts()).get('w')).toMatchObject({
        active: 1,
        delivered: 1,
        failed: 0,
        delayed: 0,
      });
      await store.release('p1', [job]);
      const [rest] = await queue.claim('w');
      expect(rest?.deliveries.filter((_, i) => ((rest.done >> i) & 1) === 0)).toEqual([deliveryAt(3)]);
      const { items } = await store.deliveries.list({}, { limit: 10, cursor: null });
      expect(items.map(({ committedAtMs }) => committedAtMs / 1_000)).toEqual([3, 1]);
    },
  );
});
