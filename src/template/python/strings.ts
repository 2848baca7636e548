/** Python's str functions on plain strings: stripping, splitting, changing case, classifying. */

import type { Budget } from '../budget.ts';
import { codePoints, textLength } from '../values/text.ts';
import { valueError } from './errors.ts';
import { eachMatch, replaceEach } from './scan.ts';

/** The characters that str.isspace is true for; JavaScript's \s has others. */
const SPACES =
  '\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009' +
  '\u200a\u2028\u2029\u202f\u205f\u3000';
const SPACE_SET: ReadonlySet<string> = new Set(SPACES);
const NOT_SPACE = new RegExp(`[^${SPACES}]+`, 'g');
const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;

export type Side = 'left' | 'right' | 'both';

/** str.strip and its one-sided forms; `characters` null stands for white space. */
export function strip(text: string, characters: string | null, side: Side): string {
  if (characters === null) return stripSpace(text, side);
  const unwanted = new Set(characters);
  let start = 0;
  let end = text.length;
  while (side !== 'right' && start < end) {
    const char = charAt(text, start);
    if (!unwanted.has(char)) break;
    start += char.length;
  }
  while (side !== 'left' && end > start) {
    const char = charBefore(text, end);
    if (!unwanted.has(char)) break;
    end -= char.length;
  }
  return text.slice(start, end);
}

function stripSpace(text: string, side: Side): string {
  let start = 0;
  let end = text.length;
  if (side !== 'right') while (start < end && isSpaceAt(text, start)) start += 1;
  if (side !== 'left') while (end > start && isSpaceAt(text, end - 1)) end -= 1;
  return text.slice(start, end);
}

function isSpaceAt(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code < 0x80
    ? code === 32 || (code > 8 && code < 14) || (code > 27 && code < 32)
    : SPACE_SET.has(text.charAt(at));
}

function charAt(text: string, at: number): string {
  const code = text.charCodeAt(at);
  return code < 0xd800 || code > 0xdbff ? text.charAt(at) : String.fromCodePoint(text.codePointAt(at) ?? 0);
}

function charBefore(text: string, end: number): string {
  const code = text.charCodeAt(end - 1);
  const isLow = code >= 0xdc00 && code <= 0xdfff;
  return isLow && end > 1 ? charAt(text, end - 2).slice(-2) : text.charAt(end - 1);
}

/** str.split() without a separator: the words of a text, the rest after `limit` of them as it is. */
export function splitWords(text: string, limit: number, budget: Budget): string[] {
  const words: string[] = [];
  for (const found of eachMatch(text, NOT_SPACE, budget)) {
    if (limit >= 0 && words.length === limit) {
      words.push(text.slice(found.index));
      return words;
    }
    words.push(found[0]);
  }
  return words;
}

/** str.rsplit() without a separator. */
export function splitWordsRight(text: string, limit: number, budget: Budget): string[] {
  const ends: number[] = [];
  const words: string[] = [];
  for (const found of eachMatch(text, NOT_SPACE, budget)) {
    words.push(found[0]);
    ends.push(found.index + found[0].length);
  }
  if (limit < 0 || words.length <= limit) return words;
  const cut = words.length - limit;
  return [text.slice(0, ends[cut - 1]), ...words.slice(cut)];
}

/** str.split(separator, limit); a negative limit is none. */
export function split(text: string, separator: string, limit: number): string[] {
  if (separator === '') throw valueError('empty separator');
  const parts = text.split(separator);
  if (limit < 0 || parts.length <= limit + 1) return parts;
  return [...parts.slice(0, limit), parts.slice(limit).join(separator)];
}

export function splitRight(text: string, separator: string, limit: number): string[] {
  if (separator === '') throw valueError('empty separator');
  const parts = text.split(separator);
  if (limit < 0 || parts.length <= limit + 1) return parts;
  const cut = parts.length - limit;
  return [parts.slice(0, cut).join(separator), ...parts.slice(cut)];
}

