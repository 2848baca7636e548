/**
 * nunjucks' Parser as a reader of tokens: what it offers, with Jinja2's complaints, places that are always
 * known, and bounds on how deep and how far a source can lead it.
 */

import { sourceLimits } from '../limits.ts';
import { Parser, type Place, type Token, tokens } from './nunjucks.ts';
import { SourceError } from './syntaxError.ts';

export class TokenReader extends Parser {
  #depth = 0;
  #nodeCount = 0;
  #lastPlace: Place = { lineno: 0, colno: 0 };

  override fail(message: string, lineno?: number, colno?: number): never {
    const place = lineno === undefined || colno === undefined ? this.here() : { lineno, colno };
    throw new SourceError(message, place);
  }

  /** The place of the token that comes next; the end of the template has none of its own. */
  protected here(): Place {
    return this.peekToken() ?? this.#lastPlace;
  }

  override nextToken(): Token | null {
    const token = super.nextToken();
    if (token !== null) this.#lastPlace = { lineno: token.lineno, colno: token.colno };
    return token;
  }

  /** The next token, which must be of that type. */
  protected take(type: string): Token {
    const token = this.nextToken();
    if (token?.type !== type) {
      const wanted = SIGNS.get(type) ?? type;
      throw new SourceError(`expected ${wanted}, got ${describe(token)}`, token ?? this.#lastPlace);
    }
    return token;
  }

  protected takeName(): string {
    return String(this.take(tokens.symbol).value);
  }

  protected takeSymbol(name: string): void {
    if (!this.skipSymbol(name)) this.fail(`expected '${name}', got ${describe(this.peekToken())}`);
  }

  protected isNext(type: string, value?: string): boolean {
    const token = this.peekToken();
    return token?.type === type && (value === undefined || token.value === value);
  }

  /** Stops early on a source that checkTree would find too large. */
  protected countNode(): void {
    this.#nodeCount += 1;
    if (this.#nodeCount > sourceLimits.nodes) {
      this.fail(`the template has more than ${sourceLimits.nodes} parts`);
    }
  }

  /** Parses one level deeper. */
  protected nested<T>(parse: () => T): T {
    if (this.#depth >= sourceLimits.depth) {
      this.fail(`the template is nested deeper than ${sourceLimits.depth} levels`);
    }
    this.#depth += 1;
    const result = parse();
    this.#depth -= 1;
    return result;
  }
}

/** The place of a token or node, alone. */
export function at(place: Place): Place {
  return { lineno: place.lineno, colno: place.colno };
}

/** How messages show kinds of tokens that are always written alike. */
const SIGNS: ReadonlyMap<string, string> = new Map([
  [tokens.blockEnd, "'%}'"],
  [tokens.variableEnd, "'}}'"],
  [tokens.leftParen, "'('"],
  [tokens.rightParen, "')'"],
  [tokens.rightBracket, "']'"],
  [tokens.rightCurly, "'}'"],
  [tokens.comma, "','"],
  [tokens.colon, "':'"],
  [tokens.symbol, 'a name'],
  [tokens.data, 'template data'],
]);

/** A token as messages show it. */
export function describe(token: Token | null): string {
  if (token === null) return 'end of template';
  if (typeof token.value === 'object') return 'a number';
  return token.type === tokens.data ? 'template data' : `'${token.value}'`;
}
