/**
 * From slot to match with nothing matching: how fast a stretch of WAL is read, and what each Change costs
 * this process, beside the client library's own decoder, pg_recvlogical and the server alone.
 *
 * Two loads of the same rows, one large Transaction and many small ones. Every round drains a copy of one
 * slot, contestants in turn, so that a noisy machine disturbs all alike; medians of five are printed. The
 * server is the embedded one of the demo. What is drained ends with one row of another table, which our
 * side matches and the others look for.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Client } from 'pg';
import { LogicalReplicationService, type Pgoutput, PgoutputPlugin } from 'pg-logical-replication';
import { startEmbeddedPostgres } from '../src/demo/embeddedPostgres.ts';
import { runCapture, target } from './captureRun.ts';
import { type Cost, compared, measured, median, print, type Row, thousands } from './measure.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);
const LARGE = Number(process.env['BENCH_LARGE'] ?? 300_000);
const SMALL = Number(process.env['BENCH_SMALL'] ?? 100_000);
const PUBLICATION = 'bench';

interface Load {
  readonly title: string;
  readonly slot: string;
  readonly changes: number;
}

interface Contestant {
  readonly name: string;
  drain(slot: string): Promise<Cost>;
}

/** Ten columns, about 200 bytes of text. */
const SCHEMA = `
  create table load (
    id int8 primary key, name text, note text, status text, amount numeric(12, 2), count int4,
    flag boolean, at timestamptz, ref uuid, ratio float8);
  create table marker (id int8 primary key);
  create publication ${PUBLICATION} for table load, marker;`;

const row = (id: string): string => `
  ${id}, 'name of row ' || ${id}, repeat('n', 60), 'enabled', 1234.50, 42, true,
  timestamptz '2023-08-07 19:30:23.140019+00', uuid 'af7aebe6-d049-405a-910f-d01e5ff043cd', 0.1`;

async function prepare(client: Client): Promise<Load[]> {
  await client.query(SCHEMA);
  await client.query('set synchronous_commit = off');
  const newSlot = (name: string) =>
    client.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [name]);

  await newSlot('large');
  await client.query(`insert into load select ${row('i')} from generate_series(1, ${LARGE}) i`);
  await client.query('insert into marker values (1)');

  await newSlot('small');
  await client.query(`do $$ begin
    for i in 1 .. ${SMALL} loop
      insert into load select ${row(`${LARGE} + i`)};
      commit;
    end loop; end $$`);
  await client.query('insert into marker values (2)');
  await client.query('checkpoint');
  return [
    { title: `one Transaction of ${LARGE} Changes`, slot: 'large', changes: LARGE },
    { title: `${SMALL} Transactions of one Change`, slot: 'small', changes: SMALL },
  ];
}

/** Ours, once with a webhook whose condition is asked for every row, once with none for the table. */
function ours(name: string, url: string, conditions: unknown): Contestant {
  const watching = conditions === null ? [] : [target('load', 'load', conditions)];
  return {
    name,
    drain: (slot) =>
      measured(() =>
        runCapture({
          url,
          slot,
          publication: PUBLICATION,
          targets: [...watching, target('marker', 'marker', null)],
          onFlush: ({ batches }) => batches.length > 0,
        }),
      ),
  };
}

function library(url: string): Contestant {
  const drain = async (slot: string) => {
    const service = new LogicalReplicationService(
      { connectionString: url },
      { acknowledge: { auto: false, timeoutSeconds: 0 } },
    );
    const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [PUBLICATION], messages: true });
    const done = new Promise<void>((resolve) => {
      service.on('data', (_lsn: string, message: Pgoutput.Message) => {
        if (message.tag === 'insert' && message.relation.name === 'marker') resolve();
      });
    });
    const ended = service.subscribe(plugin, slot, '0/00000000').catch(() => undefined);
    await done;
    await service.destroy();
    await ended;
  };
  return { name: "library's decoder", drain: (slot) => measured(() => drain(slot)) };
}

/** The server decodes and counts; nothing leaves it. */
function serverAlone(client: Client): Contestant {
  const count = `select count(*) from pg_logical_slot_peek_binary_changes($1, null, null,
    'proto_version', '1', 'publication_names', '${PUBLICATION}', 'messages', 'true')`;
  return { name: 'server alone', drain: (slot) => measured(() => client.query(count, [slot])) };
}

const PLACES = ['/usr/lib/postgresql/18/bin', '/usr/lib/postgresql/17/bin', '/usr/lib/postgresql/15/bin'];

