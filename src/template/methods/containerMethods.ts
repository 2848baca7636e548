/**
 * The methods of list, tuple, dict, range, cycler and loop. Those that change a list or dict change what
 * the template holds; row data itself is out of reach behind Dict.
 */

import { intArgument } from '../python/arguments.ts';
import { equals, sorted } from '../python/compare.ts';
import { PythonError, typeError, valueError } from '../python/errors.ts';
import { elements, toList, truth } from '../python/iterate.ts';
import { typeName } from '../python/types.ts';
import { type Callable, Operation, type Parameter, type Rendering, Variadic } from '../values/callable.ts';
import { Dict } from '../values/dict.ts';
import { LoopContext } from '../values/loop.ts';
import { DictView, isList, Range, Tuple, tuple } from '../values/sequences.ts';
import { Cycler } from '../values/structure.ts';
import { Undefined } from '../values/undefined.ts';
import type { Keywords, Value } from '../values/value.ts';

function listMethod(
  name: string,
  parameters: readonly Parameter[],
  run: (rendering: Rendering, list: Value[], ...args: Value[]) => Value,
): Callable {
  return Operation.of(name, ['self', ...parameters], (rendering, self, ...args) => {
    if (!isList(self)) throw typeError(`'${name}' requires a 'list' object but received '${typeName(self)}'`);
    return run(rendering, self, ...args);
  });
}

function dictMethod(
  name: string,
  parameters: readonly Parameter[],
  run: (rendering: Rendering, dict: Dict, ...args: Value[]) => Value,
): Callable {
  return Operation.of(name, ['self', ...parameters], (rendering, self, ...args) => {
    if (!(self instanceof Dict)) {
      throw typeError(`'${name}' requires a 'dict' object but received '${typeName(self)}'`);
    }
    return run(rendering, self, ...args);
  });
}

/** count and index are the same for every sequence. */
const counting: readonly Callable[] = [
  Operation.of('count', ['self', 'value'], (rendering, self, wanted) => {
    const found = elements(self, rendering).filter((item) => equals(item, wanted, rendering.budget));
    return found.length;
  }),
  Operation.of(
    'index',
    ['self', 'value', ['start', 0], ['stop', Number.MAX_SAFE_INTEGER]],
    (rendering, self, wanted, start, stop) => {
      const items = elements(self, rendering);
      const [from, to] = [start, stop].map((bound) => {
        const at = intArgument(bound);
        return at < 0 ? at + items.length : at;
      });
      const at = items.findIndex(
        (item, place) => place >= (from ?? 0) && place < (to ?? 0) && equals(item, wanted, rendering.budget),
      );
      if (at < 0) throw valueError('the value is not in the sequence');
      return at;
    },
  ),
];

/** A place in a list for insert: out of bounds means at the end it is beyond. */
function insertionPlace(list: readonly Value[], at: Value): number {
  const place = intArgument(at);
  return Math.min(list.length, Math.max(0, place < 0 ? place + list.length : place));
}

function popFrom(list: Value[], at: Value): Value {
  if (list.length === 0) throw new PythonError('IndexError', 'pop from empty list');
  const place = intArgument(at);
  const index = place < 0 ? place + list.length : place;
  if (index < 0 || index >= list.length) throw new PythonError('IndexError', 'pop index out of range');
  const [item] = list.splice(index, 1);
  return item ?? null;
}

const onList: readonly Callable[] = [
  ...counting,
  listMethod('append', ['object'], (rendering, list, item) => {
    rendering.budget.elements(1);
    list.push(item ?? null);
    return null;
  }),
  listMethod('extend', ['iterable'], (rendering, list, iterable) => {
    for (const item of toList(iterable ?? null, rendering)) list.push(item);
    return null;
  }),
  listMethod('insert', ['index', 'object'], (rendering, list, at, item) => {
    rendering.budget.elements(1);
    list.splice(insertionPlace(list, at ?? 0), 0, item ?? null);
    return null;
  }),
  listMethod('pop', [['index', -1]], (_rendering, list, at) => popFrom(list, at ?? -1)),
  listMethod('remove', ['value'], (rendering, list, wanted) => {
    const at = list.findIndex((item) => equals(item, wanted ?? null, rendering.budget));
    if (at < 0) throw valueError('list.remove(x): x not in list');
    list.splice(at, 1);
    return null;
  }),
  listMethod('clear', [], (_rendering, list) => {
    list.length = 0;
    return null;
  }),
  listMethod('copy', [], (rendering, list) => toList(list, rendering)),
  listMethod('reverse', [], (_rendering, list) => {
    list.reverse();
    return null;
  }),
  listMethod(
    'sort',
    [
      ['key', null],
      ['reverse', false],
    ],
    (rendering, list, key, isReversed) => {
      if (key !== null) throw typeError('sort() takes no key in templates: use the sort filter');
      const ordered = sorted(list, (item) => item, truth(isReversed ?? false), rendering.budget);
      for (const [at, item] of ordered.entries()) list[at] = item;
      return null;
    },
  ),
];

