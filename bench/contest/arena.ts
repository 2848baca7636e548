/**
 * Where a contest takes place: one PostgreSQL and one receiver for all, and for each contender in turn a
 * database, a slot and a Redis of its own. The server remembers when each transaction was committed, so
 * that latency is measured from there, whatever a contender's body says.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { type EmbeddedPostgres, freePort, startEmbeddedPostgres } from '../../src/demo/embeddedPostgres.ts';
import { print } from '../measure.ts';
import type { Contender, Place } from './contender.ts';
import { type Program, startProgram } from './processes.ts';
import type { Stats } from './receiverProgram.ts';

export const CONNECTIONS = Number(process.env['BENCH_CONNECTIONS'] ?? 16);
const PUBLICATION = 'bench';

/** Ten columns, about 200 bytes of text; `name` says which row it is. */
const SCHEMA = `
  create table load (
    id int8 primary key, name text not null, note text, status text, amount numeric(12, 2), count int4,
    flag boolean, at timestamptz, ref uuid, ratio float8);
  create publication ${PUBLICATION} for table load;`;

/** The values of a row, given the SQL of its id. */
export function rowValues(id: string): string {
  return `${id}, 'row#' || ${id} || '#', repeat('n', 60), 'enabled', 1234.50, 42, true,
    timestamptz '2023-08-07 19:30:23.140019+00', uuid 'af7aebe6-d049-405a-910f-d01e5ff043cd', 0.1`;
}

export interface Arena extends AsyncDisposable {
  readonly server: EmbeddedPostgres;
  /** The server's first process, below which the others are. */
  readonly serverPid: number;
  readonly receiver: Receiver;
  readonly version: string;
  /** A place for one contender, gone afterwards. */
  use<Result>(
    contender: Pick<Contender, 'usesRedis'>,
    name: string,
    use: (at: Started) => Promise<Result>,
  ): Promise<Result>;
}

export interface Started {
  readonly place: Place;
  readonly redis: Program | null;
}

/** @param binaries the folder of a PostgreSQL to use in place of the embedded one */
export async function openArena(binaries: string | null): Promise<Arena> {
  const server = await startEmbeddedPostgres({
    settings: {
      max_wal_size: '4GB',
      shared_buffers: '256MB',
      autovacuum: 'off',
      track_commit_timestamp: 'on',
      max_replication_slots: '20',
      max_wal_senders: '20',
    },
    ...(binaries === null ? {} : { binaries }),
  });
  const admin = new Client({ connectionString: server.url('postgres') });
  await admin.connect();
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-contest-'));
  const receiver = await startReceiver();
  const { rows } = await admin.query<{ version: string; pid: number }>(
    "select current_setting('server_version') as version, pg_backend_pid() as pid",
  );
  return {
    server,
    serverPid: await parentOf(rows[0]?.pid ?? 0),
    receiver,
    version: rows[0]?.version ?? '?',
    use: async (contender, name, use) => {
      const own = path.join(folder, name);
      await mkdir(own);
      const redis = contender.usesRedis ? await startRedis(own) : null;
      for (const database of [name, `${name}_queue`]) await admin.query(`create database ${database}`);
      const client = new Client({ connectionString: server.url(name) });
      await client.connect();
      try {
        await client.query(SCHEMA);
        const place = placeOf({ server, name, receiver, folder: own, redisUrl: redis?.url ?? '', client });
        return await use({ place, redis: redis?.program ?? null });
      } finally {
        await client.end();
        await redis?.program.kill();
        await clear(admin, name);
        await rm(own, { recursive: true, force: true });
      }
    },
    async [Symbol.asyncDispose]() {
      await admin.end();
      await receiver.close();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface PlaceParts {
  readonly server: EmbeddedPostgres;
  readonly name: string;
  readonly receiver: Receiver;
  readonly folder: string;
  readonly redisUrl: string;
  readonly client: Client;
}

function placeOf({ server, name, receiver, folder, redisUrl, client }: PlaceParts): Place {
  return {
    host: server.host,
    port: server.port,
    user: server.user,
    password: server.password,
    database: name,
    url: server.url(name),
    publication: PUBLICATION,
    slot: name,
    queueUrl: server.url(`${name}_queue`),
    redisUrl,
    receiverUrl: receiver.url,
    connections: CONNECTIONS,
    folder,
    sql: async (text, values = []) => (await client.query<Record<string, unknown>>(text, [...values])).rows,
  };
}

/** The databases and the slots in them, once their processes have let go. */
async function clear(admin: Client, name: string): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    await admin.query(
      `select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1 and not active`,
      [name],
    );
    const { rowCount } = await admin.query('select from pg_replication_slots where database = $1', [name]);
    if (rowCount === 0) break;
    await sleep(100);
  }
  for (const database of [name, `${name}_queue`]) {
    await admin.query(`drop database if exists ${database} with (force)`).catch((error: unknown) => {
      print(`${database} could not be dropped: ${String(error)}`);
    });
  }
}

async function parentOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

export interface Receiver {
  readonly url: string;
  readonly pid: number;
  stats(): Promise<Stats>;
  /** Of each row that arrived, when it did first. */
  arrivals(): Promise<Map<number, number>>;
  reset(): Promise<void>;
  close(): Promise<void>;
}

async function startReceiver(): Promise<Receiver> {
  const port = await freePort();
  const program = await startProgram({
    command: process.execPath,
    args: [fileURLToPath(new URL('./receiverProgram.js', import.meta.url)), String(port)],
    ready: /ready/,
  });
  const ask = async (what: string) => fetch(`http://127.0.0.1:${port}/${what}`, { method: 'POST' });
  return {
    url: `http://127.0.0.1:${port}/in`,
    pid: program.pid,
    stats: async () => (await (await ask('stats')).json()) as Stats,
    arrivals: async () => new Map((await (await ask('arrivals')).json()) as [number, number][]),
    reset: async () => {
      await (await ask('reset')).text();
    },
    close: () => program.kill(),
  };
}

/** As walhook asks for: nothing evicted, an append-only file on disk every second. */
async function startRedis(folder: string): Promise<{ program: Program; url: string }> {
  const port = await freePort();
  const settings = ['--port', String(port), '--dir', folder, '--save', '', '--appendonly', 'yes'];
  const program = await startProgram({ command: 'redis-server', args: settings, ready: /Ready to accept/ });
  return { program, url: `redis://127.0.0.1:${port}` };
}
