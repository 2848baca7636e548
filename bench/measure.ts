/** What the benchmarks share: medians, time and CPU of a piece of work, and lines of a report. */

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
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** `ratio 0.31, target at most 0.5: met` */
export function verdict(name: string, value: number, kind: 'at most' | 'at least', target: number): string {
  const isMet = kind === 'at most' ? value <= target : value >= target;
  return `${name} ${value.toFixed(2)}, target ${kind} ${target}: ${isMet ? 'met' : 'MISSED'}`;
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
