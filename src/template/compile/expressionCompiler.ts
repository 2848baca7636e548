/** Expressions as JavaScript: each kind of node, by the name under which nunjucks' Compiler dispatches. */

import { filters } from '../filters/filters.ts';
import { tests } from '../tests.ts';
import type { Callable } from '../values/callable.ts';
import { CodeWriter } from './codeWriter.ts';
import { type Arguments, type Comparison, type Expression, type ExpressionOf, staticKey } from './nodes.ts';
import type { Scope } from './scope.ts';
import { SourceError } from './syntaxError.ts';

/** The runtime's method for each comparison. */
const COMPARISONS: Readonly<Record<Comparison, string>> = {
  '==': 'eq',
  '!=': 'ne',
  '<': 'lt',
  '<=': 'le',
  '>': 'gt',
  '>=': 'ge',
  in: 'isIn',
  'not in': 'isNotIn',
};

export class ExpressionCompiler extends CodeWriter {
  /** The code of the text whose filter is being written: that of a filter or set block. */
  protected blockText = '';

  compileLiteral(node: ExpressionOf<'Literal'>): void {
    const { value } = node;
    const isWord = value === null || typeof value === 'boolean';
    this._emit(isWord ? String(value) : this.constant(value));
  }

  compileSymbol(node: ExpressionOf<'Symbol'>, scope: Scope): void {
    if (scope.find(node.value) === null) this.references.push([node.value]);
    this._emit(this.variable(node.value, scope));
  }

  compileList(node: ExpressionOf<'List'>, scope: Scope): void {
    this._emit('rt.list([');
    this.list(node.items, scope);
    this._emit('])');
  }

  compileTupleLiteral(node: ExpressionOf<'TupleLiteral'>, scope: Scope): void {
    this._emit('rt.tuple([');
    this.list(node.items, scope);
    this._emit('])');
  }

  compileDictLiteral(node: ExpressionOf<'DictLiteral'>, scope: Scope): void {
    this._emit('rt.dict([');
    for (const { key, value } of node.entries) {
      this._emit('[');
      this.list([key, value], scope);
      this._emit('], ');
    }
    this._emit('])');
  }

  // Look-ups and calls --------------------------------------------------------------------------------

  compileLookupVal(node: ExpressionOf<'LookupVal'>, scope: Scope): void {
    const path = this.contextPath(node, scope);
    if (path !== null) this.references.push(path);
    this.lookup(node, scope, path !== null);
  }

  /** Writes a look-up. What a recorded path goes through is not recorded again. */
  protected lookup(node: ExpressionOf<'LookupVal'>, scope: Scope, isRecorded: boolean): void {
    const key = staticKey(node);
    this._emit(key === null ? 'rt.item(' : 'rt.attribute(');
    this.lookupTarget(node.target, scope, isRecorded);
    this._emit(', ');
    if (key === null) this.expression(node.val, scope);
    else this._emit(this.constant(key));
    this._emit(')');
  }

  protected lookupTarget(target: Expression, scope: Scope, isRecorded: boolean): void {
    if (!isRecorded) this.expression(target, scope);
    else if (target.typename === 'LookupVal') this.lookup(target, scope, true);
    else if (target.typename === 'Symbol') this._emit(this.variable(target.value, scope));
    else this.expression(target, scope);
  }

  /** The path of a chain of spelled-out look-ups that begins at a name of the data, else null. */
  protected contextPath(node: Expression, scope: Scope): string[] | null {
    if (node.typename === 'Symbol') return scope.find(node.value) === null ? [node.value] : null;
    if (node.typename !== 'LookupVal') return null;
    const path = this.contextPath(node.target, scope);
    const key = staticKey(node);
    return path === null || key === null ? null : [...path, key];
  }

  compileSlice(node: ExpressionOf<'Slice'>, scope: Scope): void {
    this.operation('slice', scope, node.target, node.start, node.stop, node.step);
  }

  compileFunCall(node: ExpressionOf<'FunCall'>, scope: Scope): void {
    this.call('call', node, scope, null);
  }

  /** A call; `caller` is the variable of a call block's body, passed on as the argument `caller`. */
  protected call(method: string, node: ExpressionOf<'FunCall'>, scope: Scope, caller: string | null): void {
    const callee = node.name;
    const name = callee.typename === 'LookupVal' ? staticKey(callee) : null;
    if (callee.typename === 'LookupVal' && name !== null) {
      this._emit('rt.method(');
      this.expression(callee.target, scope);
      this._emit(`, ${this.constant(name)}, `);
    } else {
      this._emit(`rt.${method}(`);
      this.expression(callee, scope);
      this._emit(', ');
    }
    this.arguments(node.args, scope, null, caller);
    this._emit(')');
  }

  /** `[positional…], keywords`; `first` writes an argument that goes before the others. */
  protected arguments(
    args: Arguments,
    scope: Scope,
    first: (() => void) | null,
    caller: string | null,
  ): void {
    this._emit('[');
    first?.();
    if (first !== null) this._emit(', ');
    this.list(args.positional, scope);
    if (args.star !== null) {
      this._emit(args.positional.length > 0 ? ', ...' : '...');
      this.operation('spread', scope, args.star);
    }
    this._emit('], ');
    this.keywords(args, scope, caller);
  }

