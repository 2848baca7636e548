/** What was delivered at its first try is logged in its job: what both stores promise of it. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/core/secret.ts';
import { deliveryId, type QueuedDelivery } from '../../src/queue/delivery.ts';
import type { Retention } from '../../src/queue/inspect.ts';
import { createSealer } from '../../src/queue/seal.ts';
import {
  ALL_SILENT,
  attempt,
  DELIVERED,
  deliveriesAt,
  deliveryAt,
  FAILED,
  FAILURE,
  FOREVER,
  isStoreMissing,
  type Prepared,
  prepareStore,
  reports,
  STORE_KINDS,
} from './stores.ts';

const NOW = 1_000_000;
const NOTHING_KEPT: Retention = { ...FOREVER, delivered: { ageMs: 0, count: 0 }, failedMs: 0 };
const idOf = (delivery: QueuedDelivery) => deliveryId(delivery.eventId, 'w');

async function states(queue: Prepared): Promise<Record<number, string>> {
  const { items } = await queue.store.deliveries.list({}, { limit: 100, cursor: null });
  return Object.fromEntries(items.map((item) => [item.committedAtMs / 1_000, item.state]));
}

/** A row's Delivery, and an Attempt that shows the row. */
const marked = (place: number) => deliveryAt(place, { key: 'private', json: `{"private":${place}}` });
const telling = attempt({
  request: {
    method: 'POST',
    url: 'http://receiver/private',
    headers: [],
    body: '{"private":1}',
    bodyIs: 'whole',
    bodyBytes: 13,
  },
});

