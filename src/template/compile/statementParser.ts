/**
 * Jinja2's statements. A tag that is not listed here does not exist: what would read other templates is
 * refused by name, everything else as unknown.
 */

import { ExpressionParser } from './expressionParser.ts';
import { Lexer } from './lexer.ts';
import {
  type Binding,
  type Body,
  type Branch,
  type Expression,
  type Extent,
  namesIn,
  type Signature,
  type Statement,
  type Target,
} from './nodes.ts';
import { type Place, type Token, tokens } from './nunjucks.ts';
import { isConstantName } from './operandParser.ts';
import { SourceError } from './syntaxError.ts';
import { at, describe } from './tokenReader.ts';

/** Tags that load other templates. Without a loader Jinja2 raises a TypeError for most of them. */
const LOADING_TAGS: ReadonlySet<string> = new Set(['include', 'import', 'from', 'extends']);

/** Parses a template's source (normalized). Throws a SourceError. */
export function parseTemplate(source: string): Body {
  const parser = new StatementParser(new Lexer(source));
  return parser.parseAsRoot() as Body;
}

export class StatementParser extends ExpressionParser {
  /** Loops around the statement that is parsed, within the same macro: break and continue need one. */
  protected loops = 0;
  /** Loops around the statement that is parsed, through macros: within one, `loop` is taken. */
  protected forTags = 0;
  /** Where the tag that is parsed begins. */
  protected tagStart = 0;
  /** Where the tag parsed last ended. */
  protected tagEnd = 0;

  override parseNodes(): Statement[] {
    const statements: Statement[] = [];
    for (let token = this.nextToken(); token !== null; token = this.nextToken()) {
      this.tagStart = token.start;
      const statement = this.parseNode(token);
      if (statement === null) return statements;
      statements.push(statement);
    }
    if (this.breakOnBlocks !== null) {
      const wanted = this.breakOnBlocks.map((name) => `'${name}'`).join(' or ');
      this.fail(`Unexpected end of template. Jinja was looking for the following tags: ${wanted}.`);
    }
    return statements;
  }

  /** The statement that begins with a token; null at a tag that ends the body being parsed. */
  protected parseNode(token: Token): Statement | null {
    this.countNode();
    if (token.type === tokens.data) {
      return { ...at(token), ...extent(token), typename: 'Text', value: String(token.value) };
    }
    if (token.type === tokens.variableStart) {
      const start = this.tagStart;
      const place = at(this.here());
      const value = this.parseTuple({ parse: () => this.parseExpression() });
      const { end } = this.take(tokens.variableEnd);
      return { ...place, typename: 'Print', items: [value], start, end };
    }
    return this.parseStatement();
  }

  override parseStatement(): Statement | null {
    const name = this.peekToken();
    if (name?.type !== tokens.symbol) this.fail('tag name expected');
    const tag = String(name?.value);
    if (this.breakOnBlocks?.includes(tag)) return null;
    const start = this.tagStart;
    const place = this.here();
    this.nextToken();
    return this.nested(() => this.parseTag(tag, place, start));
  }

  protected parseTag(tag: string, place: Place, start: number): Statement {
    switch (tag) {
      case 'if':
        return this.parseIfTag(place, start);
      case 'for':
        return this.parseForTag(place, start);
      case 'set':
        return this.parseSetTag(place, start);
      case 'with':
        return this.parseWithTag(place, start);
      case 'macro':
        return this.parseMacroTag(place, start);
      case 'call':
        return this.parseCallTag(place, start);
      case 'filter':
        return this.parseFilterTag(place, start);
      case 'autoescape':
        return this.parseAutoescapeTag(place, start);
      case 'print':
        return this.parsePrintTag(place, start);
      case 'do':
        return this.parseDoTag(place, start);
      case 'break':
      case 'continue':
        return this.parseLoopControl(tag, place, start);
      default:
        throw unknownTag(tag, place);
    }
  }

  // Ends of tags and bodies ---------------------------------------------------------------------------

  /** The end of a tag; gives its offset. */
  protected endTag(): number {
    this.tagEnd = this.take(tokens.blockEnd).end;
    return this.tagEnd;
  }

  /** The body of a tag, behind the tag's end, up to one of the tags named, which is not consumed. */
  protected parseBody(...ends: string[]): Body {
    return this.parseUntilBlocks(...ends) as Body;
  }

