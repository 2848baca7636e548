/** What `npm run bench -- all` keeps of its runs, in docs/performance.json. */
import type { Row } from './measure.ts';

export interface Machine {
  readonly cores: number;
  readonly memoryGib: number;
  readonly system: string;
  readonly versions: string;
  /** Load average of the last minute before the run: what other work there was. */
  readonly load: number;
}

export interface BenchResult {
  readonly name: string;
  /** The day, e.g. 2026-11-23. */
  readonly date: string;
  readonly isQuick: boolean;
  readonly seconds: number;
  readonly machine: Machine;
  readonly rows: readonly Row[];
  /** Why it is not whole; null: it is. */
  readonly failed: string | null;
  /** What it printed. */
  readonly lines: readonly string[];
}

const VERDICT = /^\s*(.+?) (-?[\d.]+|NaN), target (at most|at least) ([\d.]+): (?:met|MISSED)(?: \(.*\))?$/;
/** `idle 78.1 MiB; peak RSS in MiB 140.2, target …`: what stands before the verdict is not its name. */
const BEFORE = /^.*; /;

/** The rows of a benchmark that only prints `verdict` lines, each with the last line that is none before it. */
export function rowsOfLines(lines: readonly string[]): Row[] {
  const rows: Row[] = [];
  let heading = '';
  for (const line of lines) {
    const [, what, value, kind, target] = VERDICT.exec(line) ?? [];
    if (what === undefined) {
      if (line.trim() !== '')
        [heading = ''] = line
          .trim()
          .replace(/[:,]$/, '')
          .split(/\s{2,}/);
      continue;
    }
    rows.push({
      what: `${heading}: ${what.replace(BEFORE, '')}`,
      ours: value ?? '',
      bare: null,
      value: Number(value),
      kind: kind === 'at most' ? 'at most' : 'at least',
      target: Number(target),
    });
  }
  return rows;
}
