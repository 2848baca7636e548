/** The escapes of Python's string literals. */

import type { Place } from './nunjucks.ts';
import { SourceError } from './syntaxError.ts';

const ESCAPE = /\\(?:([0-7]{1,3})|x([\s\S]{0,2})|u([\s\S]{0,4})|U([\s\S]{0,8})|([\s\S]))/g;

const NAMED: ReadonlyMap<string, string> = new Map([
  ['\n', ''],
  ['\\', '\\'],
  ["'", "'"],
  ['"', '"'],
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
]);

/** What a quoted string literal stands for. An escape Python does not know stays as it is. */
export function unescapeString(quoted: string, place: Place): string {
  const text = quoted.slice(1, -1);
  if (!text.includes('\\')) return text;
  return text.replace(ESCAPE, (all, octal, hex2, hex4, hex8, named) => {
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
    if (named === 'N') throw new SourceError('named characters (\\N{…}) are not supported', place);
    if (named !== undefined) return NAMED.get(named) ?? all;
    return character(hex2 ?? hex4 ?? hex8, all.charAt(1), place);
  });
}

const DIGITS: ReadonlyMap<string, number> = new Map([
  ['x', 2],
  ['u', 4],
  ['U', 8],
]);

function character(digits: string, kind: string, place: Place): string {
  const isComplete = digits.length === DIGITS.get(kind) && /^[0-9a-fA-F]+$/.test(digits);
  const code = Number.parseInt(digits, 16);
  if (!isComplete || code > 0x10ffff) throw new SourceError(`truncated \\${kind} escape in a string`, place);
  return String.fromCodePoint(code);
}
