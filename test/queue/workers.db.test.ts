import { describe, expect, it } from 'vitest';
import {
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
    await queue.store.heartbeat('b', 2_000, 10_000);
    await queue.store.heartbeat('a', 3_000, 10_000);
    await queue.flush({ w: deliveriesAt(1, 60) });
    await queue.claim('w', 'a');
    expect(await queue.store.workers()).toEqual([
      { process: 'a', seenMs: 3_000, jobs: 3 },
      { process: 'b', seenMs: 2_000, jobs: 0 },
    ]);
  });

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
    await queue.store.heartbeat('p1', 1e12, 10_000);
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
