/**
 * Webhooks as the stages need them, made from the configuration: what matching asks and what shapes
 * requests. Every mistake that the shape of the file cannot show is found here, each with its path.
 */
import type { ContextOption, ModelOptions } from './change/table.ts';
import type { Config } from './config/schema.ts';
import { deriveKeys } from './config/webhookKeys.ts';
import type { WebhookConfig } from './config/webhookSchema.ts';
import { WalhookError } from './core/errors.ts';
import { Secret } from './core/secret.ts';
import type { DeliverTarget } from './deliver/lane.ts';
import { parseRequestUrl, staticOrigin } from './deliver/url.ts';
import type { MatchTarget } from './match/match.ts';
import { compileTemplate, type Template } from './template/engine.ts';

/** One Webhook, ready for both ends of the queue. */
export interface WebhookDefinition {
  readonly match: MatchTarget;
  readonly deliver: DeliverTarget;
}

export interface DefinitionMistake {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export interface Definitions {
  readonly webhooks: readonly WebhookDefinition[];
  readonly mistakes: readonly DefinitionMistake[];
}

/**
 * Compiles every webhook of a configuration.
 *
 * @param remembered name → key of Webhooks that have a key already
 */
export function defineWebhooks(config: Config, remembered?: ReadonlyMap<string, string>): Definitions {
  const keys = deriveKeys(
    config.webhooks.map((webhook) => webhook.name),
    remembered,
  );
  const mistakes: DefinitionMistake[] = [];
  const webhooks = config.webhooks.flatMap((webhook, i) => {
    const found: DefinitionMistake[] = [];
    const definition = defineWebhook(webhook, keys.get(webhook.name) ?? '', ['webhooks', i], found);
    mistakes.push(...found);
    return found.length > 0 || definition === null ? [] : [definition];
  });
  return { webhooks, mistakes };
}

function defineWebhook(
  webhook: WebhookConfig,
  key: string,
  path: readonly (string | number)[],
  mistakes: DefinitionMistake[],
): WebhookDefinition | null {
  const template = (field: 'url' | 'additional_headers' | 'body_template', headerSafe = false) => {
    try {
      return compileTemplate(webhook[field], {
        path: [...path, field].join('.'),
        undefined: webhook.undefined,
        headerSafe,
      });
    } catch (error) {
      if (!(error instanceof WalhookError)) throw error;
      mistakes.push({ path: [...path, field], message: error.message });
      return null;
    }
  };
  const url = template('url');
  const headers = webhook.additional_headers === '' ? null : template('additional_headers', true);
  const body = webhook.body_template === '' ? null : template('body_template');
  if (url !== null) checkUrl(webhook, url, [...path, 'url'], mistakes);
  if (url === null) return null;
  return {
    match: {
      key,
      name: webhook.name,
      enabled: webhook.enabled,
      models: webhook.models,
      events: webhook.events,
    },
    deliver: {
      key,
      name: webhook.name,
      method: webhook.http_method,
      contentType: webhook.http_content_type,
      url,
      origin: webhook.allow_templated_host ? null : staticOrigin(webhook.url),
      headers,
      body,
      secrets: secretsOf(webhook),
      signature: webhook.signature,
      retry: { scheduleMs: webhook.retry.schedule, maxAgeMs: webhook.retry.max_age },
      timeoutMs: webhook.timeout,
      concurrency: webhook.concurrency,
    },
  };
}

function secretsOf({ secret }: WebhookConfig): Secret[] {
  if (secret === null) return [];
  return secret instanceof Secret ? [secret] : secret;
}

function checkUrl(
  webhook: WebhookConfig,
  url: Template,
  path: readonly (string | number)[],
  mistakes: DefinitionMistake[],
): void {
  if (!url.isConstant) {
    if (!webhook.allow_templated_host && staticOrigin(webhook.url) === null) {
      mistakes.push({
        path,
        message:
          'expected scheme, host and port to stand before the first tag, found a host that data has a say in; allow_templated_host: true allows it',
      });
    }
    return;
  }
  try {
    parseRequestUrl(webhook.url);
  } catch (error) {
    if (!(error instanceof WalhookError)) throw error;
    mistakes.push({ path, message: error.message });
  }
}

/** The Models of a configuration as change/ needs them. */
export function modelOptions(config: Config): ModelOptions[] {
  return config.models.map(({ name, table, exclude }) => ({ name, ...table, exclude }));
}

/** The sources of context, by default the message `walhook` and then walhook.track's columns. */
export function contextOptions(config: Config): ContextOption[] {
  if (config.context === null) return [{ kind: 'message' }, { kind: 'tracked' }];
  return config.context.map((source): ContextOption => {
    if ('message' in source) return { kind: 'message' };
    const { username, request_id: requestId } = source.columns;
    return { kind: 'columns', username, requestId, trust: source.trust };
  });
}

/** What stands in the queue's store of each Webhook. No URL, header or secret is among it. */
interface PublishedWebhook {
  readonly name: string;
  readonly key: string;
  readonly enabled: boolean;
  readonly models: readonly string[];
  readonly events: readonly string[];
}

/** The webhooks in force as text for the queue's store. */
export function publishDefinitions(webhooks: readonly WebhookDefinition[]): string {
  const published = webhooks.map(
    ({ match: { name, key, enabled, models, events } }): PublishedWebhook => ({
      name,
      key,
      enabled,
      models,
      events,
    }),
  );
  return JSON.stringify({ v: 1, webhooks: published });
}

/** Name → key of the Webhooks that the store knows. */
export function rememberedKeys(definitions: string | null): ReadonlyMap<string, string> {
  if (definitions === null) return new Map();
  const { webhooks } = JSON.parse(definitions) as { webhooks: readonly PublishedWebhook[] };
  return new Map(webhooks.map(({ name, key }) => [name, key]));
}
