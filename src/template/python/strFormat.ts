/**
 * str.format: `'{} {0} {name.attr[key]!r:>10}'`. Attributes and items are looked up by the same rules
 * as in a template, so a format string reaches nothing that an expression could not.
 */

import type { Rendering } from '../values/callable.ts';
import { Markup, textOf } from '../values/text.ts';
import type { Keywords, Value } from '../values/value.ts';
import { PythonError, valueError } from './errors.ts';
import { formatValue } from './formatSpec.ts';
import { escapeHtml } from './html.ts';
import { repr, str } from './repr.ts';

/** Looks an attribute or item up as templates do. */
export interface Lookup {
  attribute(target: Value, name: string): Value;
  item(target: Value, key: Value): Value;
}

/** Fields inside a format specification may nest once, as in Python. */
const MAX_NESTING = 2;

export function strFormat(
  template: string | Markup,
  args: readonly Value[],
  keywords: Keywords,
  lookup: Lookup,
  rendering: Rendering,
): string | Markup {
  const formatter = new Formatter(args, keywords, lookup, rendering, template instanceof Markup);
  const text = formatter.expand(textOf(template), MAX_NESTING);
  return template instanceof Markup ? new Markup(text) : text;
}

class Formatter {
  readonly #args: readonly Value[];
  readonly #keywords: Keywords;
  readonly #lookup: Lookup;
  readonly #rendering: Rendering;
  readonly #escapes: boolean;
  /** The place that the next `{}` takes; null once a place was given explicitly. */
  #next: number | null = 0;

  constructor(
    args: readonly Value[],
    keywords: Keywords,
    lookup: Lookup,
    rendering: Rendering,
    escapes: boolean,
  ) {
    this.#args = args;
    this.#keywords = keywords;
    this.#lookup = lookup;
    this.#rendering = rendering;
    this.#escapes = escapes;
  }

  expand(format: string, nesting: number): string {
    if (nesting === 0) throw valueError('Max string recursion exceeded');
    let text = '';
    let at = 0;
    while (at < format.length) {
      const brace = format.slice(at).search(/[{}]/);
      if (brace < 0) break;
      text += format.slice(at, at + brace);
      at += brace;
      if (format[at] === format[at + 1]) {
        text += format[at];
        at += 2;
        continue;
      }
      if (format[at] === '}') throw valueError("Single '}' encountered in format string");
      const end = fieldEnd(format, at);
      text += this.#field(format.slice(at + 1, end), nesting);
      at = end + 1;
      this.#rendering.budget.step(1 + (format.length >>> 6));
    }
    text += format.slice(at);
    this.#rendering.budget.text(text.length);
    return text;
  }

  #field(field: string, nesting: number): string {
    const { budget } = this.#rendering;
    const colon = specStart(field);
    const spec = colon < 0 ? '' : this.expand(field.slice(colon + 1), nesting - 1);
    const [path = '', conversion] = (colon < 0 ? field : field.slice(0, colon)).split('!');
    const value = this.#convert(this.#resolve(path), conversion);
    const text = formatValue(value, spec, budget);
    return this.#escapes && !(value instanceof Markup) ? escapeHtml(text, budget) : text;
  }

  #convert(value: Value, conversion: string | undefined): Value {
    if (conversion === undefined) return value;
    if (conversion === 's') return str(value, this.#rendering.budget);
    if (conversion === 'r' || conversion === 'a') return repr(value, this.#rendering.budget);
    throw valueError('Unknown conversion specifier');
  }

  #resolve(path: string): Value {
    const [, head = '', rest = ''] = /^([^.[]*)([\s\S]*)$/.exec(path) ?? [];
    let value = this.#first(head);
    for (const [, attribute, key] of rest.matchAll(/\.([^.[]+)|\[([^\]]*)\]/g)) {
      this.#rendering.budget.step();
      if (attribute !== undefined) value = this.#lookup.attribute(value, attribute);
      else if (key !== undefined) value = this.#lookup.item(value, keyOf(key));
    }
    return value;
  }

  #first(head: string): Value {
    if (head !== '' && !/^[0-9]+$/.test(head)) {
      const named = this.#keywords.get(head);
      if (named === undefined)
        throw new PythonError('KeyError', 'the format names an argument that was not given');
      return named;
    }
    const value = this.#args[this.#place(head)];
    if (value === undefined) {
      throw new PythonError('IndexError', 'Replacement index out of range for positional args tuple');
    }
    return value;
  }

  #place(head: string): number {
    if (head === '') {
      if (this.#next === null) throw valueError(switchMessage('manual', 'automatic'));
      this.#next += 1;
      return this.#next - 1;
    }
    if (this.#next !== null && this.#next > 0) throw valueError(switchMessage('automatic', 'manual'));
    this.#next = null;
    return Number(head);
  }
}

/** A key in a format: digits are a number. */
function keyOf(text: string): Value {
  return /^[0-9]{1,9}$/.test(text) ? Number(text) : text;
}

function switchMessage(from: string, to: string): string {
  return `cannot switch from ${from} field numbering to ${to} field numbering`;
}

/** The place of the brace that closes the field opened at `start`. */
function fieldEnd(format: string, start: number): number {
  let depth = 0;
  for (let at = start; at < format.length; at += 1) {
    if (format[at] === '{') depth += 1;
    if (format[at] === '}') depth -= 1;
    if (depth === 0) return at;
  }
  throw valueError("expected '}' before end of string");
}

/** Where a field's format specification begins: the first colon outside of brackets. */
function specStart(field: string): number {
  let inBrackets = false;
  for (let at = 0; at < field.length; at += 1) {
    if (field[at] === '[') inBrackets = true;
    else if (field[at] === ']') inBrackets = false;
    else if (field[at] === ':' && !inBrackets) return at;
  }
  return -1;
}
