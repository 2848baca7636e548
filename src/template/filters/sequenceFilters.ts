/** Jinja2's filters on lists and dicts. What Python makes a generator is an Iteration here. */

import { intArgument, noAttribute, softText } from '../python/arguments.ts';
import { add } from '../python/arithmetic.ts';
import { equals, isOrdered, sorted } from '../python/compare.ts';
import { PythonError, typeError } from '../python/errors.ts';
import { escapeHtml } from '../python/html.ts';
import { elements, isIterable, length, toList, truth } from '../python/iterate.ts';
import { item, slice } from '../python/subscript.ts';
import { typeName } from '../python/types.ts';
import { Callable, Operation, type Rendering, Variadic } from '../values/callable.ts';
import { Dict } from '../values/dict.ts';
import { GroupTuple, Iteration, tuple } from '../values/sequences.ts';
import { isText, Markup } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Keywords, Value } from '../values/value.ts';
import { attributeGetter, attributesGetter, ignoreCase } from './attributePath.ts';

function generator(items: readonly Value[]): Iteration {
  return new Iteration('generator', items);
}

function first(rendering: Rendering, value: Value): Value {
  const item = value instanceof Iteration ? value.next() : elements(value, rendering)[0];
  return item === undefined ? rendering.undefined('No first item, sequence was empty.') : item;
}

/** The elements of what Python can walk backwards. */
function reversible(value: Value, rendering: Rendering): readonly Value[] {
  if (value instanceof Iteration || value instanceof Callable || !isIterable(value)) {
    throw typeError(`'${typeName(value)}' object is not reversible`);
  }
  return elements(value, rendering);
}

function reverse(rendering: Rendering, value: Value): Value {
  if (isText(value)) {
    return slice(value, { start: null, stop: null, step: -1 }, rendering);
  }
  if (!isIterable(value)) throw new PythonError('FilterArgumentError', 'argument must be iterable');
  const items = toList(value, rendering).reverse();
  return value instanceof Iteration ? items : new Iteration('list_reverseiterator', items);
}

function join(rendering: Rendering, value: Value, separator: Value, attribute: Value): Value {
  const get = attributeGetter(attribute, rendering);
  const items = elements(value, rendering).map(get);
  const isMarkup =
    rendering.autoescape && (separator instanceof Markup || items.some((i) => i instanceof Markup));
  const piece = (part: Value): string => {
    const text = softText(part, rendering.budget);
    return isMarkup && !(part instanceof Markup) ? escapeHtml(text, rendering.budget) : text;
  };
  const parts = items.map(piece);
  const between = piece(separator);
  const total = parts.reduce((sum, part) => sum + part.length + between.length, 0);
  rendering.budget.step(parts.length);
  rendering.budget.text(total);
  return isMarkup ? new Markup(parts.join(between)) : parts.join(between);
}

function sort(
  rendering: Rendering,
  value: Value,
  isReversed: Value,
  isCased: Value,
  attribute: Value,
): Value {
  const ignoresCase = !truth(isCased);
  const key = attributesGetter(attribute, rendering, { ignoresCase });
  return sorted(elements(value, rendering), key, truth(isReversed), rendering.budget);
}

function dictSort(rendering: Rendering, value: Value, isCased: Value, by: Value, isReversed: Value): Value {
  if (by !== 'key' && by !== 'value') {
    throw new PythonError('FilterArgumentError', 'You can only sort by either "key" or "value"');
  }
  if (!(value instanceof Dict)) throw noAttribute(value, 'items');
  const place = by === 'key' ? 0 : 1;
  const keyOf = (pair: Value): Value => {
    const part = item(pair, place) ?? null;
    return truth(isCased) ? part : ignoreCase(part);
  };
  return sorted(value.entries().map(tuple), keyOf, truth(isReversed), rendering.budget);
}

