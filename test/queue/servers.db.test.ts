/** The queue on servers of other kinds: nodes of a cluster, and behind TLS. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { describe, expect, inject, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { toBatches } from '../../src/queue/delivery.ts';
import { openQueue } from '../../src/queue/open.ts';
import type { QueueStore } from '../../src/queue/store.ts';
import { deliveries } from '../deliver/webhooks.ts';
import { type LocalRedis, openLocalRedis } from '../helpers/redisServer.ts';
import { openRedisCluster } from '../helpers/redisSets.ts';
import { tlsPath } from '../helpers/tls.ts';
import { until } from '../helpers/until.ts';

const NO_REDIS = inject('redisUrl') === null;
const SLOTS = 16_384;
const INSTALLATION = {
  queueId: 'q',
  generation: '0badcafe',
  environment: 'test',
  systemIdentifier: '7',
  database: 'db',
  slot: 'walhook',
};

async function open(settings: readonly string[], port?: number): Promise<LocalRedis> {
  const redis = await openLocalRedis(settings, port);
  if (redis === null) throw new Error('no redis-server');
  return redis;
}

/** Everything that a daemon does with a store, once. */
async function exercise(store: QueueStore): Promise<void> {
  await store.initialise(INSTALLATION, 'pos-0');
  const fence = await store.takeFence();
  const woken: string[] = [];
  await store.onWake((webhooks) => void woken.push(...webhooks));
  const batches = toBatches('w', deliveries(30, Date.now()));
  const flush = { fence, from: 'pos-0', to: 'pos-1', batches, failed: [], definitions: null };
  expect(await store.flush(flush)).toBe('done');
  await store.heartbeat('p', 10_000);
  expect(await store.dueWebhooks(Date.now())).toEqual(['w']);
  const { jobs } = await store.claim({ webhook: 'w', process: 'p', maxJobs: 8, nowMs: Date.now() });
  const reports = jobs.flatMap((job) =>
    job.deliveries.map((_, index) => ({
      job,
      index,
      isLast: index === job.deliveries.length - 1,
      outcome:
        index === 0 ? ({ kind: 'retry', attempts: 1, dueMs: 1 } as const) : ({ kind: 'delivered' } as const),
    })),
  );
  await store.report('p', reports);
  expect((await store.counts()).get('w')).toMatchObject({ delivered: 28, delayed: 2, active: 0 });
  expect((await store.deliveries.list({ webhook: 'w' }, { limit: 50, cursor: null })).items).toHaveLength(30);
  expect((await store.swapFlow('w', null, '{}')).isSwapped).toBe(true);
  await store.pause('w');
  await until(() => woken.includes('w'));
}

