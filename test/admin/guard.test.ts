import { afterEach, describe, expect, it } from 'vitest';
import { openAdmin } from '../../src/admin/server.ts';
import { delivery } from './memoryDeliveries.ts';
import { type TestAdmin, type TestAdminOptions, TOKENS, testAdmin } from './testAdmin.ts';

const opened: TestAdmin[] = [];

async function open(options?: TestAdminOptions): Promise<TestAdmin> {
  const admin = await testAdmin(options);
  admin.queue.deliveries.push(delivery('d1'));
  opened.push(admin);
  return admin;
}

afterEach(async () => {
  for (const admin of opened.splice(0)) await admin[Symbol.asyncDispose]();
});

async function logIn(admin: TestAdmin, role: keyof typeof TOKENS): Promise<{ cookie: string; csrf: string }> {
  const answer = await admin.ask('/login', {
    as: null,
    method: 'POST',
    body: `token=${TOKENS[role]}&next=/failures`,
  });
  expect(answer.status).toBe(303);
  expect(answer.headers.get('location')).toBe('/failures');
  const cookie = (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const page = await (await admin.ask('/', { as: null, headers: { cookie } })).text();
  return { cookie, csrf: /name="_csrf" value="([^"]+)"/.exec(page)?.[1] ?? '' };
}

describe('the Host of a request', () => {
  it.each([
    ['localhost:8080', 200],
    ['127.0.0.1', 200],
    ['[::1]:8080', 200],
    ['LOCALHOST', 200],
    ['page.example', 200],
    ['exact.example:8443', 200],
    ['exact.example', 421],
    ['evil.example', 421],
    ['localhost.evil.example', 421],
    ['10.0.0.1', 421],
    ['localhost@evil.example', 421],
  ])('%s is answered with %i', async (host, status) => {
    const tokens = [{ name: 'a', role: 'admin', token: TOKENS.admin }];
    const admin = await open({
      admin: { listen: '127.0.0.1:0', tokens, hosts: ['page.example', 'exact.example:8443'] },
    });
    // fetch sets Host itself; an HTTP/1.1 request by hand does not.
    expect(await rawStatus(admin.server.url, host)).toBe(status);
  });

  it('does not matter to the probes', async () => {
    const admin = await open();
    expect(await rawStatus(admin.server.url, 'evil.example', '/livez')).toBe(200);
    expect(await rawStatus(admin.server.url, 'evil.example', '/readyz')).toBe(200);
  });
});