function unique(rendering: Rendering, value: Value, isCased: Value, attribute: Value): Value {
  const key = attributeGetter(attribute, rendering, { ignoresCase: !truth(isCased) });
  const seen = new Dict();
  const kept = elements(value, rendering).filter((element) => {
    const found = key(element);
    if (seen.has(found)) return false;
    seen.set(found, true);
    return true;
  });
  return generator(kept);
}

/** min and max: the first of the items that no other one precedes. */
function extreme(name: 'min' | 'max'): Callable {
  return Operation.of(
    name,
    ['value', ['case_sensitive', false], ['attribute', null]],
    (rendering, value, isCased, attribute) => {
      const key = attributeGetter(attribute, rendering, { ignoresCase: !truth(isCased) });
      const [head, ...tail] = elements(value, rendering);
      if (head === undefined) return rendering.undefined('No aggregated item, sequence was empty.');
      let best = { element: head, key: key(head) };
      for (const element of tail) {
        const candidate = { element, key: key(element) };
        if (isOrdered(candidate.key, name === 'min' ? '<' : '>', best.key, rendering.budget))
          best = candidate;
      }
      return best.element;
    },
  );
}

function sum(rendering: Rendering, value: Value, attribute: Value, start: Value): Value {
  if (isText(start)) throw typeError("sum() can't sum strings [use ''.join(seq) instead]");
  const get = attributeGetter(attribute, rendering);
  let total: Value = start;
  for (const element of elements(value, rendering)) {
    rendering.budget.step();
    total = add(total, get(element), rendering.budget);
  }
  return total;
}

function groupBy(
  rendering: Rendering,
  value: Value,
  attribute: Value,
  fallback: Value,
  isCased: Value,
): Value {
  const original = attributeGetter(attribute, rendering, { fallback });
  const key = attributeGetter(attribute, rendering, { fallback, ignoresCase: !truth(isCased) });
  const groups: { key: Value; items: Value[] }[] = [];
  for (const element of sorted(elements(value, rendering), key, false, rendering.budget)) {
    const found = key(element);
    const last = groups.at(-1);
    if (last !== undefined && equals(last.key, found, rendering.budget)) last.items.push(element);
    else groups.push({ key: found, items: [element] });
  }
  return groups.map(({ items }) => GroupTuple.of2(original(items[0] ?? null), items));
}

function batch(rendering: Rendering, value: Value, lineCount: Value, fill: Value): Value {
  const size = intArgument(lineCount);
  const items = elements(value, rendering);
  rendering.budget.elements(items.length * (size <= 1 ? 4 : 2) + Math.max(0, fill === null ? 0 : size));
  const rows: Value[][] = [];
  for (const element of items) {
    const row = rows.at(-1);
    if (row === undefined || row.length === size) rows.push([element]);
    else row.push(element);
  }
  const last = rows.at(-1);
  if (fill !== null) while (last !== undefined && last.length < size) last.push(fill);
  return generator(rows);
}

function columns(rendering: Rendering, value: Value, count: Value, fill: Value): Value {
  const items = elements(value, rendering);
  const parts = intArgument(count);
  if (parts === 0) throw new PythonError('ZeroDivisionError', 'integer division or modulo by zero');
  rendering.budget.elements(items.length + Math.max(0, parts) * 2);
  const size = Math.floor(items.length / parts);
  const extra = items.length % parts;
  const rows: Value[][] = [];
  for (let at = 0, start = 0; at < parts; at += 1) {
    const end = start + size + (at < extra ? 1 : 0);
    const row = items.slice(start, end);
    if (fill !== null && at >= extra) row.push(fill);
    rows.push(row);
    start = end;
  }
  return generator(rows);
}

/** map: an attribute of each element, or a filter applied to each. */
const map = new Variadic('map', (rendering, [value = null, ...args], keywords) => {
  if (!truth(value)) return generator([]);
  const change = mapper(rendering, args, keywords);
  const items = elements(value, rendering);
  rendering.budget.elements(items.length);
  return generator(items.map(change));
});

