/** init → setup → check → run on databases it has never seen, without a line edited by hand. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Scope } from '../../src/core/lifecycle.ts';
import { configFolder, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

/** As `pgbench -i` makes them: one of the four has no key. */
const PGBENCH = `
  create table pgbench_branches (bid int primary key, bbalance int, filler char(88));
  create table pgbench_tellers (tid int primary key, bid int references pgbench_branches, tbalance int, filler char(84));
  create table pgbench_accounts (aid int primary key, bid int references pgbench_branches, abalance int, filler char(84));
  create table pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));`;

/** An application of Django's with its own tables and an audit table like NetBox's. */
const DJANGO = `
  create table django_session (session_key varchar(40) primary key, session_data text);
  create table django_migrations (id bigint primary key, app text, name text);
  create table shop_customer (id bigint primary key, first_name text, last_name text);
  create type order_status as enum ('new', 'in_progress', 'done');
  create table shop_order (id bigint primary key, customer_id bigint references shop_customer, status order_status, name text);
  create table core_objectchange (
    id bigint generated always as identity primary key, time timestamptz default now(), user_name varchar(150),
    request_id uuid, action varchar(50), changed_object_id bigint, changed_object_type_id int);`;

/** Partitions, composite keys, other schemas and names that need quotes. */
const PARTITIONS = `
  create schema "Sales";
  create table "Sales"."Order Lines" (order_id int, line int, title text, primary key (order_id, line));
  create table measure (at date, sensor int, value numeric, updated_by text, primary key (at, sensor)) partition by range (at);
  create table measure_2026 partition of measure for values from ('2026-01-01') to ('2027-01-01');
  create table "a: #b
c" (id int primary key, name text);`;

interface Proposed {
  readonly models: readonly { readonly name: string; readonly table: string; readonly display?: string }[];
  readonly context?: readonly Record<string, unknown>[];
}

interface Attached extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly sink: Sink;
  readonly text: string;
  readonly proposed: Proposed;
}

/** Everything from init to a running daemon. */
async function attach(schema: string): Promise<Attached> {
  const scope = new Scope();
  const keep = <T extends AsyncDisposable>(part: T): T => {
    scope.defer(async () => part[Symbol.asyncDispose]());
    return part;
  };
  const database = keep(await createDatabase());
  const queue = keep(await createDatabase());
  const sink = keep(await openSink());
  const folder = keep(await configFolder({}));
  await database.client.query(schema);
  const file = path.join(path.dirname(folder.file), 'proposed.yaml');
  const env = {
    DATABASE_URL: database.url,
    QUEUE_URL: queue.url,
    WEBHOOK_URL: sink.url,
    WALHOOK_CONFIG: file,
  };
  expect(await walhook(['init'], { env })).toMatchObject({ code: 0, stderr: '' });
  for (const command of ['validate', 'setup', 'check']) {
    const done = await walhook([command], { env });
    expect(done, `${command}: ${done.stdout}${done.stderr}`).toMatchObject({ code: 0 });
  }
  keep(startDaemon([], { env }));
  const text = await readFile(file, 'utf8');
  return {
    database,
    sink,
    text,
    proposed: parse(text) as Proposed,
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}

const tables = ({ proposed }: Attached) => proposed.models.map(({ table }) => table);

describe('a database that walhook init has never seen', () => {
  it('of pgbench: the tables with a key, and how to watch the one without', async () => {
    await using attached = await attach(PGBENCH);
    expect(tables(attached)).toEqual([
      'public.pgbench_accounts',
      'public.pgbench_branches',
      'public.pgbench_tellers',
    ]);
    expect(attached.text).toContain('ALTER TABLE public.pgbench_history REPLICA IDENTITY FULL;');
    await attached.database.client.query(
      "insert into pgbench_branches values (1, 0, ''); insert into pgbench_history values (1, 1, 1, 1, now(), '')",
    );
    const event = await until(() => attached.sink.events()[0]);
    expect(event).toMatchObject({ model: 'pgbench_branches', event: 'created' });
  });

  it('of Django: displays, labels, who did it from the audit table, nothing of the framework', async () => {
    await using attached = await attach(DJANGO);
    expect(attached.proposed.models).toEqual([
      { name: 'shop_customer', table: 'public.shop_customer', display: '{{ first_name }} {{ last_name }}' },
      { name: 'shop_order', table: 'public.shop_order', display: '{{ name }}' },
    ]);
    expect(attached.text).toContain('# foreign_keys: expand    # data then holds the rows of customer_id');
    expect(attached.text).toContain('# choices: {status: {new: New, in_progress: In progress, done: Done}}');
    await attached.database.client.query(`
      begin;
      insert into shop_customer values (1, 'Ada', 'L');
      insert into core_objectchange (user_name, request_id, action, changed_object_id)
        values ('ada', '8c9df9a2-4d5c-4a5e-9f0e-000000000001', 'create', 1);
      commit`);
    const event = await until(() => attached.sink.events()[0]);
    expect(event).toMatchObject({
      model: 'shop_customer',
      username: 'ada',
      request_id: '8c9df9a2-4d5c-4a5e-9f0e-000000000001',
      data: { display: 'Ada L' },
    });
  });

  it('with partitions, composite keys and hostile names', async () => {
    await using attached = await attach(PARTITIONS);
    expect(tables(attached)).toEqual(['public.a: #b\nc', 'public.measure', 'Sales.Order Lines']);
    await attached.database.client.query(`
      insert into measure values ('2026-05-01', 7, 1.50, 'alice');
      insert into "Sales"."Order Lines" values (1, 2, 'screws')`);
    const [measure, line] = await until(() => {
      const events = attached.sink.events();
      return events.length === 2 && events;
    });
    expect(measure).toMatchObject({ model: 'measure', username: 'alice' });
    expect(line).toMatchObject({ model: 'Sales.Order Lines', data: { display: 'screws' } });
  });

  it('has no file of its user overwritten', async () => {
    await using folder = await configFolder({ environment: 'mine' });
    const env = { DATABASE_URL: 'postgres://localhost:1/x', WALHOOK_CONFIG: folder.file };
    const done = await walhook(['init'], { env });
    expect(done).toMatchObject({ code: 2, stderr: expect.stringContaining('walhook init --force') });
    expect(await readFile(folder.file, 'utf8')).toContain('mine');
  });
});
