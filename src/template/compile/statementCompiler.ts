/**
 * Statements as JavaScript, and the whole of a template as a function of the runtime object: the generated
 * function is `function root(rt)`, which returns the text.
 */

import type { MacroShape } from '../values/macro.ts';
import { BodyCompiler, type Position } from './bodyCompiler.ts';
import type { Constant } from './codeWriter.ts';
import { type Body, type Expression, namesIn, type Signature, type StatementOf } from './nodes.ts';
import { Scope } from './scope.ts';
import { type AnyNode, childrenOf } from './walk.ts';

export interface CompiledCode {
  /** The body of a function of `K`, the constants, that returns root. */
  readonly code: string;
  readonly constants: readonly Constant[];
  readonly positions: readonly Position[];
  readonly references: readonly (readonly string[])[];
}

/** Compiles a tree that checkTree has passed. */
export function compileTree(root: Body): CompiledCode {
  const compiler = new StatementCompiler();
  compiler.root(root);
  return {
    code: compiler.getCode(),
    constants: compiler.constants,
    positions: compiler.positions,
    references: compiler.references,
  };
}

class StatementCompiler extends BodyCompiler {
  root(root: Body): void {
    const scope = new Scope(null);
    this._emitLine('"use strict";');
    const constantsAt = this.placeholder();
    this._emitLine('return function root(rt) {');
    const namesAt = this.placeholder();
    this.withTemporaries(() => {
      this.buffer = this._tmpid();
      this._emitLine(`let ${this.buffer} = "";`);
      this.declareAssigned(root, scope, new Set());
      this.body(root, scope);
      this._emitLine(`return ${this.buffer};`);
    });
    this._emitLine('};');
    this.codebuf[namesAt] = Array.from(
      this.contextVariables,
      ([name, variable]) => `const ${variable} = rt.name(${this.constant(name)});\n`,
    ).join('');
    this.codebuf[constantsAt] = this.constants.map((_, at) => `const k${at} = K[${at}];\n`).join('');
  }

  // Control -----------------------------------------------------------------------------------------

  compileIf(node: StatementOf<'If'>, scope: Scope): void {
    for (const branch of node.branches) {
      this.at(branch.cond, branch);
      this._emit('if (');
      this.operation('truth', scope, branch.cond);
      this._emitLine(') {');
      this.body(branch.body, scope);
      this._emitLine('} else {');
    }
    if (node.else_ !== null) this.body(node.else_, scope);
    this._emitLine('}'.repeat(node.branches.length));
  }

  compileFor(node: StatementOf<'For'>, scope: Scope): void {
    this._emitLine('{');
    this.at(node, node);
    const accepts = this.loopFilter(node, scope);
    const items = this._tmpid();
    this._emit(`const ${items} = `);
    this.expression(node.iter, scope);
    this._emitLine(';');
    if (node.isRecursive) this.recursiveLoop(node, scope, accepts, items);
    else this.loop(node, scope, `rt.loop(${items}, ${accepts}, null, 0)`);
    this._emitLine('}');
  }

  /** The condition in a loop's head as a function of an element; the code that names it. */
  protected loopFilter(node: StatementOf<'For'>, scope: Scope): string {
    if (node.test === null) return 'null';
    const { test } = node;
    const accepts = this._tmpid();
    const item = this._tmpid();
    const inner = new Scope(scope);
    this._emitLine(`const ${accepts} = (${item}) => {`);
    this.withTemporaries(() => {
      this.bind(node.target, item, inner);
      this._emit('return ');
      this.operation('truth', inner, test);
      this._emitLine(';');
    });
    this._emitLine('};');
    return accepts;
  }

