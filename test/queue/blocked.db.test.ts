/**
 * Taking jobs costs the same however many wait for a row that fails: counted in what the store looks at, not in
 * time. And whatever ends or comes at the same moment, nothing keeps waiting for what is gone.
 */
import { Redis } from 'ioredis';
import type { QueryResult } from 'pg';
import { describe, expect, inject, it } from 'vitest';
import type { QueuedDelivery } from '../../src/queue/delivery.ts';
import { statementsFor } from '../../src/queue/postgres/statements.ts';
import type { ClaimedJob } from '../../src/queue/store.ts';
import { until } from '../helpers/until.ts';
import {
  DELIVERED,
  deliveryAt,
  INSTALLATION,
  isStoreMissing,
  type Prepared,
  prepareStore,
  reports,
  STORE_KINDS,
} from './stores.ts';

const FEW = 1_000;
const MANY = 100_000;
const FLUSH = 5_000;
/** Jobs of rows that are free among those that wait: before them, every thousandth, and behind them. */
const FREE_BEFORE = 5;
const FREE_BEHIND = 10;
const NOW_MS = 1e9;

/** Rows that share no letter are apart; `xy` is of both. */
function makeRows(place: number, ...rows: readonly string[]): QueuedDelivery {
  return deliveryAt(place, { rows, key: rows.join(' '), json: '{}' });
}

/** Row x fails and waits for a retry that is far away; `blocked` others wait for it, some for a key that x became. */
async function fillBehindFailure(queue: Prepared, blocked: number): Promise<{ readonly free: number }> {
  await queue.flush({ w: [makeRows(1, 'x')] });
  const [first] = await queue.claim('w');
  const job = first ?? expect.fail('nothing to take');
  const outcome = { kind: 'retry', attempts: 1, dueMs: 1e14 } as const;
  await queue.store.report('p1', [{ job, index: 0, outcome, isLast: true }]);
  let place = 1;
  let free = 0;
  const next = (...rows: readonly string[]) => {
    place += 1;
    return makeRows(place, ...rows);
  };
  const nextFree = () => {
    free += 1;
    return next(`free${free}`);
  };
  const all: QueuedDelivery[] = Array.from({ length: FREE_BEFORE }, nextFree);
  for (let i = 0; i < blocked; i += 1) {
    if (i === blocked / 2) all.push(next('x', 'y'));
    else all.push(i > blocked / 2 && i % 2 === 0 ? next('y') : next('x'));
    if (i % (blocked / 10) === 0) all.push(nextFree());
  }
  all.push(...Array.from({ length: FREE_BEHIND }, nextFree));
  for (let at = 0; at < all.length; at += FLUSH) await queue.flush({ w: all.slice(at, at + FLUSH) });
  return { free };
}

interface PlanNode {
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly PlanNode[];
}

/** Rows of a table that a plan looked at. */
function rowsLookedAt(node: PlanNode, relation: string): number {
  const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
  const own = node['Relation Name'] === relation ? (node['Actual Rows'] + removed) * node['Actual Loops'] : 0;
  return (node.Plans ?? []).reduce((sum, plan) => sum + rowsLookedAt(plan, relation), own);
}

/** What a claim looks at on PostgreSQL, and what finding the Webhooks that have work does. Changes nothing. */
async function lookAtPlans(queue: Prepared) {
  const { claim, dueWebhooks } = statementsFor(`${queue.prefix}_queue`);
  const query = queue.query ?? expect.fail('not on PostgreSQL');
  const explain = async (statement: string, values: unknown[]) => {
    await query('begin');
    const answer = (await query(`explain (analyze, buffers, format json) ${statement}`, values)) as {
      readonly rows: readonly { readonly 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }[];
    };
    await query('rollback');
    const plan = answer.rows[0]?.['QUERY PLAN'][0].Plan ?? expect.fail('no plan');
    return {
      rows: rowsLookedAt(plan, 'job'),
      blocks: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
    };
  };
  return {
    claim: await explain(claim, ['w', 'p', 64, NOW_MS]),
    due: await explain(dueWebhooks, [NOW_MS]),
  };
}

/** The commands that a claim is on Redis, with how many members each may read at most. */
async function lookAtCommands(queue: Prepared): Promise<string[]> {
  const redis = new Redis(queue.url);
  const monitor = await redis.monitor();
  const seen: string[][] = [];
  monitor.on('monitor', (_time: string, args: string[]) => seen.push(args));
  const key = `{${queue.prefix}}:`;
  await queue.store.claim({ webhook: 'w', process: 'p1', maxJobs: 4, nowMs: NOW_MS });
  await redis.get(`${key}seen`);
  await until(() => seen.some((args) => args[1] === `${key}seen`));
  monitor.disconnect();
  redis.disconnect();
  const own = seen.filter((args) => args[1]?.startsWith(key) === true && args[1] !== `${key}seen`);
  return own.map(([name, , ...rest]) => {
    const bound = rest.findIndex((arg) => arg.toUpperCase() === 'LIMIT');
    return [name, ...(bound < 0 ? [] : rest.slice(bound))].join(' ').toLowerCase();
  });
}

