/**
 * JSON without loss: integers beyond 2^53 become bigint when read and their exact digits when written.
 *
 * JSON.parse rounds them silently, which would corrupt every int8 key above 9007199254740992.
 */

export type Json = null | boolean | number | bigint | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** Nesting that a document may have; PostgreSQL's own json type allows a few thousand levels. */
const MAX_DEPTH = 2_000;

/** Characters that JSON.stringify would have to escape. Most texts have none. */
const NEEDS_ESCAPE = /[\u0000-\u001f"\\\ud800-\udfff]/;

/** A text as a JSON string literal. */
export function jsonString(text: string): string {
  return NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`;
}

/**
 * Reads JSON; an integer literal that a double cannot hold becomes a bigint. Objects are null-prototype
 * and keep a key `__proto__` as data. Throws a SyntaxError that names the offset, never the text.
 */
export function parseJson(text: string): Json {
  return PLAIN_STRING.test(text) ? text.slice(1, -1) : new Parser(text).document();
}

/** A string literal in which nothing is escaped: what most values of a row are. */
const PLAIN_STRING = /^"[^\u0000-\u001f"\\\ud800-\udfff]*"$/;

/** A run of digits that a double may not hold. */
const LONG_NUMBER = /[0-9]{16}/;

/**
 * The same values as {@link parseJson} at the speed of JSON.parse where no number needs more than a double.
 * Objects then have the ordinary prototype: read them by own key only.
 */
export function parseJsonQuickly(text: string): Json {
  return LONG_NUMBER.test(text) ? parseJson(text) : (JSON.parse(text) as Json);
}

/** Writes JSON in one line; bigint as its digits, NaN and Infinity (which JSON lacks) as null. */
export function stringifyJson(value: Json): string {
  switch (typeof value) {
    case 'string':
      return jsonString(value);
    case 'bigint':
      return value.toString();
    case 'number':
      return Number.isFinite(value) ? String(value) : 'null';
    case 'boolean':
      return value ? 'true' : 'false';
    default:
      if (value === null) return 'null';
      if (Array.isArray(value)) return `[${value.map(stringifyJson).join(',')}]`;
      return `{${Object.entries(value)
        .map(([key, item]) => `${jsonString(key)}:${stringifyJson(item)}`)
        .join(',')}}`;
  }
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const SPACE = /[ \t\n\r]*/y;

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): Json {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) throw this.#error('the end');
    return value;
  }

  #value(depth: number): Json {
    if (depth > MAX_DEPTH) throw new SyntaxError(`JSON nested deeper than ${MAX_DEPTH} levels`);
    this.#space();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth);
      case '[':
        return this.#array(depth);
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): JsonObject {
    const object: JsonObject = Object.create(null);
    this.#at += 1;
    if (this.#takes('}')) return object;
    do {
      this.#space();
      if (this.#text[this.#at] !== '"') throw this.#error('a key');
      const key = this.#string();
      if (!this.#takes(':')) throw this.#error("':'");
      object[key] = this.#value(depth + 1);
    } while (this.#takes(','));
    if (!this.#takes('}')) throw this.#error("',' or '}'");
    return object;
  }

  #array(depth: number): Json[] {
    const array: Json[] = [];
    this.#at += 1;
    if (this.#takes(']')) return array;
    do array.push(this.#value(depth + 1));
    while (this.#takes(','));
    if (!this.#takes(']')) throw this.#error("',' or ']'");
    return array;
  }

  #string(): string {
    const start = this.#at;
    let end = this.#text.indexOf('"', start + 1);
    while (end > 0 && this.#isEscaped(end)) end = this.#text.indexOf('"', end + 1);
    if (this.#text[start] !== '"' || end < 0) throw this.#error('a string');
    this.#at = end + 1;
    const inner = this.#text.slice(start + 1, end);
    if (!NEEDS_ESCAPE.test(inner)) return inner;
    try {
      return JSON.parse(`"${inner}"`) as string;
    } catch {
      throw new SyntaxError(`bad escape or control character in the JSON string at offset ${start}`);
    }
  }

  #isEscaped(at: number): boolean {
    let backslashes = 0;
    while (this.#text[at - 1 - backslashes] === '\\') backslashes += 1;
    return backslashes % 2 === 1;
  }

  #number(): number | bigint {
    NUMBER.lastIndex = this.#at;
    const found = NUMBER.exec(this.#text);
    if (found === null) throw this.#error('a value');
    this.#at = NUMBER.lastIndex;
    const value = Number(found[0]);
    const isInteger = found[1] === undefined && found[2] === undefined;
    return isInteger && !Number.isSafeInteger(value) ? BigInt(found[0]) : value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#error('a value');
    this.#at += word.length;
    return value;
  }

  #takes(char: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== char) return false;
    this.#at += 1;
    return true;
  }

  #space(): void {
    // Most texts have no space to skip.
    if (this.#text.charCodeAt(this.#at) > 0x20) return;
    SPACE.lastIndex = this.#at;
    SPACE.test(this.#text);
    this.#at = SPACE.lastIndex;
  }

  #error(expected: string): SyntaxError {
    return new SyntaxError(`expected ${expected} at offset ${this.#at} of the JSON text`);
  }
}
