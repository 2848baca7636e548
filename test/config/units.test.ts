import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DURATION_PATTERN,
  formatBytes,
  formatDuration,
  parseDuration,
  parseSize,
  SIZE_PATTERN,
} from '../../src/config/units.ts';

const notDurations = [
  '',
  '5',
  's',
  '5 s',
  '-5s',
  '5S',
  '5sec',
  '1.s',
  '.5s',
  '1e3s',
  '5s5',
  '1234567890s',
  '1.0001s',
  '٥s',
  'NaNs',
];
const notSizes = [
  '',
  '5',
  'B',
  '5 KiB',
  '-5B',
  '5kib',
  '5Kb',
  '5K',
  '1.KiB',
  '1e3B',
  '1234567890123B',
  'InfinityB',
];

describe('a duration', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['2m', 120_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['1.5h', 5_400_000],
    ['0.001s', 1],
    ['0s', 0],
    ['0.4ms', 0],
    [' 5s\n', 5_000],
    ['999999999d', 86_399_999_913_600_000],
  ])('%j is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(notDurations)('%j is none', (text) => {
    expect(parseDuration(text)).toBeNull();
  });

  it('has a pattern for editors that accepts the same texts', () => {
    const pattern = new RegExp(DURATION_PATTERN);
    const text = fc.oneof(fc.string(), fc.stringMatching(/^\s?\d{1,11}(\.\d{1,4})?\s?(ms|s|m|h|d|S)\s?$/));
    fc.assert(
      fc.property(text, (sample) => {
        expect(pattern.test(sample)).toBe(parseDuration(sample) !== null);
      }),
    );
    for (const sample of notDurations) expect(pattern.test(sample)).toBe(false);
  });

  it.each([
    [0, '0ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [80_000, '1m 20s'],
    [7_500_000, '2h 5m'],
    [90_061_000, '1d 1h'],
    [3_600_000, '1h'],
  ])('%d ms reads %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe('a size', () => {
  it.each([
    ['0B', 0],
    ['64KiB', 65_536],
    ['10GiB', 10_737_418_240],
    ['1.5MiB', 1_572_864],
    ['500MB', 500_000_000],
    ['1kB', 1_000],
    ['1KB', 1_000],
    ['2TB', 2_000_000_000_000],
    ['1TiB', 1_099_511_627_776],
    ['\t1B ', 1],
  ])('%j is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(notSizes)('%j is none', (text) => {
    expect(parseSize(text)).toBeNull();
  });

  it('has a pattern for editors that accepts the same texts', () => {
    const pattern = new RegExp(SIZE_PATTERN);
    const text = fc.oneof(fc.string(), fc.stringMatching(/^\s?\d{1,14}(\.\d{1,4})?\s?[kKMGT]?i?B\s?$/));
    fc.assert(
      fc.property(text, (sample) => {
        expect(pattern.test(sample)).toBe(parseSize(sample) !== null);
      }),
    );
  });

  it.each([
    [0, '0 B'],
    [312, '312 B'],
    [1_024, '1.0 KiB'],
    [1_572_864, '1.5 MiB'],
    [3 * 1_099_511_627_776, '3.0 TiB'],
  ])('%d bytes read %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
