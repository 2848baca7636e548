/**
 * From the text of a configuration file to a validated Config, or to every mistake at once, each with its
 * path and line. Pure but for the variables and files it is given.
 */
import type { z } from 'zod';
import { type ConfigDocument, parseConfigDocument, type VariableValue } from './document.ts';
import { isObject, translateExports, writtenPath } from './exports.ts';
import { describeIssue, type Finding, formatPath, type Mistake, type Path } from './mistakes.ts';
import { withPreset } from './presets/preset.ts';
import { type Config, configSchema, keysAt } from './schema.ts';
import { namedVariables, type Resolved, resolveVariables, type VariableSource } from './variables.ts';

/** A webhook as written, with `defaults` applied and `${…}` unresolved: what may be stored elsewhere. */
export type RawWebhook = Readonly<Record<string, unknown>>;

export interface LoadedConfig {
  readonly config: Config;
  /** In the order of `config.webhooks`. */
  readonly rawWebhooks: readonly RawWebhook[];
  /** The line of each of them in the file. */
  readonly webhookLines: readonly (number | null)[];
  /** What was left out of exported webhooks. */
  readonly notes: readonly Mistake[];
  /** What variables and secret files stand for: nothing that is shown may hold one of these texts. */
  readonly variableValues: readonly VariableValue[];
  /** What the `env` filter of templates reads: a variable that `templates.env` names, else undefined. */
  readonly templateEnv: (name: string) => string | undefined;
  /** Resolves a text from elsewhere: only with what this file names too, the rest is missing. */
  resolve(text: string): Resolved;
  /** A text of the file with its variables resolved anew; null where there is none. */
  current(path: Path): string | null;
}

export interface LoadResult {
  /** null when there are mistakes, or when a variable is missing that it cannot do without. */
  readonly loaded: LoadedConfig | null;
  readonly mistakes: readonly Mistake[];
  /** Missing variables that the caller said it can do without. */
  readonly warnings: readonly Mistake[];
  /** The webhooks with variables resolved, whether valid or not, for what only compiling them shows. */
  readonly webhooks: readonly RawWebhook[];
  /** The models and rule tests, whether valid or not. */
  readonly models: readonly unknown[];
  readonly tests: readonly unknown[];
  /** A mistake at a path of the config, placed where the file says it. */
  place(finding: Finding): Mistake;
}

export interface LoadOptions {
  readonly source: VariableSource;
  /**
   * Which missing variables are mistakes, by the path that names them. Default all; commands that work
   * offline resolve only what they use.
   */
  readonly needsVariable?: (path: string) => boolean;
  /** Whether the file must say where the services are. Default true. */
  readonly needsServices?: boolean;
}

export function loadConfig(text: string, options: LoadOptions): LoadResult {
  const document = parseConfigDocument(text, options.source);
  if (document.mistakes.length > 0) {
    const place = ({ path, message }: Finding) => ({ path: formatPath(path), line: null, message });
    const nothing = { warnings: [], webhooks: [], models: [], tests: [] };
    return { loaded: null, mistakes: document.mistakes, ...nothing, place };
  }
  const needsVariable = options.needsVariable ?? (() => true);
  const needsServices = options.needsServices ?? true;
  const missing = document.missingVariables.filter((mistake) => needsVariable(mistake.path));
  const warnings = document.missingVariables.filter((mistake) => !needsVariable(mistake.path));

  const prepared = prepare(document.value, needsServices);
  const { config, findings } = parse(prepared, document);
  if (config !== null && needsServices) findings.push(...checkServices(config, options.source));
  const placeWritten = ({ path, message }: Finding): Mistake => ({
    path: formatPath(path),
    line: document.line(path),
    message,
  });
  const place = ({ path, message }: Finding) => placeWritten({ path: prepared.written(path), message });
  const unresolved = new Set(document.missingVariables.map((mistake) => mistake.path));
  const placed = [...prepared.findings, ...findings]
    .map(place)
    // What a missing variable would have been is not known to be wrong.
    .filter((mistake) => !unresolved.has(mistake.path));
  const mistakes = [...missing, ...placed].sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  const found = {
    webhooks: prepared.webhooks,
    models: listAt(prepared.value, 'models'),
    tests: listAt(prepared.value, 'tests'),
    place,
  };
  if (config === null || mistakes.length > 0) return { loaded: null, mistakes, warnings, ...found };
  return {
    ...found,
    loaded: {
      config,
      rawWebhooks: prepare(document.unresolved, needsServices).webhooks,
      webhookLines: config.webhooks.map((_webhook, i) => document.line(prepared.written(['webhooks', i]))),
      notes: prepared.ignored.map((path) =>
        placeWritten({ path, message: 'of the exported webhook has no meaning here and is ignored' }),
      ),
      variableValues: document.variableValues,
      ...livingTexts(text, document.unresolved, new Set(config.templates.env), options.source),
    },
    mistakes: [],
    warnings,
  };
}

