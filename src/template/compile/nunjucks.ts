/**
 * The one place where nunjucks is imported: typed views of its Parser, Compiler and nodes, which its
 * type package leaves out. Its Environment, loaders, filters and runtime are not used at all.
 */

import nunjucks from 'nunjucks';

/** A place in a template's source; both count from zero, as nunjucks does. */
export interface Place {
  readonly lineno: number;
  readonly colno: number;
}

export interface Token extends Place {
  readonly type: string;
  readonly value: TokenValue;
  /** Offsets of its first character and of the one after its last. */
  readonly start: number;
  readonly end: number;
}

/** The text of most tokens; of a number what it stands for. */
export type TokenValue = string | number | bigint | object;

/** What nunjucks' Parser reads from. */
export interface TokenStream {
  nextToken(): Token | null;
}

/** The part of nunjucks' Parser that TemplateParser builds on. */
export interface NunjucksParser {
  tokens: TokenStream;
  /** Names of tags at which parseUntilBlocks stops. */
  breakOnBlocks: readonly string[] | null;
  nextToken(): Token | null;
  peekToken(): Token | null;
  pushToken(token: Token | null): void;
  skip(type: string): boolean;
  skipValue(type: string, value: string): boolean;
  skipSymbol(name: string): boolean;
  parseUntilBlocks(...names: string[]): NunjucksNode;
  parseAsRoot(): NunjucksNode;
  parseExpression(): NunjucksNode;
  parseOr(): NunjucksNode;
  parseAnd(): NunjucksNode;
  parseNot(): NunjucksNode;
  parseIn(): NunjucksNode;
  parsePrimary(): NunjucksNode;
  parsePostfix(node: NunjucksNode): NunjucksNode;
  parseStatement(): NunjucksNode | null;
  parseNodes(): NunjucksNode[];
  fail(message: string, lineno?: number, colno?: number): never;
}

/** The part of nunjucks' Compiler that TemplateCompiler builds on. */
export interface NunjucksCompiler {
  /** The variable that output is appended to. */
  buffer: string | null;
  codebuf: string[];
  _emit(code: string): void;
  _emitLine(code: string): void;
  _tmpid(): string;
  _pushBuffer(): string;
  _popBuffer(): void;
  compile(node: NunjucksNode, frame: unknown): void;
  getCode(): string;
}

/** What a parser makes and a compiler takes: dispatch is by `typename` alone. */
export interface NunjucksNode extends Place {
  readonly typename: string;
}

interface Internals {
  readonly parser: { readonly Parser: new (tokens: TokenStream) => NunjucksParser };
  readonly compiler: {
    readonly Compiler: new (name: string | null, throwOnUndefined: boolean) => NunjucksCompiler;
  };
  readonly lexer: Readonly<Record<string, string>>;
}

const internals = nunjucks as unknown as Internals;

export const Parser = internals.parser.Parser;
export const Compiler = internals.compiler.Compiler;

function tokenType(name: string): string {
  const type = internals.lexer[`TOKEN_${name}`];
  if (type === undefined) throw new Error(`this nunjucks has no token type ${name}`);
  return type;
}

/** nunjucks' names for kinds of tokens. */
export const tokens = {
  data: tokenType('DATA'),
  blockStart: tokenType('BLOCK_START'),
  blockEnd: tokenType('BLOCK_END'),
  variableStart: tokenType('VARIABLE_START'),
  variableEnd: tokenType('VARIABLE_END'),
  string: tokenType('STRING'),
  int: tokenType('INT'),
  float: tokenType('FLOAT'),
  symbol: tokenType('SYMBOL'),
  operator: tokenType('OPERATOR'),
  comma: tokenType('COMMA'),
  colon: tokenType('COLON'),
  tilde: tokenType('TILDE'),
  pipe: tokenType('PIPE'),
  leftParen: tokenType('LEFT_PAREN'),
  rightParen: tokenType('RIGHT_PAREN'),
  leftBracket: tokenType('LEFT_BRACKET'),
  rightBracket: tokenType('RIGHT_BRACKET'),
  leftCurly: tokenType('LEFT_CURLY'),
  rightCurly: tokenType('RIGHT_CURLY'),
} as const;
