/** Arguments that must be of one type, with Python's complaint where they are not. */

import type { Budget } from '../budget.ts';
import { index, numeric } from '../values/number.ts';
import { isText, textOf } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Value } from '../values/value.ts';
import { PythonError, typeError } from './errors.ts';
import { str } from './repr.ts';
import { typeName } from './types.ts';

export function textArgument(value: Value): string {
  if (isText(value)) return textOf(value);
  if (value instanceof Undefined) value.allow();
  throw typeError(`must be str, not ${typeName(value)}`);
}

export function intArgument(value: Value): number {
  const number = index(value);
  if (number !== null) return number;
  if (value instanceof Undefined) value.allow();
  throw typeError(`'${typeName(value)}' object cannot be interpreted as an integer`);
}

/** A count where None means that there is no limit: -1. */
export function limitArgument(value: Value): number {
  return value === null ? -1 : intArgument(value);
}

/** The JavaScript number of a float, int or bool. */
export function floatArgument(value: Value): number {
  const number = numeric(value);
  if (number !== null) return Number(number);
  if (value instanceof Undefined) throw value.error();
  throw typeError(`must be real number, not ${typeName(value)}`);
}

/** Python's complaint where a method of one type is wanted on another. */
export function noAttribute(value: Value, name: string): PythonError {
  if (value instanceof Undefined) return value.error();
  return new PythonError('AttributeError', `'${typeName(value)}' object has no attribute '${name}'`);
}

/** Jinja2's soft_str: any value as a text, Markup staying what it is. */
export function softText(value: Value, budget: Budget): string {
  return isText(value) ? textOf(value) : str(value, budget);
}
