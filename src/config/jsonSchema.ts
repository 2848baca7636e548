/**
 * What an editor must know beyond the schema of the parsed file: that a variable may stand for any scalar, and
 * that a webhook may be an export of Peering Manager or NetBox.
 */
import { EXPORT_KEYS, EXPORT_MARKERS } from './exports.ts';

type Node = Readonly<Record<string, unknown>>;

/** `${NAME}` and `${file:…}` are resolved before the shape is looked at. */
const VARIABLE: Node = { type: 'string', pattern: '\\$\\{', description: 'A variable.' };
/** What a schema says of a scalar beyond its type. */
const CONSTRAINTS = ['enum', 'const', 'pattern', 'format'];
/** Where schemas stand within a schema: by name, as one, as a list. */
const BY_NAME = ['properties', '$defs'];
const ONE = ['items', 'additionalProperties'];
const LISTS = ['anyOf', 'oneOf', 'allOf', 'prefixItems'];

/** Every scalar that is not any text may also be a variable. */
export function withVariables(node: Node): Node {
  const inner = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, mapped(key, value)]));
  if (!isConstrainedScalar(inner)) return inner;
  const { description, default: preset, ...rest } = inner;
  return {
    ...(description === undefined ? {} : { description }),
    ...(preset === undefined ? {} : { default: preset }),
    anyOf: [rest, VARIABLE],
  };
}

function mapped(key: string, value: unknown): unknown {
  if (ONE.includes(key) && isNode(value)) return withVariables(value);
  if (LISTS.includes(key) && Array.isArray(value)) return value.map((one: Node) => withVariables(one));
  if (BY_NAME.includes(key) && isNode(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withVariables(one as Node)]));
  }
  return value;
}

function isConstrainedScalar(node: Node): boolean {
  const { type } = node;
  if (type === 'number' || type === 'integer' || type === 'boolean') return true;
  return (type === 'string' || type === undefined) && CONSTRAINTS.some((key) => key in node);
}

/** The items of `webhooks` are webhooks, or exports with what an export may have beside. */
export function withExports(schema: Node): Node {
  const properties = nodeAt(schema, 'properties');
  const webhooks = nodeAt(properties, 'webhooks');
  const webhook = nodeAt(webhooks, 'items');
  const keys = Object.fromEntries(EXPORT_KEYS.map((key) => [key, {}]));
  const exports = EXPORT_MARKERS.map(
    (key): Node => ({
      type: 'object',
      description: 'A webhook or event rule as the REST API of Peering Manager or NetBox exports it.',
      // As it is written there: what its own keys may hold is for the translation to say.
      properties: { ...anyValue(nodeAt(webhook, 'properties')), ...keys },
      required: [key],
      additionalProperties: false,
    }),
  );
  return {
    ...schema,
    properties: { ...properties, webhooks: { ...webhooks, items: { anyOf: [webhook, ...exports] } } },
  };
}

function anyValue(properties: Node): Node {
  return Object.fromEntries(Object.keys(properties).map((key) => [key, {}]));
}

function nodeAt(node: Node, key: string): Node {
  const value = node[key];
  return isNode(value) ? value : {};
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
