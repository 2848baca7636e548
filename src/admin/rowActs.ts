/**
 * Webhooks kept as rows, created, changed and deleted by people: what they wrote is held to the rules, masked
 * credentials stay what they were, and each act is audited once, here.
 */
import type { FastifyRequest } from 'fastify';
import { toWalhookError, WalhookError } from '../core/errors.ts';
import { type Json, stringifyJson } from '../core/json.ts';
import { MASK } from '../core/secret.ts';
import type { RowMistake } from '../definitions/defineRow.ts';
import { type RowChange, RowRefused, type RowValues, type StoredRow } from '../definitions/rowStore.ts';
import { staticOrigin } from '../deliver/url.ts';
import { audit } from './guard.ts';
import type { AdminHost } from './host.ts';
import { maskOf } from './masking.ts';
import { findWebhook, maskedDefinition } from './webhooks.ts';

/** Throws RowRefused with every mistake, ROWS_UNAVAILABLE. */
export async function createWebhook(
  host: AdminHost,
  request: FastifyRequest,
  values: RowValues,
): Promise<StoredRow> {
  refuseMasks(values);
  const row = await host.rows.edit.create(values);
  audit(host, request, 'webhook created', { webhook: nameOf(row), row: row.id, version: row.version });
  return row;
}

/** Throws WEBHOOK_READ_ONLY, WEBHOOK_UNKNOWN, WEBHOOK_CHANGED, RowRefused, ROWS_UNAVAILABLE. */
export async function changeWebhook(
  host: AdminHost,
  request: FastifyRequest,
  name: string,
  values: RowValues,
  change: RowChange,
): Promise<StoredRow> {
  const before = await findRow(host, name);
  const unmasked = withCredentials(host, values, before);
  const row = await host.rows.edit.update(nameOf(before), unmasked, {
    ...change,
    // What was masked is of the version that was read here.
    version: change.version ?? (unmasked === values ? null : before.version),
  });
  audit(host, request, 'webhook changed', {
    webhook: nameOf(row),
    row: row.id,
    version: row.version,
    changed: changedKeys(before.values, row.values),
  });
  return row;
}

/** Throws WEBHOOK_READ_ONLY, WEBHOOK_UNKNOWN, WEBHOOK_CHANGED, ROWS_UNAVAILABLE. */
export async function deleteWebhook(
  host: AdminHost,
  request: FastifyRequest,
  name: string,
  version: string | null,
): Promise<void> {
  const row = await findRow(host, name);
  await host.rows.edit.delete(nameOf(row), version);
  audit(host, request, 'webhook deleted', { webhook: nameOf(row), row: row.id });
}

/** The row of a webhook, as it stands in the table. Throws WEBHOOK_READ_ONLY, WEBHOOK_UNKNOWN, ROWS_UNAVAILABLE. */
export async function findRow(host: AdminHost, name: string): Promise<StoredRow> {
  // Written a moment ago: the table knows it before anybody else does.
  const view = await findWebhook(host, name).catch((error: unknown) => toWalhookError(error));
  const { source, row, line } = 'code' in view ? { source: 'row', row: null, line: null } : view;
  if (source === 'file') {
    throw new WalhookError(
      'WEBHOOK_READ_ONLY',
      `expected a webhook that is kept as a row, found one of the configuration file${line === null ? '' : `, line ${line}`}`,
    );
  }
  const rows = await host.rows.edit.list();
  const found = rows.find(({ id }) => id === row?.id) ?? rows.find((one) => nameOf(one) === name);
  if (found === undefined) {
    throw new WalhookError('WEBHOOK_UNKNOWN', 'expected a webhook that is kept as a row, found none');
  }
  return found;
}

/** A row as an editor is given it: credentials masked. */
export function shownValues(host: AdminHost, row: Pick<StoredRow, 'values'>): RowValues {
  return maskedDefinition(row.values, maskOf(host.live.current.loaded)) as RowValues;
}

/**
 * Puts back the credentials that were shown as {@link MASK}: of each line that is as it was shown. They stay where
 * they belong: where the URL leads to another host, they have to be written anew.
 */
export function withCredentials(host: AdminHost, values: RowValues, before: StoredRow): RowValues {
  const shown = shownValues(host, before);
  const masked = Object.keys(values).filter((key) => isMasked(values[key]));
  if (masked.length === 0) return values;
  const url = unmaskedText(values['url'] ?? before.values['url'], shown['url'], before.values['url']);
  const isSameHost = originOf(url) === originOf(before.values['url']);
  const mistakes: RowMistake[] = [];
  const restored = masked.map((key): [string, Json] => {
    const value = isSameHost
      ? unmaskedText(values[key], shown[key], before.values[key])
      : (values[key] ?? null);
    if (isMasked(value)) mistakes.push({ path: key, message: isSameHost ? WRITE_ANEW : OTHER_HOST });
    return [key, value];
  });
  if (mistakes.length > 0) throw new RowRefused(mistakes);
  return { ...values, ...Object.fromEntries(restored) };
}

const WRITE_ANEW = `expected the credential itself where it says ${MASK}: a line with one that was changed has to be written anew`;
const OTHER_HOST = `expected the credential itself where it says ${MASK}: the url leads to another host than before`;

function refuseMasks(values: RowValues): void {
  const masked = Object.keys(values).filter((key) => isMasked(values[key]));
  if (masked.length > 0) throw new RowRefused(masked.map((path) => ({ path, message: WRITE_ANEW })));
}

function isMasked(value: Json | undefined): boolean {
  if (value === undefined) return false;
  if (typeof value !== 'string') return stringifyJson(value).includes(MASK);
  return value.includes(MASK) || /:\/\/[^\s/?#@]*:\*\*\*@/.test(value);
}

/** Each line that is as it was shown becomes what it stands for. */
function unmaskedText(value: Json | undefined, shown: Json | undefined, before: Json | undefined): Json {
  if (typeof value !== 'string' || typeof shown !== 'string' || typeof before !== 'string') {
    const isAsShown =
      value !== undefined && shown !== undefined && stringifyJson(value) === stringifyJson(shown);
    return (isAsShown ? before : value) ?? null;
  }
  const real = before.split('\n');
  const lines = new Map(shown.split('\n').map((line, i) => [line.trimEnd(), real[i] ?? line]));
  return value
    .split('\n')
    .map((line) => (isMasked(line) ? (lines.get(line.trimEnd()) ?? line) : line))
    .join('\n');
}

/** Where data has a say in the host, any other template may lead to another one. */
function originOf(url: Json | undefined): string | null {
  return typeof url === 'string' ? (staticOrigin(url) ?? url) : null;
}

function changedKeys(before: RowValues, after: RowValues): string[] {
  const text = (value: Json | undefined) => (value === undefined ? '' : stringifyJson(value));
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].filter((key) => text(before[key]) !== text(after[key])).sort();
}

function nameOf({ values, id }: StoredRow): string {
  const { name } = values;
  return typeof name === 'string' ? name : `row ${id}`;
}
