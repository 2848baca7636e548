/**
 * Jinja2's scopes, resolved while compiling: every name that a scope assigns becomes a variable of the
 * generated code, every other name leads outwards and finally to the data a rendering is given.
 *
 * What a scope assigns anywhere belongs to it everywhere: on entry such a variable takes the value that
 * the name has outside. So `{% set c = c + x %}` in a loop reads the outer c in each round.
 */

import { type Body, type Expression, namesIn, type Statement } from './nodes.ts';
import { childrenOf } from './walk.ts';

export class Scope {
  readonly parent: Scope | null;
  readonly #variables = new Map<string, string>();

  constructor(parent: Scope | null) {
    this.parent = parent;
  }

  declare(name: string, variable: string): void {
    this.#variables.set(name, variable);
  }

  /** The variable that a name stands for; null where no scope assigns it. */
  find(name: string): string | null {
    return this.#variables.get(name) ?? this.parent?.find(name) ?? null;
  }
}

/** Names assigned in a scope, and whether each begins with the value that it has in the data. */
export type Assigned = ReadonlyMap<string, boolean>;

/**
 * What statements assign in their own scope: `if` opens none, everything else does.
 *
 * A name that no outer scope assigns begins with its value in the data if it is read before it is
 * assigned, or assigned in an `if` only; else it begins undefined. That shows where a macro or an inner
 * scope reads it early; Jinja2 is followed in it.
 */
export function assignedNames(statements: readonly Statement[]): Assigned {
  const analysis = new Analysis();
  analysis.visit(statements);
  return analysis.assigned;
}

class Analysis {
  readonly assigned = new Map<string, boolean>();
  readonly #read: Set<string>;

  constructor(read: Iterable<string> = []) {
    this.#read = new Set(read);
  }

  visit(statements: readonly Statement[]): void {
    for (const statement of statements) {
      if (statement.typename === 'If') this.#branches(statement);
      else {
        for (const expression of ownExpressions(statement)) this.#reads(expression);
        for (const name of ownNames(statement)) this.#assigns(name);
      }
    }
  }

  #branches(statement: Statement & { readonly typename: 'If' }): void {
    const bodies: Body[] = statement.branches.map((branch) => branch.body);
    if (statement.else_ !== null) bodies.push(statement.else_);
    for (const branch of statement.branches) this.#reads(branch.cond);
    const inner = bodies.map((body) => {
      const analysis = new Analysis(this.#read);
      analysis.visit(body.children);
      return analysis;
    });
    for (const analysis of inner) {
      for (const name of analysis.assigned.keys())
        if (!this.assigned.has(name)) this.assigned.set(name, true);
      for (const name of analysis.#read) this.#read.add(name);
    }
  }

  #reads(node: Expression): void {
    if (node.typename === 'Symbol') this.#read.add(node.value);
    // The children of an expression are expressions.
    for (const child of childrenOf(node) ?? []) this.#reads(child as Expression);
  }

  #assigns(name: string): void {
    if (!this.assigned.has(name)) this.assigned.set(name, this.#read.has(name));
  }
}

/** The expressions of a statement that are evaluated in the scope it stands in. */
function ownExpressions(statement: Statement): readonly Expression[] {
  switch (statement.typename) {
    case 'Print':
      return statement.items;
    case 'Set':
    case 'Do':
      return [statement.value];
    case 'For':
      return [statement.iter];
    case 'With':
      return statement.bindings.map((binding) => binding.value);
    case 'CallBlock':
      return [statement.call];
    case 'FilterBlock':
      return [statement.filter];
    default:
      return [];
  }
}

function ownNames(statement: Statement): readonly string[] {
  if (statement.typename === 'Macro') return [statement.name];
  const assigns = statement.typename === 'Set' || statement.typename === 'SetBlock';
  return assigns ? namesIn(statement.target) : [];
}
