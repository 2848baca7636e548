/** The figures of docs/comparison.md are those of docs/performance.json. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { BenchResult } from '../../bench/results.ts';
import { pageText } from './blocks.ts';
import { withFigures } from './comparisonPage.ts';

const DATA = new URL('../../docs/performance.json', import.meta.url);

describe('docs/comparison.md', () => {
  it('has the figures of the peers as they were measured; npm run docs writes them', async () => {
    const results = JSON.parse(await readFile(DATA, 'utf8')) as BenchResult[];
    const page = pageText('docs/comparison.md');
    await expect(withFigures(page, results)).toMatchFileSnapshot('../../docs/comparison.md');
  });
});
