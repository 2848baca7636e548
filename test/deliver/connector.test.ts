/** The address policy at the moment of dialling: literals, names, answers that change, and our own services. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Agent } from 'undici';
import { describe, expect, it } from 'vitest';
import { parseAllowed } from '../../src/core/addressRules.ts';
import { systemClock } from '../../src/core/clock.ts';
import { type OwnService, OwnServices, type Resolve } from '../../src/deliver/addresses/ownServices.ts';
import { send } from '../../src/deliver/http.ts';
import type { AttemptResult } from '../../src/deliver/outcome.ts';
import type { TransportOptions } from '../../src/deliver/transport.ts';
import { ManualClock } from '../helpers/clock.ts';
import { openSink } from '../helpers/sink.ts';
import { transportTo } from './webhooks.ts';

const NEVER = new AbortController().signal;
const allow = (...texts: string[]) => texts.flatMap((text) => parseAllowed(text) ?? []);
const INTERNAL = { policy: 'internal', allow: [] } as const;
const OFF = { policy: 'off', allow: [] } as const;

/** Answers with one list of addresses after the other; the last one stays. */
function answering(...answers: readonly (readonly string[])[]): Resolve & { asked: string[] } {
  let next = 0;
  const asked: string[] = [];
  const resolve: Resolve = (host) => {
    asked.push(host);
    const found = answers[Math.min(next, answers.length - 1)] ?? [];
    next += 1;
    return Promise.resolve(found.map((address) => ({ address })));
  };
  return Object.assign(resolve, { asked });
}

function own(services: readonly OwnService[], resolve: Resolve = answering(['127.0.0.1'])) {
  return new OwnServices(() => services, resolve, systemClock);
}

async function sent(origin: string, more: Partial<TransportOptions> = {}): Promise<AttemptResult> {
  const transport = transportTo(origin, { writtenLoopback: null, rules: INTERNAL, ...more });
  try {
    const request = { method: 'POST', origin, path: '/', headers: [], body: Buffer.from('{}') } as const;
    return await send(transport, request, 3_000, NEVER);
  } finally {
    await transport.close();
  }
}

const REFUSED = { kind: 'unsendable', reason: 'address' };
const REACHED = { kind: 'response', status: 200 };

describe('a request', () => {
  it.each([
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f.1',
    'localhost',
    'LOCALHOST',
    'localhost.',
  ])('to http://%s is refused before anything is dialled', async (host) => {
    await using sink = await openSink();
    const url = new URL(sink.url);
    url.hostname = host;
    const resolve = answering(['127.0.0.1']);
    expect(await sent(url.origin, { resolve })).toMatchObject(REFUSED);
    expect(sink.received).toEqual([]);
    expect(resolve.asked).toEqual([]);
  });

  it('is refused where the connection ends elsewhere than at the address that was checked', async () => {
    await using sink = await openSink();
    const url = new URL(sink.url);
    // The system takes it for this machine.
    url.hostname = '0.0.0.0';
    const rules = { policy: 'internal', allow: allow('0.0.0.0/32') } as const;
    expect(await sent(url.origin, { rules })).toMatchObject(REFUSED);
    expect(sink.received).toEqual([]);
  });

  it('to a name is refused when one of its addresses is, whichever it is', async () => {
    await using sink = await openSink();
    const origin = `http://hook.example:${sink.port}`;
    for (const answer of [
      ['127.0.0.1'],
      ['192.0.2.1', '127.0.0.1'],
      ['127.0.0.1', '8.8.8.8'],
      ['::ffff:7f00:1'],
    ]) {
      expect(await sent(origin, { resolve: answering(answer) })).toMatchObject(REFUSED);
    }
    expect(sink.received).toEqual([]);
  });

  it('dials what was checked: the name is not looked up again', async () => {
    await using sink = await openSink();
    const resolve = answering(['127.0.0.1'], ['169.254.169.254']);
    const origin = `http://hook.example:${sink.port}`;
    expect(await sent(origin, { resolve, rules: OFF })).toMatchObject(REACHED);
    expect(resolve.asked).toEqual(['hook.example']);
  });

  it('over a new connection is checked anew', async () => {
    await using sink = await openSink();
    sink.answerWith((_request, response) => {
      response.setHeader('connection', 'close');
      response.end();
    });
    const resolve = answering(['127.0.0.1'], ['169.254.169.254']);
    const origin = `http://hook.example:${sink.port}`;
    const transport = transportTo(origin, { writtenLoopback: null, rules: OFF, resolve });
    const request = { method: 'POST', origin, path: '/', headers: [], body: Buffer.from('{}') } as const;
    expect(await send(transport, request, 3_000, NEVER)).toMatchObject(REACHED);
    expect(await send(transport, request, 3_000, NEVER)).toMatchObject(REFUSED);
    await transport.close();
    expect(sink.received).toHaveLength(1);
  });

  it('over a kept connection goes where that leads, though its name leads elsewhere by now', async () => {
    await using sink = await openSink();
    const resolve = answering(['127.0.0.1'], ['169.254.169.254']);
    const origin = `http://hook.example:${sink.port}`;
    const transport = transportTo(origin, { writtenLoopback: null, rules: OFF, resolve, connections: 1 });
    const request = { method: 'POST', origin, path: '/', headers: [], body: Buffer.from('{}') } as const;
    for (let i = 0; i < 3; i += 1)
      expect(await send(transport, request, 3_000, NEVER)).toMatchObject(REACHED);
    await transport.close();
    expect([transport.connects, resolve.asked.length, sink.received.length]).toEqual([1, 1, 3]);
  });

  it('goes through nothing that could look names up by itself', async () => {
    const transport = transportTo('http://hook.example');
    // Interceptors make another dispatcher of an Agent; the one for look-ups dials what no connector has seen.
    expect((await transport.dispatcherFor('http://hook.example')).constructor).toBe(Agent);
    await transport.close();
  });

  it('reaches a name of this machine that is allowed, at its port', async () => {
    await using sink = await openSink();
    const resolve = answering(['127.0.0.1']);
    const rules = { policy: 'strict' as const, allow: allow(`hook.example:${sink.port}`) };
    expect(await sent(`http://hook.example:${sink.port}`, { resolve, rules })).toMatchObject(REACHED);
    expect(await sent(`http://other.example:${sink.port}`, { resolve, rules })).toMatchObject(REFUSED);
  });

  it('reaches a loopback host that is written in the configuration file', async () => {
    await using sink = await openSink();
    for (const host of ['127.0.0.1', 'localhost']) {
      const origin = `http://${host}:${sink.port}`;
      const resolve = answering(['127.0.0.1']);
      expect(await sent(origin, { writtenLoopback: host, resolve })).toMatchObject(REACHED);
    }
  });

  it('fails as any other when its name has no address', async () => {
    expect(await sent('http://hook.example', { resolve: answering([]) })).toEqual({
      kind: 'network',
      code: 'ENOTFOUND',
    });
    const resolve = () => Promise.reject(Object.assign(new Error('x'), { code: 'EAI_AGAIN' }));
    expect(await sent('http://hook.example', { resolve })).toEqual({ kind: 'network', code: 'EAI_AGAIN' });
  });

  it('is bounded in time when the look-up hangs', async () => {
    const startedMs = performance.now();
    const resolve = () => new Promise<never>(() => undefined);
    expect(await sent('http://hook.example', { resolve, timeoutMs: 500 })).toMatchObject({ kind: 'timeout' });
    expect(performance.now() - startedMs).toBeLessThan(4_000);
  });

  it('tries a few of ten thousand addresses', async () => {
    await using sink = await openSink();
    const many = Array.from({ length: 10_000 }, () => '127.0.0.1');
    const origin = `http://hook.example:${sink.port}`;
    expect(await sent(origin, { resolve: answering(many), rules: OFF })).toMatchObject(REACHED);
  });

  it('says in its refusal which line would allow it', async () => {
    const result = await sent('http://localhost:9000');
    expect(result.kind === 'unsendable' ? result.detail : '').toContain(
      'addresses: {allow: ["localhost:9000"]}',
    );
  });
});

