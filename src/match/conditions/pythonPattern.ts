/**
 * Translates a regular expression of Python's `re` into the syntax of RE2, so that it means the same to an
 * engine that runs in linear time. https://docs.python.org/3/library/re.html#regular-expression-syntax,
 * https://github.com/google/re2/wiki/Syntax
 *
 * Same meaning: classes as Unicode has them, `$` before a final line end, `{,n}`, `\Z`, octal and `\u`
 * escapes, flags at the start or for a group. Groups lose their names: only whether it matches is asked.
 * Refused, by name: look-around, back-references, conditional and atomic groups, possessive quantifiers,
 * verbose mode, `\N{…}`, and what Python refuses. Two differences stay: `\b` and `\B` know ASCII words
 * only, and a line end consumed by `$` cannot be matched once more by what follows it.
 */
import { ASCII_CLASSES, ASSERTIONS, BACKTRACKING, CONTROLS, UNICODE_CLASSES } from './patternTables.ts';

const REPEAT = /\*|\+|\?|\{([0-9]*)(?:(,)([0-9]*))?\}/y;
const FLAGS = /\?([aiLmsux]*)(?:-([aiLmsux]*))?([:)])/y;
const GROUP_NAME = /\?P<([^>]*)>/y;
const IDENTIFIER = /^[\p{L}_][\p{L}\p{N}_]*$/u;
const HEX_ESCAPE = /x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})/y;
const OCTAL_IN_CLASS = /[0-7]{1,3}/y;
const OCTAL_OUTSIDE = /0[0-7]{0,2}|[1-3][0-7]{2}/y;

interface Flags {
  readonly multiline: boolean;
  readonly ascii: boolean;
}

/** One member of a character class; `code` null: itself a class, such as `\d`. */
interface ClassItem {
  readonly text: string;
  readonly code: number | null;
}

/** The pattern in RE2's syntax. Throws a SyntaxError that says what is refused, and where. */
export function translatePattern(pattern: string): string {
  return new Translator(pattern).pattern();
}

class Translator {
  readonly #source: string;
  #at = 0;
  #output = '';
  #flags: Flags = { multiline: false, ascii: false };
  /** For each open group, where it opened and the flags to return to. */
  readonly #open: { readonly at: number; readonly flags: Flags }[] = [];
  readonly #names = new Set<string>();
  /** Whether a quantifier may stand here. */
  #repeatable = false;

  constructor(source: string) {
    this.#source = source;
  }

  pattern(): string {
    while (this.#at < this.#source.length) this.#next();
    const open = this.#open.at(-1);
    if (open !== undefined) throw this.#error('the group is not closed', open.at);
    return this.#output;
  }

  #next(): void {
    const char = this.#source[this.#at] as string;
    if ('*+?{'.includes(char) && this.#repeat()) return;
    switch (char) {
      case '\\':
        this.#escape();
        break;
      case '[':
        this.#emit(this.#class());
        break;
      case '(':
        this.#group();
        break;
      case ')':
        this.#close();
        break;
      case '$':
        this.#at += 1;
        this.#emit(this.#flags.multiline ? '$' : String.raw`(?:\n?\z)`, false);
        break;
      case '^':
      case '|':
        this.#at += 1;
        this.#emit(char, false);
        break;
      case '.':
        this.#at += 1;
        this.#emit('.');
        break;
      default:
        this.#emit(literal(this.#character()));
    }
  }

  #emit(text: string, repeatable = true): void {
    this.#output += text;
    this.#repeatable = repeatable;
  }

  /** Reads a quantifier; false where `{` begins none and stands for itself. */
  #repeat(): boolean {
    const start = this.#at;
    const found = this.#take(REPEAT);
    if (found === null || found[0] === '{}') {
      this.#at = start;
      return false;
    }
    if (!this.#repeatable) throw this.#error('there is nothing to repeat', start);
    const [text, low, comma, high] = found;
    if (low === undefined) this.#emit(text, false);
    else this.#emit(comma === undefined ? `{${low}}` : `{${low || 0},${high}}`, false);
    if (this.#source[this.#at] === '+') {
      throw this.#error('a possessive quantifier needs backtracking, which patterns do not have', start);
    }
    if (this.#source[this.#at] === '?') {
      this.#at += 1;
      this.#emit('?', false);
    }
    return true;
  }

