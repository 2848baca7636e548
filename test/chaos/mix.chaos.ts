/**
 * A mix of faults in the order of a seed, against two daemons on one slot: nothing committed is lost, nothing
 * rolled back is sent, what is repeated keeps its id, and a row's Deliveries keep their order where that is promised.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { judge, LEDGER_TABLE } from '../crash/ledger.ts';
import { configFolder, type Daemon, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { openProxy } from '../helpers/proxy.ts';
import { startPostgres } from '../helpers/servers.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { Arrivals, OPS_PATH } from './arrivals.ts';
import { COUNTER_TABLE, CounterLedger } from './counters.ts';
import { FAULTS, type Fault, type Post, stopLeader, type World } from './faults.ts';
import { type Random, seeded } from './random.ts';
import { type QueueServer, startQueueServer } from './servers.ts';
import { describeWhereabouts, findWhereabouts, queueNotes } from './whereabouts.ts';
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
const SETTLE_MS = 1_800_000;
/** How often it is looked whether everything has arrived. */
const LOOK_MS = 1_000;
/** How often it is said what is waited for. */
const TELL_MS = 15_000;

const COUNTER_PATH = '/rows';
const JUMPING_CLOCK = new URL('./jumpingClock.mjs', import.meta.url).href;

function nextFault(random: Random): Fault {
  if (STOPS_LEADER && random.next() < 1 / 3) return ['stop the leader for a while', stopLeader];
  return random.pick(FAULTS);
}

const WEBHOOK = {
  timeout: '5s',
  // What overflows is told in a Gap, and not delivered: that is tested elsewhere.
  backlog: { max: 10_000_000, bytes: '10GiB' },
  retry: { schedule: Array.from({ length: 50 }, () => '1s') },
};