describe("walhook's own services", () => {
  it('are refused by address and port, whatever the policy, the name and allow say', async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const port = (server.address() as { port: number }).port;
    let connections = 0;
    server.on('connection', () => {
      connections += 1;
    });
    const rules = { policy: 'off' as const, allow: allow('127.0.0.1', 'localhost', 'hook.example') };
    const services = own([{ setting: 'queue.url', host: 'redis.internal', port }]);
    const resolve = answering(['127.0.0.1']);
    for (const host of [
      '127.0.0.1',
      '127.0.0.2',
      '[::1]',
      'localhost',
      'hook.example',
      '0.0.0.0',
      'redis.internal',
    ]) {
      const result = await sent(`http://${host}:${port}`, { own: services, resolve, rules });
      expect([host, result]).toMatchObject([host, REFUSED]);
    }
    server.close();
    await once(server, 'close');
    expect(connections).toBe(0);
  });

  it('refuse no other port of their machine', async () => {
    await using sink = await openSink();
    const services = own([{ setting: 'queue.url', host: 'localhost', port: sink.port + 1 }]);
    expect(await sent(`http://127.0.0.1:${sink.port}`, { own: services, rules: OFF })).toMatchObject(REACHED);
  });

  it('keep their last known addresses while their name is not found, and follow it when it moves', async () => {
    const clock = new ManualClock();
    let answer: readonly string[] = ['10.0.0.5'];
    const services = new OwnServices(
      () => [{ setting: 'postgres.url', host: 'db', port: 5432 }],
      () => Promise.resolve(answer.map((address) => ({ address }))),
      clock,
    );
    const at = async (address: string) => {
      await clock.advance(30_000);
      await services.refresh();
      const value = BigInt(
        `0x${address
          .split('.')
          .map((part) => Number(part).toString(16).padStart(2, '0'))
          .join('')}`,
      );
      return services.settingAt('x', 5432, { family: 4, value });
    };
    expect(await at('10.0.0.5')).toBe('postgres.url');
    answer = [];
    expect(await at('10.0.0.5')).toBe('postgres.url');
    answer = ['10.0.0.6'];
    expect([await at('10.0.0.5'), await at('10.0.0.6')]).toEqual([null, 'postgres.url']);
  });
});
