/** TLS, proxies, kept connections: over real sockets of this machine. */
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp, type IncomingMessage } from 'node:http';
import { createServer as createHttps, type ServerOptions } from 'node:https';
import { connect, createServer as createTcp, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/core/secret.ts';
import { send } from '../../src/deliver/http.ts';
import { DEFAULT_TLS, readTls, type TlsSettings } from '../../src/deliver/tlsFiles.ts';
import type { Transport } from '../../src/deliver/transport.ts';
import { ManualClock } from '../helpers/clock.ts';
import { type Answer, openSink } from '../helpers/sink.ts';
import { type TlsName, tlsPair, tlsPath } from '../helpers/tls.ts';
import { until } from '../helpers/until.ts';
import { transportTo } from './webhooks.ts';

const NEVER = new AbortController().signal;
const post = (transport: Transport, origin: string, timeoutMs = 5_000) =>
  send(
    transport,
    { method: 'POST', origin, path: '/hook', headers: [['webhook-id', 'id']], body: Buffer.from('{}') },
    timeoutMs,
    NEVER,
  );

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

async function secureReceiver(options: ServerOptions) {
  const peers: (string | null)[] = [];
  const sockets = new Set<Socket>();
  const server = createHttps(options, (request: IncomingMessage, response) => {
    const { subject } = (request.socket as TLSSocket).getPeerCertificate() ?? {};
    peers.push(subject === undefined ? null : String(subject.CN));
    request.resume().on('end', () => response.end());
  });
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.on('tlsClientError', () => undefined);
  const port = await listening(server);
  return {
    origin: `https://127.0.0.1:${port}`,
    named: `https://localhost:${port}`,
    peers,
    connections: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function sent(origin: string, tls: Partial<TlsSettings>) {
  const transport = transportTo(origin, { tls: { ...DEFAULT_TLS, ...tls } });
  const result = await post(transport, origin);
  await transport.close();
  return result;
}

const CA = { ca: tlsPath('ca') };
const REACHED = { kind: 'response', status: 200 };

describe('over TLS', () => {
  it.each<[string, Exclude<TlsName, 'ca'>, Partial<TlsSettings>, string | null]>([
    ['a certificate of an authority that is trusted', 'server', CA, null],
    ['one that nobody vouches for', 'server', {}, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['one that vouches for itself', 'selfsigned', CA, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['one that is trusted by its own file', 'selfsigned', { ca: tlsPath('selfsigned') }, null],
    ['one of another name', 'other', CA, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['one that has expired', 'expired', CA, 'CERT_HAS_EXPIRED'],
    ['any, where verification is off', 'expired', { verify: false }, null],
  ])('%s: %s', async (_what, name, tls, code) => {
    await using receiver = await secureReceiver(tlsPair(name));
    const expected = code === null ? REACHED : { kind: 'tls', code };
    expect(await sent(receiver.origin, tls)).toMatchObject(expected);
    expect(await sent(receiver.named, tls)).toMatchObject(expected);
  });

  it('shows its certificate to a receiver that asks for one', async () => {
    const { cert: ca } = { cert: tlsPath('ca') };
    const options = { ...tlsPair('server'), requestCert: true, rejectUnauthorized: true };
    await using receiver = await secureReceiver({ ...options, ca: readTls({ ...DEFAULT_TLS, ca }).ca ?? '' });
    const own = { cert: tlsPath('client'), key: tlsPath('client', 'key') };
    expect(await sent(receiver.origin, { ...CA, ...own })).toMatchObject(REACHED);
    expect(receiver.peers).toEqual(['client']);
    expect(['tls', 'network']).toContain((await sent(receiver.origin, CA)).kind);
  });

  it('refuses what is older than TLS 1.2', async () => {
    const old = { ...tlsPair('server'), maxVersion: 'TLSv1.1', minVersion: 'TLSv1' } as const;
    await using receiver = await secureReceiver({ ...old, ciphers: 'DEFAULT@SECLEVEL=0' });
    expect((await sent(receiver.origin, CA)).kind).toBe('tls');
  });

  it('is cut off when the handshake hangs', async () => {
    const server = createTcp(() => undefined);
    const port = await listening(server);
    const origin = `https://127.0.0.1:${port}`;
    const transport = transportTo(origin, { timeoutMs: 400 });
    expect(await post(transport, origin, 400)).toMatchObject({ kind: 'timeout' });
    await transport.close();
    server.close();
  });

  it('reads its files again when they change, without a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'walhook-tls-'));
    const ca = join(folder, 'ca.pem');
    copyFileSync(tlsPath('selfsigned'), ca);
    await using receiver = await secureReceiver(tlsPair('server'));
    const clock = new ManualClock();
    const transport = transportTo(receiver.origin, { tls: { ...DEFAULT_TLS, ca }, clock });
    expect((await post(transport, receiver.origin)).kind).toBe('tls');
    copyFileSync(tlsPath('ca'), ca);
    await clock.advance(5_000);
    expect(await post(transport, receiver.origin)).toMatchObject(REACHED);
    writeFileSync(ca, 'nonsense');
    await clock.advance(5_000);
    expect(await post(transport, receiver.origin)).toEqual({ kind: 'tls', code: 'TLS_FILE_INVALID' });
    await transport.close();
    rmSync(folder, { recursive: true });
  });
});

describe('certificate files', () => {
  it.each<[string, Partial<TlsSettings>, RegExp]>([
    ['that are not there', { ca: '/no/such/file' }, /readable file at \/no\/such\/file, found ENOENT/],
    ['that are no certificate', { ca: tlsPath('server', 'key') }, /expected a certificate in PEM/],
    ['that are no key', { cert: tlsPath('client'), key: tlsPath('client') }, /expected a private key/],
    [
      'of two different pairs',
      { cert: tlsPath('client'), key: tlsPath('other', 'key') },
      /expected the key of/,
    ],
  ])('%s are refused', (_what, tls, message) => {
    expect(() => readTls({ ...DEFAULT_TLS, ...tls })).toThrow(
      expect.objectContaining({ code: 'TLS_FILE_INVALID', message: expect.stringMatching(message) }),
    );
  });
});

/** An HTTP proxy that tunnels, and remembers what it was asked for. */
async function openForwardProxy({ status = 200 } = {}) {
  const asked: { readonly target: string; readonly authorization: string | null }[] = [];
  const server = createHttp();
  server.on('connect', (request, client: Socket) => {
    const target = String(request.url);
    asked.push({ target, authorization: request.headers['proxy-authorization'] ?? null });
    client.on('error', () => undefined);
    if (status !== 200) return void client.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`);
    const upstream = connect(Number(target.split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on('error', () => client.destroy());
  });
  const port = await listening(server);
  return {
    url: new Secret(`http://user:pa%20ss@127.0.0.1:${port}`),
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('through a proxy', () => {
  it('asks the proxy, with its credentials, for the name as it is written', async () => {
    await using sink = await openSink();
    await using proxy = await openForwardProxy();
    const origin = `http://hook.example:${sink.port}`;
    const transport = transportTo(origin, { proxy: proxy.url });
    expect(await post(transport, origin)).toMatchObject(REACHED);
    await transport.close();
    expect(proxy.asked).toEqual([
      {
        target: `hook.example:${sink.port}`,
        authorization: `Basic ${Buffer.from('user:pa ss').toString('base64')}`,
      },
    ]);
    expect(sink.received[0]?.headers).not.toHaveProperty('proxy-authorization');
    expect(sink.received[0]?.headers.host).toBe(`hook.example:${sink.port}`);
  });

  it('verifies the receiver behind it', async () => {
    await using receiver = await secureReceiver(tlsPair('server'));
    await using proxy = await openForwardProxy();
    for (const [tls, expected] of [
      [{ ...DEFAULT_TLS, ...CA }, REACHED],
      [DEFAULT_TLS, { kind: 'tls' }],
    ] as const) {
      const transport = transportTo(receiver.named, { proxy: proxy.url, tls });
      expect(await post(transport, receiver.named)).toMatchObject(expected);
      await transport.close();
    }
  });

  it.each([
    '127.0.0.1',
    '169.254.169.254',
    'localhost',
    'metadata.google.internal',
    '[::ffff:127.0.0.1]',
  ])('refuses http://%s before the proxy is asked', async (host) => {
    await using proxy = await openForwardProxy();
    const origin = new URL(`http://${host}:9`).origin;
    const transport = transportTo(origin, { proxy: proxy.url, writtenLoopback: null });
    expect(await post(transport, origin)).toMatchObject({ kind: 'unsendable', reason: 'address' });
    await transport.close();
    expect(proxy.asked).toEqual([]);
  });

  it.each([403, 407, 502])('that answers %s fails as a connection that was not made', async (status) => {
    await using proxy = await openForwardProxy({ status });
    const transport = transportTo('http://hook.example', { proxy: proxy.url });
    expect((await post(transport, 'http://hook.example')).kind).toBe('network');
    await transport.close();
  });

  it('is never taken from the environment', async () => {
    await using sink = await openSink();
    const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'ALL_PROXY'];
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) process.env[name] = 'http://127.0.0.1:1';
    const { origin } = new URL(sink.url);
    const transport = transportTo(origin);
    expect(await post(transport, origin)).toMatchObject(REACHED);
    await transport.close();
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
});

describe('a kept connection', () => {
  /** Answers the first request of each connection, and resets the connection at the second. */
  async function forgetful() {
    const requests: string[] = [];
    const server = createTcp((socket) => {
      let count = 0;
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        count += 1;
        requests.push(bytes.toString('latin1').split('\r\n')[0] ?? '');
        if (count > 1) socket.resetAndDestroy();
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      });
    });
    const port = await listening(server);
    return { origin: `http://127.0.0.1:${port}`, requests, close: () => server.close() };
  }

  it('that the receiver has closed is replaced at once, within the same Attempt', async () => {
    const receiver = await forgetful();
    const transport = transportTo(receiver.origin, { connections: 1 });
    const results = [];
    for (let i = 0; i < 4; i += 1) results.push((await post(transport, receiver.origin)).kind);
    await transport.close();
    receiver.close();
    expect(results).toEqual(['response', 'response', 'response', 'response']);
  });

  it('is no excuse for a new one: a receiver that resets each is asked once', async () => {
    let connections = 0;
    const server = createTcp((socket) => {
      connections += 1;
      socket.on('error', () => undefined);
      socket.on('data', () => socket.resetAndDestroy());
    });
    const origin = `http://127.0.0.1:${await listening(server)}`;
    const transport = transportTo(origin);
    expect((await post(transport, origin)).kind).toBe('network');
    await transport.close();
    server.close();
    expect(connections).toBe(1);
  });

  it('is not opened beyond the number allowed', async () => {
    const held: (() => void)[] = [];
    await using sink = await openSink();
    sink.answerWith((_request, response) => void held.push(() => response.end()));
    const { origin } = new URL(sink.url);
    const transport = transportTo(origin, { connections: 3 });
    const results = Array.from({ length: 9 }, () => post(transport, origin));
    await until(() => held.length === 3);
    expect(transport.connects).toBe(3);
    const timer = setInterval(() => held.shift()?.(), 5);
    await Promise.all(results);
    clearInterval(timer);
    expect(transport.connects).toBe(3);
    await transport.close();
  });

  it.each<[string, Answer]>([
    ['was cut off', () => undefined],
    ['said more than is read', (_request, response) => void response.end(Buffer.alloc(100_000))],
    ['broke in the middle', (_request, response) => void response.write('x', () => response.destroy())],
  ])('is not used again where the request before it %s', async (_what, answer) => {
    await using sink = await openSink();
    const { origin } = new URL(sink.url);
    const transport = transportTo(origin);
    sink.answerWith(answer);
    await post(transport, origin, 300);
    sink.answerWith((_request, response) => void response.end());
    expect(await post(transport, origin)).toMatchObject(REACHED);
    const [first, second] = sink.received;
    expect(second?.fromPort).not.toBe(first?.fromPort);
    await transport.close();
  });
});
