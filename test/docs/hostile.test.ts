/** docs/security.md names a test for each thing that hostile rows, receivers and proxies try: the words it quotes are in it. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const page = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');
const section = page.split('## What is tried with hostile')[1]?.split('\n## ')[0] ?? '';
const rows = [...section.matchAll(/^\| (?!what is tried|---)(.+) \| (`test\/.+) \|$/gm)].map(
  ([, what = '', tests = '']) => ({
    what,
    tests: [...tests.matchAll(/`(test\/[^`]+\.ts)` \("([^"]+)"\)/g)].map(([, file = '', words = '']) => ({
      file: new URL(`../../${file}`, import.meta.url),
      words,
    })),
  }),
);

describe('what is tried with hostile rows, receivers and proxies', () => {
  it('is more than thirty things', () => {
    expect(rows.length).toBeGreaterThan(30);
  });

  it.each(rows)('$what', ({ tests }) => {
    expect(tests.length).toBeGreaterThan(0);
    for (const { file, words } of tests) {
      expect(existsSync(file), file.pathname).toBe(true);
      expect(readFileSync(file, 'utf8')).toContain(words);
    }
  });
});