describe.each(STORE_KINDS)('jobs that wait for a row that fails on %s', (kind) => {
  it.skipIf(isStoreMissing(kind))(
    `cost a claim nothing: ${MANY} as little as ${FEW}`,
    { timeout: 600_000 },
    async () => {
      await using few = await prepareStore(kind);
      await using many = await prepareStore(kind);
      await fillBehindFailure(few, FEW);
      const { free } = await fillBehindFailure(many, MANY);
      for (const hasFree of [true, false]) {
        if (kind === 'postgres') {
          for (const queue of [few, many]) await queue.query?.('analyze');
          const [ofFew, ofMany] = [await lookAtPlans(few), await lookAtPlans(many)];
          // A free job is looked at a few times, as one that is ready, as one to be changed and as the next one due.
          expect(ofMany.claim.rows).toBeLessThanOrEqual(hasFree ? 8 * free : 8);
          expect(ofMany.claim.blocks).toBeLessThan(hasFree ? 120 * free : 200);
          expect(ofMany.claim.rows).toBeLessThanOrEqual(ofFew.claim.rows + 5);
          expect(ofMany.due.rows).toBeLessThanOrEqual(hasFree ? 2 * free : 5);
        } else if (hasFree) {
          expect(await lookAtCommands(many)).toEqual(await lookAtCommands(few));
        }
        for (const queue of [few, many]) {
          const jobs = await queue.claim('w');
          const taken = jobs.map(({ deliveries: [one] }) => one?.key.replace(/\d+/, '') ?? '');
          if (hasFree) expect(new Set(taken)).toEqual(new Set(['free']));
          else expect(taken).toEqual([]);
        }
      }
      if (kind === 'redis') {
        const commands = await lookAtCommands(many);
        expect(commands).toEqual(await lookAtCommands(few));
        expect(commands.filter((one) => /^(zrangeby|lrange|smembers|hgetall|zscan)/.test(one))).toEqual([
          'zrangebyscore limit 0 4',
        ]);
      }
    },
  );

  it.skipIf(isStoreMissing(kind))('are named among the due neither before nor after', async () => {
    await using queue = await prepareStore(kind);
    await fillBehindFailure(queue, 20);
    expect(await queue.store.dueWebhooks(NOW_MS)).toEqual(['w']);
    await queue.claim('w');
    // What is due at a time that never comes is no work.
    const { jobs, nextDueMs } = await queue.store.claim({
      webhook: 'w',
      process: 'p1',
      maxJobs: 8,
      nowMs: NOW_MS,
    });
    expect(jobs).toEqual([]);
    expect(nextDueMs).toBeGreaterThanOrEqual(1e14);
    expect(await queue.store.dueWebhooks(NOW_MS)).toEqual([]);
  });
});

