/**
 * Jinja2's lexical rules, as tokens for nunjucks' Parser.
 *
 * nunjucks' own lexer ends `{{ {'a': {}} }}` at the first `}}`, knows no exponents and no string
 * escapes, and reads `r/…/` as a regular expression; so it is not used. Brackets are matched here, which
 * also bounds how deep the parser can be led.
 */

import { sourceLimits } from '../limits.ts';
import { float, int } from '../values/number.ts';
import { type Place, type Token, type TokenStream, type TokenValue, tokens } from './nunjucks.ts';
import { unescapeString } from './stringEscapes.ts';
import { SourceError } from './syntaxError.ts';

const TAG = /\{[{%#]/g;
const RAW = /\{%[-+]?\s*raw\s*(?:-%\}\s*|%\})/y;
const END_RAW = /\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\})/g;
const END_COMMENT = /\+#\}|-#\}\s*|#\}/g;
const END_BLOCK = /\+%\}|-%\}\s*|%\}/y;
const END_VARIABLE = /-\}\}\s*|\}\}/y;
const SPACE = /\s+/y;
const FLOAT = String.raw`(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+\-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)`;
const INTEGER = String.raw`0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*`;
const NAME = String.raw`[\p{ID_Start}_]\p{ID_Continue}*`;
const STRING = String.raw`'[^'\\]*(?:\\[\s\S][^'\\]*)*'|"[^"\\]*(?:\\[\s\S][^"\\]*)*"`;
const OPERATOR = String.raw`\/\/|\*\*|==|!=|>=|<=|[\-+\/*%~\[\]\(\)\{\}<>=.:\|,;]`;
/** One token of code, of the kind whose group matches. */
const TOKEN = new RegExp(`(${FLOAT})|(${INTEGER})|(${NAME})|(${STRING})|(${OPERATOR})`, 'iuy');

const OPERATOR_TYPES: ReadonlyMap<string, string> = new Map([
  ['(', tokens.leftParen],
  [')', tokens.rightParen],
  ['[', tokens.leftBracket],
  [']', tokens.rightBracket],
  ['{', tokens.leftCurly],
  ['}', tokens.rightCurly],
  [',', tokens.comma],
  [':', tokens.colon],
  ['~', tokens.tilde],
  ['|', tokens.pipe],
]);

const CLOSERS: ReadonlyMap<string, string> = new Map([
  ['(', ')'],
  ['[', ']'],
  ['{', '}'],
]);

/** Line ends as \n, and without one that ends the text: Jinja2 does so before all else. */
export function normalizeSource(source: string): string {
  return source.replace(/\r\n?/g, '\n').replace(/\n$/, '');
}

/** A tag that is being read: what ends it, and the kind of token that is. */
interface OpenTag {
  readonly end: RegExp;
  readonly endType: string;
}

/** Reads a normalized source, token by token. nextToken throws a SourceError. */
export class Lexer implements TokenStream {
  readonly #source: string;
  /** Tokens read but not yet taken. */
  readonly #ready: Token[] = [];
  #at = 0;
  /** The line `#at` is on, and the offsets where it begins and ends. */
  #line = 0;
  #lineStart = 0;
  #lineEnd: number;
  #tag: OpenTag | null = null;
  /** The closing brackets awaited, innermost last. */
  #awaited: string[] = [];

  constructor(source: string) {
    this.#source = source;
    this.#lineEnd = endOfLine(source, 0);
  }

  nextToken(): Token | null {
    while (this.#ready.length === 0 && this.#at < this.#source.length) {
      if (this.#tag === null) this.#text();
      else this.#code(this.#tag);
    }
    return this.#ready.shift() ?? null;
  }

  /** Text up to the next tag, and the tag's opening. */
  #text(): void {
    TAG.lastIndex = this.#at;
    const tag = TAG.exec(this.#source);
    const start = tag?.index ?? this.#source.length;
    this.#data(start, this.#source[start + 2] === '-');
    if (tag !== null) this.#begin(tag[0]);
  }

  /** Text up to `end`; a minus in the tag behind it takes its trailing white space. */
  #data(end: number, isTrimmed: boolean): void {
    const text = this.#source.slice(this.#at, end);
    const kept = isTrimmed ? text.trimEnd() : text;
    if (kept !== '') this.#push(tokens.data, kept, end);
    this.#moveTo(end);
  }

