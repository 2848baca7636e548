/**
 * The file's webhooks as a process needs them that delivers and does not capture: made of what the capturing
 * process has published, so that its reload takes effect here too; this process's own file gives the secrets.
 *
 * A variable is resolved only where this process's own file names it as well: what is read from the store can
 * never make this process give away what it was not told to use.
 */
import { confidentialOf } from '../admin/masking.ts';
import type { LoadedConfig } from '../config/load.ts';
import { type WebhookConfig, webhookSchema } from '../config/webhookSchema.ts';
import { toWalhookError, WalhookError } from '../core/errors.ts';
import { type Json, stringifyJson } from '../core/json.ts';
import type { Logger } from '../core/logger.ts';
import { Secret } from '../core/secret.ts';
import type { DeliverTarget } from '../deliver/target.ts';
import type { PublishedFile } from './publishedFile.ts';
import { defineWebhook } from './webhooks.ts';

export class FileTargets {
  readonly #log: Logger;
  #loaded: LoadedConfig;
  /** By key: what each was made of, and null where this process cannot deliver for it. */
  #known: ReadonlyMap<string, { readonly text: string; readonly target: DeliverTarget | null }> = new Map();

  constructor(loaded: LoadedConfig, log: Logger) {
    this.#loaded = loaded;
    this.#log = log;
  }

  /** Another file is in force. */
  reload(loaded: LoadedConfig): void {
    this.#loaded = loaded;
    this.#known = new Map();
  }

  /** What has not changed stays the same object. */
  targets(files: readonly PublishedFile[]): DeliverTarget[] {
    this.#known = new Map(
      files.map((file) => {
        const text = stringifyJson(file as unknown as Json);
        const known = this.#known.get(file.key);
        return [file.key, known?.text === text ? known : { text, target: this.#targetOf(file) }];
      }),
    );
    return [...this.#known.values()].flatMap(({ target }) => target ?? []);
  }

  #targetOf(file: PublishedFile): DeliverTarget | null {
    try {
      return targetOfFile(file, this.#loaded);
    } catch (error) {
      const { code, message } = toWalhookError(error);
      this.#log.error(
        { webhook: file.key, code, try: "bring this process's file to what the capturing process has" },
        `a webhook cannot be delivered for from here: ${message}; its Deliveries wait`,
      );
      return null;
    }
  }
}

/** A shorter text would be found by chance in what is not secret. */
const MIN_SECRET = 6;

/** Throws CONFIG_INVALID where this process's own file lacks what the webhook needs. */
export function targetOfFile({ key, name, values, own }: PublishedFile, loaded: LoadedConfig): DeliverTarget {
  const { config, templateEnv } = loaded;
  const at = config.webhooks.findIndex((one) => one.name === name);
  const ours = config.webhooks[at];
  // What variables stand for is masked in what is kept of requests, as for a webhook of the own file.
  const confided = new Set<string>();
  const resolve = (text: string) => {
    const found = loaded.resolve(text);
    for (const value of found.values) if (value.length >= MIN_SECRET) confided.add(value);
    return found;
  };
  const given = own.map((field): [string, unknown] => {
    const value = ours === undefined ? null : Reflect.get(ours, field);
    if (value === null || value === undefined || value === '') {
      throw new WalhookError('CONFIG_INVALID', `expected ${field} in this process's own file, found none`);
    }
    return [field, value];
  });
  const said = Object.fromEntries(
    Object.entries(values).map(([field, value]) => [field, resolved(field, value, resolve)]),
  );
  const plain = { name, models: ['*'], events: ['created'], url: ours?.url ?? 'http://localhost/', ...said };
  const parsed = webhookSchema.safeParse(plain);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new WalhookError('CONFIG_INVALID', `expected another ${issue?.path.join('.') ?? 'webhook'}`);
  }
  const whole = { ...parsed.data, ...Object.fromEntries(given) } as WebhookConfig;
  const { deliver } = defineWebhook(whole, key, [], templateEnv);
  // A loopback address is allowed by being written in the file of the process that sends.
  return {
    ...deliver,
    writtenLoopback: ours?.url === whole.url ? deliver.writtenLoopback : null,
    confidential: [...confidentialOf(loaded, at), ...[...confided].map((text) => new Secret(text))],
  };
}

function resolved(field: string, value: Json, resolve: LoadedConfig['resolve']): Json {
  if (Array.isArray(value)) return value.map((one) => resolved(field, one, resolve));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, resolved(key, one, resolve)]));
  }
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'string' || !value.includes('${')) return value;
  const { text, isVariable, missing } = resolve(value);
  if (missing.length > 0) throw new WalhookError('CONFIG_INVALID', `${field}: ${missing[0]}`);
  return isVariable && UNQUOTED.has(field) ? unquoted(text) : text;
}

/** What a variable stands for where no text is wanted. */
const UNQUOTED: ReadonlySet<string> = new Set([
  'allow_templated_host',
  'ssl_verification',
  'concurrency',
  'max',
]);

function unquoted(text: string): Json {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^\d{1,15}$/.test(text) ? Number(text) : text;
}
