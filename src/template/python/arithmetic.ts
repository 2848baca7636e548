/**
 * + - * / // % ** and the signs. Integers never lose a digit: what leaves the safe range goes on as
 * bigint. Texts and lists are measured before they are made longer.
 */

import type { Budget } from '../budget.ts';
import { bitLength, boundBits, Float, float, index, int, isFloat, numeric } from '../values/number.ts';
import { Tuple, tuple } from '../values/sequences.ts';
import { isText, Markup, rewrap, textOf } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Value } from '../values/value.ts';
import { PythonError, typeError } from './errors.ts';
import { escapedInto } from './html.ts';
import { typeName } from './types.ts';

export function add(left: Value, right: Value, budget: Budget): Value {
  if (typeof left === 'number' && typeof right === 'number') {
    const sum = left + right;
    if (Number.isSafeInteger(sum) && Number.isSafeInteger(left) && Number.isSafeInteger(right)) return sum;
  }
  if (isText(left) && isText(right)) return joinTexts(left, right, budget);
  if (Array.isArray(left) && Array.isArray(right) && left instanceof Tuple === right instanceof Tuple) {
    budget.elements(left.length + right.length);
    const joined = Array.from(left).concat(Array.from(right));
    return left instanceof Tuple ? tuple(joined) : joined;
  }
  if (isText(left) && !(right instanceof Undefined)) {
    throw typeError(`can only concatenate str (not "${typeName(right)}") to str`);
  }
  return compute('+', left, right, { ints: (a, b) => a + b, floats: (a, b) => a + b });
}

/** Joins two texts; next to Markup the other one is escaped. */
function joinTexts(left: string | Markup, right: string | Markup, budget: Budget): string | Markup {
  if (typeof left === 'string' && typeof right === 'string') {
    budget.text(left.length + right.length);
    return left + right;
  }
  const a = escapedInto(true, left, budget);
  const b = escapedInto(true, right, budget);
  budget.text(a.length + b.length);
  return new Markup(a + b);
}

export function subtract(left: Value, right: Value): Value {
  return compute('-', left, right, { ints: (a, b) => a - b, floats: (a, b) => a - b });
}

export function multiply(left: Value, right: Value, budget: Budget): Value {
  if (isText(left) || Array.isArray(left)) return repeat(left, right, budget);
  if (isText(right) || Array.isArray(right)) return repeat(right, left, budget);
  return compute('*', left, right, {
    ints: (a, b) => {
      boundBits(bitLength(a) + bitLength(b));
      return a * b;
    },
    floats: (a, b) => a * b,
  });
}

function repeat(sequence: string | Markup | Value[], times: Value, budget: Budget): Value {
  const count = index(times);
  if (count === null) {
    if (times instanceof Undefined) throw times.error();
    throw typeError(`can't multiply sequence by non-int of type '${typeName(times)}'`);
  }
  const rounds = Math.max(0, count);
  if (isText(sequence)) {
    const text = textOf(sequence);
    budget.text(text.length * rounds);
    return rewrap(sequence, text.repeat(text === '' ? 0 : rounds));
  }
  budget.elements(sequence.length * rounds);
  const repeated: Value[] = [];
  const length = sequence.length * rounds;
  for (let at = 0; at < length; at += 1) repeated.push(sequence[at % sequence.length] ?? null);
  return sequence instanceof Tuple ? tuple(repeated) : repeated;
}

/** Division is always a float's. */
export function divide(left: Value, right: Value): Value {
  const a = operand('/', left, left, right);
  const b = operand('/', right, left, right);
  if (Number(b) === 0) throw new PythonError('ZeroDivisionError', zeroMessage(left, right));
  if (typeof a === 'bigint' || typeof b === 'bigint') {
    if (!isFloat(left) && !isFloat(right)) return float(quotient(BigInt(a), BigInt(b)));
  }
  return float(toFloat(a) / toFloat(b));
}

/** a / b rounded once: the quotient to 64 bits or more, with a last bit that stands for the rest. */
function quotient(a: bigint, b: bigint): number {
  const shift = Math.max(0, bitLength(b) - bitLength(a) + 68);
  const scaled = a << BigInt(shift);
  const whole = scaled / b;
  const rest = whole * b === scaled ? 0n : 1n;
  return toFloat(whole | rest) / 2 ** shift;
}

