/**
 * Scenarios of loss, each against the ledger: every committed operation arrives, none that was rolled back, each
 * under one id. The numbers are those of docs/guarantees.md, which lists all twenty and where each is tested.
 */
import { readFile } from 'node:fs/promises';
import { Client } from 'pg';
import { describe, expect, inject, it } from 'vitest';
import { parseLsn } from '../../src/core/lsn.ts';
import { openProxy } from '../helpers/proxy.ts';
import { isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { startLocalRedis } from '../helpers/redisServer.ts';
import { startPostgres } from '../helpers/servers.ts';
import { until } from '../helpers/until.ts';
import { openScenario, type Scenario, untilCapturing } from './fixture.ts';

async function connected(scenario: Scenario): Promise<Client> {
  const client = new Client({ connectionString: scenario.database.url });
  await client.connect();
  return client;
}

const ids = (scenario: Scenario) =>
  scenario.sink.events().map((event) => (event['data'] as { id: number }).id);

const slotOf = async ({ database, slot }: Scenario) => {
  const { rows } = await database.client.query<{ pid: number | null; confirmed: string }>(
    'select active_pid as pid, confirmed_flush_lsn::text as confirmed from pg_replication_slots where slot_name = $1',
    [slot],
  );
  return rows[0] ?? { pid: null, confirmed: '' };
};

describe('2: a transaction that was open while keepalives were acknowledged', () => {
  it('arrives after a kill and a restart', async () => {
    await using scenario = await openScenario();
    const open = await connected(scenario);
    try {
      await open.query("begin; insert into op values (9001, 0, 'x'), (9002, 0, 'x')");
      const daemon = scenario.daemon();
      await untilCapturing(daemon);
      await scenario.commit(1);
      const { rows } = await scenario.database.client.query<{ lsn: string }>(
        'select pg_current_wal_lsn()::text as lsn',
      );
      await until(async () => {
        const { rows: slot } = await scenario.database.client.query<{ past: boolean }>(
          'select confirmed_flush_lsn >= $2::pg_lsn as past from pg_replication_slots where slot_name = $1',
          [scenario.slot, rows[0]?.lsn],
        );
        return slot[0]?.past === true;
      });
      daemon.kill('SIGKILL');
      await daemon.ended;
      await untilCapturing(scenario.daemon());
      await open.query('commit');
      await until(() => ids(scenario).includes(9_001) && ids(scenario).includes(9_002));
    } finally {
      await open.end();
    }
  });
});

describe.each(QUEUE_KINDS)('4, 5 and 19: a %s queue that goes away', (kind) => {
  it.skipIf(isQueueMissing(kind))(
    'in the middle of a flush, again and again, loses and doubles nothing',
    async () => {
      await using scenario = await openScenario({ queue: kind });
      const { url } = await scenario.queueSection();
      await using proxy = await openProxy(url);
      const daemon = scenario.daemon({
        file: await scenario.variant((config) => ({ ...config, queue: { ...config.queue, url: proxy.url } })),
      });
      await untilCapturing(daemon);
      for (let i = 0; i < 8; i += 1) {
        await scenario.commit(200);
        if (i % 3 === 2) await proxy.refuse();
        else proxy.cut();
        await scenario.rollBack(20);
        await scenario.commit(50);
        await proxy.accept();
      }
      await scenario.untilComplete(60_000);
    },
  );

  it.skipIf(isQueueMissing(kind))(
    'for longer than the sender’s timeout keeps slot and position',
    async () => {
      await using scenario = await openScenario({ queue: kind });
      const { url } = await scenario.queueSection();
      await using proxy = await openProxy(url);
      const short = new URL(scenario.database.url);
      short.searchParams.set('options', '-c wal_sender_timeout=2s');
      const daemon = scenario.daemon({
        file: await scenario.variant((config) => ({
          ...config,
          postgres: { ...config.postgres, replication_url: short.toString(), heartbeat: 'off' },
          queue: { ...config.queue, url: proxy.url },
        })),
      });
      await untilCapturing(daemon);
      await scenario.commit(1);
      await scenario.untilComplete();
      await proxy.refuse();
      await scenario.commit(300);
      const { rows } = await scenario.database.client.query<{ lsn: string }>(
        'select pg_current_wal_lsn()::text as lsn',
      );
      const failures = () =>
        daemon.log().filter(({ msg }) => String(msg).includes('flush not stored')).length;
      // What was stored before may be acknowledged a second later.
      await until(() => failures() >= 6, { timeoutMs: 30_000 });
      const before = await slotOf(scenario);
      await until(() => failures() >= 8, { timeoutMs: 60_000 });
      const later = await slotOf(scenario);
      expect(later).toEqual(before);
      expect(parseLsn(before.confirmed)).toBeLessThan(parseLsn(rows[0]?.lsn ?? ''));
      expect(before.pid).not.toBeNull();
      await proxy.accept();
      await scenario.untilComplete(60_000);
    },
  );
});

describe('5: a Redis', () => {
  it.skipIf(inject('redisUrl') === null)(
    'that is full or may only be read holds the stream, and loses nothing',
    async () => {
      const redis = await startLocalRedis(['--maxmemory-policy', 'noeviction']);
      if (redis === null) return;
      try {
        const { Redis } = await import('ioredis');
        const admin = new Redis(redis.url);
        await using scenario = await openScenario({ queueSection: { url: redis.url, prefix: 'full' } });
        const daemon = scenario.daemon();
        await untilCapturing(daemon);
        for (const [refuse, admit] of [
          [
            ['CONFIG', 'SET', 'maxmemory', '1'],
            ['CONFIG', 'SET', 'maxmemory', '0'],
          ],
          [
            ['REPLICAOF', '127.0.0.1', '1'],
            ['REPLICAOF', 'NO', 'ONE'],
          ],
        ] as const) {
          await admin.call(refuse[0], ...refuse.slice(1));
          await scenario.commit(100);
          // What was stored before is acknowledged with some delay; then nothing is any more.
          let { confirmed } = await slotOf(scenario);
          let isHeld = false;
          for (let tries = 0; tries < 5 && !isHeld; tries += 1) {
            await new Promise((resolve) => setTimeout(resolve, 3_000));
            const now = (await slotOf(scenario)).confirmed;
            isHeld = now === confirmed;
            confirmed = now;
          }
          expect(isHeld).toBe(true);
          await admin.call(admit[0], ...admit.slice(1));
          await scenario.untilComplete(60_000);
        }
        admin.disconnect();
      } finally {
        await redis.stop();
      }
    },
  );
});

describe('7: one huge transaction', () => {
  it.skipIf(process.platform !== 'linux')(
    'passes in bounded memory, and what follows it arrives',
    async () => {
      await using scenario = await openScenario({
        webhook: { conditions: { attr: 'note', value: 'wanted' } },
      });
      const daemon = scenario.daemon();
      await untilCapturing(daemon);
      await scenario.database.client.query(
        "insert into op select i, 0, repeat('x', 200) from generate_series(100001, 400000) as i",
      );
      await scenario.database.client.query("insert into op values (1, 0, 'wanted')");
      await until(() => ids(scenario).includes(1), { timeoutMs: 120_000 });
      const status = await readFile(`/proc/${daemon.pid}/status`, 'utf8');
      const peakMib = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1_024;
      expect(peakMib).toBeLessThan(260);
      expect(ids(scenario)).toEqual([1]);
    },
    180_000,
  );
});

describe('16: a table whose shape changes under load', () => {
  it('has every row sent with the columns of its moment', async () => {
    await using scenario = await openScenario();
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    const { client } = scenario.database;
    const steps: readonly (readonly [ddl: string, column: string | null])[] = [
      ['alter table op add column extra text', 'extra'],
      ['alter table op rename column extra to renamed', 'renamed'],
      ['alter table op alter column renamed type varchar(20)', 'renamed'],
      ['alter table op drop column renamed', null],
      ['alter table op add column extra int', 'extra'],
      ['alter table op replica identity full', 'extra'],
      ['alter table op replica identity default', 'extra'],
      ["alter publication walhook set (publish = 'insert, update, delete, truncate')", 'extra'],
    ];
    for (const [i, [ddl, column]] of steps.entries()) {
      const id = 5_000 + i;
      await client.query(
        `begin; insert into op (id, writer, note) values (${id}, 0, 'before'); ${ddl}; commit`,
      );
      await client.query(
        `insert into op (id, writer, note${column === null ? '' : `, ${column}`}) values (${id + 100}, 0, 'after'${column === null ? '' : ", '7'"})`,
      );
    }
    await until(() =>
      steps.every((_, i) => ids(scenario).includes(5_100 + i) && ids(scenario).includes(5_000 + i)),
    );
    const data = new Map(
      scenario.sink
        .events()
        .map((event) => [(event['data'] as { id: number }).id, event['data'] as Record<string, unknown>]),
    );
    for (const [i, [, column]] of steps.entries()) {
      const keys = Object.keys(data.get(5_100 + i) ?? {});
      expect(keys).toEqual(['id', 'writer', 'note', ...(column === null ? [] : [column])]);
    }
  });
});

describe('18: transactions of every kind', () => {
  it('send what was committed, in order, and nothing that was rolled back', async () => {
    await using server = await startPostgres({ max_prepared_transactions: '5' });
    await using scenario = await openScenario({ serverUrl: server.url });
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    const { client } = scenario.database;
    const row = (id: number) => `insert into op values (${id}, 0, 'x');`;
    await client.query(
      `begin; ${row(1)} savepoint a; ${row(2)} rollback to a; ${row(3)} savepoint b; ${row(4)} release b; commit`,
    );
    await client.query(`begin; ${row(5)} rollback`);
    await client.query(`begin; ${row(6)} prepare transaction 'kept'`);
    await client.query(`begin; ${row(7)} prepare transaction 'dropped'`);
    await client.query("rollback prepared 'dropped'");
    await client.query("commit prepared 'kept'");
    await client.query("insert into op values (1, 0, 'again'), (8, 0, 'x') on conflict (id) do nothing");
    await client.query(
      inject('postgresVersion') < 15
        ? row(9)
        : "merge into op using (values (8), (9)) as v (id) on op.id = v.id when not matched then insert values (v.id, 0, 'x')",
    );
    await client.query(
      `do $$ begin begin ${row(10)} raise exception 'x'; exception when others then ${row(11)} end; end $$`,
    );
    await client.query(row(12));
    await until(() => ids(scenario).includes(12));
    expect([...new Set(ids(scenario))].toSorted((a, b) => a - b)).toEqual([1, 3, 4, 6, 8, 9, 11, 12]);
    const byDelivery = scenario.sink.received
      .map(
        ({ headers, body }) =>
          [String(headers['webhook-id']), (JSON.parse(body) as { data: { id: number } }).data.id] as const,
      )
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    expect(byDelivery.map(([, id]) => id)).toEqual([1, 3, 4, 6, 8, 9, 11, 12]);
  });
});

describe('20: a SIGTERM under load', () => {
  it('ends with 0 within the time given, and loses nothing', async () => {
    await using scenario = await openScenario();
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    for (let i = 0; i < 10; i += 1) await scenario.commit(200);
    const startedMs = performance.now();
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(30_000);
    scenario.daemon();
    await scenario.untilComplete(60_000);
  });

  it('and a process that was stopped for longer than every timeout go on without a loss', async () => {
    await using scenario = await openScenario();
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    await scenario.commit(5);
    daemon.kill('SIGSTOP');
    await scenario.commit(100);
    await until(async () => (await slotOf(scenario)).pid === null, {
      timeoutMs: 30_000,
      what: 'the server lets go of the slot',
    });
    daemon.kill('SIGCONT');
    await scenario.untilComplete(60_000);
  });
});
