/**
 * What a replication connection promises, on a real server. The first nine groups are named after the
 * defects of the client library that they hold down.
 */
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { type Lsn, lsn, parseLsn } from '../../src/core/lsn.ts';
import { NO_TLS } from '../../src/database/connect.ts';
import { type RowMessage, UNCHANGED, type WalMessage } from '../../src/decode/messages.ts';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { ReplicationStream } from '../../src/replication/stream.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { openProxy } from '../helpers/proxy.ts';
import { until } from '../helpers/until.ts';
import { type Committed, optionsFor, prepareSlot, slotOf, startStreaming } from './streaming.ts';

async function prepared(): Promise<TestDatabase> {
  const database = await createDatabase();
  await prepareSlot(database);
  return database;
}

/** The URL with settings of the session, e.g. a short wal_sender_timeout. */
function withSetting(
  database: TestDatabase,
  setting: string,
): { url: () => string; tls: typeof NO_TLS; role: 'watched' } {
  const url = new URL(database.url);
  url.searchParams.set('options', `-c ${setting}`);
  return { url: () => url.toString(), tls: NO_TLS, role: 'watched' };
}

const insert = (database: TestDatabase, id: number, note = 'x') =>
  database.client.query('insert into thing values ($1, $2)', [id, note]);

/** Waits for the slot to stand somewhere. */
const untilConfirmed = (database: TestDatabase, position: Lsn) =>
  until(async () => (await slotOf(database)).confirmed === position, { what: `confirmed ${position}` });
const untilFree = (database: TestDatabase) =>
  until(async () => (await slotOf(database)).pid === null, { what: 'the slot is let go of' });

