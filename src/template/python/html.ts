/** Escaping for HTML as MarkupSafe does it, measured before it is done. */

import type { Budget } from '../budget.ts';
import { Markup } from '../values/text.ts';

/** What a character takes when escaped, by its code, less the one it has already. */
const GROWTH: ReadonlyMap<number, number> = new Map([
  [38, 4], // & becomes &amp;
  [60, 3], // < becomes &lt;
  [62, 3], // > becomes &gt;
  [39, 4], // ' becomes &#39;
  [34, 4], // " becomes &#34;
]);
const SPECIAL = /[&<>'"]/;

export function escapeHtml(text: string, budget: Budget): string {
  budget.read(text.length);
  if (!SPECIAL.test(text)) return text;
  let length = text.length;
  for (let at = 0; at < text.length; at += 1) length += GROWTH.get(text.charCodeAt(at)) ?? 0;
  budget.text(length);
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll("'", '&#39;')
    .replaceAll('"', '&#34;');
}

/** A text to be put into another: escaped if that one is Markup and this one is not. */
export function escapedInto(isMarkup: boolean, value: string | Markup, budget: Budget): string {
  if (value instanceof Markup) return value.text;
  return isMarkup ? escapeHtml(value, budget) : value;
}