  protected keywords(args: Arguments, scope: Scope, caller: string | null): void {
    if (args.keywords.length === 0 && args.doubleStar === null && caller === null) {
      this._emit('null');
      return;
    }
    this._emit('rt.keywords([');
    for (const { name, value } of args.keywords) {
      this._emit(`[${this.constant(name)}, `);
      this.expression(value, scope);
      this._emit('], ');
    }
    if (caller !== null) this._emit(`[${this.constant('caller')}, ${caller}]`);
    this._emit('], ');
    if (args.doubleStar === null) this._emit('null');
    else this.expression(args.doubleStar, scope);
    this._emit(')');
  }

  compileFilter(node: ExpressionOf<'Filter'>, scope: Scope): void {
    this.named(filters.get(node.name), node, scope);
  }

  compileTest(node: ExpressionOf<'Test'>, scope: Scope): void {
    this.named(tests.get(node.name), node, scope);
  }

  protected named(
    operation: Callable | undefined,
    node: ExpressionOf<'Filter'> | ExpressionOf<'Test'>,
    scope: Scope,
  ): void {
    if (operation === undefined) throw new SourceError(`'${node.name}' does not exist`, node);
    this._emit(`rt.apply(${this.constant(operation)}, `);
    const writeTarget = (): void => {
      if (node.target === null) this._emit(this.blockText);
      else this.expression(node.target, scope);
    };
    this.arguments(node.args, scope, writeTarget, null);
    this._emit(')');
  }

  // Operators ---------------------------------------------------------------------------------------

  compileInlineIf(node: ExpressionOf<'InlineIf'>, scope: Scope): void {
    this._emit('(');
    this.operation('truth', scope, node.cond);
    this._emit(' ? ');
    this.expression(node.body, scope);
    this._emit(' : ');
    if (node.else_ === null) this._emit('rt.noElse()');
    else this.expression(node.else_, scope);
    this._emit(')');
  }

  compileAnd(node: ExpressionOf<'And'>, scope: Scope): void {
    this.shortCircuit(node, scope, true);
  }

  compileOr(node: ExpressionOf<'Or'>, scope: Scope): void {
    this.shortCircuit(node, scope, false);
  }

  /** Python's `and` and `or` give back an operand, not a boolean. */
  protected shortCircuit(node: ExpressionOf<'And'> | ExpressionOf<'Or'>, scope: Scope, isAnd: boolean): void {
    const left = this.temporary();
    this._emit(`(rt.truth(${left} = `);
    this.expression(node.left, scope);
    this._emit(isAnd ? ') ? ' : `) ? ${left} : `);
    this.expression(node.right, scope);
    this._emit(isAnd ? ` : ${left})` : ')');
  }

  compileNot(node: ExpressionOf<'Not'>, scope: Scope): void {
    this._emit('!');
    this.operation('truth', scope, node.target);
  }

  /** `a < b < c` compares b once with each side and evaluates it once. */
  compileCompare(node: ExpressionOf<'Compare'>, scope: Scope): void {
    this._emit('(');
    let left: string | null = null;
    for (const [place, { type, expr }] of node.ops.entries()) {
      const isLast = place === node.ops.length - 1;
      const kept: string | null = isLast ? null : this.temporary();
      this._emit(`${place > 0 ? ' && ' : ''}rt.${COMPARISONS[type]}(`);
      if (left === null) this.expression(node.expr, scope);
      else this._emit(left);
      this._emit(kept === null ? ', ' : `, ${kept} = `);
      this.expression(expr, scope);
      this._emit(')');
      left = kept;
    }
    this._emit(')');
  }

  compileConcat(node: ExpressionOf<'Concat'>, scope: Scope): void {
    this._emit('rt.concat([');
    this.list(node.items, scope);
    this._emit('])');
  }

  compileAdd(node: ExpressionOf<'Add'>, scope: Scope): void {
    this.operation('add', scope, node.left, node.right);
  }

  compileSub(node: ExpressionOf<'Sub'>, scope: Scope): void {
    this.operation('subtract', scope, node.left, node.right);
  }

  compileMul(node: ExpressionOf<'Mul'>, scope: Scope): void {
    this.operation('multiply', scope, node.left, node.right);
  }

  compileDiv(node: ExpressionOf<'Div'>, scope: Scope): void {
    this.operation('divide', scope, node.left, node.right);
  }

  compileFloorDiv(node: ExpressionOf<'FloorDiv'>, scope: Scope): void {
    this.operation('floorDivide', scope, node.left, node.right);
  }

  compileMod(node: ExpressionOf<'Mod'>, scope: Scope): void {
    this.operation('modulo', scope, node.left, node.right);
  }

  compilePow(node: ExpressionOf<'Pow'>, scope: Scope): void {
    this.operation('power', scope, node.left, node.right);
  }

  compileNeg(node: ExpressionOf<'Neg'>, scope: Scope): void {
    this.operation('negate', scope, node.target);
  }

  compilePos(node: ExpressionOf<'Pos'>, scope: Scope): void {
    this.operation('plus', scope, node.target);
  }
}
