/** 15: a quiet database beside a busy one pins no WAL, and the heartbeat tells the lag. */
import { describe, expect, it } from 'vitest';
import { createDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';
import { openScenario, untilCapturing } from './fixture.ts';

describe('15: a quiet database beside a busy one', () => {
  it.each([['1s'], ['off']])('pins no WAL with the heartbeat at %s', async (heartbeat) => {
    await using scenario = await openScenario({ postgres: { heartbeat } });
    await using busy = await createDatabase();
    await busy.client.query('create table noise (id bigint, text text)');
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    const before = await scenario.status();
    for (let i = 0; i < 20; i += 1) {
      await busy.client.query(
        "insert into noise select i, repeat('x', 500) from generate_series(1, 2000) as i",
      );
    }
    const { rows } = await busy.client.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
    // Nothing but the neighbour writes, and the slot follows.
    await until(
      async () => {
        const { rows: slot } = await busy.client.query<{ follows: boolean }>(
          'select confirmed_flush_lsn >= $2::pg_lsn as follows from pg_replication_slots where slot_name = $1',
          [scenario.slot, rows[0]?.lsn],
        );
        return slot[0]?.follows === true;
      },
      { what: `the slot follows ${rows[0]?.lsn}; it stood at ${String(before.slot['confirmed_flush_lsn'])}` },
    );
  });

  it('shows the lag of the heartbeat, and the view tells it without a daemon', async () => {
    await using scenario = await openScenario({ postgres: { heartbeat: '1s', wal_budget: '10GiB' } });
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    const report = await until(
      async () => {
        const found = (await scenario.status()) as unknown as { heartbeat: { lag_seconds: number } | null };
        return found.heartbeat;
      },
      { timeoutMs: 30_000 },
    );
    expect(report.lag_seconds).toBeLessThan(10);
    const { rows } = await until(async () => {
      const found = await scenario.database.client.query(
        'select * from walhook.health where heartbeat_at is not null',
      );
      return found.rows.length > 0 ? found : null;
    });
    expect(rows).toMatchObject([
      { slot: scenario.slot, wal_status: 'reserved', active: true, budget_bytes: String(10 * 1_073_741_824) },
    ]);
  });
});
