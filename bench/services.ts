/** Both stores for a benchmark: an embedded PostgreSQL, and the Redis of REDIS_URL or of the PATH. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { systemClock } from '../src/core/clock.ts';
import { freePort, startEmbeddedPostgres } from '../src/demo/embeddedPostgres.ts';
import { openQueue } from '../src/queue/open.ts';
import type { QueueStore } from '../src/queue/store.ts';
import { print } from './measure.ts';

export interface BenchStore {
  readonly kind: 'postgres' | 'redis';
  readonly store: QueueStore;
  close(): Promise<void>;
}

/** Opens one store after the other, set up and empty; what it started ends with it. */
export async function* benchStores(): AsyncGenerator<BenchStore> {
  const postgres = await startEmbeddedPostgres({ settings: {} });
  yield await opened('postgres', postgres.url('postgres'), () => postgres.stop());
  const redis = await startRedis();
  if (redis === null) print('no redis-server on the PATH and no REDIS_URL: Redis is left out');
  else yield await opened('redis', redis.url, redis.stop);
}

async function opened(kind: BenchStore['kind'], url: string, stop: () => Promise<void>): Promise<BenchStore> {
  const store = await openQueue({ url: () => url, prefix: 'bench' }, systemClock);
  const installation = { queueId: 'b', generation: '0badcafe', environment: 'bench' };
  await store.initialise({ ...installation, systemIdentifier: '1', database: 'b', slot: 'b' }, 'at-0');
  return {
    kind,
    store,
    async close() {
      await store.destroy();
      await store.close();
      await stop();
    },
  };
}

async function startRedis(): Promise<{ url: string; stop: () => Promise<void> } | null> {
  const given = process.env['REDIS_URL'];
  if (given !== undefined) return { url: given, stop: () => Promise.resolve() };
  const port = await freePort();
  const server = spawn('redis-server', ['--port', String(port), '--save', ''], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const started = await Promise.race([
    once(server, 'error').then(() => false),
    once(server.stdout, 'data').then(() => true),
  ]);
  if (!started) return null;
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      const ended = once(server, 'close');
      server.kill('SIGTERM');
      await ended;
    },
  };
}