/** Two Transactions of which the second's commit record begins exactly where the first's ends. */
async function adjacentCommits(
  database: TestDatabase,
  read: () => Promise<readonly Committed[]>,
): Promise<readonly [Committed, Committed]> {
  const clients = [0, 1].map(() => new Client({ connectionString: database.url }));
  await Promise.all(clients.map((client) => client.connect()));
  try {
    // Whatever else writes to the server may come between; then they are tried again.
    for (let tries = 0; tries < 100; tries += 1) {
      for (const [i, client] of clients.entries()) {
        await client.query('begin');
        await client.query('insert into thing values ($1)', [1_000 + 2 * tries + i]);
      }
      await Promise.all(clients.map((client) => client.query('commit')));
      const [first, second] = await read();
      if (first !== undefined && second !== undefined && first.endLsn === second.commitLsn)
        return [first, second];
    }
    throw new Error('no two commits were adjacent');
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

describe('1: the acknowledged position is the end of the commit itself', () => {
  it('redelivers the second of two adjacent commits after only the first was acknowledged', async () => {
    await using database = await prepared();
    const streaming = await startStreaming(database);
    const [first, second] = await adjacentCommits(database, () => streaming.transactions(2));
    streaming.confirmed = first.endLsn;
    streaming.stream.sendStatus();
    await untilConfirmed(database, first.endLsn);
    await streaming.stream.close();
    await untilFree(database);

    await using again = await startStreaming(database);
    expect(await again.transactions(1)).toEqual([second]);
  });

  it('shows that one byte more would lose it', async () => {
    await using database = await prepared();
    const streaming = await startStreaming(database);
    const [first, second] = await adjacentCommits(database, () => streaming.transactions(2));
    streaming.confirmed = lsn(first.endLsn + 1n);
    streaming.stream.sendStatus();
    await untilConfirmed(database, streaming.confirmed);
    await streaming.stream.close();
    await untilFree(database);

    await using again = await startStreaming(database);
    await insert(database, 1);
    const [next] = await again.transactions(1);
    expect(next?.ids).toEqual(['1']);
    expect(next?.commitLsn).toBeGreaterThan(second.commitLsn);
  });
});

describe('2: nothing is acknowledged by a timer', () => {
  it('acknowledges nothing by itself, however many statuses it sends', async () => {
    await using database = await prepared();
    await using streaming = await startStreaming(database, {
      target: withSetting(database, 'wal_sender_timeout=1s'),
    });
    const before = await slotOf(database);
    await insert(database, 1);
    const [made] = await streaming.transactions(1);
    streaming.stream.sendStatus();
    const replies = new Set<string>();
    await until(async () => {
      const { rows } = await database.client.query<{ at: string | null }>(
        'select reply_time::text as at from pg_stat_replication where pid = $1',
        [before.pid],
      );
      if (rows[0]?.at) replies.add(rows[0].at);
      return replies.size >= 4;
    });
    expect((await slotOf(database)).confirmed).toBe(before.confirmed);
    expect(made?.endLsn).toBeGreaterThan(before.confirmed);
  });
});

describe('3: a consumer that fails acknowledges nothing', () => {
  it('gives out again what a consumer threw at', async () => {
    await using database = await prepared();
    const before = await slotOf(database);
    const stream = await ReplicationStream.open(optionsFor(database));
    await insert(database, 1);
    await expect(
      (async () => {
        for await (const frames of stream) {
          if (frames.some((frame) => frame.tag === 'data')) throw new Error('of the consumer');
        }
      })(),
    ).rejects.toThrow('of the consumer');
    await stream.close();
    await untilFree(database);
    expect((await slotOf(database)).confirmed).toBe(before.confirmed);
    await using again = await startStreaming(database);
    expect((await again.transactions(1))[0]?.ids).toEqual(['1']);
  });
});

describe('4: a connection starts where the slot stands', () => {
  it('starts at what was acknowledged, not at what was received', async () => {
    await using database = await prepared();
    const streaming = await startStreaming(database);
    for (const id of [1, 2, 3]) await insert(database, id);
    const made = await streaming.transactions(3);
    streaming.confirmed = made[0]?.endLsn ?? lsn(0n);
    streaming.stream.sendStatus();
    await untilConfirmed(database, streaming.confirmed);
    await streaming.stream.close();
    await untilFree(database);
    await using again = await startStreaming(database);
    expect((await again.transactions(2)).map(({ ids }) => ids)).toEqual([['2'], ['3']]);
  });
});

describe('5: a paused connection stays alive', () => {
  it('keeps a paused connection alive beyond wal_sender_timeout, and loses nothing', async () => {
    await using database = await prepared();
    await using streaming = await startStreaming(database, {
      target: withSetting(database, 'wal_sender_timeout=5s'),
    });
    await insert(database, 0);
    await streaming.transactions(1);
    const { pid } = await slotOf(database);
    // Far more than is held before the socket is paused, and than its buffers take.
    await database.client.query(
      "insert into thing select i, repeat('x', 1000) from generate_series(1, 20000) as i",
    );
    // Seconds, for a busy machine may keep this process waiting for one of them.
    const pausedSinceMs = performance.now();
    await until(() => performance.now() - pausedSinceMs > 8_000);
    expect((await slotOf(database)).pid).toBe(pid);
    const [large] = await streaming.transactions(1);
    expect(large?.ids).toEqual(Array.from({ length: 20_000 }, (_, i) => String(i + 1)));
    expect((await slotOf(database)).pid).toBe(pid);
  });

  it('keeps an idle connection alive beyond wal_sender_timeout', async () => {
    await using database = await prepared();
    await using streaming = await startStreaming(database, {
      target: withSetting(database, 'wal_sender_timeout=400ms'),
    });
    const { pid } = await slotOf(database);
    const idleSinceMs = performance.now();
    await until(() => performance.now() - idleSinceMs > 1_200);
    await insert(database, 1);
    expect((await streaming.transactions(1))[0]?.ids).toEqual(['1']);
    expect((await slotOf(database)).pid).toBe(pid);
  });
});

describe('6 and 7: values arrive as the server’s text', () => {
  it('tells an unchanged large value from NULL', async () => {
    await using database = await prepared();
    await database.client.query('alter table thing alter column note set storage external');
    await using streaming = await startStreaming(database);
    await insert(database, 1, 'y'.repeat(10_000));
    await database.client.query('update thing set id = 2');
    const messages = await streaming.until((message) => message.tag === 'update');
    const update = messages.at(-1) as RowMessage;
    expect(update.images().new?.text(1)).toBe(UNCHANGED);
  });

  it('keeps microseconds and form, whatever role and database are set to', async () => {
    await using database = await prepared();
    const { client, name } = database;
    for (const setting of [
      "timezone = 'Asia/Kathmandu'",
      "datestyle = 'German'",
      "intervalstyle = 'iso_8601'",
      'extra_float_digits = -15',
      "bytea_output = 'escape'",
    ]) {
      await client.query(`alter database ${name} set ${setting}`);
    }
    await client.query(
      'create table value (id int primary key, at timestamptz, d date, i interval, f float8, b bytea, m money)',
    );
    await using streaming = await startStreaming(database);
    await client.query(
      `insert into value values (1, '2023-08-07 19:30:23.140019+00', '2023-08-07', '1 day 02:00', 0.1 + 0.2::float8, '\\x00ff', 5)`,
    );
    const row = (await streaming.until((message) => message.tag === 'insert')).at(-1) as RowMessage;
    const tuple = row.images().new;
    expect([1, 2, 3, 4, 5, 6].map((i) => tuple?.text(i))).toEqual([
      '2023-08-07 19:30:23.140019+00',
      '2023-08-07',
      '1 day 02:00:00',
      '0.30000000000000004',
      '\\x00ff',
      '$5.00',
    ]);
  });
});

describe('8 and 9: ids and positions are numbers', () => {
  it('names the Transaction by the xid that the server names it by, and places it among its LSNs', async () => {
    await using database = await prepared();
    await using streaming = await startStreaming(database);
    const { rows } = await database.client.query<{ before: string; xid: string }>(
      `with made as (insert into thing values (1) returning 1)
       select pg_current_wal_insert_lsn()::text as before, pg_current_xact_id()::xid::text as xid from made`,
    );
    const after = await database.client.query<{ lsn: string }>(
      'select pg_current_wal_insert_lsn()::text as lsn',
    );
    const messages = await streaming.until((message) => message.tag === 'commit');
    const begin = messages.find((message) => message.tag === 'begin') as Extract<
      WalMessage,
      { tag: 'begin' }
    >;
    const commit = messages.at(-1) as Extract<WalMessage, { tag: 'commit' }>;
    expect(String(begin.xid)).toBe(rows[0]?.xid);
    expect(begin.commitLsn).toBe(commit.commitLsn);
    expect(begin.commitLsn).toBeGreaterThanOrEqual(parseLsn(rows[0]?.before ?? ''));
    expect(commit.endLsn).toBeLessThanOrEqual(parseLsn(after.rows[0]?.lsn ?? ''));
    expect(Math.abs(Number(begin.committedAtUs / 1_000n) - Date.now())).toBeLessThan(60_000);
  });
});

describe('opening', () => {
  const opening = (options: Parameters<typeof ReplicationStream.open>[0]) =>
    ReplicationStream.open(options).then((stream) => stream.close());

  it('names a slot that is missing', async () => {
    await using database = await prepared();
    await expect(opening(optionsFor(database, { slot: 'nowhere' }))).rejects.toMatchObject({
      code: 'SLOT_MISSING',
      message: expect.stringContaining('nowhere'),
    });
  });

  it('says that another process holds the slot', async () => {
    await using database = await prepared();
    await using _held = await startStreaming(database);
    await expect(opening(optionsFor(database))).rejects.toMatchObject({ code: 'SLOT_IN_USE' });
  });

  it('says that the server is not there', async () => {
    await using database = await prepared();
    const url = new URL(database.url);
    url.port = String(await freePort());
    const target = { url: () => url.toString(), tls: NO_TLS, role: 'watched' as const };
    await expect(opening(optionsFor(database, { target }))).rejects.toMatchObject({
      code: 'POSTGRES_UNREACHABLE',
      message: expect.stringContaining(`@${url.host}/${database.name}`),
    });
  });

  it.each([
    'disable',
    'require',
  ] as const)('names the server that is not there also where the TLS mode leaves no choice: %s', async (mode) => {
    await using database = await prepared();
    const url = new URL(database.url);
    url.port = String(await freePort());
    const target = { url: () => url.toString(), tls: { ...NO_TLS, mode }, role: 'watched' as const };
    await expect(opening(optionsFor(database, { target }))).rejects.toMatchObject({
      code: 'POSTGRES_UNREACHABLE',
      message: expect.stringContaining(`@${url.host}/${database.name}`),
    });
  });

  it('says that the login is refused, without the password', async () => {
    await using database = await prepared();
    const target = {
      url: () => database.urlFor({ password: 'wrong-pw' }),
      tls: NO_TLS,
      role: 'watched' as const,
    };
    const refused = await opening(optionsFor(database, { target })).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'POSTGRES_AUTHENTICATION' });
    expect(String(refused)).not.toContain('wrong-pw');
  });

  async function openedWithoutReplication(mode: 'prefer' | 'disable'): Promise<unknown> {
    await using database = await prepared();
    const role = `${database.name}_reader`;
    await database.client.query(`create role ${role} login password 'pw'`);
    try {
      const url = database.urlFor({ user: role, password: 'pw' });
      const target = { url: () => url, tls: { ...NO_TLS, mode }, role: 'watched' as const };
      return await opening(optionsFor(database, { target })).catch((error: unknown) => error);
    } finally {
      await database.client.query(`drop role ${role}`);
    }
  }

  it('says that the role may not replicate', async () => {
    expect(await openedWithoutReplication('disable')).toMatchObject({ code: 'REPLICATION_PRIVILEGE' });
  });

  // There the trial connection meets the refusal first.
  it('says that the role may not replicate, in the default TLS mode too', async () => {
    expect(await openedWithoutReplication('prefer')).toMatchObject({ code: 'REPLICATION_PRIVILEGE' });
  });

  // SQLSTATE 55000 stands for this too, and SLOT_LOST would send people to accept a gap that there is not.
  it('says of a slot of another database that it is not ours', async () => {
    await using database = await prepared();
    await using other = await prepared();
    await expect(opening(optionsFor(database, { slot: other.name }))).rejects.toMatchObject({
      code: 'SLOT_FOREIGN',
    });
  });

  it('says of a physical slot that it is not ours', async () => {
    await using database = await prepared();
    const slot = `${database.name}_physical`;
    await database.client.query('select pg_create_physical_replication_slot($1)', [slot]);
    try {
      await expect(opening(optionsFor(database, { slot }))).rejects.toMatchObject({ code: 'SLOT_FOREIGN' });
    } finally {
      await database.client.query('select pg_drop_replication_slot($1)', [slot]);
    }
  });

  // PostgreSQL 18 answers with a warning in its log, sends nothing, and moves on. Before 18 it is an error.
  it('says that the publication is missing', async () => {
    await using database = await prepared();
    const publication = `no'where"`;
    await expect(opening(optionsFor(database, { publication }))).rejects.toMatchObject({
      code: 'PUBLICATION_MISSING',
      message: expect.stringContaining(publication),
    });
  });
});

