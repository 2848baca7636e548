/**
 * The queue in a PostgreSQL: no Redis needed. Tables of our own and one statement per operation; processes
 * wake each other by NOTIFY over one listening connection.
 *
 * What capture stores waits for the disk. What deliver takes and reports does not: losing it in a crash of
 * the server repeats requests, which at-least-once allows, and waiting would cost each Delivery a fsync.
 */
import type { Clock } from '../../core/clock.ts';
import { settlesWithin } from '../../core/lifecycle.ts';
import type { PostgresTarget } from '../../database/connect.ts';
import { type DamagedJob, isDamage, planDamaged } from '../damaged.ts';
import { decodeJob, deliveryBytes, encodeHead, eventsOf, type QueuedDelivery } from '../delivery.ts';
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
import { newSender } from '../wake.ts';
import type { Worker } from '../workers.ts';
import { batchSchemaSql, isInQueue } from './batchStatements.ts';
import { type CountRow, toCounts } from './counts.ts';
import { entryParameters } from './entries.ts';
import { flowSchemaSql, swapFlowsSql } from './flowStatements.ts';
import { type GapRow, gapOfRow, gapParameters, gapStatements } from './gaps.ts';
import { noteStatement } from './noteStatement.ts';
import { batchParameters, jobParameters, planParameters } from './parameters.ts';
import { PostgresBackend } from './postgresBackend.ts';
import { isNotSetUp, PostgresCall } from './postgresCall.ts';
import { rowSchemaSql } from './rowStatements.ts';
import { queueSchema, queueSchemaSql } from './schema.ts';
import { type Statements, statementsFor } from './statements.ts';
import { WakeListener } from './wakeListener.ts';

export interface PostgresStoreOptions {
  readonly target: PostgresTarget;
  readonly prefix: string;
  readonly clock: Clock;
  /** What the log keeps and how it is sealed; default: everything, in the clear. */
  readonly policy?: LogPolicy;
}

