/** Jobs and entries in Redis, for listing and operating on Deliveries. */
import {
  type Backend,
  type BlankItem,
  type CancelItem,
  type EntryScan,
  type JobScan,
  ORDERED_LENGTH,
  type OutcomeRow,
  type Outcomes,
  type RequeueItem,
  type Scan,
  type StoredEntry,
  type StoredJob,
  type WholeEntry,
  type WholeJob,
} from '../backend.ts';
import type { DeliveryFilter, Retention, Swept } from '../inspect.ts';
import type { Orphan, OrphanStore } from '../orphans.ts';
import {
  BLANK,
  CANCEL,
  DROP_ENTRIES,
  DROP_WEBHOOK,
  MAKE_DUE,
  OUTCOMES,
  READ_ENTRIES,
  READ_JOBS,
  REQUEUE,
  SCAN_ENTRIES,
  SCAN_JOBS,
} from './operations.ts';
import { entryArguments, hexMs, type RedisCall } from './redisCall.ts';
import { SWEEP } from './sweepScript.ts';

/** What one script call may look at: a few milliseconds of the server's time. */
const JOBS_BUDGET = 500;
const ENTRIES_BUDGET = 2_000;
const SWEEP_MOST = 2_000;

type Answer = (string | number)[];

export class RedisBackend implements Backend, OrphanStore {
  readonly #redis: RedisCall;

  constructor(redis: RedisCall) {
    this.#redis = redis;
  }

  async webhookKeys(): Promise<readonly string[]> {
    return (await this.#redis.call((redis, p) => redis.smembers(`${p}webhooks`))).sort();
  }

  async parkedWebhooks(): Promise<ReadonlySet<string>> {
    const keys = await this.webhookKeys();
    const flags = await this.#redis.call((redis, p) =>
      Promise.all(keys.map((key) => redis.hget(`${p}count:${key}`, 'is_parked'))),
    );
    return new Set(keys.filter((_, i) => flags[i] === '1'));
  }