/** What is asked for as long as the configuration is in force: holds no more of the file than that needs. */
function livingTexts(
  text: string,
  unresolved: unknown,
  templateNames: ReadonlySet<string>,
  source: VariableSource,
): Pick<LoadedConfig, 'templateEnv' | 'resolve' | 'current'> {
  return {
    templateEnv: (name) => (templateNames.has(name) ? source.env[name] : undefined),
    resolve: (other) => {
      const named = new Set(namedVariables(text));
      const strange = namedVariables(other).filter((name) => !named.has(name));
      if (strange.length === 0) return resolveVariables(other, source);
      const missing = strange.map((name) => `this process's own file does not name ${name}`);
      return { text: other, isVariable: true, values: [], missing };
    },
    current: (path) => {
      // Asked at each connection: the file is not parsed again for one text of it.
      const written = valueAt(unresolved, path);
      return typeof written === 'string' ? resolveVariables(written, source).text : null;
    },
  };
}

/** The document's content made ready for the schema. */
interface Prepared {
  readonly value: Readonly<Record<string, unknown>>;
  /** Exports translated, defaults applied. */
  readonly webhooks: readonly RawWebhook[];
  readonly findings: readonly Finding[];
  /** Keys of exports that were left out. */
  readonly ignored: readonly Path[];
  /** The path in the file of a path in `value`. */
  written(path: Path): Path;
  /** Whether a key of a webhook comes from `defaults`, where its mistakes are reported already. */
  isInherited(path: Path): boolean;
}

function prepare(content: unknown, needsServices: boolean): Prepared {
  const translated = translateExports(listAt(content, 'webhooks'));
  const value = withWebhooks(content, translated.entries);
  const root: Record<string, unknown> = isObject(value) ? withPreset(value) : {};
  const findings: Finding[] = isObject(value)
    ? []
    : [{ path: [], message: 'expected an object with the key queue and others' }];
  if (!needsServices) {
    const queue = isObject(root['queue']) ? root['queue'] : {};
    root['queue'] = { ...queue, url: 'redis://not-needed' };
  }
  const defaults = isObject(root['defaults']) ? root['defaults'] : {};
  const entries = listAt(root, 'webhooks');
  const webhooks = entries.map((entry) => ({ ...defaults, ...(isObject(entry) ? entry : {}) }));
  if (Array.isArray(root['webhooks'])) {
    root['webhooks'] = entries.map((entry, i) => (isObject(entry) ? webhooks[i] : entry));
  }
  const entryOf = (path: Path) =>
    path[0] === 'webhooks' && typeof path[1] === 'number' ? translated.entries[path[1]] : undefined;
  return {
    value: root,
    webhooks,
    findings,
    ignored: translated.ignored.map((path) => ['webhooks', ...path]),
    written(path) {
      const entry = entryOf(path);
      return entry === undefined ? path : ['webhooks', ...writtenPath(entry, path.slice(2))];
    },
    isInherited(path) {
      const key = path[2];
      const entry = entryOf(path)?.entry;
      return typeof key === 'string' && key in defaults && !(isObject(entry) && Object.hasOwn(entry, key));
    },
  };
}

function listAt(value: unknown, key: string): readonly unknown[] {
  const list = isObject(value) ? value[key] : undefined;
  return Array.isArray(list) ? list : [];
}

