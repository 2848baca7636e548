/**
 * A failover under load: a master, its replica and three Sentinels, and what the replica lacks when it is promoted.
 * Nothing is lost where an acknowledgement has waited for the replica; where none could be asked it is told.
 */
import { Redis } from 'ioredis';
import { describe, expect, inject, it } from 'vitest';
import { parseLsn } from '../../src/core/lsn.ts';
import { walhook } from '../helpers/command.ts';
import { openSentinelSet, type SentinelSet } from '../helpers/redisSets.ts';
import { tlsPath } from '../helpers/tls.ts';
import { until } from '../helpers/until.ts';
import { loggedCodes, openScenario, type Scenario, untilCapturing } from './fixture.ts';

const NO_REDIS = inject('redisUrl') === null;
const PASSWORDS = { password: 'pw-of-servers', sentinelPassword: 'pw-of-sentinels' };

const on = (url: string) => openScenario({ queueSection: { url, prefix: 'faults' } });

/** Kills the master, and waits until the Sentinels name another. */
async function failOver(set: SentinelSet, index = 0): Promise<number> {
  const before = await set.masterPort();
  const startedMs = performance.now();
  await set.servers[index]?.kill();
  await until(async () => (await set.masterPort()) !== before, { timeoutMs: 60_000, what: 'a failover' });
  return performance.now() - startedMs;
}

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

