/** Capture as a whole over a real slot and a store in memory: what reaches the store, what is acknowledged. */
import { describe, expect, it } from 'vitest';
import { type CaptureOptions, captureOnce } from '../../src/capture/capture.ts';
import { systemClock } from '../../src/core/clock.ts';
import { WalhookError } from '../../src/core/errors.ts';
import { NO_FAILPOINT } from '../../src/core/failpoint.ts';
import { settlesWithin } from '../../src/core/lifecycle.ts';
import { SILENT } from '../../src/core/logger.ts';
import { type Lsn, lsn, parseLsn } from '../../src/core/lsn.ts';
import { NO_TLS, openPool } from '../../src/database/connect.ts';
import { formatPosition } from '../../src/enqueue/position.ts';
import { Matcher, type MatchTarget } from '../../src/match/match.ts';
import { decodePayload, type QueuedDelivery } from '../../src/queue/delivery.ts';
import type { Flush } from '../../src/queue/store.ts';
import { readSlot } from '../../src/replication/slot.ts';
import { plainOptions } from '../../src/represent/shape.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { testModel } from '../helpers/rows.ts';
import { until } from '../helpers/until.ts';
import { PUBLICATION, prepareSlot, slotOf } from '../replication/streaming.ts';
import { INSTALLATION } from '../setup/states.ts';

const target = (key: string): MatchTarget => ({
  key,
  name: key,
  enabled: true,
  models: ['*'],
  events: ['created', 'updated', 'deleted', 'truncated'],
  conditions: null,
  columns: null,
  onUnavailable: 'error',
  require: [],
  format: 'walhook',
  collapse: null,
});

/** Makes capture read Transactions to their end. */
const NO_AUDIT = { schema: 'public', table: 'log', username: null, requestId: null, match: [] };

