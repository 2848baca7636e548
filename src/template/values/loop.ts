/**
 * The `loop` of a for statement: Jinja2's LoopContext. It pulls elements one at a time, so that a
 * filter in the loop's head sees what earlier rounds did, and looks ahead only where asked to.
 */

import type { Budget } from '../budget.ts';
import { PythonError, typeError } from '../python/errors.ts';
import { Callable, type Rendering } from './callable.ts';
import type { Keywords, Value } from './value.ts';

/** Renders the loop's body over other elements, one level deeper: `loop(…)` of a recursive loop. */
export type Recurse = (iterable: Value, depth: number) => string | Value;

export interface LoopOptions {
  readonly items: readonly Value[];
  /** The condition in the loop's head; null where there is none. */
  readonly accepts: ((item: Value) => boolean) | null;
  readonly recurse: Recurse | null;
  readonly depth0: number;
  readonly undefined: (reason: string) => Value;
}

export class LoopContext extends Callable {
  readonly name = 'loop';
  readonly depth0: number;
  index0 = -1;
  /** The element of this round. */
  item: Value = null;
  readonly #budget: Budget;
  readonly #options: LoopOptions;
  #at = 0;
  /** Elements accepted before their round, those from `#head` on still to come. */
  #ahead: Value[] = [];
  #head = 0;
  #previous: Value = null;
  #lastChanged: readonly Value[] | null = null;

  constructor(budget: Budget, options: LoopOptions) {
    super();
    this.#budget = budget;
    this.#options = options;
    this.depth0 = options.depth0;
  }

  /** Goes to the next round; false after the last. */
  advance(): boolean {
    const next = this.#take();
    if (next === undefined) return false;
    this.#budget.round();
    this.#previous = this.item;
    this.item = next;
    this.index0 += 1;
    return true;
  }

  /** Rounds in all. Evaluates the head's condition for every element still to come. */
  get length(): number {
    const { items, accepts } = this.#options;
    if (accepts === null) return items.length;
    for (let next = this.#pull(); next !== undefined; next = this.#pull()) this.#ahead.push(next);
    return this.index0 + 1 + this.#ahead.length - this.#head;
  }

  /** The elements still to come, which are then read. */
  rest(): Value[] {
    const rest: Value[] = [];
    for (let next = this.#take(); next !== undefined; next = this.#take()) rest.push(next);
    return rest;
  }

  /** An attribute of `loop`; undefined where it has none of that name. */
  attribute(name: string): Value | undefined {
    switch (name) {
      case 'index':
        return this.index0 + 1;
      case 'index0':
        return this.index0;
      case 'revindex':
        return this.length - this.index0;
      case 'revindex0':
        return this.length - this.index0 - 1;
      case 'first':
        return this.index0 === 0;
      case 'last':
        return this.#peek() === undefined;
      case 'length':
        return this.length;
      case 'depth':
        return this.depth0 + 1;
      case 'depth0':
        return this.depth0;
      case 'previtem':
        return this.index0 === 0 ? this.#options.undefined('there is no previous item') : this.#previous;
      case 'nextitem':
        return this.#nextItem();
      default:
        return undefined;
    }
  }

  cycle(values: readonly Value[]): Value {
    if (values.length === 0) throw typeError('no items for cycling given');
    return values[this.index0 % values.length] ?? null;
  }

  /** True where the values differ from those of the last call. `equal` compares as Python does. */
  changed(values: readonly Value[], equal: (left: Value[], right: Value[]) => boolean): boolean {
    const last = this.#lastChanged;
    if (last !== null && equal([...last], [...values])) return false;
    this.#lastChanged = values;
    return true;
  }

  call(rendering: Rendering, args: readonly Value[], keywords: Keywords | null): Value {
    const recurse = this.#options.recurse;
    if (recurse === null) {
      throw typeError("The loop must have the 'recursive' marker to be called recursively.");
    }
    const iterable = args[0] ?? keywords?.get('iterable');
    if (args.length > 1 || iterable === undefined) throw typeError('loop() takes one iterable');
    rendering.budget.enter();
    const text = recurse(iterable, this.depth0 + 1);
    rendering.budget.leave();
    return text;
  }

  #take(): Value | undefined {
    const next = this.#peek();
    if (next !== undefined) this.#head += 1;
    return next;
  }

  #peek(): Value | undefined {
    if (this.#head === this.#ahead.length) {
      const next = this.#pull();
      this.#ahead = next === undefined ? [] : [next];
      this.#head = 0;
    }
    return this.#ahead[this.#head];
  }

  #nextItem(): Value {
    const next = this.#peek();
    return next === undefined ? this.#options.undefined('there is no next item') : next;
  }

  #pull(): Value | undefined {
    const { items, accepts } = this.#options;
    while (this.#at < items.length) {
      const item = items[this.#at];
      this.#at += 1;
      if (item === undefined) throw new PythonError('RuntimeError', 'list changed size during iteration');
      if (accepts === null || accepts(item)) return item;
      this.#budget.round();
    }
    return undefined;
  }
}
