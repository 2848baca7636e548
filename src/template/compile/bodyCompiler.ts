/**
 * Bodies as JavaScript: text and output, the scopes that bodies open (see scope.ts), and assignment to what
 * those declare. Before each tag is done, `rt.at` is told which one it is, so that an error can name it.
 */

import { ExpressionCompiler } from './expressionCompiler.ts';
import { type Body, type Expression, type Extent, namesIn, type StatementOf, type Target } from './nodes.ts';
import type { Place } from './nunjucks.ts';
import { assignedNames, type Scope } from './scope.ts';

/** A place that errors can name: where, and the offsets of the tag. */
export interface Position extends Place, Extent {}

export class BodyCompiler extends ExpressionCompiler {
  readonly positions: Position[] = [];

  protected placeholder(): number {
    this._emit('');
    return this.codebuf.length - 1;
  }

  protected body(body: Body, scope: Scope): void {
    for (const statement of body.children) this.compile(statement, scope);
  }

  /** Writes which tag comes next, for messages. */
  protected at(place: Place, extent: Extent): void {
    const { lineno, colno } = place;
    this._emitLine(`rt.at = ${this.positions.length};`);
    this.positions.push({ lineno, colno, start: extent.start, end: extent.end });
  }

  /** Declares what a body assigns in its scope, with the values those names have on entry. */
  protected declareAssigned(body: Body, scope: Scope, bound: ReadonlySet<string>): void {
    for (const [name, isRead] of assignedNames(body.children)) {
      if (bound.has(name)) continue;
      const variable = this._tmpid();
      const outer = scope.parent?.find(name) ?? this.initialValue(name, isRead);
      this._emitLine(`let ${variable} = ${outer};`);
      scope.declare(name, variable);
    }
  }

  /** What a name that the template assigns begins with: its value in the data if that is read. */
  protected initialValue(name: string, isRead: boolean): string {
    if (!isRead) return `rt.unset(${this.constant(name)})`;
    this.references.push([name]);
    return this.contextVariable(name);
  }

  /** A body in a scope of its own, within the braces of the caller. */
  protected scopedBody(body: Body, scope: Scope, bound: ReadonlySet<string> = new Set()): void {
    this.declareAssigned(body, scope, bound);
    this.body(body, scope);
  }

  /** A body whose text goes to a variable of its own; gives that variable. */
  protected capturedBody(body: Body, scope: Scope): string {
    const text = this._pushBuffer();
    this._emitLine('');
    this.scopedBody(body, scope);
    this._popBuffer();
    return text;
  }

  /** Declares the names of a target and gives them the value of a piece of code. */
  protected bind(target: Target, code: string, scope: Scope): void {
    for (const name of namesIn(target)) scope.declare(name, this._tmpid());
    const variables = namesIn(target).map((name) => scope.find(name));
    if (variables.length > 0) this._emitLine(`let ${Array.from(new Set(variables)).join(', ')};`);
    this.assign(target, code, scope);
  }

  /** Gives the names of a target, all declared, the value of a piece of code. */
  protected assign(target: Target, code: string, scope: Scope): void {
    switch (target.kind) {
      case 'name':
        this._emitLine(`${scope.find(target.name)} = ${code};`);
        break;
      case 'attribute': {
        const namespace = this.variable(target.name, scope);
        this._emitLine(`rt.assign(${namespace}, ${this.constant(target.attribute)}, ${code});`);
        break;
      }
      case 'tuple': {
        const parts = this._tmpid();
        this._emitLine(`const ${parts} = rt.unpack(${code}, ${target.items.length});`);
        for (const [place, item] of target.items.entries()) this.assign(item, `${parts}[${place}]`, scope);
      }
    }
  }

  // Text and output ---------------------------------------------------------------------------------

  compileText(node: StatementOf<'Text'>): void {
    this._emitLine(`${this.buffer} += ${this.constant(node.value)};`);
  }

  compilePrint(node: StatementOf<'Print'>, scope: Scope): void {
    for (const item of node.items) {
      this.at(node, node);
      this._emit(`${this.buffer} += `);
      this.print(item, scope);
      this._emitLine(';');
    }
  }

  /** What a macro returns is text already; the runtime tells it from other values. */
  protected print(item: Expression, scope: Scope): void {
    if (item.typename === 'FunCall' && item.name.typename === 'Symbol') {
      this.call('printCall', item, scope, null);
    } else this.operation('print', scope, item);
  }

  compileDo(node: StatementOf<'Do'>, scope: Scope): void {
    this.at(node.value, node);
    this.expression(node.value, scope);
    this._emitLine(';');
  }
}
