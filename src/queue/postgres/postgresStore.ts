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
import { connect, openPool, type PostgresTarget } from '../../database/connect.ts';
import { decodePayload, deliveryId, encodePayload } from '../delivery.ts';
import {
  type ClaimRequest,
  type ClaimResult,
  type FailedDelivery,
  type Flush,
  type Installation,
  type QueueCounts,
  type QueueStore,
  type Report,
  STORE_FORMAT,
  type StoreState,
} from '../store.ts';
import { newSender, readWake } from '../wake.ts';
import { queueSchemaSql } from './schema.ts';
import { type Statements, statementsFor } from './statements.ts';

export interface PostgresStoreOptions {
  readonly target: PostgresTarget;
  readonly prefix: string;
  readonly clock: Clock;
}

/** Connections of one process: two for capture and commands, four for deliver, one that listens. */
const DURABLE_CONNECTIONS = 2;
const FAST_CONNECTIONS = 4;
/** 40P01 deadlock, 40001 serialization: the statement changed nothing and may be repeated. */
const REPEATABLE = new Set(['40P01', '40001']);
const MAX_REPEATS = 5;
const UNDEFINED_TABLE = '42P01';
const INVALID_SCHEMA = '3F000';

/** Where the queue of a prefix lives. */
export function queueSchema(prefix: string): string {
  return `${prefix}_queue`;
}

export class PostgresStore implements QueueStore {
  readonly kind = 'postgres';
  readonly #options: PostgresStoreOptions;
  readonly #schema: string;
  readonly #sql: Statements;
  readonly #durable: Pool;
  readonly #fast: Pool;
  readonly #sender = newSender();
  #listener: Client | null = null;
  #isClosed = false;

  private constructor(options: PostgresStoreOptions, durable: Pool, fast: Pool) {
    this.#options = options;
    this.#schema = queueSchema(options.prefix);
    this.#sql = statementsFor(this.#schema);
    this.#durable = durable;
    this.#fast = fast;
  }

  /** Connects once, to report what is wrong. Throws QUEUE_UNREACHABLE. */
  static async open(options: PostgresStoreOptions): Promise<PostgresStore> {
    await (await connect(options.target)).end();
    const durable = await openPool(options.target, DURABLE_CONNECTIONS);
    const fast = await openPool(options.target, FAST_CONNECTIONS, { options: '-c synchronous_commit=off' });
    return new PostgresStore(options, durable, fast);
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
    if (row.format > STORE_FORMAT) {
      throw new WalhookError(
        'QUEUE_VERSION',
        `expected a store of format ${STORE_FORMAT} or older in schema ${this.#schema}, found format ${row.format}`,
      );
    }
    return {
      installation: row.installation,
      position: row.position,
      fence: Number(row.fence),
      definitions: row.definitions,
    };
  }

