/**
 * A row of walhook.webhook as values: from the texts that the stream sends, and as it stands in the queue's store.
 * Nothing is judged here: what cannot be read keeps its text, and validation says what it should have been.
 */
import { type Json, jsonString, parseJson } from '../core/json.ts';
import { parseArray } from '../decode/literals.ts';
import type { RowImages, Tuple } from '../decode/messages.ts';
import { UNCHANGED } from '../decode/messages.ts';

/** Where the rows stand in the watched database. */
export const ROWS_TABLE = { schema: 'walhook', name: 'webhook' } as const;

/** One row: its columns by name, without those that are NULL. */
export interface WebhookRow {
  readonly id: string;
  readonly values: Readonly<Record<string, Json>>;
}

type ColumnKind = 'text' | 'boolean' | 'number' | 'list' | 'json';

/** Each column that a webhook is made of. */
export const ROW_COLUMNS: Readonly<Record<string, ColumnKind>> = {
  name: 'text',
  enabled: 'boolean',
  models: 'list',
  events: 'list',
  conditions: 'json',
  columns: 'list',
  conditions_mode: 'text',
  on_unavailable: 'text',
  require: 'list',
  collapse: 'boolean',
  url: 'text',
  http_method: 'text',
  http_content_type: 'text',
  additional_headers: 'text',
  body_template: 'text',
  payload_format: 'text',
  undefined: 'text',
  allow_templated_host: 'boolean',
  secret_name: 'text',
  signature: 'text',
  ssl_verification: 'boolean',
  timeout: 'text',
  retry: 'json',
  concurrency: 'number',
  rate_limit: 'json',
  brake: 'json',
  backlog: 'json',
  on_gone: 'text',
  ordering: 'text',
};

/** Columns that say nothing of the webhook. */
const ABOUT_THE_ROW: ReadonlySet<string> = new Set(['id', 'created_at', 'updated_at']);

/** The images of a row before and after a Change; null where there is none, or it was not sent. */
export function webhookRowsOf(
  columns: readonly { readonly name: string }[],
  images: RowImages,
): { readonly before: WebhookRow | null; readonly after: WebhookRow | null } {
  const old = images.old.kind === 'none' ? null : images.old.tuple;
  return {
    before: old === null ? null : rowOf(columns, old, null),
    after: images.new === null ? null : rowOf(columns, images.new, old),
  };
}

/** @param old where a large value stands that an update did not change */
function rowOf(columns: readonly { readonly name: string }[], tuple: Tuple, old: Tuple | null): WebhookRow {
  let id = '';
  const values: [string, Json][] = [];
  columns.forEach(({ name }, i) => {
    const sent = tuple.text(i);
    const text = sent === UNCHANGED ? (old?.text(i) ?? null) : sent;
    if (name === 'id') id = typeof text === 'string' ? text : '';
    if (typeof text !== 'string' || ABOUT_THE_ROW.has(name)) return;
    values.push([name, fromText(ROW_COLUMNS[name] ?? 'text', text)]);
  });
  return { id, values: Object.fromEntries(values) };
}

function fromText(kind: ColumnKind, text: string): Json {
  try {
    switch (kind) {
      case 'text':
        return text;
      case 'boolean':
        return text === 't';
      case 'number':
      case 'json':
        return parseJson(text);
      case 'list':
        return parseJson(parseArray(text, ',', jsonString));
    }
  } catch {
    // Of another type than setup made it: told as the text that it is.
    return text;
  }
}
