/**
 * The operands of Jinja2's expressions: names, literals and brackets, with the attributes, subscripts,
 * calls, filters and tests that may follow them.
 */

import { Float } from '../values/number.ts';
import type { Arguments, DictEntry, Expression, ExpressionOf, FilterNode, Keyword } from './nodes.ts';
import { type Place, type Token, tokens } from './nunjucks.ts';
import { SourceError } from './syntaxError.ts';
import { at, describe, TokenReader } from './tokenReader.ts';

/** Names that stand for a value and cannot be assigned to. */
const CONSTANTS: ReadonlyMap<string, boolean | null> = new Map<string, boolean | null>([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
]);

/** What may follow a test's name where it is no argument of the test. */
const AFTER_TEST: ReadonlySet<string> = new Set(['else', 'or', 'and']);
const ARGUMENT_STARTS: ReadonlySet<string> = new Set([
  tokens.symbol,
  tokens.string,
  tokens.int,
  tokens.float,
  tokens.leftBracket,
  tokens.leftCurly,
]);

const NO_ARGUMENTS: Arguments = { positional: [], keywords: [], star: null, doubleStar: null };

/** How a list of expressions without brackets of its own may look and end. */
interface TupleOptions {
  readonly parse: () => Expression;
  /** A name that ends it: `in`, `recursive`. */
  readonly endName?: string;
  readonly isInParentheses?: boolean;
}

export abstract class OperandParser extends TokenReader {
  abstract override parseExpression(): Expression;

  override parsePrimary(): Expression {
    this.countNode();
    const token = this.nextToken();
    if (token === null) return this.fail('Unexpected end of template');
    switch (token.type) {
      case tokens.symbol:
        return nameOrConstant(token);
      case tokens.string:
        return this.parseStrings(token);
      case tokens.int:
      case tokens.float:
        return { ...at(token), typename: 'Literal', value: numberOf(token) };
      case tokens.leftParen:
        return this.parseParentheses();
      case tokens.leftBracket:
        return { ...at(token), typename: 'List', items: this.parseItems(tokens.rightBracket) };
      case tokens.leftCurly:
        return { ...at(token), typename: 'DictLiteral', entries: this.parseEntries() };
      default:
        throw new SourceError(`unexpected ${describe(token)}`, token);
    }
  }

  /** String literals that follow one another are one. */
  protected parseStrings(first: Token): Expression {
    let value = String(first.value);
    while (this.isNext(tokens.string)) value += String(this.take(tokens.string).value);
    return { ...at(first), typename: 'Literal', value };
  }

  protected parseParentheses(): Expression {
    const node = this.parseTuple({ parse: () => this.parseExpression(), isInParentheses: true });
    this.take(tokens.rightParen);
    return node;
  }

  /** One expression, or several with commas between them: a tuple. */
  protected parseTuple(options: TupleOptions): Expression {
    const place = this.here();
    const items: Expression[] = [];
    let isTuple = false;
    for (;;) {
      if (items.length > 0) this.take(tokens.comma);
      if (this.isTupleEnd(options)) break;
      items.push(options.parse());
      if (!this.isNext(tokens.comma)) break;
      isTuple = true;
    }
    const [first] = items;
    if (!isTuple && first !== undefined) return first;
    if (!isTuple && options.isInParentheses !== true) {
      this.fail(`Expected an expression, got ${describe(this.peekToken())}`);
    }
    return { ...at(place), typename: 'TupleLiteral', items };
  }

  protected isTupleEnd({ endName }: TupleOptions): boolean {
    const token = this.peekToken();
    if (token === null) return true;
    const isEnd = [tokens.variableEnd, tokens.blockEnd, tokens.rightParen].includes(token.type);
    return isEnd || (endName !== undefined && token.type === tokens.symbol && token.value === endName);
  }

  protected parseItems(close: string): Expression[] {
    const items: Expression[] = [];
    while (!this.skip(close)) {
      if (items.length > 0) {
        this.take(tokens.comma);
        if (this.skip(close)) break;
      }
      items.push(this.parseExpression());
    }
    return items;
  }

  protected parseEntries(): DictEntry[] {
    const entries: DictEntry[] = [];
    while (!this.skip(tokens.rightCurly)) {
      if (entries.length > 0) {
        this.take(tokens.comma);
        if (this.skip(tokens.rightCurly)) break;
      }
      const key = this.parseExpression();
      this.take(tokens.colon);
      entries.push({ key, value: this.parseExpression() });
    }
    return entries;
  }

  // What follows an operand ---------------------------------------------------------------------------

  /** Attributes, subscripts and calls. */
  protected parseFollowers(start: Expression): Expression {
    let node = start;
    for (;;) {
      const place = this.here();
      if (this.skipValue(tokens.operator, '.')) node = this.parseAttribute(node, place);
      else if (this.skip(tokens.leftBracket)) node = this.parseSubscript(node, place);
      else if (this.isNext(tokens.leftParen)) {
        node = { ...at(place), typename: 'FunCall', name: node, args: this.parseArguments() };
      } else return node;
    }
  }

  protected parseAttribute(target: Expression, place: Place): Expression {
    this.countNode();
    const token = this.nextToken();
    if (token === null || (token.type !== tokens.symbol && token.type !== tokens.int)) {
      throw new SourceError('expected name or number', token ?? this.here());
    }
    const value = token.type === tokens.int ? numberOf(token) : String(token.value);
    return { ...at(place), typename: 'LookupVal', target, val: { ...at(token), typename: 'Literal', value } };
  }

