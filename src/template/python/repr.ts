/**
 * str() and repr() of every value. Output is bounded as it grows, and so is nesting: a list may contain
 * itself, or the same list many times over.
 */

import type { Budget } from '../budget.ts';
import { Callable } from '../values/callable.ts';
import { Dict } from '../values/dict.ts';
import { LoopContext } from '../values/loop.ts';
import { Float } from '../values/number.ts';
import { DictView, Iteration, Range, Tuple } from '../values/sequences.ts';
import { Namespace } from '../values/structure.ts';
import { Markup } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Value } from '../values/value.ts';
import { floatRepr } from './floats.ts';
import { replaceEach } from './scan.ts';

/** str() of a value. Throws for a strict undefined. Functions and the like print as nothing. */
export function str(value: Value, budget: Budget): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return numberText(value);
  if (value instanceof Markup) return value.text;
  if (value instanceof Undefined) {
    value.allow();
    return '';
  }
  return repr(value, budget);
}

export function repr(value: Value, budget: Budget): string {
  switch (typeof value) {
    case 'string':
      return textRepr(value, budget);
    case 'number':
      return numberText(value);
    case 'bigint':
      return value.toString();
    case 'boolean':
      return value ? 'True' : 'False';
    default:
      return value === null ? 'None' : objectRepr(value, budget);
  }
}

/** A number keeps its sign of zero only as a float; as an int -0 is 0. */
function numberText(value: number): string {
  return Number.isSafeInteger(value) ? String(value) : floatRepr(value);
}

function objectRepr(
  value: Exclude<Value, null | boolean | number | bigint | string>,
  budget: Budget,
): string {
  if (Array.isArray(value)) return listRepr(value, budget);
  if (value instanceof Dict) return dictRepr(value, budget);
  if (value instanceof Float) return floatRepr(value.value);
  if (value instanceof Markup) return `Markup(${textRepr(value.text, budget)})`;
  if (value instanceof Undefined) return 'Undefined';
  if (value instanceof Range) {
    const step = value.step === 1 ? '' : `, ${value.step}`;
    return `range(${value.start}, ${value.stop}${step})`;
  }
  if (value instanceof DictView) return `dict_${value.kind}(${listRepr(value.items(), budget)})`;
  if (value instanceof Namespace) return `<Namespace ${dictRepr(value.attributes, budget)}>`;
  if (value instanceof LoopContext) return `<LoopContext ${value.index0 + 1}/${value.length}>`;
  if (value instanceof Callable) return '';
  if (value instanceof Iteration) return `<${value.typeName} object>`;
  return `<${value.typeName} object>`;
}

function listRepr(items: readonly Value[], budget: Budget): string {
  budget.enter();
  const parts = items.map((item) => repr(item, budget));
  budget.leave();
  const text = join(parts, budget);
  if (!(items instanceof Tuple)) return `[${text}]`;
  return parts.length === 1 ? `(${text},)` : `(${text})`;
}

function dictRepr(dict: Dict, budget: Budget): string {
  budget.enter();
  const parts = dict.entries().map(([key, value]) => `${repr(key, budget)}: ${repr(value, budget)}`);
  budget.leave();
  return `{${join(parts, budget)}}`;
}

function join(parts: readonly string[], budget: Budget): string {
  budget.step(parts.length);
  let length = 2;
  for (const part of parts) length += part.length + 2;
  budget.bound(length);
  return parts.join(', ');
}

/** What Python does not print as it is: controls, formats, surrogates, unassigned, spaces but for ' '. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}\p{Zs}]/u;
const ESCAPED = /(?! )[\\\p{C}\p{Zl}\p{Zp}\p{Zs}]/gu;
const NAMED: ReadonlyMap<string, string> = new Map([
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

export function isPrintable(text: string): boolean {
  return !UNPRINTABLE.test(text.replaceAll(' ', ''));
}

/** A text in Python's quotes: single ones, unless it holds those and no double ones. */
export function textRepr(text: string, budget: Budget): string {
  budget.text(text.length + 2);
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = replaceEach(text, ESCAPED, (char) => NAMED.get(char) ?? codeEscape(char), budget);
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

function codeEscape(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`;
  return `\\U${code.toString(16).padStart(8, '0')}`;
}
