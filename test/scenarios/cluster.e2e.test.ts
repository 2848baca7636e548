/** A real Redis Cluster under load: a slot that moves to another node, and a node that dies and has a replica. */
import { describe, expect, inject, it } from 'vitest';
import { openRedisCluster, type RedisCluster } from '../helpers/redisSets.ts';
import { until } from '../helpers/until.ts';
import { openScenario, type Scenario, untilCapturing } from './fixture.ts';

const NO_REDIS = inject('redisUrl') === null;
const STORE = '{faults}:store';

/** What the store counts of the webhook. */
async function counters(cluster: RedisCluster) {
  const admin = cluster.admin(await cluster.ownerOf(STORE));
  const names = ['pending', 'active', 'delayed', 'delivered_total', 'failed_total'] as const;
  const counted = await admin.hmget('{faults}:count:ops', ...names);
  const taken = await admin.keys('{faults}:owned:*');
  admin.disconnect();
  return { ...Object.fromEntries(names.map((name, i) => [name, Number(counted[i] ?? 0)])), taken };
}

/** Commits while something else happens. */
async function underLoad(scenario: Scenario, act: () => Promise<unknown>): Promise<void> {
  let isOver = false;
  const writing = (async () => {
    while (!isOver) {
      await scenario.commit(20);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  })();
  try {
    await act();
  } finally {
    isOver = true;
    await writing;
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(NO_REDIS)('a Redis Cluster', () => {
  it('of three moves our slot under load: nothing is lost, and no operation is done by half', async () => {
    await using cluster = await openRedisCluster();
    await using scenario = await openScenario({ queueSection: { url: cluster.url(), prefix: 'faults' } });
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    await scenario.commit(50);
    await scenario.untilComplete();
    // The receiver is slow, so that there is something in the slot that moves.
    scenario.sink.answerWith((_request, response) => void setTimeout(() => response.end(), 100));
    for (let round = 0; round < 3; round += 1) {
      await underLoad(scenario, async () => {
        await pause(500);
        await cluster.moveSlot(STORE, ((await cluster.ownerOf(STORE)) + 1) % 3, 20);
        await pause(500);
      });
    }
    scenario.sink.answerWith((_request, response) => void response.end());
    await scenario.untilComplete(60_000);
    const total = new Set(scenario.sink.received.map(({ headers }) => headers['webhook-id'])).size;
    // Every script ran as a whole or not at all: what is counted is what arrived.
    const rest = { pending: 0, active: 0, delayed: 0, failed_total: 0, taken: [] };
    await expect
      .poll(() => counters(cluster), { timeout: 30_000 })
      .toEqual({ ...rest, delivered_total: total });
    expect((await scenario.status()).gaps).toEqual([]);
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
  }, 240_000);

  it.each([
    ['all of them', (nodes: readonly number[]) => nodes],
    ['the one that dies alone', (_nodes: readonly number[], owner: number) => [owner]],
  ])(
    'with replicas loses the node of our slot under load; the URL names %s',
    async (_what, named) => {
      await using cluster = await openRedisCluster(3, 1);
      const owner = await cluster.ownerOf(STORE);
      const url = cluster.url(named([0, 1, 2, 3, 4, 5], owner));
      await using scenario = await openScenario({ queueSection: { url, prefix: 'faults' } });
      const daemon = scenario.daemon();
      await untilCapturing(daemon);
      await scenario.commit(50);
      await scenario.untilComplete();
      await underLoad(scenario, async () => {
        await cluster.nodes[owner]?.kill();
        await until(async () => (await cluster.ownerOf(STORE)) !== owner, { timeoutMs: 60_000 });
        await pause(1_000);
      });
      await scenario.untilComplete(60_000);
      if (named([0, 1], owner).length === 1) return;
      expect((await scenario.status()).gaps).toEqual([]);
      daemon.kill('SIGTERM');
      expect(await daemon.ended).toBe(0);
    },
    240_000,
  );
});