interface Capturing extends AsyncDisposable {
  readonly flushes: Flush[];
  /** Deliveries in the store, by Webhook. */
  stored(): Record<string, QueuedDelivery[]>;
  /** Resolves or rejects with the capture itself. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

async function capture(
  database: TestDatabase,
  more: Partial<CaptureOptions> & {
    readonly position?: Lsn;
    readonly webhooks?: readonly string[];
    readonly isAborted?: boolean;
  } = {},
): Promise<Capturing> {
  const flushes: Flush[] = [];
  const flushing = {
    takeFence: () => Promise.resolve(1),
    flush: (flush: Flush) => {
      flushes.push(flush);
      return Promise.resolve('done' as const);
    },
  };
  const connection = { url: () => database.url, tls: NO_TLS, role: 'watched' as const };
  const pool = await openPool(connection, 2);
  const slot = await readSlot(pool, database.name);
  const position = formatPosition({ lsn: more.position ?? slot.confirmedFlushLsn, index: 0 });
  const abort = new AbortController();
  if (more.isAborted === true) abort.abort();
  const ended = captureOnce(
    {
      target: connection,
      slot: database.name,
      publication: PUBLICATION,
      pool,
      store: flushing,
      models: [],
      represent: new Map(),
      ownSchemas: [],
      context: [{ kind: 'message', source: 0 }, { kind: 'tracked' }],
      messageSources: [
        { prefix: 'walhook', username: 'username', requestId: 'request_id', allowMute: false },
      ],
      auditSources: [],
      matcher: new Matcher((more.webhooks ?? ['w']).map(target)),
      definitions: null,
      limits: { valueBytes: 1_048_576, eventBytes: 4_194_304, messageBytes: 67_108_864, lookahead: 10_000 },
      lookupTimeoutMs: 2_000,
      ackDelayMs: 0,
      onQueued: () => undefined,
      clock: systemClock,
      log: SILENT,
      failpoint: NO_FAILPOINT,
      ...more,
    },
    { state: { installation: INSTALLATION, position, fence: 1, definitions: null }, fence: 1, slot },
    abort.signal,
  );
  ended.catch(() => undefined);
  const stop = async () => {
    abort.abort();
    await ended.catch(() => undefined);
  };
  return {
    flushes,
    ended,
    stop,
    stored() {
      const found: Record<string, QueuedDelivery[]> = {};
      for (const { batches } of flushes) {
        for (const { webhook, payload } of batches) {
          found[webhook] = [...(found[webhook] ?? []), ...decodePayload(payload)];
        }
      }
      return found;
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await pool.end();
    },
  };
}

/** How many Deliveries flushes have stored. */
function stored(flushes: readonly Flush[]): number {
  return flushes.flatMap(({ batches }) => batches).reduce((sum, { size }) => sum + size, 0);
}

async function prepared(): Promise<TestDatabase> {
  const database = await createDatabase();
  await prepareSlot(database);
  return database;
}

/** Where the server's WAL is now. */
async function walEnd({ client }: TestDatabase): Promise<Lsn> {
  const { rows } = await client.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
  return parseLsn(rows[0]?.lsn ?? '');
}

describe('capture', () => {
  it('stores each Change once for each Webhook, and then acknowledges it', async () => {
    await using database = await prepared();
    await using capturing = await capture(database, { webhooks: ['a', 'b'] });
    await database.client.query(
      "begin; insert into thing values (1, 'x'), (2, 'y'); delete from thing where id = 1; commit",
    );
    const committed = await walEnd(database);
    await until(() => capturing.stored()['b']?.length === 3);
    const { a, b } = capturing.stored();
    expect(a).toEqual(b);
    expect(a?.map(({ json }) => (JSON.parse(json) as { event: string }).event)).toEqual([
      'created',
      'created',
      'deleted',
    ]);
    expect(a?.map(({ eventId }) => eventId)).toEqual(a?.map(({ eventId }) => eventId).toSorted());
    await until(async () => (await slotOf(database)).confirmed >= committed);
    await capturing.stop();
  });

  it('acknowledges also where nothing is watched, so that an idle slot pins no WAL', async () => {
    await using database = await prepared();
    await using capturing = await capture(database, { webhooks: [] });
    await database.client.query("insert into thing values (1, 'x')");
    const committed = await walEnd(database);
    await until(async () => (await slotOf(database)).confirmed >= committed);
    expect(capturing.stored()).toEqual({});
  });

  it('skips what the store has, and nothing else', async () => {
    await using database = await prepared();
    await database.client.query("insert into thing values (1, 'x')");
    const between = await walEnd(database);
    await database.client.query("insert into thing values (2, 'x')");
    await using capturing = await capture(database, { position: between });
    await until(() => (capturing.stored()['w'] ?? []).length > 0);
    expect(capturing.stored()['w']?.map(({ key }) => key)).toEqual(['2']);
  });

  it('makes a failed Delivery of a row above limits.message, and goes on', async () => {
    await using database = await prepared();
    const limits = { valueBytes: 1_024, eventBytes: 65_536, messageBytes: 65_536, lookahead: 100 };
    await using capturing = await capture(database, { limits });
    await database.client.query("insert into thing values (1, repeat('x', 200000)), (2, 'y')");
    await until(() => (capturing.stored()['w'] ?? []).length === 1);
    const failed = capturing.flushes.flatMap((flush) => flush.failed);
    expect(failed).toMatchObject([{ webhook: 'w', reason: 'too_large', attempts: 0 }]);
    expect(capturing.stored()['w']?.[0]?.key).toBe('2');
  });

  // After a failover to a standby that was behind, everything up to the old position would be skipped.
  it('never skips by a position that is ahead of the server’s WAL', async () => {
    await using database = await prepared();
    const ahead = lsn((await walEnd(database)) + 0x1_0000_0000n);
    await using capturing = await capture(database, { position: ahead });
    await database.client.query("insert into thing values (1, 'x')");
    const committed = await walEnd(database);
    await expect(capturing.ended).rejects.toMatchObject({ code: 'SLOT_LOST' });
    expect((await slotOf(database)).confirmed).toBeLessThan(committed);
  });

  it('acknowledges nothing while the publication is missing', async () => {
    await using database = await prepared();
    await using capturing = await capture(database, { publication: 'misspelt' });
    await database.client.query("insert into thing values (1, 'x')");
    const committed = await walEnd(database);
    await expect(capturing.ended).rejects.toMatchObject({ code: 'PUBLICATION_MISSING' });
    expect((await slotOf(database)).confirmed).toBeLessThan(committed);
  });

  it('moves the position past a Transaction only with the last of its Deliveries', async () => {
    await using database = await prepared();
    await database.client.query("insert into thing select i, 'x' from generate_series(1, 2000) as i");
    const webhooks = Array.from({ length: 10 }, (_, i) => `w${i}`);
    await using capturing = await capture(database, { webhooks, auditSources: [NO_AUDIT] });
    await until(() => stored(capturing.flushes) === 20_000, { timeoutMs: 30_000 });
    const [first] = decodePayload(capturing.flushes[0]?.batches[0]?.payload ?? '');
    const commit = formatPosition({ lsn: parseLsn(first?.lsn ?? ''), index: 0 });
    const passing = () => capturing.flushes.findIndex(({ to }) => to > commit);
    await until(() => passing() >= 0);
    expect(passing()).toBeGreaterThan(1);
    expect(stored(capturing.flushes.slice(0, passing() + 1))).toBe(20_000);
  });

  it('ends at once where the store refuses a flush, though the stream is idle', async () => {
    await using database = await prepared();
    const refused = new WalhookError('QUEUE_FENCED', 'of the test');
    const refusals: ((error: Error) => void)[] = [];
    const store = {
      takeFence: () => Promise.resolve(1),
      flush: () =>
        new Promise<'done'>((_resolve, reject) => {
          refusals.push(reject);
        }),
    };
    await using capturing = await capture(database, { store });
    await database.client.query("insert into thing values (1, 'x')");
    await until(() => refusals.length > 0);
    // Whatever the server has to say after a commit has been said by then.
    await settlesWithin(capturing.ended, 300);
    refusals[0]?.(refused);
    expect(await settlesWithin(expect(capturing.ended).rejects.toBe(refused), 2_000)).toBe(true);
  });

  it('ends where it was told to stop before the connection was there', async () => {
    await using database = await prepared();
    await using capturing = await capture(database, { isAborted: true });
    await expect(capturing.ended).resolves.toBeUndefined();
  });

  it('represents a row by the columns that it had, though its Transaction altered the table', async () => {
    await using database = await prepared();
    const choices = { note: { x: 'Ex' } };
    await using capturing = await capture(database, {
      models: [testModel('thing', 'thing')],
      represent: new Map([['thing', { ...plainOptions('thing'), choices }]]),
      auditSources: [NO_AUDIT],
    });
    await database.client.query(
      "begin; insert into thing values (1, 'x'); alter table thing drop column note, add column other text; insert into thing values (2, 'y'); commit",
    );
    await until(() => capturing.stored()['w']?.length === 2);
    const data = capturing.stored()['w']?.map(({ json }) => (JSON.parse(json) as { data: unknown }).data);
    expect(data).toEqual([
      { id: 1, note: { value: 'x', label: 'Ex' } },
      { id: 2, other: 'y' },
    ]);
  });

  // PostgreSQL 18 says so in its own log only, sends nothing more and lets its position rise.
  it.each([
    ['dropped', ''],
    ['dropped and made again', `create publication ${PUBLICATION} for all tables`],
  ])('stops, and acknowledges nothing further, when the publication is %s meanwhile', async (_what, again) => {
    await using database = await prepared();
    const { client } = database;
    await using capturing = await capture(database);
    await client.query("insert into thing values (1, 'x')");
    await until(() => capturing.stored()['w']?.length === 1);
    await client.query(`drop publication ${PUBLICATION}`);
    await client.query("insert into thing values (2, 'x')");
    const missed = await walEnd(database);
    if (again !== '') await client.query(again);
    await client.query("select pg_logical_emit_message(true, 'any', 'x')");
    await expect(capturing.ended).rejects.toMatchObject({ code: 'PUBLICATION_MISSING' });
    expect((await slotOf(database)).confirmed).toBeLessThan(missed);
  });

  const many =
    "do $$ begin for i in 1..1000 loop insert into thing values (i, 'x'); commit; end loop; end $$";
  it.each([
    ['one Transaction', "insert into thing select i, 'x' from generate_series(1, 1000) as i", false],
    [
      'one Transaction that is read to its end',
      "insert into thing select i, 'x' from generate_series(1, 1000) as i",
      true,
    ],
    ['many Transactions', many, false],
    ['many Transactions that are read to their end', many, true],
  ])('keeps a flush within its bounds, however many Webhooks a read of %s is for', async (_what, sql, looksAhead) => {
    await using database = await prepared();
    await database.client.query(sql);
    const webhooks = Array.from({ length: 50 }, (_, i) => `w${i}`);
    await using capturing = await capture(database, {
      webhooks,
      auditSources: looksAhead ? [NO_AUDIT] : [],
    });
    await until(() => stored(capturing.flushes) === 50_000, { timeoutMs: 40_000 });
    const sizes = capturing.flushes.map((flush) => stored([flush]));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2 * 5_000);
  });
});
