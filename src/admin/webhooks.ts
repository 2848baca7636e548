/** Webhooks as the page and the API show them: definition, state and what is in the queue. */
import { deriveKeys } from '../config/webhookKeys.ts';
import { WalhookError } from '../core/errors.ts';
import { stringifyJson } from '../core/json.ts';
import { judgeRow, type RowMistake, rowMistakeOf, rowRulesOf } from '../definitions/defineRow.ts';
import type { PublishedRow } from '../definitions/published.ts';
import { RowRefused, type StoredRow } from '../definitions/rowStore.ts';
import type { WebhookDefinition } from '../definitions/webhooks.ts';
import type { QueueCounts } from '../queue/store.ts';
import type { AdminHost } from './host.ts';
import { type Mask, maskedSettings, maskHeaderText, maskOf } from './masking.ts';

/**
 * parked: its receiver is down and is probed · invalid: a row with mistakes, not in force · pending: a row that
 * capturing has not come to yet · orphan: defined no more, with Deliveries that wait.
 */
export type WebhookState = 'active' | 'paused' | 'parked' | 'disabled' | 'invalid' | 'pending' | 'orphan';

/** What of a row has been written that is not in force yet; `unknown` where the table cannot be read. */
export type RowPending = 'nothing' | 'new' | 'changed' | 'deleted' | 'unknown';

/** A webhook kept as a row. */
export interface RowView {
  readonly id: string;
  /** Of the row as it stands in the table, for `If-Match`; null where there is none, or it cannot be read. */
  readonly version: string | null;
  readonly pending: RowPending;
  /** Why it is not in force, each with its path; empty where it is. */
  readonly mistakes: readonly RowMistake[];
}

export type WebhookView = {
  readonly name: string;
  readonly key: string;
  readonly state: WebhookState;
  /** Where it is defined. */
  readonly source: 'file' | 'row' | null;
  /** In the configuration file. */
  readonly line: number | null;
  readonly row: RowView | null;
  readonly models: readonly string[];
  readonly events: readonly string[];
  /** The template, credentials masked. */
  readonly url: string | null;
  readonly counts: QueueCounts;
  /** As written in the file, with `defaults`, or in the row; credentials masked; null for an orphan. */
  readonly definition: Readonly<Record<string, unknown>> | null;
};

export const NO_COUNTS: QueueCounts = {
  waiting: 0,
  delayed: 0,
  active: 0,
  delivered: 0,
  failed: 0,
  cancelled: 0,
  deliveredTotal: 0,
  failedTotal: 0,
  skippedTotal: 0,
  bytes: 0,
  logBytes: 0,
  isPaused: false,
  isBraked: false,
  isParked: false,
};

/** Those of the file, those kept as rows, and those that are gone but have Deliveries. */
export async function listWebhooks(host: AdminHost): Promise<WebhookView[]> {
  const [counts, table] = await Promise.all([host.store.counts(), host.rows.look()]);
  const { webhooks, loaded } = host.live.current;
  const mask = maskOf(loaded);
  const countsOf = (key: string) => counts.get(key) ?? NO_COUNTS;
  const defined = webhooks.map((webhook, i) =>
    viewOf(
      webhook,
      { values: loaded.rawWebhooks[i] ?? {}, line: loaded.webhookLines[i] ?? null },
      countsOf(webhook.match.key),
      mask,
    ),
  );
  const { rows, keys } = host.published();
  const ofFile = new Set(defined.map(({ key }) => key));
  for (const entry of rowEntries(rows, keys, table)) {
    // The file wins; the row is shown beside it, under a key that no webhook has.
    const key = ofFile.has(entry.key) ? `row~${(entry.published ?? entry.stored)?.id}` : entry.key;
    defined.push(viewOfRow({ ...entry, key }, countsOf(key), mask));
  }
  const taken = new Set(defined.map(({ key }) => key));
  const orphans = [...counts].filter(
    ([key, count]) => !taken.has(key) && count.waiting + count.delayed + count.active + count.failed > 0,
  );
  return [...defined, ...orphans.map(([key, count]) => orphanOf(key, count))];
}

/** A row as it is in force, and as it stands in the table. */
interface RowEntry {
  /** null: capturing has not come to it yet. */
  readonly published: PublishedRow | null;
  /** null: it is gone; undefined: the table cannot be read. */
  readonly stored: StoredRow | null | undefined;
  readonly key: string;
}

function rowEntries(
  rows: readonly PublishedRow[],
  keys: ReadonlyMap<string, string>,
  table: readonly StoredRow[] | null,
): RowEntry[] {
  const byId = new Map((table ?? []).map((row) => [row.id, row]));
  const known = rows.map(
    (row): RowEntry => ({
      published: row,
      stored: table === null ? undefined : (byId.get(row.id) ?? null),
      key: row.key,
    }),
  );
  const published = new Set(rows.map(({ id }) => id));
  const fresh = (table ?? []).filter(({ id }) => !published.has(id));
  const freshKeys = deriveKeys(fresh.map(nameOf), keys);
  return [
    ...known,
    ...fresh.map(
      (stored): RowEntry => ({ published: null, stored, key: freshKeys.get(nameOf(stored)) ?? '' }),
    ),
  ];
}

function nameOf({ values, id }: Pick<PublishedRow, 'values' | 'id'>): string {
  const { name } = values;
  return typeof name === 'string' ? name : `row ${id}`;
}