/** str.splitlines: a line end at the end of the text opens no further line. */
export function splitLines(text: string, keepsEnds: boolean, budget: Budget): string[] {
  const lines: string[] = [];
  let start = 0;
  for (const found of eachMatch(text, LINE_END, budget)) {
    const end = found.index + found[0].length;
    lines.push(text.slice(start, keepsEnds ? end : found.index));
    start = end;
  }
  if (start < text.length) lines.push(text.slice(start));
  return lines;
}

/** str.replace with at most `limit` replacements (negative: all), its result measured first. */
export function replace(text: string, old: string, by: string, limit: number, budget: Budget): string {
  budget.read(text.length);
  if (old === '') return insertBetween(text, by, limit, budget);
  const parts = split(text, old, limit);
  budget.text(text.length + (parts.length - 1) * (by.length - old.length));
  return parts.join(by);
}

/** Replacing the empty text puts `by` before each character and at the end. */
function insertBetween(text: string, by: string, limit: number, budget: Budget): string {
  const characters = codePoints(text);
  const count = limit < 0 ? characters.length + 1 : Math.min(limit, characters.length + 1);
  budget.text(text.length + count * by.length);
  const spread = characters.map((char, at) => (at < count ? by + char : char)).join('');
  return count > characters.length ? spread + by : spread;
}

export function capitalize(text: string): string {
  const first = text === '' ? '' : charAt(text, 0);
  return first.toUpperCase() + text.slice(first.length).toLowerCase();
}

const CASED = /[\p{Lu}\p{Ll}\p{Lt}]+/gu;

/** str.title: every run of letters capitalised. */
export function title(text: string, budget: Budget): string {
  return replaceEach(text, CASED, capitalize, budget);
}

export function swapCase(text: string, budget: Budget): string {
  return replaceEach(text, /\p{Lu}+|\p{Ll}+/gu, swapRun, budget);
}

/** A run of letters of one case. */
function swapRun(run: string): string {
  const lower = run.toLowerCase();
  return lower === run ? run.toUpperCase() : lower;
}

/** str.expandtabs: columns restart at each line. */
export function expandTabs(text: string, size: number, budget: Budget): string {
  const width = Math.max(0, size);
  budget.text(text.length + (text.split('\t').length - 1) * width);
  let column = 0;
  const expand = (piece: string): string => {
    if (piece !== '\t') {
      column = piece === '\n' || piece === '\r' ? 0 : column + textLength(piece);
      return piece;
    }
    const spaces = width === 0 ? 0 : width - (column % width);
    column += spaces;
    return ' '.repeat(spaces);
  };
  return replaceEach(text, /[\t\n\r]|[^\t\n\r]+/g, expand, budget);
}

type Classifier = (text: string, budget: Budget) => boolean;

const isAll =
  (pattern: RegExp): Classifier =>
  (text) =>
    pattern.test(text);

/** str.isalpha and its kin, by name. All are false for the empty text but isascii and isprintable. */
export const classifiers: ReadonlyMap<string, Classifier> = new Map<string, Classifier>([
  ['isalnum', isAll(/^[\p{L}\p{N}]+$/u)],
  ['isalpha', isAll(/^\p{L}+$/u)],
  ['isascii', isAll(/^[\x00-\x7f]*$/)],
  ['isdecimal', isAll(/^\p{Nd}+$/u)],
  ['isdigit', isAll(/^[\p{Nd}\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468]+$/u)],
  ['isidentifier', isAll(/^[\p{ID_Start}_]\p{ID_Continue}*$/u)],
  ['isnumeric', isAll(/^\p{N}+$/u)],
  ['isspace', isAll(new RegExp(`^[${SPACES}]+$`))],
  ['islower', (text) => /\p{Ll}/u.test(text) && !/[\p{Lu}\p{Lt}]/u.test(text)],
  ['isupper', (text) => /\p{Lu}/u.test(text) && !/[\p{Ll}\p{Lt}]/u.test(text)],
  ['istitle', isTitle],
]);

function isTitle(text: string, budget: Budget): boolean {
  let hasWord = false;
  for (const [word] of eachMatch(text, CASED, budget)) {
    if (!/^[\p{Lu}\p{Lt}]\p{Ll}*$/u.test(word)) return false;
    hasWord = true;
  }
  return hasWord;
}
