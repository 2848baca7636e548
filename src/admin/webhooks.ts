/** Webhooks as the page and the API show them: definition, state and what is in the queue. */
import { WalhookError } from '../core/errors.ts';
import { type PublishedRow, readPublished } from '../definitions/published.ts';
import type { WebhookDefinition } from '../definitions/webhooks.ts';
import type { QueueCounts } from '../queue/store.ts';
import type { AdminHost } from './host.ts';
import { type Mask, maskedSettings, maskHeaderText, maskOf } from './masking.ts';

/**
 * parked: its receiver is down and is probed · orphan: defined no more, with Deliveries that wait.
 */
export type WebhookState = 'active' | 'paused' | 'parked' | 'disabled' | 'orphan';

export type WebhookView = {
  readonly name: string;
  readonly key: string;
  readonly state: WebhookState;
  /** Where it is defined. */
  readonly source: 'file' | 'row' | null;
  readonly models: readonly string[];
  readonly events: readonly string[];
  /** The template, credentials masked. */
  readonly url: string | null;
  readonly counts: QueueCounts;
  /** As written in the file, with `defaults`, credentials masked; null for an orphan. */
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

export async function listWebhooks(host: AdminHost): Promise<WebhookView[]> {
  const counts = await host.store.counts();
  const { webhooks, loaded } = host.live.current;
  const mask = maskOf(loaded);
  const defined = webhooks.map((webhook, i) =>
    viewOf(webhook, loaded.rawWebhooks[i] ?? {}, counts.get(webhook.match.key) ?? NO_COUNTS, mask),
  );
  const ofFile = new Set(defined.map(({ key }) => key));
  const rows = readPublished((await host.store.state())?.definitions ?? null).rows.filter(
    ({ key }) => !ofFile.has(key),
  );
  defined.push(...rows.map((row) => viewOfRow(row, counts.get(row.key) ?? NO_COUNTS, mask)));
  const keys = new Set(defined.map(({ key }) => key));
  const orphans = [...counts].filter(
    ([key, count]) => !keys.has(key) && count.waiting + count.delayed + count.active + count.failed > 0,
  );
  return [...defined, ...orphans.map(([key, count]) => orphanOf(key, count))];
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

/** The definition in force. Throws WEBHOOK_UNKNOWN. */
export function definitionOf(host: AdminHost, name: string): WebhookDefinition {
  const { webhooks } = host.live.current;
  const found =
    webhooks.find(({ match }) => match.name === name) ?? webhooks.find(({ match }) => match.key === name);
  if (found === undefined) {
    throw new WalhookError('WEBHOOK_UNKNOWN', 'expected the name of a webhook, found another text');
  }
  return found;
}

/** Name by key: what lists of Deliveries show. */
export function namesByKey(host: AdminHost): ReadonlyMap<string, string> {
  return new Map(host.live.current.webhooks.map(({ match }) => [match.key, match.name]));
}

/** Pausing works at once in every process, survives reload and restart, and loses nothing. */
export async function setPaused(host: AdminHost, key: string, isPaused: boolean): Promise<void> {
  if (isPaused) await host.store.pause(key);
  else await host.store.resume(key);
}

function viewOf(
  { match }: WebhookDefinition,
  raw: Readonly<Record<string, unknown>>,
  counts: QueueCounts,
  mask: Mask,
): WebhookView {
  const { additional_headers: headers, ...rest } = raw;
  const definition: Record<string, unknown> = {
    ...(maskedSettings(rest, mask) as Record<string, unknown>),
    ...(typeof headers === 'string' ? { additional_headers: maskHeaderText(headers, mask) } : {}),
  };
  const url = definition['url'];
  return {
    name: match.name,
    key: match.key,
    state: !match.enabled ? 'disabled' : counts.isPaused ? 'paused' : counts.isParked ? 'parked' : 'active',
    source: 'file',
    models: match.models,
    events: match.events,
    url: typeof url === 'string' ? url : null,
    counts,
    definition,
  };
}

/** A webhook kept as a row; one that is invalid is not in force, as if it were disabled. */
function viewOfRow({ key, values, problems }: PublishedRow, counts: QueueCounts, mask: Mask): WebhookView {
  const { additional_headers: headers, ...rest } = values;
  const definition: Record<string, unknown> = {
    ...(maskedSettings(rest, mask) as Record<string, unknown>),
    ...(typeof headers === 'string' ? { additional_headers: maskHeaderText(headers, mask) } : {}),
  };
  const { name, enabled, models, events } = values;
  const texts = (value: unknown) => (Array.isArray(value) ? value.map(String) : []);
  const isOff = enabled === false || problems !== undefined;
  const url = definition['url'];
  return {
    name: typeof name === 'string' ? name : key,
    key,
    state: isOff ? 'disabled' : counts.isPaused ? 'paused' : counts.isParked ? 'parked' : 'active',
    source: 'row',
    models: texts(models),
    events: texts(events),
    url: typeof url === 'string' ? url : null,
    counts,
    definition,
  };
}

function orphanOf(key: string, counts: QueueCounts): WebhookView {
  const nothing = { source: null, models: [], events: [], url: null, definition: null };
  return { name: key, key, state: 'orphan', counts, ...nothing };
}
