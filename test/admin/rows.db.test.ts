/** Webhooks kept as rows through the admin server, over a real walhook.webhook. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readSql } from '../../src/setup/perform.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { type AskOptions, type TestAdmin, testAdmin } from './testAdmin.ts';

const ROW = {
  name: 'orders',
  models: ['orders'],
  events: ['created'],
  url: 'https://a.com/in',
  secret_name: 'ours',
};

describe('webhooks kept as rows', () => {
  let database: TestDatabase;
  let admin: TestAdmin;

  beforeAll(async () => {
    database = await createDatabase();
    await database.client.query(readSql('schema.sql'));
    admin = await testAdmin({
      database: database.url,
      config: { rows: { allow_hosts: ['a.com'] }, secrets: { ours: 'a-secret-of-ours' } },
    });
  });
  beforeEach(() => database.client.query('truncate walhook.webhook'));
  afterAll(async () => {
    await admin[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  });

  async function ask(path: string, options: AskOptions = {}) {
    const answer = await admin.ask(path, options);
    const text = await answer.text();
    const body = (answer.headers.get('content-type') ?? '').includes('json') ? JSON.parse(text) : text;
    return { status: answer.status, headers: answer.headers, body };
  }
  const create = (more: object = {}) => ask('/api/webhooks', { method: 'POST', body: { ...ROW, ...more } });
  const rows = async () =>
    (await database.client.query('select * from walhook.webhook order by name')).rows as Record<
      string,
      unknown
    >[];
  const form = (fields: Readonly<Record<string, string>>) => new URLSearchParams(fields).toString();
  /** What the page's form sends. */
  const fields = (more: Readonly<Record<string, string>> = {}) =>
    form({
      name: 'orders',
      enabled: 'on',
      models: 'orders',
      events_created: 'on',
      url: 'https://a.com/in',
      act: 'save',
      ...more,
    });

  it('are created, read, changed and deleted through the API', async () => {
    const made = await create({ retry: { schedule: [] } });
    expect(made).toMatchObject({ status: 201, body: { name: 'orders', state: 'pending', source: 'row' } });
    const etag = made.headers.get('etag') ?? '';
    expect(made.headers.get('location')).toBe('/api/webhooks/orders');
    expect((await ask('/api/webhooks/orders')).headers.get('etag')).toBe(etag);

    const changed = await ask('/api/webhooks/orders', {
      method: 'PATCH',
      body: { enabled: false, retry: null },
      headers: { 'if-match': etag },
    });
    expect(changed).toMatchObject({ status: 200 });
    expect(await rows()).toMatchObject([
      { name: 'orders', enabled: false, retry: null, secret_name: 'ours' },
    ]);
    await ask('/api/webhooks/orders', {
      method: 'PUT',
      body: { ...ROW, name: 'renamed', secret_name: null },
    });
    expect(await rows()).toMatchObject([{ name: 'renamed', enabled: true, secret_name: null }]);
    expect(await ask('/api/webhooks/renamed', { method: 'DELETE' })).toMatchObject({ status: 204, body: '' });
    expect(await rows()).toEqual([]);
    for (const act of ['created', 'changed', 'deleted'])
      expect(admin.log()).toContain(`admin: webhook ${act}`);
    expect(admin.log()).toMatch(/"audit":true,"by":"the admin".*"changed":\["enabled","retry"\]/);
  });

  it('are refused with every mistake and its path, and nothing is written', async () => {
    const refused = await create({
      url: 'https://b.com/',
      conditions: { attr: 'x', op: 'like' },
      body_template: 'a\n{{ b',
    });
    expect(refused).toMatchObject({ status: 422, body: { code: 'WEBHOOK_INVALID', status: 422 } });
    expect((refused.body.errors as { path: string }[]).map(({ path }) => path).sort()).toEqual([
      'body_template',
      'conditions.op',
      'url',
    ]);
    expect(refused.body.errors).toContainEqual(
      expect.objectContaining({ path: 'body_template', detail: expect.stringMatching(/line 2, column \d/) }),
    );
    expect(await create({ name: 'sessions' })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'name' }] },
    });
    expect(await ask('/api/webhooks', { method: 'POST', body: [] })).toMatchObject({ status: 400 });
    expect(await rows()).toEqual([]);
    await create();
    expect(await create()).toMatchObject({ status: 422, body: { errors: [{ path: 'name' }] } });
  });

  it('are not overwritten by who has not seen what somebody else wrote', async () => {
    const etag = (await create()).headers.get('etag') ?? '';
    await database.client.query("update walhook.webhook set timeout = '3s'");
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      const late = await ask('/api/webhooks/orders', { method, body: ROW, headers: { 'if-match': etag } });
      expect(late).toMatchObject({ status: 412, body: { code: 'WEBHOOK_CHANGED' } });
    }
    expect(await rows()).toMatchObject([{ timeout: '3s' }]);
  });

  it('are for admins alone to write', async () => {
    await create();
    for (const as of ['viewer', 'operator'] as const) {
      for (const [method, path] of [
        ['POST', ''],
        ['PUT', '/orders'],
        ['PATCH', '/orders'],
        ['DELETE', '/orders'],
      ]) {
        const refused = await ask(`/api/webhooks${path}`, {
          method: method ?? '',
          as,
          body: { enabled: false },
        });
        expect(refused.status).toBe(403);
      }
    }
    expect(await rows()).toMatchObject([{ enabled: true }]);
  });

  it('never show a credential, which stays what it was while its line does', async () => {
    await create({ additional_headers: 'Authorization: Bearer abcdef123456\nX-Plain: 1' });
    const shown = await ask('/webhooks/orders/edit');
    expect(shown.body).not.toContain('abcdef123456');
    expect((await ask('/api/webhooks/orders')).body.definition.additional_headers).toBe(
      'Authorization: [secret]\nX-Plain: 1',
    );
    expect(shown.body).toMatch(/<option value="ours" selected>/);
    const masked = 'Authorization: [secret]\nX-Plain: 2';
    const patch = (body: object) => ask('/api/webhooks/orders', { method: 'PATCH', body });
    expect((await patch({ additional_headers: masked })).status).toBe(200);
    expect(await rows()).toMatchObject([
      { additional_headers: 'Authorization: Bearer abcdef123456\nX-Plain: 2' },
    ]);
    // Not taken along to another host, and not kept as the word that stands for it.
    await database.client.query("update walhook.webhook set url = 'https://other.a.com/'");
    expect(await patch({ additional_headers: masked, url: 'https://a.com/' })).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'additional_headers' }] },
    });
    expect(await create({ name: 'b', additional_headers: masked })).toMatchObject({ status: 422 });
  });

  it('are tried as they would be kept, without being kept', async () => {
    const event = { event: 'created', model: 'orders', data: { id: 5 } };
    const tried = await ask('/api/try', {
      method: 'POST',
      body: { definition: { ...ROW, body_template: '{{ data.id }}' }, event },
    });
    expect(tried).toMatchObject({ status: 200, body: { matched: true, request: { body: '5' } } });
    const invalid = await ask('/api/try', {
      method: 'POST',
      body: { definition: { ...ROW, events: [] }, event },
    });
    expect(invalid).toMatchObject({ status: 422, body: { errors: [{ path: 'events' }] } });
  });

  it('are made by the form, which comes back as it was typed with what is wrong', async () => {
    const wrong = await ask('/webhooks/new', {
      method: 'POST',
      body: fields({
        body_template: 'line one\r\n{{ data.id | nonsense }}',
        conditions: 'and: [',
        timeout: 'soon',
      }),
      headers: { accept: 'text/html' },
    });
    expect(wrong.status).toBe(422);
    expect(wrong.body).toContain('3 mistakes');
    expect(wrong.body).toContain('2 │ {{ data.id | nonsense }}');
    expect(wrong.body).toMatch(/id="e-timeout"[^>]*aria-invalid="true"[^>]*value="soon"/);
    expect(wrong.body).toContain('<textarea id="e-conditions"');
    expect(await rows()).toEqual([]);

    const made = await ask('/webhooks/new', {
      method: 'POST',
      body: fields({
        conditions: 'and:\n  - {attr: n, value: 12345678901234567890}',
        retry_schedule: 'never',
        rate_limit_max: '5',
        rate_limit_per: '1s',
        body_template: 'a\r\nb',
      }),
    });
    expect([made.status, made.headers.get('location')]).toEqual([303, '/webhooks/orders?done=saved']);
    const stored = await database.client.query('select w.*, conditions::text as text from walhook.webhook w');
    expect(stored.rows).toMatchObject([
      {
        models: ['orders'],
        events: ['created'],
        retry: { schedule: [] },
        rate_limit: { max: 5, per: '1s' },
        body_template: 'a\nb',
        text: '{"and": [{"attr": "n", "value": 12345678901234567890}]}',
      },
    ]);
    // What the editor shows, saved as it is, changes nothing.
    const page = String((await ask('/webhooks/orders/edit')).body);
    expect(page).toContain('12345678901234567890');
  });

  it('are kept as two people edit them: the later one sees what the first has written', async () => {
    await create();
    const version = (await ask('/api/webhooks/orders')).headers.get('etag')?.replaceAll('"', '') ?? '';
    await database.client.query("update walhook.webhook set url = 'https://a.com/theirs'");
    const late = await ask('/webhooks/orders/edit', {
      method: 'POST',
      body: fields({ version, timeout: '7s' }),
      headers: { accept: 'text/html' },
    });
    expect(late.status).toBe(412);
    expect(late.body).toContain('somebody else has changed this webhook');
    expect(late.body).toContain('https://a.com/theirs');
    expect(late.body).toContain('value="7s"');
    const [, now = ''] = /name="version" value="([^"]+)"/.exec(String(late.body)) ?? [];
    const again = await ask('/webhooks/orders/edit', {
      method: 'POST',
      body: fields({ version: now, timeout: '7s' }),
    });
    expect(again.status).toBe(303);
    expect(await rows()).toMatchObject([{ timeout: '7s', url: 'https://a.com/in' }]);
  });

  it('that were deleted while somebody typed can be added anew', async () => {
    const late = await ask('/webhooks/orders/edit', {
      method: 'POST',
      body: fields({ body_template: 'typed with care' }),
      headers: { accept: 'text/html' },
    });
    expect(late.status).toBe(404);
    expect(late.body).toContain('typed with care');
    expect(late.body).toContain('action="/webhooks/new"');
  });

  it('are not written by a form without the secret of its page', async () => {
    await using open = await testAdmin({ database: database.url, admin: { listen: '127.0.0.1:0' } });
    for (const path of ['/webhooks/new', '/webhooks/orders/edit', '/webhooks/orders/delete']) {
      const refused = await open.ask(path, { method: 'POST', as: null, body: fields() });
      expect(refused.status).toBe(403);
    }
    const elsewhere = await open.ask('/api/webhooks', {
      method: 'POST',
      as: null,
      body: ROW,
      headers: { origin: 'https://evil.example' },
    });
    expect(elsewhere.status).toBe(403);
    expect(await rows()).toEqual([]);
  });

  it('are out of reach where the database is, and the page says so', async () => {
    await using away = await testAdmin();
    const refused = await away.ask('/api/webhooks', { method: 'POST', body: { ...ROW, secret_name: null } });
    expect(refused.status).toBe(503);
    const page = await away.ask('/webhooks/new', {
      method: 'POST',
      body: fields({ body_template: 'typed with care' }),
      headers: { accept: 'text/html' },
    });
    expect(page.status).toBe(503);
    expect(await page.text()).toContain('typed with care');
  });

  it('that are invalid are shown as such, with every mistake and its path', async () => {
    const published = JSON.stringify({
      v: 1,
      webhooks: [],
      generation: '00000000',
      rows: [
        {
          id: '7',
          key: 'bad',
          values: { name: 'bad', enabled: true, models: ['x'], events: ['created'], url: 'https://b.com/' },
          problems: ['url: expected a host that rows.allow_hosts names, found b.com'],
        },
        {
          id: '8',
          key: 'sessions',
          values: { name: 'sessions', models: ['x'], events: ['created'], url: 'https://a.com/' },
          problems: ['name: expected a name of its own'],
        },
      ],
    });
    await using other = await testAdmin({ published });
    const { items } = (await (await other.ask('/api/webhooks')).json()) as { items: object[] };
    expect(items).toMatchObject([
      { name: 'sessions', source: 'file', line: 1 },
      { name: 'bad', state: 'invalid', row: { pending: 'unknown' } },
      // The file wins, and the row stands beside it.
      { name: 'sessions', key: 'row~8', state: 'invalid', source: 'row' },
    ]);
    expect(items[1]).toMatchObject({
      row: { mistakes: [{ path: 'url', message: expect.stringMatching(/^expected a host/) }] },
    });
    const page = await (await other.ask('/webhooks/bad', { headers: { accept: 'text/html' } })).text();
    expect(page).toContain('Invalid, not in force');
    expect(page).toContain('<code>url</code>: expected a host that rows.allow_hosts names, found b.com');
  });
});
