/** The built daemon as a child process beside a database and a receiver, for what is measured as a whole. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface Received {
  readonly path: string;
  readonly body: string;
  readonly atMs: number;
}

export interface DaemonRun extends AsyncDisposable {
  readonly received: readonly Received[];
  /** Highest resident memory so far, in bytes. */
  peakBytes(): Promise<number>;
  /** Log lines that hold the text. */
  logged(text: string): number;
}

export interface DaemonSettings {
  readonly databaseUrl: string;
  readonly queueUrl: string;
  readonly slot: string;
  readonly config?: Readonly<Record<string, unknown>>;
  /** `url` is put in. */
  readonly webhooks: readonly Readonly<Record<string, unknown>>[];
}

/** Builds the command: benchmarks run in the checkout. */
export function buildCommand(): void {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Sets the database up and runs `walhook run` of dist/. */
export async function startDaemon(settings: DaemonSettings): Promise<DaemonRun> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      received.push({ path: request.url ?? '', body, atMs: performance.now() });
      response.end('ok');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-bench-'));
  const file = path.join(folder, 'walhook.yaml');
  const config = {
    environment: 'bench',
    postgres: { url: settings.databaseUrl, slot: settings.slot },
    queue: { url: settings.queueUrl },
    ...settings.config,
    webhooks: settings.webhooks.map((webhook) => ({
      events: ['created', 'updated', 'deleted'],
      url: `http://localhost:${port}/${String(webhook['name'])}`,
      ...webhook,
    })),
  };
  await writeFile(file, JSON.stringify(config));
  const main = path.resolve('dist/main.js');
  const start = (command: string) =>
    spawn(process.execPath, [main, command, '-c', file], { stdio: ['ignore', 'pipe', 'pipe'] });

  const setup = start('setup');
  let said = '';
  for (const stream of [setup.stdout, setup.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
    });
  }
  const [code] = (await once(setup, 'close')) as [number | null];
  if (code !== 0) throw new Error(`walhook setup ended with ${code}: ${said}`);

  const child = start('run');
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      log += chunk.toString('utf8');
    });
  }
  const ended = once(child, 'close');
  await waitFor('the daemon to capture', () => {
    if (child.exitCode !== null) throw new Error(`walhook run ended: ${log}`);
    return log.includes('capturing');
  });
  return {
    received,
    peakBytes: () => peakResidentBytes(child.pid ?? 0),
    logged: (text) => log.split('\n').filter((line) => line.includes(text)).length,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** VmHWM of Linux; elsewhere there is no such figure. */
async function peakResidentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1_024;
}

/** Asks until something holds. Throws after ten minutes. */
export async function waitFor(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 600_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ten minutes for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