/** How long closing may wait for a server that does not answer. */
const CLOSE_TIMEOUT_MS = 1_000;

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
  readonly #call: PostgresCall;
  readonly #sender = newSender();
  readonly #listener: WakeListener;

  private constructor(options: PostgresStoreOptions, call: PostgresCall) {
    this.#options = options;
    this.#policy = options.policy ?? DEFAULT_POLICY;
    this.#schema = queueSchema(options.prefix);
    this.#sql = statementsFor(this.#schema);
    this.#gaps = gapStatements(this.#schema);
    this.#call = call;
    this.#listener = new WakeListener({ ...options, schema: this.#schema, sender: this.#sender });
    this.#backend = new PostgresBackend(this.#schema, (text, values) => call.durable(text, values));
    this.deliveries = new Inspector(this.#backend, this.#policy);
  }

  /** Connects once, to report what is wrong. Throws QUEUE_UNREACHABLE. */
  static async open(options: PostgresStoreOptions): Promise<PostgresStore> {
    return new PostgresStore(options, await PostgresCall.open(options.target));
  }

  get sealer(): Sealer {
    return this.#policy.sealer;
  }

  async state(): Promise<StoreState | null> {
    const rows = await this.#call
      .durable<{
        format: number;
        installation: Installation;
        position: string;
        fence: string;
        definitions: string | null;
      }>(`select format, installation, position, fence::text, definitions from ${this.#schema}.store`)
      .catch((error: unknown) => {
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
    const [row] = await this.#call.durable<PublishedDefinitions & { format: number }>(
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
    await this.#call.durable(this.#schemaSql());
    await this.#call.durable(
      `insert into ${this.#schema}.store (format, installation, position) values ($1, $2, $3)
       on conflict (only_row) do update set installation = excluded.installation, format = excluded.format`,
      [STORE_FORMAT, JSON.stringify(installation), position],
    );
  }

  async rebind(installation: Installation, position: string): Promise<void> {
    await this.#call.durable(this.#schemaSql());
    await this.#call.durable(
      `insert into ${this.#schema}.store as s (format, installation, position) values ($1, $2, $3)
       on conflict (only_row) do update
       set installation = excluded.installation, position = excluded.position, format = excluded.format,
         fence = s.fence + 1`,
      [STORE_FORMAT, JSON.stringify(installation), position],
    );
  }

  async notes(prefix: string): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#call
      .durable<{ key: string; value: string }>(
        `select key, value from ${this.#schema}.note where starts_with(key, $1) order by key collate "C"`,
        [prefix],
      )
      .catch((error: unknown) => {
        if (isNotSetUp(error)) return [];
        throw error;
      });
    return new Map(rows.map((row) => [row.key, row.value]));
  }

  async putNote(key: string, value: string | null, expected?: string | null): Promise<boolean> {
    const rows = await this.#call.durable(...noteStatement(this.#schema, key, value, expected));
    return rows.length > 0 || expected === undefined;
  }

  async destroy(): Promise<void> {
    await this.#call.durable(`drop schema if exists ${this.#schema} cascade`);
  }

  async takeFence(): Promise<number> {
    const rows = await this.#call.durable<{ fence: string }>(
      `update ${this.#schema}.store set fence = fence + 1 returning fence::text`,
    );
    return Number(rows[0]?.fence);
  }

  async flush(flush: Flush): Promise<FlushResult> {
    const policy = this.#policy;
    const rows = await this.#call.durable<{ answer: string }>(
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
    await this.#call.fast(this.#sql.heartbeat, [process, ttlMs, this.#schema], 'heartbeat');
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    const { webhook } = request;
    const rows = await this.#call.fast<{
      is_paused: boolean;
      next_due_ms: string | null;
      id: string | null;
      attempts: number;
      done: number;
      head: string;
      payload: string;
      history: string;
      bodies: string;
    }>(this.#sql.claim, [webhook, request.process, request.maxJobs, request.nowMs], 'claim');
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
    const [job] = await this.#call.durable<Omit<DamagedJob, 'lastMs'> & { readonly lastMs: string }>(
      `select id::text, webhook, size, done, bytes, first_id as "firstId", last_ms::text as "lastMs", head, history, bodies
       from ${this.#schema}.job where id = $1`,
      [id],
    );
    if (job === undefined) return;
    const known = { ...job, lastMs: Number(job.lastMs) };
    const plan = planDamaged(known, error, this.#options.clock.now(), this.#policy);
    await this.#record('durable', process, plan);
  }

  async report(process: string, reports: readonly Report[]): Promise<void> {
    const policy = this.#policy;
    const { clock } = this.#options;
    await this.#record('fast', process, planReports(reports, policy, clock.now()));
  }

  async #record(how: 'durable' | 'fast', process: string, plan: ReportPlan): Promise<void> {
    const jobs = [process, ...jobParameters(plan), this.#policy.payloads !== 'full'];
    if (plan.retries.length === 0 && plan.ended.length === 0) {
      await this.#call[how](this.#sql.reportDelivered, jobs, 'reportDelivered');
    } else {
      await this.#call[how](this.#sql.report, [...jobs, ...planParameters(plan)], 'report');
    }
  }

  async release(process: string, jobs: readonly { readonly id: string }[]): Promise<void> {
    await this.#call.fast(this.#sql.release, [process, jobs.map((job) => job.id)], 'release');
  }

  async recover(process: string, known: readonly string[]): Promise<void> {
    await this.#call.fast(this.#sql.recover, [process, known], 'recover');
  }

  async dueWebhooks(nowMs: number): Promise<string[]> {
    const rows = await this.#call.fast<{ webhook: string }>(this.#sql.dueWebhooks, [nowMs], 'due');
    return rows.map((row) => row.webhook);
  }

  async swapFlows(swaps: readonly FlowSwap[]): Promise<readonly FlowSwapped[]> {
    const rows = await this.#call.fast<{ is_swapped: boolean; current: string | null }>(
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
    const rows = await this.#call.fast<{ webhook: string; state: string }>(sql);
    return new Map(rows.map(({ webhook, state }) => [webhook, state]));
  }

  async onWake(
    onWork: (webhooks: readonly string[]) => void,
    onCancelled: (cancelled: CancelledInJob) => void = () => undefined,
    onReconnected: () => void = () => undefined,
  ): Promise<void> {
    await this.#listener.listen({ onWork, onCancelled, onReconnected });
  }

  async counts(): Promise<ReadonlyMap<string, QueueCounts>> {
    const rows = await this.#call.durable<CountRow>(this.#sql.counts);
    return new Map(rows.map((row) => [row.key, toCounts(row)]));
  }

  /** Deliver asks for it between heartbeats, which must not wait behind a flush. */
  async workers(): Promise<readonly Worker[]> {
    const rows = await this.#call.fast<{
      id: string;
      seen_ms: string;
      jobs: number;
    }>(`select p.id, p.seen_ms::text, (select count(*)::int from ${this.#schema}.job j where j.owner = p.id) as jobs
       from ${this.#schema}.process p order by p.id`);
    return rows.map(({ id, seen_ms, jobs }) => ({ process: id, seenMs: Number(seen_ms), jobs }));
  }

  async oldest(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#call.durable<{ webhook: string; ms: string }>(
      `select webhook, min(last_ms)::text as ms from ${this.#schema}.job j where ${isInQueue('j')} group by webhook`,
    );
    return new Map(rows.map(({ webhook, ms }) => [webhook, Number(ms)]));
  }

  async pause(webhook: string): Promise<void> {
    await this.#call.durable(this.#sql.pause, [webhook, true, this.#schema]);
  }

  async resume(webhook: string): Promise<void> {
    await this.#call.durable(this.#sql.pause, [webhook, false, this.#schema]);
  }

  async setParked(webhook: string, isParked: boolean): Promise<void> {
    await this.#call.durable(this.#sql.park, [webhook, isParked]);
  }

  async enqueue(webhook: string, delivery: QueuedDelivery): Promise<void> {
    await this.#call.durable(this.#sql.enqueue, [
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
    const rows = await this.#call.durable<GapRow>(this.#gaps.read).catch((error: unknown) => {
      if (isNotSetUp(error)) return [];
      throw error;
    });
    return rows.map(gapOfRow);
  }

  async recordGap(gap: FoundGap): Promise<number> {
    const rows = await this.#call.durable<{ id: string }>(this.#gaps.record, gapParameters(gap));
    return Number(rows[0]?.id);
  }

  async settleGap(id: number, nowMs: number, end?: GapEnd): Promise<boolean> {
    const values = [id, nowMs, end?.lsn ?? null, end?.atMs ?? null];
    return (await this.#call.durable(this.#gaps.settle, values)).length > 0;
  }

  async trimGaps(): Promise<number> {
    return (await this.#call.durable(this.#gaps.trim)).length;
  }

  async markOrphans(defined: readonly string[], nowMs: number): Promise<readonly Orphan[]> {
    return await this.#backend.markOrphans(defined, nowMs);
  }

  async dropWaiting(webhook: string, nowMs: number): Promise<number> {
    return await this.#backend.dropWaiting(webhook, nowMs);
  }

  async inspectServer(): Promise<readonly string[]> {
    const rows = await this.#call
      .durable<{ format: number }>(`select format from ${this.#schema}.store`)
      .catch((error: unknown) => {
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
    const closed = [this.#listener.close(), this.#call.close()];
    await settlesWithin(Promise.allSettled(closed), CLOSE_TIMEOUT_MS);
  }
}
