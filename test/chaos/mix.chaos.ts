/**
 * A mix of faults in the order of a seed, against two daemons on one slot: nothing committed is lost, nothing
 * rolled back is sent, and what is repeated keeps its id.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { leaderOf, readLease } from '../../src/capture/lease.ts';
import { judge, LEDGER_TABLE } from '../crash/ledger.ts';
import { configFolder, type Daemon, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { type Proxy as FaultProxy, openProxy } from '../helpers/proxy.ts';
import { createQueue, type TestQueue } from '../helpers/queue.ts';
import { startPostgres, type TestServer } from '../helpers/servers.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { openStore } from '../helpers/stores.ts';
import { Arrivals } from './arrivals.ts';
import { type Random, seeded } from './random.ts';
import { describeWhereabouts, findWhereabouts } from './whereabouts.ts';
import { StubbornWriters } from './writer.ts';

const SEED = Number(process.env['CHAOS_SEED'] ?? 1);
const MINUTES = Number(process.env['CHAOS_MINUTES'] ?? 3);
const QUEUE = process.env['CHAOS_QUEUE'] === 'postgres' ? 'postgres' : 'redis';
const WRITERS = Number(process.env['CHAOS_WRITERS'] ?? 2);
/** Stop the leader in one fault of three, beside the others. */
const STOPS_LEADER = process.env['CHAOS_STOP_LEADER'] === 'yes';
/**
 * After the last fault it is waited while anything arrives. A killed process is missed after 10 s, and a
 * receiver that was down is probed again after 30 s, then 60 s.
 */
const SILENCE_MS = 120_000;
const SETTLE_MS = 600_000;
/** How often it is looked whether everything has arrived. */
const LOOK_MS = 1_000;

interface World {
  readonly random: Random;
  readonly server: TestServer;
  readonly database: TestDatabase;
  readonly postgres: FaultProxy;
  readonly queue: FaultProxy;
  /** The queue itself, past the proxy. */
  readonly section: TestQueue['section'];
  readonly sink: Sink;
  readonly daemons: Daemon[];
  /** Last words of daemons that ended without being told to. */
  readonly crashes: string[];
  start(): Daemon;
}

type Fault = readonly [name: string, act: (world: World) => Promise<void>];

const anyDaemon = ({ random, daemons }: World): Daemon | undefined =>
  daemons[random.between(0, daemons.length - 1)];

async function replace(world: World, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const daemon = anyDaemon(world);
  if (daemon === undefined) return;
  daemon.kill(signal);
  await daemon.ended;
  world.daemons.splice(world.daemons.indexOf(daemon), 1, world.start());
}

async function trouble(proxy: FaultProxy, random: Random): Promise<void> {
  switch (random.between(0, 2)) {
    case 0:
      proxy.cut();
      return;
    case 1:
      await proxy.refuse();
      await delay(random.between(200, 4_000));
      await proxy.accept();
      return;
    default:
      proxy.swallow(random.pick(['both', 'inbound']));
      await delay(random.between(500, 14_000));
      proxy.swallow('none');
      proxy.cut();
  }
}

