/**
 * 1 and 3: the daemon is killed where it hurts most: when only the first of two adjacent commits is acknowledged, and
 * between storing a flush and acknowledging it. Twenty kills at random are `npm run test:crash`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { until } from '../helpers/until.ts';
import { openScenario, type Scenario, untilCapturing } from './fixture.ts';

const confirmed = async ({ database, slot }: Scenario): Promise<string> => {
  const { rows } = await database.client.query<{ lsn: string }>(
    'select confirmed_flush_lsn::text as lsn from pg_replication_slots where slot_name = $1',
    [slot],
  );
  return rows[0]?.lsn ?? '';
};

const arrived = (scenario: Scenario) =>
  new Set(scenario.sink.events().map((event) => (event['data'] as { id: number }).id));

describe('1: adjacent commits, and a crash after the first was acknowledged', () => {
  it('send the second of them again', { timeout: 120_000 }, async () => {
    await using scenario = await openScenario({ postgres: { heartbeat: 'off' } });
    const other = new Client({ connectionString: scenario.database.url });
    await other.connect();
    try {
      for (let round = 0; round < 2; round += 1) {
        const [first, second] = [10_000 + 2 * round, 10_001 + 2 * round];
        const daemon = scenario.daemon();
        await untilCapturing(daemon);
        const before = await confirmed(scenario);
        await scenario.database.client.query('begin');
        await other.query('begin');
        await scenario.database.client.query("insert into op values ($1, 0, 'x')", [first]);
        await other.query("insert into op values ($1, 0, 'x')", [second]);
        const commits = Promise.all([scenario.database.client.query('commit'), other.query('commit')]);
        await commits;
        await until(async () => (await confirmed(scenario)) !== before);
        daemon.kill('SIGKILL');
        await daemon.ended;
        await untilCapturing(scenario.daemon());
        await until(() => arrived(scenario).has(first) && arrived(scenario).has(second), {
          timeoutMs: 30_000,
          what: `arrival of ${first} and ${second}`,
        });
        for (const one of scenario.daemons) one.kill('SIGKILL');
        await Promise.all(scenario.daemons.map((one) => one.ended));
      }
      expect(scenario.verdict()).toMatchObject({ secondIds: [], sharedIds: [] });
    } finally {
      await other.end();
    }
  });
});

describe.each(QUEUE_KINDS)('3: a kill -9 between queue and acknowledgement, queue on %s', (kind) => {
  it.skipIf(isQueueMissing(kind))(
    'makes repeats of the same id and nothing else',
    { timeout: 240_000 },
    async () => {
      await using scenario = await openScenario({ queue: kind, postgres: { heartbeat: 'off' } });
      for (const failpoint of ['after_flush:1', 'inside_flush:2', 'after_response:3']) {
        const daemon = scenario.daemon({ env: { WALHOOK_FAILPOINT: failpoint } });
        let hasEnded = false;
        void daemon.ended.then(() => {
          hasEnded = true;
        });
        await until(
          async () => {
            if (!hasEnded) await scenario.commit(3);
            await delay(100);
            return hasEnded;
          },
          { timeoutMs: 60_000, what: `${failpoint}: ${daemon.output()}` },
        );
        expect(await daemon.ended).toBe('SIGKILL');
        await scenario.rollBack(5);
      }
      scenario.daemon();
      await scenario.untilComplete(90_000);
    },
  );
});

describe.each(QUEUE_KINDS)('a daemon that is killed with requests in flight, queue on %s', (kind) => {
  it.skipIf(isQueueMissing(kind))(
    'sends what it had in hand as soon as it is started again, not when its silence is noticed',
    { timeout: 120_000 },
    async () => {
      await using scenario = await openScenario({ queue: kind, webhook: { concurrency: 4 } });
      scenario.sink.answerWith(() => undefined);
      const daemon = scenario.daemon();
      await untilCapturing(daemon);
      await scenario.commit(20);
      await until(() => scenario.sink.received.length >= 4);
      daemon.kill('SIGKILL');
      await daemon.ended;
      const killedMs = Date.now();
      scenario.sink.answerWith((_request, response) => void response.end());
      scenario.sink.received.length = 0;
      scenario.daemon();
      await scenario.untilComplete();
      // Ten seconds is how long a process of another machine may be silent.
      expect(Date.now() - killedMs).toBeLessThan(9_000);
    },
  );
});
