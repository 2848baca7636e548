/** The queue of a chaos run on a server of its own, so that it can be restarted, killed and filled. */
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import type { QueueKind, TestQueue } from '../helpers/queue.ts';
import { startLocalRedis } from '../helpers/redisServer.ts';
import { startPostgres } from '../helpers/servers.ts';
import type { Random } from './random.ts';

export interface QueueServer extends AsyncDisposable {
  readonly section: TestQueue['section'];
  /** Stops it in one way or the other and starts it again on what it had. */
  restart(random: Random): Promise<void>;
  /** Lets it answer nothing, refuse to write, or drop its clients, for a while. */
  disturb(random: Random): Promise<void>;
}

export function startQueueServer(kind: QueueKind): Promise<QueueServer> {
  return kind === 'redis' ? redisServer() : postgresServer();
}

async function redisServer(): Promise<QueueServer> {
  const redis = await startLocalRedis(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
  if (redis === null) throw new Error('redis-server is not on the PATH');
  const command = async (...parts: readonly [string, ...string[]]) => {
    const client = new Redis(redis.url, { maxRetriesPerRequest: 1, retryStrategy: () => null });
    client.on('error', () => undefined);
    try {
      await client.call(...parts);
    } catch {
      // A fault on top of another may keep it from being done.
    } finally {
      client.disconnect();
    }
  };
  return {
    section: { url: redis.url, prefix: 'chaos' },
    restart: (random) => redis.restart(random.pick(['SIGKILL', 'SIGTERM'])),
    async disturb(random) {
      const forMs = random.between(300, 6_000);
      switch (random.between(0, 3)) {
        case 0:
          await command('CLIENT', 'PAUSE', String(forMs));
          return;
        case 1:
          await command('CLIENT', 'KILL', 'TYPE', 'normal');
          return;
        case 2:
          await command('CONFIG', 'SET', 'maxmemory', '1');
          await delay(forMs);
          await command('CONFIG', 'SET', 'maxmemory', '0');
          return;
        default:
          await command('REPLICAOF', '127.0.0.1', '1');
          await delay(forMs);
          await command('REPLICAOF', 'NO', 'ONE');
      }
    },
    [Symbol.asyncDispose]: () => redis.stop(),
  };
}

async function postgresServer(): Promise<QueueServer> {
  const server = await startPostgres({ max_connections: '60' });
  const command = async (sql: string) => {
    const client = new Client({ connectionString: server.url, query_timeout: 10_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query(sql);
    } catch {
      // As above.
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const end =
    'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null';
  return {
    section: { url: server.url, prefix: 'chaos' },
    restart: (random) => server.server.restart(random.pick(['SIGINT', 'SIGQUIT'])),
    async disturb(random) {
      const forMs = random.between(300, 6_000);
      if (random.next() < 0.4) return command(end);
      // New connections may only read, as on a server that has become a standby.
      await command('alter system set default_transaction_read_only = on');
      await command('select pg_reload_conf()');
      await delay(forMs);
      await command('alter system reset default_transaction_read_only');
      await command('select pg_reload_conf()');
    },
    [Symbol.asyncDispose]: () => server.server.stop(),
  };
}
