/**
 * Equality and order of JSON values as Python has them, which evaluates conditions in the systems they come
 * from: 1 == 1.0 == True, lists and objects compare by content.
 *
 * Numbers compare exactly, number with bigint included. `decimal` says that text on the left-hand side is
 * a PostgreSQL numeric and compares with numbers by value (see decimal.ts); two texts compare as text.
 */
import type { Json, JsonObject } from '../../core/json.ts';
import { compareDecimal } from './decimal.ts';

/** Python's `seen == value`. */
export function equals(seen: Json, value: Json, decimal: boolean): boolean {
  if (isNumber(value)) return order(seen, value, decimal) === 0;
  if (typeof seen !== 'object' || seen === null || typeof value !== 'object' || value === null) {
    return seen === value;
  }
  if (Array.isArray(seen)) return Array.isArray(value) && listsEqual(seen, value, decimal);
  return !Array.isArray(value) && objectsEqual(seen, value, decimal);
}

/**
 * Negative, zero or positive as `seen` is less than, equal to or greater than the number `value`;
 * undefined where Python would not compare them.
 */
export function order(seen: Json, value: number | bigint | boolean, decimal: boolean): number | undefined {
  const right = typeof value === 'boolean' ? Number(value) : value;
  if (typeof seen === 'string') return decimal ? compareDecimal(seen, right) : undefined;
  if (!isNumber(seen)) return undefined;
  const left = typeof seen === 'boolean' ? Number(seen) : seen;
  if (left < right) return -1;
  return left > right ? 1 : 0;
}

/** Whether a number is in the value, at any depth. */
export function holdsNumber(value: Json): boolean {
  if (typeof value !== 'object' || value === null) return isNumber(value);
  return Object.values(value).some(holdsNumber);
}

/** Whether Python counts it as a number: True is 1. */
function isNumber(value: Json): value is number | bigint | boolean {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
}

function listsEqual(seen: readonly Json[], value: readonly Json[], decimal: boolean): boolean {
  return (
    seen.length === value.length && seen.every((item, index) => equals(item, value[index] as Json, decimal))
  );
}

function objectsEqual(seen: JsonObject, value: JsonObject, decimal: boolean): boolean {
  const keys = Object.keys(seen);
  return (
    keys.length === Object.keys(value).length &&
    keys.every((key) => Object.hasOwn(value, key) && equals(seen[key] as Json, value[key] as Json, decimal))
  );
}
