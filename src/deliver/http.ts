/**
 * One HTTP request, bounded in time and in what it reads. Owns the HTTP client.
 *
 * A single deadline covers everything from the connection to the end of the response: the client's own
 * timeouts are between events, and a receiver that drips bytes never trips them. Responses are read to a
 * bound and never decompressed.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { Agent } from 'undici';
import { causeCode } from '../core/errors.ts';
import { receivedResponse } from './attemptRecord.ts';
import type { AttemptResult } from './outcome.ts';
import type { PreparedRequest } from './request.ts';

/** Bytes of a response body that are read. */
export const MAX_RESPONSE_BYTES = 16_384;
const CONNECT_TIMEOUT_MS = 5_000;
/** Receivers close idle connections at their own times; short reuse avoids most races with that. */
const KEEP_ALIVE_MS = 4_000;
const KEEP_ALIVE_MAX_MS = 30_000;

/** A Webhook's own connections: what one receiver does to its sockets harms no other. */
export function createAgent(connections: number, timeoutMs: number): Agent {
  return new Agent({
    connections,
    pipelining: 1,
    allowH2: false,
    connect: { timeout: Math.min(CONNECT_TIMEOUT_MS, timeoutMs) },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
  });
}

/** Sends one request. Never throws for what the receiver or the network does. */
export async function send(
  agent: Agent,
  request: PreparedRequest,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<AttemptResult> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), timeoutMs);
  const abort = () => deadline.abort();
  signal.addEventListener('abort', abort, { once: true });
  const startedMs = performance.now();
  let status: number | null = null;
  let head: { readonly responseMs: number; readonly headers: IncomingHttpHeaders } | null = null;
  const chunks: Buffer[] = [];
  let bytes = 0;
  const answered = (known: number): AttemptResult =>
    head === null
      ? { kind: 'response', status: known }
      : {
          kind: 'response',
          status: known,
          response: receivedResponse(head.headers, chunks, bytes >= MAX_RESPONSE_BYTES),
          responseMs: head.responseMs,
        };
  try {
    const response = await agent.request({
      origin: request.origin,
      path: request.path,
      method: request.method,
      headers: request.headers.flat(),
      body: request.body,
      signal: deadline.signal,
    });
    status = response.statusCode;
    head = { responseMs: performance.now() - startedMs, headers: response.headers };
    for await (const chunk of response.body) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes >= MAX_RESPONSE_BYTES) break;
    }
    return answered(status);
  } catch (error) {
    // Once the status is known it decides, whatever becomes of the body.
    if (status !== null) return answered(status);
    if (deadline.signal.aborted) return { kind: 'timeout', afterMs: timeoutMs };
    return { kind: 'network', code: causeCode(error) ?? 'UNKNOWN' };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}
