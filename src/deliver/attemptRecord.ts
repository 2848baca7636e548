/**
 * What the log keeps of an Attempt: the request with its secrets masked, the response as far as it was read.
 * Pure. It masks what is named like a credential and every occurrence of the Webhook's own secrets.
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { MASK, type Secret } from '../core/secret.ts';
import {
  type AttemptRecord,
  type HeaderList,
  MAX_LOGGED_RESPONSE_BYTES,
  type ReceivedResponse,
  type SentRequest,
} from '../queue/attempt.ts';
import { type AttemptResult, describe } from './outcome.ts';
import type { PreparedRequest, RequestShape } from './request.ts';

export interface AttemptTimes {
  /** Milliseconds since the Unix epoch. */
  readonly startedMs: number;
  readonly durationMs: number;
}

/** @param request null where none could be made of the Event */
export function recordAttempt(
  shape: Pick<RequestShape, 'secrets' | 'confidential' | 'body'>,
  request: PreparedRequest | null,
  result: AttemptResult,
  { startedMs, durationMs }: AttemptTimes,
): AttemptRecord {
  const mask = maskerOf([...shape.secrets, ...(shape.confidential ?? [])]);
  const isSuccess = result.kind === 'response' && result.status >= 200 && result.status < 300;
  const said = isSuccess
    ? { reason: null, detail: null }
    : result.kind === 'unsendable'
      ? result
      : describe(result);
  return {
    startedMs,
    durationMs: rounded(durationMs),
    responseMs:
      result.kind === 'response' && result.responseMs !== undefined ? rounded(result.responseMs) : null,
    status: result.kind === 'response' ? result.status : null,
    error: said.reason,
    detail: said.detail === null ? null : mask(said.detail),
    request: request === null ? null : sentRequest(request, shape.body !== null, mask),
    response: result.kind === 'response' ? maskedResponse(result.response ?? null, mask) : null,
  };
}

/** Tenths of a millisecond are enough. */
function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** A receiver may say what it was sent. */
function maskedResponse(response: ReceivedResponse | null, mask: Mask): ReceivedResponse | null {
  if (response === null) return null;
  const { headers, body } = response;
  return {
    ...response,
    headers: headers.map(([name, value]) => [name, mask(value)] as const),
    body: body === null ? null : mask(body),
  };
}

/** @param isTemplated the body is not the Event, which the Delivery holds already */
function sentRequest(request: PreparedRequest, isTemplated: boolean, mask: Mask): SentRequest {
  return {
    method: request.method,
    url: mask(maskQuery(request.origin + request.path)),
    headers: request.headers.map(([name, value]) => [
      name,
      CREDENTIAL_NAME.test(name) && !OWN_SIGNATURES.has(name.toLowerCase()) ? MASK : mask(value),
    ]),
    body: isTemplated ? mask(request.body.toString('utf8')) : null,
    bodyIs: isTemplated ? 'whole' : 'event',
    bodyBytes: request.body.length,
  };
}

/** Names of headers and query parameters whose values are credentials, whatever they hold. */
const CREDENTIAL_NAME =
  /authorization|cookie|token|secret|passw(or)?d|api-?_?key|auth-?_?key|access-?_?key|signature|^sig$|^key$/i;
/** Proofs, not secrets: people compare them with what the receiver computed. */
const OWN_SIGNATURES = new Set(['x-hook-signature', 'webhook-signature']);

function maskQuery(url: string): string {
  const start = url.indexOf('?');
  if (start < 0) return url;
  const query = url
    .slice(start + 1)
    .split('&')
    .map((pair) => {
      const name = pair.split('=', 1)[0] ?? '';
      return CREDENTIAL_NAME.test(name) && pair.includes('=') ? `${name}=${MASK}` : pair;
    });
  return `${url.slice(0, start)}?${query.join('&')}`;
}

/** A shorter secret would be found by chance in what is not secret. */
const MIN_MASKED_SECRET = 6;

type Mask = (text: string) => string;

function maskerOf(secrets: readonly Secret[]): Mask {
  const values = secrets
    .map((secret) => secret.reveal())
    .filter((value) => value.length >= MIN_MASKED_SECRET)
    // One may be part of another.
    .sort((a, b) => b.length - a.length);
  if (values.length === 0) return (text) => text;
  return (text) => values.reduce((masked, value) => masked.replaceAll(value, MASK), text);
}

/** @param isTruncated there was more than was read */
export function receivedResponse(
  headers: IncomingHttpHeaders,
  chunks: readonly Buffer[],
  isTruncated: boolean,
): ReceivedResponse {
  const list: HeaderList = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined
      ? []
      : (Array.isArray(value) ? value : [value]).map(
          (one) => [name, CREDENTIAL_NAME.test(name) ? MASK : one] as const,
        ),
  );
  const [first] = chunks;
  const bytes = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
  return { headers: list, ...readableBody(bytes.subarray(0, MAX_LOGGED_RESPONSE_BYTES), isTruncated) };
}

function readableBody(
  bytes: Buffer,
  isTruncated: boolean,
): Pick<ReceivedResponse, 'body' | 'encoding' | 'isTruncated'> {
  const more = isTruncated || bytes.length >= MAX_LOGGED_RESPONSE_BYTES;
  // A decoder costs more than all the rest: it is made only where a character may be cut in two at the bound.
  const body = more ? decodedStart(bytes) : isUtf8(bytes) ? bytes.toString('utf8') : null;
  return body === null
    ? { body: bytes.toString('base64'), encoding: 'base64', isTruncated: more }
    : { body, encoding: 'utf8', isTruncated: more };
}

/** Of bytes that go on, without the character that is cut in two at the end; null where they are no UTF-8. */
function decodedStart(bytes: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return null;
  }
}
