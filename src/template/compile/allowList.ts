/**
 * The first wall: before anything is compiled, every node of the tree must be of a known kind, every
 * literal a plain value, every filter, test and method one that exists, and the whole of bounded size.
 * It trusts nothing that the parser did; the later walls trust nothing that is done here.
 */

import { filters } from '../filters/filters.ts';
import { sourceLimits } from '../limits.ts';
import { isMethodName } from '../methods/attributes.ts';
import { tests } from '../tests.ts';
import { Float } from '../values/number.ts';
import { type Body, type ExpressionOf, staticKey } from './nodes.ts';
import { SourceError } from './syntaxError.ts';
import { type AnyNode, childrenOf } from './walk.ts';

/** Throws a SourceError for the first node that is not allowed. */
export function checkTree(root: Body): void {
  let count = 0;
  const waiting: { node: AnyNode; depth: number }[] = root.children.map((node) => ({ node, depth: 1 }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, depth } = next;
    count += 1;
    if (count > sourceLimits.nodes) {
      throw new SourceError(`the template has more than ${sourceLimits.nodes} parts`, node);
    }
    if (depth > sourceLimits.depth) {
      throw new SourceError(`the template is nested deeper than ${sourceLimits.depth} levels`, node);
    }
    checkNode(node);
    const children = childrenOf(node);
    if (children === undefined) throw new SourceError('this is not allowed in a template', node);
    for (const child of children) waiting.push({ node: child, depth: depth + 1 });
  }
}

function checkNode(node: AnyNode): void {
  switch (node.typename) {
    case 'Literal':
      if (!isPlain(node.value)) throw new SourceError('this literal is not allowed in a template', node);
      return;
    case 'Filter':
      if (!filters.has(node.name)) throw unknown('filter', node.name, node);
      return;
    case 'Test':
      if (!tests.has(node.name)) throw unknown('test', node.name, node);
      return;
    case 'FunCall':
      checkCallee(node);
      return;
    default:
  }
}

function isPlain(value: unknown): boolean {
  return value === null || value instanceof Float || PLAIN.has(typeof value);
}

const PLAIN: ReadonlySet<string> = new Set(['string', 'number', 'bigint', 'boolean']);

/** A call names what it calls: a function or macro by its name, or a method that exists. */
function checkCallee(node: ExpressionOf<'FunCall'>): void {
  const callee = node.name;
  if (callee.typename === 'Symbol') return;
  if (callee.typename !== 'LookupVal') {
    throw new SourceError('only names and methods can be called', node, 'TypeError');
  }
  const method = staticKey(callee);
  if (method === null) {
    throw new SourceError('a method must be called by its name', node, 'SecurityError');
  }
  if (!isMethodName(method)) {
    throw new SourceError(`no value has a method '${method}'`, callee, 'UndefinedError');
  }
}

function unknown(kind: string, name: string, node: AnyNode): SourceError {
  return new SourceError(`No ${kind} named '${name}'.`, node, 'TemplateAssertionError');
}
