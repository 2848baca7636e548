/** What bounds the queue, and the Gaps that tell of it: what both stores promise. */
import { describe, expect, it } from 'vitest';
import type { Backlog, Gap } from '../../src/queue/gaps.ts';
import {
  attempt,
  DELIVERED,
  deliveriesAt,
  deliveryAt,
  FAILURE,
  isStoreMissing,
  prepareStore,
  reports,
  STORE_KINDS,
} from './stores.ts';

const GIB = 2 ** 30;
const bound = (more: Partial<Backlog>) => ({
  backlogs: new Map([['w', { max: 1_000, bytes: GIB, rule: 'overflow', ...more } as const]]),
});
const idOf = (place: number) => deliveryAt(place).eventId;

describe.each(STORE_KINDS)('the bounds of the %s queue', (kind) => {
  const isSkipped = isStoreMissing(kind);

  it.skipIf(isSkipped)(
    'let a full backlog overflow into a Gap, and store again when there is room',
    async () => {
      await using queue = await prepareStore(kind);
      const { store } = queue;
      const full = bound({ max: 30 });
      expect(await queue.flush({ w: deliveriesAt(1, 25), x: [deliveryAt(500)] }, full)).toBe('done');
      expect(await queue.flush({ w: deliveriesAt(26, 60) }, full)).toBe('done');
      const other = deliveryAt(61, { model: 'other' });
      expect(await queue.flush({ w: [other], x: [deliveryAt(501)] }, full)).toBe('done');
      expect((await store.counts()).get('w')).toMatchObject({ waiting: 26, skippedTotal: 35 });
      const overflowing = await queue.flush({ w: deliveriesAt(62, 66) }, bound({ max: 30 }));
      expect(overflowing).toBe('done');
      const gaps = await store.gaps();
      // Where one Delivery fitted in between, the Gap is closed and another one opened.
      const total = gaps.reduce((sum, gap) => sum + Object.values(gap.models).reduce((a, b) => a + b, 0), 0);
      expect(total).toBe((await store.counts()).get('w')?.skippedTotal);
      const first = gaps.at(-1) as Gap;
      expect(first).toMatchObject({
        kind: 'overflow',
        webhook: 'w',
        firstId: idOf(26),
        lastId: idOf(60),
        firstLsn: '0/1A',
        firstMs: 26_000,
        lastMs: 60_000,
        models: { thing: 35 },
        settledMs: null,
      });
      expect(first.closedMs).not.toBeNull();
      expect((await store.counts()).get('x')).toMatchObject({ waiting: 2, skippedTotal: 0 });
      expect(await store.settleGap(first.id, 77)).toBe(true);
      expect(await store.settleGap(999, 77)).toBe(false);
      expect((await store.gaps()).at(-1)).toMatchObject({ settledMs: 77, closedMs: first.closedMs });
    },
  );

  it.skipIf(isSkipped)('extend a Gap that is open, model by model', async () => {
    await using queue = await prepareStore(kind);
    const full = bound({ bytes: 1_024 });
    await queue.flush({ w: [deliveryAt(1, { json: 'x'.repeat(1_020) })] }, full);
    await queue.flush({ w: [deliveryAt(2), deliveryAt(3, { model: 'other' })] }, full);
    await queue.flush({ w: [deliveryAt(4)] }, full);
    expect(await queue.store.gaps()).toMatchObject([
      { firstId: idOf(2), lastId: idOf(4), lastLsn: '0/4', models: { thing: 2, other: 1 }, closedMs: null },
    ]);
    expect((await queue.store.counts()).get('w')).toMatchObject({ waiting: 1, skippedTotal: 3 });
  });

  it.skipIf(isSkipped)('drop the oldest where that is wished, and tell which', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    const full = bound({ max: 50, rule: 'drop_oldest' });
    await queue.end('w', [deliveryAt(1)], { kind: 'retry', attempts: 1, dueMs: 2e12 }, FAILURE);
    await queue.flush({ w: deliveriesAt(2, 26) }, full);
    await queue.flush({ w: deliveriesAt(27, 51) }, full);
    await queue.flush({ w: deliveriesAt(52, 61) }, full);
    const counts = (await store.counts()).get('w');
    expect(counts).toMatchObject({ waiting: 35, delayed: 0, skippedTotal: 26 });
    const left = (await store.deliveries.list({}, { limit: 100, cursor: null })).items;
    expect(left.map((item) => item.committedAtMs / 1_000).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 35 }, (_, i) => 27 + i),
    );
    const bytes = deliveriesAt(27, 61).reduce((sum, one) => sum + Buffer.byteLength(one.json), 0);
    expect(counts?.bytes).toBe(bytes);
    const gaps = await store.gaps();
    expect(gaps.every((gap) => gap.kind === 'dropped')).toBe(true);
    expect(gaps.at(-1)?.firstId).toBe(idOf(1));
    expect(gaps[0]?.lastId).toBe(idOf(26));
  });

  it.skipIf(isSkipped)('drop the rest of a batch that is partly delivered, and keep what was', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.flush({ w: deliveriesAt(1, 25) });
    const [job] = await queue.claim('w');
    const claimed = job ?? expect.fail('nothing to take');
    const delivered = reports(claimed, DELIVERED, attempt()).slice(0, 10);
    await store.report('p1', delivered);
    await store.release('p1', [claimed]);
    expect(await queue.flush({ w: deliveriesAt(26, 40) }, bound({ max: 15, rule: 'drop_oldest' }))).toBe(
      'done',
    );
    const bytes = deliveriesAt(26, 40).reduce((sum, one) => sum + Buffer.byteLength(one.json), 0);
    expect((await store.counts()).get('w')).toMatchObject({
      waiting: 15,
      active: 0,
      delivered: 10,
      skippedTotal: 15,
      bytes,
    });
    expect(await store.gaps()).toMatchObject([
      { kind: 'dropped', webhook: 'w', firstId: idOf(11), lastId: idOf(25), models: { thing: 15 } },
    ]);
    const left = (await store.deliveries.list({}, { limit: 100, cursor: null })).items;
    const placesIn = (state: string) =>
      left.filter((item) => item.state === state).map((item) => item.committedAtMs / 1_000);
    expect([placesIn('delivered').length, placesIn('waiting').length]).toEqual([10, 15]);
    expect(Math.max(...placesIn('delivered'))).toBe(10);
    expect(Math.min(...placesIn('waiting'))).toBe(26);
    const jobs = await queue.claim('w');
    expect(jobs.flatMap((one) => one.deliveries)).toEqual(deliveriesAt(26, 40));
  });

  it.skipIf(isSkipped)('drop the oldest of a row, and the next of it goes on', async () => {
    await using queue = await prepareStore(kind);
    const inRow = (place: number) => deliveryAt(place, { rows: ['a'] });
    await queue.flush({ w: [inRow(1), inRow(2)] });
    await queue.flush({ w: [inRow(3)] }, bound({ max: 2, rule: 'drop_oldest' }));
    expect((await queue.claim('w')).flatMap((one) => one.deliveries.map(({ key }) => key))).toEqual(['2']);
  });

  it.skipIf(isSkipped)('hold the stream where that is wished: nothing is stored', async () => {
    await using queue = await prepareStore(kind);
    const full = bound({ max: 3, rule: 'hold' });
    expect(await queue.flush({ w: deliveriesAt(1, 3) }, full)).toBe('done');
    expect(await queue.flush({ w: [deliveryAt(4)], x: [deliveryAt(5)] }, full)).toBe('held');
    expect((await queue.store.state())?.position).toBe('pos-1');
    expect((await queue.store.counts()).get('x')?.waiting ?? 0).toBe(0);
    await queue.store.deliveries.cancel({ key: '1' }, 1);
    expect(await queue.flush({ w: [deliveryAt(4)] }, full)).toBe('done');
    expect(await queue.store.gaps()).toEqual([]);
  });

  it.skipIf(isSkipped).each([
    ['Deliveries', { max: 3 }],
    ['bytes', { bytes: 1 }],
  ])(
    'hold nothing for ever: more %s than the bound at once is stored where nothing waits',
    async (_what, is) => {
      await using queue = await prepareStore(kind);
      const full = bound({ ...is, rule: 'hold' });
      expect(await queue.flush({ w: deliveriesAt(1, 40) }, full)).toBe('done');
      expect(await queue.flush({ w: [deliveryAt(41)] }, full)).toBe('held');
      await queue.store.deliveries.cancel({}, 1_000);
      expect(await queue.flush({ w: deliveriesAt(41, 80) }, full)).toBe('done');
      expect((await queue.store.counts()).get('w')?.waiting).toBe(40);
      expect(await queue.store.gaps()).toEqual([]);
    },
  );

  it.skipIf(isSkipped)(
    'hold what goes ahead of its position too: nothing of it is taken for stored',
    async () => {
      await using queue = await prepareStore(kind);
      const full = bound({ max: 3, rule: 'hold' });
      expect(await queue.flush({ w: deliveriesAt(1, 3) }, full)).toBe('done');
      // What a long Transaction spills, and what a replay puts in, leaves the position where it is.
      const ahead = { ...full, from: 'pos-1', to: 'pos-1' };
      expect(await queue.flush({ w: [deliveryAt(4)] }, ahead)).toBe('held');
      await queue.store.deliveries.cancel({ key: '1' }, 1);
      expect(await queue.flush({ w: [deliveryAt(4)] }, ahead)).toBe('done');
      expect((await queue.store.counts()).get('w')?.waiting).toBe(3);
    },
  );

  it.skipIf(isSkipped)('pause a Webhook with the flush that pulls its brake', async () => {
    await using queue = await prepareStore(kind);
    await queue.flush({ w: [deliveryAt(1)] }, { braked: ['w', 'new'] });
    const counts = await queue.store.counts();
    expect(counts.get('w')).toMatchObject({ isPaused: true, isBraked: true, waiting: 1 });
    expect(counts.get('new')).toMatchObject({ isPaused: true });
    expect(await queue.claim('w')).toEqual([]);
    await queue.store.resume('w');
    expect((await queue.store.counts()).get('w')).toMatchObject({ isPaused: false, isBraked: false });
    expect(await queue.claim('w')).toHaveLength(1);
  });

  it.skipIf(isSkipped)('let orphans wait, and drop them with a Gap', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.flush({ w: deliveriesAt(1, 30), x: [deliveryAt(31)] });
    expect(await store.markOrphans(['w', 'x'], 1_000)).toEqual([]);
    expect(await store.markOrphans(['x'], 2_000)).toEqual([{ webhook: 'w', sinceMs: 2_000, waiting: 30 }]);
    expect(await store.markOrphans(['x'], 3_000)).toMatchObject([{ sinceMs: 2_000 }]);
    expect(await store.markOrphans(['x', 'w'], 4_000)).toEqual([]);
    expect(await store.markOrphans(['x'], 5_000)).toMatchObject([{ sinceMs: 5_000 }]);
    expect(await store.dropWaiting('w', 6_000)).toBe(30);
    expect((await store.counts()).get('w')).toMatchObject({ waiting: 0, bytes: 0, skippedTotal: 30 });
    expect((await store.counts()).get('x')).toMatchObject({ waiting: 1 });
    expect(await store.gaps()).toMatchObject([
      {
        kind: 'orphan',
        webhook: 'w',
        firstId: idOf(1),
        lastId: idOf(30),
        models: { thing: 30 },
        closedMs: 6_000,
      },
    ]);
  });
});
