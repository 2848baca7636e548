/**
 * Markup, Python's MarkupSafe string, and texts measured in code points as Python measures them.
 */

import type { Value } from './value.ts';

/** A str marked as safe HTML; operations with plain strings escape those. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export function isText(value: Value): value is string | Markup {
  return typeof value === 'string' || value instanceof Markup;
}

export function textOf(value: string | Markup): string {
  return typeof value === 'string' ? value : value.text;
}

/** `text` in the kind of string that `like` is. */
export function rewrap(like: string | Markup, text: string): string | Markup {
  return typeof like === 'string' ? text : new Markup(text);
}

const SURROGATE = /[\ud800-\udfff]/;

/** True where positions in the string are positions in the text: no character takes two units. */
export function isFlat(text: string): boolean {
  return !SURROGATE.test(text);
}

export function codePoints(text: string): string[] {
  return Array.from(text);
}

/** len() of a str. */
export function textLength(text: string): number {
  if (isFlat(text)) return text.length;
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** Characters `start` to `end` (both within bounds) of a str. */
export function textSlice(text: string, start: number, end: number): string {
  return isFlat(text) ? text.slice(start, end) : codePoints(text).slice(start, end).join('');
}
