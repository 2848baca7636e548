import { describe, expect, it } from 'vitest';
import { loadConfigFile, readConfigFile } from '../../src/commands/configFile.ts';
import { type LoadOptions, loadConfig } from '../../src/config/load.ts';
import type { VariableSource } from '../../src/config/variables.ts';
import type { Secret } from '../../src/core/secret.ts';
import { checkWebhook } from '../../src/definitions/webhooks.ts';
import { configFolder } from '../helpers/command.ts';
import { tlsPath } from '../helpers/tls.ts';

const HIDDEN = 'hunter2-topsecret';
const env: Readonly<Record<string, string>> = {
  DATABASE_URL: `postgres://u:${HIDDEN}@h/db`,
  EIGHT: '8',
  YES: 'true',
  HALF: '0.5',
  PIN: '123456',
  TIMEOUT: '30s',
  SECRET: HIDDEN,
};
const source: VariableSource = {
  env,
  readFile: (path) => {
    if (path === '/run/secrets/x') return `${HIDDEN}\n`;
    throw new Error('ENOENT');
  },
};

const services = 'postgres: {url: "${DATABASE_URL}"}\nqueue: {url: redis://h}\n';
const load = (text: string, more: Partial<LoadOptions> = {}) => loadConfig(text, { source, ...more });
/** A webhook with more keys, in one line. */
const webhook = (more = '', name = 'w') =>
  `{name: ${name}, models: [m], events: [created], url: "http://h/"${more === '' ? '' : `, ${more}`}}`;
const withWebhook = (more: string) => `${services}webhooks: [${webhook(more)}]`;

function revealed(secrets: Secret | Secret[] | null | undefined): string[] {
  return [secrets ?? []].flat().map((one) => one.reveal());
}

/** Mistakes as people read them. */
function mistakes(text: string, more: Partial<LoadOptions> = {}): string[] {
  return load(text, more).mistakes.map(({ line, path, message }) => `${line} ${path}: ${message}`);
}

