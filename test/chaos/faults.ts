/** The faults of a chaos run, one function each, and the world they act on. */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { leaderOf, readLease } from '../../src/capture/lease.ts';
import type { Daemon } from '../helpers/command.ts';
import type { TestDatabase } from '../helpers/database.ts';
import type { Proxy as FaultProxy } from '../helpers/proxy.ts';
import type { TestServer } from '../helpers/servers.ts';
import type { Sink } from '../helpers/sink.ts';
import { openStore } from '../helpers/stores.ts';
import type { Random } from './random.ts';
import type { QueueServer } from './servers.ts';

export interface World {
  readonly random: Random;
  readonly server: TestServer;
  readonly database: TestDatabase;
  readonly queueServer: QueueServer;
  /** One for each daemon: its own way to both servers, so that one can be cut off alone. */
  readonly posts: readonly Post[];
  readonly sink: Sink;
  readonly daemons: Daemon[];
  /** Last words of daemons that ended without being told to. */
  readonly crashes: string[];
  /** Starts a daemon at one of the posts. */
  start(post: number): Daemon;
}

export interface Post extends AsyncDisposable {
  readonly postgres: FaultProxy;
  readonly queue: FaultProxy;
  readonly file: string;
}

export type Fault = readonly [name: string, act: (world: World) => Promise<void>];

const anyDaemon = ({ random, daemons }: World): Daemon | undefined =>
  daemons[random.between(0, daemons.length - 1)];

/** A signal that a process handles: before it has begun, it would end it. */
async function tell(world: World, name: 'SIGHUP' | 'SIGUSR2'): Promise<void> {
  const daemon = anyDaemon(world);
  if (daemon?.output().includes('walhook starts') === true) daemon.kill(name);
}

async function replace(world: World, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const post = world.random.between(0, world.daemons.length - 1);
  const daemon = world.daemons[post];
  if (daemon === undefined) return;
  daemon.kill(signal);
  await daemon.ended;
  world.daemons[post] = world.start(post);
}

/** Its successor stands by before it is told to end. */
async function roll(world: World): Promise<void> {
  const post = world.random.between(0, world.daemons.length - 1);
  const daemon = world.daemons[post];
  world.daemons[post] = world.start(post);
  await delay(world.random.between(0, 4_000));
  daemon?.kill('SIGTERM');
  await daemon?.ended;
}

/** On the way of one daemon, or of both. */
async function trouble(world: World, to: 'postgres' | 'queue'): Promise<void> {
  const { random } = world;
  const which = random.between(0, world.posts.length);
  const proxies = world.posts
    .filter((_, i) => which === world.posts.length || i === which)
    .map((post) => post[to]);
  const kind = random.between(0, 4);
  await Promise.all(proxies.map((proxy) => troubleOf(proxy, kind, random)));
}

async function troubleOf(proxy: FaultProxy, kind: number, random: Random): Promise<void> {
  switch (kind) {
    case 0:
      proxy.cut();
      return;
    case 1:
      await proxy.refuse();
      await delay(random.between(200, 4_000));
      await proxy.accept();
      return;
    case 2:
      proxy.freeze();
      await delay(random.between(500, 14_000));
      proxy.cut();
      return;
    case 3:
      proxy.crawl(random.between(5, 80));
      await delay(random.between(500, 8_000));
      proxy.crawl(0);
      return;
    default:
      proxy.swallow(random.pick(['both', 'inbound']));
      await delay(random.between(500, 14_000));
      proxy.swallow('none');
      proxy.cut();
  }
}

async function withDatabase(world: World, use: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: world.database.url, query_timeout: 10_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query("set statement_timeout = '10s'");
    await use(client);
  } catch {
    // A fault on top of another may keep it from being done.
  } finally {
    await client.end().catch(() => undefined);
  }
}

const sql = (text: string) => (world: World) => withDatabase(world, (client) => client.query(text));

async function walsender(world: World): Promise<number | null> {
  let pid: number | null = null;
  await withDatabase(world, async (client) => {
    const { rows } = await client.query<{ pid: number }>(
      'select active_pid as pid from pg_replication_slots where active_pid is not null',
    );
    pid = rows[0]?.pid ?? null;
  });
  return pid;
}

