/**
 * One HTTP request, bounded in time and in what it reads.
 *
 * A single deadline covers everything from the connection to the end of the response: the client's own
 * timeouts are between events, and a receiver that drips bytes never trips them. Responses are read to a
 * bound and never decompressed.
 */
import { setMaxListeners } from 'node:events';
import type { Dispatcher } from 'undici';
import { causeCode, WalhookError } from '../core/errors.ts';
import { receivedResponse } from './attemptRecord.ts';
import type { AttemptResult } from './outcome.ts';
import type { PreparedRequest } from './request.ts';
import { parseRetryAfter } from './retryAfter.ts';
import type { Transport } from './transport.ts';

/** Bytes of a response body that are read. */
export const MAX_RESPONSE_BYTES = 16_384;

/**
 * Sends one request. Never throws for what the receiver or the network does.
 *
 * @param signal cuts the request off, at the end of the process
 */
export async function send(
  transport: Transport,
  request: PreparedRequest,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<AttemptResult> {
  if (signal.aborted) return { kind: 'timeout', afterMs: 0 };
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), timeoutMs);
  const abort = () => deadline.abort();
  // One signal ends every request of the process: many listeners are no leak.
  if (signal instanceof EventTarget) setMaxListeners(0, signal);
  signal.addEventListener('abort', abort, { once: true });
  try {
    const connects = transport.connects;
    const startedMs = performance.now();
    const first = await attempt(transport, request, timeoutMs, deadline.signal);
    const isStale =
      first.kind === 'network' &&
      SOCKET_CODES.has(first.code) &&
      transport.connects === connects &&
      performance.now() - startedMs < STALE_MS;
    // The receiver closed a kept connection just when it was used: it has most likely not seen the request.
    return isStale ? await attempt(transport, request, timeoutMs, deadline.signal) : first;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

/** What a connection says that was closed from the other end. */
const SOCKET_CODES = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);
/** A receiver that answers nothing for longer than this and closes has seen the request. */
const STALE_MS = 1_000;

async function attempt(
  transport: Transport,
  request: PreparedRequest,
  timeoutMs: number,
  deadline: AbortSignal,
): Promise<AttemptResult> {
  const startedMs = performance.now();
  let head: { readonly response: Dispatcher.ResponseData; readonly responseMs: number } | null = null;
  const chunks: Buffer[] = [];
  try {
    const dispatcher = await transport.dispatcherFor(request.origin);
    const response = await dispatcher.request({
      origin: request.origin,
      path: request.path,
      method: request.method,
      headers: request.headers.flat(),
      body: request.body,
      signal: deadline,
    });
    head = { response, responseMs: performance.now() - startedMs };
    await readSome(response.body, chunks);
  } catch (error) {
    // Once the status is known it decides, whatever becomes of the body.
    if (head === null) return failureOf(error, deadline, timeoutMs, transport.connectTimeoutMs);
  }
  const { statusCode: status, headers } = head.response;
  return {
    kind: 'response',
    status,
    retryAfterMs: parseRetryAfter(headers['retry-after'], Date.now()),
    response: receivedResponse(headers, chunks, bytesOf(chunks) >= MAX_RESPONSE_BYTES),
    responseMs: head.responseMs,
  };
}

async function readSome(body: Dispatcher.ResponseData['body'], chunks: Buffer[]): Promise<void> {
  for await (const chunk of body) {
    chunks.push(chunk as Buffer);
    if (bytesOf(chunks) >= MAX_RESPONSE_BYTES) break;
  }
}

function bytesOf(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

/** Certificates and handshakes: OpenSSL's verification results, Node's and undici's codes. */
const TLS_CODE =
  /^(ERR_(TLS|SSL|OSSL)_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_(CA|PURPOSE)|PATH_LENGTH_|HOSTNAME_MISMATCH|EPROTO$|UND_ERR_PRX_TLS$)/;
const TIMEOUT_CODES = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);
const CONNECT_TIMEOUT_CODES = new Set(['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT']);

function failureOf(
  error: unknown,
  deadline: AbortSignal,
  timeoutMs: number,
  connectTimeoutMs: number,
): AttemptResult {
  if (error instanceof WalhookError) {
    return error.code === 'ADDRESS_REFUSED'
      ? { kind: 'unsendable', reason: 'address', detail: `${error.message}; ${error.remedy}` }
      : { kind: 'tls', code: error.code };
  }
  if (deadline.aborted) return { kind: 'timeout', afterMs: timeoutMs };
  // A parser's error has a name and no code.
  const code =
    causeCode(error) ?? (error instanceof Error && error.name !== 'Error' ? error.name : 'UNKNOWN');
  if (TIMEOUT_CODES.has(code)) return { kind: 'timeout', afterMs: timeoutMs };
  if (CONNECT_TIMEOUT_CODES.has(code)) return { kind: 'timeout', afterMs: connectTimeoutMs };
  return TLS_CODE.test(code) ? { kind: 'tls', code } : { kind: 'network', code };
}
