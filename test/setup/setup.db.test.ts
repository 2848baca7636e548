import { Client } from 'pg';
import { describe, expect, inject, it } from 'vitest';
import { setup as setupCommand } from '../../src/commands/setup.ts';
import { systemClock } from '../../src/core/clock.ts';
import { formatLsn } from '../../src/core/lsn.ts';
import { NO_TLS, openPool } from '../../src/database/connect.ts';
import { START } from '../../src/enqueue/position.ts';
import { toBatches } from '../../src/queue/delivery.ts';
import { openQueue } from '../../src/queue/open.ts';
import { ReplicationStream } from '../../src/replication/stream.ts';
import { Catalog } from '../../src/represent/catalog.ts';
import { checkDatabase } from '../../src/setup/check.ts';
import { checkBinding, SCHEMA_VERSION } from '../../src/setup/installation.ts';
import { ident } from '../../src/setup/names.ts';
import { tellNotices } from '../../src/setup/perform.ts';
import { deliveries } from '../deliver/webhooks.ts';
import { configFolder } from '../helpers/command.ts';
import { testRelation } from '../helpers/rows.ts';
import { until } from '../helpers/until.ts';
import { type Fixture, openFixture } from './fixture.ts';

const ORDERS = 'create table orders (id int primary key, v text)';

/** Everything that setup could make, counted. */
async function objects({ client, database }: Fixture): Promise<Record<string, number>> {
  const { rows } = await client.query<Record<string, number>>(
    `select (select count(*)::int from pg_publication) as publications,
       (select count(*)::int from pg_publication_tables where schemaname <> 'walhook') as tables,
       (select count(*)::int from pg_namespace where nspname = 'walhook') as schemas,
       (select count(*)::int from pg_replication_slots where database = current_database()) as slots`,
  );
  expect(database.name).not.toBe('');
  return rows[0] ?? {};
}
const NOTHING = { publications: 0, tables: 0, schemas: 0, slots: 0 };

async function session({ database }: Fixture, user?: string): Promise<Client> {
  const url = user === undefined ? database.url : database.urlFor({ user, password: 'pw' });
  const client = new Client({ connectionString: url, application_name: 'slow "app"' });
  await client.connect();
  return client;
}

