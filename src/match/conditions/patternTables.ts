/**
 * Tables for translating patterns of Python's `re` into RE2's syntax.
 *
 * The classes `\d`, `\s`, `\w` and their opposites are given as the contents of a bracketed class, since
 * RE2's own know ASCII only.
 */

/** In Python's text patterns: by Unicode's categories. */
export const UNICODE_CLASSES: Readonly<Record<string, string>> = {
  d: String.raw`\p{Nd}`,
  D: String.raw`\P{Nd}`,
  s: String.raw`\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}`,
  S: String.raw`\x{0}-\x{8}\x{e}-\x{1b}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff}`,
  w: String.raw`\p{L}\p{N}_`,
  // Every other category, with \p{Pc} written out to leave out the underscore.
  W: String.raw`\p{M}\p{S}\p{Z}\p{C}\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Po}\x{203f}\x{2040}\x{2054}\x{fe33}\x{fe34}\x{fe4d}-\x{fe4f}\x{ff3f}`,
};

/** With the flag `(?a)`. */
export const ASCII_CLASSES: Readonly<Record<string, string>> = {
  d: String.raw`\d`,
  D: String.raw`\D`,
  s: String.raw`\t-\r\x{20}`,
  S: String.raw`\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{10ffff}`,
  w: String.raw`\w`,
  W: String.raw`\W`,
};

/** Escapes of one control character, by their letter. */
export const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

/** Zero-width, by their letter in Python; as RE2 writes them. */
export const ASSERTIONS: Readonly<Record<string, string>> = {
  A: String.raw`\A`,
  Z: String.raw`\z`,
  z: String.raw`\z`,
  b: String.raw`\b`,
  B: String.raw`\B`,
};

/** What follows `(?` in constructs that need backtracking, with their names. */
export const BACKTRACKING: ReadonlyArray<readonly [opening: string, name: string]> = [
  ['?=', 'look-ahead'],
  ['?!', 'look-ahead'],
  ['?<=', 'look-behind'],
  ['?<!', 'look-behind'],
  ['?>', 'an atomic group'],
  ['?(', 'a conditional group'],
  ['?P=', 'a back-reference'],
];
