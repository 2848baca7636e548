/**
 * Which server of a Redis is asked, and how it is found again when that changes: the one of the URL, the master that
 * Sentinels name, or the node of a Cluster that has our one slot. Shared by all connections of a store.
 */
import { Redis, type RedisOptions } from 'ioredis';
import { parseRedisUrl, type RedisNode } from '../../core/redisUrl.ts';

/** How long a command may take; Redis answers in microseconds unless it is gone. */
const COMMAND_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Nodes of a Cluster that are remembered. */
const MAX_NODES = 64;

/** What is true of every connection. */
const SHARED = {
  lazyConnect: true,
  // A command waits for nobody: whoever sent it decides what a missing store means.
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  commandTimeout: COMMAND_TIMEOUT_MS,
  connectTimeout: CONNECT_TIMEOUT_MS,
} satisfies RedisOptions;

export class RedisServers {
  /** Read anew at each reconnect, because a password file may have changed. */
  readonly url: () => string;
  readonly kind: 'server' | 'sentinel' | 'cluster';
  /** The node that a Cluster named last. */
  #owner: RedisNode | null = null;
  /** Where a Cluster can be asked, those of the URL first. */
  #nodes: readonly RedisNode[];
  /** Where connections are, or were when they last stood. */
  readonly #seen = new Map<Redis, RedisNode>();

  /** Throws CONFIG_INVALID. */
  constructor(url: () => string) {
    this.url = url;
    const { kind, nodes } = parseRedisUrl(url());
    this.kind = kind;
    this.#nodes = nodes;
  }

  /** Nodes that can be tried one after the other. */
  get tries(): number {
    return this.kind === 'cluster' ? this.#nodes.length : 1;
  }

