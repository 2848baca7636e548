/**
 * The commands and statements of the pages, run as they are written: only hosts, ports and passwords that a page
 * takes for an example are put in their place. Which block is run by which test, and which by none, is held by
 * test/docs/blocksRun.test.ts.
 */
import { spawnSync } from 'node:child_process';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { migratePeeringManager } from '../helpers/peeringManager.ts';
import { startPostgres, type TestServer } from '../helpers/servers.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { openShell, type Running, type Shell } from './shell.ts';
import { commandsOf, replaced, shellBlock, yamlBlock } from './shellBlocks.ts';

const isPsql = spawnSync('psql', ['--version']).status === 0;
if (!isPsql && process.env['CI'] === 'true')
  throw new Error('No psql: with CI=true its test is not skipped.');

// A server of its own, as the reader has: the pages keep the default names of slot and role, which are the server's.
let server: TestServer;
beforeAll(async () => {
  server = await startPostgres({ max_replication_slots: '20', max_wal_senders: '20' });
});
afterAll(() => server[Symbol.asyncDispose]());

/** What one story needs: a database with its tables, a database for the queue, a receiver, a shell. */
interface Place extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly queue: TestDatabase;
  readonly sink: Sink;
  readonly shell: Shell;
  readonly adminPort: number;
}

