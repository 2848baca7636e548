/**
 * Schema changes while rows are written: every Event has the shape of its own place in the WAL, whether it is
 * read at once or after everything has changed. The judge is a trigger that keeps each row as it was written.
 */
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { captureOnce } from '../../src/capture/capture.ts';
import { systemClock } from '../../src/core/clock.ts';
import { NO_FAILPOINT } from '../../src/core/failpoint.ts';
import { SILENT } from '../../src/core/logger.ts';
import { NO_TLS, openPool } from '../../src/database/connect.ts';
import { formatPosition } from '../../src/enqueue/position.ts';
import { Matcher } from '../../src/match/match.ts';
import { decodePayload, type QueuedDelivery } from '../../src/queue/delivery.ts';
import { readSlot } from '../../src/replication/slot.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';
import { INSTALLATION } from '../setup/states.ts';

const PUBLICATION = 'everything';

/** `written` keeps what the trigger saw; its own rows are no part of the comparison. */
const PREPARATION = `
  create sequence ids;
  create table written (place serial primary key, xid int8, op text, old jsonb, new jsonb);
  create function keep() returns trigger language plpgsql as $$ begin
    insert into written (xid, op, old, new) values (
      pg_current_xact_id()::text::int8, tg_op,
      case when tg_op = 'INSERT' then null else to_jsonb(old) end,
      case when tg_op = 'DELETE' then null else to_jsonb(new) end);
    return null; end $$;
  create function watch(name text) returns void language plpgsql as $$ begin
    execute format('create trigger keep after insert or update or delete on %I for each row execute function keep()', name);
    end $$;
  create type mood as enum ('sad', 'happy');
  create table thing (id int primary key default nextval('ids'), n int default 0, note text, feeling mood default 'sad');
  create table other (id int primary key default nextval('ids'), a text default 'a', n int default 0);
  create table parted (id int default nextval('ids'), n int default 0, note text, primary key (id)) partition by range (id);
  create table parted_one partition of parted for values from (0) to (1000000);
  create table parted_two (note text, n int default 0, id int not null default nextval('ids') + 1000000);
  select watch('thing'), watch('other'), watch('parted'), watch('parted_two');
  create publication ${PUBLICATION} for all tables with (publish_via_partition_root = true);`;

/** Each a Transaction of its own, made while rows are being written. */
const SCHEMA_CHANGES = [
  "alter table thing add column added text default 'd'",
  'alter table thing rename column note to remark',
  'alter table thing alter column n type text using n::text',
  'alter table thing replica identity full',
  'alter table thing drop column added',
  "alter type mood add value 'odd'",
  "alter table thing alter column feeling set default 'odd'",
  'alter table thing alter column n type int using 0, alter column n set default 5',
  'alter table other rename to renamed',
  "create table other (n int default 1, id int primary key default nextval('ids'), b text default 'b'); select watch('other')",
  'alter table renamed replica identity full',
  'drop table renamed',
  'drop trigger keep on parted_two; alter table parted attach partition parted_two for values from (1000000) to (2000000)',
  'alter table parted add column late text',
  "alter table parted detach partition parted_two; select watch('parted_two')",
  'alter table parted_two add column alone int default 1',
  'alter table thing replica identity default',
  'alter table thing drop constraint thing_pkey, add primary key (id, feeling)',
  "create table thing2 (like thing including all); select watch('thing2'); alter table thing rename to thing1; alter table thing2 rename to thing",
] as const;

/** Some fail while the schema is not the one they were written for; nobody minds. */
const WRITES = [
  'insert into thing default values',
  "insert into thing (remark) values ('r'), (repeat('long', 2000))",
  "insert into thing (note) values ('n'), (repeat('long', 2000))",
  "update thing set feeling = 'happy' where id = (select max(id) from thing)",
  "update thing set added = 'changed' where id = (select max(id) from thing)",
  'delete from thing where id = (select min(id) from thing)',
  'begin; insert into thing default values; savepoint s; insert into other default values; rollback to s; insert into other default values; commit',
  'insert into renamed default values',
  'update renamed set n = n + 1 where id = (select max(id) from renamed)',
  'delete from renamed where id = (select min(id) from renamed)',
  'update other set n = n + 1 where id in (select id from other order by id desc limit 2)',
  'delete from other where id = (select min(id) from other)',
  'insert into parted default values',
  "update parted set note = 'x' where id = (select max(id) from parted)",
  "update parted set late = 'y' where id = (select max(id) from parted)",
  'insert into parted_two default values',
  'update parted_two set n = n + 1 where id = (select max(id) from parted_two)',
  'delete from parted_two where id = (select min(id) from parted_two)',
] as const;

interface Reading extends AsyncDisposable {
  readonly events: readonly QueuedDelivery[];
  untilEnd(): Promise<void>;
}

