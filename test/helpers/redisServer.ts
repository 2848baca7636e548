/** A Redis for the tests: the one of REDIS_URL, else redis-server of the PATH, else a container. */
import { type ChildProcess, spawn } from 'node:child_process';
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

/** A Redis of a test's own, which can go away and come back on its port and its files. */
export interface RestartableRedis extends RunningRedis {
  restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Starts redis-server with more settings, e.g. `['--appendonly', 'yes']`; null where there is none. */
export async function startLocalRedis(
  settings: readonly string[],
  port?: number,
): Promise<RestartableRedis | null> {
  const redis = await openLocalRedis(settings, port);
  if (redis === null) return null;
  return {
    url: redis.url,
    async restart(signal) {
      await redis.kill(signal);
      await redis.start();
    },
    stop: async () => void (await redis[Symbol.asyncDispose]()),
  };
}

/** A server that can be killed and started again, with what is on its disk by then. */
export interface LocalRedis extends AsyncDisposable {
  readonly url: string;
  /** Where its files are. */
  readonly folder: string;
  /** Ends it: without a signal as a crash of the process does. */
  kill(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** @param settings instead of those before */
  start(settings?: readonly string[]): Promise<void>;
}

/** Starts redis-server; null where there is none. */
export async function openLocalRedis(
  settings: readonly string[],
  port?: number,
  command = 'redis-server',
): Promise<LocalRedis | null> {
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-redis-'));
  const chosen = port ?? (await freePort());
  const fixed = ['--port', String(chosen), '--dir', folder, '--save', ''];
  let server = await spawnRedis(command, [...fixed, ...settings]);
  const kill = async (signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL') => {
    if (server === null || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'close');
    server.kill(signal);
    await ended;
  };
  if (server === null) {
    await rm(folder, { recursive: true, force: true });
    return null;
  }
  return {
    url: `redis://127.0.0.1:${chosen}`,
    folder,
    kill,
    async start(others = settings) {
      server = await spawnRedis(command, [...fixed, ...others]);
    },
    async [Symbol.asyncDispose]() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves when it is ready; null where the command is not there. */
async function spawnRedis(command: string, args: readonly string[]): Promise<ChildProcess | null> {
  const server = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const failed = once(server, 'error').then(() => false);
  let isReady = false;
  server.stdout.on('data', (chunk: Buffer) => {
    isReady ||= chunk.includes('Ready to accept connections');
  });
  const ready = (async () => {
    await until(() => isReady, { timeoutMs: 30_000 });
    return true;
  })();
  if (await Promise.race([failed, ready])) return server;
  ready.catch(() => undefined);
  return null;
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
