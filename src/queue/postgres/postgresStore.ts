/**
 * The queue in a PostgreSQL: no Redis needed. Tables of our own and one statement per operation; processes
 * wake each other by NOTIFY over one listening connection.
 *
 * What capture stores waits for the disk. What deliver takes and reports does not: losing it in a crash of
 * the server repeats requests, which at-least-once allows, and waiting would cost each Delivery a fsync.
 */
import type { Client, Pool, QueryResultRow } from 'pg';
import type { Clock } from '../../core/clock.ts';
import { causeCode, WalhookError } from '../../core/errors.ts';
import { hash8 } from '../../core/hash.ts';
import { settlesWithin } from '../../core/lifecycle.ts';
import { connect, openPool, type PostgresTarget } from '../../database/connect.ts';
import { type DamagedJob, isDamage, planDamaged } from '../damaged.ts';
import {
  decodeJob,
  deliveryBytes,
  encodeHead,
  eventsOf,
  type QueuedDelivery,
  splitPayload,
} from '../delivery.ts';
import { isResent } from '../entry.ts';
import type { FlowSwap, FlowSwapped } from '../flow.ts';
import type { FoundGap, Gap, GapEnd } from '../gaps.ts';
import { Inspector } from '../inspector.ts';
import type { Orphan } from '../orphans.ts';
import { DEFAULT_POLICY, failedEntry, type LogPolicy, planReports, type ReportPlan } from '../reports.ts';
import type { Sealer } from '../seal.ts';
import {
  type CancelledInJob,
  type ClaimedJob,
  type ClaimRequest,
  type ClaimResult,
  type Durability,
  type FailedDelivery,
  type Flush,
  type FlushResult,
  type Installation,
  type PublishedDefinitions,
  type QueueCounts,
  type QueueStore,
  type Report,
  refuseNewerFormat,
  requireCurrentFormat,
  STORE_FORMAT,
  type StoreState,
} from '../store.ts';
import { hearWake, newSender } from '../wake.ts';
import type { Worker } from '../workers.ts';
import { batchSchemaSql, isInQueue } from './batchStatements.ts';
import { entryParameters } from './entries.ts';
import { flowSchemaSql, swapFlowsSql } from './flowStatements.ts';
import { type GapRow, gapOfRow, gapParameters, gapStatements } from './gaps.ts';
import { PostgresBackend } from './postgresBackend.ts';
import { rowSchemaSql } from './rowStatements.ts';
import { queueSchema, queueSchemaSql } from './schema.ts';
import { type Statements, statementsFor } from './statements.ts';

export interface PostgresStoreOptions {
  readonly target: PostgresTarget;
  readonly prefix: string;
  readonly clock: Clock;
  /** What the log keeps and how it is sealed; default: everything, in the clear. */
  readonly policy?: LogPolicy;
}

/** Connections of one process: two for capture and commands, four for deliver, one that listens. */
const DURABLE_CONNECTIONS = 2;
const FAST_CONNECTIONS = 4;
/**
 * How long an answer may take. A server that is cut off without a word would hold its caller for hours, and with
 * it the heartbeat of this process: after this it is taken for gone. Nothing is lost by a statement that was
 * done all the same: a flush is recognised by its position, and what else was taken is given back.
 */
const ANSWER_TIMEOUT_MS = 10_000;
/**
 * The server ends a statement of deliver's before it is given up here: one that went on waiting for a lock could take
 * jobs after their owner was asked what it knows of, and nobody would ever send them.
 */
const STATEMENT_TIMEOUT_MS = 9_000;
/** The durable connections sweep and upgrade too. */
const DURABLE_ANSWER_TIMEOUT_MS = 30_000;
/** How long closing may wait for a server that does not answer. */
const CLOSE_TIMEOUT_MS = 1_000;
/** 40P01 deadlock, 40001 serialization: the statement changed nothing and may be repeated. */
const REPEATABLE = new Set(['40P01', '40001']);
const MAX_REPEATS = 5;
const UNDEFINED_TABLE = '42P01';
const INVALID_SCHEMA = '3F000';

