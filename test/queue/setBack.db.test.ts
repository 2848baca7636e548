/** A Redis that comes back with less than it had, as after a crash or a failover, while a process has jobs in hand. */
import { Redis } from 'ioredis';
import { describe, expect, inject, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { toBatches } from '../../src/queue/delivery.ts';
import { openQueue } from '../../src/queue/open.ts';
import { openLocalRedis } from '../helpers/redisServer.ts';
import { until } from '../helpers/until.ts';
import { DELIVERED, deliveriesAt, INSTALLATION, reports } from './stores.ts';

describe.skipIf(inject('redisUrl') === null)('a Redis set back to an earlier time', () => {
  it('gives no job the id of one that was lost: whoever has that in hand ends no other', async () => {
    await using redis = await openLocalRedis([]);
    const url = redis?.url ?? '';
    const store = await openQueue({ url: () => url, prefix: 'back' }, systemClock);
    let reconnected = 0;
    await store.onWake(
      () => undefined,
      () => undefined,
      () => {
        reconnected += 1;
      },
    );
    await store.initialise(INSTALLATION, 'pos-0');
    const fence = await store.takeFence();
    await store.heartbeat('p', 10_000);
    const flush = async (from: number, to: number) => {
      const batches = toBatches('w', deliveriesAt(from, to));
      const whole = { fence, from: 'pos-0', to: 'pos-1', batches, failed: [], definitions: null };
      expect(await store.flush(whole)).toBe('done');
    };
    const claim = async () =>
      (await store.claim({ webhook: 'w', process: 'p', maxJobs: 9, nowMs: 1e12 })).jobs;
    const admin = new Redis(url);
    await admin.save();
    admin.disconnect();
    await flush(1, 3);
    const [lost] = await claim();
    if (lost === undefined) throw new Error('nothing was claimed');
    await redis?.kill();
    await redis?.start();
    await until(() => reconnected === 1, { timeoutMs: 10_000 });
    // Other Events than before: what a reload made of the same Changes.
    await flush(7, 9);
    const [job] = await claim();
    expect(job?.deliveries).toEqual(deliveriesAt(7, 9));
    expect(Number(job?.id)).toBeGreaterThan(Number(lost.id));
    await store.report('p', reports(lost, DELIVERED));
    expect((await store.counts()).get('w')).toMatchObject({ active: 3, delivered: 0 });
    if (job !== undefined) await store.report('p', reports(job, DELIVERED));
    expect((await store.counts()).get('w')).toMatchObject({ active: 0, delivered: 3 });
    await store.close();
  });
});