describe('setup', () => {
  it('tells what its SQL raises for people, and no other notice', async () => {
    await using of = await openFixture();
    const told: string[] = [];
    const stop = tellNotices(of.client, (text) => told.push(text));
    await of.client.query(
      "drop table if exists nowhere; do $$ begin raise notice 'no role was made'; end $$",
    );
    stop();
    await of.client.query("do $$ begin raise notice 'too late'; end $$");
    expect(told).toEqual(['note: no role was made']);
  });

  it('makes publication, schema, slot and binding, and run finds nothing to object to', async () => {
    await using of = await openFixture();
    await of.client.query(
      `${ORDERS}; create table log (v text); create schema sales; create table sales.items (id int primary key)`,
    );
    const told = await of.setup();
    expect(told.join('\n')).toMatch(
      /public\.log is left out[\s\S]*publication: created[\s\S]*schema: created[\s\S]*slot: created[\s\S]*bound to the slot/,
    );
    expect(await objects(of)).toEqual({ publications: 1, tables: 2, schemas: 1, slots: 1 });
    const state = await of.state();
    expect(state).toMatchObject({
      hasHelpers: true,
      slot: { walStatus: 'reserved', plugin: 'pgoutput', database: of.database.name },
    });
    const bound = await of.store.state();
    expect(bound?.installation).toEqual(state.installation);
    checkBinding({
      store: bound,
      recorded: state.installation,
      identity: state.identity,
      environment: 'default',
      slot: of.names.slot,
    });
    expect(bound?.position).toBe(`${state.slot.confirmedFlushLsn.toString(16).padStart(16, '0')}-00000000`);
    expect(told.at(-1)).toContain(formatLsn(state.slot.confirmedFlushLsn));
  });

  it('changes nothing the second time', async () => {
    await using of = await openFixture();
    await of.client.query(ORDERS);
    await of.setup();
    const before = [
      await objects(of),
      (await of.store.state())?.installation,
      (await of.state()).slot.confirmedFlushLsn,
    ];
    const told = await of.setup();
    expect(told).toEqual(
      expect.arrayContaining(['publication: was there', 'schema: was there', 'slot: was there']),
    );
    expect([
      await objects(of),
      (await of.store.state())?.installation,
      (await of.state()).slot.confirmedFlushLsn,
    ]).toEqual(before);
  });

  it('brings a helper schema of an older version up to date, and keeps its rows', async () => {
    await using of = await openFixture();
    await of.client.query(ORDERS);
    await of.setup();
    await of.client.query(`
      drop view walhook.health;
      drop function walhook.mute();
      drop table walhook.identity_before;
      alter table walhook.installation drop column heartbeat_at, drop column wal_budget_bytes;
      update walhook.installation set schema_version = 1;
      comment on schema walhook is 'Helpers of walhook. Never watched; dropped by walhook teardown.'`);
    const { installation } = await of.state();
    expect(await of.state()).toMatchObject({ hasSchema: true, hasHelpers: false });
    expect(await of.setup()).toContain('schema: brought up to date');
    expect(await of.state()).toMatchObject({ hasHelpers: true, installation });
    const { rows } = await of.client.query(
      `select slot, heartbeat_at, (select schema_version from walhook.installation) as version,
         to_regprocedure('walhook.mute()') is not null and to_regclass('walhook.identity_before') is not null as whole
       from walhook.health`,
    );
    expect(rows).toEqual([{ slot: of.names.slot, heartbeat_at: null, version: SCHEMA_VERSION, whole: true }]);
    expect(await of.setup()).toContain('schema: was there');
    await of.client.query("comment on schema walhook is 'Helpers of walhook, version 99.'");
    expect(await of.setup()).toContain('schema: was there');
  });

  it("brings a queue's store of an older version up to date, at the position it has", async () => {
    await using of = await openFixture();
    await of.client.query(ORDERS);
    await of.setup();
    const { url, prefix } = of.config.queue;
    const queue = new Client({ connectionString: url.reveal() });
    await queue.connect();
    try {
      const schema = `${prefix}_queue`;
      await queue.query(`update ${schema}.store set format = 1`);
      await queue.query(`alter table ${schema}.gap drop column tables, drop column generation`);
      const server = { requireNoEviction: true };
      await expect(of.store.inspectServer(server)).rejects.toMatchObject({ code: 'QUEUE_VERSION' });
      const { installation, position } = (await of.store.state()) ?? {};
      await of.client.query('insert into orders values (1)');
      await of.setup({ acceptGap: true });
      await of.store.inspectServer(server);
      expect(await of.store.state()).toMatchObject({ installation, position });
      expect(await of.store.gaps()).toEqual([]);
    } finally {
      await queue.end();
    }
  });

  it('adds what has come since', async () => {
    await using of = await openFixture({ tables: ['public.*'] });
    await of.client.query(ORDERS);
    await of.setup();
    await of.client.query('create table more (id int primary key)');
    await of.setup();
    expect(await objects(of)).toMatchObject({ publications: 1, tables: 2 });
  });

  it('goes on where it was broken off', async () => {
    await using of = await openFixture();
    await of.client.query(ORDERS);
    for (const only of [['publication'], ['schema'], ['slot']] as const) await of.setup({ only });
    expect(await objects(of)).toEqual({ publications: 1, tables: 1, schemas: 1, slots: 1 });
    expect((await of.state()).installation).not.toBeNull();
  });

  it('keeps the helper schema out, and the publication says nothing of it', async () => {
    await using of = await openFixture();
    await of.client.query(ORDERS);
    await of.setup({ only: ['publication', 'slot'] });
    expect(await objects(of)).toMatchObject({ schemas: 0, slots: 1 });
    await of.setup();
    await of.setup();
    const { rows } = await of.client.query<{ name: string }>(
      "select schemaname || '.' || tablename as name from pg_publication_tables",
    );
    expect(rows.map(({ name }) => name)).toEqual(['public.orders', 'walhook.webhook']);
    expect((await of.state()).installation).toEqual((await of.store.state())?.installation);
  });

  it('prints what it would do, and does none of it; what it prints can be run', async () => {
    await using of = await openFixture();
    await of.client.query(ORDERS);
    const queue = { url: 'redis://127.0.0.1:1' };
    const { slot } = of.names;
    await using folder = await configFolder({ postgres: { url: of.database.url, slot }, queue });
    const printed: string[] = [];
    const io = {
      env: {},
      out: (text: string) => printed.push(text),
      err: () => undefined,
    } as unknown as Parameters<typeof setupCommand>[1];
    expect(await setupCommand({ config: folder.file, print: true }, io)).toBe(0);
    expect(await objects(of)).toEqual(NOTHING);
    const text = printed.join('');
    expect(text.match(/^-- Section \w+, as .+$/gm)).toHaveLength(3);
    await of.client.query(text.replace(/^select pg_create_logical.*$/m, ''));
    expect(await objects(of)).toEqual({ publications: 1, tables: 1, schemas: 1, slots: 0 });
  });
});