async function openPost(
  database: TestDatabase,
  section: QueueServer['section'],
  slot: string,
  sink: Sink,
): Promise<Post> {
  const postgres = await openProxy(database.url);
  const queue = await openProxy(section.url);
  const folder = await configFolder({
    environment: 'chaos',
    postgres: { url: postgres.url, slot, heartbeat: '1s' },
    queue: { ...section, url: queue.url },
    admin: false,
    webhooks: [
      { ...WEBHOOK, name: 'ops', models: ['op'], events: ['created'], url: sink.url },
      {
        ...WEBHOOK,
        name: 'rows',
        models: ['counter'],
        events: ['updated'],
        url: `${sink.url}${COUNTER_PATH.slice(1)}`,
        ordering: 'row',
      },
    ],
  });
  return {
    postgres,
    queue,
    file: folder.file,
    async [Symbol.asyncDispose]() {
      await postgres[Symbol.asyncDispose]();
      await queue[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe(`chaos, seed ${SEED}, ${MINUTES} minutes, queue on ${QUEUE}`, () => {
  it('loses nothing, makes nothing up, keeps the order of rows, and repeats under the same id', async () => {
    const random = seeded(SEED);
    await using server = await startPostgres({
      max_connections: '80',
      max_wal_senders: '10',
      max_prepared_transactions: '10',
    });
    await using database = await createDatabase(server.url);
    await using queueServer = await startQueueServer(QUEUE);
    await using sink = await openSink();
    const { section } = queueServer;
    await database.client.query(
      `${LEDGER_TABLE}; ${COUNTER_TABLE}; create table scratch (v text primary key)`,
    );
    await database.client.end();
    const slot = `slot_${randomBytes(5).toString('hex')}`;
    await using first = await openPost(database, section, slot, sink);
    await using second = await openPost(database, section, slot, sink);
    const posts = [first, second];
    expect(await walhook(['setup', '-c', first.file])).toMatchObject({ code: 0, stderr: '' });

    const started: Daemon[] = [];
    const start = (post: number) => {
      const env = { NODE_OPTIONS: `--import=${JUMPING_CLOCK}` };
      const daemon = startDaemon(['-c', posts[post]?.file ?? ''], { env });
      started.push(daemon);
      return daemon;
    };
    const world: World = {
      random,
      server,
      database,
      queueServer,
      posts,
      sink,
      daemons: posts.map((_, post) => start(post)),
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
      const { committed, counters, walEnd } = await committedOf(database.url);
      const arrivals = new Arrivals(committed, sink);
      const rows = new CounterLedger(sink.received, COUNTER_PATH);
      const missingOf = () => arrivals.missing().length + rows.judge(counters).missing.length;
      const settleMs = await settle(world, missingOf);
      const whereabouts = await findWhereabouts({ section, url: database.url, walEnd }, arrivals.missing());
      const ops = sink.received.filter(({ path }) => path === OPS_PATH);
      const judged = judge({ committed, rolledBack: new Set() }, ops);
      const counted = rows.judge(counters);
      const updates = [...counters.values()].reduce((sum, seq) => sum + seq, 0);
      const { lost, late } = whereabouts;
      process.stdout.write(
        `${describeWhereabouts(whereabouts)}seed ${SEED}, ${QUEUE}: ${faults.length} faults, ${committed.size} committed, ${ops.length} received, ${judged.repeats} repeated, ${lost.length} lost, ${late.length} late, ${judged.phantoms.length} made up, ${judged.secondIds.length} under two ids, ${world.crashes.length} daemons ended by themselves; ${updates} updates of ${counters.size} rows in order, ${counted.missing.length} missing, ${counted.phantoms.length} made up, ${counted.outOfOrder.length} out of order; ${(settleMs / 1_000).toFixed(1)} s after the last fault\n`,
      );
      const tails = started
        .map((one) => one.output().slice(-3_000))
        .slice(-4)
        .join('\n---\n');
      expect(
        {
          lost: lost.slice(0, 9),
          late: late.slice(0, 9),
          phantoms: judged.phantoms,
          secondIds: judged.secondIds,
          sharedIds: judged.sharedIds,
          rows: counted,
          crashes: world.crashes,
        },
        tails,
      ).toEqual({
        lost: [],
        late: [],
        phantoms: [],
        secondIds: [],
        sharedIds: [],
        rows: { missing: [], phantoms: [], outOfOrder: [], confused: [] },
        crashes: [],
      });
    } finally {
      await writers.stop().catch(() => undefined);
      for (const daemon of started) await daemon[Symbol.asyncDispose]();
    }
  });
});

/** Like a supervisor: a daemon that ended by itself is started again; what it said last is kept. */
function revive({ daemons, crashes, start }: World): void {
  daemons.forEach((daemon, i) => {
    if (!daemon.hasEnded()) return;
    crashes.push(daemon.output().slice(-2_000));
    daemons[i] = start(i);
  });
}

/** Waits until everything has arrived, or nothing arrives any more. Returns how long. */
async function settle(world: World, missingOf: () => number): Promise<number> {
  const startedMs = performance.now();
  let last = { missing: missingOf(), atMs: startedMs };
  let tellMs = startedMs + TELL_MS;
  while (last.missing > 0) {
    const now = performance.now();
    if (now - last.atMs > SILENCE_MS || now - startedMs > SETTLE_MS) break;
    revive(world);
    await delay(LOOK_MS);
    const missing = missingOf();
    if (missing < last.missing) last = { missing, atMs: performance.now() };
    if (missing === 0 || now < tellMs) continue;
    tellMs = now + TELL_MS;
    const notes = await queueNotes(world.queueServer.section);
    process.stdout.write(`${new Date().toISOString()} ${missing} not arrived yet; ${notes.join('; ')}\n`);
  }
  return performance.now() - startedMs;
}

/** What stands in the table, and where the WAL ended after all of it. */
async function committedOf(
  url: string,
): Promise<{ committed: Set<number>; counters: Map<number, number>; walEnd: string }> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string }>('select id::text as id from op');
    const rowsOf = await client.query<{ id: number; seq: number }>('select id, seq from counter');
    const end = await client.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn');
    return {
      committed: new Set(rows.map((row) => Number(row.id))),
      counters: new Map(rowsOf.rows.map(({ id, seq }) => [id, seq])),
      walEnd: end.rows[0]?.lsn ?? '0/0',
    };
  } finally {
    await client.end();
  }
}
