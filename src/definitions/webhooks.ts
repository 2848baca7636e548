/**
 * Webhooks as the stages need them, made from the configuration: what matching asks and what shapes
 * requests. Every mistake that the shape of the file cannot show is found here, each with its path.
 */
import { formatPath } from '../config/mistakes.ts';
import type { Config } from '../config/schema.ts';
import { deriveKeys } from '../config/webhookKeys.ts';
import type { WebhookConfig } from '../config/webhookSchema.ts';
import { WalhookError } from '../core/errors.ts';
import { type Json, stringifyJson } from '../core/json.ts';
import { Secret } from '../core/secret.ts';
import { writtenLoopbackOf } from '../deliver/addresses/policy.ts';
import type { DeliverTarget } from '../deliver/target.ts';
import { readChecked, readTls } from '../deliver/tlsFiles.ts';
import { parseRequestUrl, staticOrigin } from '../deliver/url.ts';
import type { Bounds } from '../enqueue/bounds.ts';
import type { Conditions } from '../match/conditions/condition.ts';
import { parseConditions } from '../match/conditions/parse.ts';
import type { MatchTarget } from '../match/match.ts';
import { compileTemplate, type Template } from '../template/engine.ts';
import { type PublishedRows, readPublished } from './published.ts';

/** One Webhook, ready for both ends of the queue. */
export interface WebhookDefinition {
  readonly match: MatchTarget;
  readonly deliver: DeliverTarget;
  readonly bounds: Bounds;
}

