/**
 * What can happen to a PostgreSQL that holds the queue, under load: where it kept what it had said was stored, nothing
 * is lost; where it did not, walhook notices and says so.
 */
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { walhook } from '../helpers/command.ts';
import { createDatabase } from '../helpers/database.ts';
import { startPostgres } from '../helpers/servers.ts';
import { until } from '../helpers/until.ts';
import { loggedCodes, openScenario, type Scenario, untilCapturing } from './fixture.ts';

/** A scenario whose queue is a database of a server of its own, or of the one that all share. */
async function openFaulty(serverUrl?: string) {
  const queue = await createDatabase(serverUrl);
  const scenario = await openScenario({ queueSection: { url: queue.url, prefix: 'faults' } });
  const query = async <Row extends object>(text: string): Promise<Row[]> => {
    const client = new Client({ connectionString: queue.url });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    scenario,
    queue,
    query,
    /** Every table of the queue. */
    async tables(): Promise<string[]> {
      const rows = await query<{ name: string }>(
        "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname like '%walhook%' or schemaname like '%faults%'",
      );
      return rows.map(({ name }) => name);
    },
    async [Symbol.asyncDispose]() {
      await scenario[Symbol.asyncDispose]();
      await queue[Symbol.asyncDispose]();
    },
  };
}

async function confirmed({ database, slot }: Scenario): Promise<string> {
  const { rows } = await database.client.query<{ lsn: string }>(
    'select confirmed_flush_lsn::text as lsn from pg_replication_slots where slot_name = $1',
    [slot],
  );
  return rows[0]?.lsn ?? '';
}

/** What was stored before is acknowledged with some delay; then nothing is any more. */
async function untilHeld(scenario: Scenario): Promise<void> {
  let last = await confirmed(scenario);
  let isHeld = false;
  for (let tries = 0; tries < 5 && !isHeld; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const now = await confirmed(scenario);
    isHeld = now === last;
    last = now;
  }
  expect(isHeld).toBe(true);
}

