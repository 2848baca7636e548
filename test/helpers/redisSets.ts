/** Redis servers that look after one another: a master with a replica and three Sentinels, and a Cluster. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { Scope } from '../../src/core/lifecycle.ts';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { type LocalRedis, openLocalRedis } from './redisServer.ts';
import { until } from './until.ts';

const HOST = '127.0.0.1';
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction'];
/** After how long without an answer a master counts as gone. */
const DOWN_AFTER_MS = 1_500;

export interface SentinelOptions {
  /** Settings of both servers, beside an append-only file. */
  readonly settings?: readonly string[];
  /** Of both servers; the Sentinels have another. */
  readonly password?: string;
  readonly sentinelPassword?: string;
  /** Certificate and key of servers and Sentinels, and who signed them. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
}

export interface SentinelSet extends AsyncDisposable {
  readonly sentinels: readonly number[];
  /** The first is the master at the beginning. */
  readonly servers: readonly LocalRedis[];
  /** Where `host:port` of each Sentinel stands: `redis+sentinel://…/NAME`. */
  url(user?: string, path?: string): string;
  /** A connection to a server, past the Sentinels. */
  admin(index: number): Redis;
  /** The port of the master, as the first Sentinel has it. */
  masterPort(): Promise<number>;
  killSentinel(index: number): Promise<void>;
}

/** Throws where there is no redis-server. */
export async function openSentinelSet(options: SentinelOptions = {}): Promise<SentinelSet> {
  const { settings = [], password, sentinelPassword, tls } = options;
  const scope = new Scope();
  const secrets = password === undefined ? [] : ['--requirepass', password, '--masterauth', password];
  const ports = [await freePort(), await freePort()];
  const secured = tls === undefined ? [] : tlsSettings(tls);
  const replica = (port: number) => [...DURABLE, ...settings, ...secrets, ...secured, ...tlsPort(port)];
  const tlsPort = (port: number) => (tls === undefined ? [] : ['--tls-port', String(port)]);
  const [a = 0, b = 0] = ports;
  const connection = {
    host: HOST,
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls: { rejectUnauthorized: false } }),
  };
  const servers: LocalRedis[] = [];
  for (const [port, more] of [
    [a, []],
    [b, ['--replicaof', `${HOST} ${a}`]],
  ] as const) {
    // With TLS the plain port is another one, that nobody uses.
    const server = await openLocalRedis([...replica(port), ...more], tls === undefined ? port : undefined);
    if (server === null) throw new Error('no redis-server');
    scope.defer(async () => await server[Symbol.asyncDispose]());
    servers.push(server);
  }
  const admin = (index: number) => {
    const client = new Redis({ ...connection, port: ports[index] ?? 0 });
    client.on('error', () => undefined);
    return client;
  };
  const first = admin(0);
  await until(async () => /slave0:.*state=online/.test(await first.info('replication')), {
    timeoutMs: 30_000,
  });
  first.disconnect();
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-sentinel-'));
  scope.defer(() => rm(folder, { recursive: true, force: true }));
  const sentinels = [await freePort(), await freePort(), await freePort()];
  const processes: ChildProcess[] = [];
  for (const port of sentinels) {
    const file = path.join(folder, `${port}.conf`);
    const lines = [
      ...(tls === undefined ? [`port ${port}`] : ['port 0', `tls-port ${port}`]),
      ...(tls === undefined
        ? []
        : [
            `tls-cert-file ${tls.cert}`,
            `tls-key-file ${tls.key}`,
            `tls-ca-cert-file ${tls.ca}`,
            'tls-auth-clients no',
            'tls-replication yes',
          ]),
      `dir ${folder}`,
      `sentinel monitor mymaster ${HOST} ${a} 2`,
      `sentinel down-after-milliseconds mymaster ${DOWN_AFTER_MS}`,
      'sentinel failover-timeout mymaster 10000',
      ...(password === undefined ? [] : [`sentinel auth-pass mymaster ${password}`]),
      ...(sentinelPassword === undefined
        ? []
        : [`requirepass ${sentinelPassword}`, `sentinel sentinel-pass ${sentinelPassword}`]),
    ];
    await writeFile(file, lines.join('\n'));
    const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
    processes.push(child);
    scope.defer(() => end(child));
  }
  const asked = (index: number) => {
    const client = new Redis({
      host: HOST,
      port: sentinels[index] ?? 0,
      ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
      ...(tls === undefined ? {} : { tls: { rejectUnauthorized: false } }),
      enableReadyCheck: false,
      // One that was killed answers nothing: its question fails at once.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
    });
    client.on('error', () => undefined);
    return client;
  };
  const watched = sentinels.map((_, index) => asked(index));
  scope.defer(() => {
    for (const client of watched) client.disconnect();
  });
  await until(
    async () => {
      const known = await Promise.all(
        watched.map((client) => client.call('SENTINEL', 'MASTER', 'mymaster').catch(() => [])),
      );
      return known.every((reply) => {
        const flat = reply as string[];
        const field = (name: string) => Number(flat[flat.indexOf(name) + 1]);
        return flat.length > 0 && field('num-slaves') === 1 && field('num-other-sentinels') === 2;
      });
    },
    { timeoutMs: 30_000, what: 'the Sentinels know one another and the replica' },
  );
  return {
    sentinels,
    servers,
    url: (user = '', rest = 'mymaster') =>
      `${tls === undefined ? 'redis' : 'rediss'}+sentinel://${user}${sentinels.map((port) => `${HOST}:${port}`).join(',')}/${rest}`,
    admin,
    async masterPort() {
      const replies = await Promise.all(
        watched.map((client) =>
          client.call('SENTINEL', 'get-master-addr-by-name', 'mymaster').catch(() => null),
        ),
      );
      const named = replies.find((reply) => Array.isArray(reply)) as string[] | undefined;
      return Number(named?.[1]);
    },
    killSentinel: async (index) => {
      const child = processes[index];
      if (child !== undefined) await end(child);
    },
    [Symbol.asyncDispose]: () => scope.close(),
  };
}

