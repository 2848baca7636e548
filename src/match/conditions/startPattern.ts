/**
 * A regular expression that is matched at the start of a text, as Python's `re.match` does, in time linear
 * in the text whatever the pattern (RE2's algorithms, by re2js).
 *
 * Linear is not yet bounded: the worst patterns cost their size for each character. So size times length is
 * bounded too, and a text that would take longer is not matched at all; it is for the caller to say so.
 */
import { RE2JS, RE2JSException, RE2Set } from 're2js';
import { translatePattern } from './pythonPattern.ts';

/** Characters of a pattern. */
export const MAX_PATTERN = 1_000;

/** Steps of one match: instructions of the pattern times UTF-16 units of the text; under a second. */
const MAX_STEPS = 2 ** 26;

/** Bytes that the states of one pattern may keep between matches. */
const MAX_MEMORY = 2 ** 20;

export class StartPattern {
  readonly source: string;
  /** The longest text, in UTF-16 units, that `matches` takes. */
  readonly maxText: number;
  readonly #set: RE2Set;

  /** Compiles a pattern of Python's `re`. Throws a SyntaxError that says what is refused, and where. */
  constructor(source: string) {
    if (source.length > MAX_PATTERN) {
      throw new SyntaxError(`a pattern has at most ${MAX_PATTERN} characters, this one ${source.length}`);
    }
    const translated = translatePattern(source);
    this.source = source;
    this.#set = new RE2Set(RE2Set.ANCHOR_START, 0, MAX_MEMORY);
    try {
      this.maxText = Math.floor(MAX_STEPS / RE2JS.compile(translated).programSize());
      this.#set.add(translated);
      this.#set.compile();
    } catch (error) {
      if (!(error instanceof RE2JSException)) throw error;
      throw new SyntaxError(error.message.replace('error parsing regexp: ', ''), { cause: error });
    }
  }

  /** Whether a text of at most `maxText` units begins with a match. */
  matches(text: string): boolean {
    return this.#set.match(text).length > 0;
  }
}
