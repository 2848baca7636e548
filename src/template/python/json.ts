/** The tojson filter's writer: json.dumps with sorted keys, ASCII only, safe inside HTML. */

import type { Budget } from '../budget.ts';
import { Dict } from '../values/dict.ts';
import { Float } from '../values/number.ts';
import { isText, textOf } from '../values/text.ts';
import type { Value } from '../values/value.ts';
import { compareTexts } from './compare.ts';
import { typeError } from './errors.ts';
import { floatRepr } from './floats.ts';
import { replaceEach } from './scan.ts';
import { typeName } from './types.ts';

/** `indent` is the text of one level; null writes everything in one line. */
export function toJson(value: Value, indent: string | null, budget: Budget): string {
  return new JsonWriter(indent, budget).write(value, '\n');
}

class JsonWriter {
  readonly #indent: string | null;
  readonly #budget: Budget;

  constructor(indent: string | null, budget: Budget) {
    this.#indent = indent;
    this.#budget = budget;
  }

  /** `lineEnd` is the line break, with indentation, of the level that `value` stands on. */
  write(value: Value, lineEnd: string): string {
    if (isText(value)) return this.#text(textOf(value));
    if (value instanceof Dict) return this.#dict(value, lineEnd);
    if (Array.isArray(value)) {
      const inner = lineEnd + (this.#indent ?? '');
      return this.#nested('[', ']', lineEnd, () => value.map((item) => this.write(item, inner)));
    }
    const scalar = this.#scalar(value);
    if (scalar === null) throw typeError(`Object of type ${typeName(value)} is not JSON serializable`);
    return scalar;
  }

  #dict(dict: Dict, lineEnd: string): string {
    const inner = lineEnd + (this.#indent ?? '');
    const entries = sortedEntries(dict, this.#budget);
    return this.#nested('{', '}', lineEnd, () =>
      entries.map(([key, value]) => `${this.#text(this.#key(key))}: ${this.write(value, inner)}`),
    );
  }

  #nested(open: string, close: string, lineEnd: string, write: () => string[]): string {
    this.#budget.enter();
    const parts = write();
    this.#budget.leave();
    if (parts.length === 0) return open + close;
    const inner = lineEnd + (this.#indent ?? '');
    const separator = this.#indent === null ? ', ' : `,${inner}`;
    let length = 2 + inner.length + lineEnd.length;
    for (const part of parts) length += part.length + separator.length;
    this.#budget.step(parts.length);
    this.#budget.bound(length);
    const text = parts.join(separator);
    return this.#indent === null ? open + text + close : open + inner + text + lineEnd + close;
  }

  #key(key: Value): string {
    if (isText(key)) return textOf(key);
    const scalar = this.#scalar(key);
    if (scalar === null) throw typeError(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
    return scalar;
  }

  #scalar(value: Value): string | null {
    if (value === null) return 'null';
    if (typeof value === 'boolean') return value ? 'true' : 'false';
    if (typeof value === 'bigint') return value.toString();
    if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : jsonFloat(value);
    return value instanceof Float ? floatRepr(value.value) : null;
  }

  #text(text: string): string {
    this.#budget.text(text.length + 2);
    return `"${replaceEach(text, SPECIAL, escapeChars, this.#budget)}"`;
  }
}

/** Sorted by key; keys that have no order among them are a TypeError, as in Python. */
function sortedEntries(dict: Dict, budget: Budget): [Value, Value][] {
  const entries = dict.entries();
  return entries.sort(([a], [b]) => {
    if (isText(a) && isText(b)) return compareTexts(textOf(a), textOf(b), budget);
    if (isText(a) || isText(b) || a === null || b === null) {
      throw typeError(`'<' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
    }
    return Number(a instanceof Float ? a.value : a) - Number(b instanceof Float ? b.value : b);
  });
}

function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  return floatRepr(value);
}

/** What JSON, ASCII and HTML need escaped. */
const SPECIAL = /(?:["\\<>&']|[^\x20-\x7e]){1,256}/g;
const NAMED: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\b', '\\b'],
  ['\f', '\\f'],
]);

function escapeChars(run: string): string {
  let escaped = '';
  for (let at = 0; at < run.length; at += 1) {
    const char = run.charAt(at);
    escaped += NAMED.get(char) ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  }
  return escaped;
}