describe('a configuration', () => {
  it('needs no more than where the services are', () => {
    const { loaded } = load(services);
    expect(loaded?.config).toMatchObject({
      environment: 'default',
      postgres: { slot: 'walhook', publication: 'walhook', tables: null, replication_url: null },
      queue: { prefix: 'walhook', same_database: false, ack_delay: 'auto' },
      context: null,
      models: [],
      webhooks: [],
      limits: { value: 1_048_576, event: 4_194_304, message: 67_108_864 },
      log: { level: 'info', format: 'json' },
      shutdown_timeout: 25_000,
    });
    expect(loaded?.config.postgres.url?.reveal()).toBe(env['DATABASE_URL']);
  });

  it('gives a webhook the documented defaults', () => {
    const { loaded } = load(withWebhook(''));
    expect(loaded?.config.webhooks[0]).toEqual({
      name: 'w',
      models: ['m'],
      events: ['created'],
      url: 'http://h/',
      enabled: true,
      http_method: 'POST',
      http_content_type: 'application/json',
      additional_headers: '',
      body_template: '',
      undefined: 'lenient',
      allow_templated_host: false,
      secret: null,
      signature: 'both',
      brake: null,
      // biome-ignore lint/suspicious/noThenProperty: the documented key.
      backlog: { max: 100_000, bytes: 268_435_456, then: 'overflow' },
      timeout: 15_000,
      retry: {
        schedule: [5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map(
          (s) => s * 1_000,
        ),
        max_age: 604_800_000,
      },
      concurrency: 8,
      conditions: null,
      columns: [],
      conditions_mode: 'strict',
      on_unavailable: 'error',
      require: [],
      payload_format: 'walhook',
      ssl_verification: true,
      ca_file_path: null,
      cert_file_path: null,
      key_file_path: null,
      proxy: null,
      rate_limit: null,
      ordering: 'none',
    });
    expect(loaded?.config.addresses).toEqual({ policy: 'internal', allow: [] });
  });

  it('tells five mistakes of five kinds at once, each with its path and line', () => {
    const text = `postgres: {url: mysql://x}
queue: {url: redis://h, prefx: a}
webhooks:
  - name: first
    models: []
    events: [create]
    url: http://x/
    timeout: 5
    concurrency: 0
  - {name: first, models: [b], events: [created]}
  - text
`;
    expect(mistakes(text)).toEqual([
      '1 postgres.url: expected a URL such as postgres://user@host:5432/database, found another text',
      '2 queue.prefx: unknown key; did you mean prefix?',
      '5 webhooks[0].models: expected something, found nothing',
      '6 webhooks[0].events[0]: expected one of created, updated, deleted, truncated, found "create"',
      '8 webhooks[0].timeout: expected a duration such as 500ms, 30s, 2h or 7d, found 5',
      '9 webhooks[0].concurrency: expected at least 1, found 0',
      '10 webhooks[1].url: is required: a text',
      '10 webhooks[1].name: is the name of webhooks[0] already',
      '11 webhooks[2]: expected an object, found "text"',
    ]);
  });

  it.each([
    ['an empty file', ''],
    ['a list', '[1]'],
    ['a text', 'hello'],
  ])('is refused as %s', (_what, text) => {
    expect(load(text).loaded).toBeNull();
    expect(mistakes(text)[0]).toMatch(/expected an object with the key queue and others/);
  });

  it.each([
    [
      'a wrong value of a list of words',
      'http_method: HEAD',
      'expected one of GET, POST, PUT, PATCH, DELETE, found "HEAD"',
    ],
    [
      'a text where a duration belongs',
      'timeout: 5 s',
      'expected a duration such as 500ms, 30s, 2h or 7d, found "5 s"',
    ],
    ['a duration below the least', 'timeout: 1ms', 'expected at least 100ms, found "1ms"'],
    [
      'a number that lost no digit',
      'concurrency: 99999999999999999999',
      'expected a number, found 99999999999999999999',
    ],
    ['a fraction', 'concurrency: 1.5', 'expected a whole number, found 1.5'],
    ['a text where a boolean belongs', 'enabled: "yes"', 'expected a boolean, found "yes"'],
    ['neither of two shapes', 'secret: 5', 'expected a text or a list, found 5'],
    ['the nearer of two shapes', 'secret: [a, ""]', 'expected something, found nothing'],
    ['an object where a list belongs', 'retry: {schedule: {}}', 'expected a list, found an object'],
    ['null where something belongs', 'retry: null', 'expected an object, found null'],
    [
      'too many entries',
      `retry: {schedule: [${Array(51).fill('1s').join(', ')}]}`,
      'expected at most 50 entries',
    ],
    ['a proxy that is none', 'proxy: "ftp://p"', 'expected a URL such as http://user:password@proxy:3128'],
    ['a certificate without path', 'cert_file_path: ""', 'expected something'],
    ['another word for a 410', 'on_gone: ignore', 'expected one of pause, fail, found "ignore"'],
    ['an unknown key of an inner object', 'retry: {shedule: []}', 'unknown key; did you mean schedule?'],
    ['a key of an object that there is not', 'constructor: 1', 'unknown key; known are name, models'],
  ])('is refused for %s', (_what, more, message) => {
    const found = mistakes(withWebhook(more));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(message);
  });

  it('says where webhooks kept as rows may go, and which secrets they may name', () => {
    expect(load(services).loaded?.config).toMatchObject({ rows: { allow_hosts: ['*'] }, secrets: {} });
    const { rows, secrets } = load(
      `${services}rows: {allow_hosts: [Hooks.Example.com, "*.example.com"]}\nsecrets: {slack: one, two: [a, b]}`,
    ).loaded?.config ?? { rows: null, secrets: {} };
    expect(rows).toEqual({ allow_hosts: ['hooks.example.com', '*.example.com'] });
    expect(Object.keys(secrets)).toEqual(['slack', 'two']);
    expect(JSON.stringify(secrets)).not.toContain('one');
  });

  it.each([
    'rows: {allow_hosts: ["a.*.com"]}',
    'rows: {allow_hosts: ["https://a.com"]}',
    'secrets: {"a b": x}',
  ])('refuses %s', (text) => expect(mistakes(services + text)).toHaveLength(1));

  it('bounds what waits and what is kept, by default and as it is told', () => {
    expect(load(services).loaded?.config).toMatchObject({
      queue: { encryption_key: null, require_noeviction: true },
      retention: {
        delivered: { age: 3_600_000, count: 10_000 },
        failed: 30 * 86_400_000,
        bodies: 7 * 86_400_000,
        bytes: 268_435_456,
        orphans: 7 * 86_400_000,
      },
      log: { payloads: 'full' },
    });
    const { loaded } = load(
      `postgres: {url: "\${DATABASE_URL}"}
queue: {url: redis://h, encryption_key: [0123456789abcdef, fedcba9876543210], require_noeviction: false}
retention: {delivered: {age: 2h}, failed: 1d, bytes: 1GiB}
log: {payloads: metadata}
webhooks: [${webhook('brake: {max: 10, per: 1m}, backlog: {max: 5, then: hold}')}]`,
    );
    expect(revealed(loaded?.config.queue.encryption_key)).toEqual(['0123456789abcdef', 'fedcba9876543210']);
    expect(loaded?.config).toMatchObject({
      retention: { delivered: { age: 7_200_000, count: 10_000 }, failed: 86_400_000 },
      log: { payloads: 'metadata' },
      webhooks: [{ brake: { max: 10, per: 60_000 }, backlog: { max: 5, bytes: 268_435_456 } }],
    });
  });

  it.each([
    ['queue: {url: redis://h, encryption_key: short}', 'expected a key of at least 16 characters'],
    ['retention: {bytes: 1KiB}', 'expected at least 1048576 bytes'],
    [`webhooks: [${webhook('backlog: {then: wait}')}]`, 'expected one of overflow, drop_oldest, hold'],
    [`webhooks: [${webhook('brake: {max: 5}')}]`, 'per'],
  ])('refuses a bound that is none: %s', (text, message) => {
    const found = mistakes(
      text.startsWith('queue') ? `postgres: {url: "\${DATABASE_URL}"}\n${text}` : services + text,
    );
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(message);
    expect(found[0]).not.toContain('short');
  });

  it('says what an address policy may be', () => {
    const text = `${services}addresses: {policy: none, allow: [10.0.0.0/8, "http://h", localhost:9000]}`;
    expect(mistakes(text)).toEqual([
      '3 addresses.policy: expected one of internal, strict, off, found "none"',
      '3 addresses.allow[1]: expected a network or host, with a port or without, e.g. 10.0.0.0/8 or localhost:9000, found "http://h"',
    ]);
  });

  it('says for a context source which of its shapes comes closest', () => {
    expect(mistakes(`${services}context: [{message: ""}, {columns: {usrname: a}}]`)).toEqual([
      '3 context[0].message: expected something, found nothing',
      '3 context[1].columns.usrname: unknown key; did you mean username?',
    ]);
  });

  it('refuses two webhooks, and two models, of one name', () => {
    expect(mistakes(`${services}webhooks: [${webhook()}, ${webhook('', 'x')}, ${webhook()}]`)).toEqual([
      '3 webhooks[2].name: is the name of webhooks[0] already',
    ]);
    expect(mistakes(`${services}models: [{name: m, table: a}, {name: m, table: b}]`)).toEqual([
      '3 models[1].name: is the name of models[0] already',
    ]);
  });

  it('refuses the unknown key __proto__', () => {
    expect(mistakes(`${services}__proto__: {a: 1}`)).toEqual([
      expect.stringMatching(/^3 __proto__: unknown key/),
    ]);
    expect(mistakes(withWebhook('retry: {__proto__: 1}'))).toEqual([
      expect.stringMatching(/retry\.__proto__: unknown key/),
    ]);
  });

  it('refuses two models of one table', () => {
    expect(load(`${services}models: [{name: a, table: t}, {name: b, table: public.t}]`).loaded).toBeNull();
  });

  it.each([
    'a\\r\\nX-Evil: b',
    'text/plain; x=\\u20ac',
    '\\0',
    '',
    ' a/b',
  ])('refuses a content type that no request could carry: %s', (type) => {
    expect(load(withWebhook(`http_content_type: "${type}"`)).loaded).toBeNull();
  });

  it.each([
    ['a', true],
    ['😀'.repeat(150), true],
    ['x'.repeat(150), true],
    ['x'.repeat(151), false],
    ['""', false],
    ['"with \\"quotes\\" / and: everything ü"', true],
  ])('takes a name of 1 to 150 characters: %s', (name, isGood) => {
    expect(load(`${services}webhooks: [${webhook('', name)}]`).loaded !== null).toBe(isGood);
  });
});

describe('values of a configuration', () => {
  it('are never shown where they may be secret', () => {
    const text = `postgres: {url: "mysql://u:${HIDDEN}@h/"}
queue: {url: "http://${HIDDEN}@h/"}
webhooks:
  - {name: a, models: [m], events: [created], url: "", secret: {x: ${HIDDEN}}, additional_headers: [${HIDDEN}], body_template: {a: ${HIDDEN}}}
  - {name: b, models: [m], events: [created], url: [${HIDDEN}], http_content_type: [${HIDDEN}]}
`;
    expect(mistakes(text).length).toBeGreaterThan(5);
    expect(mistakes(text).join('\n')).not.toContain('hunter2');
  });

  // A variable set to the wrong thing is how a secret gets where a word was meant.
  it.each([
    'http_method: "${SECRET}"',
    'timeout: "${file:/run/secrets/x}"',
    'concurrency: "${SECRET}"',
    'concurrency: "${PIN}"',
    'secret: "${PIN}", retry: {max_age: "${SECRET}"}',
  ])('are never shown where a variable gave them: %s', (more) => {
    expect(mistakes(withWebhook(more)).join('\n')).toMatch(/found what a variable gave$/);
  });

  it('cannot be printed from the loaded configuration', () => {
    const { loaded } = load(withWebhook('secret: ["${SECRET}", "${file:/run/secrets/x}"]'));
    expect(JSON.stringify(loaded)).not.toContain('hunter2');
    expect(revealed(loaded?.config.webhooks[0]?.secret)).toEqual([HIDDEN, HIDDEN]);
  });

  it('keep their variables unresolved in what may be stored elsewhere', () => {
    const { loaded } = load(
      `${services}defaults: {secret: "\${SECRET}"}\nwebhooks: [${webhook('timeout: "${TIMEOUT}"')}]`,
    );
    expect(loaded?.rawWebhooks).toEqual([
      {
        name: 'w',
        models: ['m'],
        events: ['created'],
        url: 'http://h/',
        timeout: '${TIMEOUT}',
        secret: '${SECRET}',
      },
    ]);
  });

  it('that a variable gave become the number or boolean that their place wants', () => {
    const { loaded } = load(
      withWebhook('enabled: "${YES}", concurrency: "${EIGHT}", timeout: "${TIMEOUT}", secret: "${EIGHT}"'),
    );
    expect(loaded?.config.webhooks[0]).toMatchObject({ enabled: true, concurrency: 8, timeout: 30_000 });
    expect(revealed(loaded?.config.webhooks[0]?.secret)).toEqual(['8']);
  });

  it('written as text are not taken for numbers', () => {
    expect(mistakes(withWebhook('concurrency: "9"'))).toEqual([
      '3 webhooks[0].concurrency: expected a number, found "9"',
    ]);
  });

  it('that a variable gave are refused where they are no number or boolean', () => {
    expect(mistakes(withWebhook('enabled: "${EIGHT}", concurrency: "${HALF}"'))).toEqual([
      '3 webhooks[0].enabled: expected a boolean, found what a variable gave',
      '3 webhooks[0].concurrency: expected a whole number, found what a variable gave',
    ]);
  });

  it('are read anew when they are asked for by path', () => {
    let content = 'first\n';
    const changing: VariableSource = { env, readFile: () => content };
    const text = 'postgres: {url: "postgres://u:${file:/p}@h/db"}\nqueue: {url: redis://h}\n';
    const { loaded } = loadConfig(text, { source: changing });
    expect(loaded?.current(['postgres', 'url'])).toBe('postgres://u:first@h/db');
    content = 'second\n';
    expect(loaded?.current(['postgres', 'url'])).toBe('postgres://u:second@h/db');
    expect(loaded?.current(['postgres', 'replication_url'])).toBeNull();
    expect(loaded?.current(['nowhere', 0])).toBeNull();
  });
});

describe('missing variables', () => {
  const text = `postgres: {url: "\${NO_DB}"}
queue: {url: "\${NO_QUEUE}"}
webhooks:
  - {name: w, models: [m], events: [created], url: "https://h/\${NO_PATH}", concurrency: "\${NO_COUNT}", secret: "\${NO_SECRET}"}
`;

  it('are mistakes, each named once by its path and line', () => {
    expect(mistakes(text)).toEqual([
      '1 postgres.url: the variable NO_DB is not set',
      '2 queue.url: the variable NO_QUEUE is not set',
      '4 webhooks[0].url: the variable NO_PATH is not set',
      '4 webhooks[0].concurrency: the variable NO_COUNT is not set',
      '4 webhooks[0].secret: the variable NO_SECRET is not set',
    ]);
  });

  it('are warnings where the caller can do without', () => {
    const result = load(text, {
      needsVariable: (path) => path === 'webhooks[0].secret',
      needsServices: false,
    });
    expect(result.mistakes.map(({ path }) => path)).toEqual(['webhooks[0].secret']);
    expect(result.warnings.map(({ path }) => path)).toEqual([
      'postgres.url',
      'queue.url',
      'webhooks[0].url',
      'webhooks[0].concurrency',
    ]);
  });

  it('do not stop what needs none of them', () => {
    const { loaded, warnings } = load(text, { needsVariable: () => false, needsServices: false });
    expect(loaded).not.toBeNull();
    expect(warnings).toHaveLength(5);
  });

  it('in the URL of a webhook are a warning of validate, not a mistake', async () => {
    await using folder = await configFolder(
      `postgres: {url: "\${NO_DB}"}\nqueue: {url: "\${NO_QUEUE}"}\nwebhooks: [{name: w, models: [m], events: [created], url: "\${NO_URL}"}]\n`,
    );
    const io = { env: {}, out: () => undefined, err: () => undefined } as unknown as Parameters<
      typeof readConfigFile
    >[1];
    const file = readConfigFile({ config: folder.file }, io, { needsVariable: () => false });
    expect(file.mistakes).toEqual([]);
  });

  it('beside mistakes of compiling are told in one go', async () => {
    await using folder = await configFolder(
      `${services}webhooks:\n  - {name: w, models: [m], events: [created], url: "ftp://h/"}\n  - {name: x, models: [m], events: [created], url: "http://{{ data.host }}/"}\n  - {name: y, models: [m], events: [created], url: "http://h/", body_template: "{{ oops"}\n`,
    );
    const io = { env, out: () => undefined, err: () => undefined } as unknown as Parameters<
      typeof readConfigFile
    >[1];
    expect(() => loadConfigFile({ config: folder.file }, io)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(
          /:4: webhooks\[0\]\.url: [^\n]+\n[^\n]+:5: webhooks\[1\]\.url: [^\n]+\n[^\n]+:6: webhooks\[2\]\.body_template: /,
        ),
      }),
    );
  });
});