  /** The body of a tag that has but one end; that is consumed. */
  protected parseWholeBody(end: string): Body {
    const body = this.parseBody(end);
    this.takeSymbol(end);
    this.endTag();
    return body;
  }

  /** The body of something that is called from elsewhere: loops around it do not count. */
  protected parseCalledBody(end: string): Body {
    const loops = this.loops;
    this.loops = 0;
    const body = this.parseWholeBody(end);
    this.loops = loops;
    return body;
  }

  // Statements ----------------------------------------------------------------------------------------

  protected parseIfTag(place: Place, start: number): Statement {
    const branches: Branch[] = [];
    do {
      const tagStart = branches.length === 0 ? start : this.tagStart;
      const cond = this.parseTuple({ parse: () => this.parseAnyOr() });
      const end = this.endTag();
      branches.push({ cond, body: this.parseBody('elif', 'else', 'endif'), start: tagStart, end });
    } while (this.skipSymbol('elif'));
    const else_ = this.parseElse('endif');
    return { ...at(place), typename: 'If', branches, else_, start, end: this.tagEnd };
  }

  protected parseForTag(place: Place, start: number): Statement {
    this.forTags += 1;
    const target = this.parseTarget({ endName: 'in', canBeAttribute: false });
    this.takeSymbol('in');
    const iter = this.parseTuple({ parse: () => this.parseAnyOr(), endName: 'recursive' });
    const test = this.skipSymbol('if') ? this.parseExpression() : null;
    const isRecursive = this.skipSymbol('recursive');
    const end = this.endTag();
    const outer = this.loops;
    this.loops += 1;
    const body = this.parseBody('endfor', 'else');
    // A recursive loop is a function of its own, which no break inside can leave.
    this.loops = isRecursive ? 0 : outer;
    const else_ = this.parseElse('endfor');
    this.loops = outer;
    this.forTags -= 1;
    return { ...at(place), typename: 'For', target, iter, test, isRecursive, body, else_, start, end };
  }

  /** The else part of a tag, if it has one, and its end. */
  protected parseElse(end: string): Body | null {
    let body: Body | null = null;
    if (this.skipSymbol('else')) {
      this.endTag();
      body = this.parseBody(end);
    }
    this.takeSymbol(end);
    this.endTag();
    return body;
  }

  protected parseSetTag(place: Place, start: number): Statement {
    const target = this.parseTarget({ canBeAttribute: true });
    if (this.skipValue(tokens.operator, '=')) {
      const value = this.parseTuple({ parse: () => this.parseExpression() });
      return { ...at(place), typename: 'Set', target, value, start, end: this.endTag() };
    }
    let filter = null;
    while (this.skip(tokens.pipe)) filter = this.parseFilterOf(filter, this.here());
    const end = this.endTag();
    const body = this.parseWholeBody('endset');
    return { ...at(place), typename: 'SetBlock', target, filter, body, start, end };
  }

  protected parseWithTag(place: Place, start: number): Statement {
    const bindings: Binding[] = [];
    while (!this.isNext(tokens.blockEnd)) {
      if (bindings.length > 0) this.take(tokens.comma);
      const target = this.parseTarget({ canBeAttribute: false });
      this.takeOperator('=');
      bindings.push({ target, value: this.parseExpression() });
    }
    const end = this.endTag();
    return { ...at(place), typename: 'With', bindings, body: this.parseWholeBody('endwith'), start, end };
  }

  protected parseMacroTag(place: Place, start: number): Statement {
    const name = this.parseAssignedName();
    const signature = this.parseMacroSignature();
    const end = this.endTag();
    const body = this.parseCalledBody('endmacro');
    return { ...at(place), typename: 'Macro', name, signature, body, start, end };
  }

  protected parseCallTag(place: Place, start: number): Statement {
    const hasParameters = this.isNext(tokens.leftParen);
    const signature = hasParameters ? this.parseMacroSignature() : { parameters: [], defaults: [] };
    const call = this.parseExpression();
    if (call.typename !== 'FunCall') throw new SourceError('expected call', place);
    const end = this.endTag();
    const body = this.parseCalledBody('endcall');
    return { ...at(place), typename: 'CallBlock', call, signature, body, start, end };
  }

