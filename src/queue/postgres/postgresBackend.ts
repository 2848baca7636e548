/** Jobs and entries in PostgreSQL, for listing and operating on Deliveries. */
import type { QueryResultRow } from 'pg';
import {
  type Backend,
  type BlankItem,
  type CancelItem,
  type EntryScan,
  type JobScan,
  MAX_STRADDLING,
  type OutcomeRow,
  type Outcomes,
  type RequeueItem,
  type Scan,
  type StoredEntry,
  type StoredJob,
  type WholeEntry,
  type WholeJob,
} from '../backend.ts';
import { summaryOfEntry } from '../entry.ts';
import type { DeliveryFilter, Retention, Swept } from '../inspect.ts';
import type { Orphan, OrphanStore } from '../orphans.ts';
import { entryParameters } from './entries.ts';
import {
  countEntries,
  jobPlace,
  type Operations,
  operationsFor,
  scanEntries,
  scanJobs,
} from './operations.ts';

/** Runs a statement of this store. Throws QUEUE_UNREACHABLE. */
export type RunQuery = <Row extends QueryResultRow>(text: string, values?: unknown[]) => Promise<Row[]>;

interface JobRow {
  readonly id: string;
  readonly webhook: string;
  readonly attempts: number;
  readonly due_ms: string;
  readonly done: number;
  readonly size: number;
  readonly is_taken: boolean;
  readonly head: string;
  readonly history: string;
  readonly last_ms: string;
  readonly logged: number;
  readonly records: string;
}

const SWEEP_MOST = 2_000;
/** More than any store holds. */
const ANY_NUMBER = Number.MAX_SAFE_INTEGER;

