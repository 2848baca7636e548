/** What the commands say when something is wrong. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { freePort, startEmbeddedPostgres } from '../../src/demo/embeddedPostgres.ts';
import { configFolder, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase } from '../helpers/database.ts';
import { openProxy } from '../helpers/proxy.ts';
import { createQueue, isQueueMissing } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

const randomName = (prefix: string) => `${prefix}_${randomBytes(5).toString('hex')}`;

describe('walhook validate', () => {
  it('prints five mistakes with their lines and exits 2', async () => {
    await using folder = await configFolder(
      [
        'postgres: {url: "postgres://db/app"}',
        'queue:',
        '  url: http://example.com',
        'webhooks:',
        '  - name: one',
        '    models: [thing]',
        '    evnts: [created]',
        '    events: [made]',
        '    url: "http://example.com/{{ data.id"',
        'limits: {value: 1 MB}',
      ].join('\n'),
    );
    const { code, stdout, stderr } = await walhook(['validate', '-c', folder.file]);
    expect(code).toBe(2);
    const found = stdout
      .trim()
      .split('\n')
      .map((text) => text.replace(folder.file, 'file'));
    expect(found).toEqual([
      expect.stringMatching(/^file:3: queue\.url: expected a URL that starts with redis:/),
      expect.stringMatching(/^file:7: webhooks\[0\]\.evnts: unknown key; did you mean events\?$/),
      expect.stringMatching(/^file:8: webhooks\[0\]\.events\[0\]: expected one of created, .*found "made"$/),
      expect.stringMatching(/^file:9: webhooks\[0\]\.url: /),
      expect.stringMatching(/^file:10: limits\.value: expected a size /),
    ]);
    expect(stderr).toMatch(/^CONFIG_INVALID: .*5 mistakes/);
    expect(stderr).toMatch(/^Try: /m);
  });

  it('warns of a variable that it does not need', async () => {
    await using folder = await configFolder({
      postgres: { url: '${NOWHERE}' },
      queue: { url: 'redis://queue' },
    });
    const { code, stdout } = await walhook(['validate', '-c', folder.file]);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining('postgres.url: the variable NOWHERE is not set (warning)'),
    });
  });
});

describe('walhook schema', () => {
  it('prints the JSON Schema that belongs to the version', async () => {
    const { code, stdout } = await walhook(['schema']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      type: 'object',
      required: ['queue'],
      additionalProperties: false,
    });
  });
});

describe('a wrong command line', () => {
  it.each([
    [['fly'], 2, /unknown command/],
    [['run', '--role', 'cook'], 2, /configuration file|--role/],
    [['try', '--webhook', 'x'], 2, /required option/],
    [['validate', '-c', '/nowhere.yaml'], 2, /^CONFIG_NOT_FOUND: .*\nTry: /],
  ])('%j exits %d', async (args, code, text) => {
    const done = await walhook(args);
    expect(done).toMatchObject({ code, stderr: expect.stringMatching(text) });
    expect(done.stderr).not.toMatch(/\n\s+at /);
  });
});

describe('walhook try', () => {
  it('needs neither services nor the variables of others', async () => {
    await using folder = await configFolder({
      postgres: { url: '${NOWHERE}' },
      webhooks: [
        { name: 'w', models: ['thing'], events: ['created'], url: 'http://example.com/{{ data.id }}' },
      ],
    });
    const event = { event: 'created', model: 'thing', data: { id: 5 } };
    const tried = await walhook(['try', '-c', folder.file, '--webhook', 'w', '--event', '-'], {
      input: JSON.stringify([event, { ...event, event: 'deleted' }]),
    });
    expect(tried.code).toBe(0);
    const [first, second] = tried.stdout
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as unknown);
    expect(first).toMatchObject({ matched: true, error: null, request: { url: 'http://example.com/5' } });
    expect(second).toMatchObject({ matched: false, request: null, error: null });
  });

  it('ends attempts to run code in a coded error', async () => {
    await using folder = await configFolder({
      webhooks: [
        {
          name: 'w',
          models: ['*'],
          events: ['created'],
          url: 'http://example.com/',
          body_template: '{{ range.constructor("return process.version")() }}',
        },
      ],
    });
    const tried = await walhook(['try', '-c', folder.file, '--webhook', 'w', '--event', '-'], {
      input: '{"event":"created","model":"thing","data":{}}',
    });
    expect([1, 2]).toContain(tried.code);
    expect(tried.stdout + tried.stderr).toMatch(/TEMPLATE_(INVALID|FAILED)|CONFIG_INVALID/);
    expect(tried.stdout + tried.stderr).not.toContain(process.version);
  });
});

describe('walhook check', () => {
  it('names a missing privilege, publication and key, each with its remedy', async () => {
    await using database = await createDatabase();
    await using queue = await createQueue('postgres');
    const role = randomName('plain');
    await database.client.query(`
      create role ${role} login password 'pw';
      create table keyless (a int);
      create table keyed (id int primary key);`);
    await using folder = await configFolder({
      postgres: {
        url: database.urlFor({ user: role, password: 'pw' }),
        slot: randomName('slot'),
        tables: ['public.keyless', 'public.keyed'],
      },
      queue: queue.section,
    });
    const { code, stdout } = await walhook(['check', '--json', '-c', folder.file]);
    expect(code).toBe(1);
    const { findings } = JSON.parse(stdout) as {
      findings: { code: string; level: string; remedy: string }[];
    };
    const problems = findings.filter((finding) => finding.level === 'problem');
    expect(problems.map((finding) => finding.code)).toEqual(
      expect.arrayContaining([
        'REPLICATION_PRIVILEGE',
        'PUBLICATION_MISSING',
        'TABLE_WITHOUT_KEY',
        'SLOT_MISSING',
      ]),
    );
    expect(problems.find((finding) => finding.code === 'REPLICATION_PRIVILEGE')?.remedy).toContain(
      `ALTER ROLE ${role} REPLICATION`,
    );
    expect(problems.find((finding) => finding.code === 'TABLE_WITHOUT_KEY')?.remedy).toContain(
      'ALTER TABLE public.keyless ADD PRIMARY KEY',
    );
    await database.client.query(`drop owned by ${role}; drop role ${role}`);
  });

  it('names a server whose wal_level is too low', async () => {
    const server = await startEmbeddedPostgres({ settings: { wal_level: 'replica' } });
    try {
      await using queue = await createQueue('postgres');
      await using folder = await configFolder({
        postgres: { url: server.url('postgres') },
        queue: queue.section,
      });
      const { code, stdout } = await walhook(['check', '-c', folder.file]);
      expect({ code, stdout }).toEqual({
        code: 1,
        stdout: expect.stringContaining(
          'WAL_LEVEL: expected wal_level = logical, found replica\n  Try: ALTER SYSTEM',
        ),
      });
    } finally {
      await server.stop();
    }
  });

  it('exits 3 when it cannot look', async () => {
    const port = await freePort();
    await using folder = await configFolder({
      postgres: { url: `postgres://me:hidden@127.0.0.1:${port}/app` },
      queue: { url: `redis://127.0.0.1:${port}` },
    });
    const { code, stderr } = await walhook(['check', '-c', folder.file]);
    expect(code).toBe(3);
    expect(stderr).toMatch(
      /^POSTGRES_UNREACHABLE: expected a PostgreSQL at me@127\.0\.0\.1:\d+\/app, found: .*\nTry: /,
    );
    expect(stderr).not.toContain('hidden');
  });
});

describe('a daemon that starts before its services', () => {
  it('says so in one line with a remedy, and comes up when the database does', async () => {
    await using database = await createDatabase();
    await using queue = await createQueue('postgres');
    await using sink = await openSink();
    await using proxy = await openProxy(database.url);
    await database.client.query('create table thing (id int primary key)');
    await using folder = await configFolder({
      postgres: { url: proxy.url, slot: randomName('slot') },
      queue: queue.section,
      webhooks: [{ name: 'w', models: ['thing'], events: ['created'], url: sink.url }],
    });
    expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0 });
    await proxy.refuse();
    await using daemon = startDaemon(['-c', folder.file]);
    await daemon.untilLogged('not capturing: expected a PostgreSQL at');
    const told = daemon.log().find((entry) => entry['code'] === 'POSTGRES_UNREACHABLE');
    expect(told?.['try']).toMatch(/postgres\.url/);
    expect(daemon.output()).not.toMatch(/\n\s+at /);
    await proxy.accept();
    await daemon.untilLogged('capturing', 30_000);
    await database.client.query('insert into thing values (1)');
    await until(() => sink.received.length === 1, { what: daemon.output() });
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
  });

  it.skipIf(isQueueMissing('redis'))('comes up when the queue does', async () => {
    await using database = await createDatabase();
    await using queue = await createQueue('redis');
    await using sink = await openSink();
    await using proxy = await openProxy(queue.section.url);
    await database.client.query('create table thing (id int primary key)');
    await using folder = await configFolder({
      postgres: { url: database.url, slot: randomName('slot') },
      queue: { ...queue.section, url: proxy.url },
      webhooks: [{ name: 'w', models: ['thing'], events: ['created'], url: sink.url }],
    });
    expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0 });
    await proxy.refuse();
    await using daemon = startDaemon(['-c', folder.file]);
    await daemon.untilLogged('expected a Redis at');
    const told = daemon.log().find((entry) => entry['code'] === 'QUEUE_UNREACHABLE');
    expect(told?.['try']).toMatch(/queue\.url/);
    // Asked to read its file again it does, and goes on waiting.
    daemon.kill('SIGHUP');
    await proxy.accept();
    await daemon.untilLogged('capturing');
    await database.client.query('insert into thing values (1)');
    await until(() => sink.received.length === 1, { what: daemon.output() });

    // And again while it runs: what is committed meanwhile arrives afterwards.
    await proxy.refuse();
    await database.client.query('insert into thing values (2)');
    await daemon.untilLogged('flush not stored');
    await proxy.accept();
    await until(() => sink.received.length === 2, { what: daemon.output(), timeoutMs: 30_000 });
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
  });
});
