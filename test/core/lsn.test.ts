import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatLsn,
  LSN_MAX,
  LSN_ZERO,
  lsn,
  lsnFromHex,
  lsnToHex,
  maxLsn,
  parseLsn,
} from '../../src/core/lsn.ts';

const anyLsn = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }).map(lsn);

describe('an LSN', () => {
  it.each([
    ['0/0', 0n],
    ['0/1528450', 0x1528450n],
    ['00000000/01528450', 0x1528450n],
    ['0/ffffffff', 0xffff_ffffn],
    ['1/0', 0x1_0000_0000n],
    ['16/B374D848', 0x16_b374_d848n],
    ['200000/1', 0x20_0000_0000_0001n],
    ['FFFFFFFF/FFFFFFFF', 0xffff_ffff_ffff_ffffn],
  ])('reads %s', (text, value) => {
    expect(parseLsn(text)).toBe(value);
  });

  it.each([
    ['', 'nothing'],
    ['0', 'no slash'],
    ['/0', 'no high half'],
    ['0/', 'no low half'],
    ['0/000000000', 'nine digits'],
    ['g/0', 'another letter'],
    ['-1/0', 'a sign'],
    [' 0/0', 'a space before'],
    ['0/0\n', 'a line end'],
    ['0/0/0', 'two slashes'],
    ['0x1/0', 'a prefix'],
  ])('refuses %j: %s', (text) => {
    expect(() => parseLsn(text)).toThrow(RangeError);
  });

  it.each([
    [0n, '0/0'],
    [0xffff_ffffn, '0/FFFFFFFF'],
    [0x1_0000_0000n, '1/0'],
    [0x16_b374_d848n, '16/B374D848'],
    [0x1_0000_000an, '1/A'],
  ])('prints %d as PostgreSQL does', (value, text) => {
    expect(formatLsn(lsn(value))).toBe(text);
  });

  it('survives printing and reading, in both notations', () => {
    fc.assert(
      fc.property(anyLsn, (value) => {
        expect(parseLsn(formatLsn(value))).toBe(value);
        expect(lsnFromHex(lsnToHex(value))).toBe(value);
      }),
    );
  });

  it('sorts as hex text as it does as a number', () => {
    fc.assert(
      fc.property(anyLsn, anyLsn, (a, b) => {
        expect(lsnToHex(a) < lsnToHex(b)).toBe(a < b);
        expect(lsnToHex(a)).toMatch(/^[0-9a-f]{16}$/);
      }),
    );
  });

  it.each([
    '',
    '0',
    '00000000016B3748',
    '00000000016b374',
    '00000000016b37480',
    '00000000016b374g',
  ])('refuses %j as hex', (text) => {
    expect(() => lsnFromHex(text)).toThrow(RangeError);
  });

  it('carries from 0/FFFFFFFF to 1/0 and stays exact beyond 2^53', () => {
    expect(formatLsn(lsn(parseLsn('0/FFFFFFFF') + 1n))).toBe('1/0');
    expect(formatLsn(lsn(parseLsn('1/0') - 1n))).toBe('0/FFFFFFFF');
    const beyond = parseLsn('200000/1');
    expect(Number(beyond)).toBe(Number(beyond - 1n));
    expect(formatLsn(beyond)).toBe('200000/1');
  });

  it('has a greatest of two', () => {
    expect(maxLsn(LSN_ZERO, LSN_MAX)).toBe(LSN_MAX);
    expect(maxLsn(LSN_MAX, LSN_ZERO)).toBe(LSN_MAX);
  });
});