  /** A recursive loop is a function that calls itself through `loop(…)`. */
  protected recursiveLoop(node: StatementOf<'For'>, scope: Scope, accepts: string, items: string): void {
    const render = this._tmpid();
    const [iterable, depth, place] = [this._tmpid(), this._tmpid(), this._tmpid()];
    const outer = this.buffer;
    this._emitLine(`const ${render} = (${iterable}, ${depth}) => {`);
    this._emitLine(`const ${place} = rt.at;`);
    this.withTemporaries(() => {
      const text = this._pushBuffer();
      this._emitLine('');
      this.loop(node, scope, `rt.loop(${iterable}, ${accepts}, ${render}, ${depth})`);
      this._popBuffer();
      this._emitLine(`rt.at = ${place};`);
      this._emitLine(`return rt.captured(${text});`);
    });
    this._emitLine('};');
    this._emitLine(`${outer} += rt.textOf(${render}(${items}, 0));`);
  }

  protected loop(node: StatementOf<'For'>, scope: Scope, create: string): void {
    const [loop, isEmpty] = [this._tmpid(), this._tmpid()];
    this._emitLine(`const ${loop} = ${create};`);
    if (node.else_ !== null) this._emitLine(`let ${isEmpty} = true;`);
    this._emitLine(`while (${loop}.advance()) {`);
    this._emitLine(`rt.checkLength(${this.buffer});`);
    const inner = new Scope(scope);
    inner.declare('loop', loop);
    this.bind(node.target, `${loop}.item`, inner);
    this.scopedBody(node.body, inner, new Set(namesIn(node.target)));
    // Jinja2 takes a loop for empty until a round has come to its end.
    if (node.else_ !== null) this._emitLine(`${isEmpty} = false;`);
    this._emitLine('}');
    if (node.else_ === null) return;
    this._emitLine(`if (${isEmpty}) {`);
    this.scopedBody(node.else_, new Scope(scope));
    this._emitLine('}');
  }

  compileBreak(): void {
    this._emitLine('break;');
  }

  compileContinue(): void {
    this._emitLine('continue;');
  }

  // Assignment --------------------------------------------------------------------------------------

  compileSet(node: StatementOf<'Set'>, scope: Scope): void {
    this.at(node, node);
    const value = this.temporary();
    this._emit(`${value} = `);
    this.expression(node.value, scope);
    this._emitLine(';');
    this._emitLine('{');
    this.assign(node.target, value, scope);
    this._emitLine('}');
  }

  compileSetBlock(node: StatementOf<'SetBlock'>, scope: Scope): void {
    this._emitLine('{');
    const text = this.capturedBody(node.body, new Scope(scope));
    this.at(node, node);
    const value = this._tmpid();
    this._emit(`const ${value} = `);
    this.blockResult(node.filter, text, scope);
    this._emitLine(';');
    this.assign(node.target, value, scope);
    this._emitLine('}');
  }

  /** The text of a block, through its filter. */
  protected blockResult(filter: Expression | null, text: string, scope: Scope): void {
    const captured = `rt.captured(${text})`;
    if (filter === null) {
      this._emit(captured);
      return;
    }
    const outer = this.blockText;
    this.blockText = captured;
    this.expression(filter, scope);
    this.blockText = outer;
  }

  compileFilterBlock(node: StatementOf<'FilterBlock'>, scope: Scope): void {
    this._emitLine('{');
    const inner = new Scope(scope);
    const text = this.capturedBody(node.body, inner);
    this.at(node, node);
    this._emit(`${this.buffer} += rt.print(`);
    this.blockResult(node.filter, text, inner);
    this._emitLine(');');
    this._emitLine('}');
  }

  compileWith(node: StatementOf<'With'>, scope: Scope): void {
    this._emitLine('{');
    const inner = new Scope(scope);
    const values = node.bindings.map(({ value }) => {
      const variable = this._tmpid();
      this.at(node, node);
      this._emit(`const ${variable} = `);
      this.expression(value, scope);
      this._emitLine(';');
      return variable;
    });
    for (const [place, { target }] of node.bindings.entries()) this.bind(target, values[place] ?? '', inner);
    const bound = new Set(node.bindings.flatMap(({ target }) => namesIn(target)));
    this.scopedBody(node.body, inner, bound);
    this._emitLine('}');
  }

