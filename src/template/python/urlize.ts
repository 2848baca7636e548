/** Jinja2's urlize: turns URLs and e-mail addresses in escaped text into links. */

import type { Budget } from '../budget.ts';
import { replaceEach } from './scan.ts';

export interface UrlizeOptions {
  /** Characters of a URL that are shown; null for all. */
  readonly limit: number | null;
  readonly rel: string;
  readonly target: string | null;
  /** Further prefixes such as `tel:` that make a word a link. */
  readonly schemes: readonly string[];
  readonly budget: Budget;
}

const LABEL = '[\\w%-]{1,63}\\.';
const HTTP = new RegExp(
  '^(?:' +
    `(?:https?://|www\\.)(?:${LABEL}){0,20}(?:[a-z]{2,63}|xn--[\\w%]{2,59})` +
    `|(?:[\\w%-]{2,63}\\.){1,20}(?:com|net|int|edu|gov|org|info|mil)` +
    '|https?://(?:\\d{1,3}(?:\\.\\d{1,3}){3}|\\[(?:[\\da-f]{0,4}:){2}(?:[\\da-f]{0,4}:?){1,6}\\])' +
    ')(?::\\d{1,5})?(?:[/?#]\\S*)?$',
  'i',
);
/** A word longer than this is no link; it bounds the patterns' work. */
const MAX_WORD = 1_024;
const EMAIL = /^[^\s@]{1,254}@\w[\w-]*(?:\.[\w-]+)*\.\w+$/;
const OPENING = /^(?:[(<]|&lt;)+/;
const CLOSING = /(?:[)>.,\n]|&gt;)$/;
const PAIRS: readonly (readonly [string, string])[] = [
  ['(', ')'],
  ['<', '>'],
  ['&lt;', '&gt;'],
];

/** `text` is escaped already; so are the attributes in the options. */
export function urlize(text: string, options: UrlizeOptions): string {
  return replaceEach(text, /\S+/g, (word) => linkWord(word, options), options.budget);
}

function linkWord(word: string, options: UrlizeOptions): string {
  if (word.length > MAX_WORD || !/[.:@]/.test(word)) return word;
  const head = OPENING.exec(word)?.[0] ?? '';
  let end = word.length;
  for (let found = CLOSING.exec(word); found !== null && end > head.length; ) {
    end -= found[0].length;
    found = CLOSING.exec(word.slice(head.length, end));
  }
  const [middle, tail] = balanced(
    word.slice(head.length, Math.max(end, head.length)),
    word.slice(Math.max(end, head.length)),
  );
  return head + link(middle, options) + tail;
}

/** Gives closing brackets back to a URL that opened them. */
function balanced(middle: string, tail: string): [string, string] {
  let [inner, rest] = [middle, tail];
  for (const [open, close] of PAIRS) {
    const opened = inner.split(open).length - 1;
    if (opened <= inner.split(close).length - 1) continue;
    const available = rest.split(close).length - 1;
    for (let moved = 0; moved < Math.min(opened, available); moved += 1) {
      const end = rest.indexOf(close) + close.length;
      inner += rest.slice(0, end);
      rest = rest.slice(end);
    }
  }
  return [inner, rest];
}

function link(word: string, options: UrlizeOptions): string {
  const { limit, rel, target, schemes } = options;
  const attributes = (rel === '' ? '' : ` rel="${rel}"`) + (target === null ? '' : ` target="${target}"`);
  const shown = limit !== null && word.length > limit ? `${word.slice(0, Math.max(0, limit))}...` : word;
  if (HTTP.test(word)) {
    const url = /^https?:\/\//.test(word) ? word : `https://${word}`;
    return `<a href="${url}"${attributes}>${shown}</a>`;
  }
  if (word.startsWith('mailto:') && EMAIL.test(word.slice(7)))
    return `<a href="${word}">${word.slice(7)}</a>`;
  if (isEmail(word)) return `<a href="mailto:${word}">${word}</a>`;
  const scheme = schemes.find((prefix) => word !== prefix && word.startsWith(prefix));
  return scheme === undefined ? word : `<a href="${word}"${attributes}>${word}</a>`;
}

function isEmail(word: string): boolean {
  return !word.startsWith('www.') && !word.startsWith('@') && !word.includes(':') && EMAIL.test(word);
}
