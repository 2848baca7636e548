/** The registry of Gaps: what both stores promise. */
import { describe, expect, it } from 'vitest';
import { type Backlog, type FoundGap, gapOfAll, MAX_GAPS } from '../../src/queue/gaps.ts';
import {
  deliveriesAt,
  deliveryAt,
  INSTALLATION,
  isStoreMissing,
  prepareStore,
  STORE_KINDS,
} from './stores.ts';

const lost = (more: Partial<FoundGap> = {}): FoundGap =>
  gapOfAll('slot_lost', {
    generation: '0badcafe',
    firstLsn: '0/10',
    firstMs: 5,
    tables: ['public.orders', 'public.users'],
    openedMs: 9,
    ...more,
  });
const FULL: ReadonlyMap<string, Backlog> = new Map([['w', { max: 1, bytes: 2 ** 30, rule: 'overflow' }]]);

describe.each(STORE_KINDS)('the Gaps of the %s queue', (kind) => {
  const isSkipped = isStoreMissing(kind);

  it.skipIf(isSkipped)('are kept as they were found, numbered, newest first', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    const gaps = [
      lost(),
      lost({ kind: 'queue_lost', firstLsn: null, firstMs: null, tables: [], closedMs: 9, detail: 'why' }),
      lost({ kind: 'dropped', webhook: 'w', tables: [], models: { orders: 3 }, closedMs: 7 }),
    ];
    const ids: number[] = [];
    for (const gap of gaps) ids.push(await store.recordGap(gap));
    expect(ids).toEqual([1, 2, 3]);
    expect(await store.gaps()).toEqual(gaps.map((gap, i) => ({ ...gap, id: i + 1 })).toReversed());
  });

  it.skipIf(isSkipped)('are found once however often they are met, until they are settled', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    const id = await store.recordGap(lost());
    expect(await store.recordGap(lost({ openedMs: 99, lastLsn: '0/90' }))).toBe(id);
    const others = [lost({ firstLsn: '0/11' }), lost({ generation: '0000beef' }), lost({ webhook: 'w' })];
    for (const other of others) expect(await store.recordGap(other)).not.toBe(id);
    expect(await store.settleGap(id, 50)).toBe(true);
    expect(await store.recordGap(lost())).not.toBe(id);
    expect(await store.gaps()).toHaveLength(5);
  });

  it.skipIf(isSkipped)('end where they are settled, once', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    const growing = await store.recordGap(lost());
    const ended = await store.recordGap(
      lost({ kind: 'slot_moved', lastLsn: '0/20', lastMs: 6, closedMs: 9 }),
    );
    const end = { lsn: '0/30', atMs: 40 };
    for (const id of [growing, ended]) {
      expect(await store.settleGap(id, 50, end)).toBe(true);
      expect(await store.settleGap(id, 60, { lsn: '0/40', atMs: 61 })).toBe(true);
    }
    expect(await store.settleGap(999, 50)).toBe(false);
    expect(await store.gaps()).toMatchObject([
      { id: ended, lastLsn: '0/20', lastMs: 6, closedMs: 9, settledMs: 50 },
      { id: growing, lastLsn: '0/30', lastMs: 40, closedMs: 50, settledMs: 50 },
    ]);
  });

  it.skipIf(isSkipped)('open anew where a backlog overflows after its Gap was settled', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.flush({ w: [deliveryAt(1)] }, { backlogs: FULL });
    await queue.flush({ w: [deliveryAt(2)] }, { backlogs: FULL });
    const [first] = await store.gaps();
    expect(first).toMatchObject({ kind: 'overflow', generation: '0badcafe', tables: [], closedMs: null });
    await store.settleGap(first?.id ?? 0, 50);
    await queue.flush({ w: deliveriesAt(3, 4) }, { backlogs: FULL });
    expect(await store.gaps()).toMatchObject([
      { models: { thing: 2 }, settledMs: null },
      { models: { thing: 1 }, settledMs: 50, closedMs: 50 },
    ]);
  });

  it.skipIf(isSkipped)('outlive a binding anew', async () => {
    await using queue = await prepareStore(kind);
    const id = await queue.store.recordGap(lost());
    await queue.store.rebind({ ...INSTALLATION, generation: '0000beef' }, 'pos-9');
    expect(await queue.store.gaps()).toMatchObject([{ id, kind: 'slot_lost' }]);
  });

  it.skipIf(isSkipped)('are bounded: settled ones go first, what grows stays', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    const growing = await store.recordGap(lost());
    const found = Array.from({ length: MAX_GAPS + 1 }, (_, i) => lost({ firstLsn: `1/${i}`, closedMs: 9 }));
    for (const gap of found) await store.recordGap(gap);
    await store.settleGap(5, 50);
    expect(await store.trimGaps()).toBe(2);
    const ids = (await store.gaps()).map(({ id }) => id);
    expect(ids).toHaveLength(MAX_GAPS);
    expect(ids).toContain(growing);
    expect([2, 3, 5].map((id) => ids.includes(id))).toEqual([false, true, false]);
    expect(await store.trimGaps()).toBe(0);
  });
});
