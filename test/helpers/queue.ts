/** Queues of both kinds for tests that run the whole command. */
import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { createDatabase } from './database.ts';

export type QueueKind = 'postgres' | 'redis';

export const QUEUE_KINDS: readonly QueueKind[] = ['postgres', 'redis'];

export function isQueueMissing(kind: QueueKind): boolean {
  return kind === 'redis' && inject('redisUrl') === null;
}

export interface TestQueue extends AsyncDisposable {
  /** The `queue` section of a configuration. */
  readonly section: { readonly url: string; readonly prefix: string };
}

export async function createQueue(kind: QueueKind): Promise<TestQueue> {
  const prefix = `q${randomBytes(5).toString('hex')}`;
  if (kind === 'redis') {
    return {
      section: { url: inject('redisUrl') ?? '', prefix },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const database = await createDatabase();
  return {
    section: { url: database.url, prefix },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}
