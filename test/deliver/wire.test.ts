/** What stands on the wire, byte by byte: a row's data frames nothing, and one answer belongs to one request. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { send } from '../../src/deliver/http.ts';
import { prepareRequest } from '../../src/deliver/request.ts';
import { compileTemplate } from '../../src/template/engine.ts';
import { deliveries, deliverTarget, transportTo } from './webhooks.ts';

const NEVER = new AbortController().signal;
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

/** A receiver that keeps the bytes of each request, and answers a whole one. */
async function openWire(answer: (socket: Socket, count: number) => void = (socket) => void socket.write(OK)) {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      for (;;) {
        const end = text.indexOf('\r\n\r\n');
        const length = Number(/^content-length: (\d+)$/im.exec(text.slice(0, end))?.[1] ?? 0);
        if (end < 0 || text.length < end + 4 + length) return;
        requests.push(text.slice(0, end + 4 + length));
        text = text.slice(end + 4 + length);
        answer(socket, requests.length);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}/`,
    origin: `http://127.0.0.1:${port}`,
    requests,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Sends the value of a row in a header and in the path; the error where no request could be made. */
async function sentWith(url: string, value: string): Promise<unknown> {
  const target = deliverTarget('w', url, {
    url: compileTemplate(`${url}{{ data.name|urlencode }}`, { path: 'url', undefined: 'lenient' }),
    headers: compileTemplate('X-Before: 1\nX-Name: {{ data.name }}\nX-After: 1', {
      path: 'additional_headers',
      undefined: 'lenient',
      headerSafe: true,
    }),
  });
  const [delivery] = deliveries(1, 0);
  if (delivery === undefined) throw new Error('no Delivery');
  const json = JSON.stringify({ data: { name: value } });
  const transport = transportTo(new URL(url).origin);
  try {
    const request = prepareRequest(target, { ...delivery, json }, { nowMs: 0, userAgent: 'walhook/test' });
    return (await send(transport, request, 5_000, NEVER)).kind;
  } catch (error) {
    return error;
  } finally {
    await transport.close();
  }
}

const OWN_HEADERS = [
  ...['host', 'connection', 'content-type', 'user-agent', 'x-before', 'x-name', 'x-after'],
  ...['webhook-id', 'webhook-timestamp', 'content-length'],
];

describe('a value of a row on the wire', () => {
  it.each<[string, string]>([
    ['CR', 'a\rX-Evil: 1'],
    ['LF', 'a\nX-Evil: 1'],
    ['CRLF', 'a\r\nX-Evil: 1'],
    ['a whole request', 'a\r\n\r\nPOST /evil HTTP/1.1\r\nHost: evil\r\nContent-Length: 0\r\n\r\n'],
    ['a length of its own', 'a\r\nContent-Length: 0\r\n\r\n'],
    ['chunks', 'a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a folded line', 'a\r\n X-Evil: 1'],
    ['a folded line with a tab', 'a\n\tX-Evil: 1'],
    ['NUL', 'a\0b'],
    ['DEL', 'a\u007fb'],
    ['ESC', 'a\u001b[2Jb'],
    ['a vertical tab', 'a\u000bX-Evil: 1'],
    ['NEL', 'a\u0085X-Evil: 1'],
    ['a line separator', 'a\u2028X-Evil: 1'],
    ['what becomes CR and LF where high bytes are cut off', 'a\u010d\u010aX-Evil: 1'],
    ['the same in other letters', 'a\u560d\u560aX-Evil: 1'],
    ['letters beyond latin-1', 'ü€🐘'],
    ['spaces at both ends', '  a  '],
    ['8 KiB and one', 'x'.repeat(8_193)],
    ['half a character', '\ud800'],
  ])('with %s is one header of one request, or no request', async (_what, value) => {
    await using wire = await openWire();
    const said = await sentWith(wire.url, value);
    if (said instanceof Error) {
      expect(said).toMatchObject({
        code: expect.stringMatching(/^(HEADER_INVALID|TEMPLATE_FAILED|URL_INVALID)$/),
      });
      expect(wire.connections()).toBe(0);
      return;
    }
    expect([said, wire.requests.length, wire.connections()]).toEqual(['response', 1, 1]);
    const head = wire.requests[0]?.split('\r\n\r\n')[0] ?? '';
    const [line = '', ...lines] = head.split('\r\n');
    expect(line).toMatch(/^POST \/[\x21-\x7e]* HTTP\/1\.1$/);
    expect(lines.map((one) => one.slice(0, one.indexOf(':')).toLowerCase()).sort()).toEqual(
      OWN_HEADERS.toSorted(),
    );
    // A bare CR or LF is a line end to some.
    expect(head.replaceAll('\r\n', '')).not.toMatch(/[\r\n\0\x1b\x7f]/);
  });
});

describe('an answer', () => {
  const post = (origin: string, n: number) =>
    ({ method: 'POST', origin, path: `/${n}`, headers: [], body: Buffer.from(`{"n":${n}}`) }) as const;

  it('belongs to the request it follows: one that comes unasked answers nothing', async () => {
    await using wire = await openWire((socket, count) => {
      const own = `HTTP/1.1 ${200 + count} Own\r\nContent-Length: 0\r\n\r\n`;
      socket.write(`${own}HTTP/1.1 250 Poison\r\nContent-Length: 0\r\n\r\n`);
    });
    const transport = transportTo(wire.origin, { connections: 1 });
    const statuses: unknown[] = [];
    for (let i = 1; i <= 5; i += 1) {
      const result = await send(transport, post(wire.origin, i), 5_000, NEVER);
      statuses.push(result.kind === 'response' ? result.status : result.kind);
    }
    await transport.close();
    expect(statuses).toEqual([201, 202, 203, 204, 205]);
  });

  it('that comes unasked answers nothing that waits for its turn on the connection either', async () => {
    await using wire = await openWire((socket, count) => {
      const own = `HTTP/1.1 ${200 + count} Own\r\nContent-Length: 0\r\n\r\n`;
      socket.write(`${own}HTTP/1.1 250 Poison\r\nContent-Length: 0\r\n\r\n`);
    });
    const transport = transportTo(wire.origin, { connections: 1 });
    const results = await Promise.all(
      Array.from({ length: 5 }, (_, i) => send(transport, post(wire.origin, i), 5_000, NEVER)),
    );
    await transport.close();
    const statuses = results.map((result) => (result.kind === 'response' ? result.status : result.kind));
    expect(statuses).toEqual([201, 202, 203, 204, 205]);
    expect(wire.requests).toHaveLength(5);
  });

  it.each([
    ['a whole answer', 'HTTP/1.1 250 Poison\r\nContent-Length: 0\r\n\r\n'],
    ['the start of one', 'HTTP/1.1 25'],
    ['line ends', '\r\n\r\n'],
    ['anything', '\0\x01garbage'],
  ])('is its own though the connection said %s between two requests', async (_what, poison) => {
    await using wire = await openWire((socket, count) => {
      socket.write(`HTTP/1.1 ${200 + count} Own\r\nContent-Length: 0\r\n\r\n`);
      setTimeout(() => socket.write(poison), 5);
    });
    const transport = transportTo(wire.origin, { connections: 1 });
    const statuses: unknown[] = [];
    for (let i = 1; i <= 4; i += 1) {
      const result = await send(transport, post(wire.origin, i), 5_000, NEVER);
      statuses.push(result.kind === 'response' ? result.status : result.kind);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    await transport.close();
    expect(statuses).toEqual([201, 202, 203, 204]);
    expect(wire.requests).toHaveLength(4);
  });

  it('that never comes because the connection is reset in mid-upload is a network error, asked for once', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.on('error', () => undefined);
      socket.once('data', () => socket.resetAndDestroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    const transport = transportTo(origin, { connections: 1 });
    const request = { ...post(origin, 1), body: Buffer.alloc(8 * 1_048_576, 'x') };
    expect((await send(transport, request, 5_000, NEVER)).kind).toBe('network');
    await transport.close();
    server.close();
    expect(connections).toBe(1);
  });

  it('that is lost with a kept connection is asked for once more, and no oftener, under the same id', async () => {
    // Every second request of a connection meets its end.
    const perSocket = new WeakMap<Socket, number>();
    await using wire = await openWire((socket) => {
      const count = (perSocket.get(socket) ?? 0) + 1;
      perSocket.set(socket, count);
      if (count % 2 === 0) socket.resetAndDestroy();
      else socket.write(OK);
    });
    const transport = transportTo(wire.origin, { connections: 1 });
    for (let i = 0; i < 20; i += 1) {
      const request = { ...post(wire.origin, i), headers: [['webhook-id', `id-${i}`] as const] };
      expect((await send(transport, request, 5_000, NEVER)).kind).toBe('response');
    }
    await transport.close();
    const ids = wire.requests.map((text) => /webhook-id: (\S+)/.exec(text)?.[1]);
    for (let i = 0; i < 20; i += 1) {
      const times = ids.filter((id) => id === `id-${i}`).length;
      expect([1, 2]).toContain(times);
    }
  });
});
