/**
 * 13 and 6: a slot that is lost, dropped or made anew, a publication that is dropped, a queue that lost what it
 * held. Capturing stops and says which Changes are missing; a person accepts it; the Gap stays on record.
 */
import { describe, expect, inject, it } from 'vitest';
import { type Finished, walhook } from '../helpers/command.ts';
import { isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { startPostgres } from '../helpers/servers.ts';
import { openStore } from '../helpers/stores.ts';
import { until } from '../helpers/until.ts';
import { openScenario, type Scenario, untilCapturing } from './fixture.ts';

async function stopped(scenario: Scenario): Promise<void> {
  const daemon = scenario.daemon();
  await untilCapturing(daemon);
  await scenario.commit(2);
  await scenario.untilComplete();
  daemon.kill('SIGTERM');
  expect(await daemon.ended).toBe(0);
}

const drop = (scenario: Scenario) =>
  scenario.database.client.query('select pg_drop_replication_slot($1)', [scenario.slot]);
const setup = (scenario: Scenario, ...args: string[]): Promise<Finished> =>
  walhook(['setup', '-c', scenario.file, ...args]);

/** Capturing refuses with a code; a person accepts; it goes on under a new Generation. */
async function refusesUntilAccepted(scenario: Scenario, code: string, kind: string): Promise<void> {
  const before = (await scenario.status()).generation;
  const daemon = scenario.daemon();
  await until(() => daemon.log().some((entry) => entry['code'] === code), {
    what: `${code} in ${daemon.output()}`,
  });
  expect(daemon.log().some(({ msg }) => msg === 'capturing')).toBe(false);
  expect((await scenario.status()).gaps).toMatchObject([{ kind, settledMs: null }]);
  expect(await setup(scenario)).toMatchObject({ code: 1, stderr: expect.stringContaining(code) });

  const accepted = await setup(scenario, '--accept-gap');
  expect(accepted).toMatchObject({ code: 0, stderr: '' });
  expect(accepted.stdout).toMatch(new RegExp(`^gap: [0-9]+ ${kind}: Changes of public.op`, 'm'));
  // The daemon that waited goes on by itself.
  await untilCapturing(daemon, 70_000);
  const after = await scenario.status();
  expect(after.generation).not.toBe(before);
  expect(after.gaps).toHaveLength(1);
  expect(after.gaps?.[0]).toMatchObject({ kind, settledMs: expect.any(Number) });
  await scenario.commit(3);
  await until(() => scenario.verdict().lost.length <= 3);
}

describe('13: a slot', () => {
  it('that was dropped is never made anew in silence', async () => {
    await using scenario = await openScenario();
    await stopped(scenario);
    await scenario.commit(3);
    await drop(scenario);
    await refusesUntilAccepted(scenario, 'SLOT_LOST', 'slot_lost');
    expect(scenario.verdict().lost).toEqual([3, 4, 5]);
  });

  it('that was made anew is told from the one before', async () => {
    await using scenario = await openScenario();
    await stopped(scenario);
    await scenario.commit(3);
    await drop(scenario);
    await scenario.database.client.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [
      scenario.slot,
    ]);
    await refusesUntilAccepted(scenario, 'SLOT_LOST', 'slot_moved');
  });

  it('that lost its WAL says so, and is made anew when that is accepted', async () => {
    await using server = await startPostgres({
      max_slot_wal_keep_size: '1MB',
      min_wal_size: '32MB',
      max_wal_size: '32MB',
    });
    await using scenario = await openScenario({ serverUrl: server.url });
    await stopped(scenario);
    await scenario.commit(3);
    const { client } = scenario.database;
    await client.query('create table noise (text text)');
    await until(
      async () => {
        await client.query("insert into noise select repeat('x', 1000) from generate_series(1, 5000)");
        await client.query('select pg_switch_wal()');
        await client.query('checkpoint');
        const { rows } = await client.query<{ status: string }>(
          'select wal_status as status from pg_replication_slots where slot_name = $1',
          [scenario.slot],
        );
        return rows[0]?.status === 'lost';
      },
      { timeoutMs: 60_000, what: 'the slot is lost' },
    );
    await refusesUntilAccepted(scenario, 'SLOT_LOST', 'slot_lost');
  });
});