export class PostgresStore implements QueueStore {
  readonly kind = 'postgres';
  readonly places = [];
  readonly deliveries: Inspector;
  readonly #options: PostgresStoreOptions;
  readonly #policy: LogPolicy;
  readonly #backend: PostgresBackend;
  readonly #schema: string;
  readonly #sql: Statements;
  readonly #gaps: ReturnType<typeof gapStatements>;
  readonly #durable: Pool;
  readonly #fast: Pool;
  readonly #sender = newSender();
  readonly #listeners = new Set<Client>();
  #isClosed = false;

  private constructor(options: PostgresStoreOptions, durable: Pool, fast: Pool) {
    this.#options = options;
    this.#policy = options.policy ?? DEFAULT_POLICY;
    this.#schema = queueSchema(options.prefix);
    this.#sql = statementsFor(this.#schema);
    this.#gaps = gapStatements(this.#schema);
    this.#durable = durable;
    this.#fast = fast;
    this.#backend = new PostgresBackend(this.#schema, (text, values) =>
      this.#query(this.#durable, text, values),
    );
    this.deliveries = new Inspector(this.#backend, this.#policy);
  }

  /** Connects once, to report what is wrong. Throws QUEUE_UNREACHABLE. */
  static async open(options: PostgresStoreOptions): Promise<PostgresStore> {
    await (await connect(options.target)).end();
    const durable = await openPool(options.target, DURABLE_CONNECTIONS, {
      query_timeout: DURABLE_ANSWER_TIMEOUT_MS,
    });
    const fast = await openPool(options.target, FAST_CONNECTIONS, {
      options: `-c synchronous_commit=off -c statement_timeout=${STATEMENT_TIMEOUT_MS}`,
      query_timeout: ANSWER_TIMEOUT_MS,
    });
    return new PostgresStore(options, durable, fast);
  }

  get sealer(): Sealer {
    return this.#policy.sealer;
  }

