/** docs/performance.md from the results of the benchmarks. Pure; `all` and the documentation's test write it. */
import type { Bench } from './benches.ts';
import { isMet, type Row } from './measure.ts';
import type { BenchResult, Machine } from './results.ts';

const HEAD = `# Performance

Written by \`npm run bench -- all\`, which runs each benchmark of \`bench/\` in a process of its own, one after
another. What counts are the ratios: both sides of each were measured in one run, in alternating rounds on one
machine, database, load and receiver, and all of them share its processors. Absolute rates belong to that machine.
Medians of the rounds; what missed its target is shown as well as what met it.

\`npm run bench -- all --quick\` takes some minutes, \`--only drain,latency\` measures some again and keeps the rest,
\`npm run bench -- NAME\` runs one. The figures as data: [performance.json](performance.json).`;

/** @param results at most one for each name; those of benches that are no more are left out */
export function performancePage(benches: readonly Bench[], results: readonly BenchResult[]): string {
  const shown = benches.filter((bench) => bench.isInAll);
  const parts = [
    HEAD,
    '## The benchmarks',
    table(
      ['benchmark', 'what it measures', 'measured', 'targets met'],
      shown.map((bench) =>
        overview(
          bench,
          results.find((one) => one.name === bench.name),
        ),
      ),
    ),
    ...machines(shown, results),
    ...shown.flatMap((bench) =>
      section(
        bench,
        results.find((one) => one.name === bench.name),
      ),
    ),
  ];
  return `${parts.join('\n\n')}\n`;
}

function overview({ name, title }: Bench, result: BenchResult | undefined): string[] {
  if (result === undefined) return [`\`${name}\``, title, 'not yet', ''];
  const held = result.rows.map(isMet).filter((met) => met !== null);
  const link = `[\`${name}\`](#${name.toLowerCase()})`;
  const when = `${result.date}, ${(result.seconds / 60).toFixed(1)} min${result.isQuick ? ', quick' : ''}`;
  const met = held.length === 0 ? 'none set' : `${held.filter(Boolean).length} of ${held.length}`;
  return [link, title, when, result.failed === null ? met : `${met}; not whole`];
}

function machines(benches: readonly Bench[], results: readonly BenchResult[]): string[] {
  const measured = results.filter((one) => benches.some(({ name }) => name === one.name));
  const names = new Map<string, string[]>();
  for (const { name, machine } of measured) {
    const text = machineText(machine);
    names.set(text, [...(names.get(text) ?? []), `\`${name}\``]);
  }
  const lines = Array.from(names, ([text, list]) =>
    names.size === 1 ? `The machine: ${text}.` : `${list.join(', ')}: ${text}.`,
  );
  // The benchmark before leaves a load average behind that says nothing of others.
  const busy = measured.filter(({ machine }) => machine.load > machine.cores + 1);
  if (busy.length > 0) {
    const list = busy.map(({ name, machine }) => `\`${name}\` ${machine.load.toFixed(1)}`);
    lines.push(
      `**The machine was busy with other work when these began** (load average before: ${list.join(', ')}): their rates and latencies are worse than those of a quiet one, on both sides.`,
    );
  }
  return lines;
}

function machineText({ cores, memoryGib, system, versions }: Machine): string {
  return `${cores} cores, ${memoryGib} GiB of memory, ${system}, ${versions}`;
}

function section({ name, title, note }: Bench, result: BenchResult | undefined): string[] {
  if (result === undefined) return [];
  const rows = result.rows.map((row) => [row.what, row.ours, row.bare ?? '', figure(row), ...held(row)]);
  return [
    `## ${name}`,
    `${title[0]?.toUpperCase()}${title.slice(1)}.`,
    ...(note === undefined ? [] : [note]),
    ...(result.failed === null ? [] : [`**Not whole: ${result.failed}.**`]),
    ...(rows.length === 0
      ? []
      : [table(['what', 'ours', 'beside it', 'ratio or figure', 'target', ''], rows)]),
    `<details><summary>What it printed</summary>\n\n\`\`\`text\n${result.lines.join('\n')}\n\`\`\`\n\n</details>`,
  ];
}

const figure = ({ value }: Row): string => (value === null ? '–' : value.toFixed(2));

function held(row: Row): [string, string] {
  const met = isMet(row);
  if (met === null) return ['', ''];
  return [`${row.kind} ${row.target}`, met ? 'met' : '**missed**'];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
