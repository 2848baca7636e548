/** Listing and operating on Deliveries: what both stores promise. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/core/secret.ts';
import { deliveryId, type QueuedDelivery } from '../../src/queue/delivery.ts';
import type { DeliveryFilter, DeliverySummary } from '../../src/queue/inspect.ts';
import { createSealer } from '../../src/queue/seal.ts';
import type { CancelledInJob, QueueStore } from '../../src/queue/store.ts';
import { until } from '../helpers/until.ts';
import {
  attempt,
  DELIVERED,
  deliveriesAt,
  deliveryAt,
  FAILED,
  FAILURE,
  FOREVER,
  isStoreMissing,
  prepareStore,
  reports,
  STORE_KINDS,
} from './stores.ts';

const NOW = 1_000_000;

async function listAll(
  store: QueueStore,
  filter: DeliveryFilter = {},
  limit = 7,
): Promise<DeliverySummary[]> {
  const all: DeliverySummary[] = [];
  let cursor: string | null = null;
  do {
    const page = await store.deliveries.list(filter, { limit, cursor });
    all.push(...page.items);
    expect(page.items.length).toBeLessThanOrEqual(limit);
    cursor = page.cursor;
  } while (cursor !== null);
  return all;
}

const places = (items: readonly DeliverySummary[]) => items.map((item) => item.committedAtMs / 1_000);
const idOf = (delivery: QueuedDelivery, webhook = 'w') => deliveryId(delivery.eventId, webhook);

describe.each(STORE_KINDS)('Deliveries in the %s queue', (kind) => {
  const isSkipped = isStoreMissing(kind);

  it.skipIf(isSkipped)('are listed from the moment of the flush, newest commit first', async () => {
    await using queue = await prepareStore(kind);
    await queue.flush({ w: deliveriesAt(1, 60), x: deliveriesAt(61, 70) });
    const all = await listAll(queue.store);
    expect(places(all)).toEqual(Array.from({ length: 70 }, (_, i) => 70 - i));
    expect(all[0]).toEqual({
      id: idOf(deliveryAt(70), 'x'),
      webhook: 'x',
      state: 'waiting',
      model: 'thing',
      key: '70',
      requestId: 'r-70',
      eventId: deliveryAt(70).eventId,
      committedAtMs: 70_000,
      attempts: 0,
      status: null,
      error: null,
      detail: null,
      lastAttemptMs: null,
      durationMs: null,
      nextMs: null,
      endedMs: null,
      isResent: false,
    });
  });

  it.skipIf(isSkipped)('are found in every state', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.end('w', [deliveryAt(1)], DELIVERED, attempt());
    await queue.end('w', [deliveryAt(2)], FAILED, FAILURE);
    await queue.end('w', [deliveryAt(3)], { kind: 'retry', attempts: 1, dueMs: 2e12 }, FAILURE);
    await queue.flush({ w: [deliveryAt(4)] });
    await queue.claim('w');
    await queue.flush({ w: [deliveryAt(5), deliveryAt(6)] });
    await store.deliveries.cancel({ ids: [idOf(deliveryAt(6))] }, NOW);
    const states = async () =>
      Object.fromEntries((await listAll(store)).map((item) => [item.committedAtMs / 1_000, item.state]));
    expect(await states()).toEqual({
      1: 'delivered',
      2: 'failed',
      3: 'delayed',
      4: 'active',
      5: 'waiting',
      6: 'cancelled',
    });
    for (const state of ['delivered', 'failed', 'delayed', 'active', 'waiting', 'cancelled'] as const) {
      expect(await listAll(store, { state }), state).toHaveLength(1);
      expect(await store.deliveries.count({ state }), state).toBe(1);
    }
    await store.setParked('w', true);
    expect(await listAll(store, { state: 'parked' })).toHaveLength(2);
    expect(await listAll(store, { state: 'waiting' })).toHaveLength(0);
    expect((await store.counts()).get('w')).toMatchObject({
      isParked: true,
      waiting: 1,
      active: 1,
      delayed: 1,
      delivered: 1,
      failed: 1,
      cancelled: 1,
    });
  });

  it.skipIf(isSkipped)('are filtered alike in jobs and in the log', async () => {
    await using queue = await prepareStore(kind);
    const variants = (from: number) => [
      deliveryAt(from, { model: 'other', key: 'a"b', requestId: null }),
      deliveryAt(from + 1, { key: 'ü\\' }),
      deliveryAt(from + 2, { requestId: 'shared' }),
    ];
    await queue.end('w', variants(1), FAILED, FAILURE);
    await queue.flush({ w: variants(11), x: variants(21) });
    const cases: [DeliveryFilter, number[]][] = [
      [{}, [23, 22, 21, 13, 12, 11, 3, 2, 1]],
      [{ webhook: 'w' }, [13, 12, 11, 3, 2, 1]],
      [{ model: 'other' }, [21, 11, 1]],
      [{ key: 'a"b' }, [21, 11, 1]],
      [{ model: 'thing', key: 'ü\\' }, [22, 12, 2]],
      [{ model: 'other', key: 'ü\\' }, []],
      [{ requestId: 'shared' }, [23, 13, 3]],
      [{ requestId: 'shared', webhook: 'x' }, [23]],
      [{ status: '503' }, [3, 2, 1]],
      [{ status: '503', model: 'other' }, [1]],
      [{ status: '200' }, []],
      [{ sinceMs: 12_000, untilMs: 22_000 }, [21, 13, 12]],
      [{ sinceMs: 2_000, untilMs: 3_000 }, [2]],
      [{ state: 'failed', webhook: 'w', sinceMs: 2_000 }, [3, 2]],
      [{ state: 'failed', webhook: 'x' }, []],
    ];
    for (const [filter, expected] of cases) {
      const name = JSON.stringify(filter);
      expect(places(await listAll(queue.store, filter, 2)), name).toEqual(expected);
      expect(await queue.store.deliveries.count(filter), name).toBe(expected.length);
    }
  });

  it.skipIf(isSkipped)('page without loss or repetition, whatever the size of the page', async () => {
    await using queue = await prepareStore(kind);
    // One commit time for many: a cursor over times alone would skip or repeat.
    const same = Array.from({ length: 60 }, (_, i) => deliveryAt(100 + i, { committedAtMs: 5_000 }));
    await queue.end('w', same.slice(0, 30), DELIVERED, attempt());
    await queue.end('w', same.slice(30, 40), FAILED, FAILURE);
    await queue.flush({ w: same.slice(40) });
    for (const limit of [1, 3, 50, 500]) {
      const ids = (await listAll(queue.store, {}, limit)).map((item) => item.id);
      expect(ids).toHaveLength(60);
      expect(new Set(ids).size).toBe(60);
    }
  });

  it.skipIf(isSkipped)('tell all of their Attempts, also while they are tried', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    const delivery = deliveryAt(1);
    await queue.end('w', [delivery], { kind: 'retry', attempts: 1, dueMs: 70_000 }, FAILURE);
    expect(await store.deliveries.get(idOf(delivery))).toMatchObject({
      state: 'delayed',
      attempts: 1,
      status: 503,
      error: 'status',
      nextMs: 70_000,
      event: delivery.json,
      request: { url: 'http://receiver/in', bodyIs: 'event' },
      log: [{ status: 503, nextMs: 70_000, response: { body: 'ok' } }],
    });
    const [job] = await queue.claim('w');
    expect(job?.isResend).toBe(false);
    const timeout = attempt({ status: null, error: 'timeout', detail: 'slow', response: null });
    await store.report('p1', [
      {
        job: job ?? expect.fail(),
        index: 0,
        isLast: true,
        outcome: { ...FAILED, reason: 'timeout', detail: 'slow' },
        attempt: timeout,
      },
    ]);
    expect(await store.deliveries.get(idOf(delivery))).toMatchObject({
      state: 'failed',
      attempts: 2,
      status: null,
      error: 'timeout',
      endedMs: 60_000,
      schema: 'public',
      lsn: '0/1',
      event: delivery.json,
      log: [
        { status: 503, error: 'status', nextMs: 70_000, response: { headers: [['x', 'y']] } },
        { status: null, error: 'timeout', nextMs: null, response: null },
      ],
    });
    expect(await listAll(store, { status: 'timeout' })).toHaveLength(1);
  });

  it.skipIf(isSkipped)('know no id that is not theirs', async () => {
    await using queue = await prepareStore(kind);
    await queue.flush({ w: [deliveryAt(1)] });
    expect(await queue.store.deliveries.get(idOf(deliveryAt(2)))).toBeNull();
    expect(await queue.store.deliveries.get('nonsense')).toBeNull();
    expect((await queue.store.deliveries.get(idOf(deliveryAt(1))))?.event).toBe(deliveryAt(1).json);
    const page = { limit: 5, cursor: 'nonsense' };
    await expect(queue.store.deliveries.list({}, page)).rejects.toMatchObject({ code: 'USAGE' });
  });

  it.skipIf(isSkipped)('are resent with the same id, fresh tries and their history', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.end('w', deliveriesAt(1, 3), FAILED, FAILURE);
    expect(await store.deliveries.resend({ state: 'failed', key: '2' }, NOW)).toEqual({
      done: 1,
      skipped: 0,
    });
    expect((await store.counts()).get('w')).toMatchObject({ waiting: 1, failed: 2 });
    const [job] = await queue.claim('w');
    expect(job).toMatchObject({ attempts: 0, isResend: true, deliveries: [deliveryAt(2)] });
    await store.report('p1', reports(job ?? expect.fail(), DELIVERED, attempt()));
    expect(await store.deliveries.get(idOf(deliveryAt(2)))).toMatchObject({
      state: 'delivered',
      isResent: true,
      attempts: 2,
      log: [{ status: 503 }, { status: 200 }],
    });
    expect((await store.counts()).get('w')).toMatchObject({ waiting: 0, failed: 2, delivered: 1, bytes: 0 });
    const { done } = await store.deliveries.resend({ webhook: 'w' }, NOW);
    expect(done).toBe(3);
    expect((await store.counts()).get('w')).toMatchObject({
      waiting: 3,
      failed: 0,
      delivered: 0,
      logBytes: 0,
    });
  });

  it.skipIf(isSkipped)('keep what was frozen for another payload format', async () => {
    await using queue = await prepareStore(kind);
    const frozen = { format: 'netbox', snapshots: '{"prechange":"Pöer"}' } as const;
    const one = deliveryAt(1, { frozen });
    await queue.end('w', [one, deliveryAt(2)], FAILED, FAILURE);
    expect((await queue.store.counts()).get('w')).toMatchObject({ bytes: 0 });
    expect((await queue.store.deliveries.get(idOf(one)))?.event).toBe(one.json);
    await queue.store.deliveries.resend({ key: '1' }, NOW);
    expect((await queue.claim('w'))[0]?.deliveries).toEqual([one]);
    await queue.flush({ w: [deliveryAt(3, { frozen }), deliveryAt(4)] });
    await queue.store.deliveries.cancel({ key: '3' }, NOW);
    expect((await queue.claim('w'))[0]?.deliveries[1]).toEqual(deliveryAt(4));
  });

  it.skipIf(isSkipped)('that are delayed are made due by a resend', async () => {
    await using queue = await prepareStore(kind);
    await queue.end('w', [deliveryAt(1)], { kind: 'retry', attempts: 3, dueMs: 2e12 }, FAILURE);
    expect(await queue.claim('w')).toEqual([]);
    expect(await queue.store.deliveries.resend({ webhook: 'w' }, NOW)).toEqual({ done: 1, skipped: 0 });
    expect(await queue.claim('w')).toMatchObject([{ attempts: 3 }]);
  });

  it.skipIf(isSkipped)('are cancelled within a batch, and the rest is delivered', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.flush({ w: deliveriesAt(1, 5) });
    expect(await store.deliveries.cancel({ key: '2' }, NOW)).toEqual({ done: 1, skipped: 0 });
    expect(await store.deliveries.cancel({ key: '2' }, NOW)).toEqual({ done: 0, skipped: 0 });
    expect((await store.counts()).get('w')).toMatchObject({ waiting: 4, cancelled: 1 });
    const [job] = await queue.claim('w');
    expect(job?.done).toBe(0b00010);
    await store.report(
      'p1',
      reports(job ?? expect.fail(), DELIVERED).filter((report) => report.index !== 1),
    );
    const bytes = (await store.counts()).get('w')?.bytes;
    expect((await store.counts()).get('w')).toMatchObject({
      waiting: 0,
      active: 0,
      delivered: 4,
      cancelled: 1,
    });
    expect(bytes).toBe(0);
    expect(await store.deliveries.get(idOf(deliveryAt(2)))).toMatchObject({
      state: 'cancelled',
      endedMs: NOW,
      event: deliveryAt(2).json,
    });
    await queue.flush({ w: deliveriesAt(11, 13) });
    expect(await store.deliveries.cancel({ webhook: 'w' }, NOW)).toEqual({ done: 3, skipped: 0 });
    expect(await queue.claim('w')).toEqual([]);
    expect((await store.counts()).get('w')).toMatchObject({ waiting: 0, bytes: 0, cancelled: 4 });
  });

  it.skipIf(isSkipped)('are cancelled while a process has them, which is told', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    const other = await queue.sibling();
    const told: CancelledInJob[] = [];
    await store.onWake(
      () => undefined,
      (cancelled) => told.push(cancelled),
    );
    await queue.flush({ w: deliveriesAt(1, 3) });
    const [job] = await queue.claim('w');
    await other.deliveries.cancel({ webhook: 'w' }, NOW);
    await until(() => told.reduce((sum, one) => sum | one.mask, 0) === 0b111);
    expect(told[0]?.job).toBe(job?.id);
    expect((await store.counts()).get('w')).toMatchObject({ active: 0, waiting: 0, cancelled: 3, bytes: 0 });
    // The first was dropped by the process, the second arrived all the same, the third failed in flight.
    const [first, second, third] = reports(job ?? expect.fail(), DELIVERED, attempt());
    await store.report('p1', [
      { ...(first ?? expect.fail()), outcome: { kind: 'cancelled' } },
      second ?? expect.fail(),
      { ...(third ?? expect.fail()), outcome: { kind: 'retry', attempts: 1, dueMs: 1 } },
    ]);
    expect((await store.counts()).get('w')).toMatchObject({
      active: 0,
      waiting: 0,
      delayed: 0,
      delivered: 1,
      cancelled: 2,
      deliveredTotal: 1,
      bytes: 0,
    });
    expect(await queue.claim('w', 'p2')).toEqual([]);
    expect(await listAll(store, { state: 'active' })).toEqual([]);
  });

  it.skipIf(isSkipped)('leave nothing of a row behind when it is purged', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    const marked = (place: number) =>
      deliveryAt(place, { key: 'private', requestId: 'private-r', json: `{"private":${place}}` });
    await queue.end('w', [marked(1), deliveryAt(2)], FAILED, FAILURE);
    await queue.end('w', [marked(3)], { kind: 'retry', attempts: 1, dueMs: 2e12 }, FAILURE);
    await queue.flush({ w: [deliveryAt(4), marked(5), deliveryAt(6)] });
    await queue.claim('w');
    await queue.flush({ w: [marked(7), deliveryAt(8)], x: [marked(9)] });
    const { done, skipped } = await store.deliveries.purge({ model: 'thing', key: 'private' });
    expect({ done, skipped }).toEqual({ done: 5, skipped: 0 });
    expect(places(await listAll(store))).toEqual([8, 6, 4, 2]);
    expect(await store.deliveries.count({ key: 'private' })).toBe(0);
    expect((await store.counts()).get('w')).toMatchObject({ waiting: 1, active: 2, delayed: 0, failed: 1 });
    expect((await store.counts()).get('x')).toMatchObject({ waiting: 0, bytes: 0 });
    expect(await queue.everything()).not.toContain('private');
    // What is left is delivered as it was.
    const [rest] = await queue.claim('w', 'p2');
    expect(rest?.deliveries.filter((_, i) => ((rest.done >> i) & 1) === 0)).toEqual([deliveryAt(8)]);
  });

  it.skipIf(isSkipped)('go when retention says so, the oldest first', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    for (const place of [1, 2, 3, 4]) {
      await queue.end(
        'w',
        [deliveryAt(place)],
        DELIVERED,
        attempt({ startedMs: place * 1_000, durationMs: 0 }),
      );
    }
    await queue.end('w', [deliveryAt(11)], { ...FAILED, failedAtMs: 1_000 }, FAILURE);
    await queue.end('w', [deliveryAt(12)], { ...FAILED, failedAtMs: 9_000 }, FAILURE);
    const kept = async () => places(await listAll(store));
    await store.deliveries.sweep({ ...FOREVER, delivered: { ageMs: 1e12, count: 3 } }, 10_000);
    expect(await kept()).toEqual([12, 11, 4, 3, 2]);
    await store.deliveries.sweep({ ...FOREVER, delivered: { ageMs: 7_000, count: 100 } }, 10_001);
    expect(await kept()).toEqual([12, 11, 4]);
    const failed = await store.deliveries.sweep({ ...FOREVER, failedMs: 5_000 }, 10_000);
    expect(failed).toMatchObject({ failed: 1, early: 0, hasMore: false });
    expect(await kept()).toEqual([12, 4]);

    await store.deliveries.sweep({ ...FOREVER, bodiesMs: 0 }, 100_000);
    expect(await store.deliveries.get(idOf(deliveryAt(12)))).toMatchObject({
      event: deliveryAt(12).json,
      request: null,
      log: [{ status: 503, response: null }],
    });
    const before = (await store.counts()).get('w')?.logBytes ?? 0;
    expect(await store.deliveries.sweep({ ...FOREVER, bytes: before - 1 }, 10_000)).toMatchObject({
      delivered: 1,
      early: 0,
    });
    expect(await kept()).toEqual([12]);
    expect(await store.deliveries.sweep({ ...FOREVER, bytes: 0 }, 10_000)).toMatchObject({ early: 1 });
    expect((await store.counts()).get('w')).toMatchObject({ delivered: 0, failed: 0, logBytes: 0 });
  });

  it.skipIf(isSkipped)('are told as they go, once each and in order', async () => {
    await using queue = await prepareStore(kind);
    const { deliveries } = queue.store;
    await queue.end('w', [deliveryAt(1)], DELIVERED, attempt());
    const start = await deliveries.outcomes(null, 10);
    expect(start.items).toEqual([]);
    await queue.end('w', deliveriesAt(2, 3), DELIVERED, attempt());
    await queue.end('w', [deliveryAt(4)], { kind: 'retry', attempts: 1, dueMs: 2e12 }, FAILURE);
    await queue.end('w', [deliveryAt(5)], FAILED, FAILURE);
    const first = await deliveries.outcomes(start.cursor, 3);
    expect(first.items.map((item) => item.state)).toEqual(['delivered', 'delivered', 'delayed']);
    const second = await deliveries.outcomes(first.cursor, 3);
    expect(second.items.map((item) => item.state)).toEqual(['failed']);
    expect((await deliveries.outcomes(second.cursor, 3)).items).toEqual([]);
  });

  it.skipIf(isSkipped)('show nothing of their text at rest where it is sealed', async () => {
    const [old, key] = [randomBytes(32), randomBytes(32)].map(
      (bytes) => new Secret(bytes.toString('base64')),
    );
    if (old === undefined || key === undefined) expect.fail();
    const policy = { payloads: 'full', sealer: createSealer([old]) } as const;
    await using queue = await prepareStore(kind, policy);
    const text = deliveryAt(1, { json: '{"confidential":"Pöer"}' });
    const record = attempt({
      request: {
        method: 'POST',
        url: 'http://r/',
        headers: [],
        body: 'confidential',
        bodyIs: 'whole',
        bodyBytes: 1,
      },
    });
    await queue.end('w', [text], FAILED, record);
    await queue.end(
      'w',
      [{ ...text, ...deliveryAt(2), json: text.json }],
      { kind: 'retry', attempts: 1, dueMs: 2e12 },
      record,
    );
    await queue.flush({ w: [deliveryAt(3, { json: text.json })] });
    expect(await queue.everything()).not.toContain('confidential');
    // A newer key seals, the older one still opens.
    const rotated = await queue.sibling({ payloads: 'full', sealer: createSealer([key, old]) });
    expect(await rotated.deliveries.get(idOf(text))).toMatchObject({
      event: text.json,
      request: { body: 'confidential' },
    });
    await rotated.deliveries.resend({ webhook: 'w' }, NOW);
    const [job] = (await rotated.claim({ webhook: 'w', process: 'p9', maxJobs: 1, nowMs: 1 })).jobs;
    expect(job?.deliveries[0]?.json).toBe(text.json);
    const blind = await queue.sibling({ payloads: 'full', sealer: createSealer([key]) });
    await expect(blind.claim({ webhook: 'w', process: 'p8', maxJobs: 9, nowMs: 2e12 })).rejects.toMatchObject(
      {
        code: 'QUEUE_KEY_MISSING',
      },
    );
  });

  it.skipIf(isSkipped)('seal what of an Event is frozen in another format too', async () => {
    const policy = { payloads: 'full', sealer: createSealer([new Secret('0123456789abcdef')]) } as const;
    await using queue = await prepareStore(kind, policy);
    const frozen = { format: 'netbox', snapshots: '{"prechange":{"name":"confidential"}}' } as const;
    const all = [1, 2, 3].map((place) => deliveryAt(place, { frozen }));
    const [failed, retried, waiting] = all as [QueuedDelivery, QueuedDelivery, QueuedDelivery];
    await queue.end('w', [failed], FAILED, FAILURE);
    await queue.end('w', [retried], { kind: 'retry', attempts: 1, dueMs: 1 }, FAILURE);
    await queue.store.enqueue('v', waiting);
    await queue.flush({ w: [waiting] });
    expect(await queue.everything()).not.toContain('confidential');
    await queue.store.deliveries.resend({ webhook: 'w', state: 'failed' }, NOW);
    const jobs = [...(await queue.claim('w')), ...(await queue.claim('v'))];
    const read = jobs.flatMap((job) => job.deliveries);
    expect(read).toHaveLength(4);
    expect(read.every((one) => one.frozen?.snapshots === frozen.snapshots)).toBe(true);
    // What was stored before there was a key is read with one.
    const plain = await queue.sibling({ payloads: 'full', sealer: createSealer([]) });
    await plain.enqueue('u', waiting);
    expect((await queue.claim('u'))[0]?.deliveries).toEqual([waiting]);
  });

  it.skipIf(isSkipped)('keep what log.payloads says', async () => {
    const sealer = createSealer([]);
    await using queue = await prepareStore(kind, { payloads: 'metadata', sealer });
    await queue.end('w', [deliveryAt(1)], DELIVERED, attempt());
    await queue.end('w', [deliveryAt(2)], FAILED, FAILURE);
    expect(await queue.store.deliveries.get(idOf(deliveryAt(1)))).toMatchObject({
      event: null,
      request: { url: 'http://receiver/in' },
      log: [{ status: 200, response: { headers: [['x', 'y']], body: null } }],
    });
    expect(await queue.store.deliveries.get(idOf(deliveryAt(2)))).toMatchObject({
      event: deliveryAt(2).json,
    });
    expect(await queue.store.deliveries.resend({ webhook: 'w' }, NOW)).toEqual({ done: 1, skipped: 1 });
    const none = await queue.sibling({ payloads: 'none', sealer });
    await queue.flush({ w: [deliveryAt(3)] });
    const jobs = (await none.claim({ webhook: 'w', process: 'p2', maxJobs: 9, nowMs: 1 })).jobs;
    await none.report(
      'p2',
      jobs.flatMap((job) => reports(job, DELIVERED, attempt())),
    );
    expect(await none.deliveries.get(idOf(deliveryAt(3)))).toMatchObject({
      event: null,
      request: null,
      log: [{ status: 200, response: null }],
    });
  });
});