describe('setup refuses', () => {
  it('a table that is named and has no key: nothing is changed', async () => {
    await using of = await openFixture({ tables: ['public.orders', 'public.log'] });
    await of.client.query(`${ORDERS}; create table log (v text)`);
    await expect(of.setup()).rejects.toMatchObject({
      code: 'SETUP_UNSAFE',
      message: expect.stringContaining('public.log'),
    });
    expect(await objects(of)).toEqual(NOTHING);
  });

  const unsafe = [
    [
      14,
      'its identity is an index that is gone',
      'create table log (v text not null); create unique index log_v on log (v); alter table log replica identity using index log_v; drop index log_v',
    ],
    [
      18,
      'it sends whole rows with a virtual column',
      'create table log (v text, w text generated always as (v) virtual); alter table log replica identity full',
    ],
    [
      14,
      'its name is odd, and its first column generated',
      'create table "Lo""g" (w text generated always as (v) stored, v text not null); create unique index log_v on "Lo""g" (v); alter table "Lo""g" replica identity using index log_v; drop index log_v',
    ],
  ] as const;
  it.each(
    unsafe.filter(([since]) => inject('postgresVersion') >= since),
  )('a table on which the application’s writes would fail, as the proof shows (%i): %s', async (_since, _what, sql) => {
    await using of = await openFixture();
    await of.client.query(`${ORDERS}; ${sql}`);
    await expect(of.setup()).rejects.toMatchObject({
      code: 'SETUP_UNSAFE',
      message: expect.stringMatching(/UPDATE on public\..*l.*g/i),
    });
    expect(await objects(of)).toEqual(NOTHING);
    await of.client.query("insert into orders values (1, 'a'); update orders set v = 'b'");
  });

  it('a table on which only DELETE would fail, for a publication of the user’s leaves UPDATE out', async () => {
    await using of = await openFixture({ tables: ['public.*'] });
    await of.client.query(`${ORDERS}; create table log (v text not null); create unique index log_v on log (v);
      alter table log replica identity using index log_v; drop index log_v;
      create publication walhook for table orders with (publish = 'insert, delete')`);
    await expect(of.setup()).rejects.toMatchObject({
      code: 'SETUP_UNSAFE',
      message: expect.stringContaining('expected DELETE on public.log to go on working'),
    });
    await of.client.query('delete from log');
  });

  it('to blame itself for writes that fail already', async () => {
    await using of = await openFixture({ tables: ['public.orders'] });
    await of.client.query(`${ORDERS}; create table log (v text); create publication theirs for table log`);
    await of.setup();
    expect(await objects(of)).toMatchObject({ publications: 2, slots: 1 });
  });

  it('to wait longer than it is told for a writing transaction, and names it', async () => {
    await using of = await openFixture();
    await of.client.query(ORDERS);
    const slow = await session(of);
    await slow.query("begin; insert into orders values (1, 'a')");
    await of.client.query('select 1');
    const { rows } = await slow.query<{ pid: number }>('select pg_backend_pid() as pid');
    await expect(of.setup({ only: ['slot'], timeoutMs: 700 })).rejects.toMatchObject({
      code: 'SLOT_TIMEOUT',
      message: expect.stringMatching(
        new RegExp(
          `within 1 s, found still open: .*pid ${rows[0]?.pid} \\(postgres, slow "app", open for 00:00:0`,
        ),
      ),
    });
    expect(await objects(of)).toMatchObject({ slots: 0 });
    expect((await of.client.query('show statement_timeout')).rows).toEqual([{ statement_timeout: '0' }]);
    await slow.end();
    await of.setup();
  });

  it('to wait for a table that is locked, and then says that nothing was done', async () => {
    await using of = await openFixture();
    await of.client.query(ORDERS);
    await of.setup({ only: ['schema'] });
    const holder = await session(of);
    // As VACUUM and CREATE INDEX CONCURRENTLY hold it.
    await holder.query('begin; lock table orders in share update exclusive mode');
    const startedMs = performance.now();
    const refused = await of.setup({ only: ['publication'] }).catch((error: unknown) => error);
    await holder.end();
    expect(refused).toMatchObject({ code: expect.stringMatching(/^SETUP_(PRIVILEGE|UNSAFE)$/) });
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    expect(await objects(of)).toMatchObject({ publications: 0 });
  });

  // The proof before the change takes the lock of an UPDATE on each table: a plain CREATE INDEX or any ALTER TABLE
  // would hold it up for as long as it takes.
  it('to wait for a table that is locked against writing', async () => {
    await using of = await openFixture();
    await of.client.query(ORDERS);
    const holder = await session(of);
    await holder.query('begin; lock table orders in share mode');
    const settingUp = of.setup({ only: ['publication'] }).then(
      () => 'done',
      () => 'refused',
    );
    const late = new Promise<string>((resolve) => setTimeout(() => resolve('waits'), 3_500));
    const answer = await Promise.race([settingUp, late]);
    await holder.end();
    await settingUp;
    expect(answer).toBe('refused');
  });

  it('what the role may not do, and says who may', async () => {
    await using of = await openFixture();
    const role = `${of.database.name}_plain`;
    await of.client.query(`${ORDERS}; create role ${role} login password 'pw'`);
    const plain = await session(of, role);
    try {
      for (const only of ['publication', 'schema', 'slot'] as const) {
        await expect(of.setup({ only: [only] }, plain)).rejects.toMatchObject({
          code: 'SETUP_PRIVILEGE',
          message: expect.stringContaining(`the section ${only} needs`),
        });
      }
      expect(await objects(of)).toEqual(NOTHING);
    } finally {
      await plain.end();
      await of.client.query(`drop role ${role}`);
    }
  });

  it('a slot that was there and is gone', async () => {
    await using of = await openFixture();
    await of.client.query(ORDERS);
    await of.setup();
    await of.client.query('select pg_drop_replication_slot($1)', [of.names.slot]);
    await expect(of.setup()).rejects.toMatchObject({ code: 'SLOT_LOST' });
    expect(await objects(of)).toMatchObject({ slots: 0 });
  });

  it('a slot of another kind', async () => {
    await using of = await openFixture();
    await of.client.query('select pg_create_physical_replication_slot($1)', [of.names.slot]);
    try {
      await expect(of.setup()).rejects.toMatchObject({ code: 'SLOT_FOREIGN' });
    } finally {
      await of.client.query('select pg_drop_replication_slot($1)', [of.names.slot]);
    }
  });

  // Slot names are the server's: with the default name a second database finds that of the first.
  it('a slot of another database', async () => {
    await using first = await openFixture();
    await using second = await openFixture({ slot: first.names.slot });
    await first.setup();
    await expect(second.setup()).rejects.toMatchObject({ code: 'SLOT_FOREIGN' });
  });

  it('a queue that is not the one the database was bound to', async () => {
    await using of = await openFixture();
    await of.setup();
    await of.store.destroy();
    await expect(of.setup()).rejects.toMatchObject({ code: 'NOT_MY_QUEUE' });
  });

  it('a queue that belongs to another database', async () => {
    await using of = await openFixture();
    const state = await of.state();
    await of.store.initialise(
      {
        queueId: 'q',
        generation: '0badcafe',
        environment: 'production',
        slot: 'other',
        database: 'other',
        systemIdentifier: state.identity.systemIdentifier,
      },
      '0000000000000000-00000000',
    );
    await of.client.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [of.names.slot]);
    await expect(of.setup()).rejects.toMatchObject({ code: 'NOT_MY_QUEUE' });
  });
});

