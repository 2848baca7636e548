/**
 * What can happen to a Redis under load: where it kept what it had said was stored, nothing is lost; where it did
 * not, walhook notices and says so. A crash of its machine is played by putting its files back to an earlier time.
 */
import { spawnSync } from 'node:child_process';
import { cp, rm } from 'node:fs/promises';
import { Redis } from 'ioredis';
import { describe, expect, inject, it } from 'vitest';
import { formatLsn, parseLsn } from '../../src/core/lsn.ts';
import { walhook } from '../helpers/command.ts';
import { openConfirmingRedis } from '../helpers/confirmingRedis.ts';
import { openProxy } from '../helpers/proxy.ts';
import { type LocalRedis, openLocalRedis } from '../helpers/redisServer.ts';
import { until } from '../helpers/until.ts';
import { loggedCodes, openScenario, type Scenario, untilCapturing } from './fixture.ts';

const NO_REDIS = inject('redisUrl') === null;
const AOF = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction'];

async function open(settings: readonly string[] = AOF): Promise<LocalRedis> {
  const redis = await openLocalRedis(settings);
  if (redis === null) throw new Error('no redis-server');
  return redis;
}

const on = (url: string, more: Readonly<Record<string, unknown>> = {}) =>
  openScenario({ queueSection: { url, prefix: 'faults', ...more } });

async function confirmed({ database, slot }: Scenario) {
  const { rows } = await database.client.query<{ lsn: string }>(
    'select confirmed_flush_lsn::text as lsn from pg_replication_slots where slot_name = $1',
    [slot],
  );
  return parseLsn(rows[0]?.lsn ?? '');
}

async function walEnd({ database }: Scenario) {
  const { rows } = await database.client.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
  return parseLsn(rows[0]?.lsn ?? '');
}

/** The files of a Redis as they are now, to be put back later: what came after is lost, as in a power cut. */
async function snapshot(redis: LocalRedis) {
  const kept = `${redis.folder}-kept`;
  await cp(redis.folder, kept, { recursive: true });
  return {
    async restore() {
      await rm(redis.folder, { recursive: true });
      await cp(kept, redis.folder, { recursive: true });
    },
    [Symbol.asyncDispose]: () => rm(kept, { recursive: true, force: true }),
  };
}

describe.skipIf(NO_REDIS)('a Redis that confirms what is on its disk', () => {
  it('is asked after each flush, and nothing is acknowledged before it says yes', async () => {
    await using redis = await open();
    await using confirming = await openConfirmingRedis(redis.url);
    await using scenario = await on(confirming.url);
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    expect(daemon.output()).toContain('acknowledged when WAITAOF confirms');
    await scenario.commit(50);
    const first = await walEnd(scenario);
    await until(async () => (await confirmed(scenario)) >= first);
    confirming.sync(false);
    const before = confirming.asked();
    await scenario.commit(50);
    const second = await walEnd(scenario);
    // The flow does not wait for the disk, only the acknowledgement does.
    await scenario.untilComplete();
    await until(() => confirming.asked() > before);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(await confirmed(scenario)).toBeLessThan(second);
    confirming.sync(true);
    await until(async () => (await confirmed(scenario)) >= second, {
      what: `${formatLsn(second)} to be acknowledged`,
    });
    expect((await walhook(['status', '-c', scenario.file])).stdout).toContain('WAITAOF');
  });

  it('loses nothing in a power cut under load: what was not on its disk is read again', async () => {
    await using redis = await open();
    await using confirming = await openConfirmingRedis(redis.url);
    await using scenario = await on(confirming.url);
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    for (let i = 0; i < 5; i += 1) await scenario.commit(50);
    await scenario.untilComplete();
    confirming.sync(false);
    // The receiver answers nothing meanwhile, so that what waits is in the queue alone.
    scenario.sink.answerWith((_request, response) => void setTimeout(() => response.end(), 1_000));
    await using disk = await snapshot(redis);
    const before = confirming.asked();
    for (let i = 0; i < 10; i += 1) await scenario.commit(50);
    await until(() => confirming.asked() > before);
    await redis.kill();
    await disk.restore();
    await scenario.commit(50);
    await redis.start();
    confirming.sync(true);
    scenario.sink.answerWith((_request, response) => void response.end());
    await scenario.untilComplete(60_000);
    expect((await scenario.status()).gaps).toEqual([]);
  }, 120_000);
});

/** The first server of the PATH that has the command itself; most machines have none. */
const REAL = ['valkey-server', 'redis-server'].find((command) => {
  const said = spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout ?? '';
  const [, major = '0', minor = '0'] = /v=(\d+)\.(\d+)/.exec(said) ?? [];
  return Number(major) > 7 || (Number(major) === 7 && Number(minor) >= 2);
});

describe.skipIf(REAL === undefined)('a server that has WAITAOF', () => {
  it('confirms what is stored, and it is acknowledged', async () => {
    await using redis = await openLocalRedis(AOF, undefined, REAL);
    await using scenario = await on(redis?.url ?? '');
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    expect(daemon.output()).toContain('acknowledged when WAITAOF confirms');
    await scenario.commit(50);
    const end = await walEnd(scenario);
    await until(async () => (await confirmed(scenario)) >= end);
  });
});