/** Thrown never, returned always: what is wrong with a webhook beyond its shape. */
export interface DefinitionMistake {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/**
 * Checks what the shape of the file cannot show: templates, and where the URL leads. Takes the webhook as
 * written, so that these mistakes are reported beside those of its shape.
 */
export function checkWebhook(
  webhook: Readonly<Record<string, unknown>>,
  path: readonly (string | number)[],
): DefinitionMistake[] {
  const mistakes: DefinitionMistake[] = [];
  const attempt = (field: string, check: () => void) => {
    try {
      check();
    } catch (error) {
      if (!(error instanceof WalhookError)) throw error;
      mistakes.push({ path: [...path, field], message: error.message });
    }
  };
  const text = (field: string) => {
    const value = webhook[field];
    return typeof value === 'string' && value !== '' ? value : null;
  };
  for (const field of TEMPLATE_FIELDS) {
    const source = text(field);
    if (source !== null) attempt(field, () => compileField(field, source, 'lenient', path));
  }
  const mode = webhook['conditions_mode'] === 'lenient' ? 'lenient' : 'strict';
  const parsed = parseConditions(webhook['conditions'], mode, formatPath([...path, 'conditions']));
  if (!parsed.ok)
    mistakes.push(...parsed.mistakes.map((mistake) => placed(mistake, [...path, 'conditions'])));
  mistakes.push(...columnMistakes(webhook['columns'], [...path, 'columns']));
  const url = text('url');
  if (url !== null && mistakes.every((mistake) => mistake.path.at(-1) !== 'url')) {
    attempt('url', () => checkUrl(url, webhook['allow_templated_host'] === true));
  }
  checkTls(text, attempt);
  return mistakes;
}

/** What the `env` filter of templates reads; see LoadedConfig.templateEnv. */
export type TemplateEnv = (name: string) => string | undefined;

const NO_ENV: TemplateEnv = () => undefined;
const TLS_FILES = { ca_file_path: 'ca', cert_file_path: 'cert', key_file_path: 'key' } as const;

/** The files are there, are what they are said to be, and certificate and key belong together. */
function checkTls(
  text: (field: string) => string | null,
  attempt: (field: string, check: () => void) => void,
): void {
  const cert = text('cert_file_path');
  const key = text('key_file_path');
  let isSound = true;
  for (const [field, kind] of Object.entries(TLS_FILES)) {
    const path = text(field);
    if (path === null) continue;
    attempt(field, () => {
      isSound = false;
      readChecked(path, kind);
      isSound = true;
    });
  }
  const alone = cert === null ? 'key_file_path' : 'cert_file_path';
  attempt(alone, () => {
    if ((cert === null) !== (key === null)) {
      throw new WalhookError(
        'CONFIG_INVALID',
        'expected cert_file_path and key_file_path together, found one',
      );
    }
    if (isSound && cert !== null) readTls({ verify: true, ca: null, cert, key });
  });
}

/**
 * Compiles the webhooks of a configuration that was checked. Throws a coded error on the first that cannot
 * be.
 *
 * @param remembered name → key of Webhooks that have a key already
 */
export function defineWebhooks(
  config: Config,
  remembered?: ReadonlyMap<string, string>,
  env: TemplateEnv = NO_ENV,
): WebhookDefinition[] {
  const keys = deriveKeys(
    config.webhooks.map((webhook) => webhook.name),
    remembered,
  );
  return config.webhooks.map((webhook, i) =>
    defineWebhook(webhook, keys.get(webhook.name) ?? '', ['webhooks', i], env),
  );
}

/** One Webhook of a configuration whose others may be incomplete; null where there is none of that name. */
export function defineWebhookNamed(
  config: Config,
  name: string,
  env: TemplateEnv = NO_ENV,
): WebhookDefinition | null {
  const at = config.webhooks.findIndex((webhook) => webhook.name === name);
  const webhook = config.webhooks[at];
  if (webhook === undefined) return null;
  const keys = deriveKeys(config.webhooks.map((one) => one.name));
  return defineWebhook(webhook, keys.get(name) ?? '', ['webhooks', at], env);
}

/** Compiles one webhook; its mistakes are thrown, coded. */
export function defineWebhook(
  webhook: WebhookConfig,
  key: string,
  path: readonly (string | number)[],
  env: TemplateEnv,
): WebhookDefinition {
  const template = (field: TemplateField) =>
    compileField(field, webhook[field], webhook.undefined, path, env);
  checkUrl(webhook.url, webhook.allow_templated_host);
  const url = template('url');
  return {
    match: {
      key,
      name: webhook.name,
      enabled: webhook.enabled,
      models: webhook.models,
      events: webhook.events,
      conditions: conditionsOf(webhook.conditions, webhook.conditions_mode, [...path, 'conditions']),
      columns: columnsChanged(webhook.columns, [...path, 'columns']),
      onUnavailable: webhook.on_unavailable,
      require: webhook.require,
      format: webhook.payload_format,
      collapse: webhook.collapse ?? null,
      ordersRows: webhook.ordering === 'row',
    },
    bounds: {
      backlog: { max: webhook.backlog.max, bytes: webhook.backlog.bytes, rule: webhook.backlog.then },
      brake: webhook.brake === null ? null : { max: webhook.brake.max, perMs: webhook.brake.per },
    },
    deliver: {
      key,
      name: webhook.name,
      method: webhook.http_method,
      contentType: webhook.http_content_type,
      url,
      origin: webhook.allow_templated_host ? null : staticOrigin(webhook.url),
      headers: webhook.additional_headers === '' ? null : template('additional_headers'),
      format: webhook.payload_format,
      body: webhook.body_template === '' ? null : template('body_template'),
      secrets: secretsOf(webhook),
      signature: webhook.signature,
      retry: {
        scheduleMs: webhook.retry.schedule,
        maxAgeMs: webhook.retry.max_age,
        // Where data has a say in the URL, one that is gone says nothing of the others.
        onGone: webhook.on_gone ?? (url.isConstant ? 'pause' : 'fail'),
      },
      timeoutMs: webhook.timeout,
      concurrency: webhook.concurrency,
      rate:
        webhook.rate_limit === null ? null : { max: webhook.rate_limit.max, perMs: webhook.rate_limit.per },
      ordering: webhook.ordering,
      tls: {
        verify: webhook.ssl_verification,
        ca: webhook.ca_file_path,
        cert: webhook.cert_file_path,
        key: webhook.key_file_path,
      },
      proxy: webhook.proxy,
      writtenLoopback: webhook.allow_templated_host ? null : writtenLoopbackOf(staticOrigin(webhook.url)),
    },
  };
}

/** A mistake of the conditions' parser, whose path is a text that begins with that of the conditions. */
function placed(
  { path: text, message }: { readonly path: string; readonly message: string },
  path: readonly (string | number)[],
): DefinitionMistake {
  const below = text.slice(formatPath(path).length);
  const parts = [...below.matchAll(/\.([\w$-]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/g)].map(
    ([, key, index, quoted]) =>
      key ?? (index === undefined ? String(JSON.parse(quoted ?? '""')) : Number(index)),
  );
  return { path: [...path, ...parts], message };
}

/** Columns that cannot be compared, such as a path that names a snapshot. */
function columnMistakes(columns: unknown, path: readonly (string | number)[]): DefinitionMistake[] {
  if (!Array.isArray(columns)) return [];
  return columns.flatMap((attr: unknown, i) => {
    if (typeof attr !== 'string' || attr === '') return [];
    const parsed = parseConditions({ attr, op: 'changed' }, 'strict', '');
    return parsed.ok ? [] : parsed.mistakes.map(({ message }) => ({ path: [...path, i], message }));
  });
}

function conditionsOf(
  ruleset: unknown,
  mode: 'strict' | 'lenient',
  path: readonly (string | number)[],
): Conditions | null {
  const parsed = parseConditions(ruleset, mode, formatPath(path));
  if (parsed.ok) return parsed.conditions;
  const [first] = parsed.mistakes;
  throw new WalhookError('CONFIG_INVALID', `${first?.path}: ${first?.message}`);
}

/** `columns` as the condition that one of them changed. */
function columnsChanged(columns: readonly string[], path: readonly (string | number)[]): Conditions | null {
  if (columns.length === 0) return null;
  return conditionsOf({ or: columns.map((attr) => ({ attr, op: 'changed' })) }, 'strict', path);
}

const TEMPLATE_FIELDS = ['url', 'additional_headers', 'body_template'] as const;
type TemplateField = (typeof TEMPLATE_FIELDS)[number];

function compileField(
  field: TemplateField,
  source: string,
  undefinedMode: 'lenient' | 'strict',
  path: readonly (string | number)[],
  env: TemplateEnv = NO_ENV,
): Template {
  return compileTemplate(source, {
    path: formatPath([...path, field]),
    undefined: undefinedMode,
    headerSafe: field === 'additional_headers',
    env,
  });
}

/** Throws URL_INVALID where the URL cannot be sent to, or lets data say where requests go. */
function checkUrl(source: string, allowsTemplatedHost: boolean): void {
  const isConstant = !/\{\{|\{%|\{#/.test(source);
  if (isConstant) parseRequestUrl(source);
  else if (!allowsTemplatedHost && staticOrigin(source) === null) {
    throw new WalhookError(
      'URL_INVALID',
      'expected scheme, host and port to stand before the first tag, found that data has a say in them; allow_templated_host: true allows it',
    );
  }
}

function secretsOf({ secret }: WebhookConfig): Secret[] {
  if (secret === null) return [];
  return secret instanceof Secret ? [secret] : secret;
}

/** What stands in the queue's store of each Webhook. No secret is among it. */
export interface PublishedWebhook {
  readonly name: string;
  readonly key: string;
  readonly enabled: boolean;
  readonly models: readonly string[];
  readonly events: readonly string[];
}

/** Keys of Webhooks that are gone, which are kept for their Deliveries' sake. */
const MAX_RETIRED = 10_000;

/**
 * The webhooks in force as text for the queue's store.
 *
 * @param remembered what {@link rememberedKeys} gave: a key outlives its Webhook, whose Deliveries may still
 *   wait under it and must not go to another
 * @param rows webhooks kept as rows, which deliver processes know from here alone
 */
export function publishDefinitions(
  webhooks: readonly WebhookDefinition[],
  remembered: ReadonlyMap<string, string> = new Map(),
  rows: PublishedRows | null = null,
): string {
  const published = webhooks.map(
    ({ match: { name, key, enabled, models, events } }): PublishedWebhook => ({
      name,
      key,
      enabled,
      models,
      events,
    }),
  );
  const names = new Set(published.map(({ name }) => name));
  const retired = [...remembered].flatMap(([name, key]) => (names.has(name) ? [] : [{ name, key }]));
  const kept = retired.length === 0 ? {} : { retired: retired.slice(-MAX_RETIRED) };
  return stringifyJson({ v: 1, webhooks: published, ...kept, ...rows } as unknown as Json);
}

/** The webhooks in force, as the capturing process published them. */
export function readDefinitions(definitions: string | null): readonly PublishedWebhook[] {
  if (definitions === null) return [];
  return (JSON.parse(definitions) as { webhooks: readonly PublishedWebhook[] }).webhooks;
}

/** Name → key of the Webhooks that the store knows, or has known. */
export function rememberedKeys(definitions: string | null): ReadonlyMap<string, string> {
  return readPublished(definitions).keys;
}