describe('a publication that was there', () => {
  it('is kept as it is, and gets the tables that are missing', async () => {
    await using of = await openFixture();
    await of.client.query(
      `${ORDERS}; create table more (id int primary key); create publication walhook for table orders`,
    );
    await of.setup();
    expect(await objects(of)).toMatchObject({ publications: 1, tables: 2 });
  });

  // Its root is in it and not listed while it publishes leaves; adding it again would be an error.
  it('publishes leaves, and is made to publish their root', async () => {
    await using of = await openFixture();
    await of.client.query(`create table parted (id int primary key) partition by range (id);
      create table parted_low partition of parted for values from (0) to (10);
      create publication walhook for table parted`);
    await of.setup();
    expect((await of.state()).publication?.viaRoot).toBe(true);
  });
});

describe('a role', () => {
  // `user` is what many a compose file calls it; this one is reserved as well and nobody has it.
  it('whose name is a keyword can set up', async () => {
    await using of = await openFixture();
    await of.client.query(`create role "deferrable" login superuser password 'pw'`);
    const client = await session(of, 'deferrable');
    try {
      await of.setup({ only: ['schema'] }, client);
    } finally {
      await client.end();
      await of.client.query(
        'reassign owned by "deferrable" to current_user; drop owned by "deferrable"; drop role "deferrable"',
      );
    }
  });

  it('that may only replicate can check and capture, once others have set up', async () => {
    await using of = await openFixture();
    const role = `${of.database.name}_run`;
    await of.client.query(ORDERS);
    await of.setup();
    await of.client.query(
      `create role ${role} login replication password 'pw'; grant usage on schema walhook to ${role}; grant select on walhook.installation to ${role}`,
    );
    const client = await session(of, role);
    const url = of.database.urlFor({ user: role, password: 'pw' });
    const target = { url: () => url, tls: NO_TLS, role: 'watched' as const };
    const pool = await openPool(target, 2);
    try {
      const state = await of.state(client);
      const store = await of.store.state();
      checkBinding({
        store,
        recorded: state.installation,
        identity: state.identity,
        environment: 'default',
        slot: of.names.slot,
      });
      const findings = checkDatabase({
        state,
        environment: 'default',
        slot: of.names.slot,
        publication: 'walhook',
        plugin: 'pgoutput',
        patterns: null,
        modelTables: [],
        store,
        durability: 'x',
      });
      expect(findings.filter(({ level }) => level === 'problem')).toEqual([]);
      expect(findings.map(({ code }) => code)).toContain('TABLE_UNREADABLE');

      const { rows } = await of.client.query<{ oid: number }>("select 'orders'::regclass::oid::int as oid");
      const facts = await new Catalog(pool).facts(
        testRelation([['id*', 23]], 'default', { oid: rows[0]?.oid ?? 0 }),
      );
      expect(facts).toMatchObject({ primaryKey: ['id'], isTracked: false });

      const stream = await ReplicationStream.open({
        target,
        slot: of.names.slot,
        publication: 'walhook',
        maxMessageBytes: 1_048_576,
        clock: systemClock,
        confirmable: () => START.lsn,
      });
      await of.client.query("insert into orders values (1, 'a')");
      for await (const frames of stream) if (frames.some((frame) => frame.tag === 'data')) break;
      await stream.close();
      await until(async () => (await of.state()).slot.activePid === null);
    } finally {
      await client.end();
      await pool.end();
      await of.client.query(`drop owned by ${role}; drop role ${role}`);
    }
  });
});

