/** docs/guarantees.md names a test for each of the twenty accidents: they are there, under their numbers. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const page = readFileSync(new URL('../../docs/guarantees.md', import.meta.url), 'utf8');
const rows = [...page.matchAll(/^\| (\d+) \| ([^|]+) \| ([^|]+) \|$/gm)].map(
  ([, number = '', what = '', tests = '']) => ({
    number: Number(number),
    what,
    files: [...tests.matchAll(/`(test\/[^`]+\.ts)`/g)].map(([, file]) => file ?? ''),
  }),
);

/** Numbers that head a group of tests: `describe('4, 5 and 19: …'`. */
function numbersIn(file: string): number[] {
  const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
  return [...text.matchAll(/describe(?:\.each\([^)]*\))?\(\s*'(\d[\d, and]*):/g)].flatMap(([, list = '']) =>
    (list.match(/\d+/g) ?? []).map(Number),
  );
}

describe('the accidents of docs/guarantees.md', () => {
  it('are twenty', () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  it.each(rows)('$number: $what', ({ number, files }) => {
    for (const file of files) expect(existsSync(new URL(`../../${file}`, import.meta.url)), file).toBe(true);
    expect(numbersIn(files[0] ?? '')).toContain(number);
  });
});
