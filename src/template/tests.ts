/** Jinja2's tests: what may stand behind `is`. */

import { textArgument } from './python/arguments.ts';
import { modulo } from './python/arithmetic.ts';
import { contains, equals, isOrdered, type Ordering } from './python/compare.ts';
import { isIterable } from './python/iterate.ts';
import { str } from './python/repr.ts';
import { classifiers } from './python/strings.ts';
import { Callable, Operation, type Rendering } from './values/callable.ts';
import { Dict } from './values/dict.ts';
import { isFloat, isInt, numeric } from './values/number.ts';
import { Range } from './values/sequences.ts';
import { isText, Markup } from './values/text.ts';
import { Undefined } from './values/undefined.ts';
import type { Value } from './values/value.ts';

function unary(name: string, test: (value: Value, rendering: Rendering) => boolean): Callable {
  return Operation.of(name, ['value'], (rendering, value) => test(value, rendering));
}

function binary(name: string, test: (left: Value, right: Value, rendering: Rendering) => boolean): Callable {
  return Operation.of(name, ['value', 'other'], (rendering, left, right) => test(left, right, rendering));
}

function hasRemainder(value: Value, divisor: Value, remainder: number, rendering: Rendering): boolean {
  return equals(modulo(value, divisor), remainder, rendering.budget);
}

function isSequence(value: Value): boolean {
  if (value instanceof Undefined) return !value.strict;
  return isText(value) || Array.isArray(value) || value instanceof Dict || value instanceof Range;
}

/** Identity: of objects the object, of anything else type and value. */
function isSame(left: Value, right: Value): boolean {
  return Object.is(left, right) || (left === 0 && right === 0);
}

function classified(name: string, classifier: string): Callable {
  const test = classifiers.get(classifier);
  return unary(name, (value, rendering) => test?.(str(value, rendering.budget), rendering.budget) ?? false);
}

const ordered = (name: string, operator: Ordering): Callable =>
  binary(name, (left, right, { budget }) => isOrdered(left, operator, right, budget));
const equal = (name: string): Callable =>
  binary(name, (left, right, { budget }) => equals(left, right, budget));
const unequal = (name: string): Callable =>
  binary(name, (left, right, { budget }) => !equals(left, right, budget));

const list: readonly Callable[] = [
  unary('defined', (value) => !(value instanceof Undefined)),
  unary('undefined', (value) => value instanceof Undefined),
  unary('none', (value) => value === null),
  unary('boolean', (value) => typeof value === 'boolean'),
  unary('true', (value) => value === true),
  unary('false', (value) => value === false),
  unary('integer', isInt),
  unary('float', isFloat),
  unary('number', (value) => numeric(value) !== null),
  unary('string', isText),
  unary('mapping', (value) => value instanceof Dict),
  unary('sequence', isSequence),
  unary('iterable', (value) => {
    if (value instanceof Undefined) value.allow();
    return isIterable(value);
  }),
  unary('callable', (value) => value instanceof Callable || value instanceof Undefined),
  unary('escaped', (value) => value instanceof Markup),
  unary('odd', (value, rendering) => hasRemainder(value, 2, 1, rendering)),
  unary('even', (value, rendering) => hasRemainder(value, 2, 0, rendering)),
  binary('divisibleby', (value, divisor, rendering) => hasRemainder(value, divisor, 0, rendering)),
  classified('lower', 'islower'),
  classified('upper', 'isupper'),
  binary('sameas', isSame),
  binary('in', (value, sequence, rendering) => contains(sequence, value, rendering)),
  unary('filter', (value, rendering) => isText(value) && rendering.hasFilter(textArgument(value))),
  unary('test', (value, rendering) => isText(value) && rendering.hasTest(textArgument(value))),
  ...['==', 'eq', 'equalto'].map(equal),
  ...['!=', 'ne'].map(unequal),
  ...['<', 'lt', 'lessthan'].map((name) => ordered(name, '<')),
  ...['<=', 'le'].map((name) => ordered(name, '<=')),
  ...['>', 'gt', 'greaterthan'].map((name) => ordered(name, '>')),
  ...['>=', 'ge'].map((name) => ordered(name, '>=')),
];

export const tests: ReadonlyMap<string, Callable> = new Map(list.map((entry) => [entry.name, entry]));