  #group(): void {
    const start = this.#at;
    this.#at += 1;
    const refused = BACKTRACKING.find(([opening]) => this.#source.startsWith(opening, this.#at));
    if (refused !== undefined) {
      throw this.#error(`${refused[1]} needs backtracking, which patterns do not have`, start);
    }
    const flags = this.#flags;
    if (this.#source.startsWith('?#', this.#at)) this.#comment(start);
    else if (this.#opensGroup(start)) {
      this.#open.push({ at: start, flags });
      this.#repeatable = false;
    }
  }

  /** Reads what follows the parenthesis; false where it only sets flags. */
  #opensGroup(start: number): boolean {
    if (this.#source[this.#at] === '?' && !this.#source.startsWith('?P<', this.#at))
      return this.#setFlags(start);
    if (this.#source[this.#at] === '?') this.#name(start);
    this.#output += '(?:';
    return true;
  }

  #comment(start: number): void {
    const end = this.#source.indexOf(')', this.#at);
    if (end < 0) throw this.#error('the comment is not closed', start);
    this.#at = end + 1;
  }

  #name(start: number): void {
    const name = this.#take(GROUP_NAME)?.[1] ?? '';
    if (!IDENTIFIER.test(name)) throw this.#error('a group name is letters, digits and underscores', start);
    if (this.#names.has(name)) throw this.#error('the group name is used twice', start);
    this.#names.add(name);
  }

  /** `(?i)` for the whole pattern, `(?i:` for a group; true where a group was opened. */
  #setFlags(start: number): boolean {
    const found = this.#take(FLAGS);
    if (found === null) throw this.#error('Python has no such group', start);
    const [, on = '', off, end] = found;
    if (on.includes('x') || off?.includes('x')) throw this.#error('verbose mode is not available', start);
    if (on.includes('L') || (on.includes('a') && on.includes('u')) || /[aLu]/.test(off ?? '')) {
      throw this.#error('Python refuses these flags', start);
    }
    if (end === ')' && (off !== undefined || on === ''))
      throw this.#error('a flag or a colon is missing', start);
    if (end === ')' && this.#output.replaceAll(/\(\?[ims]+\)/g, '') !== '') {
      throw this.#error('flags for the whole pattern stand at its start', start);
    }
    this.#flags = {
      multiline: (this.#flags.multiline || on.includes('m')) && !off?.includes('m'),
      ascii: (this.#flags.ascii || on.includes('a')) && !on.includes('u'),
    };
    const kept = on.replaceAll(/[^ims]/g, '') + (off ? `-${off}` : '');
    if (end === ':') this.#output += `(?${kept}:`;
    else if (kept !== '') this.#output += `(?${kept})`;
    return end === ':';
  }

  #close(): void {
    const open = this.#open.pop();
    if (open === undefined) throw this.#error('this parenthesis closes no group');
    this.#flags = open.flags;
    this.#at += 1;
    this.#emit(')');
  }

  #escape(): void {
    const letter = this.#source[this.#at + 1];
    if (letter !== undefined && Object.hasOwn(ASSERTIONS, letter)) {
      this.#at += 2;
      this.#emit(ASSERTIONS[letter] as string, false);
    } else {
      const { text, code } = this.#escaped(OCTAL_OUTSIDE);
      this.#emit(code === null ? `[${text}]` : text);
    }
  }

  /** What follows a backslash, inside a class or outside; only the octal forms differ. */
  #escaped(octal: RegExp): ClassItem {
    const start = this.#at;
    this.#at += 1;
    const letter = this.#source[this.#at];
    if (letter === undefined) throw this.#error('the backslash escapes nothing', start);
    const classes = this.#flags.ascii ? ASCII_CLASSES : UNICODE_CLASSES;
    if (Object.hasOwn(classes, letter)) {
      this.#at += 1;
      return { text: classes[letter] as string, code: null };
    }
    if (Object.hasOwn(CONTROLS, letter)) {
      this.#at += 1;
      return character(CONTROLS[letter] as number);
    }
    const digits = this.#take(octal);
    if (digits !== null) return character(this.#inRange(Number.parseInt(digits[0], 8), 0o377, start));
    const hex = this.#take(HEX_ESCAPE);
    if (hex !== null) {
      const code = Number.parseInt(hex[1] ?? hex[2] ?? (hex[3] as string), 16);
      return character(this.#inRange(code, 0x10ffff, start));
    }
    if (/[0-9]/.test(letter)) {
      throw this.#error('a back-reference needs backtracking, which patterns do not have', start);
    }
    if (/[a-zA-Z]/.test(letter)) throw this.#error(`the escape \\${letter} is not known`, start);
    return character(this.#character());
  }

  /** A bracketed class, written anew. */
  #class(): string {
    const start = this.#at;
    this.#at += 1;
    let text = '[';
    if (this.#source[this.#at] === '^') {
      this.#at += 1;
      text += '^';
    }
    const first = this.#at;
    while (this.#source[this.#at] !== ']' || this.#at === first) text += this.#classMember(start);
    this.#at += 1;
    return `${text}]`;
  }

  #classMember(start: number): string {
    const low = this.#classItem(start);
    if (this.#source[this.#at] !== '-' || this.#source[this.#at + 1] === ']') return low.text;
    this.#at += 1;
    const high = this.#classItem(start);
    if (low.code === null || high.code === null || high.code < low.code) {
      throw this.#error('the range of the character class has no order', start);
    }
    return `${low.text}-${high.text}`;
  }

  #classItem(start: number): ClassItem {
    if (this.#at >= this.#source.length) throw this.#error('the character class is not closed', start);
    if (this.#source[this.#at] !== '\\') return character(this.#character());
    if (this.#source[this.#at + 1] === 'b') {
      this.#at += 2;
      return character(8);
    }
    return this.#escaped(OCTAL_IN_CLASS);
  }

  #character(): number {
    const code = this.#source.codePointAt(this.#at) as number;
    this.#at += code > 0xffff ? 2 : 1;
    return code;
  }

  #take(sticky: RegExp): RegExpExecArray | null {
    sticky.lastIndex = this.#at;
    const found = sticky.exec(this.#source);
    if (found !== null) this.#at += found[0].length;
    return found;
  }

  #inRange(code: number, most: number, start: number): number {
    if (code > most) throw this.#error('the escape names no character', start);
    return code;
  }

  #error(what: string, at = this.#at): SyntaxError {
    return new SyntaxError(`${what} (at offset ${at} of the pattern)`);
  }
}

function character(code: number): ClassItem {
  return { text: literal(code), code };
}

/** A character that stands for itself, inside a class or outside. */
function literal(code: number): string {
  const char = String.fromCodePoint(code);
  return /^[a-zA-Z0-9]$/.test(char) ? char : `\\x{${code.toString(16)}}`;
}
