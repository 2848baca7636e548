import { describe, expect, it } from 'vitest';
import { configFolder } from '../helpers/command.ts';
import { inProcess } from '../helpers/inProcess.ts';

const SERVICES = { postgres: { url: 'postgres://db/app' }, queue: { url: 'redis://queue' } };
const WEBHOOK = { name: 'w', models: ['thing'], events: ['created'], url: 'http://h.test/' };

async function validated(config: unknown, args: readonly string[] = [], env = {}) {
  const text = typeof config === 'string' ? config : { ...SERVICES, ...(config as object) };
  await using folder = await configFolder(text);
  const done = await inProcess(['validate', '-c', folder.file, ...args], { env });
  const lines = done.stdout.replaceAll(folder.file, 'file').trim().split('\n');
  return { code: done.code, lines, stderr: done.stderr };
}

describe('walhook validate', () => {
  it('tells mistakes of conditions and templates all at once, each at its own line', async () => {
    const { code, lines } = await validated(
      [
        'postgres: {url: "postgres://db/app"}',
        'queue: {url: "redis://queue"}',
        'models:',
        '  - name: thing',
        '    table: public.thing',
        '    display: "{{ name"',
        'webhooks:',
        '  - name: w',
        '    models: [thing]',
        '    events: [created]',
        '    url: http://h.test/',
        '    columns: [id, snapshots.prechange.id]',
        '    conditions:',
        '      and:',
        '        - {attr: a, value: 1}',
        '        - attr: b',
        '          op: regex',
        '          value: "["',
        '        - {attr: c, op: nope, value: 1}',
        '    body_template: "{% if %}"',
      ].join('\n'),
    );
    expect(code).toBe(2);
    expect(lines).toEqual([
      expect.stringMatching(/^file:6: models\[0\]\.display: /),
      expect.stringMatching(/^file:12: webhooks\[0\]\.columns\[1\]: /),
      expect.stringMatching(/^file:18: webhooks\[0\]\.conditions\.and\[1\]\.value: /),
      expect.stringMatching(/^file:19: webhooks\[0\]\.conditions\.and\[2\]\.op: /),
      expect.stringMatching(/^file:20: webhooks\[0\]\.body_template: /),
    ]);
  });

  it('refuses two models of one table', async () => {
    const models = [
      { name: 'a', table: 'thing' },
      { name: 'b', table: 'public.thing' },
      { name: 'c', table: 'other.thing' },
    ];
    const { code, lines } = await validated({ models });
    expect({ code, lines }).toEqual({
      code: 2,
      lines: [expect.stringMatching(/models\[1\]\.table: is the table of models\[0\] already$/)],
    });
  });

  it('refuses excluded columns wherever they are named', async () => {
    const { lines } = await validated({
      models: [
        { name: 'thing', table: 'thing', exclude: ['password', 'pin'], display: '{{ name }}{{ password }}' },
        { name: 'other', table: 'other' },
      ],
      webhooks: [
        {
          ...WEBHOOK,
          url: 'http://h.test/{{ data.password }}',
          additional_headers: "X: {{ snapshots.postchange['pin'] }}",
          body_template: '{{ changes.pin.old }}{{ data.name }}',
          columns: ['pin'],
          conditions: {
            or: [
              { attr: 'password', value: 'x' },
              { and: [{ attr: 'pin', op: 'changed' }] },
              { attr: 'snapshots.prechange.pin', value: 1 },
            ],
          },
        },
        { ...WEBHOOK, name: 'both', models: ['thing', 'other'], body_template: '{{ data.password }}' },
      ],
    });
    expect(lines.map((text) => text.replace(/^file:\d+: (\S+): .*found (\w+), .*$/, '$1 $2'))).toEqual([
      'models[0].display password',
      'webhooks[0].url password',
      'webhooks[0].additional_headers pin',
      'webhooks[0].body_template pin',
      'webhooks[0].columns[0] pin',
      'webhooks[0].conditions.or[0].attr password',
      'webhooks[0].conditions.or[1].and[0].attr pin',
      'webhooks[0].conditions.or[2].attr pin',
    ]);
  });

  it('warns of a missing variable in a URL rather than calling the URL wrong', async () => {
    const { code, lines } = await validated({ webhooks: [{ ...WEBHOOK, url: '${HOOK}' }] });
    expect({ code, lines }).toEqual({
      code: 0,
      lines: [
        expect.stringMatching(/webhooks\[0\]\.url: the variable HOOK is not set \(warning\)$/),
        'file is valid: 1 webhook',
      ],
    });
  });
});

const RULES = {
  ...WEBHOOK,
  url: 'http://h.test/{{ data.id }}',
  additional_headers: 'X-Who: {{ username }}',
  conditions: { and: [{ attr: 'status', value: 'on' }] },
  body_template: '{"id": {{ data.id }}, "tags": {{ data.tags | tojson }}, "who": {"name": "{{ username }}"}}',
};
const EVENT = {
  event: 'created',
  model: 'thing',
  username: 'admin',
  data: { id: 7, status: 'on', tags: ['a', 'b'] },
};

function tests(...list: readonly unknown[]) {
  return validated({ webhooks: [RULES], tests: list }, ['--test']);
}
const test = (expected: unknown, event: unknown = EVENT) => ({ webhook: 'w', event, expect: expected });