  protected parseFilterTag(place: Place, start: number): Statement {
    let filter = this.parseFilterOf(null, place);
    while (this.skip(tokens.pipe)) filter = this.parseFilterOf(filter, this.here());
    const end = this.endTag();
    return {
      ...at(place),
      typename: 'FilterBlock',
      filter,
      body: this.parseWholeBody('endfilter'),
      start,
      end,
    };
  }

  protected parseAutoescapeTag(place: Place, start: number): Statement {
    const value = this.parseExpression();
    const end = this.endTag();
    const body = this.parseWholeBody('endautoescape');
    return { ...at(place), typename: 'Autoescape', value, body, start, end };
  }

  protected parsePrintTag(place: Place, start: number): Statement {
    const items: Expression[] = [];
    while (!this.isNext(tokens.blockEnd)) {
      if (items.length > 0) this.take(tokens.comma);
      items.push(this.parseExpression());
    }
    return { ...at(place), typename: 'Print', items, start, end: this.endTag() };
  }

  protected parseDoTag(place: Place, start: number): Statement {
    const value = this.parseTuple({ parse: () => this.parseExpression() });
    return { ...at(place), typename: 'Do', value, start, end: this.endTag() };
  }

  protected parseLoopControl(tag: 'break' | 'continue', place: Place, start: number): Statement {
    if (this.loops === 0) throw new SourceError(`'${tag}' outside loop`, place);
    const typename = tag === 'break' ? 'Break' : 'Continue';
    return { ...at(place), typename, start, end: this.endTag() };
  }

  // Targets and signatures ------------------------------------------------------------------------------

  /** What is assigned to: a name, names with commas between them, or an attribute of a namespace. */
  protected parseTarget(options: { readonly endName?: string; readonly canBeAttribute: boolean }): Target {
    const { endName, canBeAttribute } = options;
    const attributes = new Map<Expression, Target>();
    const parse = (): Expression => {
      const primary = this.parsePrimary();
      if (!canBeAttribute || primary.typename !== 'Symbol') return primary;
      if (!this.skipValue(tokens.operator, '.')) return primary;
      attributes.set(primary, { kind: 'attribute', name: primary.value, attribute: this.takeName() });
      return primary;
    };
    const place = this.here();
    const parsed = this.nested(() => this.parseTuple(endName === undefined ? { parse } : { parse, endName }));
    const target = toTarget(parsed, attributes, place);
    if (this.forTags > 0 && namesIn(target).includes('loop')) {
      throw new SourceError("Can't assign to special loop variable", place, 'TemplateAssertionError');
    }
    return target;
  }

  protected parseAssignedName(): string {
    const token = this.take(tokens.symbol);
    const name = String(token.value);
    if (isConstantName(name)) throw new SourceError("can't assign to 'const'", token);
    return name;
  }

  protected parseMacroSignature(): Signature {
    this.take(tokens.leftParen);
    const parameters: string[] = [];
    const defaults: Expression[] = [];
    while (!this.skip(tokens.rightParen)) {
      if (parameters.length > 0) this.take(tokens.comma);
      parameters.push(this.parseAssignedName());
      if (this.skipValue(tokens.operator, '=')) defaults.push(this.parseExpression());
      else if (defaults.length > 0) this.fail('non-default argument follows default argument');
    }
    return { parameters, defaults };
  }

  protected takeOperator(sign: string): void {
    if (!this.skipValue(tokens.operator, sign)) {
      this.fail(`expected '${sign}', got ${describe(this.peekToken())}`);
    }
  }
}

function extent(token: Token): Extent {
  return { start: token.start, end: token.end };
}

function toTarget(node: Expression, attributes: ReadonlyMap<Expression, Target>, place: Place): Target {
  const attribute = attributes.get(node);
  if (attribute !== undefined) return attribute;
  if (node.typename === 'Symbol') return { kind: 'name', name: node.value };
  if (node.typename === 'TupleLiteral') {
    return { kind: 'tuple', items: node.items.map((item) => toTarget(item, attributes, place)) };
  }
  const what = node.typename === 'Literal' ? 'const' : node.typename.toLowerCase();
  throw new SourceError(`can't assign to '${what}'`, node);
}

function unknownTag(tag: string, place: Place): SourceError {
  if (LOADING_TAGS.has(tag)) {
    return new SourceError(`'${tag}' is not available: a template stands alone`, place, 'TypeError');
  }
  if (tag === 'block') return new SourceError("'block' is not available: a template stands alone", place);
  return new SourceError(`Encountered unknown tag '${tag}'.`, place);
}
