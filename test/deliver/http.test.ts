/** Against real sockets of this machine: what a receiver can do to a request. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { MAX_RESPONSE_BYTES } from '../../src/deliver/exchange.ts';
import { send } from '../../src/deliver/http.ts';
import type { PreparedRequest } from '../../src/deliver/request.ts';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { until } from '../helpers/until.ts';
import { transportTo } from './webhooks.ts';

const NEVER = new AbortController().signal;

/** A server that speaks bytes. */
async function rawServer(answer: (socket: Socket, bytes: Buffer) => void) {
  const sockets = new Set<Socket>();
  let received = Buffer.alloc(0);
  let connections = 0;
  const server: Server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      answer(socket, bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    origin: `http://127.0.0.1:${port}`,
    text: () => received.toString('latin1'),
    connections: () => connections,
    open: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function request(origin: string, more: Partial<PreparedRequest> = {}): PreparedRequest {
  return {
    method: 'POST',
    origin,
    path: '/hook?x=1',
    headers: [
      ['Content-Type', 'application/json'],
      ['X-Latin', 'é'],
      ['webhook-id', 'id'],
    ],
    body: Buffer.from('{"a":"é"}'),
    ...more,
  };
}

async function sent(origin: string, more: Partial<PreparedRequest> = {}, timeoutMs = 5_000, signal = NEVER) {
  const transport = transportTo(origin, { timeoutMs });
  try {
    const startedMs = performance.now();
    const result = await send(transport, request(origin, more), timeoutMs, signal);
    return { result, ms: performance.now() - startedMs };
  } finally {
    await transport.close();
  }
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** Answers once the whole request is there. */
const whole = (answer: string | Buffer) => (socket: Socket, bytes: Buffer) => {
  if (bytes.includes('}')) socket.write(answer);
};

describe('what is sent', () => {
  it('is the request as it was prepared, headers in latin-1 and body in its bytes', async () => {
    await using server = await rawServer(whole(OK));
    expect((await sent(server.origin)).result).toMatchObject({ kind: 'response', status: 200 });
    const [head = '', body] = server.text().split('\r\n\r\n');
    expect(head.split('\r\n')[0]).toBe('POST /hook?x=1 HTTP/1.1');
    expect(head).toMatch(/\r\nhost: 127\.0\.0\.1:\d+/i);
    expect(head).toContain('\r\nContent-Type: application/json\r\nX-Latin: é\r\nwebhook-id: id\r\n');
    expect(head).toContain('content-length: 10');
    expect(Buffer.from(body ?? '', 'latin1').toString('utf8')).toBe('{"a":"é"}');
  });

  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const)('has its body with %s', async (method) => {
    await using server = await rawServer(whole(OK));
    expect((await sent(server.origin, { method })).result).toMatchObject({ kind: 'response', status: 200 });
    expect(server.text()).toMatch(new RegExp(`^${method} /hook`));
    expect(server.text()).toMatch(/content-length: 10/i);
  });

  it('says that it is empty when it is', async () => {
    await using server = await rawServer((socket) => socket.write(OK));
    await sent(server.origin, { body: Buffer.alloc(0) });
    expect(server.text()).toMatch(/content-length: 0/i);
  });

  it('goes over connections that are kept, not one for each', async () => {
    await using server = await rawServer(whole(OK));
    const transport = transportTo(server.origin, { connections: 4 });
    for (let i = 0; i < 20; i += 1) await send(transport, request(server.origin), 5_000, NEVER);
    await transport.close();
    expect(server.connections()).toBeLessThanOrEqual(2);
  });
});

describe('what a receiver answers', () => {
  it.each([
    ['200', OK, 200],
    ['204 without a body', 'HTTP/1.1 204 No Content\r\n\r\n', 204],
    [
      'a redirect, which is not followed',
      'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n',
      302,
    ],
    ['500', 'HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n', 500],
    ['an informational answer first', `HTTP/1.1 103 Early Hints\r\n\r\n${OK}`, 200],
    ['in chunks', 'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', 201],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', 200],
  ])('%s', async (_what, answer, status) => {
    await using server = await rawServer(whole(answer));
    expect((await sent(server.origin)).result).toMatchObject({ kind: 'response', status });
  });

  it('is not decompressed: a bomb is read as the bytes it is', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1_048_576));
    const head = `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`;
    await using server = await rawServer(whole(Buffer.concat([Buffer.from(head), bomb])));
    const before = process.memoryUsage().arrayBuffers;
    expect((await sent(server.origin)).result).toMatchObject({ kind: 'response', status: 200 });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1_048_576);
  });

  it('counts though its body breaks off', async () => {
    await using server = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', () => socket.destroy());
    });
    expect((await sent(server.origin)).result).toMatchObject({ kind: 'response', status: 200 });
  });

  it('counts though it comes before the body was sent', async () => {
    await using server = await rawServer((socket) => {
      socket.end('HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    });
    const { result } = await sent(server.origin, { body: Buffer.alloc(20 * 1_048_576, 'x') });
    // A receiver that closes while it is written to may take its answer with it.
    expect([
      expect.objectContaining({ kind: 'response', status: 413 }),
      { kind: 'network', code: expect.any(String) },
    ]).toContainEqual(result);
  });
});

describe('a receiver that does harm', () => {
  it('is cut off when it drips its answer', async () => {
    await using server = await rawServer((socket) => {
      const timer = setInterval(
        () => socket.write('HTTP/1.1 200 OK\r\n'.charAt(0) === 'H' ? 'X-A: 1\r\n' : ''),
        50,
      );
      socket.write('HTTP/1.1 200 OK\r\n');
      socket.on('close', () => clearInterval(timer));
    });
    const { result, ms } = await sent(server.origin, {}, 400);
    expect(result).toEqual({ kind: 'timeout', afterMs: 400 });
    expect(ms).toBeLessThan(2_000);
  });

  it('is believed its status when it drips its body, and not waited for beyond the deadline', async () => {
    await using server = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n');
      const timer = setInterval(() => socket.write('x'), 50);
      socket.on('close', () => clearInterval(timer));
    });
    const { result, ms } = await sent(server.origin, {}, 400);
    expect(result).toMatchObject({ kind: 'response', status: 200 });
    expect(ms).toBeLessThan(2_000);
  });

  it('is read to a bound when its body is endless', async () => {
    let written = 0;
    await using server = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const chunk = Buffer.from(`4000\r\n${'x'.repeat(0x4000)}\r\n`);
      const pour = () => {
        while (!socket.destroyed && socket.write(chunk)) written += 1;
        written += 1;
      };
      socket.on('drain', pour);
      pour();
    });
    const { result, ms } = await sent(server.origin, {}, 5_000);
    expect(result).toMatchObject({ kind: 'response', status: 200 });
    expect(ms).toBeLessThan(3_000);
    await until(() => server.open() === 0);
    expect(written * 0x4000).toBeGreaterThan(MAX_RESPONSE_BYTES);
  });

  it('is refused headers without end', async () => {
    await using server = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const pour = () => {
        while (!socket.destroyed && socket.write(`X-Fill: ${'x'.repeat(1_000)}\r\n`));
      };
      socket.on('drain', pour);
      pour();
    });
    expect((await sent(server.origin)).result).toEqual({
      kind: 'network',
      code: expect.stringMatching(/^(UND_ERR|HPE)_/),
    });
  });

  it('is a timeout when it accepts and says nothing', async () => {
    await using server = await rawServer(() => undefined);
    expect((await sent(server.origin, {}, 300)).result).toEqual({ kind: 'timeout', afterMs: 300 });
  });

  it('is a network error when it resets the connection', async () => {
    await using server = await rawServer((socket) => socket.resetAndDestroy());
    expect((await sent(server.origin)).result).toEqual({
      kind: 'network',
      code: expect.stringMatching(/^(ECONNRESET|UND_ERR_SOCKET|EPIPE)$/),
    });
  });

  it('is a network error when it closes without an answer', async () => {
    await using server = await rawServer((socket) => socket.end());
    expect((await sent(server.origin)).result).toMatchObject({ kind: 'network' });
  });

  it('is a network error when it speaks something else', async () => {
    await using server = await rawServer((socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'));
    expect((await sent(server.origin)).result).toMatchObject({ kind: 'network' });
  });

  it('is not called UNKNOWN when it speaks something else', async () => {
    await using server = await rawServer((socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'));
    expect((await sent(server.origin)).result).not.toMatchObject({ code: 'UNKNOWN' });
  });

  it('is a network error when it is not there', async () => {
    const port = await freePort();
    expect((await sent(`http://127.0.0.1:${port}`)).result).toEqual({
      kind: 'network',
      code: 'ECONNREFUSED',
    });
  });

  it('is a network error when its name is not known', async () => {
    const { result } = await sent('http://no-such-host.invalid', {}, 5_000);
    expect(result).toMatchObject({ kind: 'network', code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/) });
  });

  it('is a TLS error when it speaks no TLS where that was asked for', async () => {
    await using server = await rawServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const { result } = await sent(server.origin.replace('http:', 'https:'));
    expect(result).toMatchObject({ kind: 'tls' });
  });
});

describe('the end of the process', () => {
  it('cuts a request off, as a timeout that the caller tells from others by its signal', async () => {
    await using server = await rawServer(() => undefined);
    const abort = new AbortController();
    const sending = sent(server.origin, {}, 10_000, abort.signal);
    await until(() => server.connections() === 1);
    abort.abort();
    const { result, ms } = await sending;
    expect(result.kind).toBe('timeout');
    expect(ms).toBeLessThan(5_000);
  });

  it('leaves no listener and no timer behind', async () => {
    await using server = await rawServer(whole(OK));
    const abort = new AbortController();
    let added = 0;
    let removed = 0;
    const counted = {
      aborted: false,
      addEventListener: (...args: Parameters<AbortSignal['addEventListener']>) => {
        added += 1;
        abort.signal.addEventListener(...args);
      },
      removeEventListener: (...args: Parameters<AbortSignal['removeEventListener']>) => {
        removed += 1;
        abort.signal.removeEventListener(...args);
      },
    } as unknown as AbortSignal;
    await sent(server.origin, {}, 5_000, counted);
    expect([added, removed]).toEqual([1, 1]);
  });

  it('is one signal for many requests, and no warning of a leak', async () => {
    await using server = await rawServer(() => undefined);
    const warnings: string[] = [];
    const warned = (warning: Error) => warnings.push(warning.name);
    process.on('warning', warned);
    const abort = new AbortController();
    const sending = Promise.all(
      Array.from({ length: 12 }, () => sent(server.origin, {}, 5_000, abort.signal)),
    );
    await until(() => server.connections() === 12);
    abort.abort();
    await sending;
    process.off('warning', warned);
    expect(warnings).toEqual([]);
  });

  it('sends nothing when it is over already', async () => {
    await using server = await rawServer(() => undefined);
    const { ms } = await sent(server.origin, {}, 600, AbortSignal.abort());
    expect(ms).toBeLessThan(300);
  });
});
