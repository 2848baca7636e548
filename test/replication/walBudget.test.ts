import { describe, expect, it } from 'vitest';
import { smoothedRate, type WalUse, walBudget } from '../../src/replication/walBudget.ts';

const GIB = 1_073_741_824;
const use = (more: Partial<WalUse> = {}): WalUse => ({
  retainedBytes: GIB,
  limitBytes: null,
  budgetBytes: 10 * GIB,
  safeWalBytes: null,
  bytesPerSecond: null,
  ...more,
});

describe('the WAL budget', () => {
  it('is the smaller of the server’s limit and ours', () => {
    expect(walBudget(use({ limitBytes: 4 * GIB })).bytes).toBe(4 * GIB);
    expect(walBudget(use({ limitBytes: 40 * GIB })).bytes).toBe(10 * GIB);
    expect(walBudget(use({ budgetBytes: null }))).toMatchObject({ bytes: null, level: 'fine' });
  });

  it('leaves no more than the server says is safe', () => {
    expect(walBudget(use({ safeWalBytes: GIB })).leftBytes).toBe(GIB);
    expect(walBudget(use({ safeWalBytes: -1 })).leftBytes).toBe(0);
  });

  it('tells how long the rest lasts at the present rate', () => {
    expect(walBudget(use({ bytesPerSecond: GIB })).secondsLeft).toBe(9);
    expect(walBudget(use({ bytesPerSecond: 0 })).secondsLeft).toBeNull();
  });

  it.each([
    [1, null, 'fine'],
    [5, null, 'half'],
    [8, null, 'near'],
    [10, null, 'reached'],
    [12, null, 'reached'],
    [3, (7 * GIB) / 7_200, 'half'],
    [3, (7 * GIB) / 1_800, 'near'],
    [3, (7 * GIB) / 86_400, 'fine'],
    // A busy server that keeps almost nothing is fine, whatever its rate.
    [0.1, GIB, 'fine'],
  ] as const)('with %d GiB of 10 kept, at %s bytes a second, is %s', (gib, bytesPerSecond, level) => {
    expect(walBudget(use({ retainedBytes: gib * GIB, bytesPerSecond })).level).toBe(level);
  });
});

describe('the rate of WAL', () => {
  it('follows what is written, smoothed, and never goes below nothing', () => {
    expect(smoothedRate(null, 100, 10)).toBe(10);
    expect(smoothedRate(10, 200, 10)).toBeCloseTo(13);
    expect(smoothedRate(10, -5, 10)).toBeCloseTo(7);
    expect(smoothedRate(10, 5, 0)).toBe(10);
  });
});