async function read(database: TestDatabase, slotName: string): Promise<Reading> {
  const connection = { url: () => database.url, tls: NO_TLS, role: 'watched' as const };
  const pool = await openPool(connection, 2);
  const events: QueuedDelivery[] = [];
  const slot = await readSlot(pool, slotName);
  const abort = new AbortController();
  let failure: unknown = null;
  const ended = captureOnce(
    {
      target: connection,
      slot: slotName,
      publication: PUBLICATION,
      pool,
      store: {
        takeFence: () => Promise.resolve(1),
        flush: ({ batches }) => {
          events.push(...batches.flatMap(({ payload }) => decodePayload(payload)));
          return Promise.resolve('done');
        },
      },
      ownSchemas: [],
      models: [],
      represent: new Map(),
      context: [],
      messageSources: [],
      auditSources: [],
      matcher: new Matcher([
        {
          key: 'w',
          name: 'w',
          enabled: true,
          models: ['*'],
          events: ['created', 'updated', 'deleted'],
          conditions: null,
          columns: null,
          onUnavailable: 'error',
          require: [],
          format: 'walhook',
          collapse: null,
        },
      ]),
      definitions: null,
      limits: { valueBytes: 1_048_576, eventBytes: 4_194_304, messageBytes: 67_108_864, lookahead: 10_000 },
      lookupTimeoutMs: 2_000,
      ackDelayMs: 0,
      onQueued: () => undefined,
      clock: systemClock,
      log: SILENT,
      failpoint: NO_FAILPOINT,
    },
    {
      state: {
        installation: INSTALLATION,
        position: formatPosition({ lsn: slot.confirmedFlushLsn, index: 0 }),
        fence: 1,
        definitions: null,
      },
      fence: 1,
      slot,
    },
    abort.signal,
  ).catch((error: unknown) => {
    failure = error;
  });
  return {
    events,
    async untilEnd() {
      await until(() => failure !== null || events.some(({ table }) => table === 'the_end'), {
        timeoutMs: 30_000,
      });
      expect(failure).toBeNull();
    },
    async [Symbol.asyncDispose]() {
      abort.abort();
      await ended;
      await pool.end();
    },
  };
}

/** Writes until it is told to stop; what the schema refuses is tried again later. */
async function write(url: string, seed: number, isOver: () => boolean): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  let at = seed;
  while (!isOver()) {
    at = (at * 1_103_515_245 + 12_345) % 2_147_483_648;
    const statement = WRITES[(at >> 8) % WRITES.length] ?? '';
    await client.query(statement).catch(async () => {
      await client.query('rollback');
    });
  }
  await client.end();
}

interface Row {
  readonly op: string;
  readonly old: Record<string, unknown> | null;
  readonly new: Record<string, unknown> | null;
}

const OPS = { created: 'INSERT', updated: 'UPDATE', deleted: 'DELETE' } as const;

interface Event {
  readonly event: keyof typeof OPS;
  readonly snapshots: { readonly prechange: Row['old']; readonly postchange: Row['new'] };
  readonly unavailable?: {
    readonly prechange?: Record<string, string>;
    readonly postchange?: Record<string, string>;
  };
}

/** The row as the trigger saw it, without what the Event says that it has not. */
function known(row: Row, event: Event): Row {
  const without = (image: Row['old'], side: 'prechange' | 'postchange') => {
    const missing = event.unavailable?.[side] ?? {};
    const names = Object.keys(missing).includes('*')
      ? Object.keys(event.snapshots[side] ?? {})
      : Object.keys(image ?? {}).filter((name) => !Object.hasOwn(missing, name));
    return image === null ? null : Object.fromEntries(names.map((name) => [name, image[name]]));
  };
  return { op: row.op, old: without(row.old, 'prechange'), new: without(row.new, 'postchange') };
}

async function compare(database: TestDatabase, events: readonly QueuedDelivery[]): Promise<number> {
  const { rows } = await database.client.query<Row & { xid: string }>(
    'select xid::text, op, old, new from written order by place',
  );
  const writtenBy = groupBy(rows, (row) => Number(row.xid));
  const seen = events.filter(({ table }) => table !== 'written' && table !== 'the_end');
  const readBy = groupBy(seen, (event) => event.xid);
  expect([...readBy.keys()].toSorted()).toEqual([...writtenBy.keys()].toSorted());
  for (const [xid, found] of readBy) {
    const parsed = found.map(({ json }) => JSON.parse(json) as Event);
    expect(
      parsed.map((event) => ({
        op: OPS[event.event],
        old: event.snapshots.prechange,
        new: event.snapshots.postchange,
      })),
    ).toEqual(writtenBy.get(xid)?.map((row, i) => known(row, parsed[i] as Event)));
  }
  return seen.length;
}

/** How many shapes of how many tables were seen: the writers did not pass the changes by. */
function shapesOf(events: readonly QueuedDelivery[]): number {
  const shapes = events.map(({ json, model }) => {
    const { snapshots } = JSON.parse(json) as Event;
    return JSON.stringify([model, Object.keys(snapshots.postchange ?? {})]);
  });
  return new Set(shapes).size;
}

function groupBy<T>(items: readonly T[], key: (item: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

describe('schema changes under load', () => {
  it('leave each Event the shape of its own place in the WAL, read at once or late', async () => {
    await using database = await createDatabase();
    const { client, name } = database;
    await client.query(PREPARATION);
    await client.query('create table the_end (id int primary key)');
    const [now, late] = [`${name}_now`, `${name}_late`];
    for (const slot of [now, late]) {
      await client.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    }
    await using live = await read(database, now);
    let isOver = false;
    const writers = [1, 2].map((seed) => write(database.url, seed, () => isOver));
    const count = async () =>
      Number((await client.query<{ n: string }>('select count(*) as n from written')).rows[0]?.n);
    const someMore = async () => {
      const before = await count();
      await until(async () => (await count()) >= before + 20, { what: 'twenty more rows' });
    };
    try {
      for (const change of SCHEMA_CHANGES) {
        await someMore();
        await client.query(change);
      }
      await someMore();
    } finally {
      isOver = true;
      await Promise.all(writers);
    }
    await client.query('insert into the_end values (1)');
    await live.untilEnd();
    expect(await compare(database, live.events)).toBeGreaterThan(20 * SCHEMA_CHANGES.length);
    expect(shapesOf(live.events)).toBeGreaterThan(10);

    await using replay = await read(database, late);
    await replay.untilEnd();
    await compare(database, replay.events);
    expect(replay.events.map(({ eventId }) => eventId.slice(0, 34))).toEqual(
      live.events.map(({ eventId }) => eventId.slice(0, 34)),
    );
  });
});
