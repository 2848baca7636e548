/** Finds the exported objects in a file: one, a list, an API's list answer, several documents, or NDJSON. */
import { parseAllDocuments } from 'yaml';
import { isExport, isObject } from '../config/exports.ts';
import { WalhookError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';

/** A larger file is no export of webhooks. */
const MAX_CHARS = 16 * 1_048_576;
const MAX_ALIASES = 1_000;
/** Lists within answers within lists. */
const MAX_DEPTH = 8;

/** Reads the text. Throws IMPORT_INVALID where it holds anything else than webhooks and event rules. */
export function readExports(text: string, file: string): Readonly<Record<string, unknown>>[] {
  if (text.length > MAX_CHARS) throw invalid(file, `expected at most ${MAX_CHARS} characters`);
  const found: Record<string, unknown>[] = [];
  const collect = (value: unknown, depth: number): void => {
    if (depth > MAX_DEPTH) throw invalid(file, `expected at most ${MAX_DEPTH} lists within lists`);
    if (Array.isArray(value)) {
      for (const item of value) collect(item, depth + 1);
    } else if (isExport(value)) {
      found.push({ ...value });
    } else if (isObject(value)) {
      const lists = LISTS.flatMap((key) => (Object.hasOwn(value, key) ? [value[key]] : []));
      if (lists.length === 0)
        throw invalid(file, 'expected exported webhooks and event rules, found another object');
      for (const list of lists) collect(list, depth + 1);
    } else if (value !== null) {
      throw invalid(file, `expected exported webhooks and event rules, found a ${typeof value}`);
    }
  };
  collect(parseText(text.replace(/^\ufeff/, ''), file), 0);
  return found;
}

/** Where an answer or a collection of our own has its objects. */
const LISTS = ['results', 'webhooks', 'event_rules', 'event-rules', 'eventrules'];

function parseText(text: string, file: string): unknown {
  try {
    return parseJson(text);
  } catch {
    // Then it is YAML, or one JSON object per line.
  }
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length > 1 && lines.every((line) => line.startsWith('{'))) {
    try {
      return lines.map((line) => parseJson(line));
    } catch {
      // Then YAML says what is wrong.
    }
  }
  const documents = parseAllDocuments(text, { prettyErrors: false });
  const problem = [...documents].flatMap((document) => document.errors)[0];
  if (problem !== undefined) {
    throw invalid(file, `expected JSON or YAML: ${problem.message.split('\n')[0]}`);
  }
  try {
    return [...documents].map((document) => document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown);
  } catch (error) {
    throw invalid(file, 'expected fewer expansions of aliases', error);
  }
}

function invalid(file: string, message: string, cause?: unknown): WalhookError {
  return new WalhookError('IMPORT_INVALID', `${file}: ${message}`, { cause });
}