  async initialise(installation: Installation, position: string): Promise<void> {
    await this.#query(this.#durable, queueSchemaSql(this.#schema));
    await this.#query(
      this.#durable,
      `insert into ${this.#schema}.store (format, installation, position) values ($1, $2, $3)
       on conflict (only_row) do update set installation = excluded.installation`,
      [STORE_FORMAT, JSON.stringify(installation), position],
    );
  }

  async rebind(installation: Installation, position: string): Promise<void> {
    await this.#query(this.#durable, queueSchemaSql(this.#schema));
    await this.#query(
      this.#durable,
      `insert into ${this.#schema}.store as s (format, installation, position) values ($1, $2, $3)
       on conflict (only_row) do update
       set installation = excluded.installation, position = excluded.position, fence = s.fence + 1`,
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

  async flush(flush: Flush): Promise<'done' | 'fenced'> {
    const { batches, failed } = flush;
    const rows = await this.#query<{ done: boolean }>(
      this.#durable,
      this.#sql.flush,
      [
        flush.fence,
        flush.from,
        flush.to,
        flush.definitions,
        batches.map((batch) => batch.webhook),
        batches.map((batch) => batch.size),
        batches.map((batch) => batch.bytes),
        batches.map((batch) => batch.firstId),
        batches.map((batch) => batch.lastId),
        batches.map((batch) => batch.payload),
        failed.map((one) => deliveryId(one.delivery.eventId, one.webhook)),
        failed.map((one) => one.webhook),
        failed.map((one) => one.failedAtMs),
        failed.map((one) => one.attempts),
        failed.map((one) => one.reason),
        failed.map((one) => one.detail),
        failed.map((one) => Buffer.byteLength(one.delivery.json)),
        failed.map((one) => encodePayload([one.delivery])),
        this.#schema,
        this.#sender,
      ],
      'flush',
    );
    if (rows[0]?.done === true) return 'done';
    // The answer to an earlier try may have been lost on the way: then its position stands there already.
    const state = await this.state();
    return state?.fence === flush.fence && state.position === flush.to ? 'done' : 'fenced';
  }

  async heartbeat(process: string, nowMs: number, ttlMs: number): Promise<void> {
    await this.#query(this.#fast, this.#sql.heartbeat, [process, nowMs, ttlMs, this.#schema], 'heartbeat');
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    const { webhook } = request;
    const rows = await this.#query<{
      is_paused: boolean;
      next_due_ms: string | null;
      id: string | null;
      attempts: number;
      done: number;
      payload: string;
    }>(this.#fast, this.#sql.claim, [webhook, request.process, request.maxJobs, request.nowMs], 'claim');
    const isPaused = rows[0]?.is_paused ?? false;
    const next = rows[0]?.next_due_ms ?? null;
    return {
      isPaused,
      nextDueMs: isPaused || next === null ? null : Number(next),
      jobs: rows.flatMap(({ id, attempts, done, payload }) =>
        id === null ? [] : [{ id, webhook, attempts, done, deliveries: decodePayload(payload) }],
      ),
    };
  }

  async report(process: string, reports: readonly Report[]): Promise<void> {
    await this.#query(this.#fast, this.#sql.report, [process, ...reportParameters(reports)], 'report');
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

  async onWake(callback: (webhooks: readonly string[]) => void): Promise<void> {
    const client = await connect(this.#options.target);
    client.on('notification', ({ payload }) => {
      const webhooks = readWake(payload ?? '', this.#sender);
      if (webhooks.length > 0) callback(webhooks);
    });
    // While there is no listener, polling finds the work; then listening starts anew.
    client.once('end', () => {
      if (!this.#isClosed) void this.#listenAgain(callback);
    });
    await client.query(`listen ${this.#schema}`);
    this.#listener = client;
  }

  async #listenAgain(callback: (webhooks: readonly string[]) => void): Promise<void> {
    while (!this.#isClosed) {
      await this.#options.clock.sleep(1_000);
      try {
        if (!this.#isClosed) await this.onWake(callback);
        return;
      } catch {
        // The polling that goes on meanwhile reports that the store is gone.
      }
    }
  }

  async counts(): Promise<ReadonlyMap<string, QueueCounts>> {
    const rows = await this.#query<{
      key: string;
      is_paused: boolean;
      waiting: string;
      delayed: string;
      active: string;
      failed: string;
      delivered_total: string;
      failed_total: string;
      pending_bytes: string;
    }>(this.#durable, this.#sql.counts);
    return new Map(
      rows.map((row) => [
        row.key,
        {
          isPaused: row.is_paused,
          waiting: Number(row.waiting),
          delayed: Number(row.delayed),
          active: Number(row.active),
          failed: Number(row.failed),
          deliveredTotal: Number(row.delivered_total),
          failedTotal: Number(row.failed_total),
          bytes: Number(row.pending_bytes),
        },
      ]),
    );
  }

  async pause(webhook: string): Promise<void> {
    await this.#query(this.#durable, this.#sql.pause, [webhook, true, this.#schema]);
  }

  async resume(webhook: string): Promise<void> {
    await this.#query(this.#durable, this.#sql.pause, [webhook, false, this.#schema]);
  }

  async failed(webhook: string, limit: number): Promise<FailedDelivery[]> {
    const rows = await this.#query<{
      failed_ms: string;
      attempts: number;
      reason: string;
      detail: string;
      payload: string;
    }>(this.#durable, this.#sql.failed, [webhook, limit]);
    return rows.flatMap((row) =>
      decodePayload(row.payload).map((delivery) => ({
        webhook,
        delivery,
        reason: row.reason,
        detail: row.detail,
        attempts: row.attempts,
        failedAtMs: Number(row.failed_ms),
      })),
    );
  }

  durability(): Promise<{ ackDelayMs: number; note: string }> {
    return Promise.resolve({ ackDelayMs: 0, note: 'committed on PostgreSQL' });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#listener?.end().catch(() => undefined);
    await Promise.all([this.#durable.end(), this.#fast.end()]);
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

/** SQLSTATEs that mean the server is going away or has no room for us, class by class. */
const UNAVAILABLE = /^(08|53|57|58)/;

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
    `the queue's PostgreSQL did not answer (${code ?? 'closed'})`,
    {
      cause: error,
    },
  );
}

/** The parameters $2–$22 of the report statement. */
function reportParameters(reports: readonly Report[]): unknown[] {
  const jobs = new Map<string, { mask: number; isLast: boolean; outcomes: number; delivered: number }>();
  for (const { job, index, outcome, isLast } of reports) {
    const sum = jobs.get(job.id) ?? { mask: 0, isLast: false, outcomes: 0, delivered: 0 };
    jobs.set(job.id, {
      mask: sum.mask | (1 << index),
      isLast: sum.isLast || isLast,
      outcomes: sum.outcomes + 1,
      delivered: sum.delivered + (outcome.kind === 'delivered' ? 1 : 0),
    });
  }
  const entries = [...jobs.values()];
  const detailed = reports.flatMap(({ job, index, outcome }) => {
    const delivery = job.deliveries[index];
    return delivery === undefined
      ? []
      : [{ job, outcome, delivery, bytes: Buffer.byteLength(delivery.json) }];
  });
  const retries = detailed.flatMap((one) =>
    one.outcome.kind === 'retry' ? [{ ...one, outcome: one.outcome }] : [],
  );
  const failed = detailed.flatMap((one) =>
    one.outcome.kind === 'failed' ? [{ ...one, outcome: one.outcome }] : [],
  );
  const settled = detailed.filter((one) => one.outcome.kind !== 'retry');
  return [
    [...jobs.keys()],
    entries.map((entry) => entry.mask),
    entries.map((entry) => entry.isLast),
    entries.map((entry) => entry.outcomes),
    entries.map((entry) => entry.delivered),
    retries.map((one) => one.job.id),
    retries.map((one) => one.outcome.dueMs),
    retries.map((one) => one.outcome.attempts),
    retries.map((one) => one.bytes),
    retries.map((one) => one.delivery.eventId),
    retries.map((one) => encodePayload([one.delivery])),
    failed.map((one) => one.job.id),
    failed.map((one) => deliveryId(one.delivery.eventId, one.job.webhook)),
    failed.map((one) => one.outcome.failedAtMs),
    failed.map((one) => one.outcome.attempts),
    failed.map((one) => one.outcome.reason),
    failed.map((one) => one.outcome.detail),
    failed.map((one) => one.bytes),
    failed.map((one) => encodePayload([one.delivery])),
    settled.map((one) => one.job.id),
    settled.map((one) => one.bytes),
  ];
}
