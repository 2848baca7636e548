/** A prepared store of either kind, for the tests of what both promise. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { inject } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { NO_TLS } from '../../src/database/connect.ts';
import type { AttemptRecord } from '../../src/queue/attempt.ts';
import { type QueuedDelivery, toBatches } from '../../src/queue/delivery.ts';
import type { Retention } from '../../src/queue/inspect.ts';
import { PostgresStore } from '../../src/queue/postgres/postgresStore.ts';
import { RedisStore } from '../../src/queue/redis/redisStore.ts';
import type { LogPolicy } from '../../src/queue/reports.ts';
import type { ClaimedJob, Flush, Installation, Outcome, QueueStore, Report } from '../../src/queue/store.ts';
import { createDatabase } from '../helpers/database.ts';

export const STORE_KINDS = ['postgres', 'redis'] as const;
export type StoreKind = (typeof STORE_KINDS)[number];

export function isStoreMissing(kind: StoreKind): boolean {
  return kind === 'redis' && inject('redisUrl') === null;
}

export const INSTALLATION: Installation = {
  queueId: 'q',
  generation: '0badcafe',
  environment: 'test',
  systemIdentifier: '7',
  database: 'db',
  slot: 'walhook',
};

/** A Delivery at a place in commit order; its commit time is a second per place. */
export function deliveryAt(place: number, more: Partial<QueuedDelivery> = {}): QueuedDelivery {
  return {
    eventId: `0badcafe-${place.toString(16).padStart(16, '0')}-00000000-aaaaaaaa`,
    model: 'thing',
    schema: 'public',
    table: 'thing',
    key: String(place),
    requestId: `r-${place}`,
    lsn: `0/${place.toString(16).toUpperCase()}`,
    xid: place,
    committedAtMs: place * 1_000,
    json: `{"event":"created","n":${place},"text":"Pöer"}`,
    ...more,
  };
}

export function deliveriesAt(from: number, to: number): QueuedDelivery[] {
  return Array.from({ length: to - from + 1 }, (_, i) => deliveryAt(from + i));
}

export function attempt(more: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    startedMs: 50_000,
    durationMs: 5,
    responseMs: 4,
    status: 200,
    error: null,
    detail: null,
    request: {
      method: 'POST',
      url: 'http://receiver/in',
      headers: [['Content-Type', 'application/json']],
      body: null,
      bodyIs: 'event',
      bodyBytes: 10,
    },
    response: { headers: [['x', 'y']], body: 'ok', encoding: 'utf8', isTruncated: false },
    ...more,
  };
}

/** A time to live by which every other process counts as silent. */
export const ALL_SILENT = -60_000;

export const FAILURE = attempt({ status: 503, error: 'status', detail: 'HTTP 503' });
export const DELIVERED: Outcome = { kind: 'delivered' };
export const FAILED = {
  kind: 'failed',
  attempts: 1,
  reason: 'status',
  detail: 'HTTP 503',
  failedAtMs: 60_000,
} as const satisfies Outcome;

/** Nothing is dropped from the log. */
export const FOREVER: Retention = {
  delivered: { ageMs: 1e12, count: 1e6 },
  failedMs: 1e12,
  bodiesMs: 1e12,
  bytes: 1e12,
};

export interface Prepared extends AsyncDisposable {
  readonly store: QueueStore;
  readonly url: string;
  readonly prefix: string;
  /** Runs SQL beside the store; null on Redis. */
  readonly query: ((text: string, values?: unknown[]) => Promise<unknown>) | null;
  /** Another process's connection to the same store. */
  sibling(policy?: LogPolicy): Promise<QueueStore>;
  flush(
    byWebhook: Readonly<Record<string, readonly QueuedDelivery[]>>,
    more?: Partial<Flush>,
  ): Promise<string>;
  claim(webhook: string, process?: string): Promise<readonly ClaimedJob[]>;
  /** All that the store holds, as text. */
  everything(): Promise<string>;
  /** Flushes, claims and reports Deliveries of a Webhook with one outcome for all. */
  end(
    webhook: string,
    deliveries: readonly QueuedDelivery[],
    outcome: Outcome,
    record?: AttemptRecord,
  ): Promise<void>;
}

