/** A secret in every place that a configuration has for one, looked for wherever walhook says something. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configFolder, type Daemon, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { QUEUE_KINDS } from '../helpers/queue.ts';
import { startLocalRedis } from '../helpers/redisServer.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { tlsPair, tlsPath } from '../helpers/tls.ts';
import { until } from '../helpers/until.ts';

/** Each is told apart by its place. */
const CANARY = (place: string) => `canary-${place}-7d3f`;
const ENV = {
  HOOK_SECRET: CANARY('webhook-secret'),
  HEADER_SECRET: CANARY('header-variable'),
  BODY_SECRET: CANARY('body-variable'),
  ADMIN_TOKEN: CANARY('admin-token'),
  VIEWER_TOKEN: CANARY('viewer-token'),
  QUEUE_KEY: CANARY('encryption-key'),
};

const NAMES = ['all', 'proxied', 'broken', 'refused', 'untrusted', 'unrenderable'];

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Every row of every table but those named, as text. */
async function databaseText({ client }: TestDatabase, but: readonly string[] = []): Promise<string> {
  const { rows } = await client.query<{ name: string; table: string }>(
    `select format('%I.%I', table_schema, table_name) as name, table_name as table from information_schema.tables
     where table_schema not in ('pg_catalog', 'information_schema') and table_type = 'BASE TABLE'`,
  );
  const texts: string[] = [];
  for (const { name } of rows.filter(({ table }) => !but.includes(table))) {
    texts.push(name, JSON.stringify((await client.query(`select x::text from ${name} x`)).rows));
  }
  return texts.join('\n');
}

/** Every key with what it holds, as Redis would write it to its file. */
async function redisText(url: string): Promise<string> {
  const client = new Redis(url, { password: CANARY('redis-password') });
  try {
    const texts: unknown[] = [];
    for (const key of await client.keys('*')) {
      const type = await client.type(key);
      const read = {
        hash: () => client.hgetall(key),
        zset: () => client.zrange(key, '0', '-1'),
        set: () => client.smembers(key),
        list: () => client.lrange(key, 0, -1),
        string: () => client.get(key),
      }[type];
      texts.push(key, await read?.());
    }
    return JSON.stringify(texts);
  } finally {
    client.disconnect();
  }
}

