/**
 * The form of a webhook: between the fields of the editor and the values of a row. Pure. What cannot be read keeps
 * its text, so that nothing that somebody typed is lost, and is told with the path of its value.
 */
import { parse, stringify, YAMLParseError } from 'yaml';
import type { Json } from '../core/json.ts';
import type { RowMistake } from '../definitions/defineRow.ts';
import type { RowValues } from '../definitions/rowStore.ts';
import { ROW_COLUMNS } from '../definitions/webhookRow.ts';

/** What stands in the fields, by their names; an absent one is empty. */
export type FormFields = Readonly<Record<string, string>>;

/** Boxes to tick: the field of each is its value's name after the list's, e.g. `events_created`. */
const TICKED = {
  events: ['created', 'updated', 'deleted', 'truncated'],
  require: ['username', 'request_id'],
} as const;

/** Values with parts, each with a field of its own: `retry_max_age`. */
const PARTS: Readonly<Record<string, readonly Part[]>> = {
  retry: [
    ['schedule', 'list'],
    ['max_age', 'text'],
  ],
  rate_limit: [
    ['max', 'count'],
    ['per', 'text'],
  ],
  brake: [
    ['max', 'count'],
    ['per', 'text'],
  ],
  backlog: [
    ['max', 'count'],
    ['bytes', 'text'],
    ['then', 'text'],
  ],
};

type Part = readonly [name: string, kind: 'text' | 'count' | 'list'];

const LISTS: ReadonlySet<string> = new Set(['models', 'columns']);
/** In the field of a schedule: no retry at all. */
const NEVER = 'never';

/** The field that a mistake belongs to; null where there is none. */
export function fieldOf(path: string): string | null {
  const [, key = '', part] = /^([a-z_]+)(?:\.([a-z_]+))?/.exec(path) ?? [];
  const parts = PARTS[key];
  if (parts !== undefined) return `${key}_${(parts.find(([name]) => name === part) ?? parts[0])?.[0]}`;
  return Object.hasOwn(ROW_COLUMNS, key) ? key : null;
}

/** The fields of a row's values. */
export function fieldsOf(values: RowValues): FormFields {
  const fields: Record<string, string> = { enabled: values['enabled'] === false ? '' : 'on' };
  for (const [key, value] of Object.entries(values)) {
    if (key === 'enabled' || value === null) continue;
    const parts = PARTS[key];
    if (key in TICKED) for (const one of textsOf(value)) fields[`${key}_${one}`] = 'on';
    else if (key === 'conditions') fields[key] = stringify(value).trimEnd();
    else if (LISTS.has(key)) fields[key] = textsOf(value).join(', ');
    else if (parts !== undefined) Object.assign(fields, partFields(key, value));
    else fields[key] = typeof value === 'string' ? value : String(value);
  }
  return fields;
}

function partFields(key: string, value: Json): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(
    Object.entries(value).map(([part, one]) => {
      const text = Array.isArray(one) ? (one.length === 0 ? NEVER : one.map(String).join(', ')) : String(one);
      return [`${key}_${part}`, text];
    }),
  );
}

function textsOf(value: Json): string[] {
  return Array.isArray(value) ? value.map(String) : [String(value)];
}

/** The fields as a browser sent them: texts, with line ends of one kind. */
export function fieldsSent(body: Readonly<Record<string, unknown>>): FormFields {
  return Object.fromEntries(
    Object.entries(body).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value.replaceAll('\r\n', '\n')]] : [],
    ),
  );
}

/** The row that the fields describe; an empty field says nothing, which is the default. */
export function valuesOf(fields: FormFields): {
  readonly values: RowValues;
  readonly mistakes: readonly RowMistake[];
} {
  const values: Record<string, Json> = { enabled: fields['enabled'] === 'on' };
  const mistakes: RowMistake[] = [];
  for (const [key, kind] of Object.entries(ROW_COLUMNS)) {
    if (key === 'enabled') continue;
    const text = fields[key] ?? '';
    const value = valueFrom(key, kind, text, fields, mistakes);
    if (value !== undefined) values[key] = value;
  }
  return { values, mistakes };
}

function valueFrom(
  key: string,
  kind: string,
  text: string,
  fields: FormFields,
  mistakes: RowMistake[],
): Json | undefined {
  if (key in TICKED) {
    const ticked = TICKED[key as keyof typeof TICKED].filter((one) => fields[`${key}_${one}`] === 'on');
    return ticked.length > 0 || key === 'events' ? ticked : undefined;
  }
  if (PARTS[key] !== undefined) return partsOf(key, PARTS[key], fields);
  if (key === 'conditions') return conditionsOf(text, mistakes);
  if (LISTS.has(key)) {
    const listed = listOf(text);
    return listed.length > 0 || key === 'models' ? listed : undefined;
  }
  if (text.trim() === '') return undefined;
  if (kind === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  if (kind === 'number') return countOf(text);
  return key === 'additional_headers' || key === 'body_template' ? text : text.trim();
}

function partsOf(key: string, parts: readonly Part[], fields: FormFields): Json | undefined {
  const entries = parts.flatMap(([part, kind]): [string, Json][] => {
    const text = (fields[`${key}_${part}`] ?? '').trim();
    if (text === '') return [];
    return [[part, kind === 'count' ? countOf(text) : kind === 'list' ? scheduleOf(text) : text]];
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function scheduleOf(text: string): string[] {
  return text.toLowerCase() === NEVER ? [] : listOf(text);
}

function listOf(text: string): string[] {
  return text
    .split(/[,\n]/)
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

/** What is no number stays as it is: the rules say what it should have been. */
function countOf(text: string): Json {
  const trimmed = text.trim();
  return /^\d{1,15}$/.test(trimmed) ? Number(trimmed) : trimmed;
}

function conditionsOf(text: string, mistakes: RowMistake[]): Json | undefined {
  if (text.trim() === '') return undefined;
  try {
    const value: unknown = parse(text, { maxAliasCount: 100, intAsBigInt: true, prettyErrors: false });
    return plain(value);
  } catch (error) {
    mistakes.push({ path: 'conditions', message: `expected YAML or JSON, found ${whereOf(error, text)}` });
    return undefined;
  }
}

/** Whole numbers that a number holds exactly are numbers. */
function plain(value: unknown): Json {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value as Json;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}

function whereOf(error: unknown, text: string): string {
  if (!(error instanceof YAMLParseError)) return 'something else';
  const before = text.slice(0, error.pos[0]).split('\n');
  const what = error.message.split('\n')[0] ?? '';
  return `at line ${before.length}, column ${(before.at(-1) ?? '').length + 1}: ${what}`;
}