describe('teardown', () => {
  async function tornDown(of: Fixture): Promise<void> {
    for (const statement of (await of.teardownPlan()).statements) await of.client.query(statement);
  }

  it('drops what setup made and nothing else', async () => {
    await using of = await openFixture();
    await of.client.query(ORDERS);
    await of.setup();
    await of.client.query("select walhook.track('orders')");
    await of.client.query('select pg_replication_slot_advance($1, pg_current_wal_lsn())', [of.names.slot]);
    const plan = await of.teardownPlan();
    expect(plan.losses).toEqual([]);
    await tornDown(of);
    expect(await objects(of)).toEqual(NOTHING);
    await of.client.query(
      "insert into orders (id) values (1); update orders set v = 'x'; delete from orders",
    );
    expect(
      (await of.client.query("select from pg_trigger where tgrelid = 'orders'::regclass")).rowCount,
    ).toBe(0);
  });

  it('leaves a publication that setup did not make', async () => {
    await using of = await openFixture();
    await of.client.query(`${ORDERS}; create publication walhook for table orders`);
    await of.setup();
    const plan = await of.teardownPlan();
    expect(plan.notes).toEqual(['the publication walhook was not made by setup and stays']);
    await tornDown(of);
    expect(await objects(of)).toMatchObject({ publications: 1, slots: 0, schemas: 0 });
  });

  it('says what would be lost: Changes that were not read, Deliveries that wait', async () => {
    await using of = await openFixture();
    await of.client.query(ORDERS);
    await of.setup();
    await of.client.query("insert into orders values (1, 'a')");
    const fence = await of.store.takeFence();
    const position = (await of.store.state())?.position ?? '';
    await of.store.flush({
      fence,
      from: position,
      to: position,
      batches: toBatches('w', deliveries(3, 1)),
      failed: [],
      definitions: null,
    });
    expect((await of.teardownPlan()).losses).toEqual([
      '3 Deliveries that wait in the queue',
      expect.stringMatching(/^Changes in \d+ bytes of WAL/),
    ]);
  });

  it('can be done again, and setup after it', async () => {
    await using of = await openFixture();
    await of.client.query(ORDERS);
    await of.setup();
    await tornDown(of);
    await of.store.destroy();
    expect((await of.teardownPlan()).statements).toEqual([]);
    await of.setup();
    expect(await objects(of)).toEqual({ publications: 1, tables: 1, schemas: 1, slots: 1 });
  });

  // walhook.installation has one row per slot, and the helpers serve them all.
  it('of one slot leaves the helpers and the binding of another', async () => {
    await using of = await openFixture();
    await of.client.query(ORDERS);
    await of.setup();
    await of.client.query(
      "insert into walhook.installation (slot, queue_id, generation, environment, system_identifier, database, schema_version) values ('second', 'q', '0badcafe', 'e', '7', 'd', 1)",
    );
    await tornDown(of);
    const { rows } = await of.client.query("select to_regclass('walhook.installation') is not null as there");
    expect(rows).toEqual([{ there: true }]);
  });
});

