/** bool(), len() and iteration of every value. */

import type { Rendering } from '../values/callable.ts';
import { Callable } from '../values/callable.ts';
import { Dict } from '../values/dict.ts';
import { LoopContext } from '../values/loop.ts';
import { Float } from '../values/number.ts';
import { DictView, Iteration, Range } from '../values/sequences.ts';
import { Structure } from '../values/structure.ts';
import { codePoints, Markup, textLength } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Value } from '../values/value.ts';
import { typeError } from './errors.ts';
import { typeName } from './types.ts';

export function truth(value: Value): boolean {
  switch (typeof value) {
    case 'boolean':
      return value;
    case 'string':
      return value !== '';
    case 'number':
      return value !== 0;
    case 'bigint':
      return true;
    default:
      return value !== null && objectTruth(value);
  }
}

function objectTruth(value: object): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Dict) return value.size > 0;
  if (value instanceof Float) return value.value !== 0;
  if (value instanceof Markup) return value.text !== '';
  if (value instanceof Undefined) {
    value.allow();
    return false;
  }
  if (value instanceof Range) return value.length > 0;
  return !(value instanceof DictView) || value.dict.size > 0;
}

/** len(); null where the type has none. */
export function lengthOf(value: Value): number | null {
  if (typeof value === 'string') return textLength(value);
  if (Array.isArray(value)) return value.length;
  if (value instanceof Dict) return value.size;
  if (value instanceof Markup) return textLength(value.text);
  if (value instanceof Range) return value.length;
  if (value instanceof DictView) return value.dict.size;
  if (value instanceof LoopContext) return value.length;
  if (value instanceof Undefined) {
    value.allow();
    return 0;
  }
  return null;
}

export function length(value: Value): number {
  const found = lengthOf(value);
  if (found === null) throw typeError(`object of type '${typeName(value)}' has no len()`);
  return found;
}

export function isIterable(value: Value): boolean {
  if (typeof value === 'string') return true;
  if (typeof value !== 'object' || value === null) return false;
  if (value instanceof Float || value instanceof Structure) return false;
  return !(value instanceof Callable) || value instanceof LoopContext;
}

/**
 * The elements of a value that Python can iterate over. Lists are returned as they are, not copied: the
 * caller neither changes the result nor keeps it while template code may run.
 */
export function elements(value: Value, rendering: Rendering): readonly Value[] {
  if (Array.isArray(value)) {
    rendering.budget.step(value.length >>> 2);
    return value;
  }
  const made = makeElements(value);
  if (made === null) throw typeError(`'${typeName(value)}' object is not iterable`);
  rendering.budget.elements(made.length);
  return made;
}

/** elements() as a list of its own, which the caller may change and keep. */
export function toList(value: Value, rendering: Rendering): Value[] {
  const found = elements(value, rendering);
  if (!Array.isArray(value)) return Array.from(found);
  rendering.budget.elements(found.length);
  return Array.from(found);
}

function makeElements(value: Exclude<Value, Value[]>): readonly Value[] | null {
  if (typeof value === 'string') return codePoints(value);
  if (value instanceof Dict) return value.keys();
  if (value instanceof Iteration) return value.rest();
  if (value instanceof DictView || value instanceof Range) return value.items();
  if (value instanceof Markup) return codePoints(value.text);
  if (value instanceof LoopContext) return value.rest();
  if (value instanceof Undefined) {
    value.allow();
    return [];
  }
  return null;
}