/** null where it is not installed. */
function recvlogical(url: string, client: Client): Contestant | null {
  const folders = [...PLACES, ...(process.env['PATH'] ?? '').split(':')];
  const binary = folders.map((folder) => `${folder}/pg_recvlogical`).find((file) => existsSync(file));
  if (binary === undefined) return null;
  const drain = async (slot: string): Promise<Cost> => {
    const { rows } = await client.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
    const command = [
      binary,
      `-d '${url}' --slot ${slot} --start --no-loop -f /dev/null --endpos ${rows[0]?.lsn}`,
      `-o proto_version=1 -o publication_names=${PUBLICATION} -o messages=true`,
    ].join(' ');
    const start = performance.now();
    // bash tells what its child has used.
    const shell = spawn('bash', ['-c', `${command} && times`], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    shell.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
    const [code] = (await once(shell, 'close')) as [number | null];
    if (code !== 0) throw new Error(`pg_recvlogical ended with ${code}`);
    return { wallMs: performance.now() - start, cpuMs: childCpuMs(output) };
  };
  return { name: 'pg_recvlogical', drain };
}

/** The second line of bash's `times`: `0m1.234s 0m0.567s`, user and system of its children. */
function childCpuMs(output: string): number {
  const times = [...(output.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  return times.reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1_000,
    0,
  );
}

async function round(client: Client, load: Load, { drain }: Contestant): Promise<Cost> {
  await client.query('select pg_copy_logical_replication_slot($1, $2)', [load.slot, 'copy']);
  try {
    return await drain('copy');
  } finally {
    await dropWhenFree(client, 'copy');
  }
}

/** A walsender lets go of its slot a moment after its client has gone. */
async function dropWhenFree(client: Client, slot: string): Promise<void> {
  for (;;) {
    const { rowCount } = await client.query(
      'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active',
      [slot],
    );
    if (rowCount === 1) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

interface Result {
  readonly rate: number;
  readonly cpuUs: number;
}

async function compare(client: Client, load: Load, contestants: readonly Contestant[]): Promise<void> {
  const costs = new Map(contestants.map(({ name }) => [name, [] as Cost[]]));
  for (const contestant of contestants) await round(client, load, contestant);
  for (let count = 0; count < ROUNDS; count += 1) {
    for (const contestant of contestants) {
      costs.get(contestant.name)?.push(await round(client, load, contestant));
    }
  }
  const results = new Map(
    Array.from(costs, ([name, list]): [string, Result] => [
      name,
      {
        rate: load.changes / (median(list.map((cost) => cost.wallMs)) / 1_000),
        cpuUs: (median(list.map((cost) => cost.cpuMs)) * 1_000) / load.changes,
      },
    ]),
  );
  report(load, results);
}

const MATCHING = 'walhook, a condition per row';
const PASSING = 'walhook, table not watched';

function report(load: Load, results: ReadonlyMap<string, Result>): void {
  const of = (name: string): Result => results.get(name) ?? { rate: Number.NaN, cpuUs: Number.NaN };
  print(`\n${load.title}, medians of ${ROUNDS} alternating rounds`);
  for (const [name, { rate, cpuUs }] of results) {
    const cpu = name === 'server alone' ? '' : `${cpuUs.toFixed(2).padStart(8)} µs client CPU per Change`;
    print(`  ${name.padEnd(30)} ${String(Math.round(rate)).padStart(8)} Changes/s ${cpu}`);
  }
  for (const name of [MATCHING, PASSING]) for (const one of rowsOf(load, name, of)) compared(one);
}

function rowsOf(load: Load, name: string, of: (name: string) => Result): Row[] {
  const what = (figure: string): string => `${load.title}, ${name.replace('walhook, ', '')}: ${figure}`;
  const us = of(name);
  const library = of("library's decoder");
  const alone = of('server alone');
  return [
    {
      what: what('client CPU per Change'),
      ours: `${us.cpuUs.toFixed(2)} µs`,
      bare: `library's decoder ${library.cpuUs.toFixed(2)} µs`,
      value: us.cpuUs / library.cpuUs,
      kind: 'at most',
      target: 0.5,
    },
    {
      what: what('Changes/s'),
      ours: thousands(us.rate),
      bare: `library's decoder ${thousands(library.rate)}`,
      value: us.rate / library.rate,
      kind: 'at least',
      target: 1,
    },
    {
      what: what('Changes/s'),
      ours: thousands(us.rate),
      bare: `server alone ${thousands(alone.rate)}`,
      value: us.rate / alone.rate,
      kind: 'at least',
      target: 0.5,
    },
  ];
}

export async function benchDrain(): Promise<void> {
  const server = await startEmbeddedPostgres({
    settings: { max_wal_size: '4GB', shared_buffers: '256MB', autovacuum: 'off' },
  });
  const url = server.url('postgres');
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    const loads = await prepare(client);
    const other = recvlogical(url, client);
    if (other === null) print('pg_recvlogical was not found and is not shown');
    const contestants = [
      ours(MATCHING, url, { attr: 'status', value: 'none has this' }),
      ours(PASSING, url, null),
      library(url),
      ...(other === null ? [] : [other]),
      serverAlone(client),
    ];
    for (const load of loads) await compare(client, load, contestants);
  } finally {
    await client.end();
    await server.stop();
  }
}
