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

/** What else PostgreSQL allows: quoted names, reserved words, domains, inheritance, keys that are none. */
const ODD = `
  create schema "Shop"; create schema "group"; create schema "a.b";
  create type "Shop"."orderState" as enum ('new', 'in-progress', 'it''s "done"', '\${X}');
  create domain "Shop"."Email" as text check (value like '%@%');
  create domain state as "Shop"."orderState";
  create type address as (street text, city text);
  create table "Shop"."orderItem" ("orderItemId" uuid primary key default gen_random_uuid(), "displayName" "Shop"."Email",
    "order" int, "select" text, "State" "Shop"."orderState", states "Shop"."orderState"[], s state, addr address, "updatedBy" text);
  create table "user" (id bigint generated always as identity primary key, "firstName" text, "lastName" text, "group" text,
    event text, data jsonb, items text[]);
  create table "order" (id int primary key, "user" bigint references "user", total numeric(12, 2), "\${DATABASE_URL}" text);
  create table parent (id int primary key, name text);
  create table child (extra text) inherits (parent);
  create table deferred (id int primary key deferrable initially deferred, name text);
  create table no_key (a int, b text);
  create table by_index (code text not null unique, name text);
  alter table by_index replica identity using index by_index_code_key;
  create table of_nothing (id int primary key); alter table of_nothing replica identity nothing;
  create table empty ();
  create unlogged table unlogged (id int primary key);
  create table "a.b"."c.d" (id int primary key);
  create table "group"."table" (id int primary key, label text);
  create table "\${HOME}" (id int primary key, name text);
  create table ruled (id int primary key, name text);
  create rule r as on update to ruled do instead nothing;
  create view shown as select * from ruled;`;

/** The audit tables and histories that libraries keep, and tables that only look like them. */
const AUDITED = `
  create table versions (id bigserial primary key, item_type varchar not null, item_id bigint not null,
    event varchar not null, whodunnit varchar, object text, created_at timestamp);
  create table audits (id bigserial primary key, auditable_id int, auditable_type varchar, user_id int, username varchar,
    action varchar, audited_changes jsonb, request_uuid varchar, created_at timestamp);
  create table revinfo (rev int primary key, revtstmp bigint, username text);
  create table customer (id int primary key, name text);
  create table customer_aud (id int, rev int references revinfo, revtype smallint, name text, primary key (rev, id));
  create table shop_historicalproduct (id int, name text, history_id serial primary key, history_date timestamptz,
    history_type char(1), history_user_id int);
  create table cart_lines (id int primary key, item_id int, request_id int);
  create table comments (id int primary key, object_id int, username text, body text);`;

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

/** The daemon has still to start when rows are written already: on a machine with much to do that takes a while. */
const ARRIVAL = { timeoutMs: 60_000 };

/** As many Events as are expected, by model: they go out side by side. */
async function arrived({ sink }: Attached, count: number): Promise<ReturnType<Sink['events']>> {
  const events = await until(() => {
    const all = sink.events();
    return all.length >= count && all;
  }, ARRIVAL);
  expect(events).toHaveLength(count);
  return events.toSorted((a, b) => (String(a['model']) < String(b['model']) ? -1 : 1));
}

const tables = ({ proposed }: Attached) => proposed.models.map(({ table }) => table);

