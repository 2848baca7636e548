/**
 * Parses one condition, `{attr, value, op, negate}`.
 *
 * Refused is what NetBox 4.7 refuses when a rule is saved, and what it only fails on later: a path that is
 * not text, a pattern that does not compile.
 */
import { holdsNumber } from './compare.ts';
import type { ChangeOp, ConditionLeaf, Test } from './condition.ts';
import { parseTest } from './parseValue.ts';
import { MAX_ATTR, parseChangePath, parsePath } from './path.ts';
import { isTruthy, kindOf, type Mistake, member, quote } from './raw.ts';

export const LEAF_KEYS: readonly string[] = ['attr', 'value', 'op', 'negate'];

/** Unknown keys of one condition that are told. */
const MAX_UNKNOWN = 5;

type Op = Test['op'] | ChangeOp;

/** What `op` may be. */
export const OPS: readonly Op[] = [
  'eq',
  'gt',
  'gte',
  'lt',
  'lte',
  'in',
  'contains',
  'regex',
  'changed',
  'unchanged',
];

/** The condition, or null and its mistakes added to the list. `at` is its own path. */
export function parseLeaf(
  raw: Readonly<Record<string, unknown>>,
  at: string,
  mistakes: Mistake[],
): ConditionLeaf | null {
  const before = mistakes.length;
  const unknown = Object.keys(raw).filter((key) => !LEAF_KEYS.includes(key));
  for (const key of unknown.slice(0, MAX_UNKNOWN)) {
    mistakes.push({ path: member(at, key), message: `expected ${anyOf(LEAF_KEYS)}, found ${quote(key)}` });
  }
  const attr = parseAttr(raw['attr'], `${at}.attr`, mistakes);
  const op = parseOp(raw['op'] === undefined ? 'eq' : raw['op'], `${at}.op`, mistakes);
  if (op === null) return null;
  const basics = { at, attr: attr ?? '', negate: isTruthy(raw['negate']) };
  if (op === 'changed' || op === 'unchanged') {
    if (raw['value'] !== undefined) {
      const message = `${op} compares the two snapshots: expected no value, found ${kindOf(raw['value'])}`;
      mistakes.push({ path: `${at}.value`, message });
    }
    const row = checked(attr === null ? null : parseChangePath(attr, op), `${at}.attr`, mistakes);
    return row === null || mistakes.length > before ? null : { kind: 'change', ...basics, op, row };
  }
  const path = checked(attr === null ? null : parsePath(attr), `${at}.attr`, mistakes);
  const test = parseTest(op, raw['value'], `${at}.value`, mistakes);
  if (path === null || test === null || mistakes.length > before) return null;
  const meetsNumbers = test.op !== 'regex' && holdsNumber(test.value);
  return { kind: 'value', ...basics, path, test, meetsNumbers };
}

function parseAttr(raw: unknown, path: string, mistakes: Mistake[]): string | null {
  if (typeof raw === 'string' && raw.length <= MAX_ATTR) return raw;
  const found = typeof raw === 'string' ? `${raw.length} characters` : kindOf(raw);
  const message = `expected a path such as "status.value", at most ${MAX_ATTR} characters, found ${found}`;
  mistakes.push({ path, message });
  return null;
}

function parseOp(raw: unknown, path: string, mistakes: Mistake[]): Op | null {
  const op = OPS.find((known) => known === raw);
  if (op !== undefined) return op;
  const found = typeof raw === 'string' ? quote(raw) : kindOf(raw);
  mistakes.push({ path, message: `expected ${anyOf(OPS)}, in lower case, found ${found}` });
  return null;
}

/** A sentence in place of a path is a mistake. */
function checked<T extends object>(parsed: T | string | null, path: string, mistakes: Mistake[]): T | null {
  if (typeof parsed !== 'string') return parsed;
  mistakes.push({ path, message: parsed });
  return null;
}

function anyOf(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
