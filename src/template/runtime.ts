/**
 * The object that compiled templates work through: one for each rendering, made by the engine and handed
 * to the generated code as `rt`. Nothing of nunjucks' own runtime, which other code may share, is used.
 *
 * The methods are the words of the generated code (see compile/codeWriter.ts); each keeps to the
 * budget and knows only values of ours.
 */

import type { JsonObject } from '../core/json.ts';
import { Budget } from './budget.ts';
import { filters } from './filters/filters.ts';
import { escaped } from './filters/htmlFilters.ts';
import { headerSafe } from './filters/ownFilters.ts';
import { globals } from './globals.ts';
import { renderLimits } from './limits.ts';
import { attribute, call, callMethod, subscript, toKeywords } from './methods/attributes.ts';
import * as arithmetic from './python/arithmetic.ts';
import { contains, equals, isOrdered } from './python/compare.ts';
import { PythonError, typeError, valueError } from './python/errors.ts';
import { elements, isIterable, truth } from './python/iterate.ts';
import { printf } from './python/printf.ts';
import { str } from './python/repr.ts';
import { slice } from './python/subscript.ts';
import { typeName } from './python/types.ts';
import { tests } from './tests.ts';
import type { Callable, Rendering } from './values/callable.ts';
import { Dict } from './values/dict.ts';
import { LoopContext, type Recurse } from './values/loop.ts';
import { Macro, type MacroBody, type MacroShape } from './values/macro.ts';
import { type Tuple, tuple } from './values/sequences.ts';
import { Namespace } from './values/structure.ts';
import { isText, Markup, textOf } from './values/text.ts';
import { Undefined } from './values/undefined.ts';
import type { Keywords, Value } from './values/value.ts';

export interface RuntimeOptions {
  /** Undefined values are Jinja2's StrictUndefined. */
  readonly isStrict: boolean;
  /** What is printed loses its control characters; the template's own text keeps them. */
  readonly isHeaderSafe: boolean;
  readonly env: (name: string) => string | undefined;
}

export class Runtime implements Rendering {
  readonly budget = new Budget();
  autoescape = false;
  /** The number of the tag at work, in the template's table of positions. */
  at = 0;
  readonly #options: RuntimeOptions;
  readonly #data: Dict;
  #now: Date | null;

  constructor(options: RuntimeOptions, data: JsonObject, now: Date | null) {
    this.#options = options;
    this.#data = Dict.fromJson(data);
    this.#now = now;
  }

  get now(): Date {
    this.#now ??= new Date();
    return this.#now;
  }

  // Names ---------------------------------------------------------------------------------------------

  /** A name that the template does not assign: of the data, else a global function, else undefined. */
  name(name: string): Value {
    const value = this.#data.getText(name);
    if (value !== undefined) return value;
    return globals.get(name) ?? this.unset(name);
  }

  /** A name that the template assigns, before it does. */
  unset(name: string): Undefined {
    return this.undefined(`'${name}' is undefined`);
  }

