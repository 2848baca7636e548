/**
 * Reads the `attr` of a condition: keys joined by dots, as in `status.value`.
 *
 * Only the shape is checked; whether the keys exist is for the Event, or the catalog, to say. Two first
 * keys are reserved: `snapshots`, and whatever begins with a dollar sign, of which `$event` alone exists.
 * (A column of such a name is still reached in the snapshots, as `snapshots.postchange.$name`.)
 */
import type { ConditionPath, EventKey, RowPath } from './condition.ts';

/** Characters of an `attr`. */
export const MAX_ATTR = 500;

const EVENT_KEYS: Readonly<Record<EventKey, true>> = {
  event: true,
  model: true,
  username: true,
  request_id: true,
};

/** The path, or a sentence that says what was expected and found. */
export function parsePath(attr: string): ConditionPath | string {
  const keys = attr.split('.');
  const [first = '', second = '', ...rest] = keys;
  if (first.startsWith('$')) return eventPath(attr, keys);
  if (first !== 'snapshots') return { root: 'data', row: rowPath(keys) };
  if (keys.length === 1) {
    return 'expected snapshots.prechange or snapshots.postchange, or a path below one of them, found "snapshots"';
  }
  if (second !== 'prechange' && second !== 'postchange') return { root: 'nowhere' };
  return { root: second, row: rest.length === 0 ? null : rowPath(rest) };
}

/** The path that `changed` and `unchanged` follow into both snapshots, or a sentence as above. */
export function parseChangePath(attr: string, op: string): RowPath | string {
  if (attr.startsWith('snapshots.')) {
    return `${op} looks into both snapshots by itself: expected a path such as "status", found one below "snapshots"`;
  }
  if (attr.startsWith('$')) return `${op} compares snapshots: expected a column, found a path below "$"`;
  return rowPath(attr.split('.'));
}

function eventPath(attr: string, keys: readonly string[]): ConditionPath | string {
  const [first, key = ''] = keys;
  if (first === '$event' && keys.length === 2 && isEventKey(key)) return { root: 'event', key };
  const known = Object.keys(EVENT_KEYS).map((name) => `$event.${name}`);
  return `expected ${known.join(', ')} or a path without a dollar sign, found ${JSON.stringify(attr)}`;
}

function isEventKey(key: string): key is EventKey {
  return Object.hasOwn(EVENT_KEYS, key);
}

function rowPath(keys: readonly string[]): RowPath {
  const [first = '', ...rest] = keys;
  return { first, rest };
}
