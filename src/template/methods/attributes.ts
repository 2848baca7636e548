/**
 * Looking things up on a value: `a.b`, `a['b']`, `a.method(…)`. Only what is listed here or held as data
 * is found; there is no way from a value to its JavaScript object, prototype or constructor.
 */

import { PythonError, typeError } from '../python/errors.ts';
import { type Lookup, strFormat } from '../python/strFormat.ts';
import { item } from '../python/subscript.ts';
import { ownerName, typeName } from '../python/types.ts';
import { BoundMethod, Callable, type Rendering, Variadic } from '../values/callable.ts';
import { Dict } from '../values/dict.ts';
import { LoopContext } from '../values/loop.ts';
import { Macro } from '../values/macro.ts';
import { GroupTuple, Range } from '../values/sequences.ts';
import { Structure } from '../values/structure.ts';
import { isText, textOf } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Keywords, Value } from '../values/value.ts';
import { containerMethodNames, containerMethods } from './containerMethods.ts';
import { strMethods } from './strMethods.ts';

/** How a format string looks things up: like Python, which knows no Undefined. Names are not shown. */
const lookup: Lookup = {
  attribute(target, name) {
    if (target instanceof Undefined) throw target.error();
    const value = fieldOf(target, name) ?? boundMethod(target, name);
    if (value !== undefined) return value;
    throw new PythonError('AttributeError', `'${typeName(target)}' object has no such attribute`);
  },
  item(target, key) {
    if (target instanceof Undefined) throw target.error();
    const value = item(target, key);
    if (value !== undefined) return value;
    throw new PythonError(target instanceof Dict ? 'KeyError' : 'IndexError', 'no such element');
  },
};

const formatMethods: ReadonlyMap<string, Callable> = new Map(
  [
    new Variadic('format', (rendering, [self, ...args], keywords) => format(self, args, keywords, rendering)),
    new Variadic('format_map', (rendering, [self, names]) => format(self, [], toKeywords(names), rendering)),
  ].map((entry) => [entry.name, entry]),
);

function format(
  self: Value | undefined,
  args: readonly Value[],
  keywords: Keywords,
  rendering: Rendering,
): Value {
  if (self === undefined || !isText(self)) throw typeError('format() is a method of str');
  return strFormat(self, args, keywords, lookup, rendering);
}

/** A dict as keyword arguments. */
export function toKeywords(names: Value | undefined): Keywords {
  if (!(names instanceof Dict)) throw typeError('argument after ** must be a mapping');
  const keywords = new Map<string, Value>();
  for (const [key, value] of names.entries()) {
    if (typeof key !== 'string') throw typeError('keywords must be strings');
    keywords.set(key, value);
  }
  return keywords;
}

/** Names that a template may call on a value: the allow-list of methods. */
export function isMethodName(name: string): boolean {
  return strMethods.has(name) || formatMethods.has(name) || containerMethodNames.has(name);
}

/**
 * `target.name`. Jinja2 looks for a method before it looks for a key; here a key goes first, so that a
 * column called `items` or `count` can be read. (`target.name(…)` means the method: callMethod.)
 */
export function attribute(target: Value, name: string, rendering: Rendering): Value {
  const value = find(target, name);
  return value === undefined ? missing(target, name, rendering) : value;
}

/** The attr filter: an attribute or method, never a key of a dict. */
export function ownAttribute(target: Value, name: string, rendering: Rendering): Value {
  if (target instanceof Undefined) throw target.error();
  const value = fieldOf(target, name) ?? boundMethod(target, name);
  return value === undefined ? missing(target, null, rendering) : value;
}

/** `target[key]`. `shownKey` is the key where it is written in the template; row data is not shown. */
export function subscript(target: Value, key: Value, rendering: Rendering, shownKey?: string): Value {
  if (target instanceof Undefined) throw target.error();
  if (typeof target === 'string') rendering.budget.read(target.length);
  const value = item(target, key);
  if (value !== undefined) return value;
  const named = isText(key) && !(target instanceof Dict) ? fieldOf(target, textOf(key)) : undefined;
  return named === undefined ? missing(target, shownKey ?? null, rendering) : named;
}

/** `target.name(…)`: a method, or failing that whatever callable is held under that name. */
export function callMethod(
  target: Value,
  name: string,
  args: readonly Value[],
  keywords: Keywords | null,
  rendering: Rendering,
): Value {
  rendering.budget.step();
  rendering.budget.readAll(args);
  const method = methodOf(target, name);
  if (method !== undefined) return method.call(rendering, [target, ...args], keywords);
  return call(attribute(target, name, rendering), args, keywords, rendering);
}

/** `callee(…)`. Nothing is callable but objects of ours made to be. */
export function call(
  callee: Value,
  args: readonly Value[],
  keywords: Keywords | null,
  rendering: Rendering,
): Value {
  rendering.budget.step();
  rendering.budget.readAll(args);
  if (callee instanceof Callable) return callee.call(rendering, args, keywords);
  if (callee instanceof Undefined) throw callee.error();
  throw typeError(`'${typeName(callee)}' object is not callable`);
}

/** What `target.name` finds; undefined where there is nothing. */
function find(target: Value, name: string): Value | undefined {
  if (target instanceof Undefined) throw target.error();
  const value = target instanceof Dict ? target.getText(name) : fieldOf(target, name);
  return value === undefined ? boundMethod(target, name) : value;
}

function boundMethod(target: Value, name: string): Value | undefined {
  const method = methodOf(target, name);
  return method === undefined ? undefined : new BoundMethod(target, method);
}

function methodOf(target: Value, name: string): Callable | undefined {
  if (isText(target)) return strMethods.get(name) ?? formatMethods.get(name);
  return containerMethods(target)?.get(name);
}

/** The attributes, apart from methods, of values that are not dicts. */
function fieldOf(target: Value, name: string): Value | undefined {
  if (target instanceof LoopContext || target instanceof Macro || target instanceof Structure) {
    return target.attribute(name);
  }
  if (target instanceof GroupTuple) return groupField(target, name);
  if (target instanceof Range) return rangeField(target, name);
  return undefined;
}

function groupField(target: GroupTuple, name: string): Value | undefined {
  if (name === 'grouper') return target[0];
  return name === 'list' ? target[1] : undefined;
}

function rangeField(target: Range, name: string): Value | undefined {
  if (name === 'start') return target.start;
  if (name === 'stop') return target.stop;
  return name === 'step' ? target.step : undefined;
}

function missing(target: Value, name: string | null, rendering: Rendering): Undefined {
  const what = name === null ? 'no such element' : `no attribute '${name}'`;
  return rendering.undefined(`'${ownerName(target)}' has ${what}`);
}