  #begin(open: string): void {
    RAW.lastIndex = this.#at;
    const raw = RAW.exec(this.#source);
    if (raw !== null) this.#raw(raw[0]);
    else if (open === '{#') this.#comment();
    else if (open === '{%') this.#open(open, tokens.blockStart, END_BLOCK, tokens.blockEnd);
    else this.#open(open, tokens.variableStart, END_VARIABLE, tokens.variableEnd);
  }

  #open(open: string, type: string, end: RegExp, endType: string): void {
    this.#push(type, open, this.#at + open.length + this.#signLength());
    this.#tag = { end, endType };
    this.#awaited = [];
  }

  /** A tag may begin with a sign that says what becomes of the white space before it. */
  #signLength(): number {
    const sign = this.#source[this.#at + 2];
    return sign === '-' || sign === '+' ? 1 : 0;
  }

  #raw(open: string): void {
    const place = this.#place();
    this.#moveTo(this.#at + open.length);
    END_RAW.lastIndex = this.#at;
    const end = END_RAW.exec(this.#source);
    if (end === null) throw new SourceError('Missing end of raw directive', place);
    this.#data(end.index, end[1] === '-');
    this.#moveTo(end.index + end[0].length);
  }

  #comment(): void {
    END_COMMENT.lastIndex = this.#at + 2 + this.#signLength();
    const end = END_COMMENT.exec(this.#source);
    if (end === null) throw new SourceError('Missing end of comment tag', this.#place());
    this.#moveTo(end.index + end[0].length);
  }

  /** White space, a token, or the end of the tag where no bracket is open. */
  #code({ end, endType }: OpenTag): void {
    const space = this.#match(SPACE);
    if (space !== null) this.#moveTo(this.#at + space.length);
    const close = this.#awaited.length === 0 ? this.#match(end) : null;
    if (close !== null) {
      this.#push(endType, close, this.#at + close.length);
      this.#tag = null;
    } else if (this.#at < this.#source.length) this.#codeToken();
  }

  #codeToken(): void {
    TOKEN.lastIndex = this.#at;
    const found = TOKEN.exec(this.#source);
    if (found === null) throw new SourceError('unexpected character', this.#place());
    const [, decimal, integer, name, quoted, operator] = found;
    if (decimal !== undefined) {
      this.#literal(tokens.float, decimal, float(Number(decimal.replaceAll('_', ''))));
    } else if (integer !== undefined) {
      this.#literal(tokens.int, integer, int(BigInt(integer.replaceAll('_', ''))));
    } else if (name !== undefined) this.#literal(tokens.symbol, name, name);
    else if (quoted !== undefined) {
      this.#literal(tokens.string, quoted, unescapeString(quoted, this.#place()));
    } else if (operator !== undefined) {
      this.#balance(operator);
      this.#literal(OPERATOR_TYPES.get(operator) ?? tokens.operator, operator, operator);
    }
  }

  #literal(type: string, text: string, value: TokenValue): void {
    this.#push(type, value, this.#at + text.length);
  }

  #balance(operator: string): void {
    const closer = CLOSERS.get(operator);
    if (closer !== undefined) {
      this.#awaited.push(closer);
      if (this.#awaited.length > sourceLimits.depth) {
        throw new SourceError(`brackets are nested deeper than ${sourceLimits.depth} levels`, this.#place());
      }
    } else if (operator === ')' || operator === ']' || operator === '}') {
      const awaited = this.#awaited.pop();
      if (awaited === operator) return;
      const expected = awaited === undefined ? '' : `, expected '${awaited}'`;
      throw new SourceError(`unexpected '${operator}'${expected}`, this.#place());
    }
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#source)?.[0] ?? null;
  }

  /** Adds a token that begins here and goes on to it end. */
  #push(type: string, value: TokenValue, end: number): void {
    this.#ready.push({ type, value, ...this.#place(), start: this.#at, end });
    this.#moveTo(end);
  }

  #place(): Place {
    return { lineno: this.#line, colno: this.#at - this.#lineStart };
  }

  #moveTo(offset: number): void {
    while (this.#lineEnd < offset) {
      this.#line += 1;
      this.#lineStart = this.#lineEnd + 1;
      this.#lineEnd = endOfLine(this.#source, this.#lineStart);
    }
    this.#at = offset;
  }
}

function endOfLine(source: string, from: number): number {
  const newline = source.indexOf('\n', from);
  return newline < 0 ? source.length : newline;
}
