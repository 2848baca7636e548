/**
 * The signatures of a request.
 *
 * `X-Hook-Signature` as NetBox and Peering Manager send it: hex HMAC-SHA512 of the body, keyed with the
 * text of the first secret. `webhook-signature` as Standard Webhooks 1.0 asks: one `v1,` entry per secret,
 * base64 HMAC-SHA256 of `id.timestamp.body`.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import { createHmac } from 'node:crypto';
import type { Secret } from '../core/secret.ts';

export type SignatureKind = 'netbox' | 'standard' | 'both';

/** The key bytes of a secret: base64 after `whsec_`, else the text's UTF-8. */
function standardKey(secret: string): Buffer {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret, 'utf8');
}

/** The value of `webhook-signature`: entries separated by spaces, in the order of the secrets. */
export function standardSignature(
  secrets: readonly Secret[],
  id: string,
  timestamp: number,
  body: Buffer,
): string {
  return secrets
    .map((secret) => {
      const hmac = createHmac('sha256', standardKey(secret.reveal()));
      return `v1,${hmac.update(`${id}.${timestamp}.`).update(body).digest('base64')}`;
    })
    .join(' ');
}

/** The value of `X-Hook-Signature`. */
export function netboxSignature(secret: Secret, body: Buffer): string {
  return createHmac('sha512', Buffer.from(secret.reveal(), 'utf8')).update(body).digest('hex');
}

/** Name and value of each signature header; none without a secret. */
export function signatureHeaders(
  kind: SignatureKind,
  secrets: readonly Secret[],
  id: string,
  timestamp: number,
  body: Buffer,
): [name: string, value: string][] {
  const first = secrets[0];
  if (first === undefined) return [];
  const headers: [string, string][] = [];
  if (kind !== 'standard') headers.push(['X-Hook-Signature', netboxSignature(first, body)]);
  if (kind !== 'netbox') {
    headers.push(['webhook-signature', standardSignature(secrets, id, timestamp, body)]);
  }
  return headers;
}
