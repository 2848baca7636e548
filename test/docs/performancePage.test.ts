/** docs/performance.md is what its data says, and no benchmark is missing from it. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { BENCHES } from '../../bench/benches.ts';
import { performancePage } from '../../bench/performancePage.ts';
import { type BenchResult, rowsOfLines } from '../../bench/results.ts';

const DATA = new URL('../../docs/performance.json', import.meta.url);

describe('docs/performance.md', () => {
  it('is written from docs/performance.json, and names every benchmark that is run for it', async () => {
    const results = JSON.parse(await readFile(DATA, 'utf8')) as BenchResult[];
    const page = performancePage(BENCHES, results);
    const missing = BENCHES.filter((bench) => bench.isInAll && !page.includes(`\`${bench.name}\``));
    expect(missing).toEqual([]);
    await expect(page).toMatchFileSnapshot('../../docs/performance.md');
  });

  it('shows what missed its target and what is not whole', () => {
    const bench = { name: 'x', title: 'a bench', isInAll: true, all: {}, quick: {}, limitSeconds: 1 };
    const machine = { cores: 2, memoryGib: 24, system: 'Linux', versions: 'Node 20', load: 8 };
    const page = performancePage(
      [{ ...bench, load: async () => () => undefined }],
      [
        {
          name: 'x',
          date: '2026-01-02',
          isQuick: false,
          seconds: 60,
          machine,
          rows: [{ what: 'rate', ours: '5/s', bare: 'bare 10/s', value: 0.5, kind: 'at least', target: 0.7 }],
          failed: 'it ended with 1',
          lines: ['one'],
        },
      ],
    );
    expect(page).toContain('| rate | 5/s | bare 10/s | 0.50 | at least 0.7 | **missed** |');
    expect(page).toContain('0 of 1; not whole');
    expect(page).toContain('busy with other work');
  });
});

describe('the rows of a benchmark that prints verdicts only', () => {
  it('has each verdict under the line before it', () => {
    const lines = [
      'redis        900/s',
      '  ratio 0.81, target at least 0.7: met',
      '  idle 1.0 MiB; peak RSS in MiB 190.00, target at most 180: MISSED (of one)',
    ];
    expect(rowsOfLines(lines)).toEqual([
      {
        what: 'redis: ratio',
        ours: '0.81',
        bare: null,
        value: 0.81,
        kind: 'at least',
        target: 0.7,
      },
      {
        what: 'redis: peak RSS in MiB',
        ours: '190.00',
        bare: null,
        value: 190,
        kind: 'at most',
        target: 180,
      },
    ]);
  });
});
