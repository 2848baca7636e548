/**
 * Processes of a contest: starting one and waiting until it says that it is ready, stopping and continuing
 * it, and what it and its children use. Linux only, for /proc.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const CLOCK_TICK_MS = 10;
const LOG_CHARACTERS = 20_000;

export interface Program {
  readonly pid: number;
  /** The end of what it printed. */
  log(): string;
  hasEnded(): boolean;
  /** Asks it to end, kills it after ten seconds. */
  stop(): Promise<void>;
  kill(): Promise<void>;
}

export interface ProgramSettings {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What it prints when it is ready; null: it is once it runs. */
  readonly ready: RegExp | null;
  readonly timeoutMs?: number;
}

/** Starts a program and waits until it is ready. Throws with what it printed if it ends before. */
export async function startProgram(settings: ProgramSettings): Promise<Program> {
  const child = spawn(settings.command, settings.args, {
    ...(settings.cwd === undefined ? {} : { cwd: settings.cwd }),
    env: { ...process.env, ...settings.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString('utf8')).slice(-LOG_CHARACTERS);
    });
  }
  await once(child, 'spawn');
  const ended = once(child, 'close');
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const program: Program = {
    pid: child.pid ?? 0,
    log: () => log,
    hasEnded,
    stop: () => end(child, ended, 'SIGTERM'),
    kill: () => end(child, ended, 'SIGKILL'),
  };
  const deadline = performance.now() + (settings.timeoutMs ?? 120_000);
  while (settings.ready !== null && !settings.ready.test(log)) {
    if (hasEnded()) throw new Error(`${settings.command} ended: ${log.slice(-2_000)}`);
    if (performance.now() > deadline) {
      await program.kill();
      throw new Error(`${settings.command} was not ready in time: ${log.slice(-2_000)}`);
    }
    await sleep(20);
  }
  return program;
}

async function end(child: ChildProcess, ended: Promise<unknown>, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  const killing = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(killing);
}

interface Usage {
  readonly cpuMs: number;
  readonly peakBytes: number;
}

/** The process and all below it. */
export async function treeOf(root: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = await statFields(Number(name));
    parents.set(Number(name), Number(fields[1]));
  }
  const found = [root];
  for (const pid of found) {
    for (const [child, parent] of parents) if (parent === pid) found.push(child);
  }
  return found;
}

/** CPU so far, that of children which have ended included, and the sum of the peaks of resident memory. */
export async function usageOf(root: number): Promise<Usage> {
  let cpuMs = 0;
  let peakBytes = 0;
  for (const pid of await treeOf(root)) {
    const [, , , , , , , , , , , user, system, endedUser, endedSystem] = (await statFields(pid)).map(Number);
    cpuMs += ((user ?? 0) + (system ?? 0) + (endedUser ?? 0) + (endedSystem ?? 0)) * CLOCK_TICK_MS;
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    peakBytes += Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1_024;
  }
  return { cpuMs, peakBytes };
}

/** Of /proc/PID/stat, from the state on: `[state, parent, …, 11: user, system, children's]`. */
async function statFields(pid: number): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Stops or continues a process and all below it. */
export async function signalTree(root: number, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
  for (const pid of await treeOf(root)) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended meanwhile.
    }
  }
}
