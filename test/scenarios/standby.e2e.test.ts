/**
 * 12: a slot in use by another process. One daemon captures, the others stand by; whoever is stopped or cut off
 * is replaced and does no harm when it comes back.
 */
import { describe, expect, it } from 'vitest';
import { walhook } from '../helpers/command.ts';
import { openProxy } from '../helpers/proxy.ts';
import { createQueue, isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { loadFactor, until } from '../helpers/until.ts';
import { openScenario, untilCapturing } from './fixture.ts';

/** What a loaded machine may add to the time promised: more where many processes wait for each core. */
const SLACK_MS = 4_000 * loadFactor() ** 2;
const TAKEOVER_MS = 15_000 + SLACK_MS;

describe.each(QUEUE_KINDS)('12: several daemons, queue on %s', (kind) => {
  const isSkipped = isQueueMissing(kind);

  it.skipIf(isSkipped)('take over within 3 s of a kill', async () => {
    await using scenario = await openScenario({ queue: kind });
    const leader = scenario.daemon();
    await untilCapturing(leader);
    const standby = scenario.daemon();
    await standby.untilLogged('standing by');
    await scenario.commit(3);
    leader.kill('SIGKILL');
    const killedMs = performance.now();
    await untilCapturing(standby, 20_000 + SLACK_MS);
    expect(performance.now() - killedMs).toBeLessThan(3_000 + SLACK_MS);
    await scenario.commit(3);
    await scenario.untilComplete();
  });

  it.skipIf(isSkipped)(
    'take over within 15 s of a stop; who comes back stores and acknowledges nothing',
    async () => {
      await using scenario = await openScenario({ queue: kind });
      const leader = scenario.daemon();
      await untilCapturing(leader);
      const standby = scenario.daemon();
      await standby.untilLogged('standing by');
      await scenario.commit(3);
      await scenario.untilComplete();
      leader.kill('SIGSTOP');
      const stoppedMs = performance.now();
      await scenario.commit(50);
      await untilCapturing(standby, TAKEOVER_MS);
      expect(performance.now() - stoppedMs).toBeLessThan(TAKEOVER_MS + 1_000);
      await scenario.commit(50);
      leader.kill('SIGCONT');
      await until(() => leader.log().filter(({ msg }) => String(msg).includes('standing by')).length > 0, {
        what: `the former leader stands by: ${leader.output()}`,
      });
      await scenario.commit(50);
      await scenario.untilComplete();
      // Deliveries taken by the stopped process may be sent twice, with the same id; none is stored twice.
      const captured = standby.log().filter(({ msg }) => msg === 'capturing');
      expect(captured).toHaveLength(1);
      expect(leader.log().filter(({ msg }) => msg === 'capturing')).toHaveLength(1);
      standby.kill('SIGTERM');
      expect(await standby.ended).toBe(0);
      await until(() => leader.log().filter(({ msg }) => msg === 'capturing').length === 2);
      await scenario.commit(5);
      await scenario.untilComplete();
    },
  );
});

describe('12: several daemons', () => {
  it('take over within 15 s of a partition from PostgreSQL', async () => {
    await using scenario = await openScenario();
    await using proxy = await openProxy(scenario.database.url);
    const leader = scenario.daemon({
      file: await scenario.variant((config) => ({
        ...config,
        postgres: { ...config.postgres, url: proxy.url },
      })),
    });
    await untilCapturing(leader);
    const standby = scenario.daemon();
    await standby.untilLogged('standing by');
    proxy.swallow('both');
    const cutMs = performance.now();
    await scenario.commit(20);
    await untilCapturing(standby, TAKEOVER_MS);
    expect(performance.now() - cutMs).toBeLessThan(TAKEOVER_MS + 1_000);
    proxy.swallow('none');
    await scenario.commit(20);
    await scenario.untilComplete();
  });

  it('take over within 15 s of a partition from the queue', async () => {
    await using scenario = await openScenario();
    const { url: queueUrl } = await scenario.queueSection();
    await using proxy = await openProxy(queueUrl);
    const leader = scenario.daemon({
      file: await scenario.variant((config) => ({ ...config, queue: { ...config.queue, url: proxy.url } })),
    });
    await untilCapturing(leader);
    const standby = scenario.daemon();
    await standby.untilLogged('standing by');
    proxy.swallow('both');
    const cutMs = performance.now();
    await scenario.commit(20);
    await untilCapturing(standby, TAKEOVER_MS);
    expect(performance.now() - cutMs).toBeLessThan(TAKEOVER_MS + 1_000);
    await scenario.untilComplete();
    proxy.swallow('none');
    await scenario.commit(20);
    await scenario.untilComplete();
  });

  it('replace one another without a gap', async () => {
    await using scenario = await openScenario();
    let current = scenario.daemon();
    await untilCapturing(current);
    for (let i = 0; i < 3; i += 1) {
      const next = scenario.daemon();
      await next.untilLogged('standing by');
      await scenario.commit(10);
      current.kill('SIGTERM');
      await scenario.commit(10);
      expect(await current.ended).toBe(0);
      await untilCapturing(next);
      current = next;
    }
    await scenario.untilComplete();
    expect(scenario.verdict().repeats).toBe(0);
  });

  it('refuse to start on the slot of another queue', async () => {
    await using scenario = await openScenario();
    const leader = scenario.daemon();
    await untilCapturing(leader);
    await using other = await createQueue('postgres');
    const file = await scenario.variant((config) => ({ ...config, queue: other.section }));
    expect(await walhook(['setup', '-c', file])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('NOT_MY_QUEUE'),
    });
    const { code, stderr } = await walhook(['run', '-c', file]);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('NOT_MY_QUEUE') });
    await scenario.commit(2);
    await scenario.untilComplete();
  });
});