describe.skipIf(NO_REDIS)('a cluster', () => {
  const CLUSTER = ['--cluster-enabled', 'yes'];

  it('of one node takes it: all keys are in one slot', async () => {
    await using redis = await open(CLUSTER);
    const admin = new Redis(redis.url);
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', 0, SLOTS - 1);
    await until(async () => String(await admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok'));
    const store = await openQueue({ url: () => redis.url, prefix: 'walhook' }, systemClock);
    await exercise(store);
    const keys = await admin.keys('*');
    const slots = await Promise.all(keys.map((key) => admin.call('CLUSTER', 'KEYSLOT', key)));
    expect(keys.length).toBeGreaterThan(10);
    expect(new Set(slots).size).toBe(1);
    await store.close();
    admin.disconnect();
  });

  it('of several nodes is asked where the slot is, whichever node the URL names', async () => {
    await using one = await open(CLUSTER);
    await using other = await open(CLUSTER);
    const [a, b] = [new Redis(one.url), new Redis(other.url)];
    const ours = Number(await a.call('CLUSTER', 'KEYSLOT', '{walhook}:store'));
    // The other node has our slot and all behind it.
    await a.call('CLUSTER', 'ADDSLOTSRANGE', 0, ours - 1);
    await b.call('CLUSTER', 'ADDSLOTSRANGE', ours, SLOTS - 1);
    await b.call('CONFIG', 'SET', 'cluster-announce-ip', '127.0.0.1');
    await a.call('CLUSTER', 'MEET', '127.0.0.1', new URL(other.url).port);
    await until(async () => String(await a.call('CLUSTER', 'INFO')).includes('cluster_state:ok'));
    await until(async () => String(await b.call('CLUSTER', 'INFO')).includes('cluster_state:ok'));
    const store = await openQueue({ url: () => one.url, prefix: 'walhook' }, systemClock);
    await exercise(store);
    expect([await a.dbsize(), (await b.dbsize()) > 10]).toEqual([0, true]);
    await store.close();
    a.disconnect();
    b.disconnect();
  });
});

describe.skipIf(NO_REDIS)('a slot that is moving to another node', () => {
  it('takes no operation by half: each is refused as a whole, and works again afterwards', async () => {
    await using cluster = await openRedisCluster();
    const store = await openQueue({ url: () => cluster.url(), prefix: 'walhook' }, systemClock);
    await store.initialise(INSTALLATION, 'pos-0');
    const fence = await store.takeFence();
    const flush = async (from: string, to: string) => {
      const batches = [...toBatches('w', deliveries(3, 1_000)), ...toBatches('x', deliveries(2, 1_000))];
      return await store.flush({ fence, from, to, batches, failed: [], definitions: null });
    };
    await flush('pos-0', 'pos-1');
    await store.heartbeat('p', 10_000);
    const request = { webhook: 'w', process: 'p', maxJobs: 1, nowMs: 2_000 };
    const [job] = (await store.claim(request)).jobs;
    if (job === undefined) throw new Error('nothing was claimed');
    const owner = await cluster.ownerOf('{walhook}:store');
    const [source, target] = [cluster.admin(owner), cluster.admin((owner + 1) % 3)];
    const slot = Number(await source.call('CLUSTER', 'KEYSLOT', '{walhook}:store'));
    const dump = async () => {
      const keys = (await source.keys('*')).sort();
      return await Promise.all(
        keys.map(async (key) => [key, (await source.dumpBuffer(key))?.toString('hex')]),
      );
    };
    const before = await dump();
    await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(await source.call('CLUSTER', 'MYID')));
    await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(await target.call('CLUSTER', 'MYID')));
    const outcome = { kind: 'retry', attempts: 1, dueMs: 5_000 } as const;
    const reports = [
      { job, index: 0, outcome: { kind: 'delivered' } as const, isLast: false },
      { job, index: 1, outcome, isLast: false },
    ];
    const refused = { code: 'QUEUE_UNREACHABLE', message: expect.stringContaining('moves to another node') };
    await expect(store.report('p', reports)).rejects.toMatchObject(refused);
    await expect(flush('pos-1', 'pos-2')).rejects.toMatchObject(refused);
    await expect(store.claim({ ...request, webhook: 'x' })).rejects.toMatchObject(refused);
    await expect(store.release('p', [job])).rejects.toMatchObject(refused);
    await expect(store.pause('x')).rejects.toMatchObject(refused);
    await expect(store.deliveries.cancel({ webhook: 'x' }, 1)).rejects.toMatchObject(refused);
    expect(await dump()).toEqual(before);
    await source.call('CLUSTER', 'SETSLOT', slot, 'STABLE');
    await target.call('CLUSTER', 'SETSLOT', slot, 'STABLE');
    await store.report('p', reports);
    expect((await store.counts()).get('w')).toMatchObject({ delivered: 1, delayed: 1, active: 1 });
    await store.close();
    source.disconnect();
    target.disconnect();
  });
});

describe.skipIf(NO_REDIS)('a server behind TLS', () => {
  it('is spoken to with rediss://, when its certificate is trusted', async () => {
    const port = await freePort();
    const files = ['--tls-cert-file', tlsPath('server'), '--tls-key-file', tlsPath('server', 'key')];
    const authority = ['--tls-ca-cert-file', tlsPath('ca'), '--tls-auth-clients', 'no'];
    await using redis = await open(['--tls-port', String(port), ...files, ...authority]);
    expect(redis.url).toContain('redis://');
    const url = `rediss://localhost:${port}`;
    await expect(openQueue({ url: () => url, prefix: 'walhook' }, systemClock)).rejects.toMatchObject({
      code: 'QUEUE_UNREACHABLE',
      message: expect.stringMatching(/certificate|self.signed|verify/i),
    });
    // Node trusts further authorities only from its start on.
    const main = new URL('../../dist/queue/open.js', import.meta.url).href;
    const script = `
      const { openQueue } = await import('${main}');
      const store = await openQueue({ url: () => '${url}', prefix: 'walhook' }, { now: () => 0 });
      console.log(await store.takeFence());
      await store.close();`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: tlsPath('ca') },
    });
    expect(stdout.trim()).toBe('1');
  });
});
