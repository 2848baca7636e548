/** A store of the previous format is brought to this one by setup, with all that waits. */
import { Redis } from 'ioredis';
import { describe, expect, inject, it } from 'vitest';
import { deliveryId, encodePayload } from '../../src/queue/delivery.ts';
import {
  attempt,
  DELIVERED,
  deliveriesAt,
  deliveryAt,
  INSTALLATION,
  isStoreMissing,
  prepareStore,
  reports,
  STORE_KINDS,
} from './stores.ts';

/** What a store of format 1 held: a batch, a retry, and one that failed. */
const BATCH = deliveriesAt(1, 3);
const RETRY = deliveryAt(4);
const LOST = deliveryAt(5, { requestId: null });
const bytes = (json: string) => Buffer.byteLength(json);
const batchBytes = BATCH.reduce((sum, one) => sum + bytes(one.json), 0);

/** Where heads had no `b`. */
const payloadOf = (deliveries: Parameters<typeof encodePayload>[0]) =>
  encodePayload(deliveries).replaceAll(/,"b":\d+/g, '');

async function downgradePostgres(query: (text: string, values?: unknown[]) => Promise<unknown>, q: string) {
  await query(`update ${q}.store set format = 1`);
  await query(`create table ${q}.failed (id text primary key, webhook text not null, failed_ms bigint not null,
    attempts integer not null, reason text not null, detail text not null, bytes integer not null, payload text not null)`);
  const job = `insert into ${q}.job (webhook, due_ms, attempts, size, bytes, first_id, last_id, payload) values ('w', $1, $2, $3, $4, $5, $6, $7)`;
  const [first, last] = [BATCH[0]?.eventId, BATCH.at(-1)?.eventId];
  await query(job, [0, 0, 3, batchBytes, first, last, payloadOf(BATCH)]);
  await query(job, [5, 2, 1, bytes(RETRY.json), RETRY.eventId, RETRY.eventId, payloadOf([RETRY])]);
  await query(`insert into ${q}.failed values ($1, 'w', 9, 1, 'gone', 'HTTP 410', 1, $2)`, [
    deliveryId(LOST.eventId, 'w'),
    payloadOf([LOST]),
  ]);
  await query(
    `insert into ${q}.webhook (key, pending, pending_bytes, delayed, failed, failed_total) values ('w', 4, $1, 1, 1, 1)`,
    [batchBytes + bytes(RETRY.json)],
  );
}

async function downgradeRedis(redis: Redis, p: string) {
  await redis.hset(`${p}store`, 'format', 1);
  const job = async (id: string, due: number, attempts: number, all: typeof BATCH) => {
    const fields = {
      webhook: 'w',
      due,
      attempts,
      size: all.length,
      bytes: 1,
      done: 0,
      payload: payloadOf(all),
    };
    await redis.hset(`${p}job:${id}`, fields);
    await redis.zadd(`${p}ready:w`, due, id);
  };
  await job('0000000000000001', 0, 0, BATCH);
  await job('0000000000000002', 5, 2, [RETRY]);
  await redis.set(`${p}seq`, 2);
  await redis.sadd(`${p}webhooks`, 'w');
  await redis.zadd(`${p}due`, 0, 'w');
  const id = deliveryId(LOST.eventId, 'w');
  await redis.zadd(`${p}failed:w`, 9, id);
  await redis.hset(`${p}delivery:${id}`, {
    attempts: 1,
    reason: 'gone',
    detail: 'HTTP 410',
    bytes: 1,
    payload: payloadOf([LOST]),
  });
  const counts = {
    pending: 4,
    pending_bytes: batchBytes + bytes(RETRY.json),
    delayed: 1,
    failed: 1,
    failed_total: 1,
  };
  await redis.hset(`${p}count:w`, counts);
}

describe.each(STORE_KINDS)('a %s store of format 1', (kind) => {
  it.skipIf(isStoreMissing(kind))('is refused by run, and goes on after setup', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    const server = { requireNoEviction: true };
    await store.inspectServer(server);
    if (queue.query === null) {
      const redis = new Redis(inject('redisUrl') ?? '');
      await downgradeRedis(redis, `{${queue.prefix}}:`);
      redis.disconnect();
    } else {
      await downgradePostgres(queue.query, `${queue.prefix}_queue`);
    }
    await expect(store.inspectServer(server)).rejects.toMatchObject({ code: 'QUEUE_VERSION' });
    await store.initialise(INSTALLATION, 'pos-9');
    await store.initialise(INSTALLATION, 'pos-9');
    await store.inspectServer(server);

    const { items } = await store.deliveries.list({}, { limit: 10, cursor: null });
    expect(items.map((item) => [item.committedAtMs / 1_000, item.state])).toEqual([
      [5, 'failed'],
      [4, 'delayed'],
      [3, 'waiting'],
      [2, 'waiting'],
      [1, 'waiting'],
    ]);
    expect(await store.deliveries.get(items[0]?.id ?? '')).toMatchObject({
      event: LOST.json,
      error: 'gone',
      detail: 'HTTP 410',
      requestId: null,
      endedMs: 9,
      log: [],
    });
    expect((await store.counts()).get('w')).toMatchObject({
      waiting: 3,
      delayed: 1,
      failed: 1,
      failedTotal: 1,
    });
    await store.deliveries.resend({ state: 'failed' }, 1);
    const jobs = await queue.claim('w');
    expect(jobs.flatMap((job) => job.deliveries)).toEqual([...BATCH, LOST, RETRY]);
  });
});

describe.each(STORE_KINDS)('a %s store of format 2', (kind) => {
  it.skipIf(isStoreMissing(kind))('is refused by run, and goes on after setup', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.flush({ w: BATCH });
    if (queue.query === null) {
      const redis = new Redis(inject('redisUrl') ?? '');
      await redis.hset(`{${queue.prefix}}:store`, 'format', 2);
      redis.disconnect();
    } else {
      const q = `${queue.prefix}_queue`;
      await queue.query(`update ${q}.store set format = 2`);
      await queue.query(
        `alter table ${q}.job drop logged, drop records, drop exchanges, drop seq, drop logged_ms, drop log_bytes, drop is_bare`,
      );
    }
    const server = { requireNoEviction: true };
    await expect(store.inspectServer(server)).rejects.toMatchObject({ code: 'QUEUE_VERSION' });
    await store.initialise(INSTALLATION, 'pos-9');
    await store.inspectServer(server);
    const [job] = await queue.claim('w');
    expect(job?.deliveries).toEqual(BATCH);
    await store.report('p1', reports(job ?? expect.fail(), DELIVERED, attempt()));
    expect(await store.deliveries.count({ state: 'delivered' })).toBe(3);
  });
});