describe('a PostgreSQL with the queue', () => {
  it.each([
    'SIGINT',
    'SIGQUIT',
  ] as const)('that is restarted by %s under load, again and again, loses nothing', {
    timeout: 120_000,
  }, async (signal) => {
    await using server = await startPostgres();
    await using of = await openFaulty(server.url);
    await untilCapturing(of.scenario.daemon());
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < 4; i += 1) await of.scenario.commit(50);
      await server.server.restart(signal);
      await of.scenario.commit(50);
    }
    await of.scenario.untilComplete(60_000);
    expect((await of.scenario.status()).gaps).toEqual([]);
  });

  it.each([
    ['its disk is full', '53100'],
    ['its files cannot be read', '58030'],
  ])(
    'that refuses every write because %s holds the stream, says so, and loses nothing',
    { timeout: 120_000 },
    async (_what, code) => {
      await using of = await openFaulty();
      const daemon = of.scenario.daemon();
      await untilCapturing(daemon);
      await of.scenario.commit(100);
      await of.scenario.untilComplete();
      await of.query(
        `create function public.refuse() returns trigger language plpgsql as $$begin raise 'no room' using errcode = '${code}'; end$$`,
      );
      const tables = await of.tables();
      expect(tables.length).toBeGreaterThan(5);
      for (const table of tables) {
        await of.query(
          `create trigger refuse before insert or update or delete on ${table} for each statement execute function public.refuse()`,
        );
      }
      await of.scenario.commit(100);
      await until(() => daemon.output().includes(code), { timeoutMs: 30_000 });
      await untilHeld(of.scenario);
      expect(daemon.hasEnded()).toBe(false);
      await of.query('drop function public.refuse cascade');
      await of.scenario.untilComplete(60_000);
      expect((await of.scenario.status()).gaps).toEqual([]);
    },
  );

  it('that fills up while requests are in flight records their outcomes when it has room again, and sends nothing twice', {
    timeout: 120_000,
  }, async () => {
    await using of = await openFaulty();
    const held: (() => void)[] = [];
    of.scenario.sink.answerWith((_request, response) => void held.push(() => response.end()));
    await untilCapturing(of.scenario.daemon());
    await of.scenario.commit(4);
    await until(() => held.length === 4);
    await of.query(
      "create function public.refuse() returns trigger language plpgsql as $$begin raise 'no room' using errcode = '53100'; end$$",
    );
    for (const table of await of.tables()) {
      await of.query(
        `create trigger refuse before insert or update or delete on ${table} for each statement execute function public.refuse()`,
      );
    }
    for (const answer of held.splice(0)) answer();
    of.scenario.sink.answerWith((_request, response) => void response.end());
    // Longer than a process is waited for that is silent.
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    await of.query('drop function public.refuse cascade');
    await of.scenario.commit(20);
    await of.scenario.untilComplete(60_000);
    expect(of.scenario.sink.received).toHaveLength(24);
  });

  it('that may only be read for a while holds the stream, and loses nothing', {
    timeout: 120_000,
  }, async () => {
    await using of = await openFaulty();
    const daemon = of.scenario.daemon();
    await untilCapturing(daemon);
    await of.scenario.commit(100);
    const cutAll =
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()';
    await of.query(`alter database ${of.queue.name} set default_transaction_read_only = on`);
    await of.query(cutAll);
    await of.scenario.commit(100);
    await until(() => daemon.output().includes('25006'), { timeoutMs: 30_000 });
    await untilHeld(of.scenario);
    const client = new Client({
      connectionString: of.queue.url,
      options: '-c default_transaction_read_only=off',
    });
    client.on('error', () => undefined);
    await client.connect();
    await client.query(`alter database ${of.queue.name} reset default_transaction_read_only`);
    await client.query(cutAll);
    await client.end();
    await of.scenario.untilComplete(60_000);
  });

  it('whose tables somebody locks delays, and loses nothing', { timeout: 120_000 }, async () => {
    await using of = await openFaulty();
    const daemon = of.scenario.daemon();
    await untilCapturing(daemon);
    await of.scenario.commit(50);
    const client = new Client({ connectionString: of.queue.url });
    await client.connect();
    const tables = await of.tables();
    for (let isLocked = false; !isLocked; ) {
      await client.query('begin');
      try {
        for (const table of tables) await client.query(`lock table ${table} in access exclusive mode`);
        isLocked = true;
      } catch (error) {
        // The daemon takes them in another order: where the server ends the wait of both, it may be ours that it ends.
        if ((error as { code?: string }).code !== '40P01') throw error;
        await client.query('rollback');
      }
    }
    await of.scenario.commit(100);
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    await client.query('rollback');
    await client.end();
    await of.scenario.untilComplete(60_000);
    expect(daemon.hasEnded()).toBe(false);
  });

  it.each([
    ['is dropped', 'drop table'],
    ['is emptied', 'truncate'],
  ])(
    'that %s under a running daemon is noticed, told with its remedy, and kept as a Gap',
    { timeout: 120_000 },
    async (_what, verb) => {
      await using of = await openFaulty();
      const daemon = of.scenario.daemon();
      await untilCapturing(daemon);
      await of.scenario.commit(50);
      await of.scenario.untilComplete();
      await of.query(`${verb} ${(await of.tables()).join(', ')}`);
      await of.scenario.commit(50);
      expect(await daemon.ended, daemon.output().slice(-3_000)).toBe(1);
      expect(loggedCodes(daemon).concat(daemon.output())).toContainEqual(
        expect.stringContaining('QUEUE_LOST'),
      );
      expect(daemon.output()).toContain('--accept-gap');
      const accepted = await walhook(['setup', '-c', of.scenario.file, '--accept-gap']);
      expect(accepted).toMatchObject({ code: 0, stdout: expect.stringContaining('queue_lost') });
      expect((await of.scenario.status()).gaps).toMatchObject([{ kind: 'queue_lost' }]);
      await untilCapturing(of.scenario.daemon());
      const already = of.scenario.sink.received.length;
      await of.scenario.commit(20);
      await until(() => of.scenario.sink.received.length >= already + 20);
    },
  );

  it('that is put back to an earlier backup is noticed', { timeout: 120_000 }, async () => {
    await using of = await openFaulty();
    const first = of.scenario.daemon();
    await untilCapturing(first);
    await of.scenario.commit(10);
    await of.scenario.untilComplete();
    first.kill('SIGTERM');
    expect(await first.ended).toBe(0);
    const { name } = of.queue;
    const { client } = of.scenario.database;
    await of.queue.client.end();
    await client.query(`create database ${name}_kept template ${name}`);
    const second = of.scenario.daemon();
    await untilCapturing(second);
    await of.scenario.commit(100);
    await of.scenario.untilComplete();
    second.kill('SIGTERM');
    expect(await second.ended).toBe(0);
    await client.query(`drop database ${name} with (force)`);
    await client.query(`alter database ${name}_kept rename to ${name}`);
    const third = of.scenario.daemon();
    await of.scenario.commit(10);
    await until(() => third.output().includes('SLOT_LOST'), { timeoutMs: 30_000 });
    expect(third.output()).toContain('the queue came back older than it was');
  });
});
