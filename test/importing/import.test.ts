import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { configFolder } from '../helpers/command.ts';
import { inProcess } from '../helpers/inProcess.ts';

/** As `GET /api/extras/webhooks/1/` of Peering Manager answers. */
const PM = {
  id: 1,
  url: 'http://pm/api/extras/webhooks/1/',
  display_url: 'http://pm/extras/webhooks/1/',
  display: 'slack',
  content_types: ['peering.internetexchangepeeringsession', 'net.connection'],
  name: 'slack',
  type_create: true,
  type_update: true,
  type_delete: false,
  payload_url: 'http://localhost:9000/{{ model }}',
  enabled: true,
  http_method: 'POST',
  http_content_type: 'application/json',
  additional_headers: '',
  body_template: '',
  secret: '',
  conditions: null,
  ssl_verification: true,
  ca_file_path: null,
  created: '2023-08-07T19:30:23.140019Z',
  updated: null,
};

/** As NetBox 4 answers. */
const NETBOX = {
  id: 3,
  url: 'https://nb/api/extras/webhooks/3/',
  display: 'nb',
  name: 'nb',
  description: '',
  payload_url: 'https://hooks.test/site',
  http_method: 'PUT',
  http_content_type: 'application/json',
  additional_headers: '',
  body_template: '',
  secret: '',
  ssl_verification: true,
  ca_file_path: null,
  custom_fields: {},
  tags: [],
  owner: null,
  created: 'x',
  last_updated: 'x',
};

const RULE = {
  id: 9,
  url: 'https://nb/api/extras/event-rules/9/',
  display: 'sites',
  object_types: ['dcim.site', 'ipam.ipaddress'],
  name: 'sites',
  enabled: false,
  event_types: ['object_created', 'object_deleted'],
  conditions: { attr: 'status.value', value: 'active' },
  action_type: { value: 'webhook', label: 'Webhook' },
  action_object_type: 'extras.webhook',
  action_object_id: 3,
  action_object: { id: 3, url: 'https://nb/api/extras/webhooks/3/', display: 'nb', name: 'nb' },
  description: '',
  custom_fields: {},
  tags: [],
  created: 'x',
  last_updated: 'x',
};

interface ImportedConfig {
  readonly preset?: string;
  readonly models?: readonly unknown[];
  readonly webhooks: readonly Record<string, unknown>[];
}

/** Imports, and validates what came of it. */
async function imported(input: unknown) {
  const text = typeof input === 'string' ? input : JSON.stringify(input);
  const done = await inProcess(['import', '-'], { input: text });
  if (done.code === 2) return { ...done, config: { webhooks: [] } as ImportedConfig };
  await using folder = await configFolder(done.stdout);
  const valid = await inProcess(['validate', '-c', folder.file]);
  expect(valid, valid.stdout).toMatchObject({ code: 0 });
  return { ...done, config: parse(done.stdout) as ImportedConfig };
}

