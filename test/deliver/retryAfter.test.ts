import { describe, expect, it } from 'vitest';
import { clampRetryAfter, parseRetryAfter } from '../../src/deliver/retryAfter.ts';

const NOW = Date.UTC(2026, 0, 1);

describe('Retry-After', () => {
  it.each<[string | string[] | undefined, number | null]>([
    [undefined, null],
    ['', null],
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7_000],
    ['0.5', 500],
    [['3', '9'], 3_000],
    ['-1', null],
    ['1e309', null],
    ['99999999999999', 99_999_999_999_999_000],
    ['9999999999999999', null],
    ['soon', null],
    ['2026-01-01', null],
    ['Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['Fri, 31 Dec 9999 23:59:59 GMT', Date.UTC(9999, 11, 31, 23, 59, 59) - NOW],
    ['Mon, nonsense', null],
    ['\u0661', null],
  ])('%j says %s ms', (header, ms) => {
    expect(parseRetryAfter(header, NOW)).toBe(ms);
  });

  it('never brings a retry forward', () => {
    expect(clampRetryAfter(5_000, 0)).toBe(5_000);
    expect(clampRetryAfter(5_000, null)).toBe(5_000);
    expect(clampRetryAfter(86_400_000, 1)).toBe(86_400_000);
  });
});
