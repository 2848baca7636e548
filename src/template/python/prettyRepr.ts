/** pprint.pformat: repr() with sorted keys, broken over lines where it is wider than 80 characters. */

import type { Budget } from '../budget.ts';
import { Dict } from '../values/dict.ts';
import { Tuple } from '../values/sequences.ts';
import type { Value } from '../values/value.ts';
import { compareTexts } from './compare.ts';
import { repr } from './repr.ts';
import { typeName } from './types.ts';

const WIDTH = 80;

export function prettyRepr(value: Value, budget: Budget): string {
  return new PrettyPrinter(budget).write(value, 0, 0);
}

class PrettyPrinter {
  readonly #budget: Budget;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** `column` is where the value begins, `after` the room that closing brackets behind it need. */
  write(value: Value, column: number, after: number): string {
    const ordered = value instanceof Dict ? sortedDict(value, this.#budget) : value;
    this.#budget.enter();
    const line = this.#oneLine(ordered);
    const text = line.length <= WIDTH - column - after ? line : this.#lines(ordered, line, column, after);
    this.#budget.leave();
    this.#budget.text(text.length);
    return text;
  }

  #oneLine(value: Value): string {
    return repr(deepSorted(value, this.#budget), this.#budget);
  }

  #lines(value: Value, line: string, column: number, after: number): string {
    if (value instanceof Dict && value.size > 0) return this.#dictLines(value, column, after);
    if (Array.isArray(value) && value.length > 0) return this.#listLines(value, column, after);
    return line;
  }

  #dictLines(dict: Dict, column: number, after: number): string {
    const entries = dict.entries();
    const parts = entries.map(([key, value], at) => {
      const label = `${repr(key, this.#budget)}: `;
      const room = at === entries.length - 1 ? after + 1 : 1;
      return label + this.write(value, column + 1 + label.length, room);
    });
    return `{${parts.join(`,\n${' '.repeat(column + 1)}`)}}`;
  }

  #listLines(items: readonly Value[], column: number, after: number): string {
    const [open, close] = items instanceof Tuple ? ['(', items.length === 1 ? ',)' : ')'] : ['[', ']'];
    const parts = items.map((item, at) =>
      this.write(item, column + 1, at === items.length - 1 ? after + close.length : 1),
    );
    return open + parts.join(`,\n${' '.repeat(column + 1)}`) + close;
  }
}

function sortedDict(dict: Dict, budget: Budget): Dict {
  return Dict.from(dict.entries().sort(([a], [b]) => compareKeys(a, b, budget)));
}

/** Keys of one kind in their order, others by the name of their type. */
function compareKeys(a: Value, b: Value, budget: Budget): number {
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b, budget);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return compareTexts(typeName(a), typeName(b), budget);
}

/** The value with all its dicts' keys sorted. */
function deepSorted(value: Value, budget: Budget): Value {
  if (value instanceof Dict) {
    budget.enter();
    budget.elements(value.size);
    const entries = sortedDict(value, budget)
      .entries()
      .map(([key, inner]): [Value, Value] => [key, deepSorted(inner, budget)]);
    budget.leave();
    return Dict.from(entries);
  }
  if (!Array.isArray(value) || value instanceof Tuple) return value;
  budget.enter();
  budget.elements(value.length);
  const items = value.map((item) => deepSorted(item, budget));
  budget.leave();
  return items;
}
