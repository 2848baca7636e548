/**
 * What a quiet captured database pins beside a busy one of the same cluster: for some minutes pgbench writes to the
 * neighbour while the daemon watches a database in which nothing happens. Told are the longest time in which
 * `confirmed_flush_lsn` did not move, and the most WAL that the slot kept.
 *
 * `npm run bench -- quiet [--minutes 5]`. Where there is no pgbench on the PATH, its transaction is run from here.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../src/demo/embeddedPostgres.ts';
import { buildCommand, startDaemon } from './daemonRun.ts';
import { mebibytes, print, verdict } from './measure.ts';

const SAMPLE_MS = 200;
const CLIENTS = 4;
const SCALE = 10;
const MIB = 1_048_576;

interface Seen {
  readonly confirmed: string;
  readonly retained: number;
  readonly written: number;
}

async function look(client: Client, slot: string): Promise<Seen> {
  const { rows } = await client.query<{ confirmed: string; retained: string; written: string }>(
    `select confirmed_flush_lsn::text as confirmed, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::text as retained,
       pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text as written
     from pg_replication_slots where slot_name = $1`,
    [slot],
  );
  const { confirmed = '', retained = '0', written = '0' } = rows[0] ?? {};
  return { confirmed, retained: Number(retained), written: Number(written) };
}

/** Runs pgbench's own transactions; resolves with how many there were. */
async function pgbench(url: string, seconds: number): Promise<string> {
  const child = spawn('pgbench', ['-T', String(seconds), '-c', String(CLIENTS), '-n', url], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8');
  });
  await once(child, 'close');
  return `pgbench, ${/number of transactions actually processed: (\d+)/.exec(said)?.[1] ?? 'no'} transactions`;
}

async function ownLoad(url: string, seconds: number): Promise<string> {
  const deadline = performance.now() + seconds * 1_000;
  let count = 0;
  const run = async () => {
    const client = new Client({ connectionString: url });
    await client.connect();
    while (performance.now() < deadline) {
      const account = 1 + Math.floor(Math.random() * SCALE * 100_000);
      await client.query(
        `begin; update pgbench_accounts set abalance = abalance + 1 where aid = ${account};
         insert into pgbench_history (aid, delta, mtime) values (${account}, 1, now()); commit`,
      );
      count += 1;
    }
    await client.end();
  };
  await Promise.all(Array.from({ length: CLIENTS }, run));
  return `as pgbench does, ${count} transactions`;
}

async function fill(url: string, hasPgbench: boolean): Promise<void> {
  if (hasPgbench) {
    const { status } = spawnSync('pgbench', ['-i', '-q', '-s', String(SCALE), url], { stdio: 'ignore' });
    if (status !== 0) throw new Error(`pgbench -i ended with ${status}`);
    return;
  }
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`
    create table pgbench_accounts (aid int primary key, bid int, abalance int, filler char(84));
    create table pgbench_history (aid int, delta int, mtime timestamp);
    insert into pgbench_accounts select i, 1, 0, '' from generate_series(1, ${SCALE * 100_000}) as i`);
  await client.end();
}

export async function benchQuiet(): Promise<void> {
  const { values } = parseArgs({
    args: process.argv.slice(3),
    options: { minutes: { type: 'string', default: '5' } },
  });
  const seconds = Math.max(1, Math.round(Number(values.minutes) * 60));
  buildCommand();
  const server = await startEmbeddedPostgres({ settings: { max_wal_size: '4GB' } });
  const admin = new Client({ connectionString: server.url('postgres') });
  try {
    await admin.connect();
    for (const name of ['quiet', 'queue', 'busy']) await admin.query(`create database ${name}`);
    const quiet = new Client({ connectionString: server.url('quiet') });
    await quiet.connect();
    await quiet.query('create table orders (id int primary key)');
    await quiet.end();
    const hasPgbench = spawnSync('pgbench', ['--version'], { stdio: 'ignore' }).status === 0;
    await fill(server.url('busy'), hasPgbench);
    await using daemon = await startDaemon({
      databaseUrl: server.url('quiet'),
      queueUrl: server.url('queue'),
      slot: 'quiet',
      config: { admin: false },
      webhooks: [{ name: 'orders', models: ['orders'] }],
    });
    const first = await look(admin, 'quiet');
    let isOver = false;
    const load = (hasPgbench ? pgbench : ownLoad)(server.url('busy'), seconds).finally(() => {
      isOver = true;
    });
    const { longestMs, peak, last, moves } = await watch(admin, first, () => isOver);
    print(`a quiet captured database beside a busy one for ${seconds} s (${await load})`);
    print(`  WAL of the cluster meanwhile: ${mebibytes(last.written - first.written)}`);
    print(
      `  confirmed_flush_lsn moved ${moves} times; ${verdict('longest time without, in s', longestMs / 1_000, 'at most', 30)}`,
    );
    print(`  ${verdict('peak retained WAL in MiB', peak / MIB, 'at most', 64)}`);
    print(`  requests of the quiet database: ${daemon.received.length}`);
  } finally {
    await admin.end();
    await server.stop();
  }
}

interface Watched {
  readonly longestMs: number;
  readonly peak: number;
  readonly moves: number;
  readonly last: Seen;
}

async function watch(admin: Client, first: Seen, isOver: () => boolean): Promise<Watched> {
  let last = first;
  let movedMs = performance.now();
  let longestMs = 0;
  let peak = 0;
  let moves = 0;
  while (!isOver()) {
    await delay(SAMPLE_MS);
    const now = await look(admin, 'quiet');
    longestMs = Math.max(longestMs, performance.now() - movedMs);
    peak = Math.max(peak, now.retained);
    if (now.confirmed !== last.confirmed) {
      movedMs = performance.now();
      moves += 1;
    }
    last = now;
  }
  return { longestMs, peak, moves, last };
}