function withWebhooks(content: unknown, entries: readonly { readonly entry: unknown }[]): unknown {
  if (!isObject(content) || !Array.isArray(content['webhooks'])) return content;
  return { ...content, webhooks: entries.map(({ entry }) => entry) };
}

function parse(prepared: Prepared, document: ConfigDocument): { config: Config | null; findings: Finding[] } {
  let value: unknown = prepared.value;
  let parsed = configSchema.safeParse(value);
  if (!parsed.success) {
    value = repaired(value, parsed.error.issues, prepared, document);
    parsed = configSchema.safeParse(value);
  }
  if (parsed.success) return { config: parsed.data, findings: duplicateNames(value) };
  const isFromVariable = (path: Path) => {
    const text = valueAt(prepared.value, path);
    return typeof text === 'string' && document.variableTexts.has(text);
  };
  const findings = parsed.error.issues
    .flatMap((issue) =>
      describeIssue(issue, { valueAt: (path) => valueAt(value, path), isFromVariable, keysAt }),
    )
    .filter((finding) => !prepared.isInherited(finding.path));
  return { config: null, findings: [...findings, ...duplicateNames(value)] };
}

/**
 * A copy in which a variable's text becomes the number or boolean that its place wants, and in which a
 * value whose variable is missing is left out: what it would have been is not known to be wrong.
 */
function repaired(
  value: unknown,
  issues: readonly z.core.$ZodIssue[],
  prepared: Prepared,
  document: ConfigDocument,
): unknown {
  const copy = structuredClone(value);
  const missing = new Set(document.missingVariables.map((mistake) => mistake.path));
  for (const issue of issues) {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    const text = valueAt(copy, path);
    if (missing.has(formatPath(prepared.written(path)))) setAt(copy, path, undefined);
    else if (issue.code === 'invalid_type' && typeof text === 'string' && document.variableTexts.has(text)) {
      setAt(copy, path, coerced(text, issue.expected));
    }
  }
  return copy;
}

function coerced(text: string, expected: string): unknown {
  if (expected === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  if ((expected === 'number' || expected === 'int') && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  return text;
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const part of path) at = typeof at === 'object' && at !== null ? Reflect.get(at, part) : undefined;
  return at;
}

function setAt(value: unknown, path: Path, item: unknown): void {
  const parent = valueAt(value, path.slice(0, -1));
  const key = path.at(-1);
  if (typeof parent !== 'object' || parent === null || key === undefined) return;
  if (item === undefined) Reflect.deleteProperty(parent, key);
  else Reflect.set(parent, key, item);
}

function duplicateNames(value: unknown): Finding[] {
  const findings: Finding[] = [];
  for (const list of ['webhooks', 'models']) {
    const entries = valueAt(value, [list]);
    const seen = new Map<unknown, number>();
    (Array.isArray(entries) ? entries : []).forEach((entry: unknown, i) => {
      const name = valueAt(entry, ['name']);
      const first = seen.get(name);
      if (name === undefined) return;
      if (first === undefined) seen.set(name, i);
      else findings.push({ path: [list, i, 'name'], message: `is the name of ${list}[${first}] already` });
    });
  }
  return [...findings, ...sharedTables(listAt(value, 'models'))];
}

/** One table, one Model: its rows have one name and one shape. */
function sharedTables(models: readonly unknown[]): Finding[] {
  const seen = new Map<string, number>();
  return models.flatMap((model, i) => {
    const table = isObject(model) ? model['table'] : undefined;
    if (typeof table !== 'string') return [];
    const name = table.includes('.') ? table : `public.${table}`;
    const first = seen.get(name);
    if (first !== undefined) {
      return [{ path: ['models', i, 'table'], message: `is the table of models[${first}] already` }];
    }
    seen.set(name, i);
    return [];
  });
}

const PG_VARIABLES = ['PGHOST', 'PGHOSTADDR', 'PGSERVICE', 'PGDATABASE', 'PGUSER'];

function checkServices(config: Config, source: VariableSource): Finding[] {
  if (config.postgres.url !== null || PG_VARIABLES.some((name) => source.env[name])) return [];
  return [
    { path: ['postgres', 'url'], message: 'is required: a URL, or PGHOST and its like in the environment' },
  ];
}