describe.each(STORE_KINDS)('the log in the jobs of the %s queue', (kind) => {
  const isSkipped = isStoreMissing(kind);

  it.skipIf(isSkipped)('shows what a job has delivered while the rest of it waits', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.flush({ w: deliveriesAt(1, 3) });
    const [job] = await queue.claim('w');
    const [first, second, third] = reports(job ?? expect.fail(), DELIVERED, attempt());
    await store.report('p1', [{ ...(first ?? expect.fail()), isLast: false }]);
    expect(await states(queue)).toEqual({ 1: 'delivered', 2: 'active', 3: 'active' });
    await store.release('p1', [job ?? expect.fail()]);
    expect(await states(queue)).toEqual({ 1: 'delivered', 2: 'waiting', 3: 'waiting' });
    expect((await store.counts()).get('w')).toMatchObject({ waiting: 2, active: 0, delivered: 1 });
    const [again] = await queue.claim('w', 'p2');
    expect(again?.done).toBe(0b001);
    const rest = [second ?? expect.fail(), third ?? expect.fail()];
    const failed = { kind: 'retry', attempts: 1, dueMs: 2e12 } as const;
    await store.report('p2', [
      { ...rest[0], job: again ?? expect.fail(), isLast: false } as (typeof rest)[0],
      { ...rest[1], job: again, outcome: failed, attempt: FAILURE } as (typeof rest)[0],
    ]);
    expect(await states(queue)).toEqual({ 1: 'delivered', 2: 'delivered', 3: 'delayed' });
    for (const place of [1, 2]) {
      expect(await store.deliveries.get(idOf(deliveryAt(place)))).toMatchObject({
        state: 'delivered',
        event: deliveryAt(place).json,
        endedMs: 50_005,
        attempts: 1,
        status: 200,
        request: { url: 'http://receiver/in', bodyIs: 'event' },
        log: [{ status: 200, durationMs: 5, response: { body: 'ok' } }],
      });
    }
    expect((await store.counts()).get('w')).toMatchObject({ waiting: 0, delayed: 1, delivered: 2 });
    expect(await store.oldest()).toEqual(new Map([['w', 3_000]]));
  });

  it.skipIf(isSkipped)('stays when the rest of its job is cancelled, or its process is lost', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.flush({ w: deliveriesAt(1, 2) });
    const [job] = await queue.claim('w');
    await store.report('p1', reports(job ?? expect.fail(), DELIVERED, attempt()).slice(0, 1));
    await store.heartbeat('p2', ALL_SILENT);
    await store.release('p1', [job ?? expect.fail()]);
    await store.deliveries.cancel({ key: '2' }, NOW);
    expect(await states(queue)).toEqual({ 1: 'delivered', 2: 'cancelled' });
    expect(await queue.claim('w')).toEqual([]);
    expect((await store.counts()).get('w')).toMatchObject({ waiting: 0, active: 0, bytes: 0, delivered: 1 });
    await store.deliveries.sweep(NOTHING_KEPT, NOW + 1);
    expect((await store.counts()).get('w')).toMatchObject({ delivered: 0, cancelled: 0, logBytes: 0 });
  });

  it.skipIf(isSkipped)('leaves nothing of a row behind when it is purged', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.flush({ w: [marked(1), deliveryAt(2), marked(3)] });
    const [job] = await queue.claim('w');
    const [first, second, third] = reports(job ?? expect.fail(), DELIVERED, telling);
    await store.report('p1', [
      first ?? expect.fail(),
      { ...(second ?? expect.fail()), attempt: attempt() },
      { ...(third ?? expect.fail()), outcome: FAILED, attempt: FAILURE },
    ]);
    expect(await queue.everything()).toContain('private');
    expect(await store.deliveries.purge({ model: 'thing', key: 'private' })).toMatchObject({ done: 2 });
    expect(await queue.everything()).not.toContain('private');
    expect(await states(queue)).toEqual({ 2: 'delivered' });
    expect(await store.deliveries.get(idOf(deliveryAt(2)))).toMatchObject({
      event: deliveryAt(2).json,
      request: { url: 'http://receiver/in' },
    });
    expect((await store.counts()).get('w')).toMatchObject({ delivered: 1, failed: 0 });
    await store.deliveries.purge({});
    expect((await store.counts()).get('w')).toMatchObject({ delivered: 0, logBytes: 0 });
    expect(await queue.everything()).not.toContain('receiver');
  });

  it.skipIf(isSkipped)('keeps nothing of what was purged while its request was in flight', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.flush({ w: [marked(1), deliveryAt(2)] });
    const [job] = await queue.claim('w');
    await store.deliveries.purge({ key: 'private' });
    await store.report('p1', reports(job ?? expect.fail(), DELIVERED, telling));
    expect(await queue.everything()).not.toContain('private');
    expect(await states(queue)).toEqual({ 2: 'delivered' });
    expect((await store.counts()).get('w')).toMatchObject({ delivered: 1, waiting: 0, active: 0, bytes: 0 });
  });

  it.skipIf(isSkipped)('takes back what was cancelled in flight and arrived all the same', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.flush({ w: deliveriesAt(1, 2) });
    const [job] = await queue.claim('w');
    await store.deliveries.cancel({ webhook: 'w' }, NOW);
    await store.report('p1', reports(job ?? expect.fail(), DELIVERED, attempt()).slice(0, 1));
    // The other one was not begun; what is done of the job is known to the store.
    await store.release('p1', [job ?? expect.fail()]);
    expect(await states(queue)).toEqual({ 1: 'delivered', 2: 'cancelled' });
    expect((await store.counts()).get('w')).toMatchObject({ delivered: 1, cancelled: 1, bytes: 0 });
    expect(await store.deliveries.get(idOf(deliveryAt(1)))).toMatchObject({
      event: deliveryAt(1).json,
      status: 200,
    });
  });

  it.skipIf(isSkipped)('gives back what is resent, with its history', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.end('w', deliveriesAt(1, 3), DELIVERED, attempt());
    const before = (await store.counts()).get('w')?.logBytes ?? 0;
    expect(await store.deliveries.resend({ ids: [idOf(deliveryAt(2))] }, NOW)).toEqual({
      done: 1,
      skipped: 0,
    });
    expect(await states(queue)).toEqual({ 1: 'delivered', 2: 'waiting', 3: 'delivered' });
    expect((await store.counts()).get('w')).toMatchObject({ waiting: 1, delivered: 2, logBytes: before });
    const [job] = await queue.claim('w');
    expect(job).toMatchObject({ isResend: true, attempts: 0, deliveries: [deliveryAt(2)] });
    await store.report('p1', reports(job ?? expect.fail(), DELIVERED, attempt({ status: 201 })));
    expect(await store.deliveries.get(idOf(deliveryAt(2)))).toMatchObject({
      state: 'delivered',
      isResent: true,
      log: [{ status: 200 }, { status: 201 }],
    });
    expect(await store.deliveries.count({ state: 'delivered' })).toBe(3);
    expect(await store.deliveries.count({ status: '201' })).toBe(1);
    expect(await store.deliveries.resend({ webhook: 'w' }, NOW)).toEqual({ done: 3, skipped: 0 });
    expect((await store.counts()).get('w')).toMatchObject({ waiting: 3, delivered: 0, logBytes: 0 });
  });

  it.skipIf(isSkipped)('is kept to the number and to the byte', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.end('w', deliveriesAt(1, 60), DELIVERED, attempt());
    await queue.end('w', deliveriesAt(61, 62), DELIVERED, attempt());
    const keep = async (count: number) => {
      await store.deliveries.sweep({ ...FOREVER, delivered: { ageMs: 1e12, count } }, NOW);
      return Object.keys(await states(queue)).map(Number);
    };
    expect(await keep(40)).toEqual(Array.from({ length: 40 }, (_, i) => 23 + i));
    expect((await store.counts()).get('w')).toMatchObject({ delivered: 40, deliveredTotal: 62 });
    expect(await keep(12)).toEqual(Array.from({ length: 12 }, (_, i) => 51 + i));
    expect(await keep(2)).toEqual([61, 62]);
    const bytes = ((await store.counts()).get('w')?.logBytes ?? 0) - 1;
    expect(await store.deliveries.sweep({ ...FOREVER, bytes }, NOW)).toMatchObject({ delivered: 2 });
    expect((await store.counts()).get('w')).toMatchObject({ delivered: 0, logBytes: 0 });
  });

  it.skipIf(isSkipped)('loses requests and responses before Events', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.end('w', deliveriesAt(1, 2), DELIVERED, attempt());
    const before = (await store.counts()).get('w')?.logBytes ?? 0;
    await store.deliveries.sweep({ ...FOREVER, bodiesMs: 0 }, NOW);
    expect(await queue.everything()).not.toContain('receiver');
    expect(await store.deliveries.get(idOf(deliveryAt(1)))).toMatchObject({
      event: deliveryAt(1).json,
      request: null,
      log: [{ status: 200, response: null }],
    });
    expect((await store.counts()).get('w')?.logBytes).toBeLessThan(before);
    await store.deliveries.sweep(NOTHING_KEPT, NOW + 1);
    expect((await store.counts()).get('w')).toMatchObject({ delivered: 0, logBytes: 0 });
  });

  it.skipIf(isSkipped)('is sealed, request and response too', async () => {
    const sealer = createSealer([new Secret(randomBytes(32).toString('hex'))]);
    await using queue = await prepareStore(kind, { payloads: 'full', sealer });
    await queue.end('w', [marked(1), deliveryAt(2)], DELIVERED, telling);
    const everything = await queue.everything();
    for (const text of ['receiver', '{\\"private', '"private":1']) expect(everything).not.toContain(text);
    expect(await queue.store.deliveries.get(idOf(marked(1)))).toMatchObject({
      event: marked(1).json,
      request: { url: 'http://receiver/private' },
    });
  });

  it.skipIf(isSkipped)('outlives a webhook that is gone, whose rest is dropped', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.flush({ w: deliveriesAt(1, 3) });
    const [job] = await queue.claim('w');
    await store.report('p1', reports(job ?? expect.fail(), DELIVERED, attempt()).slice(0, 1));
    await store.release('p1', [job ?? expect.fail()]);
    expect(await store.dropWaiting('w', NOW)).toBe(2);
    expect(await states(queue)).toEqual({ 1: 'delivered' });
    expect((await store.counts()).get('w')).toMatchObject({ waiting: 0, bytes: 0, delivered: 1 });
    expect(await store.deliveries.purge({ webhook: 'w' })).toMatchObject({ done: 1 });
    expect((await store.counts()).get('w')).toMatchObject({ waiting: 0, delivered: 0, logBytes: 0 });
  });
});
