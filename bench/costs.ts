/**
 * What walhook costs the database that it watches, measured on the embedded server: WAL by replica identity
 * and helper triggers, CPU of the server's process that decodes, connections, locks. Prints the page and
 * writes it to docs/costs.md. Linux only, for the CPU of the server's processes.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../src/demo/embeddedPostgres.ts';
import { runCapture, target } from './captureRun.ts';
import { buildCommand, startDaemon, waitFor } from './daemonRun.ts';
import { median, print } from './measure.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);
const ROWS = 50_000;
const DECODED = Number(process.env['BENCH_LARGE'] ?? 300_000);
const CLOCK_TICK_MS = 10;

interface Variant {
  readonly name: string;
  readonly prepare: string;
}

const VARIANTS: readonly Variant[] = [
  { name: 'a published table, REPLICA IDENTITY DEFAULT', prepare: '' },
  { name: 'REPLICA IDENTITY FULL', prepare: 'alter table load replica identity full' },
  { name: "walhook.track('load')", prepare: "select walhook.track('load')" },
  {
    name: "walhook.track('load', columns => false)",
    prepare: "select walhook.track('load', columns => false)",
  },
];

const STATEMENTS = [
  [
    'INSERT',
    `insert into load (id, n, note) select i, 0, repeat('n', 480) from generate_series(1, ${ROWS}) i`,
  ],
  ['UPDATE', 'update load set n = n + 1'],
  ['DELETE', 'delete from load'],
] as const;

interface WalCost {
  readonly bytes: number;
  /** CPU of the server's process. */
  readonly ms: number;
}

/** WAL and CPU of each statement, medians over rounds in which the variants alternate. */
async function walCosts(client: Client): Promise<ReadonlyMap<string, ReadonlyMap<string, WalCost>>> {
  const seen = new Map<string, { bytes: number[]; ms: number[] }>();
  const pid = await backendPid(client);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { name, prepare } of VARIANTS) {
      await client.query('create table load (id int primary key, n int, note text)');
      await client.query('create publication costs for table load');
      if (prepare !== '') await client.query(prepare);
      await client.query("select set_config('walhook.username', 'admin', false)");
      for (const [kind, statement] of STATEMENTS) {
        const { bytes, ms } = await walOf(client, pid, statement);
        const known = seen.get(`${name} ${kind}`) ?? { bytes: [], ms: [] };
        known.bytes.push(bytes);
        known.ms.push(ms);
        seen.set(`${name} ${kind}`, known);
      }
      await client.query('drop publication costs; drop table load');
    }
  }
  return new Map(
    VARIANTS.map(({ name }) => [
      name,
      new Map(
        STATEMENTS.map(([kind]): [string, WalCost] => {
          const { bytes, ms } = seen.get(`${name} ${kind}`) ?? { bytes: [], ms: [] };
          return [kind, { bytes: median(bytes), ms: median(ms) }];
        }),
      ),
    ]),
  );
}

async function walOf(client: Client, pid: number, statement: string): Promise<WalCost> {
  const lsn = async () =>
    (await client.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn')).rows[0]?.lsn;
  const before = await lsn();
  const cpu = await cpuMs(pid);
  await client.query(statement);
  const ms = (await cpuMs(pid)) - cpu;
  const { rows } = await client.query<{ bytes: string }>(
    'select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1) as bytes',
    [before],
  );
  return { bytes: Number(rows[0]?.bytes), ms };
}

async function backendPid(client: Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]?.pid ?? 0;
}

/** CPU so far of one of the server's processes. */
async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
}

interface DecodingCost {
  readonly writingUs: number;
  readonly decodingUs: number;
}