async function rawStatus(url: string, host: string, path = '/api/webhooks'): Promise<number> {
  const { request } = await import('node:http');
  return await new Promise((resolve, reject) => {
    const headers = { host, authorization: `Bearer ${TOKENS.admin}` };
    request(url + path, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}

describe('a login', () => {
  it('is a cookie that scripts cannot read and other sites cannot use', async () => {
    const admin = await open();
    const answer = await admin.ask('/login', { as: null, method: 'POST', body: `token=${TOKENS.viewer}` });
    expect(answer.headers.get('set-cookie')).toMatch(
      /^walhook_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/,
    );
  });

  it('takes a new id each time, never one that was brought along', async () => {
    const admin = await open();
    const headers = { cookie: 'walhook_session=chosen-by-somebody-else' };
    const answer = await admin.ask('/login', {
      as: null,
      method: 'POST',
      body: `token=${TOKENS.viewer}`,
      headers,
    });
    expect(answer.headers.get('set-cookie')).not.toContain('chosen-by-somebody-else');
    expect((await admin.ask('/', { as: null, headers })).status).toBe(401);
  });

  it('refuses a token that is not known, and says nothing of those that are', async () => {
    const admin = await open();
    const answer = await admin.ask('/login', { as: null, method: 'POST', body: 'token=wrong' });
    expect(answer.status).toBe(401);
    expect(await answer.text()).toContain('not known');
    expect(answer.headers.get('set-cookie')).toBeNull();
  });

  it('can be tried ten times a minute', async () => {
    const admin = await open();
    const statuses: number[] = [];
    for (let tries = 0; tries < 12; tries += 1) {
      statuses.push((await admin.ask('/login', { as: null, method: 'POST', body: 'token=guess' })).status);
    }
    expect(statuses).toEqual([...Array(10).fill(401), 429, 429]);
  });

  it.each([
    '//evil.example/',
    'https://evil.example/',
    '/\\evil.example',
    'javascript:alert(1)',
  ])('leads to no other site: %s', async (next) => {
    const admin = await open();
    const body = `token=${TOKENS.viewer}&next=${encodeURIComponent(next)}`;
    const answer = await admin.ask('/login', { as: null, method: 'POST', body });
    expect(answer.headers.get('location')).toBe('/');
  });

  it('ends with the logout', async () => {
    const admin = await open();
    const { cookie, csrf } = await logIn(admin, 'operator');
    const headers = { cookie };
    expect((await admin.ask('/', { as: null, headers })).status).toBe(200);
    const out = await admin.ask('/logout', { as: null, method: 'POST', body: `_csrf=${csrf}`, headers });
    expect(out.status).toBe(303);
    expect((await admin.ask('/', { as: null, headers })).status).toBe(401);
  });

  it('ends when a reload takes its token away', async () => {
    const admin = await open();
    const { cookie } = await logIn(admin, 'viewer');
    const file = admin.file as { admin: { tokens: { role: string }[] } };
    admin.file = {
      ...file,
      admin: { ...file.admin, tokens: file.admin.tokens.filter(({ role }) => role !== 'viewer') },
    };
    expect((await admin.ask('/-/reload', { method: 'POST' })).status).toBe(200);
    expect((await admin.ask('/', { as: null, headers: { cookie } })).status).toBe(401);
  });
});

describe('a request that changes something', () => {
  it.each([
    ['no token of the form', {}, ''],
    ['the token of another login', {}, '_csrf=abcdefgh'],
    ['another origin', { origin: 'https://evil.example' }, null],
    ['an opaque origin', { origin: 'null' }, null],
    ['another site', { 'sec-fetch-site': 'cross-site' }, null],
    ['another host of the same site', { 'sec-fetch-site': 'same-site' }, null],
  ])('is refused with %s', async (_what, headers, body) => {
    const admin = await open();
    const { cookie, csrf } = await logIn(admin, 'operator');
    const answer = await admin.ask('/deliveries/resend', {
      as: null,
      method: 'POST',
      body: `ids=d1&${body ?? `_csrf=${csrf}`}`,
      headers: { cookie, ...headers },
    });
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ code: 'CROSS_SITE' });
    expect(admin.queue.acts).toEqual([]);
  });

  it('goes through from the page of the login', async () => {
    const admin = await open();
    const { cookie, csrf } = await logIn(admin, 'operator');
    const headers = { cookie, origin: admin.server.url, 'sec-fetch-site': 'same-origin' };
    const answer = await admin.ask('/deliveries/resend', {
      as: null,
      method: 'POST',
      body: `ids=d1&_csrf=${csrf}`,
      headers,
    });
    expect(answer.status).toBe(303);
    expect(admin.queue.acts).toEqual(['resend d1']);
  });

  it('needs the token of the login in the API too, unless it bears a Bearer token', async () => {
    const admin = await open();
    const { cookie, csrf } = await logIn(admin, 'operator');
    const ask = (headers: Record<string, string>) =>
      admin.ask('/api/webhooks/sessions/pause', {
        as: null,
        method: 'POST',
        headers: { cookie, ...headers },
      });
    expect((await ask({})).status).toBe(403);
    expect((await ask({ 'x-csrf-token': csrf })).status).toBe(200);
    expect(
      (await admin.ask('/api/webhooks/sessions/resume', { as: 'operator', method: 'POST' })).status,
    ).toBe(200);
    expect(admin.queue.acts).toEqual(['pause sessions', 'resume sessions']);
  });
});

describe('on loopback without tokens', () => {
  const admin = { listen: '127.0.0.1:0' };

  it('everyone of this machine is an admin', async () => {
    const one = await open({ admin });
    expect((await one.ask('/', { as: null })).status).toBe(200);
    expect((await one.ask('/api/deliveries/d1/resend', { as: null, method: 'POST' })).status).toBe(200);
  });

  it('pages of other sites still do nothing', async () => {
    const one = await open({ admin });
    const form = { as: null, method: 'POST', body: 'ids=d1' } as const;
    expect((await one.ask('/deliveries/resend', form)).status).toBe(403);
    const headers = { origin: 'http://evil.example' };
    expect((await one.ask('/api/deliveries/d1/resend', { as: null, method: 'POST', headers })).status).toBe(
      403,
    );
    expect(await rawStatus(one.server.url, 'evil.example')).toBe(421);
    expect(one.queue.acts).toEqual([]);
  });
});

describe('the server', () => {
  it('refuses to be open beyond loopback without tokens', async () => {
    await expect(open({ admin: { listen: '0.0.0.0:0' } })).rejects.toThrow(/CONFIG_INVALID|admin.tokens/);
    const one = await open();
    const admin = one.host.live.current.loaded.config.admin;
    const open0 = { ...(admin === false ? {} : admin), listen: { host: '0.0.0.0', port: 0 }, tokens: [] };
    const config = { ...one.host.live.current.loaded.config, admin: open0 };
    const live = { current: { loaded: { config } } } as never;
    await expect(openAdmin({ ...one.host, live })).rejects.toMatchObject({ code: 'ADMIN_UNPROTECTED' });
  });

  it('tells that its port is taken by a code', async () => {
    const one = await open();
    const port = new URL(one.server.url).port;
    const tokens = [{ name: 'a', role: 'admin', token: TOKENS.admin }];
    await expect(open({ admin: { listen: `127.0.0.1:${port}`, tokens } })).rejects.toMatchObject({
      code: 'ADMIN_LISTEN',
      message: `expected to listen on 127.0.0.1:${port} (admin.listen), found that another program listens there`,
    });
  });

  it('sends a strict policy with every page, and lets no frame show it', async () => {
    const admin = await open();
    for (const path of ['/', '/login', '/deliveries/d1', '/nothing', '/api/webhooks']) {
      const { headers } = await admin.ask(path, { headers: { accept: 'text/html' } });
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain('unsafe');
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  it('serves pages without anything inline', async () => {
    const admin = await open();
    const paths = ['/', '/login', '/webhooks', '/webhooks/sessions', '/webhooks/sessions/try', '/deliveries'];
    for (const path of [...paths, '/deliveries/d1', '/failures', '/tail', '/tasks', '/gaps', '/system']) {
      const page = await (await admin.ask(path)).text();
      expect(page).not.toMatch(
        /<script(?! src="\/assets\/admin\.js" defer>)|<style| style=| on[a-z]+=|javascript:/i,
      );
    }
  });

  it('logs each act with who did it', async () => {
    const admin = await open();
    await admin.ask('/api/deliveries/resend', {
      as: 'operator',
      method: 'POST',
      body: { webhook: 'sessions' },
    });
    const line = admin
      .log()
      .split('\n')
      .find((text) => text.includes('deliveries resend'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      audit: true,
      by: 'the operator',
      role: 'operator',
      done: 1,
    });
  });
});