describe('walhook import', () => {
  it('takes over a webhook of Peering Manager', async () => {
    const { code, config, stdout } = await imported(PM);
    expect({ code, config }).toEqual({
      code: 0,
      config: expect.objectContaining({
        preset: 'peering-manager',
        webhooks: [
          {
            name: 'slack',
            models: ['internetexchangepeeringsession', 'connection'],
            events: ['created', 'updated'],
            url: 'http://localhost:9000/{{ model }}',
            payload_format: 'peering-manager',
          },
        ],
      }),
    });
    expect(stdout).toMatch(/^# .*different/);
  });

  it('joins a webhook of NetBox with the event rule that calls it', async () => {
    const { code, config } = await imported([RULE, NETBOX]);
    expect({ code, config }).toMatchObject({
      code: 0,
      config: {
        models: [
          { name: 'site', table: 'public.dcim_site' },
          { name: 'ipaddress', table: 'public.ipam_ipaddress' },
        ],
        webhooks: [
          {
            name: 'nb',
            enabled: false,
            models: ['site', 'ipaddress'],
            events: ['created', 'deleted'],
            conditions: { attr: 'status.value', value: 'active' },
            url: 'https://hooks.test/site',
            http_method: 'PUT',
            payload_format: 'netbox',
          },
        ],
      },
    });
    expect(config.preset).toBeUndefined();
  });

  it('makes one webhook of each rule', async () => {
    const { config } = await imported([
      NETBOX,
      RULE,
      { ...RULE, id: 10, name: 'more', event_types: ['object_updated'] },
    ]);
    expect(config.webhooks.map(({ name, events }) => [name, events])).toEqual([
      ['nb: sites', ['created', 'deleted']],
      ['nb: more', ['updated']],
    ]);
  });

  it.each<[string, string]>([
    [
      'an answer of the API',
      JSON.stringify({ count: 2, next: null, previous: null, results: [PM, { ...PM, name: 'b' }] }),
    ],
    [
      'two answers under the names of their lists',
      JSON.stringify({
        webhooks: { count: 1, results: [NETBOX] },
        event_rules: [RULE, { ...RULE, id: 1, name: 'r' }],
      }),
    ],
    ['YAML', stringify([PM, { ...PM, name: 'b' }])],
    ['several YAML documents', `${stringify(PM)}---\n${stringify({ ...PM, name: 'b' })}`],
    ['one JSON object per line', `${JSON.stringify(PM)}\n${JSON.stringify({ ...PM, name: 'b' })}\n`],
  ])('reads %s', async (_what, text) => {
    const { code, config } = await imported(text);
    expect({ code, count: config.webhooks.length }).toEqual({ code: 0, count: 2 });
  });

  it('reads webhooks and event rules from two files and writes a third', async () => {
    await using folder = await configFolder('');
    const files = ['webhooks.json', 'rules.json', 'out.yaml'].map((name) => path.join(folder.path, name));
    const [webhooks = '', rules = '', out = ''] = files;
    await writeFile(webhooks, JSON.stringify(NETBOX));
    await writeFile(rules, JSON.stringify(RULE));
    const args = ['import', webhooks, rules, '--output', out];
    expect(await inProcess(args)).toMatchObject({ code: 0, stdout: '' });
    expect(parse(await readFile(out, 'utf8'))).toMatchObject({ webhooks: [{ name: 'nb' }] });
    expect(await inProcess(args)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^USAGE: .*--output/),
    });
  });

  it.each([
    '{"price": "${{ data.price }}"}',
    '${HOME} ${HOME:-x} ${file:/etc/passwd}',
    '$${HOME} $$${HOME} $${{ x }} $ $$ ${',
    '${{ data.a }}${B}',
  ])('writes %j so that it is read again as it is', async (text) => {
    const done = await inProcess(['import', '-'], {
      input: JSON.stringify({ ...PM, body_template: `{% raw %}${text}{% endraw %}` }),
    });
    expect(done.code).toBe(0);
    await using folder = await configFolder(done.stdout);
    const event = { event: 'created', model: 'connection', data: {} };
    const tried = await inProcess(['try', '-c', folder.file, '--webhook', 'slack', '--event', '-'], {
      input: JSON.stringify(event),
      env: { HOME: 'WRONG', B: 'WRONG' },
    });
    expect((JSON.parse(tried.stdout) as { request: { body: string } }).request.body).toBe(text);
  });

  it('keeps what differs from the defaults, and asks lenient conditions as Peering Manager does', async () => {
    const conditions = { and: [{ attr: 'a.b', value: null }] };
    const { config } = await imported({
      ...PM,
      type_create: false,
      enabled: false,
      http_method: 'DELETE',
      http_content_type: 'text/plain',
      additional_headers: 'X-A: 1\r\nHost: other\r\nX-B: {{ model }}',
      secret: 's3cret',
      conditions,
    });
    expect(config.webhooks).toMatchObject([
      {
        enabled: false,
        events: ['updated'],
        conditions,
        conditions_mode: 'lenient',
        http_method: 'DELETE',
        http_content_type: 'text/plain',
        additional_headers: 'X-A: 1\nX-B: {{ model }}',
        secret: 's3cret',
      },
    ]);
  });

  it('lets data choose the host where it did before', async () => {
    const { config, stderr } = await imported({ ...PM, payload_url: '{{ data.callback }}' });
    expect(config.webhooks).toMatchObject([{ allow_templated_host: true }]);
    expect(stderr).toContain('slack: Data has a say');
  });

  it('takes seconds for a timeout', async () => {
    expect((await imported([{ ...NETBOX, timeout: 20 }, RULE])).config.webhooks).toMatchObject([
      { timeout: '20s' },
    ]);
  });

  it.each<[string, unknown, number, RegExp]>([
    ['a URL that is none', { ...PM, payload_url: 'not a url' }, 1, /left out: slack: url: expected a URL/],
    [
      'a template that cannot be compiled',
      { ...PM, body_template: '{{ x | nope }}' },
      1,
      /left out: slack: body_template: /,
    ],
    [
      'conditions that are refused',
      { ...PM, conditions: { AND: [] } },
      1,
      /left out: slack: conditions.*lower case/,
    ],
    ['a webhook that no rule calls', NETBOX, 1, /left out: nb: no event rule/],
    ['a rule whose webhook is not there', RULE, 1, /left out: sites: the webhook that this event rule calls/],
    [
      'a rule for jobs',
      [NETBOX, { ...RULE, event_types: ['job_started'] }],
      1,
      /left out: nb: it is for no event of a row/,
    ],
    [
      'a rule that runs a script',
      { ...RULE, action_type: 'script' },
      0,
      /left out: sites: this event rule runs a script/,
    ],
  ])('leaves out %s, and says so', async (_what, input, code, message) => {
    const done = await imported(input);
    expect(done).toMatchObject({ code, stderr: expect.stringMatching(message), config: { webhooks: [] } });
    expect(done.stdout).toMatch(/^# Left out:$/m);
  });

  it.each<[string, string]>([
    ['nothing', '[]'],
    ['something else', '{"a": 1}'],
    ['a text', 'hello'],
    ['what is neither JSON nor YAML', '{"a": ['],
  ])('exits 2 for %s', async (_what, text) => {
    expect(await imported(text)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^IMPORT_INVALID: .*\nTry: /),
    });
  });

  it('prints JSON', async () => {
    const { stdout } = await inProcess(['import', '-', '--json'], { input: JSON.stringify([PM, RULE]) });
    expect(JSON.parse(stdout)).toMatchObject({
      config: { webhooks: [{ name: 'slack' }] },
      notes: [],
      left_out: [{ name: 'sites' }],
    });
  });
});

