/** A shell as a reader of the pages has it: `walhook` is on its PATH, and it stands in a folder of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../helpers/until.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface ShellDone {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Something that runs until it is ended. */
export interface Running extends AsyncDisposable {
  /** Everything printed so far. */
  output(): string;
  untilPrinted(text: string): Promise<void>;
  /** Sends SIGTERM to all that it started, and resolves when it is gone. */
  end(): Promise<void>;
}

export interface Shell extends AsyncDisposable {
  readonly folder: string;
  /** Writes a file of the folder. */
  write(name: string, text: string): Promise<void>;
  /** Runs commands to their end, stopping at the first that fails. What is typed is `input`. */
  run(commands: string, env?: Readonly<Record<string, string>>, input?: string): Promise<ShellDone>;
  /** Starts commands of which the last goes on. */
  start(commands: string, env?: Readonly<Record<string, string>>): Running;
}

export async function openShell(): Promise<Shell> {
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-docs-'));
  const bin = await mkdtemp(path.join(tmpdir(), 'walhook-bin-'));
  const command = path.join(bin, 'walhook');
  await writeFile(command, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  await chmod(command, 0o755);
  const running = new Set<Running>();

  const bash = (commands: string, env: Readonly<Record<string, string>>) =>
    spawn('bash', ['--norc', '-euo', 'pipefail', '-c', commands], {
      cwd: folder,
      env: { PATH: `${bin}:${process.env['PATH']}`, HOME: folder, ...env },
      stdio: 'pipe',
      // A process group of its own, so that what it leaves in the background ends with it.
      detached: true,
    });

  return {
    folder,
    write: (name, text) => writeFile(path.join(folder, name), text),
    async run(commands, env = {}, input = '') {
      const child = bash(commands, env);
      const printed = { stdout: '', stderr: '' };
      child.stdout.on('data', (chunk: Buffer) => {
        printed.stdout += chunk.toString('utf8');
      });
      child.stderr.on('data', (chunk: Buffer) => {
        printed.stderr += chunk.toString('utf8');
      });
      child.stdin.end(input);
      const [code] = (await once(child, 'close')) as [number | null];
      return { code, ...printed };
    },
    start(commands, env = {}) {
      const child = bash(commands, env);
      const closed = once(child, 'close');
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          output += chunk.toString('utf8');
        });
      const end = async () => {
        running.delete(one);
        if (child.pid !== undefined) signalGroup(child.pid);
        await closed;
      };
      const one: Running = {
        output: () => output,
        untilPrinted: async (text) => {
          const seen = () => output.includes(text) || child.exitCode !== null;
          await until(seen, { timeoutMs: 60_000, what: `"${text}" among what ${commands} prints` });
          if (!output.includes(text))
            throw new Error(`expected "${text}" of ${commands}, which has ended with:\n${output}`);
        },
        end,
        [Symbol.asyncDispose]: end,
      };
      running.add(one);
      return one;
    },
    async [Symbol.asyncDispose]() {
      for (const one of running) await one.end();
      await rm(folder, { recursive: true, force: true });
      await rm(bin, { recursive: true, force: true });
    },
  };
}

function signalGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGTERM');
  } catch {
    // It has ended by itself.
  }
}
