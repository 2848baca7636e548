/** A store that is cut off without a word: nothing ends the connection, and nothing is answered. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { openQueue } from '../../src/queue/open.ts';
import { openProxy } from '../helpers/proxy.ts';
import { isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { openStores } from './openStores.ts';

describe.each(QUEUE_KINDS)('a store on %s that does not answer', (kind) => {
  it.skipIf(isQueueMissing(kind))(
    'is given up in seconds, keeps nobody from closing, and is used again when it answers',
    async () => {
      const prefix = `s${Math.random().toString(16).slice(2, 12)}`;
      await using stores = await openStores(kind, prefix);
      await using proxy = await openProxy(stores.url);
      const location = { url: () => proxy.url, prefix };
      const store = await openQueue(location, systemClock);
      const other = await openQueue(location, systemClock);
      try {
        await store.heartbeat('p', 10_000);
        await other.heartbeat('q', 10_000);
        proxy.freeze();
        const askedMs = performance.now();
        await expect(store.dueWebhooks(Date.now())).rejects.toMatchObject({ code: 'QUEUE_UNREACHABLE' });
        expect(performance.now() - askedMs).toBeLessThan(25_000);
        const closedMs = performance.now();
        await other.close();
        expect(performance.now() - closedMs).toBeLessThan(8_000);
        proxy.cut();
        await expect
          .poll(() => store.dueWebhooks(Date.now()).catch(() => null), { timeout: 20_000 })
          .toEqual([]);
      } finally {
        await store.close();
      }
    },
  );
});
