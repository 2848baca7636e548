import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { delivery } from './memoryDeliveries.ts';
import { type TestAdmin, testAdmin } from './testAdmin.ts';

let admin: TestAdmin;
const opened: TestAdmin[] = [];

beforeEach(async () => {
  admin = await testAdmin();
  opened.push(admin);
  admin.queue.deliveries.push(
    delivery('d1'),
    delivery('d2', { state: 'delivered', status: 200, error: null, key: '86', committedAtMs: Date.now() }),
    delivery('d3', { state: 'delayed', status: null, error: 'timeout', nextMs: Date.now() + 1_000 }),
  );
});
afterAll(async () => {
  for (const one of opened) await one[Symbol.asyncDispose]();
});

async function json(
  path: string,
  options?: Parameters<TestAdmin['ask']>[1],
): Promise<Record<string, unknown>> {
  return (await (await admin.ask(path, options)).json()) as Record<string, unknown>;
}

describe('the list of Deliveries', () => {
  it.each([
    ['', ['d2', 'd1', 'd3']],
    ['?state=failed', ['d1']],
    ['?webhook=sessions&state=delivered', ['d2']],
    ['?webhook=other', []],
    ['?status=503', ['d1']],
    ['?status=timeout', ['d3']],
    ['?model=session&key=86', ['d2']],
    ['?request_id=nobody', []],
    ['?since=1h', ['d2']],
    ['?until=2026-01-02T03:04:06Z', ['d1', 'd3']],
    ['?until=2026-01-02T03:04:06', ['d1', 'd3']],
    ['?since=2026-01-02T03:04:06Z&until=1s', []],
  ])('takes the filter %s', async (search, ids) => {
    const { items } = (await json(`/api/deliveries${search}`)) as { items: { id: string }[] };
    expect(items.map(({ id }) => id)).toEqual(ids);
  });

  it('goes on from a cursor', async () => {
    const first = await json('/api/deliveries?limit=2');
    const second = await json(`/api/deliveries?limit=2&cursor=${String(first['cursor'])}`);
    expect((second['items'] as { id: string }[]).map(({ id }) => id)).toEqual(['d3']);
    expect(second['cursor']).toBeNull();
  });

  it.each([
    '?state=lost',
    '?since=yesterday',
    '?limit=0',
    '?limit=501',
    '?stat=failed',
  ])('refuses %s with a problem that says what was expected', async (search) => {
    const answer = await admin.ask(`/api/deliveries${search}`);
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(await answer.json()).toMatchObject({
      type: 'urn:walhook:error:REQUEST_INVALID',
      status: 400,
      code: 'REQUEST_INVALID',
      detail: expect.any(String),
      remedy: expect.any(String),
    });
  });
});

describe('a Delivery', () => {
  it('is told with its Event, request and every Attempt', async () => {
    const text = await (await admin.ask('/api/deliveries/d1')).text();
    // Digits beyond 2^53 are those of the row.
    expect((JSON.parse(text) as { event: string }).event).toContain('"data":{"id":9223372036854775807,');
    expect(JSON.parse(text)).toMatchObject({
      id: 'd1',
      webhook: 'sessions',
      webhook_name: 'sessions',
      state: 'failed',
      committed_at: '2026-01-02T03:04:05.000Z',
      table: 'session',
      lsn: '0/1528450',
      request: { method: 'POST', url: 'http://hooks.example/session' },
      log: [{ status: 503, response: { body: 'busy', truncated: false }, next_at: null }],
    });
  });

  it('that is not there is a problem', async () => {
    expect(await json('/api/deliveries/none')).toMatchObject({ code: 'NOT_FOUND', status: 404 });
  });

  it('can be resent and cancelled', async () => {
    expect(await json('/api/deliveries/d1/resend', { method: 'POST' })).toEqual({ done: 1, skipped: 0 });
    expect(await json('/api/deliveries/d3/cancel', { method: 'POST' })).toEqual({ done: 1, skipped: 0 });
    expect(admin.queue.acts).toEqual(['resend d1', 'cancel d3']);
  });
});