export class PostgresBackend implements Backend, OrphanStore {
  readonly #schema: string;
  readonly #run: RunQuery;
  readonly #sql: Operations;
  /** All up to `upTo` can be seen; all up to `next` when the transactions that are `awaited` have ended. */
  #settled: { readonly upTo: number; readonly next: number; readonly awaited: ReadonlySet<string> } = {
    upTo: 0,
    next: 0,
    awaited: new Set(),
  };

  constructor(schema: string, run: RunQuery) {
    this.#schema = schema;
    this.#run = run;
    this.#sql = operationsFor(schema);
  }

  async webhookKeys(): Promise<readonly string[]> {
    const rows = await this.#run<{ key: string }>(`select key from ${this.#schema}.webhook order by key`);
    return rows.map((row) => row.key);
  }

  async parkedWebhooks(): Promise<ReadonlySet<string>> {
    const rows = await this.#run<{ key: string }>(`select key from ${this.#schema}.webhook where is_parked`);
    return new Set(rows.map((row) => row.key));
  }

  async scanJobs(scan: JobScan): Promise<Scan<StoredJob>> {
    const { text, values } = scanJobs(this.#schema, scan);
    const items = (await this.#run<JobRow>(text, values)).map(storedJob);
    return { items, next: items.length < scan.most ? null : (items.at(-1)?.place ?? null) };
  }

  async readJobs(ids: readonly string[]): Promise<readonly WholeJob[]> {
    if (ids.length === 0) return [];
    const rows = await this.#run<JobRow & { payload: string; bodies: string; exchanges: string }>(
      this.#sql.readJobs,
      [ids],
    );
    return rows.map((row) => {
      const { payload: events, bodies, exchanges } = row;
      return { ...storedJob(row), events, bodies, exchanges };
    });
  }

  async scanEntries(scan: EntryScan): Promise<Scan<StoredEntry>> {
    const { text, values } = scanEntries(this.#schema, scan);
    const rows = await this.#run<{ id: string; committed_ms: string; head: string }>(text, values);
    const items = rows.map(({ id, committed_ms: ms, head }) => ({ head, place: jobPlace(ms, id) }));
    return { items, next: items.length < scan.most ? null : (items.at(-1)?.place ?? null) };
  }

  async countEntries(filter: DeliveryFilter): Promise<number> {
    const { text, values } = countEntries(this.#schema, filter);
    const rows = await this.#run<{ n: number }>(text, values);
    return rows[0]?.n ?? 0;
  }

  async readEntries(ids: readonly string[]): Promise<readonly WholeEntry[]> {
    if (ids.length === 0) return [];
    const rows = await this.#run<{ id: string; head: string; event: string; bodies: string }>(
      this.#sql.readEntries,
      [ids],
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    return ids.flatMap((id) => byId.get(id) ?? []);
  }

  async cancelInJobs(items: readonly CancelItem[]): Promise<number> {
    if (items.length === 0) return 0;
    return await this.#count(this.#sql.cancel, [
      items.map((item) => item.job),
      items.map((item) => item.bit),
      items.map((item) => item.eventBytes),
      ...entryParameters(items.map((item) => item.entry)),
      this.#schema,
    ]);
  }

  async blankInJobs(items: readonly BlankItem[]): Promise<readonly string[]> {
    if (items.length === 0) return [];
    const rows = await this.#run<{ job: string }>(this.#sql.blank, [
      items.map((item) => item.job),
      items.map((item) => item.expected.head),
      items.map((item) => item.expected.done),
      items.map((item) => item.mask),
      items.map((item) => item.freshBytes),
      items.map((item) => item.head),
      items.map((item) => item.events),
      items.map((item) => item.exchanges),
      this.#schema,
    ]);
    return rows.map((row) => row.job);
  }

  async requeue(items: readonly RequeueItem[]): Promise<number> {
    if (items.length === 0) return 0;
    const singles = items.map((item) => item.single);
    return await this.#count(this.#sql.requeue, [
      items.map((item) => item.id),
      items.map((item) => item.webhook),
      singles.map((single) => single.committedMs),
      singles.map((single) => single.bytes),
      singles.map((single) => single.eventId),
      singles.map((single) => single.head),
      singles.map((single) => single.events),
      singles.map((single) => single.trace.history),
      singles.map((single) => single.trace.bodies),
      items.map((item) => item.from?.job ?? null),
      items.map((item) => item.from?.bit ?? null),
      this.#schema,
    ]);
  }

  async makeDue(jobs: readonly string[]): Promise<number> {
    if (jobs.length === 0) return 0;
    return await this.#count(this.#sql.makeDue, [jobs, this.#schema]);
  }

  async dropEntries(ids: readonly string[]): Promise<number> {
    if (ids.length === 0) return 0;
    return await this.#count(this.#sql.dropEntries, [ids]);
  }

  async outcomesAfter(seq: number, most: number): Promise<Outcomes> {
    const settled = await this.#settledUpTo();
    if (settled <= seq) return { rows: [], upTo: settled };
    type Row = { kind: OutcomeRow['kind']; number: string; entry: string } & JobRow;
    const found = await this.#run<Row>(this.#sql.outcomes, [seq, most]);
    const rows = found.map((row): OutcomeRow => {
      const { kind, number, entry: head } = row;
      return kind === 'ended'
        ? { kind, seq: Number(number), head }
        : { kind, seq: Number(number), job: storedJob(row) };
    });
    const upTo = Math.min(settled, readUpTo(rows, most));
    const more = await this.#run<{ number: string } & JobRow>(this.#sql.straddling, [upTo, MAX_STRADDLING]);
    const straddling = more.map((row) => ({
      kind: 'delivered' as const,
      seq: Number(row.number),
      job: storedJob(row),
    }));
    const again = new Set(straddling.map((row) => row.job.id));
    const others = rows.filter((row) => row.kind !== 'delivered' || !again.has(row.job.id));
    return { rows: [...others, ...straddling], upTo };
  }

  /**
   * A number up to which all outcomes can be seen: numbers are drawn before their transactions end, and these may
   * end in another order. Those that had drawn one when the last number was looked up are waited for, from call
   * to call.
   */
  async #settledUpTo(): Promise<number> {
    const last = await this.lastOutcome();
    const numbering = await this.#run<{ id: string }>(this.#sql.numbering);
    const ids = new Set(numbering.map(({ id }) => id));
    if (ids.size === 0) {
      this.#settled = { upTo: last, next: last, awaited: ids };
    } else if ([...this.#settled.awaited].every((id) => !ids.has(id))) {
      this.#settled = { upTo: this.#settled.next, next: last, awaited: ids };
    }
    return this.#settled.upTo;
  }

  async lastOutcome(): Promise<number> {
    const rows = await this.#run<{ last: string }>(
      `select case when is_called then last_value else 0 end::text as last from ${this.#schema}.outcome`,
    );
    return Number(rows[0]?.last ?? 0);
  }

  async sweep(retention: Retention, nowMs: number): Promise<Swept> {
    const { delivered, failedMs, bodiesMs, bytes } = retention;
    const old = (state: string) => this.#count(this.#sql.sweepOld, [state, nowMs - failedMs, SWEEP_MOST]);
    const large = (state: string) => this.#count(this.#sql.sweepBytes, [state, bytes, SWEEP_MOST]);
    const dropped = {
      delivered: await this.#count(this.#sql.sweepDelivered, [
        delivered.count,
        nowMs - delivered.ageMs,
        ANY_NUMBER,
        SWEEP_MOST,
      ]),
      failed: await old('failed'),
      cancelled: await old('cancelled'),
    };
    for (const state of ['delivered', 'failed', 'cancelled']) {
      await this.#count(this.#sql.sweepBodies, [state, nowMs - bodiesMs, SWEEP_MOST]);
    }
    await this.#count(this.#sql.sweepExchanges, [nowMs - bodiesMs, SWEEP_MOST]);
    const early = {
      delivered: await this.#count(this.#sql.sweepDelivered, [ANY_NUMBER, 0, bytes, SWEEP_MOST]),
      cancelled: 0,
      failed: 0,
    };
    if (early.delivered < SWEEP_MOST) early.cancelled = await large('cancelled');
    if (early.delivered + early.cancelled < SWEEP_MOST) early.failed = await large('failed');
    const counts = [...Object.values(dropped), ...Object.values(early)];
    return {
      delivered: dropped.delivered + early.delivered,
      failed: dropped.failed + dropped.cancelled + early.cancelled + early.failed,
      early: early.cancelled + early.failed,
      hasMore: counts.some((n) => n >= SWEEP_MOST),
    };
  }

  async markOrphans(defined: readonly string[], nowMs: number): Promise<readonly Orphan[]> {
    const q = this.#schema;
    await this.#run(
      `update ${q}.webhook set orphaned_ms = case when key = any ($1) then null else $2::bigint end
       where (key = any ($1)) = (orphaned_ms is not null)`,
      [defined, nowMs],
    );
    const rows = await this.#run<{ key: string; since: string; pending: string }>(
      `select key, orphaned_ms::text as since, pending::text from ${q}.webhook
       where orphaned_ms is not null order by key`,
    );
    return rows.map(({ key, since, pending }) => ({
      webhook: key,
      sinceMs: Number(since),
      waiting: Number(pending),
    }));
  }

  async dropWaiting(webhook: string, nowMs: number): Promise<number> {
    let total = 0;
    for (;;) {
      const values = [webhook, nowMs];
      const [row] = await this.#run<{ n: number; jobs: number }>(this.#sql.dropWebhook, values);
      total += row?.n ?? 0;
      if (row === undefined || row.jobs === 0) {
        await this.#run(this.#sql.closeOrphan, values);
        return total;
      }
    }
  }

  async #count(text: string, values: unknown[]): Promise<number> {
    const rows = await this.#run<{ n: number | null }>(text, values);
    return rows[0]?.n ?? 0;
  }
}

/** Up to where nothing is missing in the first `most` of each kind. An entry says its state, each a kind here. */
function readUpTo(rows: readonly OutcomeRow[], most: number): number {
  const byKind = new Map<string, number[]>();
  for (const row of rows) {
    const kind = row.kind === 'ended' ? `ended ${summaryOfEntry(row.head).state}` : row.kind;
    byKind.set(kind, [...(byKind.get(kind) ?? []), row.seq]);
  }
  const full = [...byKind.values()].filter((numbers) => numbers.length >= most);
  return Math.min(Number.POSITIVE_INFINITY, ...full.map((numbers) => Math.max(...numbers)));
}

function storedJob(row: JobRow): StoredJob {
  const { id, webhook, attempts, done, size, head, history, logged, records } = row;
  return {
    id,
    webhook,
    attempts,
    dueMs: Number(row.due_ms),
    done,
    size,
    isTaken: row.is_taken,
    head,
    history,
    logged,
    records,
    place: jobPlace(row.last_ms, id),
  };
}