  undefined(reason: string): Undefined {
    return new Undefined(reason, this.#options.isStrict);
  }

  /** The value of `x if false`, which Jinja2 makes of the lenient kind whatever the mode. */
  noElse(): Undefined {
    return new Undefined('the inline if-expression evaluated to false and has no else section', false);
  }

  noArgument(name: string): Undefined {
    return this.undefined(`parameter '${name}' was not provided`);
  }

  env(name: string): string | null {
    return this.#options.env(name) ?? null;
  }

  // Output --------------------------------------------------------------------------------------------

  /** A value as it appears in the output. */
  print(value: Value): string {
    let text = typeof value === 'string' ? value : str(value, this.budget);
    if (this.autoescape && !(value instanceof Markup)) text = escaped(text, this).text;
    this.budget.text(text.length);
    return this.#options.isHeaderSafe ? headerSafe(text) : text;
  }

  /** Prints what a call returns. The output of a macro has been printed once, piece by piece, already. */
  printCall(callee: Value, args: readonly Value[], keywords: Keywords | null): string {
    const value = call(callee, args, keywords, this);
    const isOutput = callee instanceof Macro || callee instanceof LoopContext;
    return isOutput ? this.textOf(value) : this.print(value);
  }

  /** The text of what macro or recursive loop has made. */
  textOf(value: Value): string {
    if (!isText(value)) return this.print(value);
    this.budget.text(textOf(value).length);
    return textOf(value);
  }

  /** The text of a block as a value. */
  captured(text: string): Value {
    this.budget.text(text.length);
    return this.autoescape ? new Markup(text) : text;
  }

  checkLength(text: string): void {
    if (text.length > renderLimits.text) this.budget.text(text.length);
  }

  // Statements ------------------------------------------------------------------------------------------

  truth(value: Value): boolean {
    return truth(value);
  }

  loop(
    iterable: Value,
    accepts: ((item: Value) => boolean) | null,
    recurse: Recurse | null,
    depth0: number,
  ): LoopContext {
    const items = elements(iterable, this);
    const undefined_ = (reason: string): Value => this.undefined(reason);
    return new LoopContext(this.budget, { items, accepts, recurse, depth0, undefined: undefined_ });
  }

  macro(shape: MacroShape, body: MacroBody): Macro {
    return new Macro(shape, body);
  }

  /** The parts of a value that is assigned to `count` targets. */
  unpack(value: Value, count: number): readonly Value[] {
    if (!isIterable(value)) throw typeError(`cannot unpack non-iterable ${typeName(value)} object`);
    const parts = elements(value, this);
    if (parts.length === count) return parts;
    const problem = parts.length < count ? 'not enough' : 'too many';
    throw valueError(`${problem} values to unpack (expected ${count})`);
  }

  /** `{% set target.name = value %}`. */
  assign(target: Value, name: string, value: Value): void {
    if (!(target instanceof Namespace)) {
      throw new PythonError('TemplateRuntimeError', 'cannot assign attribute on non-namespace object');
    }
    this.budget.elements(1);
    target.attributes.set(name, value);
  }

  // Literals --------------------------------------------------------------------------------------------

  list(items: Value[]): Value[] {
    this.budget.elements(items.length + 1);
    return items;
  }

  tuple(items: Value[]): Tuple {
    this.budget.elements(items.length + 1);
    return tuple(items);
  }

  dict(entries: readonly (readonly [Value, Value])[]): Dict {
    this.budget.elements(entries.length + 1);
    return Dict.from(entries);
  }

  // Look-ups and calls ----------------------------------------------------------------------------------

  attribute(target: Value, name: string): Value {
    return attribute(target, name, this);
  }

  item(target: Value, key: Value): Value {
    return subscript(target, key, this);
  }

  slice(target: Value, start: Value, stop: Value, step: Value): Value {
    return slice(target, { start, stop, step }, this);
  }

  call(callee: Value, args: readonly Value[], keywords: Keywords | null): Value {
    return call(callee, args, keywords, this);
  }

  method(target: Value, name: string, args: readonly Value[], keywords: Keywords | null): Value {
    return callMethod(target, name, args, keywords, this);
  }

  /** Applies a filter or test that the compiler found by its name. */
  apply(operation: Callable, args: readonly Value[], keywords: Keywords | null): Value {
    this.budget.step();
    this.budget.readAll(args);
    return operation.call(this, args, keywords);
  }

  /** The keyword arguments of a call: those written out, then those of a `**dict`. */
  keywords(named: readonly (readonly [string, Value])[], more: Value): Keywords {
    const keywords = new Map(named);
    if (keywords.size < named.length)
      throw new PythonError('TemplateSyntaxError', 'keyword argument repeated');
    if (more === null) return keywords;
    for (const [name, value] of toKeywords(more)) {
      if (keywords.has(name)) throw typeError('got multiple values for a keyword argument');
      keywords.set(name, value);
    }
    return keywords;
  }

  /** The elements of a `*list` argument. */
  spread(value: Value): readonly Value[] {
    return elements(value, this);
  }

  // Filters and tests by name -----------------------------------------------------------------------------

  hasFilter(name: string): boolean {
    return filters.has(name);
  }

  hasTest(name: string): boolean {
    return tests.has(name);
  }

  applyFilter(name: Value, value: Value, args: readonly Value[], keywords: Keywords | null): Value {
    const filter = isText(name) ? filters.get(textOf(name)) : undefined;
    if (filter === undefined) throw new PythonError('TemplateRuntimeError', 'No filter of that name.');
    return this.apply(filter, [value, ...args], keywords?.size ? keywords : null);
  }

  applyTest(name: Value, value: Value, args: readonly Value[], keywords: Keywords | null): boolean {
    const test = isText(name) ? tests.get(textOf(name)) : undefined;
    if (test === undefined) throw new PythonError('TemplateRuntimeError', 'No test of that name.');
    return truth(this.apply(test, [value, ...args], keywords?.size ? keywords : null));
  }

  // Operators -------------------------------------------------------------------------------------------

  add(left: Value, right: Value): Value {
    return arithmetic.add(left, right, this.budget);
  }

  subtract(left: Value, right: Value): Value {
    return arithmetic.subtract(left, right);
  }

  multiply(left: Value, right: Value): Value {
    return arithmetic.multiply(left, right, this.budget);
  }

  divide(left: Value, right: Value): Value {
    return arithmetic.divide(left, right);
  }

  floorDivide(left: Value, right: Value): Value {
    return arithmetic.floorDivide(left, right);
  }

  /** % of a text formats, of a number takes the remainder. */
  modulo(left: Value, right: Value): Value {
    return isText(left) ? printf(left, right, this.budget) : arithmetic.modulo(left, right);
  }

  power(left: Value, right: Value): Value {
    return arithmetic.power(left, right);
  }

  negate(value: Value): Value {
    return arithmetic.negate(value);
  }

  plus(value: Value): Value {
    return arithmetic.plus(value);
  }

  /** `~`: everything as text, one after the other. */
  concat(items: readonly Value[]): Value {
    if (this.autoescape && items.some((item) => item instanceof Markup)) {
      return new Markup(this.#join(items.map((item) => escaped(item, this).text)));
    }
    return this.#join(items.map((item) => str(item, this.budget)));
  }

  #join(texts: readonly string[]): string {
    let length = 0;
    for (const text of texts) length += text.length;
    this.budget.text(length);
    return texts.join('');
  }

  eq(left: Value, right: Value): boolean {
    return equals(left, right, this.budget);
  }

  ne(left: Value, right: Value): boolean {
    return !equals(left, right, this.budget);
  }

  lt(left: Value, right: Value): boolean {
    return isOrdered(left, '<', right, this.budget);
  }

  le(left: Value, right: Value): boolean {
    return isOrdered(left, '<=', right, this.budget);
  }

  gt(left: Value, right: Value): boolean {
    return isOrdered(left, '>', right, this.budget);
  }

  ge(left: Value, right: Value): boolean {
    return isOrdered(left, '>=', right, this.budget);
  }

  isIn(needle: Value, haystack: Value): boolean {
    return contains(haystack, needle, this);
  }

  isNotIn(needle: Value, haystack: Value): boolean {
    return !contains(haystack, needle, this);
  }
}
