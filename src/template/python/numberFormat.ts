/**
 * Python's format specification (`{:>10.2f}`) and printf conversions share their number formats; those
 * live here, as pure functions of numbers.
 */

import { PythonError, valueError } from './errors.ts';
import { exponentText, floatRepr, toFixed } from './floats.ts';

/** Digits after the point that a format may ask for. */
const MAX_PRECISION = 100;

export function boundPrecision(precision: number): number {
  if (precision > MAX_PRECISION) throw valueError(`precision above ${MAX_PRECISION} is not supported`);
  return precision;
}

/** A float in one of the presentations e, E, f, F, g, G and %, without its sign. */
export function formatFloat(value: number, kind: string, precision: number, isAlternate: boolean): string {
  const magnitude = Math.abs(value);
  const isUpper = kind === 'E' || kind === 'F' || kind === 'G';
  const text = Number.isFinite(value)
    ? finite(magnitude, kind.toLowerCase(), boundPrecision(precision), isAlternate)
    : floatRepr(magnitude) + (kind === '%' ? '%' : '');
  return isUpper ? text.toUpperCase() : text;
}

function finite(magnitude: number, kind: string, precision: number, isAlternate: boolean): string {
  switch (kind) {
    case 'f':
      return toFixed(magnitude, precision) + (isAlternate && precision === 0 ? '.' : '');
    case '%':
      return `${toFixed(magnitude * 100, precision)}%`;
    case 'e':
      return exponential(magnitude, precision, isAlternate);
    default:
      return general(magnitude, Math.max(1, precision), isAlternate);
  }
}

function exponential(magnitude: number, precision: number, isAlternate: boolean): string {
  const [mantissa = '0', exponent = '0'] = magnitude.toExponential(precision).split('e');
  const point = isAlternate && precision === 0 ? '.' : '';
  return `${mantissa}${point}e${exponentText(Number(exponent))}`;
}

/** Significant digits: fixed notation for middling exponents, without trailing zeros. */
function general(magnitude: number, digits: number, isAlternate: boolean): string {
  const exponent = Number(magnitude.toExponential(digits - 1).split('e')[1] ?? 0);
  const isFixed = exponent >= -4 && exponent < digits;
  const text = isFixed
    ? toFixed(magnitude, Math.min(MAX_PRECISION, digits - 1 - exponent))
    : exponential(magnitude, digits - 1, false);
  return isAlternate ? text : withoutTrailingZeros(text);
}

function withoutTrailingZeros(text: string): string {
  const [mantissa = '', exponent] = text.split('e');
  const short = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
  return exponent === undefined ? short : `${short}e${exponent}`;
}

const RADIX: ReadonlyMap<string, { readonly base: number; readonly prefix: string }> = new Map([
  ['b', { base: 2, prefix: '0b' }],
  ['o', { base: 8, prefix: '0o' }],
  ['x', { base: 16, prefix: '0x' }],
  ['X', { base: 16, prefix: '0X' }],
]);

/** An integer's magnitude in one of the presentations d, i, u, n, b, o, x and X. */
export function formatInt(magnitude: bigint, kind: string, isAlternate: boolean): string {
  const radix = RADIX.get(kind);
  if (radix === undefined) return magnitude.toString();
  const digits = magnitude.toString(radix.base);
  return (isAlternate ? radix.prefix : '') + (kind === 'X' ? digits.toUpperCase() : digits);
}

/** Digits in groups: thousands, or fours where the base is a power of two. */
export function grouped(digits: string, separator: string, size: number): string {
  const point = digits.search(/[.e%]/);
  const whole = point < 0 ? digits : digits.slice(0, point);
  const groups: string[] = [];
  for (let end = whole.length; end > 0; end -= size)
    groups.unshift(whole.slice(Math.max(0, end - size), end));
  return groups.join(separator) + (point < 0 ? '' : digits.slice(point));
}

/** int() of a float, for formats that want one. */
export function truncated(value: number): bigint {
  if (Number.isNaN(value)) throw valueError('cannot convert float NaN to integer');
  if (!Number.isFinite(value)) {
    throw new PythonError('OverflowError', 'cannot convert float infinity to integer');
  }
  return BigInt(Math.trunc(value));
}