  async state(): Promise<StoreState | null> {
    const rows = await this.#query<{
      format: number;
      installation: Installation;
      position: string;
      fence: string;
      definitions: string | null;
    }>(
      this.#durable,
      `select format, installation, position, fence::text, definitions from ${this.#schema}.store`,
    ).catch((error: unknown) => {
      if (isNotSetUp(error)) return [];
      throw error;
    });
    const row = rows[0];
    if (row === undefined) return null;
    refuseNewerFormat(row.format);
    return {
      installation: row.installation,
      position: row.position,
      fence: Number(row.fence),
      definitions: row.definitions,
    };
  }

  async definitionsOtherThan(known: string | null): Promise<PublishedDefinitions | null> {
    const [row] = await this.#query<PublishedDefinitions & { format: number }>(
      this.#durable,
      `select format, digest, case when digest is distinct from $1 then definitions end as text
       from (select format, definitions, md5(coalesce(definitions, '')) as digest from ${this.#schema}.store) as s`,
      [known],
      'definitions',
    );
    if (row === undefined) return null;
    refuseNewerFormat(row.format);
    return row.digest === known ? null : { digest: row.digest, text: row.text };
  }

  #schemaSql(): string {
    const parts = [queueSchemaSql, flowSchemaSql, rowSchemaSql, batchSchemaSql];
    return parts.map((sql) => sql(this.#schema)).join('');
  }

  async initialise(installation: Installation, position: string): Promise<void> {
    await this.#query(this.#durable, this.#schemaSql());
    await this.#query(
      this.#durable,
      `insert into ${this.#schema}.store (format, installation, position) values ($1, $2, $3)
       on conflict (only_row) do update set installation = excluded.installation, format = excluded.format`,
      [STORE_FORMAT, JSON.stringify(installation), position],
    );
  }

  async rebind(installation: Installation, position: string): Promise<void> {
    await this.#query(this.#durable, this.#schemaSql());
    await this.#query(
      this.#durable,
      `insert into ${this.#schema}.store as s (format, installation, position) values ($1, $2, $3)
       on conflict (only_row) do update
       set installation = excluded.installation, position = excluded.position, format = excluded.format,
         fence = s.fence + 1`,
      [STORE_FORMAT, JSON.stringify(installation), position],
    );
  }

  async notes(prefix: string): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#query<{ key: string; value: string }>(
      this.#durable,
      `select key, value from ${this.#schema}.note where starts_with(key, $1) order by key collate "C"`,
      [prefix],
    ).catch((error: unknown) => {
      if (isNotSetUp(error)) return [];
      throw error;
    });
    return new Map(rows.map((row) => [row.key, row.value]));
  }

  async putNote(key: string, value: string | null, expected?: string | null): Promise<boolean> {
    const rows = await this.#query(this.#durable, ...noteStatement(this.#schema, key, value, expected));
    return rows.length > 0 || expected === undefined;
  }

  async destroy(): Promise<void> {
    await this.#query(this.#durable, `drop schema if exists ${this.#schema} cascade`);
  }

  async takeFence(): Promise<number> {
    const rows = await this.#query<{ fence: string }>(
      this.#durable,
      `update ${this.#schema}.store set fence = fence + 1 returning fence::text`,
    );
    return Number(rows[0]?.fence);
  }

  async flush(flush: Flush): Promise<FlushResult> {
    const policy = this.#policy;
    const rows = await this.#query<{ answer: string }>(
      this.#durable,
      this.#sql.flush,
      [
        flush.fence,
        flush.from,
        flush.to,
        flush.definitions,
        ...batchParameters(flush, policy),
        ...entryParameters(flush.failed.map((one) => failedEntry(one, policy))),
        flush.braked ?? [],
        this.#options.clock.now(),
        this.#schema,
        this.#sender,
        flush.batches.map((batch) => batch.rows[0] ?? null),
        flush.batches.map((batch) => batch.rows[1] ?? null),
      ],
      'flush',
    );
    const answer = rows[0]?.answer;
    if (answer === 'done') return 'done';
    // The answer to an earlier try may have been lost on the way: then its position stands there already. One that
    // leaves the position where it is says nothing of the kind.
    const state = await this.state();
    const isOurs = state?.fence === flush.fence;
    if (isOurs && flush.from !== flush.to && state.position === flush.to) return 'done';
    return answer === 'held' && isOurs ? 'held' : 'fenced';
  }

  async heartbeat(process: string, ttlMs: number): Promise<void> {
    await this.#query(this.#fast, this.#sql.heartbeat, [process, ttlMs, this.#schema], 'heartbeat');
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    const { webhook } = request;
    const rows = await this.#query<{
      is_paused: boolean;
      next_due_ms: string | null;
      id: string | null;
      attempts: number;
      done: number;
      head: string;
      payload: string;
      history: string;
      bodies: string;
    }>(this.#fast, this.#sql.claim, [webhook, request.process, request.maxJobs, request.nowMs], 'claim');
    const isPaused = rows[0]?.is_paused ?? false;
    const next = rows[0]?.next_due_ms ?? null;
    const damaged: { readonly id: string; readonly error: unknown }[] = [];
    const jobs = rows.flatMap(({ id, attempts, done, head, payload, history, bodies }): ClaimedJob[] => {
      if (id === null) return [];
      try {
        const deliveries = decodeJob(head, this.#policy.sealer.open(payload));
        const job = { id, webhook, attempts, done, deliveries };
        return [history === '' ? job : { ...job, trace: { history, bodies }, isResend: isResent(history) }];
      } catch (error) {
        if (!isDamage(error)) throw error;
        damaged.push({ id, error });
        return [];
      }
    });
    for (const { id, error } of damaged) await this.#endDamaged(request.process, id, error);
    return { isPaused, nextDueMs: isPaused || next === null ? null : Number(next), jobs };
  }

  async #endDamaged(process: string, id: string, error: unknown): Promise<void> {
    const [job] = await this.#query<Omit<DamagedJob, 'lastMs'> & { readonly lastMs: string }>(
      this.#durable,
      `select id::text, webhook, size, done, bytes, first_id as "firstId", last_ms::text as "lastMs", head, history, bodies
       from ${this.#schema}.job where id = $1`,
      [id],
    );
    if (job === undefined) return;
    const known = { ...job, lastMs: Number(job.lastMs) };
    const plan = planDamaged(known, error, this.#options.clock.now(), this.#policy);
    await this.#record(this.#durable, process, plan);
  }

  async report(process: string, reports: readonly Report[]): Promise<void> {
    const policy = this.#policy;
    const { clock } = this.#options;
    await this.#record(this.#fast, process, planReports(reports, policy, clock.now()));
  }

  async #record(pool: Pool, process: string, plan: ReportPlan): Promise<void> {
    const jobs = [process, ...jobParameters(plan), this.#policy.payloads !== 'full'];
    if (plan.retries.length === 0 && plan.ended.length === 0) {
      await this.#query(pool, this.#sql.reportDelivered, jobs, 'reportDelivered');
    } else {
      await this.#query(pool, this.#sql.report, [...jobs, ...planParameters(plan)], 'report');
    }
  }

  async release(process: string, jobs: readonly { readonly id: string }[]): Promise<void> {
    await this.#query(this.#fast, this.#sql.release, [process, jobs.map((job) => job.id)], 'release');
  }

  async recover(process: string, known: readonly string[]): Promise<void> {
    await this.#query(this.#fast, this.#sql.recover, [process, known], 'recover');
  }

  async dueWebhooks(nowMs: number): Promise<string[]> {
    const rows = await this.#query<{ webhook: string }>(this.#fast, this.#sql.dueWebhooks, [nowMs], 'due');
    return rows.map((row) => row.webhook);
  }

  async swapFlows(swaps: readonly FlowSwap[]): Promise<readonly FlowSwapped[]> {
    const rows = await this.#query<{ is_swapped: boolean; current: string | null }>(
      this.#fast,
      swapFlowsSql(this.#schema),
      [
        swaps.map(({ webhook }) => webhook),
        swaps.map(({ expected }) => expected),
        swaps.map(({ next }) => next),
      ],
      'swapFlows',
    );
    return rows.map(({ is_swapped: isSwapped, current }) => ({ isSwapped, current }));
  }

  async flows(): Promise<ReadonlyMap<string, string>> {
    const sql = `select webhook, state from ${this.#schema}.flow`;
    const rows = await this.#query<{ webhook: string; state: string }>(this.#fast, sql);
    return new Map(rows.map(({ webhook, state }) => [webhook, state]));
  }

  async onWake(
    callback: (webhooks: readonly string[]) => void,
    onCancelled: (cancelled: CancelledInJob) => void = () => undefined,
    onReconnected: () => void = () => undefined,
  ): Promise<void> {
    const listeners = { onWork: callback, onCancelled };
    const client = await connect(this.#options.target, { query_timeout: ANSWER_TIMEOUT_MS });
    client.on('notification', ({ payload }) => hearWake(payload ?? '', this.#sender, listeners));
    try {
      await client.query(`listen ${this.#schema}`);
    } catch (error) {
      void client.end().catch(() => undefined);
      throw translated(error);
    }
    // While there is no listener, polling finds the work; then listening starts anew.
    client.once('end', () => {
      this.#listeners.delete(client);
      if (!this.#isClosed) void this.#listenAgain(callback, onCancelled, onReconnected);
    });
    this.#listeners.add(client);
  }

  async #listenAgain(...listeners: Parameters<QueueStore['onWake']>): Promise<void> {
    while (!this.#isClosed) {
      await this.#options.clock.sleep(1_000);
      try {
        if (this.#isClosed) return;
        await this.onWake(...listeners);
        const [, , onReconnected] = listeners;
        onReconnected?.();
        return;
      } catch {
        // The polling that goes on meanwhile reports that the store is gone.
      }
    }
  }

  async counts(): Promise<ReadonlyMap<string, QueueCounts>> {
    const rows = await this.#query<CountRow>(this.#durable, this.#sql.counts);
    return new Map(rows.map((row) => [row.key, toCounts(row)]));
  }

  async workers(): Promise<readonly Worker[]> {
    const rows = await this.#query<{ id: string; seen_ms: string; jobs: number }>(
      this.#durable,
      `select p.id, p.seen_ms::text, (select count(*)::int from ${this.#schema}.job j where j.owner = p.id) as jobs
       from ${this.#schema}.process p order by p.id`,
    );
    return rows.map(({ id, seen_ms, jobs }) => ({ process: id, seenMs: Number(seen_ms), jobs }));
  }

  async oldest(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#query<{ webhook: string; ms: string }>(
      this.#durable,
      `select webhook, min(last_ms)::text as ms from ${this.#schema}.job j where ${isInQueue('j')} group by webhook`,
    );
    return new Map(rows.map(({ webhook, ms }) => [webhook, Number(ms)]));
  }

  async pause(webhook: string): Promise<void> {
    await this.#query(this.#durable, this.#sql.pause, [webhook, true, this.#schema]);
  }

  async resume(webhook: string): Promise<void> {
    await this.#query(this.#durable, this.#sql.pause, [webhook, false, this.#schema]);
  }

  async setParked(webhook: string, isParked: boolean): Promise<void> {
    await this.#query(this.#durable, this.#sql.park, [webhook, isParked]);
  }

  async enqueue(webhook: string, delivery: QueuedDelivery): Promise<void> {
    await this.#query(this.#durable, this.#sql.enqueue, [
      webhook,
      deliveryBytes(delivery),
      delivery.eventId,
      delivery.committedAtMs,
      encodeHead([delivery]),
      this.#policy.sealer.seal(eventsOf([delivery])),
      this.#schema,
    ]);
  }

  async failed(webhook: string, limit: number): Promise<FailedDelivery[]> {
    return await this.deliveries.failed(webhook, limit);
  }

  async gaps(): Promise<readonly Gap[]> {
    const rows = await this.#query<GapRow>(this.#durable, this.#gaps.read).catch((error: unknown) => {
      if (isNotSetUp(error)) return [];
      throw error;
    });
    return rows.map(gapOfRow);
  }

  async recordGap(gap: FoundGap): Promise<number> {
    const rows = await this.#query<{ id: string }>(this.#durable, this.#gaps.record, gapParameters(gap));
    return Number(rows[0]?.id);
  }

  async settleGap(id: number, nowMs: number, end?: GapEnd): Promise<boolean> {
    const values = [id, nowMs, end?.lsn ?? null, end?.atMs ?? null];
    return (await this.#query(this.#durable, this.#gaps.settle, values)).length > 0;
  }

  async trimGaps(): Promise<number> {
    return (await this.#query(this.#durable, this.#gaps.trim)).length;
  }

  async markOrphans(defined: readonly string[], nowMs: number): Promise<readonly Orphan[]> {
    return await this.#backend.markOrphans(defined, nowMs);
  }

  async dropWaiting(webhook: string, nowMs: number): Promise<number> {
    return await this.#backend.dropWaiting(webhook, nowMs);
  }

  async inspectServer(): Promise<readonly string[]> {
    const rows = await this.#query<{ format: number }>(
      this.#durable,
      `select format from ${this.#schema}.store`,
    ).catch((error: unknown) => {
      if (isNotSetUp(error)) return [];
      throw error;
    });
    requireCurrentFormat(rows[0]?.format ?? null);
    return [];
  }

  durability(): Promise<Durability> {
    return Promise.resolve({ isConfirmed: false, ackDelayMs: 0, note: 'committed on PostgreSQL' });
  }

  /** What is committed is. */
  untilOnDisk(): Promise<boolean> {
    return Promise.resolve(true);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const listeners = [...this.#listeners].map((listener) => listener.end());
    const closed = [...listeners, this.#durable.end(), this.#fast.end()];
    await settlesWithin(Promise.allSettled(closed), CLOSE_TIMEOUT_MS);
  }

  async #query<Row extends QueryResultRow>(
    pool: Pool,
    text: string,
    values?: unknown[],
    name?: string,
  ): Promise<Row[]> {
    for (let tries = 1; ; tries += 1) {
      try {
        const query = { text, ...(values ? { values } : {}), ...(name ? { name } : {}) };
        return (await pool.query<Row>(query)).rows;
      } catch (error) {
        if (tries >= MAX_REPEATS || !REPEATABLE.has(causeCode(error) ?? '')) throw translated(error);
      }
    }
  }
}

function isNotSetUp(error: unknown): boolean {
  const state = causeCode(error instanceof WalhookError ? error.cause : error);
  return state === UNDEFINED_TABLE || state === INVALID_SCHEMA;
}

/** The statement that writes a note; it returns a row where something was written. */
function noteStatement(
  schema: string,
  key: string,
  value: string | null,
  expected: string | null | undefined,
): [string, unknown[]] {
  const note = `${schema}.note`;
  if (expected === undefined) {
    return value === null
      ? [`delete from ${note} where key = $1 returning key`, [key]]
      : [
          `insert into ${note} (key, value) values ($1, $2)
           on conflict (key) do update set value = excluded.value returning key`,
          [key, value],
        ];
  }
  if (expected === null) {
    return value === null
      ? [`select where not exists (select from ${note} where key = $1)`, [key]]
      : [
          `insert into ${note} (key, value) values ($1, $2) on conflict (key) do nothing returning key`,
          [key, value],
        ];
  }
  return value === null
    ? [`delete from ${note} where key = $1 and value = $2 returning key`, [key, expected]]
    : [`update ${note} set value = $2 where key = $1 and value = $3 returning key`, [key, value, expected]];
}

/**
 * SQLSTATEs that say something of the server at present and nothing of the statement: it is going away, has no room
 * for us, let another win, or may only be read (a standby, a failover under way).
 */
const UNAVAILABLE = /^(08|40|53|57|58)|^25006$|^55P03$/;

function translated(error: unknown): unknown {
  const code = causeCode(error);
  const isSqlState = code !== null && /^[0-9A-Z]{5}$/.test(code);
  if (isSqlState && !UNAVAILABLE.test(code)) {
    return new WalhookError('UNEXPECTED', `the queue's PostgreSQL refused a statement (${code})`, {
      cause: error,
    });
  }
  return new WalhookError(
    'QUEUE_UNREACHABLE',
    `the queue's PostgreSQL ${isSqlState ? 'cannot serve at present' : 'did not answer'} (${code ?? 'closed'})`,
    {
      cause: error,
    },
  );
}

interface CountRow {
  readonly key: string;
  readonly is_paused: boolean;
  readonly is_braked: boolean;
  readonly is_parked: boolean;
  readonly waiting: string;
  readonly delayed: string;
  readonly active: string;
  readonly delivered: string;
  readonly failed: string;
  readonly cancelled: string;
  readonly delivered_total: string;
  readonly failed_total: string;
  readonly skipped_total: string;
  readonly pending_bytes: string;
  readonly log_bytes: string;
}

function toCounts(row: CountRow): QueueCounts {
  return {
    isPaused: row.is_paused,
    isBraked: row.is_braked,
    isParked: row.is_parked,
    waiting: Number(row.waiting),
    delayed: Number(row.delayed),
    active: Number(row.active),
    delivered: Number(row.delivered),
    failed: Number(row.failed),
    cancelled: Number(row.cancelled),
    deliveredTotal: Number(row.delivered_total),
    failedTotal: Number(row.failed_total),
    skippedTotal: Number(row.skipped_total),
    bytes: Number(row.pending_bytes),
    logBytes: Number(row.log_bytes),
  };
}

/** The parameters $5–$15 of the flush statement. */
function batchParameters({ batches, backlogs }: Flush, { sealer }: LogPolicy): unknown[] {
  const parts = batches.map((batch) => splitPayload(batch.payload));
  const bounds = batches.map((batch) => backlogs?.get(batch.webhook));
  return [
    batches.map((batch) => batch.webhook),
    batches.map((batch) => batch.size),
    batches.map((batch) => batch.bytes),
    batches.map((batch) => batch.firstId),
    batches.map((batch) => batch.lastId),
    batches.map((batch) => batch.lastMs),
    parts.map((part) => part.head),
    parts.map((part) => sealer.seal(part.events)),
    bounds.map((bound) => bound?.max ?? 0),
    bounds.map((bound) => bound?.bytes ?? 0),
    bounds.map((bound) => bound?.rule ?? ''),
  ];
}

/** The parameters $2–$9 of the report statements. */
function jobParameters({ jobs }: ReportPlan): unknown[] {
  const all = [...jobs.values()];
  return [
    [...jobs.keys()],
    all.map((one) => one.mask),
    all.map((one) => one.delivered),
    all.map((one) => one.deliveredBytes),
    all.map((one) => one.deliveredMs),
    all.map((one) => one.records),
    all.map((one) => one.exchanges),
    all.map((one) => hash8(one.webhook)),
  ];
}

/** The parameters $11–$36 of the report statement. */
function planParameters({ retries, ended }: ReportPlan): unknown[] {
  return [
    retries.map((one) => one.job),
    retries.map((one) => one.bit),
    retries.map((one) => one.dueMs),
    retries.map((one) => one.attempts),
    retries.map((one) => one.bytes),
    retries.map((one) => one.eventId),
    retries.map((one) => one.committedMs),
    retries.map((one) => one.head),
    retries.map((one) => one.events),
    retries.map((one) => one.trace.history),
    retries.map((one) => one.trace.bodies),
    ended.map((one) => one.job),
    ended.map((one) => one.bit),
    ended.map((one) => one.eventBytes),
    ...entryParameters(ended.map((one) => one.entry)),
  ];
}
