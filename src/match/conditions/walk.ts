/**
 * Follows the keys of a path down into a value, in the two ways of the two modes.
 *
 * A list maps: `tags.slug` is the list of its elements' slugs. There is no numeric index.
 */
import type { Json, JsonObject } from '../../core/json.ts';
import { keysOf, type RowPath } from './condition.ts';

/** Why a condition cannot be evaluated. Names keys and types, never values. */
export class Problem {
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }
}

/**
 * Follows `path.rest` from the value of `path.first`, as NetBox 4.7 does: a key that is not there, and a
 * value that has no keys, are Problems. An empty list maps to an empty list; with `emptyIsProblem`, where
 * a value is to prove the path, it is a Problem.
 */
export function walkStrict(value: Json, path: RowPath, emptyIsProblem = false): Json | Problem {
  let at = value;
  let depth = 1;
  for (const key of path.rest) {
    if (emptyIsProblem && Array.isArray(at) && at.length === 0) return broken(path, depth, at);
    const next = Array.isArray(at) ? mapKey(at, key) : valueAt(at, key);
    if (next === undefined) return broken(path, depth, at);
    at = next;
    depth += 1;
  }
  return at;
}

/** Follows the path as Peering Manager does: whatever cannot be followed is null. */
export function walkLenient(value: Json, path: RowPath): Json {
  let at = value;
  for (const key of path.rest) {
    if (Array.isArray(at)) {
      if (!at.every(isObject)) return null;
      at = at.map((item) => valueAt(item, key) ?? null);
    } else {
      at = valueAt(at, key) ?? null;
    }
  }
  return at;
}

/** A value's type, in words. */
export function typeName(value: Json): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return 'text';
  return typeof value === 'boolean' ? 'a boolean' : 'a number';
}

function mapKey(list: readonly Json[], key: string): Json[] | undefined {
  const values: Json[] = [];
  for (const item of list) {
    const value = valueAt(item, key);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}

function valueAt(value: Json, key: string): Json | undefined {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Says why the key at `depth` could not be followed from `at`. */
function broken(path: RowPath, depth: number, at: Json): Problem {
  const keys = keysOf(path);
  const key = keys[depth] ?? '';
  const place = JSON.stringify(keys.slice(0, depth).join('.'));
  if (!Array.isArray(at)) return new Problem(`${place} ${lack(at, key)}`);
  const culprit = at.find((item) => valueAt(item, key) === undefined);
  if (culprit === undefined) return new Problem(`${place} is an empty list`);
  return new Problem(`an element of ${place} ${lack(culprit, key)}`);
}

function lack(value: Json, key: string): string {
  if (isObject(value)) return `has no key ${JSON.stringify(key)}`;
  return `is ${typeName(value)}, which has no keys`;
}