describe('a webhook that cannot be compiled', () => {
  it.each([
    ['a URL of another scheme', { url: 'ftp://h/' }, 'url'],
    ['a URL that is none', { url: 'h/hook' }, 'url'],
    ['a host that data has a say in', { url: 'http://{{ data.host }}/' }, 'url'],
    ['a template that is none', { url: 'http://h/', body_template: '{{ oops' }, 'body_template'],
    ['headers that are none', { url: 'http://h/', additional_headers: '{% if %}' }, 'additional_headers'],
  ])('is told for %s', (_what, written, field) => {
    expect(checkWebhook(written, ['webhooks', 0])).toMatchObject([{ path: ['webhooks', 0, field] }]);
  });

  it('may let data choose the host where it says so', () => {
    expect(checkWebhook({ url: 'http://{{ data.host }}/', allow_templated_host: true }, [])).toEqual([]);
  });

  it.each<[object, string, RegExp]>([
    [{ ca_file_path: '/no/such' }, 'ca_file_path', /readable file at \/no\/such/],
    [{ ca_file_path: tlsPath('ca', 'pem') }, '', /^$/],
    [{ cert_file_path: tlsPath('client') }, 'cert_file_path', /together, found one/],
    [{ key_file_path: tlsPath('client', 'key') }, 'key_file_path', /together, found one/],
    [{ cert_file_path: tlsPath('client'), key_file_path: tlsPath('client', 'key') }, '', /^$/],
    [{ cert_file_path: tlsPath('client'), key_file_path: '/no/such' }, 'key_file_path', /readable file/],
    [
      { cert_file_path: tlsPath('client'), key_file_path: tlsPath('server', 'key') },
      'cert_file_path',
      /expected the key of the certificate/,
    ],
  ])('is told of certificate files: %j', (more, field, message) => {
    const found = checkWebhook({ url: 'https://h/', ...more }, ['webhooks', 0]);
    expect(found.map(({ path }) => path.at(-1))).toEqual(field === '' ? [] : [field]);
    expect(found[0]?.message ?? '').toMatch(message);
  });

  it('is told for credentials of its URL that are no text', () => {
    expect(checkWebhook({ url: 'http://u:%zz@h/' }, ['webhooks', 0])).toMatchObject([
      { path: ['webhooks', 0, 'url'] },
    ]);
  });
});

