import { describe, expect, it } from 'vitest';
import {
  ALL_SILENT,
  DELIVERED,
  deliveriesAt,
  deliveryAt,
  isStoreMissing,
  prepareStore,
  reports,
  STORE_KINDS,
} from './stores.ts';

describe.each(STORE_KINDS)('the %s queue', (kind) => {
  it.skipIf(isStoreMissing(kind))('tells who works on it, and with how many jobs', async () => {
    await using queue = await prepareStore(kind);
    expect(await queue.store.workers()).toEqual([]);
    await queue.store.heartbeat('b', 10_000);
    await queue.store.heartbeat('a', 10_000);
    await queue.flush({ w: deliveriesAt(1, 60) });
    await queue.claim('w', 'a');
    expect(await queue.store.workers()).toEqual([
      { process: 'a', seenMs: expect.any(Number), jobs: 3 },
      { process: 'b', seenMs: expect.any(Number), jobs: 0 },
    ]);
    const [seen] = await queue.store.workers();
    expect(Math.abs((seen?.seenMs ?? 0) - Date.now())).toBeLessThan(60_000);
  });

  it.skipIf(isStoreMissing(kind))(
    'gives back what a process took after it had been given up, and died before it was heard of again',
    async () => {
      await using queue = await prepareStore(kind);
      await queue.store.heartbeat('stalled', 10_000);
      await queue.flush({ w: deliveriesAt(1, 25) });
      await queue.store.heartbeat('other', ALL_SILENT);
      expect(await queue.claim('w', 'stalled')).toHaveLength(1);
      expect((await queue.store.workers()).map(({ process, jobs }) => [process, jobs])).toEqual([
        ['other', 0],
        ['stalled', 1],
      ]);
      await queue.store.heartbeat('other', ALL_SILENT);
      expect(await queue.claim('w', 'other')).toMatchObject([{ done: 0 }]);
    },
  );

  it.skipIf(isStoreMissing(kind))('tells the commit time of the oldest job, until it has ended', async () => {
    await using queue = await prepareStore(kind);
    await queue.flush({ v: [deliveryAt(5)], w: [deliveryAt(7)] });
    await queue.flush({ w: [deliveryAt(9)] });
    expect(await queue.store.oldest()).toEqual(
      new Map([
        ['v', 5_000],
        ['w', 7_000],
      ]),
    );
    await queue.store.heartbeat('p1', 10_000);
    const [first] = await queue.claim('w');
    if (first === undefined) throw new Error('no job');
    await queue.store.report('p1', reports(first, DELIVERED));
    expect(await queue.store.oldest()).toEqual(
      new Map([
        ['v', 5_000],
        ['w', 9_000],
      ]),
    );
  });
});