describe('exported objects pasted into webhooks', () => {
  const services = { postgres: { url: 'postgres://db/app' }, queue: { url: 'redis://queue' } };

  it('are a webhook and its event rule, whichever comes first', async () => {
    const rule = { ...RULE, enabled: true };
    const event = { event: 'created', model: 'site', data: { status: { value: 'active' } } };
    for (const webhooks of [
      [NETBOX, rule],
      [rule, NETBOX],
    ]) {
      await using folder = await configFolder({ ...services, webhooks });
      const tried = await inProcess(['try', '-c', folder.file, '--webhook', 'nb', '--event', '-'], {
        input: JSON.stringify(event),
      });
      expect(JSON.parse(tried.stdout)).toMatchObject({
        matched: true,
        request: { method: 'PUT', url: 'https://hooks.test/site' },
      });
    }
  });

  it('have their mistakes told where they are written', async () => {
    const rule = { ...RULE, conditions: { attr: 'a', op: 'nope', value: 1 }, event_types: ['object_made'] };
    await using folder = await configFolder({
      ...services,
      webhooks: [rule, { ...NETBOX, payload_url: 'ftp://x/' }],
    });
    const { code, stdout } = await inProcess(['validate', '-c', folder.file]);
    expect(code).toBe(2);
    expect(stdout).toMatch(/webhooks\[0\]\.event_types\[0\]: /);
    expect(stdout).toMatch(/webhooks\[0\]\.conditions\.op: /);
    expect(stdout).toMatch(/webhooks\[1\]\.payload_url: /);
  });

  it('never take a self link for the URL', async () => {
    await using folder = await configFolder({ ...services, webhooks: [RULE] });
    const { code, stdout } = await inProcess(['validate', '-c', folder.file]);
    expect({ code, stdout }).toEqual({
      code: 2,
      stdout: expect.stringMatching(/webhooks\[0\]\.url: is required/),
    });
  });
});