describe('the services', () => {
  it.each(['PGHOST', 'PGHOSTADDR', 'PGSERVICE', 'PGDATABASE', 'PGUSER'])('may be named by %s', (name) => {
    const named: VariableSource = { env: { [name]: 'x' }, readFile: source.readFile };
    expect(loadConfig('queue: {url: redis://h}', { source: named }).loaded).not.toBeNull();
  });

  it('must be named somewhere', () => {
    expect(mistakes('queue: {url: redis://h}')).toEqual([
      '1 postgres.url: is required: a URL, or PGHOST and its like in the environment',
    ]);
    expect(mistakes('postgres: {url: "postgres://h/d"}')).toEqual(['1 queue: is required: an object']);
  });

  it('need not be named by what works offline', () => {
    expect(load('webhooks: []', { needsServices: false }).loaded).not.toBeNull();
  });

  it.each([
    'redis://h',
    'rediss://h:6380/1',
    'postgres://h/q',
    'postgresql://h/q',
  ])('take %s as a queue', (url) => {
    expect(load(`postgres: {url: "postgres://h/d"}\nqueue: {url: "${url}"}`).loaded).not.toBeNull();
  });

  it.each(['amqp://h', 'h:6379', '', 'http://h'])('do not take %j as a queue', (url) => {
    expect(load(`postgres: {url: "postgres://h/d"}\nqueue: {url: "${url}"}`).loaded).toBeNull();
  });

  it.each([
    'Walhook',
    'a-b',
    '1a',
    'a"b',
    "a'b",
    'a b',
    'x'.repeat(64),
    '',
  ])('do not take %j as a slot, publication or prefix', (name) => {
    const quoted = JSON.stringify(name);
    const text = `postgres: {url: "postgres://h/d", slot: ${quoted}, publication: ${quoted}}\nqueue: {url: redis://h, prefix: ${quoted}}`;
    expect(load(text).mistakes.map(({ path }) => path)).toEqual([
      'postgres.slot',
      'postgres.publication',
      'queue.prefix',
    ]);
  });
});

describe('defaults', () => {
  it('apply where a webhook does not say otherwise', () => {
    const { loaded } = load(
      `${services}defaults: {timeout: 1s, concurrency: 2, retry: {schedule: []}}\nwebhooks: [${webhook()}, ${webhook('timeout: 3s', 'x')}]`,
    );
    expect(loaded?.config.webhooks).toMatchObject([
      { timeout: 1_000, concurrency: 2, retry: { schedule: [], max_age: 604_800_000 } },
      { timeout: 3_000, concurrency: 2 },
    ]);
  });

  it('are told wrong once, where they stand', () => {
    expect(
      mistakes(
        `${services}defaults: {timeout: 1x}\nwebhooks: [${webhook()}, ${webhook('timeout: 2x', 'x')}]`,
      ),
    ).toEqual([
      '3 defaults.timeout: expected a duration such as 500ms, 30s, 2h or 7d, found "1x"',
      '4 webhooks[1].timeout: expected a duration such as 500ms, 30s, 2h or 7d, found "2x"',
    ]);
  });

  it.each(['name', 'models', 'events', 'url'])('cannot set %s', (key) => {
    expect(mistakes(`${services}defaults: {${key}: x}`)[0]).toContain(`3 defaults.${key}: unknown key`);
  });
});