export function floorDivide(left: Value, right: Value): Value {
  return compute('//', left, right, {
    ints: (a, b) => {
      if (b === 0n) throw new PythonError('ZeroDivisionError', 'integer division or modulo by zero');
      return (a - floorModulo(a, b)) / b;
    },
    floats: (a, b) => {
      if (b === 0) throw new PythonError('ZeroDivisionError', 'float floor division by zero');
      return floorQuotient(a, b);
    },
  });
}

/** a // b as CPython computes it, from the remainder: 1 // 0.1 is 9, because 0.1 is more than a tenth. */
function floorQuotient(a: number, b: number): number {
  const rest = a % b;
  const whole = (a - rest) / b - (rest !== 0 && rest < 0 !== b < 0 ? 1 : 0);
  if (whole === 0) return a < 0 === b < 0 ? 0 : -0;
  const floor = Math.floor(whole);
  return whole - floor > 0.5 ? floor + 1 : floor;
}

/** % of numbers; the text operator is printf in format.ts. The result has the divisor's sign. */
export function modulo(left: Value, right: Value): Value {
  return compute('%', left, right, {
    ints: (a, b) => {
      if (b === 0n) throw new PythonError('ZeroDivisionError', 'integer modulo by zero');
      return floorModulo(a, b);
    },
    floats: (a, b) => {
      if (b === 0) throw new PythonError('ZeroDivisionError', 'float modulo');
      const rest = a % b;
      if (rest === 0) return b < 0 ? -0 : 0;
      return rest < 0 === b < 0 ? rest : rest + b;
    },
  });
}

function floorModulo(a: bigint, b: bigint): bigint {
  const rest = a % b;
  return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
}

export function power(left: Value, right: Value): Value {
  const a = operand('** or pow()', left, left, right);
  const b = operand('** or pow()', right, left, right);
  const areInts = !isFloat(left) && !isFloat(right);
  if (areInts && b >= 0) {
    const base = BigInt(a);
    if (base !== 0n && base !== 1n && base !== -1n) boundBits(bitLength(base) * Number(b));
    return int(powerOfInts(base, BigInt(b)));
  }
  if (Number(a) === 0 && b < 0) {
    throw new PythonError('ZeroDivisionError', '0.0 cannot be raised to a negative power');
  }
  const result = toFloat(a) ** toFloat(b);
  if (Number.isNaN(result) && a < 0) throw typeError('complex numbers are not supported');
  if (!Number.isFinite(result) && Number.isFinite(Number(a)) && Number.isFinite(Number(b))) {
    throw new PythonError('OverflowError', 'the result of ** is too large');
  }
  return float(result);
}

/** 0, 1 and -1 may have any exponent; of the others' size the caller has taken care. */
function powerOfInts(base: bigint, exponent: bigint): bigint {
  if (base === 1n || (base === 0n && exponent > 0n)) return base;
  if (base === -1n) return exponent % 2n === 0n ? 1n : -1n;
  return base ** exponent;
}

export function negate(value: Value): Value {
  const number = unaryOperand('-', value);
  if (isFloat(value)) return float(-Number(number));
  return int(-BigInt(number));
}

export function plus(value: Value): Value {
  const number = unaryOperand('+', value);
  return value instanceof Float ? value : number;
}

interface Forms {
  readonly ints: (a: bigint, b: bigint) => bigint;
  readonly floats: (a: number, b: number) => number;
}

function compute(operator: string, left: Value, right: Value, forms: Forms): Value {
  const a = operand(operator, left, left, right);
  const b = operand(operator, right, left, right);
  if (isFloat(left) || isFloat(right)) return float(forms.floats(toFloat(a), toFloat(b)));
  return int(forms.ints(BigInt(a), BigInt(b)));
}

function operand(operator: string, value: Value, left: Value, right: Value): number | bigint {
  const number = numeric(value);
  if (number !== null) return number;
  if (left instanceof Undefined) throw left.error();
  if (right instanceof Undefined) throw right.error();
  throw typeError(
    `unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`,
  );
}

function unaryOperand(operator: string, value: Value): number | bigint {
  const number = numeric(value);
  if (number !== null) return number;
  if (value instanceof Undefined) throw value.error();
  throw typeError(`bad operand type for unary ${operator}: '${typeName(value)}'`);
}

function toFloat(value: number | bigint): number {
  const number = Number(value);
  if (typeof value === 'bigint' && !Number.isFinite(number)) {
    throw new PythonError('OverflowError', 'int too large to convert to float');
  }
  return number;
}

function zeroMessage(left: Value, right: Value): string {
  return isFloat(left) || isFloat(right) ? 'float division by zero' : 'division by zero';
}
