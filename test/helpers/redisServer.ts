/** A Redis for the tests: the one of REDIS_URL, else redis-server of the PATH, else a container. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { until } from './until.ts';

export interface RunningRedis {
  readonly url: string;
  stop(): Promise<void>;
}

export async function startRedis(): Promise<RunningRedis | null> {
  const given = process.env['REDIS_URL'];
  if (given !== undefined) return { url: given, stop: () => Promise.resolve() };
  return (await startLocalRedis([])) ?? (await startContainer());
}

/** Starts redis-server with more settings, e.g. `['--appendonly', 'yes']`; null where there is none. */
export async function startLocalRedis(
  settings: readonly string[],
  port?: number,
): Promise<RunningRedis | null> {
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-redis-'));
  const chosen = port ?? (await freePort());
  const server = spawn(
    'redis-server',
    ['--port', String(chosen), '--dir', folder, '--save', '', ...settings],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const failed = once(server, 'error').then(() => false);
  let isReady = false;
  server.stdout.on('data', (chunk: Buffer) => {
    isReady ||= chunk.includes('Ready to accept connections');
  });
  const ready = until(() => isReady, { timeoutMs: 10_000 }).then(() => true);
  const started = await Promise.race([failed, ready]);
  if (!started) {
    await rm(folder, { recursive: true, force: true });
    ready.catch(() => undefined);
    return null;
  }
  return {
    url: `redis://127.0.0.1:${chosen}`,
    async stop() {
      if (server.exitCode === null && server.signalCode === null) {
        const ended = once(server, 'close');
        server.kill('SIGKILL');
        await ended;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startContainer(): Promise<RunningRedis | null> {
  try {
    const { GenericContainer } = await import('testcontainers');
    const container = await new GenericContainer('redis:7').withExposedPorts(6379).start();
    return {
      url: `redis://${container.getHost()}:${container.getMappedPort(6379)}`,
      stop: async () => {
        await container.stop();
      },
    };
  } catch {
    return null;
  }
}
