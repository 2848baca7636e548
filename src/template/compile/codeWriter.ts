/**
 * nunjucks' Compiler as a writer of code: its dispatch by node and its code buffer, with what keeps the
 * code apart from the template.
 *
 * No text of a template ever becomes code. Names and strings are put into a table of constants and
 * stand in the code as `k0`, `k1`, …; variables are `t_1`, `t_2`, …; everything that is done with values is
 * a call of the runtime object `rt`. The code therefore consists of words written in this folder.
 */

import type { Callable } from '../values/callable.ts';
import type { MacroShape } from '../values/macro.ts';
import type { Value } from '../values/value.ts';
import type { Expression } from './nodes.ts';
import { Compiler } from './nunjucks.ts';
import type { Scope } from './scope.ts';

export type Constant = Value | Callable | MacroShape;

export class CodeWriter extends Compiler {
  readonly constants: Constant[] = [];
  /** Paths into the data that the template reads: the name, then the keys that are spelled out. */
  readonly references: string[][] = [];
  /** The variables that hold names of the data, by name. */
  protected readonly contextVariables = new Map<string, string>();
  /** Temporary variables of the function being written, and of those around it. */
  protected readonly temporaries: string[][] = [];
  readonly #constantNames = new Map<unknown, string>();

  constructor() {
    super(null, false);
  }

  /** Writes an expression. */
  protected expression(node: Expression, scope: Scope): void {
    this.compile(node, scope);
  }

  /** The name under which the code knows a constant. */
  protected constant(value: Constant): string {
    const known = this.#constantNames.get(value);
    if (known !== undefined) return known;
    const name = `k${this.constants.length}`;
    this.constants.push(value);
    this.#constantNames.set(value, name);
    return name;
  }

  protected temporary(): string {
    const name = this._tmpid();
    this.temporaries.at(-1)?.push(name);
    return name;
  }

  /** Writes a body of code whose temporaries are declared at its head. */
  protected withTemporaries(write: () => void): void {
    const place = this.codebuf.length;
    this._emit('');
    this.temporaries.push([]);
    write();
    const names = this.temporaries.pop() ?? [];
    if (names.length > 0) this.codebuf[place] = `let ${names.join(', ')};\n`;
  }

  /** `rt.method(first, second, …)` of expressions. */
  protected operation(method: string, scope: Scope, ...operands: readonly (Expression | null)[]): void {
    this._emit(`rt.${method}(`);
    for (const [place, operand] of operands.entries()) {
      if (place > 0) this._emit(', ');
      if (operand === null) this._emit('null');
      else this.expression(operand, scope);
    }
    this._emit(')');
  }

  /** Expressions with commas between them. */
  protected list(items: readonly Expression[], scope: Scope): void {
    for (const [place, item] of items.entries()) {
      if (place > 0) this._emit(', ');
      this.expression(item, scope);
    }
  }

  /** The variable that a name stands for; a name that no scope assigns is looked up in the data once. */
  protected variable(name: string, scope: Scope): string {
    return scope.find(name) ?? this.contextVariable(name);
  }

  protected contextVariable(name: string): string {
    const known = this.contextVariables.get(name);
    if (known !== undefined) return known;
    const variable = this._tmpid();
    this.contextVariables.set(name, variable);
    return variable;
  }
}
