/**
 * Jinja2's operators, in Jinja2's order of precedence. The levels of `or` and `and` are nunjucks' own; those
 * below differ from it too much and are written anew.
 */

import type { Comparison, Expression, Operand } from './nodes.ts';
import { tokens } from './nunjucks.ts';
import { OperandParser } from './operandParser.ts';
import { at } from './tokenReader.ts';

const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=']);
const PRODUCTS = [
  ['*', 'Mul'],
  ['/', 'Div'],
  ['//', 'FloorDiv'],
  ['%', 'Mod'],
] as const;

export class ExpressionParser extends OperandParser {
  override parseExpression(): Expression {
    return this.nested(() => this.parseConditional());
  }

  protected parseConditional(): Expression {
    const place = this.here();
    let node = this.parseAnyOr();
    while (this.skipSymbol('if')) {
      const cond = this.parseAnyOr();
      const else_ = this.skipSymbol('else') ? this.nested(() => this.parseConditional()) : null;
      node = { ...at(place), typename: 'InlineIf', cond, body: node, else_ };
    }
    return node;
  }

  /** nunjucks' `or` and `and` levels, which lead to parseNot below. */
  protected parseAnyOr(): Expression {
    return super.parseOr() as Expression;
  }

  override parseNot(): Expression {
    const place = this.here();
    if (!this.skipSymbol('not')) return this.parseCompare();
    return { ...at(place), typename: 'Not', target: this.nested(() => this.parseNot()) };
  }

  protected parseCompare(): Expression {
    const place = this.here();
    const expr = this.parseSum();
    const ops: Operand[] = [];
    for (let type = this.takeComparison(); type !== null; type = this.takeComparison()) {
      ops.push({ type, expr: this.parseSum() });
    }
    return ops.length === 0 ? expr : { ...at(place), typename: 'Compare', expr, ops };
  }

  protected takeComparison(): Comparison | null {
    if (this.skipSymbol('in')) return 'in';
    const token = this.nextToken();
    if (token?.type === tokens.operator && COMPARISONS.has(String(token.value))) {
      return token.value as Comparison;
    }
    if (token?.type === tokens.symbol && token.value === 'not') {
      if (this.skipSymbol('in')) return 'not in';
      this.fail("expected 'in' after 'not'");
    }
    this.pushToken(token);
    return null;
  }

  protected parseSum(): Expression {
    const place = this.here();
    let node = this.parseConcat();
    for (;;) {
      if (this.skipValue(tokens.operator, '+')) {
        node = { ...at(place), typename: 'Add', left: node, right: this.parseConcat() };
      } else if (this.skipValue(tokens.operator, '-')) {
        node = { ...at(place), typename: 'Sub', left: node, right: this.parseConcat() };
      } else return node;
    }
  }

  protected parseConcat(): Expression {
    const place = this.here();
    const first = this.parseProduct();
    const items = [first];
    while (this.skip(tokens.tilde)) items.push(this.parseProduct());
    return items.length === 1 ? first : { ...at(place), typename: 'Concat', items };
  }

  protected parseProduct(): Expression {
    const place = this.here();
    let node = this.parsePower();
    for (;;) {
      const operator = PRODUCTS.find(([sign]) => this.skipValue(tokens.operator, sign));
      if (operator === undefined) return node;
      node = { ...at(place), typename: operator[1], left: node, right: this.parsePower() };
    }
  }

  protected parsePower(): Expression {
    const place = this.here();
    let node = this.parseUnary(true);
    while (this.skipValue(tokens.operator, '**')) {
      node = { ...at(place), typename: 'Pow', left: node, right: this.parseUnary(true) };
    }
    return node;
  }

  /** A sign binds tighter than a filter: `-x|abs` is `(-x)|abs`. */
  protected parseUnary(hasFilters: boolean): Expression {
    const node = this.parseFollowers(this.parseSigned());
    return hasFilters ? this.parseFiltersAndTests(node) : node;
  }

  protected parseSigned(): Expression {
    const place = this.here();
    if (this.skipValue(tokens.operator, '-')) {
      return { ...at(place), typename: 'Neg', target: this.nested(() => this.parseUnary(false)) };
    }
    if (this.skipValue(tokens.operator, '+')) {
      return { ...at(place), typename: 'Pos', target: this.nested(() => this.parseUnary(false)) };
    }
    return this.parsePrimary();
  }
}
