import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RouteEntry } from '../../src/admin/guard.ts';
import { delivery } from './memoryDeliveries.ts';
import { type TestAdmin, type TestRole, TOKENS, testAdmin } from './testAdmin.ts';

let admin: TestAdmin;

beforeAll(async () => {
  admin = await testAdmin();
  admin.queue.deliveries.push(delivery('d1'));
});
afterAll(() => admin[Symbol.asyncDispose]());

const RANK = { none: -1, viewer: 0, operator: 1, admin: 2 } as const;

/** The least role that each route takes. What is added without being listed here fails. */
const EXPECTED: Readonly<Record<string, keyof typeof RANK>> = {
  'GET /livez': 'none',
  'GET /readyz': 'none',
  'GET /login': 'none',
  'POST /login': 'none',
  'GET /assets/admin.css': 'none',
  'GET /assets/admin.js': 'none',
  'GET /assets/icon.svg': 'none',
  'GET /metrics': 'viewer',
  'POST /logout': 'viewer',
  'GET /api/status': 'viewer',
  'GET /api/gaps': 'viewer',
  'GET /api/openapi.json': 'viewer',
  'GET /api/webhooks': 'viewer',
  'GET /api/webhooks/:name': 'viewer',
  'POST /api/webhooks': 'admin',
  'PUT /api/webhooks/:name': 'admin',
  'PATCH /api/webhooks/:name': 'admin',
  'DELETE /api/webhooks/:name': 'admin',
  'POST /api/webhooks/:name/pause': 'operator',
  'POST /api/webhooks/:name/resume': 'operator',
  'POST /api/webhooks/:name/test': 'operator',
  'POST /api/try': 'viewer',
  'GET /api/deliveries': 'viewer',
  'GET /api/deliveries/:id': 'viewer',
  'POST /api/deliveries/resend': 'operator',
  'POST /api/deliveries/cancel': 'operator',
  'POST /api/deliveries/purge': 'admin',
  'POST /api/deliveries/:id/resend': 'operator',
  'POST /api/deliveries/:id/cancel': 'operator',
  'GET /api/tail': 'viewer',
  'POST /-/reload': 'admin',
  'GET /': 'viewer',
  'GET /webhooks': 'viewer',
  'GET /webhooks/new': 'admin',
  'POST /webhooks/new': 'admin',
  'GET /webhooks/:name/edit': 'admin',
  'POST /webhooks/:name/edit': 'admin',
  'POST /webhooks/:name/enable': 'admin',
  'POST /webhooks/:name/disable': 'admin',
  'GET /webhooks/:name/delete': 'admin',
  'POST /webhooks/:name/delete': 'admin',
  'GET /webhooks/:name': 'viewer',
  'POST /webhooks/:name/pause': 'operator',
  'POST /webhooks/:name/resume': 'operator',
  'POST /webhooks/:name/test': 'operator',
  'GET /webhooks/:name/try': 'operator',
  'POST /webhooks/:name/try': 'operator',
  'GET /deliveries': 'viewer',
  'GET /deliveries/:id': 'viewer',
  'GET /deliveries/all/resend': 'operator',
  'GET /deliveries/all/cancel': 'operator',
  'POST /deliveries/resend': 'operator',
  'POST /deliveries/cancel': 'operator',
  'GET /failures': 'viewer',
  'GET /tail': 'viewer',
  'GET /tasks': 'viewer',
  'GET /gaps': 'viewer',
  'GET /gaps/fill': 'operator',
  'POST /gaps/fill': 'operator',
  'POST /replays/:id/cancel': 'operator',
  'GET /operations/:id': 'operator',
  'POST /operations/:id/stop': 'operator',
  'GET /system': 'viewer',
  'POST /system/reload': 'admin',
};

const pathOf = ({ url }: RouteEntry) => url.replace(':name', 'sessions').replace(':id', 'd1');
const bodyOf = ({ method, url }: RouteEntry) =>
  method === 'GET'
    ? undefined
    : url === '/api/try'
      ? { webhook: 'sessions', event: { event: 'created', model: 'session' } }
      : {};

describe('every route', () => {
  it('is listed with the role it asks for', () => {
    const found = Object.fromEntries(
      admin.server.routes.map(({ method, url, role }) => [`${method} ${url}`, role]),
    );
    expect(found).toEqual(EXPECTED);
  });

  it.each(Object.keys(EXPECTED))('keeps out whoever may not: %s', async (name) => {
    const route = admin.server.routes.find(({ method, url }) => `${method} ${url}` === name);
    if (route === undefined) throw new Error('no such route');
    const ask = (as: TestRole | null, headers = {}) =>
      admin.ask(pathOf(route), { as, method: route.method, body: bodyOf(route), headers });
    const needed = EXPECTED[name] ?? 'admin';
    const isOpen = needed === 'none';

    const anonymous = await ask(null);
    const wrong = await ask(null, { authorization: 'Bearer wrong' });
    await anonymous.body?.cancel();
    await wrong.body?.cancel();
    if (isOpen) expect([200, 303, 401]).toContain(anonymous.status);
    // A wrong token is refused, and from the tenth on for a while.
    else expect([anonymous.status, [401, 429].includes(wrong.status)]).toEqual([401, true]);
    if (isOpen) return;

    for (const role of ['viewer', 'operator'] as const) {
      if (RANK[role] >= RANK[needed]) continue;
      const refused = await ask(role);
      expect(refused.status).toBe(403);
      expect(await refused.json()).toMatchObject({ code: 'FORBIDDEN', status: 403 });
    }
    if (route.url === '/logout' || route.method !== 'GET') return;
    const allowed = await ask(needed);
    await allowed.body?.cancel();
    expect(allowed.status).not.toBe(401);
    expect(allowed.status).not.toBe(403);
    // The database of this test is away: that is told, and is no failure of the server.
    const isOfFile = /\/(edit|delete)$/.test(route.url);
    expect(allowed.status).toBe(
      route.url === '/api/status' ? 503 : isOfFile ? 409 : route.url === '/operations/:id' ? 404 : 200,
    );
  });

  it('tells what is not there only to whoever may read', async () => {
    expect((await admin.ask('/api/nothing', { as: null })).status).toBe(401);
    expect((await admin.ask('/../../etc/passwd', { as: null })).status).toBe(401);
    expect((await admin.ask('/assets/..%2f..%2fpackage.json', { as: 'viewer' })).status).toBe(404);
    expect((await admin.ask('/api/nothing', { as: 'viewer' })).status).toBe(404);
  });

  it('does nothing for those it refuses', () => {
    expect(admin.queue.acts).toEqual([]);
  });

  it('knows each token by its role', async () => {
    for (const role of Object.keys(TOKENS) as TestRole[]) {
      const page = await (await admin.ask('/', { as: role })).text();
      expect(page).toContain(`the ${role}`);
    }
  });
});