/** By name, or by key where no name fits. Throws WEBHOOK_UNKNOWN. */
export async function findWebhook(host: AdminHost, name: string): Promise<WebhookView> {
  const all = await listWebhooks(host);
  const found = all.find((one) => one.name === name) ?? all.find((one) => one.key === name);
  if (found === undefined) {
    throw new WalhookError('WEBHOOK_UNKNOWN', 'expected the name of a webhook, found another text');
  }
  return found;
}

/** The definition in force. Throws WEBHOOK_UNKNOWN; WEBHOOK_INVALID where it is a row with mistakes. */
export function definitionOf(host: AdminHost, name: string): WebhookDefinition {
  const { webhooks, loaded } = host.live.current;
  const found =
    webhooks.find(({ match }) => match.name === name) ?? webhooks.find(({ match }) => match.key === name);
  if (found !== undefined) return found;
  const { rows, defaults } = host.published();
  const row = rows.find((one) => nameOf(one) === name) ?? rows.find(({ key }) => key === name);
  if (row === undefined) {
    throw new WalhookError('WEBHOOK_UNKNOWN', 'expected the name of a webhook, found another text');
  }
  const { conditions } = loaded.config.defaults;
  const rules = { ...rowRulesOf(loaded.config), defaults: { conditions, ...defaults } };
  const judged = judgeRow(row, row.key, rules);
  if (judged.kind === 'invalid') throw new RowRefused(judged.problems.map(rowMistakeOf));
  return judged.definition;
}

/** Name by key: what lists of Deliveries show. */
export function namesByKey(host: AdminHost): ReadonlyMap<string, string> {
  return new Map([
    ...host.published().rows.map((row): [string, string] => [row.key, nameOf(row)]),
    ...host.live.current.webhooks.map(({ match }): [string, string] => [match.key, match.name]),
  ]);
}

/** Pausing works at once in every process, survives reload and restart, and loses nothing. */
export async function setPaused(host: AdminHost, key: string, isPaused: boolean): Promise<void> {
  if (isPaused) await host.store.pause(key);
  else await host.store.resume(key);
}

function viewOf(
  { match }: WebhookDefinition,
  { values, line }: { readonly values: Readonly<Record<string, unknown>>; readonly line: number | null },
  counts: QueueCounts,
  mask: Mask,
): WebhookView {
  const definition = maskedDefinition(values, mask);
  const url = definition['url'];
  return {
    name: match.name,
    key: match.key,
    state: !match.enabled ? 'disabled' : counts.isPaused ? 'paused' : counts.isParked ? 'parked' : 'active',
    source: 'file',
    line,
    row: null,
    models: match.models,
    events: match.events,
    url: typeof url === 'string' ? url : null,
    counts,
    definition,
  };
}

/** A definition as it may be shown: what is a credential in it is masked. */
export function maskedDefinition(
  values: Readonly<Record<string, unknown>>,
  mask: Mask,
): Readonly<Record<string, unknown>> {
  const { additional_headers: headers, secret_name: secretName, ...rest } = values;
  return {
    ...(maskedSettings(rest, mask) as Record<string, unknown>),
    // A name, which says nothing of the secret.
    ...(secretName === undefined ? {} : { secret_name: secretName }),
    ...(typeof headers === 'string' ? { additional_headers: maskHeaderText(headers, mask) } : {}),
  };
}

function viewOfRow({ published, stored, key }: RowEntry, counts: QueueCounts, mask: Mask): WebhookView {
  const row: Pick<PublishedRow, 'id' | 'values'> = published ?? stored ?? { id: '', values: {} };
  const definition = maskedDefinition(row.values, mask);
  const { models, events } = row.values;
  const texts = (value: unknown) => (Array.isArray(value) ? value.map(String) : []);
  const mistakes = (published?.problems ?? []).map(rowMistakeOf);
  const url = definition['url'];
  return {
    name: nameOf(row),
    key,
    state: stateOfRow({ published, stored, key }, mistakes.length > 0, counts),
    source: 'row',
    line: null,
    row: { id: row.id, version: stored?.version ?? null, pending: pendingOf(published, stored), mistakes },
    models: texts(models),
    events: texts(events),
    url: typeof url === 'string' ? url : null,
    counts,
    definition,
  };
}

/** A brake works at once, whatever capturing has come to. */
function stateOfRow({ published, stored }: RowEntry, isInvalid: boolean, counts: QueueCounts): WebhookState {
  if (published === null) return 'pending';
  if (isInvalid) return 'invalid';
  const isOff = [published, stored].some((row) => row === null || row?.values['enabled'] === false);
  return isOff ? 'disabled' : counts.isPaused ? 'paused' : counts.isParked ? 'parked' : 'active';
}

function pendingOf(published: RowEntry['published'], stored: RowEntry['stored']): RowPending {
  if (stored === undefined) return 'unknown';
  if (stored === null) return 'deleted';
  if (published === null) return 'new';
  return sorted(published.values) === sorted(stored.values) ? 'nothing' : 'changed';
}

/** The same text for the same values. */
function sorted(values: PublishedRow['values']): string {
  const entries = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
  return stringifyJson(Object.fromEntries(entries));
}

function orphanOf(key: string, counts: QueueCounts): WebhookView {
  const nothing = {
    source: null,
    line: null,
    row: null,
    models: [],
    events: [],
    url: null,
    definition: null,
  };
  return { name: key, key, state: 'orphan', counts, ...nothing };
}
