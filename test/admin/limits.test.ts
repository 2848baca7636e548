/** What somebody who means harm may ask of the admin server, and what it costs the others. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { MAX_WATCHERS_EACH } from '../../src/admin/api/tailRoute.ts';
import {
  InFlight,
  MAX_IN_FLIGHT,
  MAX_IN_FLIGHT_EACH,
  MAX_WRONG_TOKENS,
  WrongTokens,
} from '../../src/admin/limits.ts';
import { ManualClock } from '../helpers/clock.ts';
import { until } from '../helpers/until.ts';
import { delivery } from './memoryDeliveries.ts';
import { type TestAdmin, TOKENS, testAdmin } from './testAdmin.ts';

const opened: TestAdmin[] = [];
async function open(): Promise<TestAdmin> {
  const admin = await testAdmin();
  admin.queue.deliveries.push(delivery('d1'));
  opened.push(admin);
  return admin;
}
afterEach(async () => {
  for (const admin of opened.splice(0)) await admin[Symbol.asyncDispose]();
});

describe('wrong Bearer tokens', () => {
  const guess = (admin: TestAdmin, n: number, path = '/api/deliveries') =>
    admin.ask(path, { as: null, headers: { authorization: `Bearer guess-${n}` } });

  it('are refused with a time to wait after many from one address', async () => {
    const admin = await open();
    const answers: Response[] = [];
    for (let n = 0; n < MAX_WRONG_TOKENS + 2; n += 1) answers.push(await guess(admin, n));
    expect(answers.map(({ status }) => status)).toEqual([...Array(MAX_WRONG_TOKENS).fill(401), 429, 429]);
    const last = answers.at(-1);
    expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(last?.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect(await last?.json()).toMatchObject({ code: 'RATE_LIMITED', status: 429 });
  });

  it('lock nobody out who has the right one, at the same address', async () => {
    const admin = await open();
    for (let n = 0; n < MAX_WRONG_TOKENS * 2; n += 1) await (await guess(admin, n)).body?.cancel();
    for (const role of ['viewer', 'operator', 'admin'] as const) {
      expect((await admin.ask('/api/deliveries', { as: role })).status).toBe(200);
    }
    const login = await admin.ask('/login', { as: null, method: 'POST', body: `token=${TOKENS.viewer}` });
    expect(login.status).toBe(303);
    expect((await admin.ask('/livez', { as: null, headers: { authorization: 'Bearer guess' } })).status).toBe(
      200,
    );
  });

  it('count together with those of the login', async () => {
    const admin = await open();
    for (let n = 0; n < MAX_WRONG_TOKENS; n += 1) await (await guess(admin, n)).body?.cancel();
    expect((await admin.ask('/login', { as: null, method: 'POST', body: 'token=guess' })).status).toBe(429);
  });

  it('are remembered by address for a minute, in bounded memory', async () => {
    const clock = new ManualClock();
    const wrong = new WrongTokens(clock);
    for (let n = 0; n < MAX_WRONG_TOKENS; n += 1) expect(wrong.add('a')).toBe(0);
    expect(wrong.add('a')).toBe(60);
    expect(wrong.add('b')).toBe(0);
    await clock.advance(30_000);
    expect(wrong.add('a')).toBe(30);
    await clock.advance(30_000);
    expect(wrong.add('a')).toBe(0);
    for (let n = 0; n < 20_000; n += 1) wrong.add(`10.0.${n >> 8}.${n & 255}`);
    expect(wrong.size).toBeLessThanOrEqual(5_000);
  });
});

describe('requests at the same time', () => {
  it('are bounded for each caller and for all', () => {
    const inFlight = new InFlight();
    let begun = 0;
    for (let n = 0; n < MAX_IN_FLIGHT_EACH + 5; n += 1) if (inFlight.begin('a')) begun += 1;
    expect(begun).toBe(MAX_IN_FLIGHT_EACH);
    inFlight.end('a');
    expect(inFlight.begin('a')).toBe(true);
    for (let caller = 0; caller < 100; caller += 1) if (inFlight.begin(`b${caller}`)) begun += 1;
    expect(begun).toBe(MAX_IN_FLIGHT);
    for (let n = 0; n < MAX_IN_FLIGHT_EACH; n += 1) inFlight.end('a');
    expect(inFlight.begin('c')).toBe(true);
  });

  it('are freed when their answer is made, also where nobody waits for it any more', async () => {
    const admin = await open();
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { list } = admin.queue.store.deliveries;
    let asked = 0;
    admin.queue.store.deliveries.list = async (...args) => {
      asked += 1;
      await held;
      return await list(...args);
    };
    const stop = new AbortController();
    const gone = Array.from({ length: MAX_IN_FLIGHT_EACH }, () =>
      fetch(`${admin.server.url}/api/deliveries`, {
        headers: { authorization: `Bearer ${TOKENS.viewer}` },
        signal: stop.signal,
      }).catch(() => null),
    );
    await until(() => asked === MAX_IN_FLIGHT_EACH);
    stop.abort();
    await Promise.all(gone);
    // What they asked of the store goes on, and counts.
    const refused = await admin.ask('/api/webhooks', { as: 'viewer' });
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect((await admin.ask('/api/webhooks', { as: 'operator' })).status).toBe(200);
    expect((await admin.ask('/livez', { as: null })).status).toBe(200);
    release();
    await until(async () => (await admin.ask('/api/webhooks', { as: 'viewer' })).status === 200);
  });

  it('leave nothing behind that are refused before their handler', async () => {
    const admin = await open();
    for (let n = 0; n < MAX_IN_FLIGHT_EACH * 3; n += 1) {
      expect((await admin.ask('/api/deliveries?limit=0', { as: 'viewer' })).status).toBe(400);
      expect((await admin.ask('/api/deliveries/purge', { as: 'viewer', method: 'POST' })).status).toBe(403);
      expect((await admin.ask('/api/nothing', { as: 'viewer' })).status).toBe(404);
    }
    expect((await admin.ask('/api/deliveries', { as: 'viewer' })).status).toBe(200);
  });
});

describe('those who watch the tail', () => {
  it('are bounded for each caller, and leave room when they go', async () => {
    const admin = await open();
    const stop = new AbortController();
    const headers = { authorization: `Bearer ${TOKENS.viewer}` };
    const watch = () => fetch(`${admin.server.url}/api/tail`, { headers, signal: stop.signal });
    const watching = await Promise.all(Array.from({ length: MAX_WATCHERS_EACH }, watch));
    expect(watching.map(({ status }) => status)).toEqual(Array(MAX_WATCHERS_EACH).fill(200));
    expect((await watch()).status).toBe(429);
    const other = await admin.ask('/api/tail', { as: 'operator' });
    expect(other.status).toBe(200);
    await other.body?.cancel();
    stop.abort();
    await until(async () => {
      const again = await admin.ask('/api/tail', { as: 'viewer' });
      await again.body?.cancel();
      return again.status === 200;
    });
  });
});

describe('bodies', () => {
  it('that are too large are refused with 413, before they are read where nobody is logged in', async () => {
    const admin = await open();
    const large = { event: 'x'.repeat(6 * 1_048_576) };
    const answer = await admin.ask('/api/try', { as: 'viewer', method: 'POST', body: large });
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({ code: 'REQUEST_INVALID', status: 413 });
    const login = await admin.ask('/login', {
      as: null,
      method: 'POST',
      body: `token=${'x'.repeat(100_000)}`,
    });
    expect(login.status).toBe(413);
  });

  it.each([
    ['deep arrays', '['.repeat(1_000_000)],
    ['deep objects', '{"a":'.repeat(200_000)],
    ['deep and closed', `{"webhook":"sessions","event":${'['.repeat(50_000)}${']'.repeat(50_000)}}`],
  ])('of %s are refused', async (_what, body) => {
    const admin = await open();
    const answer = await fetch(`${admin.server.url}/api/try`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKENS.viewer}`, 'content-type': 'application/json' },
      body,
    });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: 'REQUEST_INVALID' });
  });

  it('that come one byte at a time hold up nobody else', async () => {
    const admin = await open();
    const { port } = new URL(admin.server.url);
    const drips = Array.from({ length: 100 }, () => {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write('POST /api/try HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n');
      return socket;
    });
    await Promise.all(drips.map((socket) => once(socket, 'connect')));
    expect((await admin.ask('/api/deliveries', { as: 'viewer' })).status).toBe(200);
    for (const socket of drips) socket.destroy();
  });
});