describe('marks of what waits for its row on PostgreSQL', () => {
  /** Names of rows as keys of what can be taken. */
  const keysOf = (jobs: readonly ClaimedJob[]) => jobs.map((job) => job.deliveries[0]?.key);
  const byKey = (jobs: readonly ClaimedJob[], key: string) =>
    jobs.find((job) => job.deliveries[0]?.key === key) ?? expect.fail(`${key} was not taken`);

  /** Another transaction that holds the Webhook's counters, as a statement that is under way does. */
  async function holdCounters(queue: Prepared) {
    const query = queue.query ?? expect.fail('not on PostgreSQL');
    await query('begin');
    await query(`select from ${queue.prefix}_queue.webhook where key = 'w' for update`);
    return {
      /** Resolves when so many statements wait for it. */
      async awaited(statements: number) {
        const blocked = `select count(*)::int as n from pg_stat_activity
          where cardinality(pg_blocking_pids(pid)) > 0 and datname = current_database()`;
        await until(async () => {
          await query('select pg_stat_clear_snapshot()');
          const { rows } = (await query(blocked)) as QueryResult;
          return rows[0]?.n === statements;
        });
      },
      release: () => query('commit'),
    };
  }

  it('goes when both rows of a key that changes are freed at the same moment', async () => {
    await using queue = await prepareStore('postgres');
    await queue.flush({ w: [makeRows(1, 'a'), makeRows(2, 'b'), makeRows(3, 'a', 'b'), makeRows(4, 'b')] });
    const jobs = await queue.claim('w');
    expect(keysOf(jobs)).toEqual(['a', 'b']);
    const held = await holdCounters(queue);
    const ended = jobs.map((job) => queue.store.report('p1', reports(job, DELIVERED)));
    await held.awaited(2);
    await held.release();
    await Promise.all(ended);
    const next = await queue.claim('w');
    expect(keysOf(next)).toEqual(['a b']);
    await queue.store.report('p1', reports(byKey(next, 'a b'), DELIVERED));
    expect(keysOf(await queue.claim('w'))).toEqual(['b']);
  });

  it.each([
    ['first', ['report', 'flush']],
    ['last', ['flush', 'report']],
  ] as const)('goes when what came before ends %s while the next one comes', async (_, order) => {
    await using queue = await prepareStore('postgres');
    await queue.flush({ w: [makeRows(1, 'a')] });
    const jobs = await queue.claim('w');
    const held = await holdCounters(queue);
    const statements = {
      report: () => queue.store.report('p1', reports(byKey(jobs, 'a'), DELIVERED)),
      flush: () => queue.flush({ w: [makeRows(2, 'a'), makeRows(3, 'a')] }),
    };
    const running: Promise<unknown>[] = [];
    for (const [i, name] of order.entries()) {
      running.push(statements[name]());
      await held.awaited(i + 1);
    }
    await held.release();
    await Promise.all(running);
    const next = await queue.claim('w');
    expect(keysOf(next)).toEqual(['a']);
    await queue.store.report('p1', reports(byKey(next, 'a'), DELIVERED));
    expect(keysOf(await queue.claim('w'))).toEqual(['a']);
  });

  it('goes when what came before is cancelled or dropped', async () => {
    await using queue = await prepareStore('postgres');
    await queue.flush({ w: [1, 2, 3, 4].map((place) => makeRows(place, 'a')) });
    const { items } = await queue.store.deliveries.list({}, { limit: 10, cursor: null });
    const ids = items.map((item) => item.id).reverse();
    // One in the middle first: that frees nothing.
    await queue.store.deliveries.cancel({ ids: [ids[1] ?? ''] }, 1);
    const jobs = await queue.claim('w');
    expect(jobs.map((job) => job.deliveries[0]?.committedAtMs)).toEqual([1_000]);
    await queue.store.release('p1', jobs);
    await queue.store.deliveries.cancel({ ids: [ids[0] ?? ''] }, 1);
    expect((await queue.claim('w')).map((job) => job.deliveries[0]?.committedAtMs)).toEqual([3_000]);
  });

  it('are made by setup for what a store of format 3 holds', async () => {
    await using queue = await prepareStore('postgres');
    const q = `${queue.prefix}_queue`;
    const query = queue.query ?? expect.fail('not on PostgreSQL');
    await queue.flush({ w: [makeRows(1, 'a'), makeRows(2, 'a'), makeRows(3, 'b'), makeRows(4, 'a', 'b')] });
    await queue.flush({ v: [deliveryAt(5)] });
    // As format 3 had it.
    await query(`update ${q}.store set format = 3`);
    await query(`drop function ${q}.row_ended, ${q}.row_joined cascade`);
    await query(`alter table ${q}.job drop behind`);
    await query(`create index job_ready on ${q}.job (webhook, due_ms, id) where owner is null`);
    const server = { requireNoEviction: true };
    await expect(queue.store.inspectServer(server)).rejects.toMatchObject({ code: 'QUEUE_VERSION' });
    await queue.store.initialise(INSTALLATION, 'pos-9');
    await queue.store.initialise(INSTALLATION, 'pos-9');
    await queue.store.inspectServer(server);
    const { rows } = (await query(`select behind from ${q}.job order by id`)) as QueryResult;
    expect(rows.map((row: { behind: string | null }) => row.behind)).toEqual([
      null,
      'store',
      null,
      'store',
      null,
    ]);
    const first = await queue.claim('w');
    expect(keysOf(first)).toEqual(['a', 'b']);
    for (const job of first) await queue.store.report('p1', reports(job, DELIVERED));
    const second = await queue.claim('w');
    expect(keysOf(second)).toEqual(['a']);
    await queue.store.report('p1', reports(byKey(second, 'a'), DELIVERED));
    expect(keysOf(await queue.claim('w'))).toEqual(['a b']);
    expect(keysOf(await queue.claim('v'))).toEqual(['5']);
  });
});

describe.skipIf(inject('redisUrl') === null)('a Redis store of format 3', () => {
  it('is refused by run, and goes on after setup', async () => {
    await using queue = await prepareStore('redis');
    await queue.flush({ w: [makeRows(1, 'a'), makeRows(2, 'a')] });
    const redis = new Redis(queue.url);
    await redis.hset(`{${queue.prefix}}:store`, 'format', 3);
    redis.disconnect();
    const server = { requireNoEviction: true };
    await expect(queue.store.inspectServer(server)).rejects.toMatchObject({ code: 'QUEUE_VERSION' });
    await queue.store.initialise(INSTALLATION, 'pos-9');
    await queue.store.inspectServer(server);
    expect((await queue.claim('w')).map((job) => job.deliveries[0]?.committedAtMs)).toEqual([1_000]);
  });
});
