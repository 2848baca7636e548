/**
 * Responses as the log keeps them: headers with credentials masked, the body as text to a bound.
 *
 * A receiver gives the same answer again and again, within a second to the byte (its Date): the last one read is
 * kept, and an equal one is that same object, which is masked once and stands in the log's line once.
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { MASK } from '../core/secret.ts';
import { MAX_LOGGED_RESPONSE_BYTES, type ReceivedResponse } from '../queue/attempt.ts';
import { isCredential } from './attemptRecord.ts';

const NO_BODY = Buffer.alloc(0);
/** A longer body is not compared with the last one. */
const MAX_COMPARED_BYTES = 512;

interface Read {
  readonly names: readonly string[];
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly response: ReceivedResponse;
}

export class ResponseReader {
  #last: Read | null = null;

  /**
   * @param isTruncated there was more than was read
   */
  read(headers: IncomingHttpHeaders, chunks: readonly Buffer[], isTruncated: boolean): ReceivedResponse {
    const [body = NO_BODY] = chunks;
    if (chunks.length > 1 || body.length > MAX_COMPARED_BYTES) {
      return receivedResponse(headers, chunks, isTruncated);
    }
    if (this.#last !== null && isSame(headers, this.#last) && body.equals(this.#last.body)) {
      return this.#last.response;
    }
    const response = receivedResponse(headers, chunks, isTruncated);
    // A copy: the buffer is a part of what was read from the socket, which would be held with it.
    this.#last = { names: Object.keys(headers), headers, body: Buffer.from(body), response };
    return response;
  }
}

/** Names in the same order with the same values. Of a name that came twice the value is a list, equal to no other. */
function isSame(headers: IncomingHttpHeaders, last: Read): boolean {
  let i = 0;
  for (const name in headers) {
    if (last.names[i] !== name || headers[name] !== last.headers[name]) return false;
    i += 1;
  }
  return i === last.names.length;
}

/** @param isTruncated there was more than was read */
export function receivedResponse(
  headers: IncomingHttpHeaders,
  chunks: readonly Buffer[],
  isTruncated: boolean,
): ReceivedResponse {
  const list: (readonly [string, string])[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined) continue;
    const isMasked = isCredential(name);
    for (const one of typeof value === 'string' ? [value] : value) list.push([name, isMasked ? MASK : one]);
  }
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
