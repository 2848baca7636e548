/** Flow state in both stores: swapped by one, seen by all. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { QueueStore } from '../../src/queue/store.ts';
import { isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { openStores } from './openStores.ts';

/** One swap. */
async function swapFlow(store: QueueStore, webhook: string, expected: string | null, next: string) {
  const [swapped] = await store.swapFlows([{ webhook, expected, next }]);
  if (swapped === undefined) throw new Error('no answer');
  return swapped;
}

describe.each(QUEUE_KINDS)('flow state on %s', (kind) => {
  const isSkipped = isQueueMissing(kind);

  it.skipIf(isSkipped)('is swapped only where it is what was expected', async () => {
    await using stores = await openStores(kind);
    const { store } = stores;
    expect(await swapFlow(store, 'w', null, 'one')).toEqual({ isSwapped: true, current: 'one' });
    expect(await swapFlow(store, 'w', null, 'two')).toEqual({ isSwapped: false, current: 'one' });
    expect(await swapFlow(store, 'w', 'other', 'two')).toEqual({ isSwapped: false, current: 'one' });
    expect(await swapFlow(store, 'w', 'one', 'two')).toEqual({ isSwapped: true, current: 'two' });
    expect(await swapFlow(store, 'w', 'two', 'two')).toEqual({ isSwapped: true, current: 'two' });
    await swapFlow(store, 'x', null, 'three');
    expect(await store.flows()).toEqual(
      new Map([
        ['w', 'two'],
        ['x', 'three'],
      ]),
    );
  });

  it.skipIf(isSkipped)(
    'of many is swapped in one call, each for itself, and answered in their order',
    async () => {
      await using stores = await openStores(kind);
      const { store } = stores;
      await swapFlow(store, 'b', null, 'one');
      const swaps = [
        { webhook: 'c', expected: null, next: 'three' },
        { webhook: 'b', expected: null, next: 'two' },
        { webhook: 'a', expected: null, next: 'four' },
      ];
      expect(await store.swapFlows(swaps)).toEqual([
        { isSwapped: true, current: 'three' },
        { isSwapped: false, current: 'one' },
        { isSwapped: true, current: 'four' },
      ]);
      expect(Object.fromEntries(await store.flows())).toEqual({ a: 'four', b: 'one', c: 'three' });
    },
  );

  it.skipIf(isSkipped)('is lost by nobody when many swap it at once', async () => {
    await using stores = await openStores(kind);
    const others = [stores.store, await stores.sibling(), await stores.sibling()];
    const add = async (store: (typeof others)[number]) => {
      let expected: string | null = null;
      for (;;) {
        const next = String(Number(expected ?? 0) + 1);
        const { isSwapped, current } = await swapFlow(store, 'w', expected, next);
        if (isSwapped) return;
        expected = current;
      }
    };
    await Promise.all(others.flatMap((store) => Array.from({ length: 20 }, () => add(store))));
    expect(await stores.store.flows()).toEqual(new Map([['w', '60']]));
  });

  it.skipIf(isSkipped)('goes with everything else of its prefix', async () => {
    await using stores = await openStores(kind, `f${randomBytes(4).toString('hex')}`);
    await swapFlow(stores.store, 'w', null, 'one');
    await stores.store.destroy();
    await stores.initialise();
    expect(await stores.store.flows()).toEqual(new Map());
  });
});
