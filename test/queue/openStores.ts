/** Stores of both kinds, set up, with as many connections to each as a test wants. */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../src/core/clock.ts';
import { openQueue } from '../../src/queue/open.ts';
import type { Installation, QueueStore } from '../../src/queue/store.ts';
import { createQueue, type QueueKind } from '../helpers/queue.ts';

const INSTALLATION: Installation = {
  queueId: 'q',
  generation: '0badcafe',
  environment: 'test',
  systemIdentifier: '7',
  database: 'db',
  slot: 'walhook',
};

export interface Stores extends AsyncDisposable {
  readonly store: QueueStore;
  readonly fence: number;
  readonly url: string;
  initialise(): Promise<void>;
  /** Another process's connection to the same store. */
  sibling(): Promise<QueueStore>;
}

export async function openStores(
  kind: QueueKind,
  prefix = `s${randomBytes(6).toString('hex')}`,
): Promise<Stores> {
  const queue = await createQueue(kind);
  const location = { url: () => queue.section.url, prefix };
  const store = await openQueue(location, systemClock);
  const opened = [store];
  const initialise = () => store.initialise(INSTALLATION, 'pos-0');
  await initialise();
  return {
    store,
    url: queue.section.url,
    fence: await store.takeFence(),
    initialise,
    async sibling() {
      const other = await openQueue(location, systemClock);
      opened.push(other);
      return other;
    },
    async [Symbol.asyncDispose]() {
      await store.destroy();
      await Promise.all(opened.map((one) => one.close()));
      await queue[Symbol.asyncDispose]();
    },
  };
}