describe('acts on many', () => {
  it('tell the count first when asked to', async () => {
    const body = { state: 'failed', dry_run: true };
    for (const act of ['resend', 'cancel', 'purge']) {
      expect(await json(`/api/deliveries/${act}`, { method: 'POST', body })).toEqual({
        dry_run: true,
        count: 1,
      });
    }
    expect(admin.queue.acts).toEqual([]);
  });

  it('take the filters of the list, or ids', async () => {
    await json('/api/deliveries/resend', { method: 'POST', body: { status: '503' } });
    await json('/api/deliveries/purge', { method: 'POST', body: { ids: ['d2'] } });
    expect(admin.queue.acts).toEqual(['resend d1', 'purge d2']);
  });

  it.each([{ stat: 'failed' }, { state: 5 }, { ids: 'd1' }, { state: 'lost' }])('refuse %j', async (body) => {
    const answer = await admin.ask('/api/deliveries/resend', { method: 'POST', body });
    // A number where a text belongs is taken for its text, which is no state.
    if (!('ids' in body)) expect(answer.status).toBe(400);
    if (answer.status !== 200) expect(admin.queue.acts).toEqual([]);
  });
});

describe('webhooks', () => {
  it('are told with state and counts, by name and by key', async () => {
    const { items } = (await json('/api/webhooks')) as { items: Record<string, unknown>[] };
    expect(items).toMatchObject([
      {
        name: 'sessions',
        key: 'sessions',
        state: 'active',
        source: 'file',
        counts: { failed: 1, delayed: 1 },
      },
    ]);
    expect(await json('/api/webhooks/sessions')).toEqual(items[0]);
    expect(await json('/api/webhooks/nobody')).toMatchObject({ code: 'WEBHOOK_UNKNOWN', status: 404 });
  });

  it('can be paused and resumed', async () => {
    expect(await json('/api/webhooks/sessions/pause', { method: 'POST' })).toMatchObject({ state: 'paused' });
    expect(await json('/api/webhooks/sessions/resume', { method: 'POST' })).toMatchObject({
      state: 'active',
    });
  });

  it('that are gone are orphans while their Deliveries wait', async () => {
    admin.queue.deliveries.push(delivery('d9', { webhook: 'gone', state: 'waiting' }));
    expect(await json('/api/webhooks/gone')).toMatchObject({ state: 'orphan', definition: null });
  });

  it('of the file are not edited here', async () => {
    for (const [method, path] of [
      ['PUT', '/sessions'],
      ['PATCH', '/sessions'],
      ['DELETE', '/sessions'],
    ]) {
      const answer = await admin.ask(`/api/webhooks${path}`, { method: method ?? '', body: {} });
      expect(answer.status).toBe(409);
      expect(await answer.json()).toMatchObject({
        code: 'WEBHOOK_READ_ONLY',
        detail: expect.stringMatching(/line 1$/),
      });
    }
  });
});

describe('a dry run', () => {
  const event = { event: 'updated', model: 'session', data: { id: 7, status: 'enabled' }, snapshots: null };

  it('says whether a webhook fires, why, and with which request', async () => {
    const result = await json('/api/try', {
      as: 'viewer',
      method: 'POST',
      body: { webhook: 'sessions', event },
    });
    expect(result).toMatchObject({
      matched: true,
      error: null,
      request: { method: 'POST', url: 'http://hooks.example/session', body: '{"id": 7}' },
    });
    const other = { ...event, data: { id: 7, status: 'off' } };
    expect(
      await json('/api/try', { method: 'POST', body: { webhook: 'sessions', event: other } }),
    ).toMatchObject({
      matched: false,
      request: null,
      explain: { conditions: { attr: 'status', result: 'false', seen: 'off' } },
    });
  });

  it('keeps the digits of large numbers', async () => {
    const answer = await fetch(`${admin.server.url}/api/try`, {
      method: 'POST',
      headers: { authorization: 'Bearer viewer-token-1', 'content-type': 'application/json' },
      body: '{"webhook":"sessions","event":{"event":"updated","model":"session","data":{"id":9223372036854775807,"status":"enabled"}}}',
    });
    expect(await answer.json()).toMatchObject({ request: { body: '{"id": 9223372036854775807}' } });
  });

  it.each([
    [{ webhook: 'sessions' }, 400, 'REQUEST_INVALID'],
    [{ webhook: 'sessions', event: { model: 'x' } }, 422, 'EVENT_INVALID'],
    [{ webhook: 'nobody', event }, 404, 'WEBHOOK_UNKNOWN'],
  ])('refuses %j', async (body, status, code) => {
    expect(await json('/api/try', { method: 'POST', body })).toMatchObject({ status, code });
  });
});