describe.each(QUEUE_KINDS)('secrets, with the queue in %s,', (kind) => {
  let database: TestDatabase;
  let queue: TestDatabase;
  let sink: Sink;
  let folder: Awaited<ReturnType<typeof configFolder>>;
  let daemon: Daemon;
  let page = '';
  let untrusted: Server;
  let redis: Awaited<ReturnType<typeof startLocalRedis>> = null;
  const role = `secretive_${randomBytes(4).toString('hex')}`;

  beforeAll(async () => {
    database = await createDatabase();
    queue = await createDatabase();
    if (kind === 'redis') redis = await startLocalRedis(['--requirepass', CANARY('redis-password')]);
    untrusted = createServer(tlsPair('selfsigned'), (_request, response) => void response.end());
    untrusted.listen(0, '127.0.0.1');
    await once(untrusted, 'listening');
    sink = await openSink();
    await database.client.query('create table t (id int primary key, note text)');
    await database.client.query(
      `create role ${role} superuser login password '${CANARY('database-password')}'`,
    );
    const login = { user: role, password: CANARY('database-password') };
    const userinfo = sink.url.replace('http://', `http://user:${CANARY('url-userinfo')}@`);
    folder = await configFolder({
      environment: 'test',
      postgres: { url: database.urlFor(login), slot: `slot_${randomBytes(5).toString('hex')}` },
      queue: {
        url:
          redis === null
            ? queue.urlFor(login)
            : redis.url.replace('redis://', `redis://:${CANARY('redis-password')}@`),
        // Without it the store holds everything as it is: there a leak would be seen.
        encryption_key: kind === 'redis' ? '${QUEUE_KEY}' : null,
        require_noeviction: false,
      },
      admin: {
        listen: '127.0.0.1:0',
        metrics: '127.0.0.1:0',
        tokens: [
          { name: 'ops', role: 'admin', token: '${ADMIN_TOKEN}' },
          { name: 'guest', role: 'viewer', token: '${VIEWER_TOKEN}' },
        ],
      },
      webhooks: [
        {
          name: 'all',
          models: ['t'],
          events: ['created', 'updated'],
          url: `${userinfo}in?api_key=${CANARY('url-query')}`,
          additional_headers: [
            `Authorization: Bearer ${CANARY('header-literal')}`,
            'X-Trace: ${HEADER_SECRET}',
            `X-Api-Key: ${CANARY('header-name')}`,
          ].join('\n'),
          body_template: '{"id": {{ data.id }}, "token": "${BODY_SECRET}"}',
          secret: ['${HOOK_SECRET}', CANARY('second-secret')],
          retry: { schedule: [] },
        },
        {
          name: 'proxied',
          models: ['t'],
          events: ['created'],
          url: 'http://receiver.example/',
          proxy: `http://user:${CANARY('proxy')}@127.0.0.1:9/`,
          retry: { schedule: [] },
        },
        {
          name: 'broken',
          models: ['t'],
          events: ['created'],
          url: `${userinfo}{{ nothing.at.all }}`,
          undefined: 'strict',
        },
        {
          name: 'refused',
          models: ['t'],
          events: ['created'],
          url: `http://user:${CANARY('refused-userinfo')}@127.0.0.1:9/?token=${CANARY('refused-query')}`,
          retry: { schedule: [] },
        },
        {
          name: 'untrusted',
          models: ['t'],
          events: ['created'],
          url: `https://user:${CANARY('tls-userinfo')}@127.0.0.1:${portOf(untrusted)}/`,
          cert_file_path: tlsPath('client'),
          key_file_path: tlsPath('client', 'key'),
          retry: { schedule: [] },
        },
        {
          name: 'unrenderable',
          models: ['t'],
          events: ['created'],
          url: sink.url,
          additional_headers: 'Authorization: Bearer ${HEADER_SECRET} {{ nothing.at.all }}',
          body_template: '{{ data.id / "${BODY_SECRET}" }}',
          undefined: 'strict',
          retry: { schedule: [] },
        },
      ],
      log: { level: 'trace' },
    });
    const setup = await walhook(['setup', '-c', folder.file], { env: ENV });
    expect(setup).toMatchObject({ code: 0, stderr: '' });
    sink.answerWith((request, response) => {
      // A receiver that tells what it was sent.
      response.statusCode = 500;
      response.setHeader('x-echo', String(request.headers['x-api-key']));
      response.end(`you sent ${JSON.stringify(request.headers)} ${request.body}`);
    });
    daemon = startDaemon(['-c', folder.file], { env: ENV });
    await daemon.untilLogged('the admin page is open');
    page = String(daemon.log().find(({ msg }) => msg === 'the admin page is open')?.['url']);
    await daemon.untilLogged('capturing');
    await database.client.query("insert into t values (1, 'a'), (2, 'b')");
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
    untrusted.close();
    await redis?.stop();
    await database[Symbol.asyncDispose]();
    await queue[Symbol.asyncDispose]();
    const admin = await createDatabase();
    await admin.client.query(`drop role if exists ${role}`);
    await admin[Symbol.asyncDispose]();
  });

  const found = (text: string) => [...new Set(text.match(/canary-[a-z-]+/g) ?? [])];
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(page + path, {
      ...init,
      redirect: 'manual',
      headers: {
        authorization: `Bearer ${ENV.ADMIN_TOKEN}`,
        'content-type': 'application/json',
        ...init.headers,
      },
    });

  it('are sent to the receiver, so that there is something to leak', async () => {
    const request = await until(() => sink.received[0], { what: daemon.output() });
    expect(request.headers).toMatchObject({
      'x-trace': ENV.HEADER_SECRET,
      'x-api-key': CANARY('header-name'),
    });
    expect(request.body).toContain(ENV.BODY_SECRET);
  });

  it('stand in no answer of the admin server', async () => {
    const failed = await until(
      async () => {
        const list = (await (await ask('/api/deliveries?state=failed')).json()) as {
          items: { id: string; webhook: string }[];
        };
        const names = new Set(list.items.map(({ webhook }) => webhook));
        return NAMES.every((name) => names.has(name)) && list.items;
      },
      { what: daemon.output() },
    );
    const paths = [
      '/',
      '/webhooks',
      '/deliveries',
      '/failures',
      '/tail',
      '/tasks',
      '/gaps',
      '/system',
      '/login',
      '/metrics',
    ];
    const api = [
      '/api/status',
      '/api/webhooks',
      '/api/deliveries',
      '/api/gaps',
      '/api/openapi.json',
      '/api/nothing',
    ];
    const each = NAMES.flatMap((name) => [
      `/webhooks/${name}`,
      `/webhooks/${name}/try`,
      `/api/webhooks/${name}`,
    ]);
    const ids = failed.flatMap(({ id }) => [`/deliveries/${id}`, `/api/deliveries/${id}`]);
    for (const path of [...paths, ...api, ...each, ...ids]) {
      const answer = await ask(path);
      const text = await answer.text();
      expect({
        path,
        status: answer.status < 500,
        found: found(text + JSON.stringify([...answer.headers])),
      }).toEqual({
        path,
        status: true,
        found: [],
      });
    }
    expect(ids.length).toBeGreaterThan(5);
  });

  it('stand in no dry run, no test, and no refused request', async () => {
    const event = { event: 'created', model: 't', data: { id: 1 }, snapshots: null };
    const asked: [string, unknown][] = [
      ['/api/try', { webhook: 'all', event }],
      ['/api/try', { webhook: 'broken', event }],
      ['/api/webhooks/all/test', {}],
      ['/api/webhooks/proxied/test', {}],
      ['/api/deliveries/resend', { state: 'nothing' }],
    ];
    for (const [path, body] of asked) {
      const answer = await ask(path, { method: 'POST', body: JSON.stringify(body) });
      expect({ path, found: found(await answer.text()) }).toEqual({ path, found: [] });
    }
    const wrong = await fetch(`${page}/api/status`, {
      headers: { authorization: 'Bearer canary-wrong-7d3f' },
    });
    expect(found(await wrong.text())).toEqual([]);
  });

  it('stand in no reload that is refused', async () => {
    const { readFile, writeFile } = await import('node:fs/promises');
    const before = await readFile(folder.file, 'utf8');
    const config = JSON.parse(before) as { webhooks: Record<string, unknown>[] };
    for (const changes of [
      { proxy: CANARY('not-a-url') },
      { secret: { x: CANARY('shape') } },
      { additional_headers: [CANARY('list')] },
    ]) {
      await writeFile(
        folder.file,
        JSON.stringify({ ...config, webhooks: [{ ...config.webhooks[0], ...changes }] }),
      );
      const answer = await ask('/-/reload', { method: 'POST', body: '{}' });
      expect({ status: answer.status, found: found(await answer.text()) }).toEqual({
        status: 422,
        found: [],
      });
      expect(found(await (await ask('/system')).text())).toEqual([]);
    }
    await writeFile(folder.file, before);
  });

  it('stand nowhere in the queue or in what walhook keeps in the database', async () => {
    const dump = redis === null ? await databaseText(queue) : await redisText(redis.url);
    const kept = await databaseText(database, ['t']);
    // Something is there to be looked through.
    expect(dump).toMatch(/untrusted/);
    expect(dump.length).toBeGreaterThan(1_000);
    expect({ queue: found(dump), database: found(kept) }).toEqual({ queue: [], database: [] });
    // The key of the TLS client stands in its file alone.
    expect(dump + daemon.output()).not.toContain('PRIVATE KEY');
  });

  it('stand in no line of the log, at its most talkative, and in no metric', async () => {
    const url = String(daemon.log().find(({ msg }) => msg === 'metrics are served')?.['url']);
    expect(found(await (await fetch(`${url}/metrics`)).text())).toEqual([]);
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect(daemon.output()).toContain('audit');
    expect(found(daemon.output())).toEqual([]);
  });

  it('stand in nothing that the commands print', async () => {
    const commands = [
      ['status'],
      ['status', '--json'],
      ['check'],
      ['check', '--json'],
      ['validate'],
      ['validate', '--json'],
      ['webhooks', 'list', '--json'],
      ['deliveries', 'list', '--json'],
      ['deliveries', 'list', '--state', 'nothing'],
    ];
    const printed = await Promise.all(
      commands.map(async (args) => {
        const { stdout, stderr } = await walhook([...args, '-c', folder.file], { env: ENV });
        return { args, found: found(stdout + stderr) };
      }),
    );
    expect(printed).toEqual(commands.map((args) => ({ args, found: [] })));
  }, 120_000);

  it('stand in no word of a command that cannot reach its services, with and without a trace', async () => {
    const login = `nobody:${CANARY('wrong-password')}`;
    const { readFile } = await import('node:fs/promises');
    const config = JSON.parse(await readFile(folder.file, 'utf8')) as Record<string, Record<string, unknown>>;
    const port = new URL(database.url).port;
    for (const url of [
      `postgres://${login}@127.0.0.1:${port}/nothing`,
      `postgres://${login}@127.0.0.1:9/nothing`,
      `postgres://${login}@127.0.0.1:notaport/x`,
      `redis://${login}@127.0.0.1:9`,
      `rediss://${login}@127.0.0.1:${port}`,
      `mysql://${login}@127.0.0.1/x`,
    ]) {
      await using wrong = await configFolder({
        ...config,
        postgres: { ...config['postgres'], ...(url.startsWith('postgres') ? { url } : {}) },
        queue: { ...config['queue'], url },
      });
      const { code, stdout, stderr } = await walhook(['status', '--debug', '-c', wrong.file], { env: ENV });
      expect({ url, code: code === 0, found: found(stdout + stderr) }).toEqual({
        url,
        code: false,
        found: [],
      });
    }
  }, 120_000);

  it('stand in no line of a daemon that waits for its database, and is killed', async () => {
    const { readFile } = await import('node:fs/promises');
    const config = JSON.parse(await readFile(folder.file, 'utf8')) as Record<string, Record<string, unknown>>;
    const url = `postgres://nobody:${CANARY('wrong-password')}@127.0.0.1:9/nothing`;
    await using wrong = await configFolder({ ...config, postgres: { ...config['postgres'], url } });
    await using waiting = startDaemon(['-c', wrong.file, '--debug'], { env: ENV });
    await until(() => waiting.output().includes('UNREACHABLE'), { timeoutMs: 60_000 });
    waiting.kill('SIGKILL');
    await waiting.ended;
    expect(found(waiting.output())).toEqual([]);
  });
});
