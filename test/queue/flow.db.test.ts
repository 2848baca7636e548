/** Flow state in both stores: swapped by one, seen by all. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { openStores } from './openStores.ts';

describe.each(QUEUE_KINDS)('flow state on %s', (kind) => {
  const isSkipped = isQueueMissing(kind);

  it.skipIf(isSkipped)('is swapped only where it is what was expected', async () => {
    await using stores = await openStores(kind);
    const { store } = stores;
    expect(await store.swapFlow('w', null, 'one')).toEqual({ isSwapped: true, current: 'one' });
    expect(await store.swapFlow('w', null, 'two')).toEqual({ isSwapped: false, current: 'one' });
    expect(await store.swapFlow('w', 'other', 'two')).toEqual({ isSwapped: false, current: 'one' });
    expect(await store.swapFlow('w', 'one', 'two')).toEqual({ isSwapped: true, current: 'two' });
    expect(await store.swapFlow('w', 'two', 'two')).toEqual({ isSwapped: true, current: 'two' });
    await store.swapFlow('x', null, 'three');
    expect(await store.flows()).toEqual(
      new Map([
        ['w', 'two'],
        ['x', 'three'],
      ]),
    );
  });

  it.skipIf(isSkipped)('is lost by nobody when many swap it at once', async () => {
    await using stores = await openStores(kind);
    const others = [stores.store, await stores.sibling(), await stores.sibling()];
    const add = async (store: (typeof others)[number]) => {
      let expected: string | null = null;
      for (;;) {
        const next = String(Number(expected ?? 0) + 1);
        const { isSwapped, current } = await store.swapFlow('w', expected, next);
        if (isSwapped) return;
        expected = current;
      }
    };
    await Promise.all(others.flatMap((store) => Array.from({ length: 20 }, () => add(store))));
    expect(await stores.store.flows()).toEqual(new Map([['w', '60']]));
  });

  it.skipIf(isSkipped)('goes with everything else of its prefix', async () => {
    await using stores = await openStores(kind, `f${randomBytes(4).toString('hex')}`);
    await stores.store.swapFlow('w', null, 'one');
    await stores.store.destroy();
    await stores.initialise();
    expect(await stores.store.flows()).toEqual(new Map());
  });
});
