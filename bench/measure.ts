/** What the benchmarks share: medians, time and CPU of a piece of work, and lines of a report. */
import { appendFileSync } from 'node:fs';

/** Wall and CPU time of one round. */
export interface Cost {
  readonly wallMs: number;
  /** Of the process that did the work: ours, or the tool measured beside it. */
  readonly cpuMs: number;
}

/** Runs something and tells what it took of this process. */
export async function measured(work: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const wallMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (user + system) / 1_000 };
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The nearest rank: `percentile(values, 0.99)`. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

export type Bound = 'at most' | 'at least';

/** `ratio 0.31, target at most 0.5: met` */
export function verdict(name: string, value: number, kind: Bound, target: number): string {
  const isMet = kind === 'at most' ? value <= target : value >= target;
  return `${name} ${value.toFixed(2)}, target ${kind} ${target}: ${isMet ? 'met' : 'MISSED'}`;
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

/** 12,345 */
export function thousands(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '–';
}

/** One comparison of docs/performance.md. */
export interface Row {
  /** e.g. `one Transaction of 300,000 Changes: rate` */
  readonly what: string;
  readonly ours: string;
  /** The limit or the other one beside it, with its name; null: there is none. */
  readonly bare: string | null;
  /** What is held against the target: a ratio, or a figure of its own; null: it could not be measured. */
  readonly value: number | null;
  readonly kind: Bound | null;
  readonly target: number | null;
}

/** The environment variable with the file to which `npm run bench -- all` has the rows appended. */
export const ROWS_FILE = 'BENCH_ROWS';

export function isMet({ value, kind, target }: Row): boolean | null {
  if (kind === null || target === null || value === null) return null;
  return kind === 'at most' ? value <= target : value >= target;
}

/** Prints a comparison, and keeps it where `all` asks for it. */
export function compared(one: Row): void {
  if (one.value === null) {
    print(`  ${[one.what, one.ours, one.bare].filter((text) => text !== '').join(', ')}`);
    keep(one);
    return;
  }
  const beside = one.bare === null ? '' : ` beside ${one.bare}`;
  const held = one.kind === null || one.target === null ? '' : `, target ${one.kind} ${one.target}`;
  const met = isMet(one);
  const end = met === null ? '' : met ? ': met' : ': MISSED';
  print(`  ${one.what}: ${one.ours}${beside}; ${one.value.toFixed(2)}${held}${end}`);
  keep(one);
}

function keep(one: Row): void {
  const file = process.env[ROWS_FILE];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(one)}\n`);
}