function mapper(rendering: Rendering, args: readonly Value[], keywords: Keywords): (item: Value) => Value {
  const attribute = keywords.get('attribute');
  if (args.length === 0 && attribute !== undefined) {
    const isKnown = (name: string): boolean => name === 'attribute' || name === 'default';
    if (!Array.from(keywords.keys()).every(isKnown)) {
      throw new PythonError('FilterArgumentError', 'Unexpected keyword argument');
    }
    return attributeGetter(attribute, rendering, { fallback: keywords.get('default') ?? null });
  }
  const [name, ...rest] = args;
  if (name === undefined) throw new PythonError('FilterArgumentError', 'map requires a filter argument');
  return (element) => rendering.applyFilter(name, element, rest, keywords);
}

/** select, reject and their forms for attributes: the elements that do, or do not, pass a test. */
function choosing(name: string, keeps: boolean, byAttribute: boolean): Callable {
  return new Variadic(name, (rendering, [value = null, ...args], keywords) => {
    if (!truth(value)) return generator([]);
    const attribute = byAttribute ? args[0] : null;
    if (attribute === undefined) {
      throw new PythonError('FilterArgumentError', 'Missing parameter for attribute name');
    }
    const get = attributeGetter(attribute, rendering);
    const [test, ...rest] = byAttribute ? args.slice(1) : args;
    const passes = (element: Value): boolean =>
      test === undefined ? truth(element) : rendering.applyTest(test, element, rest, keywords);
    const items = elements(value, rendering);
    rendering.budget.elements(items.length);
    return generator(items.filter((element) => passes(get(element)) === keeps));
  });
}

function random(rendering: Rendering, value: Value): Value {
  const count = length(value);
  if (count === 0) return rendering.undefined('No random item, sequence was empty.');
  const picked = item(value, Math.floor(Math.random() * count));
  if (picked === undefined) throw new PythonError('KeyError', 'random needs a sequence');
  return picked;
}

const counting = (name: string): Callable =>
  Operation.of(name, ['obj'], (_rendering, value) => length(value));

export const sequenceFilters: readonly Callable[] = [
  counting('length'),
  counting('count'),
  Operation.of('first', ['seq'], first),
  Operation.of('last', ['seq'], (rendering, value) => {
    const items = value instanceof Undefined ? elements(value, rendering) : reversible(value, rendering);
    const item = items[items.length - 1];
    return item === undefined ? rendering.undefined('No last item, sequence was empty.') : item;
  }),
  Operation.of('random', ['seq'], random),
  Operation.of('list', ['value'], (rendering, value) => toList(value, rendering)),
  Operation.of('reverse', ['value'], reverse),
  Operation.of('join', ['value', ['d', ''], ['attribute', null]], join),
  Operation.of('sort', ['value', ['reverse', false], ['case_sensitive', false], ['attribute', null]], sort),
  Operation.of('dictsort', ['value', ['case_sensitive', false], ['by', 'key'], ['reverse', false]], dictSort),
  Operation.of('unique', ['value', ['case_sensitive', false], ['attribute', null]], unique),
  extreme('min'),
  extreme('max'),
  Operation.of('sum', ['iterable', ['attribute', null], ['start', 0]], sum),
  Operation.of('groupby', ['value', 'attribute', ['default', null], ['case_sensitive', false]], groupBy),
  Operation.of('batch', ['value', 'linecount', ['fill_with', null]], batch),
  Operation.of('slice', ['value', 'slices', ['fill_with', null]], columns),
  Operation.of('items', ['value'], (_rendering, value) => {
    if (value instanceof Undefined) return generator([]);
    if (!(value instanceof Dict)) throw typeError('Can only get item pairs from a mapping.');
    return generator(value.entries().map(tuple));
  }),
  map,
  choosing('select', true, false),
  choosing('reject', false, false),
  choosing('selectattr', true, true),
  choosing('rejectattr', false, true),
];