  async scanJobs(scan: JobScan): Promise<Scan<StoredJob>> {
    const set = scan.part === 'waiting' ? 'jobs' : 'logged';
    const answer = (await this.#redis.script(SCAN_JOBS, [
      scan.webhook === null ? set : `${set}:${scan.webhook}`,
      scan.after === null ? '+' : `(${scan.after}`,
      scan.sinceMs === null ? '' : hexMs(scan.sinceMs),
      scan.most,
      JOBS_BUDGET,
      scan.taken === null ? '' : Number(scan.taken),
      scan.untilMs === null ? '' : scan.untilMs,
      scan.attempt === null ? '' : scan.part === 'waiting' ? 'history' : 'records',
      scan.attempt ?? '',
      scan.tried === null ? '' : Number(scan.tried),
      scan.tokens.length,
      ...scan.tokens,
      scan.events?.length ?? 0,
      ...(scan.events ?? []).map((id) => id.slice(0, ORDERED_LENGTH)),
    ])) as Answer;
    const [next, ...fields] = answer;
    return { items: rows(fields, 11).map(storedJob), next: next === '' ? null : String(next) };
  }

  async readJobs(ids: readonly string[]): Promise<readonly WholeJob[]> {
    if (ids.length === 0) return [];
    const answer = (await this.#redis.script(READ_JOBS, ids)) as Answer;
    return rows(answer, 14).map((row) => ({
      ...storedJob(row),
      events: String(row[11]),
      bodies: String(row[12]),
      exchanges: String(row[13]),
    }));
  }

  async scanEntries({ filter, after, most }: EntryScan): Promise<Scan<StoredEntry>> {
    const answer = (await this.#redis.script(
      SCAN_ENTRIES,
      scanArguments(filter, after, most, false),
    )) as Answer;
    const [next, ...fields] = answer;
    return {
      items: rows(fields, 2).map(([place, head]) => ({ place: String(place), head: String(head) })),
      next: next === '' ? null : String(next),
    };
  }

  async countEntries(filter: DeliveryFilter): Promise<number> {
    let total = 0;
    let after: string | null = null;
    do {
      const [next, found] = (await this.#redis.script(
        SCAN_ENTRIES,
        scanArguments(filter, after, ENTRIES_BUDGET, true),
      )) as Answer;
      total += Number(found);
      after = next === '' || next === undefined ? null : String(next);
    } while (after !== null);
    return total;
  }

  async readEntries(ids: readonly string[]): Promise<readonly WholeEntry[]> {
    if (ids.length === 0) return [];
    const answer = (await this.#redis.script(READ_ENTRIES, ids)) as Answer;
    return rows(answer, 4).map(([id, head, event, bodies]) => ({
      id: String(id),
      head: String(head),
      event: String(event),
      bodies: String(bodies),
    }));
  }

  async cancelInJobs(items: readonly CancelItem[]): Promise<number> {
    if (items.length === 0) return 0;
    const args = items.flatMap(({ job, bit, eventBytes, entry }) => [
      job,
      bit,
      eventBytes,
      ...entryArguments(entry),
    ]);
    return Number(await this.#redis.script(CANCEL, [this.#redis.channel, items.length, ...args]));
  }

  async blankInJobs(items: readonly BlankItem[]): Promise<readonly string[]> {
    if (items.length === 0) return [];
    const args = items.flatMap(({ job, expected, mask, freshBytes, head, events, exchanges }) => [
      job,
      expected.head,
      expected.done,
      mask,
      freshBytes,
      head,
      events,
      exchanges,
    ]);
    return (await this.#redis.script(BLANK, [this.#redis.channel, items.length, ...args])) as string[];
  }

  async requeue(items: readonly RequeueItem[]): Promise<number> {
    if (items.length === 0) return 0;
    const args = items.flatMap(({ id, webhook, from, single }) => [
      id,
      from?.job ?? '',
      from?.bit ?? 0,
      webhook,
      hexMs(single.committedMs),
      single.bytes,
      single.eventId,
      single.head,
      single.events,
      single.trace.history,
      single.trace.bodies,
    ]);
    return Number(await this.#redis.script(REQUEUE, [this.#redis.channel, items.length, ...args]));
  }

  async makeDue(jobs: readonly string[]): Promise<number> {
    if (jobs.length === 0) return 0;
    return Number(await this.#redis.script(MAKE_DUE, [this.#redis.channel, ...jobs]));
  }

  async dropEntries(ids: readonly string[]): Promise<number> {
    if (ids.length === 0) return 0;
    return Number(await this.#redis.script(DROP_ENTRIES, ids));
  }

  async outcomesAfter(seq: number, most: number): Promise<Outcomes> {
    const [upTo, ...answer] = (await this.#redis.script(OUTCOMES, [seq, most])) as Answer;
    const found = rows(answer, 14).map(([kind, number, head, ...job]): OutcomeRow => {
      const seq = Number(number);
      if (kind === 'ended') return { kind, seq, head: String(head) };
      return { kind: kind === 'tried' ? 'tried' : 'delivered', seq, job: storedJob(job) };
    });
    return { rows: found, upTo: Number(upTo) };
  }

  async lastOutcome(): Promise<number> {
    return Number(await this.#redis.call((redis, p) => redis.get(`${p}log_seq`)));
  }

  async sweep(retention: Retention, nowMs: number): Promise<Swept> {
    const [delivered, failed, early, more] = (await this.#redis.script(SWEEP, [
      retention.delivered.count,
      nowMs - retention.delivered.ageMs,
      nowMs - retention.failedMs,
      nowMs - retention.bodiesMs,
      retention.bytes,
      SWEEP_MOST,
    ])) as number[];
    return {
      delivered: Number(delivered),
      failed: Number(failed),
      early: Number(early),
      hasMore: more === 1,
    };
  }

  async markOrphans(defined: readonly string[], nowMs: number): Promise<readonly Orphan[]> {
    const known = new Set(defined);
    const keys = await this.webhookKeys();
    const found = await Promise.all(
      keys.map((webhook) =>
        this.#redis.call(async (redis, p) => {
          const name = `${p}count:${webhook}`;
          if (known.has(webhook)) await redis.hdel(name, 'orphaned_ms');
          else await redis.hsetnx(name, 'orphaned_ms', nowMs);
          const [since, waiting] = await redis.hmget(name, 'orphaned_ms', 'pending');
          return { webhook, since: since ?? null, waiting: Number(waiting ?? 0) };
        }),
      ),
    );
    return found.flatMap(({ webhook, since, waiting }) =>
      since === null ? [] : [{ webhook, sinceMs: Number(since), waiting }],
    );
  }

  async dropWaiting(webhook: string, nowMs: number): Promise<number> {
    let total = 0;
    for (;;) {
      const [dropped, jobs] = (await this.#redis.script(DROP_WEBHOOK, [webhook, nowMs])) as number[];
      total += Number(dropped);
      if (jobs === 0 || jobs === undefined) return total;
    }
  }
}

function scanArguments(
  filter: DeliveryFilter,
  after: string | null,
  most: number,
  onlyCount: boolean,
): (string | number)[] {
  const { webhook, state, model, key, requestId, status, sinceMs, untilMs } = filter;
  return [
    after ?? '',
    sinceMs === undefined ? '' : hexMs(sinceMs),
    untilMs === undefined ? '' : hexMs(untilMs),
    most,
    ENTRIES_BUDGET,
    webhook ?? '',
    state ?? '',
    model ?? '',
    key ?? '',
    requestId ?? '',
    status ?? '',
    Number(onlyCount),
  ];
}

/** place, webhook, attempts, due, done, size, taken, head, history, logged, records */
function storedJob(row: readonly (string | number)[]): StoredJob {
  const place = String(row[0]);
  return {
    place,
    id: place.slice(12),
    webhook: String(row[1]),
    attempts: Number(row[2]),
    dueMs: Number(row[3]),
    done: Number(row[4]),
    size: Number(row[5]),
    isTaken: Number(row[6]) === 1,
    head: String(row[7]),
    history: String(row[8]),
    logged: Number(row[9]),
    records: String(row[10]),
  };
}

function rows(fields: Answer, width: number): Answer[] {
  const result: Answer[] = [];
  for (let i = 0; i + width <= fields.length; i += width) result.push(fields.slice(i, i + width));
  return result;
}
