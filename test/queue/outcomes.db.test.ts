/** The tail of outcomes: each is told once, in order, whatever order they are recorded in. */
import type { QueryResult } from 'pg';
import { describe, expect, it } from 'vitest';
import type { QueueStore } from '../../src/queue/store.ts';
import { until } from '../helpers/until.ts';
import {
  attempt,
  DELIVERED,
  deliveriesAt,
  deliveryAt,
  isStoreMissing,
  type Prepared,
  prepareStore,
  reports,
  STORE_KINDS,
} from './stores.ts';

/** Commit seconds of what is told after a place, page by page until there is nothing. */
async function readAll(store: QueueStore, from: string, limit: number) {
  const told: number[] = [];
  let cursor = from;
  for (let pages = 0; pages < 100; pages += 1) {
    const page = await store.deliveries.outcomes(cursor, limit);
    if (page.items.length === 0) break;
    told.push(...page.items.map((item) => item.committedAtMs / 1_000));
    ({ cursor } = page);
  }
  return { told, cursor };
}

async function claimOne(queue: Prepared, webhook: string) {
  const [job] = await queue.claim(webhook);
  return job ?? expect.fail(`nothing to take of ${webhook}`);
}

describe.each(STORE_KINDS)('the tail of outcomes on %s', (kind) => {
  it.skipIf(isStoreMissing(kind)).each([1, 2, 100])(
    'tells of each part of a batch that is delivered bit by bit, %i at a time',
    async (limit) => {
      await using queue = await prepareStore(kind);
      const { store } = queue;
      const { cursor } = await store.deliveries.outcomes(null, 1);
      await queue.flush({ w: deliveriesAt(1, 3) });
      const batch = await claimOne(queue, 'w');
      const parts = reports(batch, DELIVERED, attempt());
      await store.report('p1', parts.slice(0, 1));
      for (const place of [11, 12, 13]) await queue.end('x', [deliveryAt(place)], DELIVERED, attempt());
      await store.report('p1', parts.slice(1, 2));
      for (const place of [14, 15, 16]) await queue.end('x', [deliveryAt(place)], DELIVERED, attempt());
      await store.report('p1', parts.slice(2));
      const { told, cursor: end } = await readAll(store, cursor, limit);
      expect(told).toEqual([1, 11, 12, 13, 2, 14, 15, 16, 3]);
      await queue.end('x', [deliveryAt(17)], DELIVERED, attempt());
      expect((await readAll(store, end, limit)).told).toEqual([17]);
    },
  );
});

describe('the tail of outcomes on PostgreSQL', () => {
  it.each([
    ['delivered', DELIVERED],
    ['delayed', { kind: 'retry', attempts: 1, dueMs: 2e12 }],
    ['failed', { kind: 'failed', attempts: 1, reason: 'status', detail: '', failedAtMs: 1 }],
  ] as const)('leaves nothing out that is recorded late: %s', async (_, outcome) => {
    await using queue = await prepareStore('postgres');
    const { store } = queue;
    const query = queue.query ?? expect.fail('not on PostgreSQL');
    await queue.flush({ slow: [deliveryAt(1)], quick: [deliveryAt(2)] });
    const [slow, quick] = [await claimOne(queue, 'slow'), await claimOne(queue, 'quick')];
    const { cursor } = await store.deliveries.outcomes(null, 1);
    // Its report draws a number, and then waits for the counters of its Webhook.
    await query('begin');
    await query(`select from ${queue.prefix}_queue.webhook where key = 'slow' for update`);
    const reported = store.report('p1', reports(slow, outcome, attempt()));
    await until(async () => {
      await query('select pg_stat_clear_snapshot()');
      const { rows } = (await query(
        'select from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0 and datname = current_database()',
      )) as QueryResult;
      return rows.length === 1;
    });
    await store.report('p1', reports(quick, outcome, attempt()));
    // Only what is delivered is numbered before it waits; the others have drawn nothing yet.
    const early = outcome.kind === 'delivered' ? [] : [2];
    const before = await readAll(store, cursor, 10);
    expect(before.told).toEqual(early);
    expect((await readAll(store, before.cursor, 10)).told).toEqual([]);
    await query('commit').finally(() => reported);
    const { told } = await readAll(store, before.cursor, 10);
    expect(told).toEqual(early.length === 0 ? [1, 2] : [1]);
  });

  it('is held up by no transaction of another application', async () => {
    await using queue = await prepareStore('postgres');
    const query = queue.query ?? expect.fail('not on PostgreSQL');
    const { cursor } = await queue.store.deliveries.outcomes(null, 1);
    await query('begin');
    await query('create table theirs (id int)');
    await queue.end('w', [deliveryAt(1)], DELIVERED, attempt());
    expect((await readAll(queue.store, cursor, 10)).told).toEqual([1]);
    await query('rollback');
  });
});