/** CPU of the process that writes rows and of the one that decodes them, per row. */
async function decodingCost(client: Client, url: string): Promise<DecodingCost> {
  await client.query(`
    create table load (id int primary key, n int, note text);
    create table marker (id int primary key);
    create publication costs for table load, marker;`);
  await client.query("select pg_create_logical_replication_slot('costs', 'pgoutput')");
  const writer = await backendPid(client);
  const before = await cpuMs(writer);
  await client.query(`insert into load select i, 0, repeat('n', 180) from generate_series(1, ${DECODED}) i`);
  const writingUs = ((await cpuMs(writer)) - before) * (1_000 / DECODED);
  await client.query('insert into marker values (1)');
  let sender = 0;
  let decodingMs = 0;
  await runCapture({
    url,
    slot: 'costs',
    publication: 'costs',
    targets: [target('marker', 'marker', null)],
    options: {
      onOpen: ({ backendPid }) => {
        sender = backendPid ?? 0;
      },
    },
    async onFlush({ batches }) {
      decodingMs = await cpuMs(sender);
      return batches.length > 0;
    },
  });
  await waitFor('the slot to be free', async () => {
    const { rowCount } = await client.query(
      "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'costs' and not active",
    );
    return rowCount === 1;
  });
  await client.query('drop publication costs; drop table load, marker');
  return { writingUs, decodingUs: (decodingMs * 1_000) / DECODED };
}

interface Presence {
  /** `walsender`, `client backend`… and how many. */
  readonly connections: readonly string[];
  /** On tables of the application. */
  readonly locks: readonly string[];
}

/** What the running daemon holds of the watched database, seen many times while rows are written. */
async function presence(client: Client, databaseUrl: string, queueUrl: string): Promise<Presence> {
  await client.query('create table load (id int primary key, n int, note text)');
  await using daemon = await startDaemon({
    databaseUrl,
    queueUrl,
    slot: 'costs',
    webhooks: [{ name: 'load', models: ['load'] }],
  });
  const most = new Map<string, number>();
  const locks = new Set<string>();
  for (let round = 1; round <= 200; round += 1) {
    await client.query('insert into load values ($1, 0, $2)', [round, 'note']);
    const { rows } = await client.query<{ kind: string; count: string }>(
      `select backend_type as kind, count(*) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() group by 1`,
    );
    for (const { kind, count } of rows) most.set(kind, Math.max(most.get(kind) ?? 0, Number(count)));
    const held = await client.query<{ mode: string }>(
      `select l.mode from pg_locks l join pg_class c on c.oid = l.relation
       join pg_namespace n on n.oid = c.relnamespace
       where l.pid <> pg_backend_pid() and n.nspname = 'public'`,
    );
    for (const { mode } of held.rows) locks.add(mode);
  }
  await waitFor('the webhooks', () => daemon.received.length >= 200);
  return {
    connections: Array.from(most, ([kind, count]) => `${count} × ${kind}`).toSorted(),
    locks: [...locks].toSorted(),
  };
}

/** Locks on the table that a statement takes until its transaction ends. */
async function locksOf(client: Client, statement: string): Promise<string> {
  await client.query('begin');
  await client.query(statement);
  const { rows } = await client.query<{ mode: string }>(
    `select distinct mode from pg_locks
     where pid = pg_backend_pid() and relation = 'public.load'::regclass order by 1`,
  );
  await client.query('rollback');
  return rows.map(({ mode }) => mode.replace(/Lock$/, '')).join(', ') || 'none';
}

const LOCKING: readonly (readonly [by: string, what: string, statement: string])[] = [
  ['setup', 'publishes a table', 'create publication other for table public.load'],
  ['by hand', 'sends whole rows', 'alter table public.load replica identity full'],
  ['by hand', "walhook.track('load')", "select walhook.track('load')"],
  ['by hand', "walhook.track('load', columns => false)", "select walhook.track('load', columns => false)"],
];