describe('reading', () => {
  it('skips a message above the limit, names its table, and goes on', async () => {
    await using database = await prepared();
    await using streaming = await startStreaming(database, { maxMessageBytes: 65_536 });
    await insert(database, 1, 'z'.repeat(200_000));
    await insert(database, 2);
    const messages = await streaming.until((message) => message.tag === 'insert');
    expect(messages.find((message) => message.tag === 'oversized')).toMatchObject({
      kind: 'insert',
      relation: { name: 'thing' },
    });
  });

  it('ends when the server ends the connection, after what had arrived', async () => {
    await using database = await prepared();
    await using streaming = await startStreaming(database);
    await insert(database, 1);
    expect((await streaming.transactions(1))[0]?.ids).toEqual(['1']);
    const { pid } = await slotOf(database);
    await database.client.query('select pg_terminate_backend($1)', [pid]);
    await expect(streaming.transactions(1)).rejects.toMatchObject({ code: 'REPLICATION_STOPPED' });
  });

  it('gives a silent server up in twice its own timeout', async () => {
    await using database = await prepared();
    await using proxy = await openProxy(withSetting(database, 'wal_sender_timeout=500ms').url());
    const target = { url: () => proxy.url, tls: NO_TLS, role: 'watched' as const };
    await using streaming = await startStreaming(database, { target });
    proxy.swallow('inbound');
    const silentSinceMs = performance.now();
    await expect(streaming.transactions(1)).rejects.toMatchObject({ code: 'REPLICATION_STOPPED' });
    const silentMs = performance.now() - silentSinceMs;
    expect(silentMs).toBeGreaterThan(500);
    expect(silentMs).toBeLessThan(4_000);
  });

  it('stops when it is told to, and can still acknowledge', async () => {
    await using database = await prepared();
    const streaming = await startStreaming(database);
    await insert(database, 1);
    const [made] = await streaming.transactions(1);
    const next = streaming.transactions(1);
    streaming.stream.stopReading();
    await expect(next).rejects.toThrow('the stream ended');
    streaming.confirmed = made?.endLsn ?? lsn(0n);
    streaming.stream.sendStatus();
    await untilConfirmed(database, streaming.confirmed);
    await streaming.stream.close();
    await untilFree(database);
  });

  it('closes as often as it is told to, also while nobody reads', async () => {
    await using database = await prepared();
    const streaming = await startStreaming(database);
    await database.client.query(
      "insert into thing select i, repeat('x', 1000) from generate_series(1, 10000) as i",
    );
    await Promise.all([streaming.stream.close(), streaming.stream.close()]);
    await streaming.stream.close();
    streaming.stream.sendStatus();
    await untilFree(database);
  });

  it('reads many small Transactions whole and in order', async () => {
    await using database = await prepared();
    await using streaming = await startStreaming(database);
    await database.client.query(
      `do $$ begin for i in 1..2000 loop insert into thing values (i); commit; end loop; end $$`,
    );
    const made = await streaming.transactions(2_000);
    expect(made.map(({ ids }) => ids[0])).toEqual(Array.from({ length: 2_000 }, (_, i) => String(i + 1)));
    for (const [i, { commitLsn }] of made.slice(1).entries()) {
      expect(commitLsn).toBeGreaterThanOrEqual(made[i]?.endLsn ?? 0n);
    }
  });
});
