/**
 * Parses and checks the `conditions` of a Webhook when its definition is loaded.
 *
 * Accepted is NetBox 4.7's language: `{and: […]}` and `{or: […]}`, nested, or a single condition. What is
 * falsy (null, {}, []) means that there are no conditions. Everything the originals refuse or crash on is a
 * mistake; all mistakes are found, not the first one only.
 */
import type { ConditionMode, ConditionNode, ConditionSet, Conditions } from './condition.ts';
import { LEAF_KEYS, parseLeaf } from './parseLeaf.ts';
import { isObject, isTruthy, kindOf, type Mistake, member, quote } from './raw.ts';

/** Sets within sets. */
const MAX_DEPTH = 32;
/** Conditions and sets of one Webhook. */
const MAX_NODES = 1_000;

export type ParsedConditions =
  | { readonly ok: true; readonly conditions: Conditions | null }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

/** `path` is that of the ruleset, for example `webhooks[0].conditions`. */
export function parseConditions(ruleset: unknown, mode: ConditionMode, path: string): ParsedConditions {
  if (!isTruthy(ruleset)) return { ok: true, conditions: null };
  const parser = new Parser();
  const root = parser.node(ruleset, path, 0);
  if (root === null || parser.mistakes.length > 0) return { ok: false, mistakes: parser.mistakes };
  return { ok: true, conditions: { mode, root } };
}

class Parser {
  readonly mistakes: Mistake[] = [];
  #nodes = 0;

  /** null where there was a mistake, here or below. */
  node(raw: unknown, path: string, depth: number): ConditionNode | null {
    this.#nodes += 1;
    if (!isObject(raw)) {
      return this.#mistake(path, `expected a condition, "and" or "or", found ${kindOf(raw)}`);
    }
    const keys = Object.keys(raw);
    const [key = ''] = keys;
    if (keys.length === 1 && (key === 'and' || key === 'or')) return this.#set(key, raw[key], path, depth);
    const logic = keys.filter((word) => ['and', 'or'].includes(word.toLowerCase()));
    if (logic.length > 0) return this.#spoiltSet(keys, logic, path);
    if (keys.some((word) => LEAF_KEYS.includes(word))) return parseLeaf(raw, path, this.mistakes);
    return this.#mistake(
      path,
      `expected "and", "or" or a condition with attr and value, found ${some(keys)}`,
    );
  }

  #set(op: ConditionSet['op'], raw: unknown, path: string, depth: number): ConditionSet | null {
    const place = `${path}.${op}`;
    if (!Array.isArray(raw)) {
      return this.#mistake(place, `expected a list of conditions, found ${kindOf(raw)}`);
    }
    if (depth >= MAX_DEPTH) {
      return this.#mistake(place, `expected at most ${MAX_DEPTH} sets within sets, found more`);
    }
    if (this.#nodes + raw.length > MAX_NODES) {
      return this.#mistake(place, `expected at most ${MAX_NODES} conditions and sets, found more`);
    }
    const children = raw.map((child, index) => this.node(child, `${place}[${index}]`, depth + 1));
    return children.every((child) => child !== null) ? { kind: 'set', op, children } : null;
  }

  /** "and" or "or" in capitals, or beside other keys. */
  #spoiltSet(keys: readonly string[], logic: readonly string[], path: string): null {
    for (const key of logic.filter((word) => word !== word.toLowerCase())) {
      const message = `expected "${key.toLowerCase()}" in lower case, found ${quote(key)}`;
      this.#mistake(member(path, key), message);
    }
    if (keys.length === 1) return null;
    const expected = 'expected "and" or "or" as the only key';
    return this.#mistake(path, `${expected}, found ${some(keys)}; put one inside the other`);
  }

  #mistake(path: string, message: string): null {
    this.mistakes.push({ path, message });
    return null;
  }
}

function some(keys: readonly string[]): string {
  return keys.length === 0 ? 'an empty object' : keys.slice(0, 5).map(quote).join(', ');
}
