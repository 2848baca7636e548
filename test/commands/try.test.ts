import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { configFolder } from '../helpers/command.ts';
import { type InProcessOptions, inProcess } from '../helpers/inProcess.ts';

const WEBHOOK = { name: 'w', models: ['thing'], events: ['created', 'updated'], url: 'http://h.test/' };
const EVENT = {
  event: 'updated',
  timestamp: '2023-08-07T19:30:23.140019Z',
  model: 'thing',
  username: 'admin',
  request_id: 'r1',
  data: { id: 5, status: { value: 'enabled', label: 'Enabled' }, asn: 65001 },
  snapshots: { prechange: { id: 5, status: 'requested' }, postchange: { id: 5, status: 'enabled' } },
};

interface Result {
  readonly matched: boolean;
  readonly explain: Record<string, unknown>;
  readonly request: Record<string, unknown> | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

interface Tried {
  readonly code: number | null;
  readonly results: readonly Result[];
  readonly stderr: string;
}

async function tried(
  webhook: Record<string, unknown>,
  input: unknown,
  more: { args?: readonly string[]; config?: Record<string, unknown>; env?: InProcessOptions['env'] } = {},
): Promise<Tried> {
  await using folder = await configFolder({ ...more.config, webhooks: [{ ...WEBHOOK, ...webhook }] });
  const args = ['try', '-c', folder.file, '--webhook', 'w', '--event', '-', ...(more.args ?? [])];
  const text = typeof input === 'string' ? input : JSON.stringify(input);
  const done = await inProcess(args, { input: text, ...(more.env === undefined ? {} : { env: more.env }) });
  const lines = done.stdout.split('\n').filter((one) => one !== '');
  return { ...done, results: lines.map((one) => JSON.parse(one) as Result) };
}

const isFalse = { and: [{ attr: 'status.value', value: 'requested' }] };

describe('walhook try', () => {
  it('prints what the request would be', async () => {
    const { code, results } = await tried(
      {
        url: 'http://h.test/{{ data.id }}?by={{ username }}',
        http_method: 'PUT',
        additional_headers:
          'X-Was: {{ changes.status.old }}\nX-Where: {{ schema }}.{{ table }} {{ webhook.name }}',
        body_template: '{{ event }} {{ data.status.label }} {{ lsn }} {{ xid }}',
        secret: 'hidden',
      },
      { ...EVENT, schema: 'app', table: 'things', lsn: '0/16B3748', xid: 7 },
    );
    expect(code).toBe(0);
    expect(results).toMatchObject([
      {
        matched: true,
        error: null,
        request: {
          method: 'PUT',
          url: 'http://h.test/5?by=admin',
          headers: {
            'content-type': 'application/json',
            'x-was': 'requested',
            'x-where': 'app.things w',
          },
          body: 'updated Enabled 0/16B3748 7',
        },
      },
    ]);
  });

  it('prints the Event itself where there is no body template, its digits kept', async () => {
    const { results } = await tried(
      {},
      '{"event":"created","model":"thing","data":{"n":9223372036854775807}}',
    );
    expect(results[0]?.request?.['body']).toBe(
      '{"event":"created","timestamp":null,"model":"thing","username":null,"request_id":null,"data":{"n":9223372036854775807},"snapshots":null}',
    );
  });

  it('names the leaf that was false and the value it saw', async () => {
    const conditions = { and: [{ attr: 'asn', op: 'gt', value: 65000 }, ...isFalse.and] };
    const { code, results } = await tried({ conditions }, EVENT);
    expect(code).toBe(0);
    expect(results).toMatchObject([
      {
        matched: false,
        request: null,
        error: null,
        explain: {
          decided_by: 'conditions',
          because: [{ attr: 'status.value', op: 'eq', value: 'requested', seen: 'enabled', result: 'false' }],
          conditions: { op: 'and', result: 'false', conditions: [{ result: 'true', seen: 65001 }, {}] },
        },
      },
    ]);
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>, string]>([
    ['a disabled webhook', { enabled: false }, {}, 'enabled'],
    ['another model', { models: ['other'] }, {}, 'models'],
    ['another event', { events: ['deleted'] }, {}, 'events'],
    ['an unknown user', { require: ['username'] }, { username: null }, 'require'],
    ['an empty request id', { require: ['request_id'] }, { request_id: '' }, 'require'],
    ['columns that are the same', { columns: ['id'] }, {}, 'columns'],
    ['false conditions', { conditions: isFalse }, {}, 'conditions'],
    [
      'a value that is not at hand, skipped',
      { conditions: { attr: 'big', value: 1 }, on_unavailable: 'skip' },
      { unavailable: { data: { big: 'toast' } } },
      'on_unavailable',
    ],
  ])('says that %s decided', async (_what, webhook, event, by) => {
    const { code, results } = await tried(webhook, { ...EVENT, ...event });
    expect({ code, results }).toMatchObject({
      code: 0,
      results: [{ matched: false, request: null, error: null, explain: { decided_by: by } }],
    });
    expect(await tried(webhook, { ...EVENT, ...event }, { args: ['--expect-match'] })).toMatchObject({
      code: 1,
    });
  });

  it('watches columns of updates only', async () => {
    const { results } = await tried({ columns: ['id'] }, { ...EVENT, event: 'created' });
    expect(results).toMatchObject([{ matched: true, explain: { columns: null } }]);
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>, string, RegExp]>([
    [
      'a path that leads nowhere',
      { conditions: { attr: 'stauts', value: 1 } },
      {},
      'CONDITION_FAILED',
      /^webhooks\[0\]\.conditions: stauts: data has no key "stauts"$/,
    ],
    [
      'a missing before image',
      { conditions: { attr: 'status', op: 'changed' } },
      {
        snapshots: { prechange: { id: 5 }, postchange: { id: 5, status: 'x' } },
        unavailable: { prechange: { '*': 'identity' } },
      },
      'CONDITION_UNAVAILABLE',
      /snapshots\.prechange\.status \(identity\)/,
    ],
    [
      'a template that fails',
      { body_template: '{{ data.nothing.at.all }}' },
      {},
      'TEMPLATE_FAILED',
      /^webhooks\[0\]\.body_template, line 1/,
    ],
    ['a URL that is none once rendered', { url: 'http://h.test/{{ "a b" }}' }, {}, 'URL_INVALID', /spaces/],
    [
      'a header that may not be set',
      { additional_headers: 'Host: {{ model }}' },
      {},
      'HEADER_INVALID',
      /Host/,
    ],
  ])('exits 1 and tells the code for %s', async (_what, webhook, event, code, message) => {
    const done = await tried(webhook, { ...EVENT, ...event });
    expect(done.code).toBe(1);
    expect(done.results[0]?.error).toEqual({ code, message: expect.stringMatching(message) });
    expect(done.results[0]?.request).toBeNull();
  });

  it('fires without the value where on_unavailable says so', async () => {
    const event = { ...EVENT, unavailable: { data: { big: 'toast' } } };
    const webhook = { conditions: { attr: 'big', value: 1 }, on_unavailable: 'fire' };
    expect(await tried(webhook, event)).toMatchObject({
      code: 0,
      results: [{ matched: true, error: null, explain: { conditions: { result: 'unknown' } } }],
    });
  });

  it.each<[string, string]>([
    ['NDJSON', [EVENT, { ...EVENT, event: 'deleted' }].map((one) => JSON.stringify(one)).join('\n')],
    ['a JSON array', JSON.stringify([EVENT, { ...EVENT, event: 'deleted' }], null, 2)],
  ])('prints one line for each Event of %s', async (_what, text) => {
    const { code, results } = await tried({}, text);
    expect({ code, matched: results.map(({ matched }) => matched) }).toEqual({
      code: 0,
      matched: [true, false],
    });
  });

  it('lets the worst Event decide the exit code, and goes on after it', async () => {
    const { code, results } = await tried({ conditions: { attr: 'asn', value: 1 } }, [
      EVENT,
      { ...EVENT, data: {} },
      EVENT,
    ]);
    expect(code).toBe(1);
    expect(results.map(({ error }) => error?.code ?? null)).toEqual([null, 'CONDITION_FAILED', null]);
  });

  it('reads the Event from a file', async () => {
    await using folder = await configFolder({ webhooks: [WEBHOOK] });
    const file = path.join(folder.path, 'event.json');
    await writeFile(file, JSON.stringify(EVENT));
    expect(await inProcess(['try', '-c', folder.file, '--webhook', 'w', '--event', file])).toMatchObject({
      code: 0,
    });
    expect(
      await inProcess(['try', '-c', folder.file, '--webhook', 'w', '--event', `${file}.gone`]),
    ).toMatchObject({ code: 2, stderr: expect.stringMatching(/^EVENT_INVALID: .*\nTry: /) });
  });

  it.each<[string, string, RegExp]>([
    ['no JSON', 'x', /^EVENT_INVALID/],
    ['no object', '5', /^EVENT_INVALID/],
    ['another event', '{"event":"create","model":"thing"}', /created, updated, deleted, truncated/],
    ['no model', '{"event":"created"}', /model/],
  ])('exits 2 for %s', async (_what, text, message) => {
    expect(await tried({}, text)).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
  });

  it('exits 2 for a webhook that there is not', async () => {
    await using folder = await configFolder({ webhooks: [WEBHOOK] });
    expect(
      await inProcess(['try', '-c', folder.file, '--webhook', 'v', '--event', '-'], { input: '{}' }),
    ).toMatchObject({ code: 2, stderr: expect.stringMatching(/^WEBHOOK_UNKNOWN: .*found w\nTry: /) });
  });
});

describe('the variables that walhook try needs', () => {
  const other = { ...WEBHOOK, name: 'other', url: '${OTHER_URL}', secret: '${OTHER_SECRET}' };

  it('are those of its webhook alone; others are warned of', async () => {
    await using folder = await configFolder({
      postgres: { url: '${DATABASE_URL}' },
      queue: { url: '${QUEUE_URL}' },
      webhooks: [other, { ...WEBHOOK, url: '${MY_URL}', secret: '${MY_SECRET}' }],
    });
    const args = ['try', '-c', folder.file, '--webhook', 'w', '--event', '-'];
    const input = JSON.stringify(EVENT);
    const without = await inProcess(args, { input });
    expect(without).toMatchObject({ code: 2, stderr: expect.stringContaining('MY_URL is not set') });
    expect(without.stderr).not.toMatch(/OTHER|DATABASE/);
    const done = await inProcess(args, { input, env: { MY_URL: 'http://mine.test/' } });
    expect(JSON.parse(done.stdout)).toMatchObject({ request: { url: 'http://mine.test/' } });
    expect(done.stderr).toMatch(/webhooks\[0\]\.url: the variable OTHER_URL is not set \(warning\)/);
    expect(done.stderr).not.toMatch(/MY_URL/);
  });
});

describe('templates.env', () => {
  const webhook = { body_template: "{{ 'SITE' | env }}/{{ 'PATH' | env }}/{{ env('SITE') }}" };

  it('lets the env filter read the names listed and no others', async () => {
    const env = { SITE: 'fra', PATH: '/bin' };
    const body = async (names: readonly string[]) =>
      (await tried(webhook, EVENT, { env, config: { templates: { env: names } } })).results[0]?.request?.[
        'body'
      ];
    expect(await body(['SITE'])).toBe('fra/None/fra');
    expect(await body([])).toBe('None/None/None');
  });
});
