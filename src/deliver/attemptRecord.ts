/**
 * What the log keeps of an Attempt: the request with its secrets masked, the response as far as it was read.
 * Pure. It masks what is named like a credential and every occurrence of the Webhook's own secrets.
 */
import { MASK, type Secret } from '../core/secret.ts';
import type { AttemptRecord, ReceivedResponse, SentRequest } from '../queue/attempt.ts';
import { type AttemptResult, describe } from './outcome.ts';
import type { PreparedRequest, RequestShape } from './request.ts';

export interface AttemptTimes {
  /** Milliseconds since the Unix epoch. */
  readonly startedMs: number;
  readonly durationMs: number;
}

export type RecordAttempt = (
  request: PreparedRequest | null,
  result: AttemptResult,
  times: AttemptTimes,
) => AttemptRecord;

/** {@link attemptRecorder} for one Attempt. */
export function recordAttempt(shape: RecordedShape, ...attempt: Parameters<RecordAttempt>): AttemptRecord {
  return attemptRecorder(shape)(...attempt);
}

type RecordedShape = Pick<RequestShape, 'secrets' | 'confidential' | 'body'>;

/** Makes the records of one Webhook. The request is null where none could be made of the Event. */
export function attemptRecorder({ secrets, confidential = [], body }: RecordedShape): RecordAttempt {
  const mask = maskerOf([...secrets, ...confidential]);
  const isEvent = body === null;
  const maskedOf = responseMasker(mask);
  return (request, result, { startedMs, durationMs }) => {
    const isAnswered = result.kind === 'response';
    const isSuccess = isAnswered && result.status >= 200 && result.status < 300;
    const said = isSuccess ? NOTHING_SAID : result.kind === 'unsendable' ? result : describe(result);
    return {
      startedMs,
      durationMs: rounded(durationMs),
      responseMs: isAnswered && result.responseMs !== undefined ? rounded(result.responseMs) : null,
      status: isAnswered ? result.status : null,
      error: said.reason,
      detail: said.detail === null ? null : mask(said.detail),
      request: request === null ? null : sentRequest(request, mask, isEvent),
      response: isAnswered && result.response !== undefined ? maskedOf(result.response) : null,
    };
  };
}

const NOTHING_SAID = { reason: null, detail: null };

/** Tenths of a millisecond are enough. */
function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** A receiver may say what it was sent. An answer that is that of the Attempt before stays the same object. */
function responseMasker(mask: Mask): (response: ReceivedResponse) => ReceivedResponse {
  if (mask === NOTHING_TO_MASK) return (response) => response;
  let last: { readonly response: ReceivedResponse; readonly masked: ReceivedResponse } | null = null;
  return (response) => {
    if (last?.response === response) return last.masked;
    const headers = response.headers.map((header) => maskedHeader(header, mask));
    const masked = { ...response, headers, body: response.body === null ? null : mask(response.body) };
    last = { response, masked };
    return masked;
  };
}

function sentRequest(request: PreparedRequest, mask: Mask, isEvent: boolean): SentRequest {
  return {
    method: request.method,
    url: mask(maskQuery(request.origin + request.path)),
    headers: request.headers.map((header) => maskedHeader(header, mask)),
    // Without a template the body is the Event, which the Delivery holds already.
    body: isEvent ? null : mask(request.body.toString('utf8')),
    bodyIs: isEvent ? 'event' : 'whole',
    bodyBytes: request.body.length,
  };
}

/** The same header where there is nothing to mask: most are, and they are held until they are recorded. */
function maskedHeader(
  header: readonly [name: string, value: string],
  mask: Mask,
): readonly [name: string, value: string] {
  const [name, value] = header;
  const masked = isCredential(name) && !OWN_SIGNATURES.has(name.toLowerCase()) ? MASK : mask(value);
  return masked === value ? header : [name, masked];
}

/** Names of headers and query parameters whose values are credentials, whatever they hold. */
const CREDENTIAL_NAME =
  /authorization|cookie|token|secret|passw(or)?d|api-?_?key|auth-?_?key|access-?_?key|signature|^sig$|^key$/i;
/** Names that every request or response has: looking at each anew costs more than the rest of a record. */
const PLAIN_NAMES = new Set([
  'Content-Type',
  'User-Agent',
  'webhook-id',
  'webhook-timestamp',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'keep-alive',
  'server',
  'transfer-encoding',
  'vary',
]);

/** Whether a header or query parameter of this name holds a credential. */
export function isCredential(name: string): boolean {
  return !PLAIN_NAMES.has(name) && CREDENTIAL_NAME.test(name);
}

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
      return isCredential(name) && pair.includes('=') ? `${name}=${MASK}` : pair;
    });
  return `${url.slice(0, start)}?${query.join('&')}`;
}

/** A shorter secret would be found by chance in what is not secret. */
const MIN_MASKED_SECRET = 6;

type Mask = (text: string) => string;

const NOTHING_TO_MASK: Mask = (text) => text;

function maskerOf(secrets: readonly Secret[]): Mask {
  const values = secrets
    .map((secret) => secret.reveal())
    .filter((value) => value.length >= MIN_MASKED_SECRET)
    // One may be part of another.
    .sort((a, b) => b.length - a.length);
  if (values.length === 0) return NOTHING_TO_MASK;
  return (text) => values.reduce((masked, value) => masked.replaceAll(value, MASK), text);
}