export function reports(job: ClaimedJob, outcome: Outcome, record?: AttemptRecord): Report[] {
  return job.deliveries.map((_, index) => ({
    job,
    index,
    outcome,
    isLast: index === job.deliveries.length - 1,
    ...(record === undefined ? {} : { attempt: record }),
  }));
}

async function redisText(url: string, prefix: string): Promise<string> {
  const redis = new Redis(url);
  try {
    const keys = await redis.keys(`${prefix}*`);
    const read = async (key: string): Promise<unknown> => {
      const type = await redis.type(key);
      if (type === 'hash') return await redis.hgetall(key);
      if (type === 'zset') return await redis.zrange(key, '0', '-1');
      return type === 'set' ? await redis.smembers(key) : await redis.get(key);
    };
    return JSON.stringify([keys, await Promise.all(keys.map(read))]);
  } finally {
    redis.disconnect();
  }
}

/** A store that is set up, with a capturing daemon's fence. */
export async function prepareStore(kind: StoreKind, policy?: LogPolicy): Promise<Prepared> {
  const prefix = `p${randomBytes(6).toString('hex')}`;
  const database = kind === 'postgres' ? await createDatabase() : null;
  const open = (own?: LogPolicy): Promise<QueueStore> => {
    const given = own === undefined ? {} : { policy: own };
    if (database === null) return RedisStore.open({ url: () => inject('redisUrl') ?? '', prefix, ...given });
    const target = { url: () => database.url, tls: NO_TLS, role: 'queue' as const };
    return PostgresStore.open({ target, prefix, clock: systemClock, ...given });
  };
  const store = await open(policy);
  const siblings: QueueStore[] = [];
  await store.initialise(INSTALLATION, 'pos-0');
  const fence = await store.takeFence();
  let at = 0;
  const flush: Prepared['flush'] = async (byWebhook, more = {}) => {
    const batches = Object.entries(byWebhook).flatMap(([webhook, all]) => toBatches(webhook, all));
    const bounds = { from: `pos-${at}`, to: `pos-${at + 1}` };
    const result = await store.flush({ fence, ...bounds, batches, failed: [], definitions: null, ...more });
    if (result === 'done') at += 1;
    return result;
  };
  const claim: Prepared['claim'] = async (webhook, process = 'p1') =>
    (await store.claim({ webhook, process, maxJobs: 1_000, nowMs: 1e12 })).jobs;
  return {
    store,
    url: database?.url ?? inject('redisUrl') ?? '',
    prefix,
    query: database === null ? null : (text, values) => database.client.query(text, values),
    flush,
    claim,
    async sibling(own) {
      const other = await open(own ?? policy);
      siblings.push(other);
      return other;
    },
    async everything() {
      if (database === null) return await redisText(inject('redisUrl') ?? '', `{${prefix}}:`);
      const tables = ['job', 'log', 'log_text', 'gap', 'webhook'];
      const texts: string[] = [];
      for (const table of tables) {
        const { rows } = await database.client.query(`select t::text from ${prefix}_queue.${table} t`);
        texts.push(JSON.stringify(rows));
      }
      return texts.join('\n');
    },
    async end(webhook, deliveries, outcome, record) {
      await flush({ [webhook]: deliveries });
      const jobs = await claim(webhook);
      await store.report(
        'p1',
        jobs.flatMap((job) => reports(job, outcome, record)),
      );
    },
    async [Symbol.asyncDispose]() {
      for (const sibling of siblings) await sibling.close();
      await store.destroy();
      await store.close();
      await database?.[Symbol.asyncDispose]();
    },
  };
}