describe('13: a publication that is dropped while walhook runs', () => {
  it('stops capturing, and is said', async () => {
    await using scenario = await openScenario();
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    await scenario.commit(2);
    await scenario.untilComplete();
    await scenario.database.client.query('drop publication walhook');
    await until(() => daemon.log().some((entry) => entry['code'] === 'PUBLICATION_MISSING'), {
      timeoutMs: 30_000,
      what: `PUBLICATION_MISSING in ${daemon.output()}`,
    });
    expect(await walhook(['check', '-c', scenario.file])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('PUBLICATION_MISSING'),
    });
  });
});

describe.skipIf(inject('postgresVersion') < 18)(
  '13: a publication that is dropped while walhook is away',
  () => {
    it('and made again is told as a Gap, for the server says nothing of it', async () => {
      await using scenario = await openScenario();
      await stopped(scenario);
      const { client } = scenario.database;
      await client.query('drop publication walhook');
      await scenario.commit(3);
      await client.query('create publication walhook for all tables');
      await refusesUntilAccepted(scenario, 'SLOT_LOST', 'publication_remade');
      expect(scenario.verdict().lost.slice(0, 3)).toEqual([3, 4, 5]);
    });
  },
);

describe.each(QUEUE_KINDS)('6: a %s queue that lost everything', (kind) => {
  it.skipIf(isQueueMissing(kind))(
    'is told from a new one, and bound anew when that is accepted',
    async () => {
      await using scenario = await openScenario({ queue: kind });
      await stopped(scenario);
      const store = await openStore(await scenario.queueSection());
      try {
        await store.destroy();
        const { code, stderr } = await walhook(['run', '-c', scenario.file]);
        expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('NOT_MY_QUEUE') });
        expect(await setup(scenario)).toMatchObject({
          code: 1,
          stderr: expect.stringContaining('--accept-gap'),
        });
        expect(await setup(scenario, '--accept-gap')).toMatchObject({
          code: 0,
          stdout: expect.stringContaining('queue_lost'),
        });
        expect(await store.gaps()).toMatchObject([{ kind: 'queue_lost', settledMs: expect.any(Number) }]);
        const daemon = scenario.daemon();
        await untilCapturing(daemon);
        await scenario.commit(2);
        await scenario.untilComplete();
      } finally {
        await store.close();
      }
    },
  );

  it.skipIf(isQueueMissing(kind))(
    'is noticed while walhook runs, and nothing more is acknowledged',
    async () => {
      await using scenario = await openScenario({ queue: kind });
      const daemon = scenario.daemon();
      await untilCapturing(daemon);
      await scenario.commit(2);
      await scenario.untilComplete();
      const store = await openStore(await scenario.queueSection());
      try {
        await store.destroy();
      } finally {
        await store.close();
      }
      await scenario.commit(2);
      expect(await daemon.ended).toBe(1);
      expect(daemon.output()).toContain('QUEUE_LOST');
      const { rows } = await scenario.database.client.query<{ owed: number }>(
        `select count(*)::int as owed from pg_logical_slot_peek_binary_changes($1, null, null,
         'proto_version', '1', 'publication_names', 'walhook') where get_byte(data, 0) = ascii('I')`,
        [scenario.slot],
      );
      // Those before may still have been on their way to being acknowledged.
      expect(rows[0]?.owed).toBeGreaterThanOrEqual(2);
    },
  );
});

describe('14: another database', () => {
  it('is refused until it is adopted', async () => {
    await using scenario = await openScenario();
    await stopped(scenario);
    await scenario.database.client.query(
      "update walhook.installation set system_identifier = '1', database = 'production'",
    );
    const { code, stderr } = await walhook(['run', '-c', scenario.file]);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('NOT_MY_DATABASE') });
    expect(await setup(scenario)).toMatchObject({ code: 1, stderr: expect.stringContaining('--adopt') });
    expect(await setup(scenario, '--accept-gap')).toMatchObject({ code: 1 });
    expect(await setup(scenario, '--adopt')).toMatchObject({ code: 0 });
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    await scenario.commit(2);
    await scenario.untilComplete();
  });
});
