/**
 * The syntax tree. Nodes are nunjucks' shape: a `typename`, by which its Compiler dispatches, and a
 * place. Kinds that nunjucks has keep its names and fields; the others say what its kinds cannot.
 */

import type { Float } from '../values/number.ts';
import type { Place } from './nunjucks.ts';

/** The fields of each kind of expression. */
interface ExpressionFields {
  Literal: { readonly value: string | number | bigint | boolean | null | Float };
  Symbol: { readonly value: string };
  List: { readonly items: readonly Expression[] };
  TupleLiteral: { readonly items: readonly Expression[] };
  DictLiteral: { readonly entries: readonly DictEntry[] };
  LookupVal: { readonly target: Expression; readonly val: Expression };
  Slice: {
    readonly target: Expression;
    readonly start: Expression | null;
    readonly stop: Expression | null;
    readonly step: Expression | null;
  };
  FunCall: { readonly name: Expression; readonly args: Arguments };
  /** A target of null stands for the text of a filter or set block. */
  Filter: { readonly target: Expression | null; readonly name: string; readonly args: Arguments };
  Test: { readonly target: Expression; readonly name: string; readonly args: Arguments };
  InlineIf: {
    readonly cond: Expression;
    readonly body: Expression;
    readonly else_: Expression | null;
  };
  Compare: { readonly expr: Expression; readonly ops: readonly Operand[] };
  Concat: { readonly items: readonly Expression[] };
  And: Binary;
  Or: Binary;
  Add: Binary;
  Sub: Binary;
  Mul: Binary;
  Div: Binary;
  FloorDiv: Binary;
  Mod: Binary;
  Pow: Binary;
  Not: Unary;
  Neg: Unary;
  Pos: Unary;
}

interface Binary {
  readonly left: Expression;
  readonly right: Expression;
}

interface Unary {
  readonly target: Expression;
}

export interface DictEntry {
  readonly key: Expression;
  readonly value: Expression;
}

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';

export interface Operand {
  readonly type: Comparison;
  readonly expr: Expression;
}

/** The arguments of a call: positional ones, named ones, `*list` and `**dict`. */
export interface Arguments {
  readonly positional: readonly Expression[];
  readonly keywords: readonly Keyword[];
  readonly star: Expression | null;
  readonly doubleStar: Expression | null;
}

export interface Keyword {
  readonly name: string;
  readonly value: Expression;
}

/** The fields of each kind of statement. */
interface StatementFields {
  Text: { readonly value: string };
  Print: { readonly items: readonly Expression[] };
  If: { readonly branches: readonly Branch[]; readonly else_: Body | null };
  For: {
    readonly target: Target;
    readonly iter: Expression;
    readonly test: Expression | null;
    readonly isRecursive: boolean;
    readonly body: Body;
    readonly else_: Body | null;
  };
  Set: { readonly target: Target; readonly value: Expression };
  SetBlock: { readonly target: Target; readonly filter: FilterNode | null; readonly body: Body };
  With: { readonly bindings: readonly Binding[]; readonly body: Body };
  Macro: { readonly name: string; readonly signature: Signature; readonly body: Body };
  CallBlock: { readonly call: FunCall; readonly signature: Signature; readonly body: Body };
  FilterBlock: { readonly filter: FilterNode; readonly body: Body };
  Autoescape: { readonly value: Expression; readonly body: Body };
  Do: { readonly value: Expression };
  Break: Record<never, never>;
  Continue: Record<never, never>;
}

export interface Branch extends Extent {
  readonly cond: Expression;
  readonly body: Body;
}

export interface Binding {
  readonly target: Target;
  readonly value: Expression;
}

export interface Signature {
  readonly parameters: readonly string[];
  /** Of the last parameters. */
  readonly defaults: readonly Expression[];
}

/** What `set`, `for` and `with` assign to. */
export type Target =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'attribute'; readonly name: string; readonly attribute: string }
  | { readonly kind: 'tuple'; readonly items: readonly Target[] };

/** nunjucks' NodeList. */
export interface Body extends Place {
  readonly typename: 'NodeList' | 'Root';
  readonly children: readonly Statement[];
}

/** Where a statement's own tag stands in the source, as offsets; for messages. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

type NodesOf<Fields> = {
  [Kind in keyof Fields]: Place & { readonly typename: Kind } & Fields[Kind];
};

type ExpressionNodes = NodesOf<ExpressionFields>;
type StatementNodes = NodesOf<StatementFields>;

export type Expression = ExpressionNodes[keyof ExpressionNodes];
export type Statement = StatementNodes[keyof StatementNodes] & Extent;
export type ExpressionOf<K extends keyof ExpressionFields> = ExpressionNodes[K];
export type StatementOf<K extends keyof StatementFields> = StatementNodes[K] & Extent;
export type FunCall = ExpressionNodes['FunCall'];
export type FilterNode = ExpressionNodes['Filter'];

/** The names that a target binds; attributes bind none. */
export function namesIn(target: Target): string[] {
  if (target.kind === 'name') return [target.name];
  return target.kind === 'tuple' ? target.items.flatMap(namesIn) : [];
}

/** The key of a look-up that the template spells out: `a.b` and `a['b']`; null where it is computed. */
export function staticKey(node: ExpressionOf<'LookupVal'>): string | null {
  return node.val.typename === 'Literal' && typeof node.val.value === 'string' ? node.val.value : null;
}
