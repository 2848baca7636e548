/** The measured figures of docs/comparison.md, from what `npm run bench -- peers` has left in docs/performance.json. */
import type { BenchResult } from '../../bench/results.ts';

const BEGIN = '<!-- figures: npm run docs writes them -->';
const END = '<!-- end of figures -->';

/** A contender's medians as the benchmark prints them, below a line with its title. */
const MEDIANS =
  /^ {2}\w+ +([\d,]+)\/s small, +([\d,]+)\/s large, p50 [\d.]+ ms, p99 ([\d.]+ ms), (\d+) MiB \+ queue (\d+) MiB, CPU (\d+)\+(\d+)\+(\d+) ms\/1,000, .*killed: lost (\d+) doubled (\d+)$/;

/** The page with its figures as they are now. Throws where it has no place for them, or there are none. */
export function withFigures(page: string, results: readonly BenchResult[]): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`expected ${BEGIN} and ${END} in docs/comparison.md`);
  return `${page.slice(0, begin + BEGIN.length)}\n${figures(results)}\n${page.slice(end)}`;
}

function figures(results: readonly BenchResult[]): string {
  const peers = results.find(({ name }) => name === 'peers');
  const rows = (peers?.lines ?? []).flatMap((line, i, lines) => {
    const title = lines[i - 1] ?? '';
    const found = MEDIANS.exec(line);
    if (found === null || title.startsWith('round')) return [];
    const [, small, large, p99, own = '', queue = '', ...rest] = found;
    const [a = '', b = '', c = '', lost, doubled] = rest;
    const cpu = Number(a) + Number(b) + Number(c);
    return [
      `| ${title.trim()} | ${small} | ${large} | ${p99} | ${Number(own) + Number(queue)} MiB | ${cpu} ms | ${lost}; ${doubled} |`,
    ];
  });
  if (peers === undefined || rows.length < 2) throw new Error('expected the figures of peers, found none');
  const leftOut = peers.rows.flatMap(({ what, bare }) =>
    what.endsWith(': left out') ? [`${what.replace(': left out', '')} (${bare})`] : [],
  );
  return [
    `On ${peers.date}, ${peers.machine.cores} cores, ${peers.machine.versions}:`,
    '',
    '| | webhooks/s, 10,000 transactions | webhooks/s, one transaction of 10,000 | p99 at 200/s | peak memory | CPU per 1,000 | killed: lost; doubled |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    ...(leftOut.length === 0 ? [] : ['', `Left out of this run: ${leftOut.join(', ')}.`]),
  ].join('\n');
}