async function openPlace(sql: string): Promise<Place> {
  const database = await createDatabase(server.url);
  const queue = await createDatabase(server.url);
  const sink = await openSink();
  const shell = await openShell();
  const adminPort = await freePort();
  await database.client.query(sql);
  return {
    database,
    queue,
    sink,
    shell,
    adminPort,
    async [Symbol.asyncDispose]() {
      await shell[Symbol.asyncDispose]();
      await sink[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      await queue[Symbol.asyncDispose]();
      await dropRoles();
    },
  };
}

/** Roles are the server's: each story begins without those of the one before. */
async function dropRoles(): Promise<void> {
  await using last = await createDatabase(server.url);
  for (const role of ['walhook', 'walhook_editor']) await last.client.query(`drop role if exists ${role}`);
}

/** Runs commands that have to succeed, and returns what they print. */
async function runs(
  shell: Shell,
  commands: string,
  env: Readonly<Record<string, string>> = {},
  input = '',
): Promise<string> {
  const done = await shell.run(commands, env, input);
  expect(done.code, `${commands}\n${done.stdout}${done.stderr}`).toBe(0);
  return done.stdout;
}

/** The same at a terminal, where walhook asks; `input` is what is typed. */
const atTerminal = (command: string) => `script -qec ${JSON.stringify(command)} /dev/null`;

describe('docs/operating.md, first steps', () => {
  it.skipIf(!isPsql)('lead from a database that is there to a webhook that arrives', async () => {
    await using place = await openPlace(
      'create table orders (id int primary key, status text); create table visits (at timestamptz)',
    );
    const { database, queue, shell, adminPort } = place;
    const receiver = await freePort();
    const block = replaced(shellBlock('docs/operating.md', 'walhook setup --print --role walhook'), {
      'postgres://admin@db.example.com/app': database.url,
      'redis://queue.example.com': queue.url,
      'postgres://walhook:password@db.example.com/app': database.urlFor({
        user: 'walhook',
        password: 'change me',
      }),
      'walhook receiver &': `walhook receiver --port ${receiver} &`,
      // Where the page of another walhook has the usual port.
      'walhook run': `sed -i 's/^# admin:.*//' walhook.yaml; echo 'admin: {listen: "127.0.0.1:${adminPort}"}' >> walhook.yaml; walhook run`,
    });
    await using running = shell.start(block, { WEBHOOK_URL: `http://localhost:${receiver}/` });
    await running.untilPrinted('capturing');
    await database.client.query("insert into orders values (7, 'by the pages')");
    await running.untilPrinted('by the pages');
    const { rows } = await database.client.query(
      "select usename from pg_stat_replication where application_name like 'walhook%'",
    );
    expect(rows).toEqual([{ usename: 'walhook' }]);
  });
});

describe('README.md, attaching', () => {
  it('goes by its words, from `init` to a webhook that arrives', async () => {
    await using place = await openPlace(`
      create table peering_internetexchangepeeringsession (id int primary key, ip_address inet, status text, multihop_ttl int);
      alter table peering_internetexchangepeeringsession replica identity full;`);
    const { database, queue, sink, shell, adminPort } = place;
    const env = { DATABASE_URL: database.url, QUEUE_URL: queue.url };
    const [init = '', ...others] = commandsOf(shellBlock('README.md', 'walhook init'));
    await runs(shell, init, env);

    const config = replaced(yamlBlock('README.md', 'slack-ixp-session'), {
      'redis://queue.example.com': queue.url,
      'https://hooks.example.com/': sink.url,
      '/run/secrets/slack': `${shell.folder}/slack`,
    });
    await shell.write('slack', 'a-secret');
    await shell.write('walhook.yaml', `${config}\nadmin: {listen: "127.0.0.1:${adminPort}"}\n`);
    const event = JSON.stringify({
      event: 'updated',
      model: 'peering_internetexchangepeeringsession',
      data: { id: 85, ip_address: '::1', status: 'enabled', multihop_ttl: 1 },
      snapshots: { prechange: { status: 'requested' }, postchange: { status: 'enabled' } },
    });
    await shell.write('event.json', event);

    const run = others.pop() ?? '';
    expect(run).toBe('walhook run');
    for (const command of others) {
      const printed = await runs(shell, command, env);
      if (command.startsWith('walhook try')) expect(JSON.parse(printed)).toMatchObject({ matched: true });
    }
    await using running = shell.start(run, env);
    await running.untilPrinted('capturing');
    await database.client.query(
      "insert into peering_internetexchangepeeringsession values (85, '::1', 'enabled', 1)",
    );
    const [first] = await until(() => (sink.received.length > 0 ? sink.received : null), {
      timeoutMs: 30_000,
    });
    expect(first).toMatchObject({ path: '/services/peering_internetexchangepeeringsession' });
    expect(JSON.parse(first?.body ?? '')).toEqual({ text: 'IXP session ::1 was created by None.' });
  });
});

const SHOP = `
  create table customer (id int primary key, name text);
  create table shop_order (id int primary key, number text, total numeric(9, 2), customer_id int references customer,
    status text, card_token text, updated_at timestamptz);
  alter table shop_order replica identity full;
  insert into customer values (3, 'Acme'), (42, 'Forgotten');
  insert into shop_order values (7, 'A-7', 19.90, 3, 'open', 't', now()), (8, 'A-8', 5, 3, 'open', 't', now());
  create table orders (id int primary key);`;

// One story of one shop, told in its order.
describe('the webhook of docs/webhooks.md', { shuffle: false }, () => {
  const TOKEN = 'a-token-of-32-characters-or-more';
  let place: Place;
  let env: Record<string, string>;
  let running: Running;
  let status = 200;

  beforeAll(async () => {
    place = await openPlace(SHOP);
    const { database, queue, sink, shell, adminPort } = place;
    sink.answerWith((_request, response) => {
      response.statusCode = status;
      response.end();
    });
    env = { DATABASE_URL: database.url, QUEUE_URL: queue.url, TOKEN };
    const text = replaced(yamlBlock('docs/webhooks.md', 'table: public.shop_order\n    display'), {
      '/run/secrets/order-paid': `${shell.folder}/order-paid`,
      'https://hooks.example.com/': sink.url,
    });
    const config = parse(text) as { webhooks: object[] };
    // What further pages speak of: tokens, webhooks kept as rows, a second webhook.
    const more = {
      webhooks: [
        // One try each: what is refused has failed at once.
        ...config.webhooks.map((webhook) => ({ ...webhook, retry: { schedule: [] } })),
        { name: 'customers', models: ['customer'], events: ['updated'], url: `${sink.url}customers` },
        { name: 'new orders', models: ['orders'], events: ['updated'], url: `${sink.url}orders` },
      ],
      admin: {
        listen: `127.0.0.1:${adminPort}`,
        tokens: [{ name: 'me', role: 'admin', token: '${TOKEN}' }],
      },
      rows: { allow_hosts: ['hooks.example.com'] },
      secrets: { slack: 'x' },
    };
    await shell.write('order-paid', 'a-secret');
    await shell.write('walhook.yaml', stringify({ ...config, ...more }));
    const [{ event }] = (parse(text) as { tests: [{ event: object }] }).tests;
    await shell.write('event.json', JSON.stringify(event));
    await shell.write('events.ndjson', `${JSON.stringify(event)}\n${JSON.stringify(event)}\n`);
  });

  afterAll(async () => {
    await running?.end();
    await place[Symbol.asyncDispose]();
  });

  const pay = (id: number) =>
    place.database.client.query("update shop_order set status = 'paid' where id = $1", [id]);
  const reopen = (id: number) =>
    place.database.client.query("update shop_order set status = 'open' where id = $1", [id]);
  const untilReceived = (count: number) =>
    until(() => place.sink.received.length >= count, { timeoutMs: 30_000, what: `request ${count}` });
  /** Failed ones, by the command of the page itself. */
  const failed = async () =>
    JSON.parse(
      await runs(place.shell, 'walhook deliveries list --webhook order-paid --state failed --json', env),
    ) as { deliveries: { id: string }[] };

  it('is tried offline as the page says', async () => {
    for (const command of commandsOf(shellBlock('docs/webhooks.md', 'events.ndjson --expect-match')))
      await runs(place.shell, command);
  });

  it('is validated, set up, checked and run by the three lines below it', async () => {
    const block = shellBlock('docs/webhooks.md', 'walhook validate --test');
    running = place.shell.start(block, env);
    await running.untilPrinted('capturing');
    await pay(7);
    await untilReceived(1);
    expect(place.sink.received[0]).toMatchObject({ path: '/orders/7' });
    expect(place.sink.events()[0]).toEqual({
      text: 'Order A-7 was paid, 19.90 EUR, by nobody known',
      was: 'open',
    });
  });

  it('is explained where it did not fire', async () => {
    await reopen(7);
    const said = () => place.shell.run(shellBlock('docs/webhooks.md', 'walhook explain'), env);
    await until(async () => /status\.value/.test((await said()).stdout), { timeoutMs: 30_000 });
  });

  it('has its failed Deliveries listed, shown, resent, cancelled and purged by docs/deliveries.md', async () => {
    status = 400;
    await pay(7);
    const [one] = await until(async () => {
      const { deliveries } = await failed();
      return deliveries.length > 0 && deliveries;
    });
    status = 200;
    const seen = place.sink.received.length;
    const block = replaced(shellBlock('docs/deliveries.md', 'walhook deliveries purge'), {
      '5f0c1a2b-000000000155d2a8-00000000-1b2c3d4e-9a8b7c6d': one?.id ?? '',
    });
    const printed: Record<string, string> = {};
    for (const command of commandsOf(block)) {
      // What is not told --yes asks at a terminal.
      const isAsking = /(resend|cancel) /.test(command);
      printed[command.split(' ').slice(2, 4).join(' ')] = isAsking
        ? await runs(place.shell, atTerminal(command), env, 'y\n')
        : await runs(place.shell, command, env);
    }
    expect(printed[`show ${one?.id}`]).toContain('400');
    await untilReceived(seen + 1);
    expect(place.sink.received.at(-1)?.headers).toMatchObject({ 'webhook-resend': '1' });
    await until(async () => (await failed()).deliveries.length === 0);
  });

  it('is listed, paused, resumed and tested from the shell', async () => {
    const [list = '', pause = '', resume = '', test = ''] = commandsOf(
      shellBlock('docs/deliveries.md', 'walhook webhooks pause'),
    );
    expect(await runs(place.shell, list, env)).toContain('order-paid');
    await runs(place.shell, pause, env);
    const seen = place.sink.received.length;
    await pay(8);
    await until(async () =>
      (await runs(place.shell, 'walhook webhooks list', env)).match(/order-paid.*paused|paused.*order-paid/),
    );
    expect(place.sink.received.length).toBe(seen);
    await runs(place.shell, resume, env);
    await untilReceived(seen + 1);
    await runs(place.shell, test, env);
    await untilReceived(seen + 2);
    expect(place.sink.received.at(-1)?.headers).toMatchObject({ 'webhook-test': '1' });
  });

  it('is asked about, resent and edited by the calls of docs/admin.md', async () => {
    status = 400;
    await reopen(8);
    await pay(8);
    await until(async () => (await failed()).deliveries.length > 0);
    status = 200;
    const here = { 'localhost:8080': `localhost:${place.adminPort}` };
    const [list = '', count = '', tail = ''] = commandsOf(
      replaced(shellBlock('docs/admin.md', 'api/deliveries?webhook'), {
        ...here,
        sessions: 'order-paid',
      }),
    );
    expect(JSON.parse(await runs(place.shell, list, env))).toMatchObject({
      items: [{ webhook: 'order-paid', state: 'failed' }],
    });
    expect(JSON.parse(await runs(place.shell, count, env))).toMatchObject({ count: 1 });
    await using following = place.shell.start(tail, env);
    const seen = place.sink.received.length;
    await runs(place.shell, count.replace(', "dry_run": true', ''), env);
    await untilReceived(seen + 1);
    await following.untilPrinted('order-paid');

    const [create = '', dryRun = '', patch = ''] = commandsOf(
      replaced(shellBlock('docs/admin.md', 'PATCH'), {
        ...here,
        '{…}':
          '{"name": "n", "models": ["orders"], "events": ["created"], "url": "https://hooks.example.com/"}',
      }),
    );
    expect(JSON.parse(await runs(place.shell, create, env))).toMatchObject({ name: 'orders' });
    expect(JSON.parse(await runs(place.shell, dryRun, env))).toMatchObject({ matched: true });
    const ordersUrl = `http://localhost:${place.adminPort}/api/webhooks/orders`;
    const askForOrders = () => fetch(ordersUrl, { headers: { authorization: `Bearer ${TOKEN}` } });
    const answered = await until(async () => {
      const answer = await askForOrders();
      return answer.status === 200 && answer;
    });
    const changed = replaced(patch, { '"tU0kqm…"': answered.headers.get('etag') ?? '' });
    expect(JSON.parse(await runs(place.shell, changed, env))).toMatchObject({ name: 'orders' });
    // The answer may come before the row has come back through the slot.
    await until(async () => {
      const { state } = (await (await askForOrders()).json()) as { state?: string };
      return state === 'disabled';
    });
  });
});

describe('the receiver of docs/webhooks.md', () => {
  it('takes what its two lines ask for', async () => {
    await using shell = await openShell();
    for (const command of commandsOf(shellBlock('docs/webhooks.md', 'walhook receiver'))) {
      const port = await freePort();
      await using running = shell.start(replaced(command, { 9000: String(port) }));
      const answer = await until(() =>
        fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '{"by":"hand"}' }).catch(() => null),
      );
      expect([200, 500]).toContain(answer.status);
      await running.untilPrinted('hand');
    }
  });
});