  compileAutoescape(node: StatementOf<'Autoescape'>, scope: Scope): void {
    const outer = this._tmpid();
    this.at(node, node);
    this._emitLine(`{ const ${outer} = rt.autoescape;`);
    this._emit('rt.autoescape = ');
    this.operation('truth', scope, node.value);
    this._emitLine('; try {');
    this.scopedBody(node.body, new Scope(scope));
    this._emitLine(`} finally { rt.autoescape = ${outer}; } }`);
  }

  // Macros --------------------------------------------------------------------------------------------

  compileMacro(node: StatementOf<'Macro'>, scope: Scope): void {
    const macro = this.macro(node.name, node, scope);
    this._emitLine(`${scope.find(node.name)} = ${macro};`);
  }

  compileCallBlock(node: StatementOf<'CallBlock'>, scope: Scope): void {
    this._emitLine('{');
    const caller = this.macro('caller', node, scope);
    this.at(node, node);
    this._emit(`${this.buffer} += `);
    const isNamed = node.call.name.typename === 'Symbol';
    if (!isNamed) this._emit('rt.print(');
    this.call('printCall', node.call, scope, caller);
    this._emitLine(isNamed ? ';' : ');');
    this._emitLine('}');
  }

  /** Writes a macro and gives the variable that holds it. */
  protected macro(name: string, node: StatementOf<'Macro'> | StatementOf<'CallBlock'>, scope: Scope): string {
    const shape = shapeOf(name, node);
    const [macro, given, place] = [this._tmpid(), this._tmpid(), this._tmpid()];
    const inner = new Scope(scope);
    this._emitLine(`const ${macro} = rt.macro(${this.constant(shape)}, (${given}) => {`);
    this._emitLine(`const ${place} = rt.at;`);
    this.withTemporaries(() => {
      const names = parameterNames(shape);
      for (const [at, parameter] of names.entries()) {
        const variable = this._tmpid();
        inner.declare(parameter, variable);
        this._emitLine(`let ${variable} = ${given}[${at}];`);
      }
      this.defaults(node.signature, inner);
      const text = this._pushBuffer();
      this._emitLine('');
      this.scopedBody(node.body, inner, new Set(names));
      this._popBuffer();
      this._emitLine(`rt.checkLength(${text});`);
      this._emitLine(`rt.at = ${place};`);
      this._emitLine(`return ${text};`);
    });
    this._emitLine('});');
    return macro;
  }

  protected defaults({ parameters, defaults }: Signature, scope: Scope): void {
    const first = parameters.length - defaults.length;
    for (const [at, parameter] of parameters.entries()) {
      const variable = scope.find(parameter);
      const value = defaults[at - first];
      this._emit(`if (${variable} === undefined) ${variable} = `);
      if (value === undefined) this._emit(`rt.noArgument(${this.constant(parameter)})`);
      else this.expression(value, scope);
      this._emitLine(';');
    }
  }
}

/** The variables of a macro's body, in the order in which Macro passes their values. */
function parameterNames(shape: MacroShape): string[] {
  const names = [...shape.parameters];
  if (shape.takesCaller) names.push('caller');
  if (shape.takesKeywords) names.push('kwargs');
  if (shape.takesVarargs) names.push('varargs');
  return names;
}

/** A macro takes a caller, further keywords or further arguments if its body speaks of them. */
function shapeOf(name: string, node: StatementOf<'Macro'> | StatementOf<'CallBlock'>): MacroShape {
  const { parameters } = node.signature;
  const used = new Set<string>();
  for (const statement of node.body.children) collectSymbols(statement, used);
  const takes = (special: string): boolean => used.has(special) && !parameters.includes(special);
  return {
    name,
    parameters,
    takesCaller: takes('caller'),
    takesKeywords: takes('kwargs'),
    takesVarargs: takes('varargs'),
  };
}

function collectSymbols(node: AnyNode, names: Set<string>): void {
  if (node.typename === 'Symbol') names.add(node.value);
  for (const child of childrenOf(node) ?? []) collectSymbols(child, names);
}
