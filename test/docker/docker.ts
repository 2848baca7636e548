/** Docker from the shell, as a user calls it, and a clean clone to call it in. */
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface Called {
  readonly stdout: string;
  readonly stderr: string;
}

export interface CallOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command to its end; throws with what it printed where it fails. */
export async function call(words: readonly string[], options: CallOptions = {}): Promise<Called> {
  const [command = '', ...args] = words;
  return await promisify(execFile)(command, args, {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    maxBuffer: 256 * 1_048_576,
  });
}

export async function docker(...args: string[]): Promise<string> {
  return (await call(['docker', ...args])).stdout.trim();
}

/** Whether the command can be called; for `describe.skipIf`. */
export function works(...words: string[]): boolean {
  const [command = '', ...args] = words;
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Every compose of this machine: the plugin, and Debian's own command of version 1.29. */
export function composes(): string[][] {
  return [['docker', 'compose'], ['docker-compose']].filter((words) => works(...words, 'version'));
}

/** What a test found, for whoever reads the run. */
export function fact(text: string): void {
  process.stdout.write(`  fact: ${text}\n`);
}

export interface Folder extends AsyncDisposable {
  readonly path: string;
}

/** What is committed, in an empty folder of its own. */
export async function cleanClone(): Promise<Folder> {
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-clone-'));
  const { stdout } = await call(['git', 'status', '--porcelain', '--untracked-files=no']);
  if (stdout !== '') fact('there are changes that are not committed: they are not in the clone');
  await call(['git', 'clone', '-q', root, folder]);
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

export function uniqueName(): string {
  return `walhooktest${randomBytes(4).toString('hex')}`;
}