describe('the description of the API', () => {
  it('has every route of it, each with its answers', async () => {
    const document = await json('/api/openapi.json');
    expect(document['openapi']).toBe('3.1.0');
    const paths = document['paths'] as Record<string, Record<string, { summary?: string }>>;
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { summary }]) => {
        expect(summary).toMatch(/\w/);
        return `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`;
      }),
    );
    const routes = admin.server.routes
      .filter(({ url }) => /^\/(api|-)\//.test(url) && url !== '/api/openapi.json')
      .map(({ method, url }) => `${method} ${url}`);
    expect(described.sort()).toEqual(routes.sort());
  });
});

describe('a reload', () => {
  it('puts the file in force as a whole', async () => {
    admin.file = { ...(admin.file as object), webhooks: [] };
    expect(await json('/-/reload', { method: 'POST' })).toEqual({ version: 1, webhooks: 0 });
    expect(await json('/api/webhooks')).toMatchObject({ items: [{ key: 'sessions', state: 'orphan' }] });
    expect(await admin.host.metrics.text()).toContain('walhook_config_last_reload_successful 1');
  });

  it.each([
    ['a mistake', { webhooks: [{ name: 'x' }] }, 422, 'CONFIG_INVALID'],
    [
      'what takes a restart',
      { queue: { url: 'postgres://u@localhost:1/other' } },
      409,
      'RELOAD_NEEDS_RESTART',
    ],
    ['another environment', { environment: 'other' }, 409, 'RELOAD_NEEDS_RESTART'],
  ])('keeps the old one on %s, and says so everywhere', async (_what, changes, status, code) => {
    admin.file = { ...(admin.file as object), ...changes };
    expect(await json('/-/reload', { method: 'POST' })).toMatchObject({ status, code });
    expect(await json('/api/webhooks')).toMatchObject({ items: [{ name: 'sessions', state: 'active' }] });
    expect(await admin.host.metrics.text()).toContain('walhook_config_last_reload_successful 0');
    expect(await (await admin.ask('/system')).text()).toContain(code);
    expect(await (await admin.ask('/')).text()).toContain('The last reload was refused');
    expect(admin.log()).toContain('configuration not reloaded, the old one stays');
  });
});

describe('what is away', () => {
  it('is told on the pages and in the API, by its code', async () => {
    expect(await json('/api/status')).toMatchObject({ code: 'POSTGRES_UNREACHABLE', status: 503 });
    expect(await (await admin.ask('/')).text()).toContain('POSTGRES_UNREACHABLE');
    admin.queue.breakWith(new Error('secret text of a client library'));
    const answer = await admin.ask('/api/deliveries');
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('secret text');
    expect((await admin.ask('/livez', { as: null })).status).toBe(200);
    expect((await admin.ask('/readyz', { as: null })).status).toBe(200);
  });
});

describe('the tail', () => {
  it('sends what becomes of Deliveries, as it happens', async () => {
    const stop = new AbortController();
    const answer = await fetch(`${admin.server.url}/api/tail?state=waiting`, {
      headers: { authorization: 'Bearer viewer-token-1' },
      signal: stop.signal,
    });
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const reader = answer.body?.getReader();
    let text = '';
    const read = async () => {
      while (!text.includes('event: delivery')) {
        const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
        if (done) return;
        text += Buffer.from(value ?? []).toString('utf8');
        if (admin.queue.acts.length === 0) await json('/api/deliveries/d1/resend', { method: 'POST' });
      }
    };
    // The first poll sets where the tail begins; until then nothing is missed, it is asked for again.
    const again = setInterval(() => void json('/api/deliveries/d2/resend', { method: 'POST' }), 300);
    await read();
    clearInterval(again);
    stop.abort();
    const data = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? '{}') as Record<string, unknown>;
    expect(data).toMatchObject({ webhook: 'sessions', state: 'waiting' });
    expect(text).not.toContain('9223372036854775807');
  });
});