const sql = (text: string) => async (world: World) => {
  const client = new Client({ connectionString: world.database.url, query_timeout: 10_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(text);
  } catch {
    // A fault on top of another may keep it from being done.
  } finally {
    await client.end().catch(() => undefined);
  }
};

async function stopForAWhile(daemon: Daemon | undefined, random: Random): Promise<void> {
  daemon?.kill('SIGSTOP');
  await delay(random.between(500, 16_000));
  daemon?.kill('SIGCONT');
}

async function stopLeader(world: World): Promise<void> {
  const store = await openStore(world.section);
  const leader = leaderOf(await readLease(store).finally(() => store.close()));
  await stopForAWhile(
    world.daemons.find(({ pid }) => pid === leader?.pid),
    world.random,
  );
}

const FAULTS: readonly [Fault, ...Fault[]] = [
  ['kill a daemon', (world) => replace(world, 'SIGKILL')],
  ['replace a daemon', (world) => replace(world, 'SIGTERM')],
  [
    'stop a daemon for a while',
    async (world) => {
      await stopForAWhile(anyDaemon(world), world.random);
    },
  ],
  ['trouble with PostgreSQL', ({ postgres, random }) => trouble(postgres, random)],
  ['trouble with the queue', ({ queue, random }) => trouble(queue, random)],
  [
    'end the walsender',
    sql('select pg_terminate_backend(active_pid) from pg_replication_slots where active'),
  ],
  [
    'end every backend',
    sql(
      'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null',
    ),
  ],
  ['restart PostgreSQL', ({ server }) => server.server.restart('SIGINT')],
  ['crash PostgreSQL', ({ server }) => server.server.restart('SIGQUIT')],
  [
    'a receiver that fails',
    async ({ sink, random }) => {
      sink.answerWith((_request, response) => {
        response.statusCode = random.next() < 0.5 ? 500 : 200;
        response.end();
      });
      await delay(random.between(500, 3_000));
      sink.answerWith((_request, response) => void response.end('ok'));
    },
  ],
  ['a new column', sql("alter table op add column if not exists extra text default 'e'")],
  ['a column gone', sql('alter table op drop column if exists extra')],
  ['a checkpoint', sql('checkpoint')],
  ['a change of WAL file', sql('select pg_switch_wal()')],
];

function nextFault(random: Random): Fault {
  if (STOPS_LEADER && random.next() < 1 / 3) return ['stop the leader for a while', stopLeader];
  return random.pick(FAULTS);
}

describe(`chaos, seed ${SEED}, ${MINUTES} minutes, queue on ${QUEUE}`, () => {
  it('loses nothing, makes nothing up, and repeats under the same id', async () => {
    const random = seeded(SEED);
    await using server = await startPostgres({ max_connections: '60', max_wal_senders: '10' });
    await using database = await createDatabase(server.url);
    await using queue = await createQueue(QUEUE);
    await using sink = await openSink();
    await using postgresProxy = await openProxy(database.url);
    await using queueProxy = await openProxy(queue.section.url);
    await database.client.query(LEDGER_TABLE);
    await database.client.end();
    const config = {
      environment: 'chaos',
      postgres: { url: postgresProxy.url, slot: `slot_${randomBytes(5).toString('hex')}`, heartbeat: '1s' },
      queue: { ...queue.section, url: queueProxy.url },
      webhooks: [
        {
          name: 'ops',
          models: ['op'],
          events: ['created'],
          url: sink.url,
          timeout: '5s',
          retry: { schedule: Array.from({ length: 40 }, () => '1s') },
        },
      ],
    };
    await using folder = await configFolder(config);
    expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0, stderr: '' });

    const started: Daemon[] = [];
    const start = () => {
      const daemon = startDaemon(['-c', folder.file]);
      started.push(daemon);
      return daemon;
    };
    const world: World = {
      random,
      server,
      database,
      postgres: postgresProxy,
      queue: queueProxy,
      section: queue.section,
      sink,
      daemons: [start(), start()],
      crashes: [],
      start,
    };
    const writers = new StubbornWriters(database.url, seeded(SEED + 1));
    writers.start(WRITERS);
    const faults: string[] = [];
    try {
      const deadline = performance.now() + MINUTES * 60_000;
      while (performance.now() < deadline) {
        await delay(random.between(300, 5_000));
        const [name, act] = nextFault(random);
        process.stdout.write(`${new Date().toISOString()} ${name}\n`);
        faults.push(name);
        await act(world);
        revive(world);
      }
      await writers.stop();
      const { committed, walEnd } = await committedOf(database.url);
      const arrivals = new Arrivals(committed, sink);
      const settleMs = await settle(world, arrivals);
      const missing = arrivals.missing();
      const whereabouts = await findWhereabouts(
        { section: queue.section, url: database.url, walEnd },
        missing,
      );
      const { phantoms, secondIds, sharedIds, repeats } = judge(
        { committed, rolledBack: new Set() },
        sink.received,
      );
      const { lost, late } = whereabouts;
      process.stdout.write(
        `${describeWhereabouts(whereabouts)}seed ${SEED}, ${QUEUE}: ${faults.length} faults, ${committed.size} committed, ${sink.received.length} received, ${repeats} repeated, ${lost.length} lost, ${late.length} late, ${phantoms.length} made up, ${secondIds.length} under two ids, ${world.crashes.length} daemons ended by themselves; ${(settleMs / 1_000).toFixed(1)} s after the last fault\n`,
      );
      const tails = started
        .map((one) => one.output().slice(-3_000))
        .slice(-4)
        .join('\n---\n');
      expect(
        {
          lost: lost.slice(0, 9),
          late: late.slice(0, 9),
          phantoms,
          secondIds,
          sharedIds,
          crashes: world.crashes,
        },
        tails,
      ).toEqual({ lost: [], late: [], phantoms: [], secondIds: [], sharedIds: [], crashes: [] });
    } finally {
      await writers.stop();
      for (const daemon of started) await daemon[Symbol.asyncDispose]();
    }
  });
});

/** Like a supervisor: a daemon that ended by itself is started again; what it said last is kept. */
function revive({ daemons, crashes, start }: World): void {
  daemons.forEach((daemon, i) => {
    if (!daemon.hasEnded()) return;
    crashes.push(daemon.output().slice(-2_000));
    daemons[i] = start();
  });
}

/** Waits until everything has arrived, or nothing arrives any more. Returns how long. */
async function settle(world: World, arrivals: Arrivals): Promise<number> {
  const startedMs = performance.now();
  let last = { missing: arrivals.missing().length, atMs: startedMs };
  while (last.missing > 0) {
    const now = performance.now();
    if (now - last.atMs > SILENCE_MS || now - startedMs > SETTLE_MS) break;
    revive(world);
    await delay(LOOK_MS);
    const missing = arrivals.missing().length;
    if (missing < last.missing) last = { missing, atMs: performance.now() };
  }
  return performance.now() - startedMs;
}

/** What stands in the table, and where the WAL ended after all of it. */
async function committedOf(url: string): Promise<{ committed: Set<number>; walEnd: string }> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string }>('select id::text as id from op');
    const end = await client.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn');
    return { committed: new Set(rows.map((row) => Number(row.id))), walEnd: end.rows[0]?.lsn ?? '0/0' };
  } finally {
    await client.end();
  }
}
