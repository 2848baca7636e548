/**
 * Keeps secrets out of what the admin server shows. It knows every secret text of the configuration (what
 * is declared one, what variables stand for, credentials in URLs) and masks each wherever it occurs, so that
 * a secret is not shown because it came by another way than expected.
 */
import type { LoadedConfig } from '../config/load.ts';
import { isSeveralRedisUrl, maskSeveral } from '../core/redisUrl.ts';
import { MASK, Secret } from '../core/secret.ts';

/** A shorter text would be found by chance in what is not secret. */
const MIN_SECRET = 6;

/** Names of settings and headers whose values are credentials, whatever they hold. */
const CREDENTIAL_NAME =
  /authorization|cookie|token|secret|passw(or)?d|api-?_?key|auth-?_?key|access-?_?key|credential|encryption_key/i;

/** Settings that a variable may fill with a secret. */
const CONFIDENTIAL_PATH = /url|secret|token|password|key|headers|body|proxy/;

export type Mask = (text: string) => string;

/** The masker of a configuration. */
export function maskOf(loaded: LoadedConfig): Mask {
  const secrets = [...secretTexts(loaded)]
    .filter((text) => text.length >= MIN_SECRET)
    .sort((a, b) => b.length - a.length);
  return (text) => secrets.reduce((masked, secret) => masked.replaceAll(secret, replacement(secret)), text);
}

