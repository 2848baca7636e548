/**
 * `walhook receiver`: a listener to try webhooks with. Prints each request as Peering Manager's
 * `webhook_receiver` does, verifies signatures when given a secret, and misbehaves on demand.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { parseDuration } from '../config/units.ts';
import { causeCode, WalhookError } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';
import { netboxSignature, standardSignature } from '../deliver/sign.ts';
import { type CommandIo, type ExitStatus, line } from './io.ts';

export interface ReceiverOptions {
  readonly port?: string;
  readonly host?: string;
  /** commander's --no-headers. */
  readonly headers?: boolean;
  readonly secret?: string;
  readonly status?: string;
  readonly delay?: string;
  readonly fail?: string;
}

/** Bytes of a body that are kept and printed. */
const MAX_BODY_BYTES = 16 * 1_048_576;

interface Behaviour {
  readonly printsHeaders: boolean;
  readonly secret: Secret | null;
  readonly status: number;
  readonly delayMs: number;
  /** Share of requests answered with 500. */
  readonly failShare: number;
}

/** Listens until stopped. */
export async function receiver(options: ReceiverOptions, io: CommandIo): Promise<ExitStatus> {
  const behaviour = behaviourOf(options);
  const port = numberOf('--port', options.port ?? '9000', 0, 65_535);
  let count = 0;
  const server = createServer((request, response) => {
    count += 1;
    void answer(request, response, count, behaviour, io);
  });
  server.listen(port, options.host ?? 'localhost');
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new WalhookError('USAGE', `--port: expected a free port, found ${port} (${causeCode(error)})`);
  }
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  io.out(line(`Listening on port http://${options.host ?? 'localhost'}:${bound}. Stop with CTRL+C.`));
  if (!io.signal.aborted) await once(io.signal, 'abort');
  server.closeAllConnections();
  server.close();
  io.out('\nExiting...\n');
  return 0;
}

function behaviourOf(options: ReceiverOptions): Behaviour {
  const delayMs = parseDuration(options.delay ?? '0s');
  if (delayMs === null)
    throw new WalhookError('USAGE', `--delay: expected a duration such as 2s, found ${options.delay}`);
  return {
    printsHeaders: options.headers !== false,
    secret: options.secret === undefined ? null : new Secret(options.secret),
    status: numberOf('--status', options.status ?? '200', 200, 599),
    delayMs,
    failShare: numberOf('--fail', options.fail ?? '0', 0, 1),
  };
}

function numberOf(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= min && value <= max)) {
    throw new WalhookError('USAGE', `${flag}: expected a number from ${min} to ${max}, found ${text}`);
  }
  return value;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  count: number,
  behaviour: Behaviour,
  io: CommandIo,
): Promise<void> {
  const body = await readBody(request).catch(() => null);
  if (body === null) return;
  if (behaviour.delayMs > 0)
    await delay(behaviour.delayMs, undefined, { signal: io.signal }).catch(() => undefined);
  const status = Math.random() < behaviour.failShare ? 500 : behaviour.status;
  io.out(describeRequest(request, body, status, count, behaviour));
  response.writeHead(status, { 'content-type': 'text/plain' });
  response.end('Webhook received!\n');
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function describeRequest(
  request: IncomingMessage,
  body: Buffer,
  status: number,
  count: number,
  { printsHeaders, secret }: Behaviour,
): string {
  const { rawHeaders } = request;
  const headers = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${rawHeaders[i + 1]}`] : []));
  return [
    `[${count}] ${new Date().toUTCString()} ${request.socket.remoteAddress ?? ''} "${request.method} ${request.url} HTTP/${request.httpVersion}" ${status} -`,
    ...(printsHeaders ? headers : []),
    ...(secret === null ? [] : [`Signatures: ${verify(request, body, secret)}`]),
    '',
    body.length === 0 ? '(No body)' : body.toString('utf8'),
    '------------',
    '',
  ]
    .map(printable)
    .join('\n');
}

/** A request's text must not steer the terminal. */
function printable(text: string): string {
  return text.replaceAll(/[^\n\t\x20-\x7e\u00a0-\uffff]/g, '\ufffd');
}

function verify(request: IncomingMessage, body: Buffer, secret: Secret): string {
  const id = String(request.headers['webhook-id'] ?? '');
  const timestamp = Number(request.headers['webhook-timestamp']);
  const expected = {
    'x-hook-signature': netboxSignature(secret, body),
    'webhook-signature': standardSignature([secret], id, timestamp, body),
  };
  return Object.entries(expected)
    .map(([name, value]) => {
      const sent = request.headers[name];
      if (typeof sent !== 'string') return `${name} absent`;
      return `${name} ${sent.split(' ').includes(value) ? 'valid' : 'INVALID'}`;
    })
    .join(', ');
}
