/** The `attribute` argument of filters: `'address.city'`, `'items.0'`, `'age,name'`, `2`. */

import { subscript } from '../methods/attributes.ts';
import type { Rendering } from '../values/callable.ts';
import { isText, textOf } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Value } from '../values/value.ts';

export type Getter = (item: Value) => Value;

export interface GetterOptions {
  /** Stands in for what a path does not lead to; null for none. */
  readonly fallback?: Value;
  /** Lower-cases texts, as filters do that compare without regard to case. */
  readonly ignoresCase?: boolean;
}

/** A function that follows the path from an item; null stands for the item itself. */
export function attributeGetter(path: Value, rendering: Rendering, options: GetterOptions = {}): Getter {
  const parts = partsOf(path);
  const fallback = options.fallback ?? null;
  return (item) => {
    let value = item;
    for (const part of parts) {
      rendering.budget.step();
      value = subscript(value, part, rendering);
      if (fallback !== null && value instanceof Undefined) value = fallback;
    }
    return options.ignoresCase ? ignoreCase(value) : value;
  };
}

/** A function that follows several paths, given with commas between them, to one list to sort by. */
export function attributesGetter(paths: Value, rendering: Rendering, options: GetterOptions): Getter {
  const list = isText(paths) ? textOf(paths).split(',') : [paths];
  const getters = list.map((path) => attributeGetter(path, rendering, options));
  return (item) => getters.map((getter) => getter(item));
}

export function ignoreCase(value: Value): Value {
  return isText(value) ? textOf(value).toLowerCase() : value;
}

function partsOf(path: Value): Value[] {
  if (path === null) return [];
  if (!isText(path)) return [path];
  return textOf(path)
    .split('.')
    .map((part) => (/^[0-9]{1,9}$/.test(part) ? Number(part) : part));
}
