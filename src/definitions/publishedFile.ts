/**
 * What the capturing process publishes of the file's webhooks, for those that only deliver: what shapes requests, as
 * it is written, with `${…}` unresolved. Pure.
 *
 * No credential is among it: secrets, proxies and TLS files are named as needed and not said, and a text that
 * spells one out stays in the file, for each process to take from its own.
 */
import type { LoadedConfig, RawWebhook } from '../config/load.ts';
import { FILE_ONLY } from '../config/webhookSchema.ts';
import type { Json } from '../core/json.ts';

/** One webhook of the file. */
export interface PublishedFile {
  readonly key: string;
  readonly name: string;
  /** By the keys of a webhook. */
  readonly values: Readonly<Record<string, Json>>;
  /** Keys that each process takes from its own file: they are set, and may not be told. */
  readonly own: readonly string[];
}

/** Keys that have a say in requests and when they are made. */
export const REQUEST_KEYS = [
  'url',
  'http_method',
  'http_content_type',
  'additional_headers',
  'body_template',
  'payload_format',
  'undefined',
  'allow_templated_host',
  'signature',
  'ssl_verification',
  'timeout',
  'retry',
  'on_gone',
  'concurrency',
  'rate_limit',
  'ordering',
] as const;

/**
 * @param keys of the webhooks, in the order of the file
 * @param isCredential whether a text spells out a credential
 */
export function publishFile(
  { rawWebhooks, config }: Pick<LoadedConfig, 'rawWebhooks' | 'config'>,
  keys: readonly string[],
  isCredential: (key: string, text: string) => boolean,
): PublishedFile[] {
  return config.webhooks.map(({ name }, i) => {
    const raw: RawWebhook = rawWebhooks[i] ?? {};
    const isOwn = (key: string) => typeof raw[key] === 'string' && isCredential(key, raw[key]);
    const said = REQUEST_KEYS.filter((key) => raw[key] !== undefined && raw[key] !== null && !isOwn(key));
    const own = [
      ...[...FILE_ONLY].filter((key) => raw[key] !== undefined && raw[key] !== null),
      ...REQUEST_KEYS.filter(isOwn),
    ];
    const values = Object.fromEntries(said.map((key) => [key, raw[key] as Json]));
    return { key: keys[i] ?? '', name, values, own };
  });
}
