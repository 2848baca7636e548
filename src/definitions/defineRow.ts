/**
 * A webhook kept as a row, held to the rules of the configuration file and to those for rows alone: nothing is
 * interpolated, a secret is named and not said, files and proxies are the file's, and the host is one that
 * `rows.allow_hosts` lets in. Pure.
 */
import { describeIssue, type Finding, formatPath } from '../config/mistakes.ts';
import type { Config } from '../config/schema.ts';
import { rowSchema, type WebhookConfig, webhookSchema, withoutFileOnly } from '../config/webhookSchema.ts';
import { toWalhookError, WalhookError } from '../core/errors.ts';
import { staticOrigin } from '../deliver/url.ts';
import { excludedInWebhook } from './checkConfig.ts';
import type { WebhookRow } from './webhookRow.ts';
import { checkWebhook, defineWebhook, type WebhookDefinition } from './webhooks.ts';

/** What rows are judged by. */
export interface RowRules {
  readonly allowHosts: readonly string[];
  readonly secrets: Config['secrets'];
  /** What `defaults` says of the keys that rows may have. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** For names of columns that they exclude. */
  readonly models: Config['models'];
}

/** Texts of the file may hold what a variable gave, which must not go where a row says. */
const NOT_INHERITED: ReadonlySet<string> = new Set(['additional_headers', 'body_template']);

export function rowRulesOf(config: Config): RowRules {
  const defaults = Object.entries(withoutFileOnly<unknown>(config.defaults)).filter(
    ([key, value]) => value !== undefined && !NOT_INHERITED.has(key),
  );
  return {
    allowHosts: config.rows.allow_hosts,
    secrets: config.secrets,
    defaults: Object.fromEntries(defaults),
    models: config.models,
  };
}

/** One thing that keeps a row from being a Webhook. */
export interface RowMistake {
  /** e.g. `conditions.and[0].op`; '' for the row as a whole. */
  readonly path: string;
  readonly message: string;
}

/** As one sentence, which is how rows that are not in force are told of. */
export function rowSentence({ path, message }: RowMistake): string {
  return path === '' ? message : `${path}: ${message}`;
}

/** What {@link rowSentence} made of a mistake, taken apart again. */
export function rowMistakeOf(sentence: string): RowMistake {
  const [, path, message] = /^([a-z_]+(?:\.[\w$-]+|\[\d+\])*): (.*)$/s.exec(sentence) ?? [];
  return path === undefined || message === undefined ? { path: '', message: sentence } : { path, message };
}

/** What keeps a row from being a Webhook: a sentence for each mistake. */
export function mistakesOfRow(row: Pick<WebhookRow, 'values'>, rules: RowRules): string[] {
  return checkRow(row, rules).map(rowSentence);
}

/** Every mistake of a row, with its path. */
export function checkRow({ values }: Pick<WebhookRow, 'values'>, rules: RowRules): RowMistake[] {
  const parsed = rowSchema.safeParse(values);
  const valueAt = (path: readonly (string | number)[]) =>
    path.reduce<unknown>((at, part) => (isObject(at) ? Reflect.get(at, part) : undefined), values);
  const issues = parsed.success ? [] : parsed.error.issues;
  const view = { valueAt, isFromVariable: () => false, keysAt: () => [] };
  const shape = issues.flatMap((issue) => describeIssue(issue, view)).map(placed);
  const whole = { ...rules.defaults, ...values };
  const deep = [...checkWebhook(whole, []), ...excludedInWebhook(whole, [], rules.models)].map(placed);
  return [...shape, ...deep, ...ownMistakes(values, rules)];
}

function placed({ path, message }: Finding): RowMistake {
  const at = formatPath(path);
  // Errors of templates name their field themselves.
  return { path: at, message: message.startsWith(`${at}, `) ? message.slice(at.length + 2) : message };
}

/** Rules that the file's webhooks do not know. */
function ownMistakes(values: WebhookRow['values'], rules: RowRules): RowMistake[] {
  const mistakes: RowMistake[] = [];
  const { secret_name: secret, url } = values;
  if (typeof secret === 'string' && !Object.hasOwn(rules.secrets, secret)) {
    mistakes.push({
      path: 'secret_name',
      message: 'expected a name that secrets of the configuration file defines',
    });
  }
  if (typeof url === 'string') {
    mistakes.push(...hostMistakes(url, rules.allowHosts).map((message) => ({ path: 'url', message })));
  }
  for (const field of ['url', 'additional_headers', 'body_template']) {
    const text = values[field];
    if (typeof text === 'string' && readsEnvironment(text)) {
      mistakes.push({ path: field, message: 'expected no env filter: rows do not read the environment' });
    }
  }
  return mistakes;
}

/** Only within a tag of the template. */
function readsEnvironment(template: string): boolean {
  return /\{[{%](?:(?![}%]\}).)*\|\s*env\b/s.test(template);
}

function hostMistakes(url: string, allowed: readonly string[]): string[] {
  if (allowed.includes('*')) return [];
  const origin = staticOrigin(url);
  if (origin === null) {
    // What cannot be parsed at all is told by its shape.
    return /\{\{|\{%|\{#/.test(url)
      ? ['expected a host that no template has a say in, for rows.allow_hosts names the hosts of rows']
      : [];
  }
  const host = new URL(origin).hostname;
  return isHostAllowed(host, allowed) ? [] : [`expected a host that rows.allow_hosts names, found ${host}`];
}

/** @param allowed lower case: `*`, a host, or `*.` and a domain for every name below it */
export function isHostAllowed(host: string, allowed: readonly string[]): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  return allowed.some((pattern) => {
    if (pattern === '*') return true;
    return pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern;
  });
}

/** Compiles a row that has no mistakes. Throws a coded error all the same where it cannot be. */
export function defineRow(row: WebhookRow, key: string, rules: RowRules): WebhookDefinition {
  const { secret_name: secretName, ...own } = rowSchema.parse(row.values) as Partial<WebhookConfig> & {
    readonly name: string;
    readonly models: string[];
    readonly events: WebhookConfig['events'];
    readonly url: string;
    readonly secret_name?: string;
  };
  const { name, models, events, url } = own;
  const plain = webhookSchema.parse({ name, models, events, url });
  const secret = secretName === undefined ? null : rules.secrets[secretName];
  if (secret === undefined) throw new WalhookError('CONFIG_INVALID', 'expected a secret of that name');
  const whole = { ...plain, ...rules.defaults, ...own, secret };
  const definition = defineWebhook(whole, key, [], () => undefined);
  // A loopback address is allowed by being written in the file; rows are bound by the policy.
  return { ...definition, deliver: { ...definition.deliver, writtenLoopback: null } };
}

/** A row as it stands: a Webhook, or what is wrong with it. */
export type JudgedRow =
  | { readonly kind: 'valid'; readonly definition: WebhookDefinition }
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

/** Bounded: what is told of one row stays readable. */
const MAX_PROBLEMS = 10;

export function judgeRow(row: WebhookRow, key: string, rules: RowRules): JudgedRow {
  try {
    const problems = mistakesOfRow(row, rules);
    if (problems.length > 0) return { kind: 'invalid', problems: problems.slice(0, MAX_PROBLEMS) };
    return { kind: 'valid', definition: defineRow(row, key, rules) };
  } catch (error) {
    return { kind: 'invalid', problems: [toWalhookError(error).message] };
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