/** The pairs that dict(), update() and namespace() are made from. */
export function pairsOf(
  name: string,
  args: readonly Value[],
  keywords: Keywords,
  rendering: Rendering,
): [Value, Value][] {
  const [first] = args;
  if (args.length > 1) throw typeError(`${name} expected at most 1 argument, got ${args.length}`);
  const pairs = first === undefined ? [] : pairsFrom(first, rendering);
  for (const [key, value] of keywords) pairs.push([key, value]);
  rendering.budget.elements(pairs.length);
  return pairs;
}

function pairsFrom(value: Value, rendering: Rendering): [Value, Value][] {
  if (value instanceof Dict) return value.entries();
  if (value instanceof Undefined) throw value.error();
  return elements(value, rendering).map((entry) => {
    const [key, item, ...more] = elements(entry, rendering);
    if (key === undefined || item === undefined || more.length > 0) {
      throw valueError('each element of the sequence must have length 2');
    }
    return [key, item];
  });
}

function popKey(dict: Dict, key: Value, fallback: Value | undefined): Value {
  const value = dict.get(key);
  if (value !== undefined) dict.delete(key);
  const result = value ?? (value === null ? null : fallback);
  if (result === undefined) throw new PythonError('KeyError', 'the dict has no such key');
  return result;
}

const onDict: readonly Callable[] = [
  dictMethod('keys', [], (_rendering, dict) => new DictView('keys', dict)),
  dictMethod('values', [], (_rendering, dict) => new DictView('values', dict)),
  dictMethod('items', [], (_rendering, dict) => new DictView('items', dict)),
  dictMethod('get', ['key', ['default', null]], (_rendering, dict, key, fallback) => {
    const value = dict.get(key ?? null);
    return value === undefined ? (fallback ?? null) : value;
  }),
  dictMethod('copy', [], (rendering, dict) => {
    rendering.budget.elements(dict.size);
    return dict.copy();
  }),
  dictMethod('clear', [], (_rendering, dict) => {
    dict.clear();
    return null;
  }),
  dictMethod('setdefault', ['key', ['default', null]], (rendering, dict, key, fallback) => {
    const value = dict.get(key ?? null);
    if (value !== undefined) return value;
    rendering.budget.elements(1);
    dict.set(key ?? null, fallback ?? null);
    return fallback ?? null;
  }),
  dictMethod('popitem', [], (_rendering, dict) => {
    const [key, value] = dict.entries().at(-1) ?? [];
    if (key === undefined) throw new PythonError('KeyError', 'popitem(): dictionary is empty');
    dict.delete(key);
    return tuple([key, value ?? null]);
  }),
  new Variadic('pop', (_rendering, [self, key, fallback], keywords) => {
    if (!(self instanceof Dict) || key === undefined || keywords.size > 0) {
      throw typeError('pop expected a key and at most one default');
    }
    return popKey(self, key, fallback);
  }),
  new Variadic('update', (rendering, [self, ...args], keywords) => {
    if (!(self instanceof Dict)) throw typeError("'update' requires a 'dict' object");
    for (const [key, value] of pairsOf('update', args, keywords, rendering)) self.set(key, value);
    return null;
  }),
];

const onLoop: readonly Callable[] = [
  new Variadic('cycle', (_rendering, [self, ...values]) => {
    if (!(self instanceof LoopContext)) throw typeError('cycle() is a method of loop');
    return self.cycle(values);
  }),
  new Variadic('changed', (rendering, [self, ...values]) => {
    if (!(self instanceof LoopContext)) throw typeError('changed() is a method of loop');
    return self.changed(values, (left, right) => equals(left, right, rendering.budget));
  }),
];

const onCycler: readonly Callable[] = [
  Operation.of('next', ['self'], (_rendering, self) => {
    if (!(self instanceof Cycler)) throw typeError('next() is a method of a cycler');
    return self.next();
  }),
  Operation.of('reset', ['self'], (_rendering, self) => {
    if (!(self instanceof Cycler)) throw typeError('reset() is a method of a cycler');
    self.reset();
    return null;
  }),
];

function table(methods: readonly Callable[]): ReadonlyMap<string, Callable> {
  return new Map(methods.map((entry) => [entry.name, entry]));
}

const listMethods = table(onList);
const sequenceMethods = table(counting);
const dictMethods = table(onDict);
const loopMethods = table(onLoop);
const cyclerMethods = table(onCycler);

/** The methods of a value that is neither text nor number. */
export function containerMethods(value: Value): ReadonlyMap<string, Callable> | null {
  if (value instanceof Dict) return dictMethods;
  if (value instanceof Tuple || value instanceof Range) return sequenceMethods;
  if (Array.isArray(value)) return listMethods;
  if (value instanceof LoopContext) return loopMethods;
  return value instanceof Cycler ? cyclerMethods : null;
}

/** Every method name there is, for the allow-list of call targets. */
export const containerMethodNames: ReadonlySet<string> = new Set(
  [onList, onDict, onLoop, onCycler].flatMap((methods) => methods.map((entry) => entry.name)),
);