  protected parseSubscript(target: Expression, place: Place): Expression {
    this.countNode();
    const isSliced = this.isNext(tokens.colon);
    const start = isSliced ? null : this.parseTupleInBrackets();
    if (!this.skip(tokens.colon)) {
      this.take(tokens.rightBracket);
      if (start === null) this.fail('expected a subscript');
      return { ...at(place), typename: 'LookupVal', target, val: start };
    }
    const stop = this.parseBound();
    const step = this.skip(tokens.colon) ? this.parseBound() : null;
    this.take(tokens.rightBracket);
    return { ...at(place), typename: 'Slice', target, start, stop, step };
  }

  /** `a[1, 2]` looks up a tuple. */
  protected parseTupleInBrackets(): Expression {
    const place = this.here();
    const first = this.parseExpression();
    if (!this.isNext(tokens.comma)) return first;
    const items = [first];
    while (this.skip(tokens.comma)) items.push(this.parseExpression());
    return { ...at(place), typename: 'TupleLiteral', items };
  }

  protected parseBound(): Expression | null {
    const isLeftOut = this.isNext(tokens.colon) || this.isNext(tokens.rightBracket);
    return isLeftOut ? null : this.parseExpression();
  }

  protected parseArguments(): Arguments {
    this.countNode();
    const open = this.take(tokens.leftParen);
    const positional: Expression[] = [];
    const keywords: Keyword[] = [];
    let star: Expression | null = null;
    let doubleStar: Expression | null = null;
    const refuse = (isWrong: boolean): void => {
      if (isWrong) throw new SourceError('invalid syntax for function call expression', open);
    };
    for (let isFirst = true; !this.skip(tokens.rightParen); isFirst = false) {
      if (!isFirst) {
        this.take(tokens.comma);
        if (this.skip(tokens.rightParen)) break;
      }
      if (this.skipValue(tokens.operator, '*')) {
        refuse(star !== null || doubleStar !== null);
        star = this.parseExpression();
      } else if (this.skipValue(tokens.operator, '**')) {
        refuse(doubleStar !== null);
        doubleStar = this.parseExpression();
      } else {
        const value = this.parseExpression();
        if (value.typename === 'Symbol' && this.skipValue(tokens.operator, '=')) {
          refuse(doubleStar !== null);
          keywords.push({ name: value.value, value: this.parseExpression() });
        } else {
          refuse(star !== null || doubleStar !== null || keywords.length > 0);
          positional.push(value);
        }
      }
    }
    return { positional, keywords, star, doubleStar };
  }

  protected parseFiltersAndTests(start: Expression): Expression {
    let node = start;
    for (;;) {
      const place = this.here();
      if (this.skip(tokens.pipe)) node = this.parseFilterOf(node, place);
      else if (this.skipSymbol('is')) node = this.parseTest(node, place);
      else if (this.isNext(tokens.leftParen)) {
        node = { ...at(place), typename: 'FunCall', name: node, args: this.parseArguments() };
      } else return node;
    }
  }

  /** A filter's name and arguments, behind the pipe. */
  protected parseFilterOf(target: Expression | null, place: Place): FilterNode {
    this.countNode();
    const name = this.parseDottedName();
    const args = this.isNext(tokens.leftParen) ? this.parseArguments() : NO_ARGUMENTS;
    return { ...at(place), typename: 'Filter', target, name, args };
  }

  protected parseTest(target: Expression, place: Place): Expression {
    this.countNode();
    const isNegated = this.skipSymbol('not');
    const name = this.parseDottedName();
    const test: ExpressionOf<'Test'> = {
      ...at(place),
      typename: 'Test',
      target,
      name,
      args: this.parseTestArguments(),
    };
    return isNegated ? { ...at(place), typename: 'Not', target: test } : test;
  }

  /** A test takes one argument without parentheses: `x is divisibleby 3`. */
  protected parseTestArguments(): Arguments {
    if (this.isNext(tokens.leftParen)) return this.parseArguments();
    const token = this.peekToken();
    if (token === null || !ARGUMENT_STARTS.has(token.type)) return NO_ARGUMENTS;
    if (token.type === tokens.symbol) {
      if (AFTER_TEST.has(String(token.value))) return NO_ARGUMENTS;
      if (token.value === 'is') this.fail('You cannot chain multiple tests with is');
    }
    return { ...NO_ARGUMENTS, positional: [this.nested(() => this.parseFollowers(this.parsePrimary()))] };
  }

  protected parseDottedName(): string {
    let name = this.takeName();
    while (this.skipValue(tokens.operator, '.')) name += `.${this.takeName()}`;
    return name;
  }
}

export function isConstantName(name: string): boolean {
  return CONSTANTS.has(name);
}

function nameOrConstant(token: Token): Expression {
  const name = String(token.value);
  const constant = CONSTANTS.get(name);
  if (constant === undefined) return { ...at(token), typename: 'Symbol', value: name };
  return { ...at(token), typename: 'Literal', value: constant };
}

function numberOf(token: Token): number | bigint | Float {
  const { value } = token;
  if (typeof value === 'number' || typeof value === 'bigint' || value instanceof Float) return value;
  throw new SourceError('expected a number', token);
}
