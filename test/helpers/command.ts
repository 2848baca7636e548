/** The built command, as users run it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Another build's main.js. */
  readonly main?: string;
}

/** Runs a command to its end. */
export async function walhook(args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  const child = start(args, options);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString('utf8');
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8');
  });
  child.stdin?.end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

export interface Daemon extends AsyncDisposable {
  readonly pid: number;
  /** Everything printed so far. */
  output(): string;
  /** Log lines as objects. */
  log(): Record<string, unknown>[];
  untilLogged(message: string, timeoutMs?: number): Promise<void>;
  /** Resolves with the exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  hasEnded(): boolean;
  kill(signal: NodeJS.Signals): void;
}

/** Starts `walhook run` and returns at once. */
export function startDaemon(args: readonly string[], options: CommandOptions = {}): Daemon {
  const child = start(['run', ...args], options);
  let output = '';
  const collect = (chunk: Buffer) => {
    output += chunk.toString('utf8');
  };
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  const ended = once(child, 'close').then(([code, signal]) => (signal ?? code) as number | string);
  const log = () =>
    output
      .split('\n')
      .flatMap((text) => (text.startsWith('{') ? [JSON.parse(text) as Record<string, unknown>] : []));
  return {
    pid: child.pid ?? 0,
    output: () => output,
    log,
    ended,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    kill: (signal) => void child.kill(signal),
    async untilLogged(message, timeoutMs) {
      await until(() => log().some((entry) => String(entry['msg']).includes(message)), {
        what: `the log line "${message}"; so far:\n${output}`,
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    },
  };
}

function start(args: readonly string[], options: CommandOptions): ChildProcess {
  return spawn(process.execPath, [options.main ?? MAIN, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: { PATH: process.env['PATH'], ...options.env },
    stdio: 'pipe',
  });
}

/** A folder with a walhook.yaml, removed at the end. */
export async function configFolder(
  config: unknown,
): Promise<{ path: string; file: string } & AsyncDisposable> {
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-test-'));
  const file = path.join(folder, 'walhook.yaml');
  // JSON is YAML; tests that care for the text write it themselves.
  await writeFile(file, typeof config === 'string' ? config : JSON.stringify(config, null, 2));
  return {
    path: folder,
    file,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