  /** The servers that hold what we store, as far as they are known. */
  get places(): readonly RedisNode[] {
    return [...(this.#owner === null ? [] : [this.#owner]), ...this.#seen.values()];
  }

  /** Another server may be promoted and go on as the one that we know. */
  get isFailingOver(): boolean {
    return this.kind !== 'server';
  }

  /** A connection, not opened yet. @param isLasting reconnects, for as long as it is not closed */
  newClient(isLasting: boolean): Redis {
    const client = this.#create(isLasting);
    // Without a listener a lost connection would print a stack trace; commands report it.
    client.on('error', () => undefined);
    let wasReady = false;
    client.on('ready', () => {
      wasReady = true;
      this.#remember(client);
    });
    client.on('close', () => {
      this.#readCredentials(client);
      // A node that is gone: another one knows where the slot is now.
      if (!wasReady) this.#turn(client);
      wasReady = false;
    });
    client.on('end', () => this.#seen.delete(client));
    return client;
  }

  #create(isLasting: boolean): Redis {
    const retryStrategy = (times: number) => (isLasting ? Math.min(100 * 2 ** times, 2_000) : null);
    if (this.kind === 'server') {
      const client = new Redis(this.url(), { ...SHARED, retryStrategy });
      if (this.#owner !== null) aim(client, this.#owner);
      return client;
    }
    const { isTls, nodes, credentials, master, database, sentinel } = parseRedisUrl(this.url());
    const common = { ...SHARED, retryStrategy, ...spread(credentials), ...(isTls ? { tls: {} } : {}) };
    if (this.kind === 'cluster') return new Redis({ ...common, ...(this.#owner ?? this.#nodes[0]) });
    return new Redis({
      ...common,
      sentinels: nodes.map((node) => ({ ...node })),
      name: master,
      role: 'master',
      db: database,
      ...(sentinel.username === null ? {} : { sentinelUsername: sentinel.username }),
      ...(sentinel.password === null ? {} : { sentinelPassword: sentinel.password }),
      ...(isTls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
      sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
      sentinelRetryStrategy: (times: number) => (isLasting ? Math.min(100 * 2 ** times, 2_000) : null),
    });
  }

  /** What a Sentinel itself says to a connection; null where it answers. The connector keeps back e.g. what TLS says. */
  async askSentinel(): Promise<unknown> {
    const { nodes, isTls, sentinel } = parseRedisUrl(this.url());
    const options = { ...SHARED, ...nodes[0], ...spread(sentinel), ...(isTls ? { tls: {} } : {}) };
    const client = new Redis({ ...options, retryStrategy: () => null, enableReadyCheck: false });
    let said: unknown = null;
    client.on('error', (error: unknown) => {
      said ??= error;
    });
    await client.connect().catch((error: unknown) => {
      said ??= error;
    });
    client.disconnect();
    return said;
  }

  /**
   * Whether another server is the one to ask from now on, or may be; the client goes there with its next connection.
   *
   * A Cluster names the node that has our slot, for all keys of a walhook are on one. What was a master and may only
   * be read now has been replaced: Sentinels, or the name in the URL, lead to its successor.
   */
  follow(client: Redis, error: unknown): boolean {
    const message = error instanceof Error ? error.message : '';
    const moved = /^MOVED \d+ (.*):(\d+)$/.exec(message);
    if (moved !== null) {
      const [, host = '', port = ''] = moved;
      // Without a host it is that of the node which says so.
      const named = host === '' ? (client.options.host ?? 'localhost') : host.replace(/^\[(.*)\]$/, '$1');
      this.#owner = { host: named, port: Number(port) };
      this.#add(this.#owner);
      aim(client, this.#owner);
      return true;
    }
    if (/^READONLY /.test(message)) return true;
    // A node cut off from its Cluster, or one that hangs, is not the one that can tell.
    if (this.#isCluster && /^CLUSTERDOWN |^Command timed out$/.test(message)) {
      this.#turn(client);
      return true;
    }
    return this.kind === 'sentinel' && message === 'Command timed out';
  }

  /** Asks a Cluster for its nodes, so that any of them can be gone later. Never throws. */
  async learn(client: Redis): Promise<void> {
    const slots = await client.call('CLUSTER', 'SLOTS').catch(() => null);
    if (!Array.isArray(slots)) return;
    for (const [, , ...nodes] of slots as unknown[][]) {
      for (const [host, port] of nodes as unknown[][]) {
        if (typeof host === 'string' && host !== '') this.#add({ host, port: Number(port) });
      }
    }
  }

  get #isCluster(): boolean {
    return this.kind === 'cluster' || this.#owner !== null;
  }

  #add(node: RedisNode): void {
    const isKnown = this.#nodes.some(({ host, port }) => host === node.host && port === node.port);
    if (!isKnown && this.#nodes.length < MAX_NODES) this.#nodes = [...this.#nodes, node];
  }

  /** The first node is gone: the next connection begins with another. */
  skip(): void {
    const [first, ...others] = this.#nodes;
    if (first !== undefined) this.#nodes = [...others, first];
    this.#owner = null;
  }

  /** Lets the next connection go to the node after the one that was tried. */
  #turn(client: Redis): void {
    if (!this.#isCluster) return;
    const { host, port } = client.options;
    const at = this.#nodes.findIndex((node) => node.host === host && node.port === port);
    const next = this.#nodes[(at + 1) % this.#nodes.length];
    if (next !== undefined) aim(client, next);
  }

  #remember(client: Redis): void {
    const { remoteAddress, remotePort } = client.stream as Partial<{
      remoteAddress: string;
      remotePort: number;
    }>;
    if (remoteAddress !== undefined && remotePort !== undefined) {
      this.#seen.set(client, { host: remoteAddress, port: remotePort });
    }
  }

  #readCredentials({ options }: Redis): void {
    try {
      const { credentials, sentinel } = parseRedisUrl(this.url());
      Object.assign(options, spread(credentials));
      if (sentinel.password !== null) options.sentinelPassword = sentinel.password;
    } catch {
      // A file that is just being written: those before stay until the next time.
    }
  }
}

function aim({ options }: Redis, { host, port }: RedisNode): void {
  options.host = host;
  options.port = port;
}

function spread({
  username,
  password,
}: {
  readonly username: string | null;
  readonly password: string | null;
}) {
  return { ...(username === null ? {} : { username }), ...(password === null ? {} : { password }) };
}