/** Commits while something else happens. */
async function underLoad(scenario: Scenario, act: () => Promise<unknown>): Promise<number> {
  let isOver = false;
  let committed = 0;
  const writing = (async () => {
    while (!isOver) {
      await scenario.commit(20);
      committed += 20;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  await act();
  isOver = true;
  await writing;
  return committed;
}

/** What the queue still has to do. */
async function untilIdle({ file }: Scenario): Promise<void> {
  await until(
    async () => {
      const said = await walhook(['status', '--json', '-c', file]);
      const { webhooks = [] } = JSON.parse(said.stdout) as { webhooks?: Record<string, unknown>[] };
      return webhooks.every((one) => one['waiting'] === 0 && one['active'] === 0 && one['delayed'] === 0);
    },
    { timeoutMs: 30_000, what: 'an empty queue' },
  );
}

describe.skipIf(NO_REDIS)('a master that Sentinels replace', () => {
  it('under load, with passwords of its own: the daemon goes on with its successor and loses nothing', async () => {
    await using set = await openSentinelSet(PASSWORDS);
    const url = set.url(
      `:${PASSWORDS.password}@`,
      `mymaster/0?sentinel_password=${PASSWORDS.sentinelPassword}`,
    );
    await using scenario = await on(url);
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    expect(daemon.output()).toContain('when a connected replica has it');
    await scenario.commit(50);
    await scenario.untilComplete();
    await underLoad(scenario, async () => {
      // One of the Sentinels is gone too.
      await set.killSentinel(0);
      await failOver(set);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    });
    await scenario.untilComplete(60_000);
    await untilIdle(scenario);
    const end = await walEnd(scenario);
    await until(async () => (await confirmed(scenario)) >= end, { timeoutMs: 30_000, what: 'acknowledged' });
    expect((await scenario.status()).gaps).toEqual([]);
    // The old master comes back, as a replica; then it is promoted in its turn.
    await set.servers[0]?.start();
    const admin = set.admin(1);
    await until(async () => /slave0:.*state=online/.test(await admin.info('replication')), {
      timeoutMs: 60_000,
      what: 'the old master follows the new one',
    });
    admin.disconnect();
    await underLoad(scenario, () => failOver(set, 1));
    await scenario.untilComplete(60_000);
    expect((await scenario.status()).gaps).toEqual([]);
    expect(daemon.hasEnded()).toBe(false);
    expect(daemon.output()).not.toContain('pw-of');
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
  }, 240_000);

  it('by a replica that lacks the newest writes: they are read again, for nothing of them was acknowledged', async () => {
    await using set = await openSentinelSet();
    await using scenario = await on(set.url());
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    await scenario.commit(50);
    await scenario.untilComplete();
    await untilIdle(scenario);
    // The replica hears nothing any more, and its master does not know that yet.
    const [master, replica] = [set.admin(0), set.admin(1)];
    const pid = Number(/process_id:(\d+)/.exec(await replica.info('server'))?.[1]);
    process.kill(pid, 'SIGSTOP');
    const before = await walEnd(scenario);
    for (let i = 0; i < 10; i += 1) await scenario.commit(20);
    await until(() => scenario.verdict().lost.length === 0);
    // Longer than `ack_delay`, which alone would have acknowledged by now.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(await confirmed(scenario)).toBeLessThanOrEqual(before);
    const already = scenario.sink.received.length;
    expect(already).toBe(250);
    await set.servers[0]?.kill();
    process.kill(pid, 'SIGCONT');
    await until(async () => (await set.masterPort()) === Number(new URL(set.servers[1]?.url ?? '').port), {
      timeoutMs: 60_000,
    });
    for (let i = 0; i < 5; i += 1) await scenario.commit(20);
    await scenario.untilComplete(60_000);
    await untilIdle(scenario);
    expect((await scenario.status()).gaps).toEqual([]);
    master.disconnect();
    replica.disconnect();
  }, 240_000);

  it('by a replica that had been cut off for long is noticed, and kept as a Gap', async () => {
    await using set = await openSentinelSet({ settings: ['--repl-backlog-size', '16kb'] });
    await using scenario = await on(set.url());
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    await scenario.commit(50);
    await scenario.untilComplete();
    // It follows nobody: the master has no replica to ask, and acknowledges by itself.
    const replica = set.admin(1);
    const before = await walEnd(scenario);
    const [port] = [Number(new URL(set.servers[0]?.url ?? '').port)];
    await replica.call('CONFIG', 'SET', 'masterauth', 'wrong');
    await replica.call('REPLICAOF', '127.0.0.1', '1');
    for (let i = 0; i < 5; i += 1) await scenario.commit(20);
    const end = await walEnd(scenario);
    expect(end).toBeGreaterThan(before);
    await until(async () => (await confirmed(scenario)) >= end, { timeoutMs: 30_000, what: 'acknowledged' });
    await set.servers[0]?.kill();
    // By hand, as someone in need would do it: the Sentinels would not choose it.
    await replica.call('REPLICAOF', 'NO', 'ONE');
    for (const sentinel of set.sentinels) {
      const client = new Redis({ host: '127.0.0.1', port: sentinel, enableReadyCheck: false });
      await client.call('SENTINEL', 'REMOVE', 'mymaster');
      const other = Number(new URL(set.servers[1]?.url ?? '').port);
      await client.call('SENTINEL', 'MONITOR', 'mymaster', '127.0.0.1', other, 2);
      client.disconnect();
    }
    expect(port).toBeGreaterThan(0);
    await scenario.commit(10);
    await until(() => loggedCodes(daemon).includes('SLOT_LOST'), { timeoutMs: 60_000 });
    expect(daemon.output()).toContain('the queue came back older than it was');
    expect((await scenario.status()).gaps).toMatchObject([{ kind: 'slot_moved' }]);
    replica.disconnect();
  }, 240_000);

  it('and its Sentinels speak TLS, where the scheme is rediss+sentinel', async () => {
    const tls = { cert: tlsPath('server'), key: tlsPath('server', 'key'), ca: tlsPath('ca') };
    await using set = await openSentinelSet({ tls });
    await using scenario = await openScenario({ setup: null });
    const file = await scenario.variant((config) => ({
      ...config,
      queue: { ...config.queue, url: set.url(), prefix: 'faults' },
    }));
    // Node trusts further authorities only from its start on.
    const env = { NODE_EXTRA_CA_CERTS: tlsPath('ca') };
    const unknown = await walhook(['setup', '-c', file]);
    expect(unknown).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/certificate|self.signed|verify/i),
    });
    expect(await walhook(['setup', '-c', file], { env })).toMatchObject({ code: 0, stderr: '' });
    const daemon = scenario.daemon({ file, env });
    await untilCapturing(daemon);
    await scenario.commit(20);
    await scenario.untilComplete();
    await failOver(set);
    await scenario.commit(20);
    await scenario.untilComplete(60_000);
  }, 240_000);

  it('is held against what a queue needs at the start, and mistakes in the URL are told with their remedy', async () => {
    await using set = await openSentinelSet({ sentinelPassword: PASSWORDS.sentinelPassword });
    const good = set.url('', `mymaster?sentinel_password=${PASSWORDS.sentinelPassword}`);
    await using scenario = await on(good);
    const run = async (url: string) => {
      const file = await scenario.variant((config) => ({ ...config, queue: { url, prefix: 'faults' } }));
      return await walhook(['status', '-c', file]);
    };
    const of = (found: Awaited<ReturnType<typeof walhook>>) => `${found.code} ${found.stderr}`;
    expect(of(await run(set.url()))).toMatch(/^3 QUEUE_UNREACHABLE.*NOAUTH/s);
    expect(of(await run(set.url('', 'mymaster?sentinel_password=hunter2')))).toMatch(
      /^3 QUEUE_UNREACHABLE.*WRONGPASS/s,
    );
    expect(of(await run(set.url('', 'mymaster?sentinel_password=hunter2')))).not.toContain('hunter2');
    const other = good.replace('mymaster', 'other');
    expect(of(await run(other))).toMatch(/^3 QUEUE_UNREACHABLE.*sentinel/s);
    expect(of(await run(good.replace(/\/mymaster/, '')))).toMatch(/^2 .*queue\.url.*the master's name/s);
    const admin = set.admin(0);
    await admin.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    admin.disconnect();
    const { code, stderr } = await walhook(['run', '-c', scenario.file]);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('QUEUE_EVICTS') });
  }, 120_000);
});
