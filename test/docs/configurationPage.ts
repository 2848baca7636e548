/** The configuration's reference page, from its JSON Schema. */

interface Node {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly items?: Node;
  readonly additionalProperties?: Node | boolean;
  readonly anyOf?: readonly Node[];
}

const HEAD = `# Configuration

One YAML file: \`--config FILE\`, else \`$WALHOOK_CONFIG\`, else \`./walhook.yaml\`. \`walhook validate\` tells every
mistake with its line; \`walhook schema\` prints the JSON Schema for editors.

In values \`\${NAME}\` and \`\${NAME:-default}\` (capital letters, digits, underscores) are taken from the environment
and \`\${file:/run/secrets/x}\` from a file; \`$\${\` writes a literal \`\${\`. Anything else with a dollar is left alone.
Durations are \`500ms\`, \`30s\`, \`2h\`, \`7d\`; sizes \`64KiB\`, \`10GiB\`. An unknown key is an error with the nearest
known one. A webhook object exported by Peering Manager's or NetBox's REST API can stand in \`webhooks\` as it is.

\`[]\` stands for each entry of a list, \`*\` for each key of an object.

| key | kind | default | |
| --- | --- | --- | --- |
`;

export function configurationPage(schema: Readonly<Record<string, unknown>>): string {
  return `${HEAD}${rows('', schema as Node).join('\n')}\n`;
}

function rows(path: string, node: Node): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const at = path === '' ? key : `${path}.${key}`;
    const isRequired = (node.required ?? []).includes(key) && child.default === undefined;
    const row = [
      `\`${at}\``,
      kindOf(child),
      isRequired ? 'required' : defaultOf(child),
      child.description ?? '',
    ];
    if (path === '' && key === 'defaults') return [`| ${row.join(' | ')} |`];
    return [`| ${row.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`, ...inner(at, child)];
  });
}

function inner(path: string, node: Node): string[] {
  const shapes = node.anyOf ?? [node];
  return shapes.flatMap((shape) => [
    ...rows(path, shape),
    ...(shape.items === undefined ? [] : inner(`${path}[]`, shape.items)),
    ...(typeof shape.additionalProperties === 'object' ? inner(`${path}.*`, shape.additionalProperties) : []),
  ]);
}

function kindOf(node: Node): string {
  if (node.anyOf !== undefined) return [...new Set(node.anyOf.map(kindOf))].join(' or ');
  if (node.const !== undefined) return `\`${JSON.stringify(node.const)}\``;
  if (node.enum !== undefined) return node.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (node.type === 'array') return `list of ${node.items === undefined ? 'anything' : kindOf(node.items)}`;
  if (node.type === 'integer') return `${node.minimum ?? ''}–${node.maximum ?? ''}`;
  if (node.type === undefined) return 'anything';
  const names: Readonly<Record<string, string>> = { string: 'text', object: 'object', null: 'null' };
  return String(node.type)
    .split(',')
    .map((type) => names[type] ?? type)
    .join(' or ');
}

function defaultOf(node: Node): string {
  if (node.default === undefined) return kindOf(node).endsWith(' or null') ? '`null`' : '';
  const text = JSON.stringify(node.default);
  return text === '{}' ? '' : `\`${text}\``;
}
