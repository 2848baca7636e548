/**
 * 14: the primary is gone and its physical standby promoted (17 and later, which synchronise slots). With the slot
 * there the daemon follows to the new address and nothing is lost; without it capturing stops and says what is missing.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { describe, expect, inject, it } from 'vitest';
import { startPostgres, startStandby, type TestServer } from '../helpers/servers.ts';
import { until } from '../helpers/until.ts';
import { openScenario, type Scenario, untilCapturing } from './fixture.ts';

async function query<T extends object>(url: string, sql: string, values: unknown[] = []): Promise<T[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

const arrived = (scenario: Scenario) =>
  new Set(scenario.sink.events().map((event) => (event['data'] as { id: number }).id));

/** The standby has read everything that is written now. */
async function untilReplayed(primary: TestServer, standby: TestServer): Promise<void> {
  const [written] = await query<{ lsn: string }>(primary.url, 'select pg_current_wal_lsn()::text as lsn');
  await until(async () => {
    const [found] = await query<{ done: boolean }>(
      standby.url,
      'select pg_last_wal_replay_lsn() >= $1::pg_lsn as done',
      [written?.lsn],
    );
    return found?.done === true;
  });
}

/** The address of the database in a file, as an operator or a tool changes it after a failover. */
async function openAddress(): Promise<{ file: string } & AsyncDisposable> {
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-address-'));
  return {
    file: path.join(folder, 'url'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

interface Failover {
  readonly scenario: Scenario;
  readonly primary: TestServer;
  readonly standby: TestServer;
  /** Where the database is on the standby. */
  readonly url: string;
  /** Lets the primary crash, promotes the standby and points the address to it. */
  failOver(meanwhile: () => Promise<void>): Promise<void>;
}

async function withStandby(
  sync: 'on' | 'off',
  use: (failover: Failover, daemonFile: string) => Promise<void>,
): Promise<void> {
  await using primary = await startPostgres();
  await using standby = await startStandby(primary, { sync_replication_slots: sync });
  await using scenario = await openScenario({ serverUrl: primary.url });
  await using address = await openAddress();
  await writeFile(address.file, scenario.database.url);
  const file = await scenario.variant((config) => ({
    ...config,
    postgres: { ...config.postgres, url: `\${file:${address.file}}` },
  }));
  const url = new URL(standby.url);
  url.pathname = `/${scenario.database.name}`;
  // From here on the slot sends nothing that the standby does not have.
  await query(primary.url, "alter system set synchronized_standby_slots = 'standby'");
  await query(primary.url, 'select pg_reload_conf()');
  const failOver: Failover['failOver'] = async (meanwhile) => {
    await untilReplayed(primary, standby);
    await primary.server.restart('SIGQUIT', async () => {
      await writeFile(address.file, url.toString());
      await query(standby.url, 'select pg_promote()');
      await meanwhile();
    });
  };
  await use({ scenario, primary, standby, url: url.toString(), failOver }, file);
}

describe.skipIf(inject('postgresVersion') < 17)('14: a standby that is promoted', () => {
  it('and has the slot is followed to, and nothing is lost', { timeout: 180_000 }, async () => {
    await withStandby('on', async ({ scenario, primary, standby, url, failOver }, file) => {
      const daemon = scenario.daemon({ file });
      await untilCapturing(daemon, 40_000);
      await scenario.commit(20);
      await until(
        async () => {
          // A slot becomes ready on the standby when the primary's position has come past the standby's.
          await query(primary.url, 'select pg_log_standby_snapshot()');
          const [slot] = await query<{ ready: boolean }>(
            standby.url,
            'select synced and not temporary as ready from pg_replication_slots where slot_name = $1',
            [scenario.slot],
          );
          return slot?.ready === true;
        },
        { timeoutMs: 90_000, what: 'the slot is on the standby' },
      );
      await scenario.commit(20);
      await failOver(async () => {
        await query(url, "insert into op select i, 0, 'after' from generate_series(3001, 3020) as i");
        await until(
          () => Array.from({ length: 20 }, (_, i) => 3_001 + i).every((id) => arrived(scenario).has(id)),
          {
            timeoutMs: 60_000,
            what: daemon.output().slice(-3_000),
          },
        );
      });
      const { lost, secondIds, sharedIds } = scenario.verdict();
      expect({ lost, secondIds, sharedIds }).toEqual({ lost: [], secondIds: [], sharedIds: [] });
      expect(daemon.hasEnded()).toBe(false);
    });
  });

  it('and has no slot is refused as a lost slot', { timeout: 180_000 }, async () => {
    await withStandby('off', async ({ scenario, failOver }, file) => {
      const daemon = scenario.daemon({ file });
      await untilCapturing(daemon, 40_000);
      await scenario.commit(5);
      await scenario.untilComplete();
      await failOver(async () => {
        await until(() => daemon.log().some((entry) => entry['code'] === 'SLOT_LOST'), {
          timeoutMs: 60_000,
          what: `SLOT_LOST in ${daemon.output().slice(-3_000)}`,
        });
      });
    });
  });
});
