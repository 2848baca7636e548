import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lsn } from '../../src/core/lsn.ts';
import {
  formatPosition,
  isAfter,
  isBefore,
  type Position,
  parsePosition,
  START,
} from '../../src/enqueue/position.ts';

const position = fc.record({
  lsn: fc
    .oneof(fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }), fc.constantFrom(0xffff_ffffn, 0x1_0000_0000n))
    .map(lsn),
  index: fc.nat(0xffff_ffff),
});
const at = (value: bigint, index: number): Position => ({ lsn: lsn(value), index });

describe('a position', () => {
  it('is printed and read', () => {
    expect(formatPosition(at(0x16b3748n, 2))).toBe('00000000016b3748-00000002');
    expect(formatPosition(START)).toBe('0000000000000000-00000000');
    fc.assert(
      fc.property(position, (one) => {
        expect(parsePosition(formatPosition(one))).toEqual(one);
      }),
    );
  });

  it('sorts as text as it does by its parts', () => {
    fc.assert(
      fc.property(position, position, (a, b) => {
        expect(formatPosition(a) > formatPosition(b)).toBe(isAfter(a, b));
      }),
    );
  });

  it('is after no position that is not before it', () => {
    fc.assert(
      fc.property(position, position, position, (a, b, c) => {
        expect(isAfter(a, a)).toBe(false);
        expect(isAfter(a, b) && isAfter(b, a)).toBe(false);
        if (isAfter(a, b) && isAfter(b, c)) expect(isAfter(a, c)).toBe(true);
      }),
    );
  });

  it.each([
    '',
    '0',
    '00000000016b3748',
    '00000000016b3748-2',
    '00000000016B3748-00000002',
    '0/16B3748',
    ' 00000000016b3748-00000002',
    '00000000016b3748-00000002\n',
  ])('is not %j', (text) => {
    expect(() => parsePosition(text)).toThrow(RangeError);
  });
});

describe('a Change before a position', () => {
  it.each([
    ['of an earlier Transaction', 9n, 99, true],
    ['of the Transaction under way, done', 10n, 4, true],
    ['of the Transaction under way, not done', 10n, 5, false],
    ['of a later Transaction', 11n, 0, false],
  ])('is in the store: %s', (_what, commit, index, expected) => {
    expect(isBefore(lsn(commit), index, at(10n, 5))).toBe(expected);
  });

  it('is none of the Transaction whose commit record begins where the last one ended', () => {
    expect(isBefore(lsn(10n), 0, at(10n, 0))).toBe(false);
  });
});