describe('walhook validate --test', () => {
  it('passes tests that hold', async () => {
    const done = await tests(
      test({ matched: true, url: 'http://h.test/7', headers: { 'X-WHO': 'admin' } }),
      test({ body: { id: 7, tags: ['a', 'b'], who: {} } }),
      test({ body: '{"id": 7, "tags": ["a", "b"], "who": {"name": "admin"}}' }),
      test({ matched: false }, { ...EVENT, data: { status: 'off' } }),
      test({ matched: false }, { ...EVENT, event: 'deleted' }),
      test({ error: 'CONDITION_FAILED' }, { ...EVENT, data: {} }),
    );
    expect(done).toMatchObject({ code: 0, lines: ['file is valid: 1 webhook', '6 tests, 0 failed'] });
  });

  it.each<[string, unknown, RegExp]>([
    [
      'a URL',
      test({ url: 'http://h.test/8' }),
      /tests\[0\]\.expect\.url: expected "http:\/\/h\.test\/8", found "http:\/\/h\.test\/7"$/,
    ],
    [
      'a header',
      test({ headers: { 'x-who': 'root' } }),
      /expect\.headers\.x-who: expected "root", found "admin"$/,
    ],
    [
      'a header that is missing',
      test({ headers: { 'x-new': '1' } }),
      /expect\.headers\.x-new: expected "1", found nothing$/,
    ],
    [
      'a key of the body',
      test({ body: { who: { name: 'root' } } }),
      /expect\.body\.who\.name: expected "root", found "admin"$/,
    ],
    [
      'a list of the body',
      test({ body: { tags: ['a'] } }),
      /expect\.body\.tags: expected \["a"\], found \["a","b"\]$/,
    ],
    [
      'a key that is not in the body',
      test({ body: { name: null } }),
      /expect\.body\.name: expected null, found nothing$/,
    ],
    ['a body as text', test({ body: 'x' }), /expect\.body: expected "x", found /],
    [
      'a match that was to be none',
      test({ matched: false }),
      /expect\.matched: expected no match, found a match$/,
    ],
    [
      'no match, with the leaf and the value it saw',
      test({ matched: true }, { ...EVENT, data: { status: 'off' } }),
      /expect\.matched: expected a match, found no match by conditions \(status eq "on": "off" does not equal the value\)$/,
    ],
    [
      'no match where a body is expected',
      test({ body: {} }, { ...EVENT, event: 'deleted' }),
      /expect: expected a match, found no match by events$/,
    ],
    [
      'an error',
      test({ matched: false }, { ...EVENT, data: {} }),
      /expect: expected "no error", found "CONDITION_FAILED: /,
    ],
    [
      'no error',
      test({ error: 'TEMPLATE_FAILED' }),
      /expect\.error: expected "TEMPLATE_FAILED", found "no error"$/,
    ],
    [
      'an Event that is none',
      test({}, { event: 'create', model: 'x' }),
      /tests\[0\]\.event: EVENT_INVALID: /,
    ],
  ])('tells %s, with path and line, and exits 1', async (_what, one, message) => {
    const { code, lines } = await tests(one);
    expect(code).toBe(1);
    expect(lines[1]).toMatch(message);
    expect(lines[1]).toMatch(/^file:\d+: /);
    expect(lines.at(-1)).toBe('1 test, 1 failed');
  });

  it('points at the line of what was expected', async () => {
    const { lines } = await validated(
      [
        'postgres: {url: "postgres://db/app"}',
        'queue: {url: "redis://queue"}',
        'webhooks:',
        '  - {name: w, models: ["*"], events: [created], url: "http://h.test/"}',
        'tests:',
        '  - webhook: w',
        '    event: {event: created, model: thing}',
        '    expect:',
        '      matched: true',
        '      url: http://h.test/x',
      ].join('\n'),
      ['--test'],
    );
    expect(lines[1]).toMatch(/^file:10: tests\[0\]\.expect\.url: /);
  });

  it('refuses a test of a webhook that there is not', async () => {
    const { code, lines } = await tests({ webhook: 'v', event: EVENT, expect: {} });
    expect({ code, lines }).toEqual({
      code: 2,
      lines: [expect.stringMatching(/tests\[0\]\.webhook: expected the name/)],
    });
  });

  it('does not run without being asked', async () => {
    const { code, lines } = await validated({ webhooks: [RULES], tests: [test({ url: 'x' })] });
    expect({ code, lines }).toEqual({ code: 0, lines: ['file is valid: 1 webhook'] });
  });

  it('prints its results as JSON', async () => {
    const { code, lines } = await validated(
      { webhooks: [RULES], tests: [test({ url: 'x' }), test({ matched: true })] },
      ['--test', '--json'],
    );
    expect(code).toBe(1);
    expect(JSON.parse(lines.join(''))).toMatchObject({
      valid: true,
      tests: { passed: 1, failed: 1, differences: [{ path: 'tests[0].expect.url' }] },
    });
  });

  it('needs no variable that says where the services are, nor a secret', async () => {
    const config = {
      postgres: { url: '${DATABASE_URL}' },
      queue: { url: '${QUEUE_URL}' },
      webhooks: [{ ...RULES, secret: '${file:/nowhere}' }],
      tests: [
        { webhook: RULES.name, event: { event: 'deleted', model: 'thing' }, expect: { matched: false } },
      ],
    };
    const { code, lines } = await validated(config, ['--test']);
    expect({ code, last: lines.at(-1) }).toEqual({ code: 0, last: '1 test, 0 failed' });
  });

  it('needs the variables of the webhooks under test', async () => {
    const config = { webhooks: [{ ...RULES, url: '${HOOK}' }], tests: [test({ url: 'http://h.test/' })] };
    expect(await validated(config, ['--test'])).toMatchObject({ code: 2 });
    expect(await validated(config, ['--test'], { HOOK: 'http://h.test/' })).toMatchObject({ code: 0 });
  });
});
