/**
 * 11 and 14: PostgreSQL restarts, crashes, ends our connections, is promoted, is restored from a backup. What was
 * committed arrives, or the Gap is told; and a server that is told to stop is never kept from it.
 */
import { cp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { openProxy } from '../helpers/proxy.ts';
import { startPostgres } from '../helpers/servers.ts';
import { until } from '../helpers/until.ts';
import { openScenario, type Scenario, untilCapturing } from './fixture.ts';

/** A client of the scenario's database for after a restart: the one before was cut. */
async function insert(scenario: Scenario, ids: readonly number[]): Promise<void> {
  const client = new Client({ connectionString: scenario.database.url });
  await client.connect();
  try {
    await client.query('insert into op select id, 0, $2 from unnest($1::bigint[]) as id', [ids, 'x']);
  } finally {
    await client.end();
  }
}

const arrived = (scenario: Scenario) =>
  new Set(scenario.sink.events().map((event) => (event['data'] as { id: number }).id));

const untilArrived = (scenario: Scenario, ids: readonly number[]) =>
  until(() => ids.every((id) => arrived(scenario).has(id)), {
    timeoutMs: 40_000,
    what: `arrival of ${ids.join(', ')}`,
  });

describe('11: a server', () => {
  it.each([
    'SIGINT',
    'SIGQUIT',
  ] as const)('that restarts by %s is read on, and nothing is lost', async (signal) => {
    await using server = await startPostgres();
    await using scenario = await openScenario({ serverUrl: server.url });
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    await scenario.commit(5);
    await server.server.restart(signal);
    await insert(scenario, [1_001, 1_002]);
    await untilArrived(scenario, [1, 2, 3, 4, 5, 1_001, 1_002]);
    expect(scenario.verdict()).toMatchObject({ lost: [], secondIds: [], sharedIds: [] });
  });

  it('can be stopped while the queue is away', async () => {
    await using server = await startPostgres();
    await using scenario = await openScenario({ serverUrl: server.url });
    const { url } = await scenario.queueSection();
    await using proxy = await openProxy(url);
    const daemon = scenario.daemon({
      file: await scenario.variant((config) => ({ ...config, queue: { ...config.queue, url: proxy.url } })),
    });
    await untilCapturing(daemon);
    await proxy.refuse();
    await scenario.commit(3);
    const startedMs = performance.now();
    await server.server.restart('SIGINT');
    expect(performance.now() - startedMs).toBeLessThan(15_000);
    await proxy.accept();
    await untilArrived(scenario, [1, 2, 3]);
  });

  it('that ends our connections is connected to again', async () => {
    await using scenario = await openScenario();
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    for (let i = 0; i < 3; i += 1) {
      await scenario.commit(2);
      await scenario.database.client.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      );
    }
    await scenario.untilComplete();
  });

  it('that swallows our bytes is found out within twice the timeout', async () => {
    await using scenario = await openScenario();
    await using proxy = await openProxy(scenario.database.url);
    const short = new URL(proxy.url);
    short.searchParams.set('options', '-c wal_sender_timeout=4s');
    const daemon = scenario.daemon({
      file: await scenario.variant((config) => ({
        ...config,
        postgres: { ...config.postgres, url: proxy.url, replication_url: short.toString() },
      })),
    });
    await untilCapturing(daemon);
    proxy.swallow('inbound');
    await scenario.commit(2);
    // Twice the 4 s above; the rest is what a loaded machine may take.
    await daemon.untilLogged('not capturing', 30_000);
    proxy.swallow('none');
    proxy.cut();
    await scenario.untilComplete(60_000);
  });
});

describe('14: a server of another history', () => {
  it('that was promoted with all of our position is read on', async () => {
    await using server = await startPostgres();
    await using scenario = await openScenario({ serverUrl: server.url });
    const first = scenario.daemon();
    await untilCapturing(first);
    await scenario.commit(3);
    await scenario.untilComplete();
    await server.server.restart('SIGINT', (folder) =>
      writeFile(path.join(folder, 'standby.signal'), '', { mode: 0o644 }),
    );
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await client.query('select pg_promote()');
    await until(async () => {
      const { rows } = await client.query<{ recovering: boolean }>(
        'select pg_is_in_recovery() as recovering',
      );
      return rows[0]?.recovering === false;
    });
    await client.end();
    await insert(scenario, [2_001]);
    await untilArrived(scenario, [2_001]);
    expect((await scenario.status()).gaps).toEqual([]);
  });

  it('that was restored from a backup is refused, and the Gap told', async () => {
    await using server = await startPostgres();
    await using scenario = await openScenario({ serverUrl: server.url });
    let backup = '';
    await server.server.restart('SIGINT', async (folder) => {
      backup = `${folder}-backup`;
      await cp(folder, backup, { recursive: true, preserveTimestamps: true });
    });
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    await insert(scenario, [1, 2, 3]);
    await untilArrived(scenario, [1, 2, 3]);
    daemon.kill('SIGTERM');
    await daemon.ended;
    await server.server.restart('SIGINT', async (folder) => {
      await rm(folder, { recursive: true });
      await cp(backup, folder, { recursive: true });
      await rm(backup, { recursive: true });
    });
    const next = scenario.daemon();
    await until(() => next.log().some((entry) => entry['code'] === 'OTHER_HISTORY'), { what: next.output() });
    expect((await scenario.status()).gaps).toMatchObject([{ kind: 'server_behind' }]);
  });
});
