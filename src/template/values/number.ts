/**
 * Python's int and float on JavaScript's number and bigint.
 *
 * A number that is a safe integer is an int, any other number a float. The two cases left over get a
 * form of their own: an int beyond 2^53 is a bigint, an integral float (`6 / 2`) is a Float, so that it
 * prints as `3.0`. Both constructors below keep that form unique, so values can be told apart by type.
 */

import { renderLimits } from '../limits.ts';
import { PythonError } from '../python/errors.ts';
import type { Value } from './value.ts';

/** A float whose value is a safe integer. Made by float() alone. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

export function float(value: number): number | Float {
  return Number.isSafeInteger(value) ? new Float(value) : value;
}

const LARGEST = BigInt(Number.MAX_SAFE_INTEGER);

export function int(value: bigint): number | bigint {
  return value <= LARGEST && value >= -LARGEST ? Number(value) : value;
}

/** True for int but, unlike Python's isinstance, not for bool. */
export function isInt(value: Value): value is number | bigint {
  return typeof value === 'number' ? Number.isSafeInteger(value) : typeof value === 'bigint';
}

export function isFloat(value: Value): value is number | Float {
  return typeof value === 'number' ? !Number.isSafeInteger(value) : value instanceof Float;
}

/** The JavaScript number or bigint of an int, float or bool; null for anything else. */
export function numeric(value: Value): number | bigint | null {
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return value;
    case 'boolean':
      return value ? 1 : 0;
    default:
      return value instanceof Float ? value.value : null;
  }
}

/** Where Python asks for an index: an int or bool as a number, clamped to the safe integers. */
export function index(value: Value): number | null {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'bigint') return value > 0n ? Number.MAX_SAFE_INTEGER : -Number.MAX_SAFE_INTEGER;
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null;
}

/** Digits in base 2 of an integer's magnitude, roughly: rounded up to a multiple of four. */
export function bitLength(value: bigint): number {
  return (value < 0n ? -value : value).toString(16).length * 4;
}

/** Refuses integers so long that arithmetic on them would take noticeable time. */
export function boundBits(bits: number): void {
  if (bits > renderLimits.integerBits) {
    throw new PythonError('OverflowError', 'the integer has more than 4,300 digits');
  }
}
