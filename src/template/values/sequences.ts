/**
 * Python's sequences other than list, str and dict: tuples, ranges, iterators and views of dicts.
 */

import type { Dict } from './dict.ts';
import type { Value } from './value.ts';

/** An array that Python would call a tuple. No method of ours changes one. */
export class Tuple extends Array<Value> {
  /** What Array's own methods derive from a tuple are lists. */
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
}

export function tuple(items: readonly Value[]): Tuple {
  const made = new Tuple();
  for (const item of items) made.push(item);
  return made;
}

/** What groupby yields: a tuple with names for its two places. */
export class GroupTuple extends Tuple {
  static of2(grouper: Value, list: Value[]): GroupTuple {
    const made = new GroupTuple();
    made.push(grouper, list);
    return made;
  }
}

export function isList(value: Value): value is Value[] {
  return Array.isArray(value) && !(value instanceof Tuple);
}

export class Range {
  readonly start: number;
  readonly stop: number;
  readonly step: number;
  readonly length: number;

  constructor(start: number, stop: number, step: number) {
    this.start = start;
    this.stop = stop;
    this.step = step;
    this.length = Math.max(0, Math.ceil((stop - start) / step));
  }

  at(index: number): number {
    return this.start + index * this.step;
  }

  items(): number[] {
    return Array.from({ length: this.length }, (_, index) => this.at(index));
  }
}

/**
 * What Python returns as a generator or iterator: always true, without a length, read only once.
 * The elements are computed beforehand; bounds apply either way.
 */
export class Iteration {
  readonly typeName: string;
  readonly #items: readonly Value[];
  #at = 0;

  constructor(typeName: string, items: readonly Value[]) {
    this.typeName = typeName;
    this.#items = items;
  }

  /** The next element; undefined at the end. */
  next(): Value | undefined {
    const item = this.#items[this.#at];
    if (item !== undefined) this.#at += 1;
    return item;
  }

  /** All elements not read yet, which are then read. */
  rest(): Value[] {
    const rest = this.#items.slice(this.#at);
    this.#at = this.#items.length;
    return rest;
  }
}

/** dict.keys(), dict.values() and dict.items(): they show the dict as it is when they are looked at. */
export class DictView {
  readonly kind: 'keys' | 'values' | 'items';
  readonly dict: Dict;

  constructor(kind: 'keys' | 'values' | 'items', dict: Dict) {
    this.kind = kind;
    this.dict = dict;
  }

  items(): Value[] {
    if (this.kind === 'keys') return this.dict.keys();
    if (this.kind === 'values') return this.dict.values();
    return this.dict.entries().map(tuple);
  }
}