describe('names', () => {
  it('that are keywords of the server are quoted as it quotes them itself', async () => {
    await using of = await openFixture();
    const { rows } = await of.client.query<{ word: string; quoted: string }>(
      'select word, quote_ident(word) as quoted from pg_get_keywords()',
    );
    // Ours are those of 18: of an older server, all that it quotes are among them.
    const isOld = inject('postgresVersion') < 18;
    const compared = rows.filter(({ word, quoted }) => !isOld || quoted !== word);
    expect(compared.filter(({ word, quoted }) => ident(word) !== quoted)).toEqual([]);
  });
});

describe('the state of a database', () => {
  it('lists tables that could be watched, roots and not partitions, no view, no temporary or foreign thing', async () => {
    await using of = await openFixture();
    await of.client.query(`${ORDERS}; create table parted (id int) partition by range (id); create table leaf partition of parted default;
      create view v as select 1; create materialized view m as select 1; create temporary table temp (id int); create unlogged table fast (id int);
      create schema walhook_queue; create table walhook_queue.job (id int); create extension if not exists plpgsql`);
    const { tables } = await of.state();
    expect(
      tables.map(({ schema, name, kind, hasPrimaryKey }) => `${kind} ${schema}.${name} ${hasPrimaryKey}`),
    ).toEqual(['r public.orders true', 'p public.parted false']);
  });

  it.skipIf(inject('postgresVersion') < 15)('names the column list of a publication', async () => {
    await using of = await openFixture();
    await of.client.query(
      `${ORDERS}; create publication walhook for table orders (id) with (publish = 'insert')`,
    );
    expect(await of.state()).toMatchObject({
      tables: [{ name: 'orders', isPublished: true, publishedColumns: ['id'] }],
      publication: { unpublished: ['update', 'delete', 'truncate'], isAllTables: false },
    });
  });

  it('names tracked tables, partitioned ones once', async () => {
    await using of = await openFixture();
    await of.client.query(
      `${ORDERS}; create table parted (id int primary key) partition by range (id); create table leaf partition of parted default`,
    );
    await of.setup({ only: ['schema'] });
    await of.client.query("select walhook.track('orders'), walhook.track('parted', columns => false)");
    expect((await of.state()).tracked).toEqual(['orders', 'parted']);
  });

  it('of a store in the way is told from one that is not reached', async () => {
    await expect(
      openQueue({ url: () => 'postgres://u:p@127.0.0.1:1/x', prefix: 'walhook' }, systemClock),
    ).rejects.toMatchObject({ code: 'QUEUE_UNREACHABLE' });
  });
});