describe.skipIf(NO_REDIS)('a Redis that cannot confirm', () => {
  it('loses nothing in a power cut of what was stored less than ack_delay ago', async () => {
    await using redis = await open();
    await using scenario = await on(redis.url);
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    expect(daemon.output()).toMatch(/acknowledged 2 s later|WAITAOF/);
    await scenario.commit(50);
    await scenario.untilComplete();
    await using disk = await snapshot(redis);
    for (let i = 0; i < 5; i += 1) await scenario.commit(50);
    await until(() => scenario.verdict().lost.length === 0);
    await redis.kill();
    await disk.restore();
    scenario.sink.received.length = 0;
    await redis.start();
    await scenario.commit(50);
    await until(() => scenario.sink.received.length >= 300, { timeoutMs: 60_000 });
    expect((await scenario.status()).gaps).toEqual([]);
  }, 120_000);
});

describe.skipIf(NO_REDIS)('a Redis that is killed under load', () => {
  it('with its append-only file has everything again', async () => {
    await using redis = await open();
    await using scenario = await on(redis.url);
    await untilCapturing(scenario.daemon());
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < 4; i += 1) await scenario.commit(50);
      await redis.kill();
      await scenario.commit(50);
      await redis.start();
    }
    await scenario.untilComplete(60_000);
    expect((await scenario.status()).gaps).toEqual([]);
  }, 120_000);

  it('and comes back as a replica that may only be read holds the stream until it may be written', async () => {
    await using redis = await open();
    await using scenario = await on(redis.url);
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    await scenario.commit(100);
    await redis.kill();
    await redis.start([...AOF, '--replicaof', '127.0.0.1 1']);
    await scenario.commit(100);
    await until(() => /READONLY/.test(daemon.output()), { timeoutMs: 30_000 });
    const admin = new Redis(redis.url);
    await admin.call('REPLICAOF', 'NO', 'ONE');
    admin.disconnect();
    await scenario.untilComplete(60_000);
  }, 120_000);

  it('and comes back empty is noticed, told with its remedy, and kept as a Gap', async () => {
    await using redis = await open(['--appendonly', 'no', '--maxmemory-policy', 'noeviction']);
    await using scenario = await on(redis.url);
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    expect((await walhook(['check', '-c', scenario.file])).stdout).toContain('QUEUE_NOT_DURABLE');
    await scenario.commit(100);
    await scenario.untilComplete();
    await redis.kill();
    await scenario.commit(50);
    await redis.start();
    expect(await daemon.ended).toBe(1);
    expect(loggedCodes(daemon).concat(daemon.output())).toContainEqual(expect.stringContaining('QUEUE_LOST'));
    expect(daemon.output()).toContain('--accept-gap');
    const accepted = await walhook(['setup', '-c', scenario.file, '--accept-gap']);
    expect(accepted).toMatchObject({ code: 0, stdout: expect.stringContaining('queue_lost') });
    expect((await scenario.status()).gaps).toMatchObject([{ kind: 'queue_lost' }]);
    await untilCapturing(scenario.daemon());
    const already = scenario.sink.received.length;
    await scenario.commit(20);
    await until(() => scenario.sink.received.length >= already + 20);
  }, 120_000);

  it('and comes back as it was before what it had said was stored is noticed', async () => {
    await using redis = await open(['--appendonly', 'no', '--maxmemory-policy', 'noeviction']);
    await using scenario = await on(redis.url);
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    await scenario.commit(10);
    await scenario.untilComplete();
    const admin = new Redis(redis.url);
    await admin.save();
    admin.disconnect();
    for (let i = 0; i < 3; i += 1) await scenario.commit(100);
    const end = await walEnd(scenario);
    await until(async () => (await confirmed(scenario)) >= end);
    await redis.kill();
    await redis.start();
    await scenario.commit(10);
    await until(() => daemon.output().includes('SLOT_LOST'), { timeoutMs: 30_000 });
    expect(daemon.output()).toContain('the queue came back older than it was');
    expect((await scenario.status()).gaps).toMatchObject([{ kind: 'slot_moved' }]);
  }, 120_000);
});

describe.skipIf(NO_REDIS)('a Redis', () => {
  it('that answers after 200 ms delays, and loses and doubles nothing', async () => {
    await using redis = await open();
    await using proxy = await openProxy(redis.url);
    await using scenario = await on(proxy.url);
    proxy.delay(200);
    await untilCapturing(scenario.daemon(), 60_000);
    for (let i = 0; i < 5; i += 1) await scenario.commit(100);
    await scenario.untilComplete(60_000);
    expect(scenario.sink.received).toHaveLength(500);
  }, 120_000);

  it.each([
    'allkeys-lru',
    'volatile-ttl',
  ])('with the policy %s is refused at the start, unless that is asked for', async (policy) => {
    await using redis = await open([...AOF, '--maxmemory-policy', policy]);
    await using scenario = await on(redis.url);
    const { code, stderr } = await walhook(['run', '-c', scenario.file]);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('QUEUE_EVICTS') });
    expect(stderr).toContain('CONFIG SET maxmemory-policy noeviction');
    const lenient = await scenario.variant((config) => ({
      ...config,
      queue: { ...config.queue, require_noeviction: false },
    }));
    await untilCapturing(scenario.daemon({ file: lenient }));
    await scenario.commit(3);
    await scenario.untilComplete();
  });
});