function page(
  wal: ReadonlyMap<string, ReadonlyMap<string, WalCost>>,
  decoding: DecodingCost,
  { connections, locks }: Presence,
  locking: readonly string[],
): string {
  const base = wal.get(VARIANTS[0]?.name ?? '');
  const cell = (name: string, kind: string) => {
    const cost = wal.get(name)?.get(kind) ?? { bytes: Number.NaN, ms: Number.NaN };
    const first = base?.get(kind) ?? cost;
    return `${Math.round(cost.bytes / ROWS)} B (${(cost.bytes / first.bytes).toFixed(2)}×), ${(cost.ms / first.ms).toFixed(2)}× CPU`;
  };
  return `# What walhook costs the database

Written by \`npm run bench -- costs\`, which measures it on the embedded PostgreSQL: look at the ratios, the times
are those of one machine.

## WAL

Bytes of WAL for each row, and CPU of the statement, beside those of a table that is published and nothing more
(publishing adds no WAL by itself where \`wal_level\` is \`logical\`). ${ROWS} rows of 500 bytes in one statement,
medians of ${ROUNDS} alternating rounds, without full-page images.

| | INSERT | UPDATE | DELETE |
| --- | --- | --- | --- |
${VARIANTS.map(({ name }) => `| ${name} | ${STATEMENTS.map(([kind]) => cell(name, kind)).join(' | ')} |`).join('\n')}

A slot keeps WAL until it is acknowledged; \`walhook status\` tells how much, \`max_slot_wal_keep_size\` bounds it.

## CPU

Decoding and sending one inserted row takes the server's walsender ${decoding.decodingUs.toFixed(1)} µs of CPU; writing it
took its backend ${decoding.writingUs.toFixed(1)} µs (ratio ${(decoding.decodingUs / decoding.writingUs).toFixed(2)}). The walsender reads the WAL of the whole
server and decodes that of its own database, also of tables that are not published: a busy table costs something
though no webhook watches it. It is one process, so walhook uses at most one core of the server.

## Connections

Of a running daemon in the watched database, at most at a time while it captured: ${connections.join(', ')}. The first
is the slot's; catalog, look-ups and heartbeat share a pool of two. A page or API that is used takes up to two more, and a
queue in PostgreSQL has connections of its own.

## Locks

Held on the application's tables while the daemon ran and rows were written: ${locks.length === 0 ? 'none' : locks.join(', ')}. Look-ups
take ACCESS SHARE for as long as they last, at most two seconds. What changes the database takes the locks below
until its transaction ends. \`setup\` and \`walhook.track\` give up after a \`lock_timeout\` of two seconds instead of letting
others wait behind them; set one yourself before an ALTER TABLE:

| by | what | locks on the table |
| --- | --- | --- |
${locking.join('\n')}
`;
}

export async function benchCosts(): Promise<void> {
  buildCommand();
  const server = await startEmbeddedPostgres({
    settings: { max_wal_size: '4GB', full_page_writes: 'off', autovacuum: 'off' },
  });
  const admin = new Client({ connectionString: server.url('postgres') });
  const client = new Client({ connectionString: server.url('watched') });
  try {
    await admin.connect();
    for (const name of ['watched', 'queue', 'daemon']) await admin.query(`create database ${name}`);
    await client.connect();
    await client.query(await readFile('sql/schema.sql', 'utf8'));
    const wal = await walCosts(client);
    const decoding = await decodingCost(client, server.url('watched'));
    await client.query('create table load (id int primary key, n int, note text)');
    const locking: string[] = [];
    for (const [by, what, statement] of LOCKING) {
      locking.push(`| ${by} | ${what} | ${await locksOf(client, statement)} |`);
    }
    const watched = new Client({ connectionString: server.url('daemon') });
    await watched.connect();
    const seen = await presence(watched, server.url('daemon'), server.url('queue'));
    await watched.end();
    const text = page(wal, decoding, seen, locking);
    await writeFile('docs/costs.md', text);
    print(text);
  } finally {
    await client.end();
    await admin.end();
    await server.stop();
  }
}