/** Of a secret URL the origin may be seen: it says which receiver is meant. */
function replacement(secret: string): string {
  if (!/^https?:\/\//.test(secret) || !URL.canParse(secret)) return MASK;
  return `${new URL(secret).origin}/${MASK}`;
}

function secretTexts({ config, variableValues }: LoadedConfig): Set<string> {
  const found = new Set<string>();
  const add = (text: string) => {
    found.add(text);
    // As a template or a URL may have written it.
    found.add(encodeURIComponent(text));
  };
  for (const { path, value } of variableValues) {
    if (path.some((part) => CONFIDENTIAL_PATH.test(String(part)))) add(value.reveal());
  }
  const visit = (value: unknown): void => {
    if (value instanceof Secret) {
      const text = value.reveal();
      for (const part of URL.canParse(text) ? credentialsOf(text) : [text]) add(part);
    } else if (typeof value === 'string') {
      for (const part of [...credentialsIn(value), ...credentialParameters(value)]) add(part);
    } else if (typeof value === 'object' && value !== null) {
      for (const item of Object.values(value)) visit(item);
    }
  };
  visit(config);
  for (const { additional_headers: text } of config.webhooks) {
    for (const value of credentialHeaders(text)) add(value);
  }
  return found;
}

/**
 * Secret texts that the requests of one webhook of the file may hold beside its `secret`: what variables stand
 * for in what shapes them, and credentials written into URL, headers and proxy.
 *
 * @param index its place in the file
 */
export function confidentialOf({ config, variableValues }: LoadedConfig, index: number): Secret[] {
  const webhook = config.webhooks[index];
  if (webhook === undefined) return [];
  const found = new Set<string>();
  for (const { path, value } of variableValues) {
    const isOfIt = path[0] === 'defaults' || (path[0] === 'webhooks' && path[1] === index);
    if (isOfIt && path.some((part) => CONFIDENTIAL_PATH.test(String(part)))) found.add(value.reveal());
  }
  const proxy = webhook.proxy instanceof Secret ? webhook.proxy.reveal() : (webhook.proxy ?? '');
  for (const url of [webhook.url, proxy]) {
    for (const text of [...credentialsIn(url), ...credentialParameters(url)]) found.add(text);
    if (/^https?:\/\/[^/{]*@/.test(url) && URL.canParse(url))
      for (const text of credentialsOf(url)) found.add(text);
  }
  for (const text of credentialHeaders(webhook.additional_headers)) found.add(text);
  return [...found].filter((text) => text.length >= MIN_SECRET).map((text) => new Secret(text));
}

/** `user:password@` of every URL in a text; the user stays readable. */
function credentialsIn(text: string): string[] {
  return [...text.matchAll(/[a-z][a-z0-9+.-]*:\/\/([^\s/?#@]*)@/gi)].flatMap(([, userinfo]) => {
    const password = (userinfo ?? '').split(':').slice(1).join(':');
    return password === '' ? [] : [password, safeDecode(password)];
  });
}

/** Values of query parameters that are named like credentials, as far as no template tag makes them. */
function credentialParameters(text: string): string[] {
  return [...text.matchAll(/[?&]([^=&#\s]+)=([^&#\s{}]+)(?=[&#\s]|$)/g)].flatMap(([, name, value]) =>
    CREDENTIAL_NAME.test(name ?? '') && value !== undefined ? [value, safeDecode(value)] : [],
  );
}

function credentialsOf(url: string): string[] {
  const parsed = new URL(url);
  const basic = `${safeDecode(parsed.username)}:${safeDecode(parsed.password)}`;
  const password = [parsed.password, safeDecode(parsed.password)].filter((text) => text !== '');
  return [...password, ...(password.length > 0 ? [Buffer.from(basic).toString('base64')] : [])];
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Values of header lines that are named like credentials, as far as no template tag makes them. */
function credentialHeaders(text: string): string[] {
  return text.split(/\r\n|\r|\n/).flatMap((line) => {
    const colon = line.indexOf(':');
    if (colon < 0 || !CREDENTIAL_NAME.test(line.slice(0, colon))) return [];
    const value = line.slice(colon + 1).trim();
    if (/\{\{|\{%|\{#/.test(value)) return [];
    return [value, ...value.split(/\s+/).slice(1)];
  });
}

/** A setting or document with secrets masked, for display: by the names of its keys and by what they hold. */
export function maskedSettings(value: unknown, mask: Mask): unknown {
  if (value instanceof Secret) return maskedUrlOrSecret(value);
  if (typeof value === 'string') return mask(maskUserinfo(value));
  if (Array.isArray(value)) return value.map((item) => maskedSettings(item, mask));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      CREDENTIAL_NAME.test(key) && !(item instanceof Secret)
        ? maskedCredential(item, mask)
        : maskedSettings(item, mask),
    ]),
  );
}

/** `${SLACK_SECRET}` says where the secret comes from, and nothing of it. */
function maskedCredential(value: unknown, mask: Mask): unknown {
  if (typeof value === 'string') return /^\$\{[^}]*\}$/.test(value) ? value : MASK;
  if (Array.isArray(value)) return value.map((item) => maskedCredential(item, mask));
  return maskedSettings(value, mask);
}

function maskedUrlOrSecret(secret: Secret): string {
  const text = secret.reveal();
  if (isSeveralRedisUrl(text)) return maskSeveral(text);
  if (!URL.canParse(text) || !/^(postgres|postgresql|redis|rediss):$/.test(new URL(text).protocol))
    return MASK;
  const url = new URL(text);
  if (url.password !== '') url.password = '***';
  for (const name of [...url.searchParams.keys()])
    if (CREDENTIAL_NAME.test(name)) url.searchParams.set(name, '***');
  return url.toString();
}

function maskUserinfo(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/[^\s/?#@:]*):[^\s/?#@]*@/gi, '$1:***@');
}

/** Header lines in display: values of credential headers are masked. */
export function maskHeaderText(text: string, mask: Mask): string {
  return text
    .split('\n')
    .map((line) => {
      const colon = line.indexOf(':');
      const isCredential = colon > 0 && CREDENTIAL_NAME.test(line.slice(0, colon)) && !/\$\{/.test(line);
      return isCredential ? `${line.slice(0, colon)}: ${MASK}` : mask(line);
    })
    .join('\n');
}

export function isCredentialName(name: string): boolean {
  return CREDENTIAL_NAME.test(name);
}
