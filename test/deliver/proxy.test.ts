/** Proxies that lie, refuse, hang and break: no Attempt outlives its time, and the next one finds its place. */
import { once } from 'node:events';
import { createServer as createHttps } from 'node:https';
import { createServer, connect as dial, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/core/secret.ts';
import { send } from '../../src/deliver/http.ts';
import type { AttemptResult } from '../../src/deliver/outcome.ts';
import { DEFAULT_TLS } from '../../src/deliver/tlsFiles.ts';
import type { Transport, TransportOptions } from '../../src/deliver/transport.ts';
import { openSink } from '../helpers/sink.ts';
import { tlsPair, tlsPath } from '../helpers/tls.ts';
import { until } from '../helpers/until.ts';
import { transportTo } from './webhooks.ts';

const NEVER = new AbortController().signal;
const TIMEOUT_MS = 700;
const ESTABLISHED = 'HTTP/1.1 200 Connection established\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

type Conduct = (socket: Socket, head: string) => void;

/** A proxy that speaks bytes: it reads a CONNECT, and does what it likes. */
async function openLiar(conduct: Conduct) {
  const sockets = new Set<Socket>();
  const asked: string[] = [];
  let conductNow = conduct;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    let text = '';
    const read = (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      socket.off('data', read);
      asked.push(text);
      conductNow(socket, text);
    };
    socket.on('data', read);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    port,
    asked,
    open: () => sockets.size,
    behaves(next: Conduct) {
      conductNow = next;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const through = (port: number, origin: string, more: Partial<TransportOptions> = {}) =>
  transportTo(origin, {
    proxy: new Secret(`http://user:hunter2@127.0.0.1:${port}`),
    timeoutMs: TIMEOUT_MS,
    ...more,
  });

function post(transport: Transport, origin: string, timeoutMs = TIMEOUT_MS): Promise<AttemptResult> {
  const headers = [['webhook-id', 'id']] as const;
  return send(
    transport,
    { method: 'POST', origin, path: '/', headers, body: Buffer.from('{}') },
    timeoutMs,
    NEVER,
  );
}

const say =
  (text: string): Conduct =>
  (socket) =>
    void socket.write(text);

function drip(first: string, piece: string): Conduct {
  return (socket) => {
    socket.write(first);
    const timer = setInterval(() => socket.write(piece), 50);
    socket.on('close', () => clearInterval(timer));
  };
}

function pour(first: string, piece: string): Conduct {
  return (socket) => {
    socket.write(first);
    const more = () => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on('drain', more);
    more();
  };
}

/** A proxy that keeps its word. */
const honest: Conduct = (socket, head) => {
  const port = Number(/^CONNECT [^ ]*:(\d+) /.exec(head)?.[1]);
  const upstream = dial(port, '127.0.0.1', () => {
    socket.write(ESTABLISHED);
    upstream.pipe(socket).pipe(upstream);
  });
  upstream.on('error', () => socket.destroy());
  socket.on('close', () => upstream.destroy());
};

const CASES: readonly [string, Conduct, Partial<AttemptResult>][] = [
  ['says nothing', () => undefined, { kind: 'timeout' }],
  ['drips its answer', drip('HTTP/1.1 200 OK\r\n', 'X-A: 1\r\n'), { kind: 'timeout' }],
  ['drips early hints', drip('', 'HTTP/1.1 103 Early Hints\r\n\r\n'), { kind: 'network', code: 'PROXY_103' }],
  [
    'answers without end',
    pour('HTTP/1.1 200 OK\r\n', `X-Fill: ${'x'.repeat(1_000)}\r\n`),
    { kind: 'network' },
  ],
  [
    'asks for other credentials',
    say('HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n'),
    { kind: 'network', code: 'PROXY_407' },
  ],
  [
    'refuses without end',
    pour('HTTP/1.1 403 No\r\nContent-Length: 999999999\r\n\r\n', 'x'.repeat(16_384)),
    { kind: 'network' },
  ],
  [
    'redirects',
    say('HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n'),
    { kind: 'network' },
  ],
  ['establishes with 204', say('HTTP/1.1 204 No Content\r\n\r\n'), { kind: 'network' }],
  ['speaks SSH', say('SSH-2.0-OpenSSH_9.2\r\n'), { kind: 'network' }],
  ['closes at once', (socket) => void socket.end(), { kind: 'network' }],
  ['resets at once', (socket) => void socket.resetAndDestroy(), { kind: 'network' }],
  ['establishes and closes', (socket) => void socket.end(ESTABLISHED), { kind: 'network' }],
  ['establishes and says nothing', say(ESTABLISHED), { kind: 'timeout' }],
  ['establishes and talks garbage', say(`${ESTABLISHED}SSH-2.0-OpenSSH_9.2\r\n`), { kind: 'network' }],
  [
    'establishes and closes the tunnel at the request',
    (socket) => {
      socket.write(ESTABLISHED);
      socket.once('data', () => socket.resetAndDestroy());
    },
    { kind: 'network' },
  ],
  [
    'establishes and drips into the tunnel',
    (socket) => {
      socket.write(ESTABLISHED);
      socket.once('data', () => drip('HTTP/1.1 200 OK\r\n', 'X-A: 1\r\n')(socket, ''));
    },
    { kind: 'timeout' },
  ],
];

describe('a proxy that', () => {
  it.each(
    CASES,
  )('%s ends the Attempt in time, and the next one is delivered', async (_what, conduct, expected) => {
    await using sink = await openSink();
    await using liar = await openLiar(conduct);
    const origin = `http://hook.example:${sink.port}`;
    const transport = through(liar.port, origin, { connections: 1 });
    const before = process.memoryUsage().rss;
    const startedMs = performance.now();
    const result = await post(transport, origin);
    expect(performance.now() - startedMs).toBeLessThan(TIMEOUT_MS + 1_000);
    expect(result).toMatchObject(expected);
    expect(JSON.stringify(result)).not.toContain('hunter2');
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1_048_576);
    // It was asked once: nothing of it looks like a kept connection that had ended.
    expect(liar.asked).toHaveLength(1);
    await until(() => liar.open() === 0);
    liar.behaves(honest);
    expect(await post(transport, origin, 5_000)).toMatchObject({ kind: 'response', status: 200 });
    await transport.close();
    await until(() => liar.open() === 0);
    expect(sink.received).toHaveLength(1);
  });

  it('that hangs as often as there are connections holds none of them longer than an Attempt', async () => {
    await using sink = await openSink();
    await using liar = await openLiar(() => undefined);
    const origin = `http://hook.example:${sink.port}`;
    const transport = through(liar.port, origin, { connections: 3 });
    const hung = await Promise.all(Array.from({ length: 6 }, () => post(transport, origin)));
    expect(new Set(hung.map(({ kind }) => kind))).toEqual(new Set(['timeout']));
    expect(liar.asked.length).toBeLessThanOrEqual(6);
    await until(() => liar.open() === 0);
    liar.behaves(honest);
    const after = await Promise.all(Array.from({ length: 6 }, () => post(transport, origin, 5_000)));
    expect(new Set(after.map(({ kind }) => kind))).toEqual(new Set(['response']));
    await transport.close();
  });

  it('answers in the place of the receiver is not believed over TLS', async () => {
    await using liar = await openLiar((socket) => {
      socket.write(`${ESTABLISHED}${OK}`);
      socket.on('data', () => socket.write(OK));
    });
    const origin = 'https://hook.example:1';
    const transport = through(liar.port, origin, { tls: { ...DEFAULT_TLS, ca: tlsPath('ca') } });
    // Told by the tunnel or by the handshake, as the pieces arrive.
    expect(['network', 'tls']).toContain((await post(transport, origin)).kind);
    await transport.close();
  });

  it('says beforehand what the receiver would answer is not believed', async () => {
    await using liar = await openLiar((socket) => {
      socket.write(`${ESTABLISHED}${OK}`);
    });
    const transport = through(liar.port, 'http://hook.example');
    expect((await post(transport, 'http://hook.example')).kind).not.toBe('response');
    await transport.close();
  });
});

describe('a request through a proxy', () => {
  it('keeps its tunnel, and replaces it at once within the same Attempt when it was closed', async () => {
    await using liar = await openLiar((socket) => {
      socket.write(ESTABLISHED);
      let count = 0;
      socket.on('data', () => {
        count += 1;
        if (count > 2) socket.resetAndDestroy();
        else socket.write(OK);
      });
    });
    const transport = through(liar.port, 'http://hook.example', { connections: 1 });
    const kinds: string[] = [];
    for (let i = 0; i < 4; i += 1) kinds.push((await post(transport, 'http://hook.example')).kind);
    await transport.close();
    expect(kinds).toEqual(['response', 'response', 'response', 'response']);
    expect(liar.asked).toHaveLength(2);
  });

  it('has its headers as they are configured, and none of the proxy', async () => {
    await using sink = await openSink();
    await using liar = await openLiar(honest);
    const origin = `http://hook.example:${sink.port}`;
    const transport = through(liar.port, origin);
    const headers = [
      ['X-Case', 'As Written'],
      ['__proto__', 'kept'],
    ] as const;
    await send(
      transport,
      { method: 'POST', origin, path: '/', headers, body: Buffer.alloc(0) },
      5_000,
      NEVER,
    );
    await transport.close();
    const [received] = sink.received;
    expect(Object.entries(received?.headers ?? {})).toEqual(
      expect.arrayContaining([
        ['x-case', 'As Written'],
        ['host', `hook.example:${sink.port}`],
      ]),
    );
    expect(Object.keys(received?.headers ?? {}).filter((name) => name.startsWith('proxy-'))).toEqual([]);
    expect(liar.asked[0]).toMatch(new RegExp(`^CONNECT hook.example:${sink.port} HTTP/1.1\r\n`));
    expect(liar.asked[0]).toContain(`Basic ${Buffer.from('user:hunter2').toString('base64')}`);
  });

  it('shows the proxy a user without a password too', async () => {
    await using sink = await openSink();
    await using liar = await openLiar(honest);
    const origin = `http://hook.example:${sink.port}`;
    const proxy = new Secret(`http://token@127.0.0.1:${liar.port}`);
    const transport = transportTo(origin, { proxy });
    expect(await post(transport, origin, 5_000)).toMatchObject({ kind: 'response' });
    await transport.close();
    expect(liar.asked[0]).toContain(`Basic ${Buffer.from('token:').toString('base64')}`);
  });

  it('names its receiver, not the proxy, in the handshake', async () => {
    const names: (string | false)[] = [];
    const server = createHttps(tlsPair('server'), (request, response) => {
      names.push((request.socket as unknown as { servername: string | false }).servername);
      request.resume().on('end', () => response.end());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await using liar = await openLiar(honest);
    const origin = `https://localhost:${port}`;
    const transport = through(liar.port, origin, { tls: { ...DEFAULT_TLS, ca: tlsPath('ca') } });
    expect(await post(transport, origin, 5_000)).toMatchObject({ kind: 'response', status: 200 });
    await transport.close();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
    expect(names).toEqual(['localhost']);
  });
});
