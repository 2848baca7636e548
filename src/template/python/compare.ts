/** ==, <, `in` and sorting, as Python defines them. */

import type { Budget } from '../budget.ts';
import type { Rendering } from '../values/callable.ts';
import { Dict } from '../values/dict.ts';
import { numeric } from '../values/number.ts';
import { DictView, Range, Tuple } from '../values/sequences.ts';
import { isFlat, isText, textOf } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Value } from '../values/value.ts';
import { typeError } from './errors.ts';
import { elements, isIterable } from './iterate.ts';
import { typeName } from './types.ts';

export function equals(left: Value, right: Value, budget: Budget): boolean {
  if (left === right && typeof left !== 'object') return true;
  if (left instanceof Undefined || right instanceof Undefined) return undefinedEquals(left, right);
  if (isText(left)) return isText(right) && textEquals(textOf(left), textOf(right), budget);
  const a = numeric(left);
  if (a !== null) {
    const b = numeric(right);
    // Loosely: an int beyond 2^53 equals a float of exactly that value.
    return b !== null && (typeof a === typeof b ? a === b : mixedEquals(a, b));
  }
  if (Array.isArray(left)) return Array.isArray(right) && listEquals(left, right, budget);
  if (left instanceof Dict) return right instanceof Dict && dictEquals(left, right, budget);
  if (left instanceof Range && right instanceof Range) return rangeEquals(left, right);
  if (left instanceof DictView && right instanceof DictView) return viewEquals(left, right, budget);
  return left === right;
}

/** Views of keys and items are sets; views of values equal nothing else. */
function viewEquals(left: DictView, right: DictView, budget: Budget): boolean {
  if (left === right) return true;
  if (left.kind === 'values' || left.kind !== right.kind || left.dict.size !== right.dict.size) return false;
  if (left.kind === 'items') return dictEquals(left.dict, right.dict, budget);
  return left.items().every((key) => right.dict.has(key));
}

function textEquals(left: string, right: string, budget: Budget): boolean {
  if (left.length !== right.length) return false;
  if (left.length > 64) budget.read(left.length);
  return left === right;
}

function mixedEquals(a: number | bigint, b: number | bigint): boolean {
  return a >= b && a <= b;
}

function undefinedEquals(left: Value, right: Value): boolean {
  if (left instanceof Undefined) left.allow();
  if (right instanceof Undefined) right.allow();
  return left instanceof Undefined && right instanceof Undefined;
}

function listEquals(left: readonly Value[], right: readonly Value[], budget: Budget): boolean {
  if (left.length !== right.length || left instanceof Tuple !== right instanceof Tuple) return false;
  if (left === right) return true;
  budget.enter();
  budget.step(1 + left.length);
  const same = left.every((item, index) => equals(item, right[index] ?? null, budget));
  budget.leave();
  return same;
}

function dictEquals(left: Dict, right: Dict, budget: Budget): boolean {
  if (left.size !== right.size) return false;
  if (left === right) return true;
  budget.enter();
  budget.step(1 + left.size);
  const same = left.entries().every(([key, value]) => {
    const other = right.get(key);
    return other !== undefined && equals(value, other, budget);
  });
  budget.leave();
  return same;
}

function rangeEquals(left: Range, right: Range): boolean {
  if (left.length !== right.length) return false;
  if (left.length === 0) return true;
  return left.start === right.start && (left.length === 1 || left.step === right.step);
}

/** Orders texts by code point, where JavaScript would order them by UTF-16 unit. */
export function compareTexts(left: string, right: string, budget: Budget): number {
  budget.read(left.length + right.length);
  if (left === right) return 0;
  if (isFlat(left) && isFlat(right)) return left < right ? -1 : 1;
  const a = Array.from(left);
  const b = Array.from(right);
  const at = a.findIndex((char, index) => char !== b[index]);
  if (at < 0) return -1;
  return (a[at]?.codePointAt(0) ?? 0) < (b[at]?.codePointAt(0) ?? -1) ? -1 : 1;
}

export type Ordering = '<' | '<=' | '>' | '>=';

/** left < right and so on; a TypeError where Python knows no order between the types. */
export function isOrdered(left: Value, operator: Ordering, right: Value, budget: Budget): boolean {
  const a = numeric(left);
  const b = numeric(right);
  if (a !== null && b !== null) return holds(a, operator, b);
  if (isText(left) && isText(right)) {
    return holds(compareTexts(textOf(left), textOf(right), budget), operator, 0);
  }
  if (left instanceof Undefined) throw left.error();
  if (right instanceof Undefined) throw right.error();
  if (Array.isArray(left) && Array.isArray(right) && left instanceof Tuple === right instanceof Tuple) {
    return isListOrdered(left, operator, right, budget);
  }
  throw typeError(
    `'${operator}' not supported between instances of '${typeName(left)}' and '${typeName(right)}'`,
  );
}

function holds(a: number | bigint, operator: Ordering, b: number | bigint): boolean {
  switch (operator) {
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
  }
}

/** Lists are ordered by their first elements that differ, else by length. */
function isListOrdered(
  left: readonly Value[],
  operator: Ordering,
  right: readonly Value[],
  budget: Budget,
): boolean {
  budget.enter();
  for (const [at, item] of left.entries()) {
    const other = right[at];
    if (other === undefined) break;
    budget.step();
    if (!equals(item, other, budget)) {
      const result = isOrdered(item, operator, other, budget);
      budget.leave();
      return result;
    }
  }
  budget.leave();
  return holds(left.length, operator, right.length);
}

/** `needle in haystack`. */
export function contains(haystack: Value, needle: Value, rendering: Rendering): boolean {
  if (isText(haystack)) {
    if (!isText(needle)) {
      throw typeError(`'in <string>' requires string as left operand, not ${typeName(needle)}`);
    }
    rendering.budget.read(textOf(haystack).length);
    return textOf(haystack).includes(textOf(needle));
  }
  if (haystack instanceof Dict) return haystack.has(needle);
  if (haystack instanceof DictView && haystack.kind === 'keys') return haystack.dict.has(needle);
  if (haystack instanceof Range) return isInRange(haystack, needle);
  if (!isIterable(haystack)) throw typeError(`argument of type '${typeName(haystack)}' is not iterable`);
  return elements(haystack, rendering).some((item) => {
    rendering.budget.step();
    return item === needle || equals(item, needle, rendering.budget);
  });
}

function isInRange(range: Range, needle: Value): boolean {
  const number = numeric(needle);
  const at = number === null ? -1 : (Number(number) - range.start) / range.step;
  return Number.isInteger(at) && at >= 0 && at < range.length;
}

/** Sorts as Python's sorted(): stable, by `<` alone. `keyOf` is asked once for each item. */
export function sorted(
  items: readonly Value[],
  keyOf: (item: Value) => Value,
  isReversed: boolean,
  budget: Budget,
): Value[] {
  budget.elements(items.length * 2);
  const keyed = items.map((item) => ({ item, key: keyOf(item) }));
  keyed.sort((a, b) => {
    budget.step();
    const [low, high] = isReversed ? [b, a] : [a, b];
    if (isOrdered(low.key, '<', high.key, budget)) return -1;
    return isOrdered(high.key, '<', low.key, budget) ? 1 : 0;
  });
  return keyed.map(({ item }) => item);
}