describe('walhook/verify as docs/webhooks.md calls it', () => {
  it('takes a signed request once, and throws at another', async () => {
    const built = new URL('../../dist/verify/verify.js', import.meta.url).href;
    const source = replaced(shellBlock('docs/webhooks.md', 'SeenIds'), { "'walhook/verify'": `'${built}'` });
    const caller = `
import { createHmac } from 'node:crypto';
const seconds = Math.floor(Date.now() / 1000);
const signature = createHmac('sha256', process.env.WEBHOOK_SECRET).update('a.' + seconds + '.{}').digest('base64');
const headers = {'webhook-id': 'a', 'webhook-timestamp': String(seconds), 'webhook-signature': 'v1,' + signature};
handle(headers, '{}');
handle(headers, '{}');
try { handle(headers, '{} '); } catch (error) { console.log(error.reason); }`;
    await using shell = await openShell();
    await shell.write('receiver.mjs', source + caller);
    expect(await runs(shell, 'node receiver.mjs', { WEBHOOK_SECRET: 'a-secret' })).toBe('no_match\n');
  });
});

describe('who changed it, by the statements of docs/context.md', () => {
  it('is told of each, to a daemon with the role of docs/security.md', async () => {
    await using place = await openPlace(`
      create table orders (id int primary key, status text); create table customers (id int primary key);
      insert into orders values (7, 'new')`);
    const { database, queue, sink, shell, adminPort } = place;
    await shell.write(
      'walhook.yaml',
      stringify({
        environment: 'test',
        postgres: { url: '${DATABASE_URL}' },
        queue: { url: queue.url },
        admin: { listen: `127.0.0.1:${adminPort}` },
        webhooks: [
          { name: 'orders', models: ['orders', 'customers'], events: ['updated'], url: sink.url },
          { name: 'of rows', models: ['orders'], events: ['deleted'], url: sink.url },
        ],
        rows: { allow_hosts: ['hooks.example.com'] },
        secrets: { slack: 'x' },
      }),
    );
    await runs(shell, 'walhook setup', { DATABASE_URL: database.url });
    await database.client.query(shellBlock('docs/security.md', 'create role walhook login'));
    const env = { DATABASE_URL: database.urlFor({ user: 'walhook', password: 'change me' }) };
    await runs(shell, 'walhook check', env);
    await using running = shell.start('walhook run', env);
    await running.untilPrinted('capturing');

    const { client } = database;
    const untilKnown = (count: number) =>
      until(() => sink.received.length >= count && sink.events()[count - 1], { timeoutMs: 30_000 });
    await client.query(shellBlock('docs/context.md', 'walhook.set_context'));
    expect(await untilKnown(1)).toMatchObject({ username: 'alice', request_id: 'req-42' });
    await client.query('begin');
    await client.query(shellBlock('docs/context.md', 'pg_logical_emit_message'));
    await client.query("update orders set status = 'sent' where id = 7");
    await client.query('commit');
    expect(await untilKnown(2)).toMatchObject({ username: 'alice', request_id: 'req-42' });
    await client.query(shellBlock('docs/context.md', "select walhook.track('public.orders');"));
    await client.query(shellBlock('docs/context.md', 'set local walhook.username'));
    expect(await untilKnown(3)).toMatchObject({ username: 'alice', request_id: 'req-42' });
    await client.query(shellBlock('docs/context.md', 'columns => false'));

    await client.query(shellBlock('docs/rows.md', 'insert into walhook.webhook'));
    await until(async () => (await runs(shell, 'walhook webhooks list', env)).includes('orders to slack'), {
      timeoutMs: 30_000,
    });
  });
});

