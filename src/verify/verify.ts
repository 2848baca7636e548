/**
 * For receivers, as `walhook/verify`: that a request came from walhook, is recent, and has not come before.
 *
 * It stands alone: nothing of the daemon is loaded, and it needs nothing but Node's crypto. The signature is
 * that of Standard Webhooks 1.0, over `webhook-id`, `webhook-timestamp` and the body as it was sent.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** Why a request is refused: a stable word. */
export type VerificationFailure = 'missing_header' | 'bad_timestamp' | 'too_old' | 'too_new' | 'no_match';

export class VerificationError extends Error {
  override readonly name = 'VerificationError';
  readonly reason: VerificationFailure;

  constructor(reason: VerificationFailure, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Node's `request.headers`, an Express or Fastify request's, or a `Headers` of fetch. */
export type HeaderSource =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | { get(name: string): string | null };

export interface VerifyOptions {
  readonly headers: HeaderSource;
  /** The body as it was received, before anything parsed it. */
  readonly body: string | Uint8Array;
  /** The webhook's secret, or all that are in use while it is rotated. */
  readonly secret: string | readonly string[];
  /** How far `webhook-timestamp` may be from now. Default: 300. */
  readonly toleranceSeconds?: number;
  /** Seconds since the Unix epoch; for tests. */
  readonly nowSeconds?: number;
}

export interface VerifiedWebhook {
  /** The same in every Attempt of one Delivery: what to dedupe by. */
  readonly id: string;
  /** When this Attempt was made. */
  readonly timestamp: Date;
}

/**
 * Verifies the signature of one request. Throws VerificationError, whose message may be logged: it holds
 * neither secret nor body.
 */
export function verifyWebhook(options: VerifyOptions): VerifiedWebhook {
  const id = headerOf(options.headers, 'webhook-id');
  const timestamp = headerOf(options.headers, 'webhook-timestamp');
  const signatures = headerOf(options.headers, 'webhook-signature');
  const seconds = timestampOf(timestamp, options);
  const body = typeof options.body === 'string' ? Buffer.from(options.body, 'utf8') : options.body;
  const secrets = typeof options.secret === 'string' ? [options.secret] : options.secret;
  const sent = signatures.split(' ').flatMap((entry) => {
    return entry.startsWith('v1,') ? [Buffer.from(entry.slice(3), 'base64')] : [];
  });
  const isMatch = secrets.some((secret) => {
    const expected = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.`).update(body).digest();
    return sent.some((one) => one.length === expected.length && timingSafeEqual(one, expected));
  });
  if (!isMatch) {
    throw new VerificationError(
      'no_match',
      'expected a signature of this body by a known secret, found none',
    );
  }
  return { id, timestamp: new Date(seconds * 1_000) };
}

/**
 * Remembers the ids of requests that were handled, the newest `limit` of them, for as long as the process
 * lives. Several processes need a store that they share: the id is the key.
 */
export class SeenIds {
  readonly #limit: number;
  readonly #ids = new Set<string>();

  constructor(limit = 10_000) {
    this.#limit = limit;
  }

  /** True the first time. Call it once the request is verified, and `forget` when handling it failed. */
  isNew(id: string): boolean {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    for (const oldest of this.#ids) {
      if (this.#ids.size <= this.#limit) break;
      this.#ids.delete(oldest);
    }
    return true;
  }

  /** The next request with this id is new again. */
  forget(id: string): void {
    this.#ids.delete(id);
  }
}

function headerOf(headers: HeaderSource, name: string): string {
  const value = isHeaders(headers) ? headers.get(name) : headers[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new VerificationError('missing_header', `expected a header ${name}, found none`);
}

function isHeaders(headers: HeaderSource): headers is { get(name: string): string | null } {
  return 'get' in headers && typeof headers.get === 'function';
}

function timestampOf(text: string, options: VerifyOptions): number {
  if (!/^[0-9]{1,12}$/.test(text)) {
    throw new VerificationError('bad_timestamp', 'expected webhook-timestamp in seconds since the epoch');
  }
  const tolerance = options.toleranceSeconds ?? 300;
  const now = options.nowSeconds ?? Math.floor(Date.now() / 1_000);
  const seconds = Number(text);
  if (seconds < now - tolerance) {
    throw new VerificationError(
      'too_old',
      `expected webhook-timestamp within ${tolerance} s, found it older`,
    );
  }
  if (seconds > now + tolerance) {
    throw new VerificationError(
      'too_new',
      `expected webhook-timestamp within ${tolerance} s, found it ahead`,
    );
  }
  return seconds;
}

/** Base64 after `whsec_`, else the text's UTF-8. */
function keyOf(secret: string): Buffer {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret, 'utf8');
}
