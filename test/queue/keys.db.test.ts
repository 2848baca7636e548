/** Names that could be taken for something else by what stores them. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { toBatches } from '../../src/queue/delivery.ts';
import { deliveries } from '../deliver/webhooks.ts';
import { isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { openStores } from './openStores.ts';

const WEBHOOKS = ['1', '007', 'a:b', '{x}', 'constructor', '-'];

describe.each(QUEUE_KINDS)('a Webhook on %s', (kind) => {
  it.skipIf(isQueueMissing(kind)).each(WEBHOOKS)('may have the key %s', async (webhook) => {
    await using stores = await openStores(kind);
    const { store, fence } = stores;
    const batches = toBatches(webhook, deliveries(2, 1_000));
    await store.flush({ fence, from: 'pos-0', to: 'pos-1', batches, failed: [], definitions: null });
    await store.heartbeat('host:1', 10_000);
    expect(await store.dueWebhooks(2_000)).toEqual([webhook]);
    const { jobs } = await store.claim({ webhook, process: 'host:1', maxJobs: 8, nowMs: 2_000 });
    expect(jobs.map((job) => job.deliveries.length)).toEqual([2]);
    const [job] = jobs;
    if (job === undefined) throw new Error('nothing was claimed');
    await store.report('host:1', [
      { job, index: 0, outcome: { kind: 'delivered' }, isLast: false },
      { job, index: 1, outcome: { kind: 'retry', attempts: 1, dueMs: 5_000 }, isLast: true },
    ]);
    expect((await store.counts()).get(webhook)).toMatchObject({ delivered: 1, delayed: 1, active: 0 });
    const { items } = await store.deliveries.list({ webhook }, { limit: 10, cursor: null });
    expect(items.map((one) => one.state).sort()).toEqual(['delayed', 'delivered']);
  });
});

describe('keys in Redis', () => {
  it.skipIf(isQueueMissing('redis'))(
    'all share the hash tag of their prefix, so that a cluster keeps them on one node',
    async () => {
      const prefix = `k${randomBytes(6).toString('hex')}`;
      await using stores = await openStores('redis', prefix);
      const { store, fence, url } = stores;
      const batches = toBatches('w', deliveries(3, 1_000));
      await store.flush({ fence, from: 'pos-0', to: 'pos-1', batches, failed: [], definitions: '{}' });
      await store.putNote('a note', 'its text');
      await store.heartbeat('p', 10_000);
      await store.swapFlows([{ webhook: 'w', expected: null, next: '{}' }]);
      const { jobs } = await store.claim({ webhook: 'w', process: 'p', maxJobs: 1, nowMs: 2_000 });
      const [job] = jobs;
      if (job === undefined) throw new Error('nothing was claimed');
      await store.report('p', [
        { job, index: 0, outcome: { kind: 'delivered' }, isLast: false },
        { job, index: 1, outcome: { kind: 'retry', attempts: 1, dueMs: 5_000 }, isLast: false },
      ]);
      await store.pause('w');
      const redis = new Redis(url);
      try {
        const keys = await redis.keys(`*${prefix}*`);
        expect(keys.length).toBeGreaterThan(5);
        expect(keys.filter((key) => !key.startsWith(`{${prefix}}:`))).toEqual([]);
      } finally {
        redis.disconnect();
      }
    },
  );
});
