/** The figures of the benchmarks: which of the values is a percentile, and when a target is met. */
import { describe, expect, it } from 'vitest';
import { BENCHES } from '../../bench/benches.ts';
import { medianSteady } from '../../bench/contest/medians.ts';
import { isMet, median, percentile, type Row } from '../../bench/measure.ts';

describe('a percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);

  it.each([
    [[3, 1, 2], 0.5, 2],
    [[7], 0.99, 7],
    [hundred, 0.5, 51],
    [hundred, 0.99, 100],
    [hundred, 0, 1],
  ])('of %j at %d is %d', (values, share, expected) => {
    expect(percentile(values, share)).toBe(expected);
  });

  it('of nothing is not a number', () => {
    expect(median([])).toBeNaN();
  });
});

describe('a target', () => {
  const row: Row = { what: '', ours: '', bare: null, value: 1, kind: 'at most', target: 1 };

  it.each([
    [{ value: 1 }, true],
    [{ value: 1.01 }, false],
    [{ value: 1, kind: 'at least' as const }, true],
    [{ value: 0.99, kind: 'at least' as const }, false],
    [{ value: null }, null],
    [{ kind: null }, null],
  ])('with %j is met: %s', (change, expected) => {
    expect(isMet({ ...row, ...change })).toBe(expected);
  });
});

describe('medians of steady loads', () => {
  it('are by rate, each figure on its own', () => {
    const steady = { rate: 100, achieved: 100, p50: 1, p95: 2, p99: 3, lost: 0, duplicates: 0 };
    const turns = [[steady], [{ ...steady, p50: 9 }], [{ ...steady, p50: 5, p99: 1 }]];
    expect(medianSteady(turns)).toEqual([{ ...steady, p50: 5, p99: 3 }]);
  });
});

describe('the benchmarks', () => {
  it('have names of their own', () => {
    const names = BENCHES.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
