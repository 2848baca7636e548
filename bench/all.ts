/**
 * `npm run bench -- all [--quick] [--only a,b]`: each benchmark of benches.ts in a process of its own, one
 * after another, each within its time; then docs/performance.json and docs/performance.md. With `--only`,
 * which measures with each benchmark's own sizes, the other results are kept.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BENCHES, type Bench } from './benches.ts';
import { isMet, print, ROWS_FILE, type Row } from './measure.ts';
import { performancePage } from './performancePage.ts';
import { type BenchResult, type Machine, rowsOfLines } from './results.ts';

const DATA = 'docs/performance.json';
const PAGE = 'docs/performance.md';
const KEPT_LINES = 200;

export async function benchAll(args: readonly string[]): Promise<void> {
  const isQuick = args.includes('--quick');
  const only = args.includes('--only') ? (args[args.indexOf('--only') + 1] ?? '').split(',') : null;
  const chosen = BENCHES.filter((bench) => (only === null ? bench.isInAll : only.includes(bench.name)));
  const unknown = only?.find((name) => !BENCHES.some((bench) => bench.name === name));
  if (unknown !== undefined) throw new Error(`there is no benchmark ${unknown}`);
  let results = await stored();
  const started = performance.now();
  for (const bench of chosen) {
    const env = isQuick ? bench.quick : only === null ? bench.all : {};
    print(`\n== ${bench.name}: ${bench.title}`);
    const result = await runOne(bench, env, isQuick);
    print(`== ${bench.name}: ${result.failed ?? 'done'} after ${result.seconds} s`);
    results = [...results.filter((one) => one.name !== bench.name), result];
    // Written after each, so that a run cut short has what it measured.
    await write(results);
  }
  print(`\n${PAGE} written after ${Math.round((performance.now() - started) / 60_000)} min`);
}

const endedWith = (code: number | null): string => `it ended with ${code}`;
/** How a benchmark may end whose target was missed. */
const MISSED = endedWith(1);

async function stored(): Promise<BenchResult[]> {
  const text = await readFile(DATA, 'utf8').catch(() => '[]');
  return JSON.parse(text) as BenchResult[];
}

async function write(results: readonly BenchResult[]): Promise<void> {
  const known = BENCHES.flatMap(({ name }) => results.filter((one) => one.name === name));
  await writeFile(DATA, `${JSON.stringify(known, null, 2)}\n`);
  await writeFile(PAGE, performancePage(BENCHES, known));
}

async function runOne(
  bench: Bench,
  env: Readonly<Record<string, string>>,
  isQuick: boolean,
): Promise<BenchResult> {
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-bench-all-'));
  const file = path.join(folder, 'rows');
  const machine = describeMachine();
  const started = performance.now();
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  // A process group, so that nothing it started outlives its time.
  const child = spawn(process.execPath, [main, bench.name], {
    env: { ...process.env, ...env, [ROWS_FILE]: file },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    print(`  ${line}`);
    lines.push(line);
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const limit = new AbortController();
  const first = await Promise.race([
    ended.then(([code]) => (code === 0 ? null : endedWith(code))),
    sleep(bench.limitSeconds * 1_000, null, { signal: limit.signal }).then(
      () => `it was ended after its ${bench.limitSeconds} s`,
      () => null,
    ),
  ]);
  limit.abort();
  await endGroup(child.pid ?? 0);
  await ended;
  const written = await writtenRows(file);
  await rm(folder, { recursive: true, force: true });
  const rows = written.length > 0 ? written : rowsOfLines(lines);
  return {
    name: bench.name,
    date: new Date().toISOString().slice(0, 10),
    isQuick,
    seconds: Math.round((performance.now() - started) / 1_000),
    machine,
    rows,
    failed: first === MISSED && rows.some((row) => isMet(row) === false) ? null : first,
    lines: lines.slice(-KEPT_LINES),
  };
}

/** Asks what is left of the group to end, and kills what does not. */
async function endGroup(pid: number): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    try {
      process.kill(-pid, signal);
    } catch {
      return;
    }
    await sleep(3_000);
  }
}

async function writtenRows(file: string): Promise<Row[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
}

function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 1_073_741_824),
    system: process.platform === 'linux' ? 'Linux' : process.platform,
    versions: [`Node ${process.versions.node}`, redisVersion()].filter((text) => text !== '').join(', '),
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

function redisVersion(): string {
  try {
    const said = execFileSync('redis-server', ['--version'], { encoding: 'utf8' });
    return `Redis ${/v=([\d.]+)/.exec(said)?.[1]}`;
  } catch {
    return '';
  }
}
