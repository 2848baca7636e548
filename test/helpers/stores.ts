/** Stores of both kinds, opened on a queue of the test's own. */
import { systemClock } from '../../src/core/clock.ts';
import { openQueue } from '../../src/queue/open.ts';
import type { QueueStore } from '../../src/queue/store.ts';
import type { TestQueue } from './queue.ts';

/** Opens a queue's store; `close` is the caller's. */
export function openStore({ url, prefix }: TestQueue['section']): Promise<QueueStore> {
  return openQueue({ url: () => url, prefix }, systemClock);
}