describe('docs/migration.md', () => {
  const PEERING_MANAGER = {
    id: 1,
    name: 'slack',
    content_types: ['peering.internetexchangepeeringsession'],
    type_create: true,
    type_update: true,
    type_delete: false,
    payload_url: 'https://hooks.example.com/{{ model }}',
    enabled: true,
    http_method: 'POST',
    http_content_type: 'application/json',
    ssl_verification: true,
  };
  const NETBOX = {
    id: 3,
    name: 'nb',
    payload_url: 'https://hooks.example.com/site',
    http_method: 'PUT',
    http_content_type: 'application/json',
    ssl_verification: true,
  };
  const RULE = {
    id: 9,
    name: 'sites',
    object_types: ['dcim.site'],
    event_types: ['object_created'],
    enabled: true,
    conditions: null,
    action_type: 'webhook',
    action_object_type: 'extras.webhook',
    action_object_id: 3,
  };

  it.each([
    ['Peering Manager', 'webhooks.json --output', 'pm', { webhooks: [PEERING_MANAGER] }],
    ['NetBox', 'rules.json --output', 'nb', { webhooks: [NETBOX], 'event-rules': [RULE] }],
  ])('brings the webhooks of %s over by its commands', async (_name, having, host, lists) => {
    const tokens: string[] = [];
    const { server: api, url } = await serve((request, response) => {
      tokens.push(request.headers.authorization ?? '');
      const name = /\/api\/extras\/([\w-]+)\/(?:\?|$)/.exec(request.url ?? '')?.[1] ?? '';
      const results = (lists as Readonly<Record<string, object[]>>)[name] ?? [];
      response.end(JSON.stringify({ count: results.length, next: null, previous: null, results }));
    });
    try {
      await using shell = await openShell();
      const block = replaced(shellBlock('docs/migration.md', having), {
        [`https://${host}.example.com`]: url,
      });
      const env = {
        PM_TOKEN: 'secret',
        NB_TOKEN: 'secret',
        DATABASE_URL: 'postgres://x/x',
        QUEUE_URL: 'redis://x',
      };
      await runs(shell, `${block}\nwalhook validate`, env);
      expect(new Set(tokens)).toEqual(new Set(['Token secret']));
    } finally {
      api.closeAllConnections();
      api.close();
    }
  });
});

async function serve(listener: RequestListener): Promise<{ server: Server; url: string }> {
  const api = createServer(listener);
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  return { server: api, url: `http://127.0.0.1:${(api.address() as AddressInfo).port}` };
}

describe('docs/peering-manager.md', () => {
  it('sets up, checks and runs with its file as it is', async () => {
    await using place = await openPlace('select 1');
    const { database, queue, sink, shell, adminPort } = place;
    await migratePeeringManager(database.client);
    const config = replaced(yamlBlock('docs/peering-manager.md', 'preset: peering-manager'), {
      'redis://queue.example.com': queue.url,
      'https://hooks.example.com/': sink.url,
    });
    await shell.write('walhook.yaml', `${config}\nadmin: {listen: "127.0.0.1:${adminPort}"}\n`);
    await using running = shell.start(shellBlock('docs/peering-manager.md', 'walhook setup'), {
      DATABASE_URL: database.url,
    });
    await running.untilPrinted('capturing');
  });
});
