/** int('…') and float('…'): what Python reads as a number; null for anything else. */

import { strip } from './strings.ts';

/** Python reads no integer longer than this. */
const MAX_DIGITS = 4_300;
/** A text longer than this, white space included, is not looked at. */
const MAX_TEXT = 10_000;

const PREFIXES: ReadonlyMap<number, RegExp> = new Map([
  [2, /^0b_?/i],
  [8, /^0o_?/i],
  [16, /^0x_?/i],
]);

export function parseIntText(text: string, base: number): bigint | null {
  if (text.length > MAX_TEXT) return null;
  const [, sign = '', rest = ''] = /^([+-]?)([\s\S]*)$/.exec(strip(text, null, 'both')) ?? [];
  const actual = base === 0 ? baseOf(rest) : base;
  const prefix = PREFIXES.get(actual);
  const digits = prefix === undefined ? rest : rest.replace(prefix, '');
  if (!/^[0-9a-z]+(?:_[0-9a-z]+)*$/i.test(digits) || digits.length > MAX_DIGITS) return null;
  const value = readDigits(digits.replaceAll('_', ''), actual);
  return value === null ? null : sign === '-' ? -value : value;
}

function baseOf(digits: string): number {
  for (const [base, prefix] of PREFIXES) if (prefix.test(digits)) return base;
  return 10;
}

function readDigits(digits: string, base: number): bigint | null {
  if (base === 10) return /^[0-9]+$/.test(digits) ? BigInt(digits) : null;
  if (base < 2 || base > 36) return null;
  let value = 0n;
  for (const char of digits.toLowerCase()) {
    const digit = Number.parseInt(char, 36);
    if (digit >= base) return null;
    value = value * BigInt(base) + BigInt(digit);
  }
  return value;
}

const DECIMAL = /^[+-]?(?:[0-9]+(?:_[0-9]+)*\.?|[0-9]*(?:_[0-9]+)*\.[0-9]+(?:_[0-9]+)*)(?:e[+-]?[0-9]+)?$/i;
const SPECIAL = /^[+-]?(?:inf|infinity|nan)$/i;

export function parseFloatText(text: string): number | null {
  if (text.length > MAX_TEXT) return null;
  const trimmed = strip(text, null, 'both');
  if (SPECIAL.test(trimmed)) return specialValue(trimmed.toLowerCase());
  return DECIMAL.test(trimmed) ? Number(trimmed.replaceAll('_', '')) : null;
}

function specialValue(text: string): number {
  if (text.endsWith('nan')) return Number.NaN;
  return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
