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
export interface LocalRedis extends RunningRedis {
  restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Starts redis-server with more settings, e.g. `['--appendonly', 'yes']`; null where there is none. */
export async function startLocalRedis(
  settings: readonly string[],
  port?: number,
): Promise<LocalRedis | null> {
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-redis-'));
  const chosen = port ?? (await freePort());
  const launch = async (): Promise<ChildProcess | null> => {
    const child = spawn(
      'redis-server',
      ['--port', String(chosen), '--dir', folder, '--save', '', ...settings],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const failed = once(child, 'error').then(() => false);
    let isReady = false;
    child.stdout.on('data', (chunk: Buffer) => {
      isReady ||= chunk.includes('Ready to accept connections');
    });
    const ready = until(() => isReady, { timeoutMs: 30_000 }).then(() => true);
    if (await Promise.race([failed, ready])) return child;
    ready.catch(() => undefined);
    return null;
  };
  const end = async (child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL') => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'close');
    child.kill(signal);
    await ended;
  };
  const first = await launch();
  if (first === null) {
    await rm(folder, { recursive: true, force: true });
    return null;
  }
  let server = first;
  return {
    url: `redis://127.0.0.1:${chosen}`,
    async restart(signal) {
      await end(server, signal);
      const next = await launch();
      if (next === null) throw new Error('redis-server did not come back');
      server = next;
    },
    async stop() {
      await end(server, 'SIGKILL');
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
