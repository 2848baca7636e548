/**
 * One HTTP request, bounded in time and in what it reads.
 *
 * A single deadline covers everything from the connection to the end of the response: the client's own
 * timeouts are between events, and a receiver that drips bytes never trips them. Responses are read to a
 * bound and never decompressed.
 */
import { causeCode, WalhookError } from '../core/errors.ts';
import { receivedResponse } from './attemptRecord.ts';
import { type Ending, Exchange } from './exchange.ts';
import type { AttemptResult } from './outcome.ts';
import type { PreparedRequest } from './request.ts';
import { parseRetryAfter } from './retryAfter.ts';
import type { Transport } from './transport.ts';

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
  let current: Exchange | null = null;
  let isCut = false;
  const cut = () => {
    isCut = true;
    current?.cut();
  };
  const exchange = async (): Promise<AttemptResult> => {
    try {
      const found = transport.dispatcherFor(request.origin);
      // Not waited for without need: requests go out in the order in which they are begun.
      const dispatcher = found instanceof Promise ? await found : found;
      if (isCut) return { kind: 'timeout', afterMs: timeoutMs };
      current = new Exchange();
      dispatcher.dispatch(optionsOf(request), current);
    } catch (error) {
      return failureOf(error, timeoutMs, transport.connectTimeoutMs);
    }
    return resultOf(await current.ended, timeoutMs, transport.connectTimeoutMs);
  };
  const timer = setTimeout(cut, timeoutMs);
  const forget = transport.cutoff.watch(signal, cut);
  try {
    const connects = transport.connects;
    const startedMs = performance.now();
    const first = await exchange();
    const isStale =
      first.kind === 'network' &&
      SOCKET_CODES.has(first.code) &&
      transport.connects === connects &&
      performance.now() - startedMs < STALE_MS;
    // The receiver closed a kept connection just when it was used: it has most likely not seen the request.
    return isStale ? await exchange() : first;
  } finally {
    clearTimeout(timer);
    forget();
  }
}

/** What a connection says that was closed from the other end. */
const SOCKET_CODES = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);
/** A receiver that answers nothing for longer than this and closes has seen the request. */
const STALE_MS = 1_000;

function optionsOf({ origin, path, method, headers, body }: PreparedRequest) {
  return { origin, path, method, headers: headers.flat(), body };
}

function resultOf(ending: Ending, timeoutMs: number, connectTimeoutMs: number): AttemptResult {
  if (ending.kind === 'cut') return { kind: 'timeout', afterMs: timeoutMs };
  if (ending.kind === 'broken') return failureOf(ending.error, timeoutMs, connectTimeoutMs);
  const { status, headers, chunks, isTruncated, responseMs } = ending.received;
  return {
    kind: 'response',
    status,
    retryAfterMs: parseRetryAfter(headers['retry-after'], Date.now()),
    response: receivedResponse(headers, chunks, isTruncated),
    responseMs,
  };
}

/** Certificates and handshakes: OpenSSL's verification results, Node's and undici's codes. */
const TLS_CODE =
  /^(ERR_(TLS|SSL|OSSL)_|ERROR_IN_C|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_(CA|PURPOSE)|PATH_LENGTH_|HOSTNAME_MISMATCH|EPROTO$|UNSPECIFIED)/;
/** What Node calls a verification result that it has no name for: OpenSSL's sentence says more. */
const UNNAMED_TLS_CODE = 'UNSPECIFIED';
const TIMEOUT_CODES = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);
const CONNECT_TIMEOUT_CODES = new Set(['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT']);

function failureOf(error: unknown, timeoutMs: number, connectTimeoutMs: number): AttemptResult {
  if (error instanceof WalhookError) {
    return error.code === 'ADDRESS_REFUSED'
      ? { kind: 'unsendable', reason: 'address', detail: `${error.message}; ${error.remedy}` }
      : { kind: 'tls', code: error.code };
  }
  // A parser's error has a name and no code.
  const code =
    causeCode(error) ?? (error instanceof Error && error.name !== 'Error' ? error.name : 'UNKNOWN');
  if (TIMEOUT_CODES.has(code)) return { kind: 'timeout', afterMs: timeoutMs };
  if (CONNECT_TIMEOUT_CODES.has(code)) return { kind: 'timeout', afterMs: connectTimeoutMs };
  if (code === UNNAMED_TLS_CODE && error instanceof Error) {
    return { kind: 'tls', code: `${code}: ${error.message.slice(0, 200)}` };
  }
  return TLS_CODE.test(code) ? { kind: 'tls', code } : { kind: 'network', code };
}
