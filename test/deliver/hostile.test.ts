/** Whatever a receiver does: its request ends in time, with a reason, and the next one is not harmed by it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { send } from '../../src/deliver/http.ts';
import type { AttemptResult } from '../../src/deliver/outcome.ts';
import { prepareRequest } from '../../src/deliver/request.ts';
import { compileTemplate } from '../../src/template/engine.ts';
import { type BehaviourName, openHostile } from '../helpers/hostileReceiver.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { deliveries, deliverTarget, transportTo } from './webhooks.ts';

const NEVER = new AbortController().signal;
const TIMEOUT_MS = 700;
const MIB = 1_048_576;

const CASES: readonly [BehaviourName, Partial<AttemptResult>, number?][] = [
  ['says nothing', { kind: 'timeout' }],
  ['never reads', { kind: 'timeout' }, 64 * MIB],
  ['drips its status line', { kind: 'timeout' }],
  ['drips headers', { kind: 'timeout' }],
  ['drips its body', { kind: 'response', status: 200 }],
  ['drips early hints', { kind: 'timeout' }],
  ['floods with 100 Continue', { kind: 'network' }],
  ['sends headers without end', { kind: 'network' }],
  ['sends ten thousand headers', { kind: 'network' }],
  ['sends one header of 64 KiB', { kind: 'network' }],
  ['sends a body without end', { kind: 'response', status: 200 }],
  ['promises a gigabyte', { kind: 'response', status: 200 }],
  ['sends a bomb', { kind: 'response', status: 200 }],
  ['names a hundred encodings', { kind: 'response', status: 200 }],
  ['breaks off its body', { kind: 'response', status: 200 }],
  ['sends more than it promised', { kind: 'response', status: 200 }],
  ['sends a body with 204', { kind: 'response', status: 204 }],
  ['has a wrong chunk', { kind: 'response', status: 200 }],
  ['answers three times', { kind: 'response', status: 200 }],
  ['resets at once', { kind: 'network' }],
  ['closes at once', { kind: 'network' }],
  ['speaks SSH', { kind: 'network' }],
  ['speaks HTTP/0.9', { kind: 'network' }],
  ['has a status of four digits', { kind: 'network' }],
  ['redirects to metadata', { kind: 'response', status: 302 }],
  ['redirects to itself', { kind: 'response', status: 307 }],
  ['redirects to a file', { kind: 'response', status: 301 }],
  ['redirects with 303', { kind: 'response', status: 303 }],
  ['redirects with 308', { kind: 'response', status: 308 }],
  ['redirects over two lines', {}],
  ['asks to be looked at again', { kind: 'response', status: 200 }],
  ['extends its chunks without end', {}],
  ['breaks off without a length', { kind: 'response', status: 200 }],
  ['answers before it has read', {}, 8 * MIB],
  ['sends a brotli bomb', { kind: 'response', status: 200 }],
  ['speaks HTTP/2', { kind: 'network' }],
  ['has no status', { kind: 'network' }],
  ['ends its lines its own way', {}],
  ['frames its body twice', { kind: 'network' }],
  ['has two lengths', { kind: 'network' }],
  ['has a length that is none', { kind: 'network' }],
  ['says what terminals obey', { kind: 'response', status: 500 }],
  ['says what is no text', { kind: 'response', status: 500 }],
  ['has a status line without end', { kind: 'network', code: 'RESPONSE_FLOOD' }],
  ['pours early hints', { kind: 'network', code: 'TOO_MANY_INTERIM' }],
  ['sends trailers without end', { kind: 'response', status: 200 }],
  ['drips trailers', { kind: 'response', status: 200 }],
  ['never ends what it promised', { kind: 'response', status: 200 }],
  ['resets in its status line', { kind: 'network' }],
  ['resets in its headers', { kind: 'network' }],
  ['resets behind its headers', { kind: 'response', status: 200 }],
  ['resets in a chunk', { kind: 'response', status: 200 }],
  ['resets behind its answer', { kind: 'response', status: 200 }],
  ['closes in its headers', { kind: 'network' }],
  ['closes its half behind its answer', { kind: 'response', status: 200 }],
  ['talks on behind its answer', { kind: 'response', status: 200 }],
  ['changes the protocol', { kind: 'network' }],
  ['resets when it is connected to', { kind: 'network' }],
  ['closes when it is connected to', { kind: 'network' }],
  ['closes its half when it is connected to', { kind: 'network' }],
  ['answers before it is asked', {}],
  ['asks to come back in a century', { kind: 'response', status: 503, retryAfterMs: 3_153_600_000_000 }],
];

describe('a receiver that', () => {
  it.each(CASES)('%s', async (name, expected, bodyBytes = 100) => {
    await using hostile = await openHostile(name);
    const transport = transportTo(hostile.origin, { timeoutMs: TIMEOUT_MS });
    const body = Buffer.alloc(bodyBytes, 'x');
    const request = { method: 'POST', origin: hostile.origin, path: '/', headers: [], body } as const;
    const before = process.memoryUsage().rss;
    const startedMs = performance.now();
    const result = await send(transport, request, TIMEOUT_MS, NEVER);
    const tookMs = performance.now() - startedMs;
    const grownBytes = process.memoryUsage().rss - before;
    // What comes after it over the same transport is judged for itself.
    const next = await send(transport, request, TIMEOUT_MS, NEVER);
    await transport.close();
    // One that does not read does not see that the connection is closed.
    if (name !== 'never reads') await until(() => hostile.open() === 0);
    expect(result).toMatchObject(expected);
    expect(next).toMatchObject(expected);
    // Nothing that it says makes a further request: one for each that was sent, and none elsewhere.
    expect(hostile.requests()).toBeLessThanOrEqual(2);
    expect(tookMs).toBeLessThan(TIMEOUT_MS + 2_000);
    expect(grownBytes).toBeLessThan(bodyBytes + 64 * MIB);
    expect(result.kind === 'response' ? (result.response?.body?.length ?? 0) : 0).toBeLessThanOrEqual(22_000);
  });
});

/** A receiver that accepts nothing any more: its process is stopped, and its queue of one is full. */
async function openFull() {
  const script =
    "require('net').createServer().listen(0,'127.0.0.1',1,function(){console.log(this.address().port)})";
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [port] = await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  const sockets = Array.from({ length: 4 }, () =>
    connect(Number(port), '127.0.0.1').on('error', () => undefined),
  );
  await until(() => sockets.filter((socket) => socket.readyState === 'open').length >= 2);
  return {
    origin: `http://127.0.0.1:${Number(port)}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

describe('a receiver that takes no connection', () => {
  it('costs its time and no more', async () => {
    await using full = await openFull();
    const transport = transportTo(full.origin, { timeoutMs: TIMEOUT_MS });
    const request = {
      method: 'POST',
      origin: full.origin,
      path: '/',
      headers: [],
      body: Buffer.alloc(9),
    } as const;
    const startedMs = performance.now();
    const results = await Promise.all([1, 2, 3, 4].map(() => send(transport, request, TIMEOUT_MS, NEVER)));
    expect(performance.now() - startedMs).toBeLessThan(TIMEOUT_MS + 2_000);
    expect(results.map(({ kind }) => kind)).toEqual(['timeout', 'timeout', 'timeout', 'timeout']);
    await transport.close();
  });
});

describe('data of a row', () => {
  const hostile = [
    'a\r\nX-Evil: 1',
    'a\nX-Evil: 1',
    'a\rX-Evil: 1',
    'a\r\n\r\nGET /evil HTTP/1.1',
    'a\u2028X-Evil: 1',
    'a\0b',
    'a\u007fb',
    '\r\n X-Evil: 1',
    'ü€🐘',
  ];

  it.each(hostile)('makes no second header and no second request: %j', async (text) => {
    await using sink = await openSink();
    const target = deliverTarget('w', sink.url, {
      headers: compileTemplate('X-Name: {{ data.name }}\nX-After: yes', {
        path: 'additional_headers',
        undefined: 'lenient',
        headerSafe: true,
      }),
    });
    const [delivery] = deliveries(1, 0);
    if (delivery === undefined) throw new Error('no Delivery');
    const json = JSON.stringify({ data: { name: text }, snapshots: {} });
    const transport = transportTo(new URL(sink.url).origin);
    let refused: unknown = null;
    try {
      const request = prepareRequest(target, { ...delivery, json }, { nowMs: 0, userAgent: 'walhook/test' });
      await send(transport, request, 5_000, NEVER);
    } catch (error) {
      refused = error;
    }
    await transport.close();
    if (refused !== null) expect(refused).toMatchObject({ code: 'HEADER_INVALID' });
    else expect(sink.received[0]?.headers).toMatchObject({ 'x-after': 'yes' });
    expect(sink.received.length).toBe(refused === null ? 1 : 0);
    expect(sink.received.flatMap((one) => Object.keys(one.headers))).not.toContain('x-evil');
  });
});
