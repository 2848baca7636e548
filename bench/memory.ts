/**
 * How much memory the daemon takes when the database does not spare it: one Transaction of two million
 * updates with whole rows before and after, of which a webhook wants one in a thousand, and single rows of
 * 20 MB, 270 MB and 1 GiB. Each part has a daemon of its own, the queue on PostgreSQL in the same server.
 *
 * Says of each the peak resident memory, whether the server dropped the connection, what it spilled, and
 * whether the commits that follow are delivered. Linux only, for its figure of peak memory.
 */
import { Client } from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../src/demo/embeddedPostgres.ts';
import { buildCommand, type DaemonRun, startDaemon, waitFor } from './daemonRun.ts';
import { mebibytes, print, verdict } from './measure.ts';

const UPDATES = Number(process.env['BENCH_UPDATES'] ?? 2_000_000);
const EVERY = 1_000;
const MIB = 1_048_576;
const TIMEOUT_MS = 10_000;

interface Place {
  readonly server: EmbeddedPostgres;
  readonly name: string;
  readonly client: Client;
}

/** A database to watch and one for the queue. */
async function withPlace(
  server: EmbeddedPostgres,
  name: string,
  use: (place: Place) => Promise<void>,
): Promise<void> {
  const admin = new Client({ connectionString: server.url('postgres') });
  await admin.connect();
  for (const database of [name, `${name}_queue`]) await admin.query(`create database ${database}`);
  const client = new Client({ connectionString: server.url(name) });
  await client.connect();
  await client.query('create table after (id int primary key)');
  try {
    await use({ server, name, client });
  } finally {
    await client.end();
    await admin.end();
  }
}

function daemonFor({ server, name }: Place, model: string, conditions: unknown): Promise<DaemonRun> {
  return startDaemon({
    databaseUrl: server.url(name),
    queueUrl: server.url(`${name}_queue`),
    slot: name,
    webhooks: [
      { name: 'rows', models: [model], conditions },
      { name: 'after', models: ['after'] },
    ],
  });
}

async function walsender({ client, name }: Place): Promise<number> {
  const { rows } = await client.query<{ pid: number | null }>(
    'select active_pid as pid from pg_replication_slots where slot_name = $1',
    [name],
  );
  return rows[0]?.pid ?? 0;
}

async function spill({ client, name }: Place): Promise<string> {
  const { rows } = await client.query<{ txns: string; bytes: string }>(
    'select spill_txns as txns, spill_bytes as bytes from pg_stat_replication_slots where slot_name = $1',
    [name],
  );
  return `${rows[0]?.txns ?? 0} Transactions, ${mebibytes(Number(rows[0]?.bytes ?? 0))} written`;
}

async function updates(server: EmbeddedPostgres): Promise<void> {
  await withPlace(server, 'updates', async (place) => {
    const { client } = place;
    await client.query('create table load (id int primary key, bucket int, note text, n int)');
    await client.query('alter table load replica identity full');
    await client.query(
      `insert into load select i, i % ${EVERY}, repeat('n', 80), 0 from generate_series(1, ${UPDATES}) i`,
    );
    await client.query('checkpoint');
    await using daemon = await daemonFor(place, 'load', { attr: 'bucket', value: 0 });
    const pid = await walsender(place);
    const idle = await daemon.peakBytes();
    await client.query('update load set n = n + 1');
    const committed = performance.now();
    await client.query('insert into after values (1)');
    const wanted = Math.floor(UPDATES / EVERY);
    const arrived = (name: string) => daemon.received.filter((one) => one.path === `/${name}`);
    await waitFor('the commit after it', () => arrived('after').length > 0);
    await waitFor('every Delivery', () => arrived('rows').length >= wanted);
    const first = arrived('rows').at(0)?.atMs ?? Number.NaN;
    const last = arrived('rows').at(-1)?.atMs ?? Number.NaN;
    const after = arrived('after').at(0)?.atMs ?? Number.NaN;
    const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;

    print(`one Transaction of ${UPDATES} updates, REPLICA IDENTITY FULL, one in ${EVERY} matching`);
    print(
      `  idle ${mebibytes(idle)}; ${verdict('peak RSS in MiB', (await daemon.peakBytes()) / MIB, 'at most', 180)}`,
    );
    print(
      `  Deliveries ${arrived('rows').length} of ${wanted}, the first ${seconds(first - committed)} after the commit`,
    );
    print(`  the commit after it received ${seconds(Math.max(0, after - last))} after the last of them`);
    print(
      `  connection kept at wal_sender_timeout ${seconds(TIMEOUT_MS)}: ${(await walsender(place)) === pid ? 'yes' : 'NO'}`,
    );
    print(`  server's spill: ${await spill(place)}`);
  });
}

interface FatRow {
  readonly title: string;
  /** Columns after the key. */
  readonly columns: string;
  readonly values: string;
  /** A row longer than limits.message is a failed Delivery; a shorter one comes without its values. */
  readonly isSent: boolean;
}

const FAT_ROWS: readonly FatRow[] = [
  {
    title: 'a row of 20 MB of bytea',
    columns: 'a bytea',
    values: "decode(repeat('ab', 20000000), 'hex')",
    isSent: true,
  },
  {
    title: 'a row of 270 MB of bytea',
    columns: 'a bytea',
    values: "decode(repeat('ab', 270000000), 'hex')",
    isSent: false,
  },
  {
    title: 'a row of 1 GiB in four columns of text',
    columns: 'a text, b text, c text, d text',
    values: Array.from({ length: 4 }, () => `repeat('x', ${255 * MIB})`).join(', '),
    isSent: false,
  },
];

async function fatRow(server: EmbeddedPostgres, row: FatRow, at: number): Promise<void> {
  await withPlace(server, `fat${at}`, async (place) => {
    const { client } = place;
    await client.query(`create table fat (id int primary key, ${row.columns})`);
    await client.query(
      row.columns
        .split(', ')
        .map((column) => `alter table fat alter ${column.split(' ')[0]} set storage external;`)
        .join(' '),
    );
    await using daemon = await daemonFor(place, 'fat', null);
    const pid = await walsender(place);
    await client.query(`insert into fat values (1, ${row.values})`);
    await client.query('insert into after values (1)');
    await waitFor('the commit after it', () => daemon.received.some((one) => one.path === '/after'));
    const sent = () => daemon.received.find((one) => one.path === '/rows')?.body;
    if (row.isSent) await waitFor('the row', () => sent() !== undefined);
    const became = row.isSent
      ? `sent with "unavailable": ${/"unavailable":(.*)\}$/.exec(sent() ?? '')?.[1]}`
      : `${daemon.logged('too_large')} failed Delivery, too_large`;
    print(`${row.title}: ${became}`);
    print(`  ${verdict('peak RSS in MiB', (await daemon.peakBytes()) / MIB, 'at most', 200)}`);
    print(
      `  the commit after it was received; connection kept: ${(await walsender(place)) === pid ? 'yes' : 'NO'}`,
    );
  });
}

export async function benchMemory(): Promise<void> {
  buildCommand();
  const server = await startEmbeddedPostgres({
    settings: {
      max_wal_size: '8GB',
      shared_buffers: '256MB',
      autovacuum: 'off',
      wal_sender_timeout: `${TIMEOUT_MS}`,
    },
  });
  try {
    await updates(server);
    for (const [at, row] of FAT_ROWS.entries()) await fatRow(server, row, at);
  } finally {
    await server.stop();
  }
}