describe('a database that walhook init has never seen', { timeout: 180_000 }, () => {
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
    const event = await until(() => attached.sink.events()[0], ARRIVAL);
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
    const event = await until(() => attached.sink.events()[0], ARRIVAL);
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
    const [line, measure] = await arrived(attached, 2);
    expect(measure).toMatchObject({ model: 'measure', username: 'alice' });
    expect(line).toMatchObject({ model: 'Sales.Order Lines', data: { display: 'screws' } });
  });

  it('with quoted names, reserved words, domains, inheritance and keys that are none', async () => {
    await using attached = await attach(ODD);
    expect(attached.proposed.models.map(({ table, display }) => [table, display])).toEqual([
      ['public.$${HOME}', '{{ name }}'],
      ['public.by_index', '{{ name }}'],
      ['public.order', undefined],
      ['public.parent', '{{ name }}'],
      ['public.ruled', '{{ name }}'],
      ['public.user', '{{ firstName }} {{ lastName }}'],
      ['Shop.orderItem', '{{ displayName }}'],
      ['group.table', '{{ label }}'],
    ]);
    for (const left of ['public.child', 'public.deferred', 'public.no_key', 'public.of_nothing', 'a.b.c.d']) {
      expect(attached.text).toContain(`#   ${left}: `);
    }
    await attached.database.client.query(`
      insert into "\${HOME}" values (1, 'home');
      insert into by_index values ('c', 'by index');
      insert into "user" ("firstName", "lastName", data, items) values ('Ada', 'L', '{"a": 1}', '{x}');
      insert into "order" values (1, 1, 10, 'a dollar');
      insert into parent values (1, 'a parent'); insert into child values (2, 'a child', 'x'); update child set name = 'y';
      update deferred set name = 'x';
      insert into "Shop"."orderItem" ("displayName", "State", states, s, addr, "updatedBy")
        values ('a@b', 'new', '{new}', 'in-progress', row('s', 'c'), 'zoe');
      insert into "group"."table" values (1, 'a label')`);
    const events = await arrived(attached, 7);
    expect(events.map(({ model }) => model)).toEqual([
      '${HOME}',
      'Shop.orderItem',
      'by_index',
      'group.table',
      'order',
      'parent',
      'user',
    ]);
    expect(events[0]).toMatchObject({ data: { display: 'home' } });
    expect(events[1]).toMatchObject({ username: 'zoe', data: { display: 'a@b', s: 'in-progress' } });
    expect(events[4]).toMatchObject({ data: { user: 1, '${DATABASE_URL}': 'a dollar' } });
    expect(events[6]).toMatchObject({ data: { display: 'Ada L', data: { a: 1 } } });
  });

  it('with the audit tables of PaperTrail, audited and Envers, and tables that only look like them', async () => {
    await using attached = await attach(AUDITED);
    expect(attached.proposed.context).toEqual([
      { message: 'walhook' },
      {
        table: 'public.audits',
        username: 'username',
        request_id: 'request_uuid',
        match: { auditable_id: 'id' },
      },
      { table: 'public.versions', username: 'whodunnit', match: { item_id: 'id' } },
      { table: 'public.revinfo', username: 'username' },
    ]);
    expect(tables(attached)).toEqual(['public.cart_lines', 'public.comments', 'public.customer']);
    const { client } = attached.database;
    await client.query(
      "begin; insert into customer values (1, 'a'); insert into revinfo values (1, 1, 'of envers'); insert into customer_aud values (1, 1, 0, 'a'); commit",
    );
    await client.query(
      "begin; insert into cart_lines values (1, 7, 8); insert into versions (item_type, item_id, event, whodunnit) values ('CartLine', 1, 'create', 'of paper trail'); commit",
    );
    await client.query(
      "begin; insert into comments values (1, 7, 'u', 'b'); insert into audits (auditable_id, action, username, request_uuid) values (1, 'create', 'of audited', 'r-9'); commit",
    );
    const events = await arrived(attached, 3);
    expect(events.map(({ model, username, request_id }) => [model, username, request_id])).toEqual([
      ['cart_lines', 'of paper trail', null],
      ['comments', 'of audited', 'r-9'],
      ['customer', 'of envers', null],
    ]);
  });

  it('has no file of its user overwritten', async () => {
    await using folder = await configFolder({ environment: 'mine' });
    const env = { DATABASE_URL: 'postgres://localhost:1/x', WALHOOK_CONFIG: folder.file };
    const done = await walhook(['init'], { env });
    expect(done).toMatchObject({ code: 2, stderr: expect.stringContaining('walhook init --force') });
    expect(await readFile(folder.file, 'utf8')).toContain('mine');
  });
});
