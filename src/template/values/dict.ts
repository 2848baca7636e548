/**
 * Python's dict, and the only door through which row data enters a template.
 *
 * A Dict made from JSON reads the object it was given by own key, one value at a time, and never
 * changes or hands it out: nested objects come as further Dicts, arrays as copies. That is a deep copy
 * paid for only where a template looks. Keys such as `__proto__` are keys like any other.
 */

import type { Json, JsonObject } from '../../core/json.ts';
import { renderLimits } from '../limits.ts';
import { PythonError, typeError } from '../python/errors.ts';
import { Float, int } from './number.ts';
import { DictView, Tuple } from './sequences.ts';
import { Markup } from './text.ts';
import { Undefined } from './undefined.ts';
import type { Value } from './value.ts';

/**
 * What a key is filed under: equal keys (1, 1.0 and True) share one. Texts stand for themselves, but a
 * first character NUL is doubled; tuples are texts that begin with a single NUL.
 */
type Slot = null | number | bigint | string | object;

export class Dict {
  /** JSON not looked at as a whole yet; null once `#values` holds everything. */
  #source: JsonObject | null = null;
  #sourceSize: number | null = null;
  /** The containers of `#source` already handed out, so that each is handed out once. */
  #children: Map<string, Value> | null = null;
  #values = EMPTY;
  /** The keys that are not their own slot, by slot. */
  #forms: Map<Slot, Value> | null = null;

  static fromJson(source: JsonObject): Dict {
    const dict = new Dict();
    dict.#source = source;
    return dict;
  }

  static from(entries: Iterable<readonly [Value, Value]>): Dict {
    const dict = new Dict();
    for (const [key, value] of entries) dict.set(key, value);
    return dict;
  }

  get size(): number {
    if (this.#source === null) return this.#values.size;
    this.#sourceSize ??= Object.keys(this.#source).length;
    return this.#sourceSize;
  }

  /** The value at a key; undefined where there is none. Throws a TypeError for an unhashable key. */
  get(key: Value): Value | undefined {
    if (typeof key === 'string') return this.getText(key);
    this.#copy();
    return this.#values.get(slotOf(key));
  }

  /** get() for a key known to be a text: the way nearly all look-ups go. */
  getText(key: string): Value | undefined {
    const source = this.#source;
    if (source === null) return this.#values.get(textSlot(key));
    if (!Object.hasOwn(source, key)) return undefined;
    const json = source[key];
    if (typeof json !== 'object' || json === null) return fromJson(json);
    const known = this.#children?.get(key);
    if (known !== undefined) return known;
    const child = fromJson(json);
    this.#children ??= new Map();
    if (child !== undefined) this.#children.set(key, child);
    return child;
  }

  has(key: Value): boolean {
    return this.get(key) !== undefined;
  }

  set(key: Value, value: Value): void {
    this.#copy();
    if (this.#values === EMPTY) this.#values = new Map();
    const slot = slotOf(key);
    if (slot !== key && !this.#values.has(slot)) {
      this.#forms ??= new Map();
      this.#forms.set(slot, key);
    }
    this.#values.set(slot, value);
  }

  /** Removes a key; false where it was not there. */
  delete(key: Value): boolean {
    this.#copy();
    const slot = slotOf(key);
    this.#forms?.delete(slot);
    return this.#values.delete(slot);
  }

  clear(): void {
    this.#source = null;
    this.#values = EMPTY;
    this.#forms = null;
  }

  keys(): Value[] {
    this.#copy();
    const forms = this.#forms;
    const slots = Array.from(this.#values.keys());
    if (forms === null) return slots as Value[];
    return slots.map((slot) => forms.get(slot) ?? (slot as Value));
  }

  values(): Value[] {
    this.#copy();
    return Array.from(this.#values.values());
  }

  entries(): [Value, Value][] {
    const values = this.values();
    return this.keys().map((key, index) => [key, values[index] ?? null]);
  }

  /** A shallow copy. */
  copy(): Dict {
    return Dict.from(this.entries());
  }

  /** Takes everything over from the source, once something needs all keys or changes them. */
  #copy(): void {
    const source = this.#source;
    if (source === null) return;
    const values = new Map<Slot, Value>();
    boundSize(this.size);
    for (const key of Object.keys(source)) {
      const value = this.getText(key);
      if (value === undefined) continue;
      const slot = textSlot(key);
      values.set(slot, value);
      if (slot !== key) {
        this.#forms ??= new Map();
        this.#forms.set(slot, key);
      }
    }
    this.#values = values;
    this.#source = null;
    this.#children = null;
  }
}

/** Shared by all dicts that hold nothing yet; never written. */
const EMPTY: Map<Slot, Value> = new Map();

/** JSON as template values. What is not JSON (a function, an undefined) is left out. */
export function fromJson(json: Json | undefined): Value | undefined {
  switch (typeof json) {
    case 'string':
    case 'number':
    case 'boolean':
      return json;
    case 'bigint':
      return int(json);
    case 'object':
      if (json === null) return null;
      return Array.isArray(json) ? listFromJson(json) : Dict.fromJson(json);
    default:
      return undefined;
  }
}

function listFromJson(json: readonly Json[]): Value[] {
  boundSize(json.length);
  return json.map((item) => fromJson(item) ?? null);
}

function boundSize(size: number): void {
  if (size > renderLimits.elements) {
    throw new PythonError(
      'BudgetError',
      `a value of the data has more than ${renderLimits.elements} elements`,
    );
  }
}

function textSlot(key: string): string {
  return key.charCodeAt(0) === 0 ? `\0${key}` : key;
}

/** Throws the TypeError of an unhashable key. */
function slotOf(key: Value): Slot {
  if (typeof key === 'string') return textSlot(key);
  if (typeof key === 'boolean') return key ? 1 : 0;
  if (typeof key !== 'object' || key === null) return key;
  if (key instanceof Float) return key.value === 0 ? 0 : key.value;
  if (key instanceof Markup) return textSlot(key.text);
  if (key instanceof Undefined) {
    key.allow();
    return Undefined;
  }
  if (key instanceof Tuple) return `\0(${key.map(partOfSlot).join(',')})`;
  if (Array.isArray(key)) throw typeError("unhashable type: 'list'");
  if (key instanceof Dict) throw typeError("unhashable type: 'dict'");
  if (key instanceof DictView) throw typeError(`unhashable type: 'dict_${key.kind}'`);
  return key;
}

/** Characters of a text in a tuple used as a key. */
const MAX_KEY_PART = 1_000;

/** A tuple's element, written so that equal elements, and only those, are written alike. */
function partOfSlot(item: Value): string {
  const slot = slotOf(item);
  if (typeof slot === 'string' && slot.length <= MAX_KEY_PART) return JSON.stringify(slot);
  if (slot === null || typeof slot === 'number' || typeof slot === 'bigint') return String(slot);
  throw typeError('a tuple used as a key may hold short texts, numbers, booleans and None');
}
