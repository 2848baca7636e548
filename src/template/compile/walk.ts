/** The children of every kind of node, in one place, for whoever walks the tree. */

import type { Arguments, Body, Expression, Signature, Statement } from './nodes.ts';

export type AnyNode = Expression | Statement;

function ofArguments(args: Arguments): Expression[] {
  return [
    ...args.positional,
    ...args.keywords.map((keyword) => keyword.value),
    ...(args.star === null ? [] : [args.star]),
    ...(args.doubleStar === null ? [] : [args.doubleStar]),
  ];
}

function some(...nodes: readonly (Expression | null)[]): Expression[] {
  return nodes.filter((node) => node !== null);
}

function inBody(body: Body | null): readonly Statement[] {
  return body?.children ?? [];
}

function inSignature(signature: Signature): readonly Expression[] {
  return signature.defaults;
}

/** A node's children; undefined for a kind of node that this engine does not know. */
export function childrenOf(node: AnyNode): readonly AnyNode[] | undefined {
  return expressionChildren(node as Expression) ?? statementChildren(node as Statement);
}

function expressionChildren(node: Expression): readonly AnyNode[] | undefined {
  switch (node.typename) {
    case 'Literal':
    case 'Symbol':
      return [];
    case 'List':
    case 'TupleLiteral':
    case 'Concat':
      return node.items;
    case 'DictLiteral':
      return node.entries.flatMap(({ key, value }) => [key, value]);
    case 'LookupVal':
      return [node.target, node.val];
    case 'Slice':
      return some(node.target, node.start, node.stop, node.step);
    case 'FunCall':
      return [node.name, ...ofArguments(node.args)];
    case 'Filter':
    case 'Test':
      return [...some(node.target), ...ofArguments(node.args)];
    case 'InlineIf':
      return some(node.cond, node.body, node.else_);
    case 'Compare':
      return [node.expr, ...node.ops.map((operand) => operand.expr)];
    case 'Not':
    case 'Neg':
    case 'Pos':
      return [node.target];
    case 'And':
    case 'Or':
    case 'Add':
    case 'Sub':
    case 'Mul':
    case 'Div':
    case 'FloorDiv':
    case 'Mod':
    case 'Pow':
      return [node.left, node.right];
    default:
      return undefined;
  }
}

function statementChildren(node: Statement): readonly AnyNode[] | undefined {
  switch (node.typename) {
    case 'Text':
    case 'Break':
    case 'Continue':
      return [];
    case 'Print':
      return node.items;
    case 'If':
      return [...node.branches.flatMap(({ cond, body }) => [cond, ...inBody(body)]), ...inBody(node.else_)];
    case 'For':
      return [node.iter, ...some(node.test), ...inBody(node.body), ...inBody(node.else_)];
    case 'Set':
    case 'Do':
      return [node.value];
    case 'SetBlock':
      return [...some(node.filter), ...inBody(node.body)];
    case 'With':
      return [...node.bindings.map((binding) => binding.value), ...inBody(node.body)];
    case 'Macro':
      return [...inSignature(node.signature), ...inBody(node.body)];
    case 'CallBlock':
      return [node.call, ...inSignature(node.signature), ...inBody(node.body)];
    case 'FilterBlock':
      return [node.filter, ...inBody(node.body)];
    case 'Autoescape':
      return [node.value, ...inBody(node.body)];
    default:
      return undefined;
  }
}