/** To a process of the server, which may have gone meanwhile. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has.
  }
}

async function stopForAWhile(daemon: Daemon | undefined, random: Random): Promise<void> {
  daemon?.kill('SIGSTOP');
  await delay(random.between(500, 16_000));
  daemon?.kill('SIGCONT');
}

export async function stopLeader(world: World): Promise<void> {
  const store = await openStore(world.queueServer.section);
  const leader = leaderOf(await readLease(store).finally(() => store.close()));
  await stopForAWhile(
    world.daemons.find(({ pid }) => pid === leader?.pid),
    world.random,
  );
}

/** A receiver that for a while answers in one of many ways. */
async function badReceiver({ sink, random }: World): Promise<void> {
  const kind = random.between(0, 4);
  sink.answerWith((_request, response) => {
    if (random.next() < 0.3) response.end('ok');
    else if (kind === 0) response.writeHead(random.pick([500, 503, 429, 408])).end();
    else if (kind === 1) response.destroy();
    else if (kind === 2) setTimeout(() => response.end('late'), random.between(100, 7_000));
    else if (kind === 3) response.writeHead(200, { 'content-length': '10' }).write('half');
    else response.writeHead(429, { 'retry-after': '1' }).end();
  });
  await delay(random.between(500, 4_000));
  sink.answerWith((_request, response) => void response.end('ok'));
}

export const FAULTS: readonly [Fault, ...Fault[]] = [
  ['kill a daemon', (world) => replace(world, 'SIGKILL')],
  ['replace a daemon', (world) => replace(world, 'SIGTERM')],
  ['replace a daemon, its successor first', roll],
  [
    'kill both daemons',
    async (world) => {
      for (const daemon of world.daemons) daemon.kill('SIGKILL');
      await Promise.all(world.daemons.map((daemon) => daemon.ended));
      world.daemons.forEach((_, post) => {
        world.daemons[post] = world.start(post);
      });
    },
  ],
  [
    'stop a daemon for a while',
    async (world) => {
      await stopForAWhile(anyDaemon(world), world.random);
    },
  ],
  ['reload the configuration', (world) => tell(world, 'SIGHUP')],
  ['a clock that jumps', (world) => tell(world, 'SIGUSR2')],
  ['trouble with PostgreSQL', (world) => trouble(world, 'postgres')],
  ['trouble with the queue', (world) => trouble(world, 'queue')],
  ['restart the queue', ({ queueServer, random }) => queueServer.restart(random)],
  ['disturb the queue', ({ queueServer, random }) => queueServer.disturb(random)],
  [
    'end the walsender',
    sql('select pg_terminate_backend(active_pid) from pg_replication_slots where active'),
  ],
  [
    'kill -9 the walsender, and the server with it',
    async (world) => {
      const pid = await walsender(world);
      if (pid !== null) signal(pid, 'SIGKILL');
    },
  ],
  [
    'stop the walsender for a while',
    async (world) => {
      const pid = await walsender(world);
      if (pid === null) return;
      signal(pid, 'SIGSTOP');
      await delay(world.random.between(500, 14_000));
      signal(pid, 'SIGCONT');
    },
  ],
  [
    'end every backend',
    sql(
      'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null',
    ),
  ],
  ['restart PostgreSQL', ({ server }) => server.server.restart('SIGINT')],
  ['crash PostgreSQL', ({ server }) => server.server.restart('SIGQUIT')],
  ['a receiver that misbehaves', badReceiver],
  ['a new column', sql("alter table op add column if not exists extra text default 'e'")],
  ['a column of another type', sql('alter table op alter column extra type varchar(40)')],
  ['a column gone', sql('alter table op drop column if exists extra')],
  ['a column renamed', sql('alter table op rename column extra to added')],
  ['a renamed column gone', sql('alter table op drop column if exists added')],
  [
    'whole rows before',
    sql('alter table op replica identity full; alter table counter replica identity full'),
  ],
  [
    'keys before',
    sql('alter table op replica identity default; alter table counter replica identity default'),
  ],
  ['a table written anew', sql('vacuum full op')],
  [
    'a table made and dropped',
    sql('create table later (id int primary key); insert into later values (1); drop table later'),
  ],
  [
    'a table published and taken out',
    sql('alter publication walhook drop table scratch; alter publication walhook add table scratch'),
  ],
  ['a table locked', sql('begin; lock table op in access exclusive mode; select pg_sleep(3); rollback')],
  [
    'a transaction left open',
    sql("begin; insert into scratch values ('open'); select pg_sleep(6); rollback"),
  ],
  ['a message', sql('select pg_logical_emit_message(true, \'walhook\', \'{"username": "chaos"}\')')],
  ['a checkpoint', sql('checkpoint')],
  ['a change of WAL file', sql('select pg_switch_wal()')],
];
