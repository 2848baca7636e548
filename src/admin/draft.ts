/**
 * A webhook tried with other conditions or templates than those in force, without being saved or sent. What
 * is left as it stands in the file keeps its variables; in what is edited `${…}` stays as written.
 */
import { parse, stringify } from 'yaml';
import { WalhookError } from '../core/errors.ts';
import { type JsonObject, parseJson, stringifyJson } from '../core/json.ts';
import { RowRefused, type RowValues } from '../definitions/rowStore.ts';
import { checkWebhook, defineWebhookNamed, type WebhookDefinition } from '../definitions/webhooks.ts';
import { checkedEvent } from '../trial/eventInput.ts';
import type { AdminHost } from './host.ts';
import { defineWritten } from './trials.ts';
import { definitionOf } from './webhooks.ts';

export const DRAFT_FIELDS = ['conditions', 'url', 'additional_headers', 'body_template'] as const;
export type DraftField = (typeof DRAFT_FIELDS)[number];
export type Draft = Readonly<Record<DraftField, string>>;

/** The fields as the editor shows them: as written in the file. */
export function draftOf(definition: Readonly<Record<string, unknown>>): Draft {
  const { conditions, url, additional_headers: headers, body_template: body } = definition;
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  return {
    conditions: conditions === undefined || conditions === null ? '' : stringify(conditions),
    url: text(url),
    additional_headers: text(headers),
    body_template: text(body),
  };
}

export interface DraftMistake {
  /** e.g. `conditions.and[0].op` */
  readonly path: string;
  readonly message: string;
}

export interface DefinedDraft {
  readonly definition: WebhookDefinition | null;
  readonly mistakes: readonly DraftMistake[];
}

/** @param shown what the editor showed: a field that is still like it was not edited */
export function defineDraft(host: AdminHost, name: string, draft: Draft, shown: Draft): DefinedDraft {
  const { config, templateEnv } = host.live.current.loaded;
  const current = definitionOf(host, name).match.name;
  const edited = DRAFT_FIELDS.filter((field) => normal(draft[field]) !== normal(shown[field]));
  if (edited.length === 0) return { definition: definitionOf(host, name), mistakes: [] };
  const changes = Object.fromEntries(
    edited.map((field) => [field, field === 'conditions' ? conditionsOf(draft.conditions) : draft[field]]),
  );
  const row = host.published().rows.find(({ key }) => key === definitionOf(host, name).match.key);
  if (row !== undefined) return definedRowDraft(host, { ...row.values, ...changes });
  const webhooks = config.webhooks.map((one) => (one.name === current ? { ...one, ...changes } : one));
  const changed = webhooks.find((one) => one.name === current);
  const mistakes = checkWebhook({ ...changed }, []).map(({ path, message }) => ({
    path: path.join('.'),
    message,
  }));
  if (mistakes.length > 0) return { definition: null, mistakes };
  return { definition: defineWebhookNamed({ ...config, webhooks }, current, templateEnv), mistakes: [] };
}

/** A row's own fields stay; an empty one is the default. */
function definedRowDraft(host: AdminHost, values: Readonly<Record<string, unknown>>): DefinedDraft {
  const said = Object.entries(values).filter(([, value]) => value !== null && value !== '');
  try {
    return { definition: defineWritten(host, Object.fromEntries(said) as RowValues), mistakes: [] };
  } catch (error) {
    if (error instanceof RowRefused) return { definition: null, mistakes: error.mistakes };
    throw error;
  }
}

/** Throws REQUEST_INVALID or EVENT_INVALID. */
export function eventOf(text: string): JsonObject {
  try {
    return checkedEvent(parseJson(text), 'the Event');
  } catch (error) {
    if (error instanceof WalhookError) throw error;
    throw new WalhookError(
      'EVENT_INVALID',
      `expected the Event to be JSON: ${error instanceof Error ? error.message : ''}`,
    );
  }
}

function conditionsOf(text: string): unknown {
  if (text.trim() === '') return null;
  try {
    return parse(text, { maxAliasCount: 100 });
  } catch {
    // The parser of conditions says what it expects instead of a text.
    return text;
  }
}

function normal(text: string): string {
  return text.replace(/\r\n/g, '\n').trim();
}

/** An Event's JSON text over several lines; digits beyond 2^53 are kept. */
export function prettyJson(text: string): string {
  try {
    return pretty(parseJson(text), '');
  } catch {
    return text;
  }
}

function pretty(value: ReturnType<typeof parseJson>, indent: string): string {
  if (typeof value !== 'object' || value === null) return stringifyJson(value);
  const inner = `${indent}  `;
  const items = Array.isArray(value)
    ? value.map((item) => pretty(item, inner))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${pretty(item, inner)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  if (items.length === 0) return `${open}${close}`;
  const line = items.join(', ');
  if (line.length + indent.length < 80 && !line.includes('\n')) return `${open}${line}${close}`;
  return `${open}\n${items.map((item) => inner + item).join(',\n')}\n${indent}${close}`;
}