function tlsSettings({ cert, key, ca }: NonNullable<SentinelOptions['tls']>): string[] {
  return [
    ...['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', ca],
    ...['--tls-auth-clients', 'no', '--tls-replication', 'yes'],
  ];
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'close');
  child.kill('SIGKILL');
  await ended;
}

export interface RedisCluster extends AsyncDisposable {
  readonly nodes: readonly LocalRedis[];
  /** `redis+cluster://…` of all nodes, or of those named. */
  url(indexes?: readonly number[]): string;
  port(index: number): number;
  admin(index: number): Redis;
  /** The node that has a key's slot, and is a master. */
  ownerOf(key: string): Promise<number>;
  /** Moves the slot of a key with all that is in it, as `redis-cli --cluster reshard` does, a few keys at a time. */
  moveSlot(key: string, to: number, pauseMs?: number): Promise<void>;
}

/** Of so many masters and replicas, made with redis-cli. Throws where there is none. */
export async function openRedisCluster(masters = 3, replicas = 0): Promise<RedisCluster> {
  const scope = new Scope();
  const count = masters * (1 + replicas);
  const quick = ['--cluster-node-timeout', '2000', '--repl-diskless-sync-delay', '0'];
  const settings = ['--cluster-enabled', 'yes', ...quick, ...DURABLE];
  const nodes: LocalRedis[] = [];
  for (let i = 0; i < count; i += 1) {
    const node = await openLocalRedis(settings);
    if (node === null) throw new Error('no redis-server');
    scope.defer(async () => await node[Symbol.asyncDispose]());
    nodes.push(node);
  }
  const addresses = nodes.map(({ url }) => new URL(url).host);
  const args = ['--cluster', 'create', ...addresses, '--cluster-replicas', String(replicas), '--cluster-yes'];
  await promisify(execFile)('redis-cli', args);
  const port = (index: number) => Number(new URL(nodes[index]?.url ?? '').port);
  const admin = (index: number) => {
    const client = new Redis({ host: HOST, port: port(index) });
    client.on('error', () => undefined);
    return client;
  };
  const clients = nodes.map((_, index) => admin(index));
  scope.defer(() => {
    for (const client of clients) client.disconnect();
  });
  const asked = (index: number) => clients[index] ?? admin(index);
  const isWhole = async () => {
    const said = await Promise.all(nodes.map((_, index) => asked(index).call('CLUSTER', 'INFO')));
    const roles = await Promise.all(nodes.map((_, index) => asked(index).info('replication')));
    // A replica that has not been given everything yet would not take over.
    const copies = roles.filter((info) => info.includes('master_link_status:up'));
    return (
      said.every((info) => String(info).includes('cluster_state:ok')) && copies.length === masters * replicas
    );
  };
  await until(isWhole, { timeoutMs: 30_000 });
  const ids = await Promise.all(
    nodes.map((_, index) => asked(index).call('CLUSTER', 'MYID') as Promise<string>),
  );
  const ownerOf = async (key: string) => {
    for (const client of clients) {
      if (client.status !== 'ready') continue;
      const slot = Number(await client.call('CLUSTER', 'KEYSLOT', key));
      const ranges = (await client.call('CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
      const range = ranges.find(([from, to]) => from <= slot && slot <= to);
      const at = nodes.findIndex((_, index) => port(index) === range?.[2][1]);
      if (at >= 0) return at;
    }
    throw new Error('no node knows');
  };
  return {
    nodes,
    url: (indexes = nodes.map((_, index) => index)) =>
      `redis+cluster://${indexes.map((index) => `${HOST}:${port(index)}`).join(',')}`,
    port,
    admin,
    ownerOf,
    async moveSlot(key, to, pauseMs = 0) {
      const from = await ownerOf(key);
      const [source, target] = [asked(from), asked(to)];
      const slot = Number(await source.call('CLUSTER', 'KEYSLOT', key));
      await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', ids[from] ?? '');
      await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', ids[to] ?? '');
      for (;;) {
        const keys = (await source.call('CLUSTER', 'GETKEYSINSLOT', slot, 20)) as string[];
        if (keys.length === 0) break;
        await source.call('MIGRATE', HOST, port(to), '', 0, 5_000, 'KEYS', ...keys);
        if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
      for (const client of [target, source, ...clients]) {
        await client.call('CLUSTER', 'SETSLOT', slot, 'NODE', ids[to] ?? '').catch(() => undefined);
      }
    },
    [Symbol.asyncDispose]: () => scope.close(),
  };
}
