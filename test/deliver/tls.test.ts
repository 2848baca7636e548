/** Receivers whose TLS is wrong in one way, and what is made of each, over real sockets of this machine. */
import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import { createServer as createHttps, type ServerOptions } from 'node:https';
import { createServer as createTcp, type Server, type Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { send } from '../../src/deliver/http.ts';
import { DEFAULT_TLS, type TlsSettings } from '../../src/deliver/tlsFiles.ts';
import type { TransportOptions } from '../../src/deliver/transport.ts';
import { type TlsName, tlsPair, tlsPath } from '../helpers/tls.ts';
import { transportTo } from './webhooks.ts';

const NEVER = new AbortController().signal;
const CA = { ca: tlsPath('ca') };
const REACHED = { kind: 'response', status: 200 };

async function open(server: Server) {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    port,
    origin: `https://127.0.0.1:${port}`,
    connections: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const receiver = (options: ServerOptions) =>
  open(createHttps(options, (request, response) => request.resume().on('end', () => response.end())));

async function sent(
  origin: string,
  tls: Partial<TlsSettings>,
  more: Partial<TransportOptions> = {},
  timeoutMs = 5_000,
) {
  const transport = transportTo(origin, { tls: { ...DEFAULT_TLS, ...tls }, timeoutMs, ...more });
  const request = { method: 'POST', origin, path: '/', headers: [], body: Buffer.from('{}') } as const;
  const result = await send(transport, request, timeoutMs, NEVER);
  await transport.close();
  return result;
}

describe('a certificate', () => {
  it.each<[string, Exclude<TlsName, 'ca'>, Partial<TlsSettings>, RegExp]>([
    ['that is not valid yet', 'future', { ca: tlsPath('future') }, /^CERT_NOT_YET_VALID$/],
    ['that is signed with SHA-1', 'sha1', { ca: tlsPath('weakca') }, /digest algorithm too weak/],
    ['that has expired', 'expired', CA, /^CERT_HAS_EXPIRED$/],
  ])('%s is refused as a matter of TLS, and let pass where verification is off', async (_what, name, tls, code) => {
    await using wrong = await receiver({ ...tlsPair(name), ciphers: 'DEFAULT@SECLEVEL=0' });
    expect(await sent(wrong.origin, tls)).toEqual({ kind: 'tls', code: expect.stringMatching(code) });
    expect(await sent(wrong.origin, { verify: false })).toMatchObject(REACHED);
  });

  it('is asked for by the name that the URL has, and is held against that name', async () => {
    const asked: string[] = [];
    const contexts = { localhost: createSecureContext(tlsPair('server')) };
    await using many = await receiver({
      ...tlsPair('other'),
      SNICallback: (name, callback) => {
        asked.push(name);
        callback(null, name === 'localhost' ? contexts.localhost : createSecureContext(tlsPair('other')));
      },
    });
    const here = {
      resolve: () => Promise.resolve([{ address: '127.0.0.1' }]),
      rules: { policy: 'off', allow: [] },
    } as const;
    expect(await sent(`https://localhost:${many.port}`, CA, here)).toMatchObject(REACHED);
    expect(await sent(`https://hook.example:${many.port}`, CA, here)).toEqual({
      kind: 'tls',
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    // An address is no name, and none is sent for it.
    expect((await sent(many.origin, CA)).kind).toBe('tls');
    expect(asked).toEqual(['localhost', 'hook.example']);
  });
});

describe('a receiver over TLS', () => {
  it('that speaks HTTP/2 alone is a matter of TLS, not a response', async () => {
    await using modern = await open(createSecureServer({ ...tlsPair('server'), allowHTTP1: false }));
    expect(await sent(modern.origin, CA)).toEqual({
      kind: 'tls',
      code: expect.stringMatching(/^ERR_SSL_.*NO_APPLICATION_PROTOCOL$/),
    });
  });

  it('that offers HTTP/2 too is spoken to in HTTP/1.1', async () => {
    const versions: string[] = [];
    const both = createSecureServer({ ...tlsPair('server'), allowHTTP1: true }, (request, response) => {
      versions.push(request.httpVersion);
      response.end();
    });
    await using modern = await open(both);
    expect(await sent(modern.origin, CA)).toMatchObject(REACHED);
    expect(versions).toEqual(['1.1']);
  });

  it.each<[string, (socket: Socket) => void, object]>([
    ['closes in the middle of the handshake', (socket) => void socket.end(), { kind: 'network' }],
    ['resets in the middle of the handshake', (socket) => void socket.resetAndDestroy(), { kind: 'network' }],
    [
      'answers with an alert',
      (socket) => void socket.end(Buffer.from('15030300020228', 'hex')),
      { kind: 'tls' },
    ],
    ['answers without end', pourHandshake, { kind: 'tls' }],
    ['drips its handshake', dripHandshake, { kind: 'timeout' }],
  ])('that %s is asked once and cut off in time', async (_what, answer, expected) => {
    const server = createTcp((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => answer(socket));
    });
    await using wrong = await open(server);
    const startedMs = performance.now();
    const before = process.memoryUsage().rss;
    expect(await sent(wrong.origin, CA, {}, 700)).toMatchObject(expected);
    expect(performance.now() - startedMs).toBeLessThan(3_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1_048_576);
    expect(wrong.connections()).toBe(1);
  });
});

/** A record of a handshake's first message that promises 64 KiB of it, sent byte by byte. */
function dripHandshake(socket: Socket): void {
  const bytes = Buffer.from('16030300ff02000100000303', 'hex');
  let at = 0;
  const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), 50);
  socket.on('close', () => clearInterval(timer));
}

/** Handshake records that belong to nothing, as many as are taken. */
function pourHandshake(socket: Socket): void {
  const record = Buffer.concat([Buffer.from('1603034000', 'hex'), Buffer.alloc(0x4000, 0x0b)]);
  const more = () => {
    while (!socket.destroyed && socket.write(record));
  };
  socket.on('drain', more);
  more();
}
