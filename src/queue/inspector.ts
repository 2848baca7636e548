/**
 * Deliveries listed and operated on, over either store.
 *
 * Operations on many go page by page over the streams of a list (lister.ts): each page is one transaction of
 * the store, which looks again at whether what was read still holds.
 */
import { WalhookError } from '../core/errors.ts';
import type { Backend, CancelItem, RequeueItem, WholeJob } from './backend.ts';
import { exchangeOfDelivered, resentTraceOfDelivered } from './deliveredBatch.ts';
import { deliveryBytes, deliveryId, type QueuedDelivery } from './delivery.ts';
import {
  deliveryOfEntry,
  detailOfEntry,
  detailOfTrace,
  entryOf,
  resentTrace,
  summaryOfEntry,
  traceOfEntry,
} from './entry.ts';
import type {
  DeliveryDetail,
  DeliveryFilter,
  DeliveryPage,
  DeliverySummary,
  InspectStore,
  Operated,
  OutcomePage,
  PageRequest,
  Retention,
  Swept,
} from './inspect.ts';
import { MAX_PAGE } from './inspect.ts';
import { blanked, deliveriesOf, type JobItem, outcomesOfJob, recordOf, waitingItems } from './jobItems.ts';
import { Lister, type Part } from './lister.ts';
import { type LogPolicy, singleJob } from './reports.ts';
import type { FailedDelivery } from './store.ts';

/** Deliveries that one transaction changes at most. */
const CHANGED_AT_ONCE = 200;
/** Reading a job and changing it are two steps; what changed in between is read again this often. */
const MAX_REPEATS = 5;

export class Inspector implements InspectStore {
  readonly #backend: Backend;
  readonly #policy: LogPolicy;
  readonly #lister: Lister;

  constructor(backend: Backend, policy: LogPolicy) {
    this.#backend = backend;
    this.#policy = policy;
    this.#lister = new Lister(backend);
  }

  async list(filter: DeliveryFilter, page: PageRequest): Promise<DeliveryPage> {
    return await this.#lister.list(filter, page);
  }

  async get(id: string): Promise<DeliveryDetail | null> {
    // It may go from one place to the next between two looks, and never back but by hand.
    return (
      (await this.#getEntry(id)) ??
      (await this.#getInJob(id, 'waiting')) ??
      (await this.#getInJob(id, 'logged')) ??
      (await this.#getEntry(id))
    );
  }

  async #getEntry(id: string): Promise<DeliveryDetail | null> {
    const [entry] = await this.#backend.readEntries([id]);
    if (entry === undefined) return null;
    return detailOfEntry(entry.head, entry.event, entry.bodies, this.#policy.sealer);
  }

  async #getInJob(id: string, part: Part): Promise<DeliveryDetail | null> {
    const found = await this.#lister.find(id, part);
    if (found === null) return null;
    const [job] = await this.#backend.readJobs([found.job.id]);
    const delivery = job === undefined ? undefined : this.#deliveriesOf(job)[found.index];
    if (job === undefined || delivery === undefined) return null;
    const { schema, table, lsn, xid, json } = delivery;
    const { sealer } = this.#policy;
    const exchanged =
      part === 'waiting'
        ? detailOfTrace({ history: job.history, bodies: job.bodies }, sealer)
        : exchangeOfDelivered(found.index, recordOf(job, found.index), job.exchanges, sealer);
    return { ...found.summary, schema, table, lsn, xid, event: json === '' ? null : json, ...exchanged };
  }

  async count(filter: DeliveryFilter): Promise<number> {
    if (filter.ids !== undefined) {
      return (await this.list(filter, { limit: MAX_PAGE, cursor: null })).items.length;
    }
    const { state } = filter;
    const isWaiting = state !== undefined && !['delivered', 'failed', 'cancelled'].includes(state);
    let total = isWaiting ? 0 : await this.#backend.countEntries(filter);
    for (const part of ['waiting', 'logged'] as const) {
      for await (const items of this.#lister.jobPages(part, filter)) total += items.length;
    }
    return total;
  }

  async resend(filter: DeliveryFilter, nowMs: number): Promise<Operated> {
    let done = 0;
    let asked = 0;
    // Jobs first: what the log gives back becomes jobs.
    for await (const items of this.#lister.jobPages('waiting', filter)) {
      const delayed = items.filter(({ job }) => !job.isTaken && job.attempts > 0 && job.dueMs > nowMs);
      asked += items.length;
      done += await this.#backend.makeDue(delayed.map(({ job }) => job.id));
    }
    for await (const items of this.#lister.jobPages('logged', filter)) {
      asked += items.length;
      done += await this.#requeueLogged(items);
    }
    for await (const ids of this.#lister.entryPages(filter)) {
      asked += ids.length;
      done += await this.#requeueEntries(ids);
    }
    return { done, skipped: asked - done };
  }

  async cancel(filter: DeliveryFilter, nowMs: number): Promise<Operated> {
    let done = 0;
    let asked = 0;
    for await (const items of this.#lister.jobPages('waiting', filter)) {
      asked += items.length;
      done += await this.#cancel(items, nowMs);
    }
    return { done, skipped: asked - done };
  }

  async purge(filter: DeliveryFilter): Promise<Operated> {
    let done = 0;
    let skipped = 0;
    // What is done of a job stands elsewhere; its text goes from the job too.
    const withOthers = filter.state === undefined;
    for (const part of ['waiting', 'logged'] as const) {
      for await (const items of this.#lister.jobPages(part, filter, withOthers)) {
        if (!withOthers) await this.#blankCopies(items.map(({ summary }) => summary.id));
        const left = await this.#blank(items);
        const isCounted = (item: JobItem) => (part === 'waiting' ? !item.isDone : item.isLogged);
        done += items.filter((item) => isCounted(item) && !left.includes(item)).length;
        skipped += left.length;
      }
    }
    for await (const ids of this.#lister.entryPages(filter)) {
      // First, so that one that is interrupted finds them again.
      if (!withOthers) await this.#blankCopies(ids);
      done += await this.#backend.dropEntries(ids);
    }
    return { done, skipped };
  }

  /** The texts of Deliveries that went on elsewhere, in the jobs that they came from. */
  async #blankCopies(ids: readonly string[]): Promise<void> {
    for (const part of ['waiting', 'logged'] as const) {
      for await (const items of this.#lister.pagesOf(ids, part, true)) {
        await this.#blank(items.filter(({ isDone, isLogged }) => isDone && !isLogged));
      }
    }
  }

  async outcomes(after: string | null, limit: number): Promise<OutcomePage> {
    if (after === null) return { items: [], cursor: String(await this.#backend.lastOutcome()) };
    if (!/^\d{1,15}$/.test(after)) {
      throw new WalhookError('USAGE', 'expected the cursor of an earlier call, found something else');
    }
    const parked = await this.#backend.parkedWebhooks();
    const most = Math.min(limit, MAX_PAGE);
    const { rows, upTo } = await this.#backend.outcomesAfter(Number(after), most);
    // What a job delivered at once has one number, and is given as a whole.
    const numbered = rows.flatMap((row) => {
      if (row.kind === 'ended') return [{ seq: row.seq, items: [summaryOfEntry(row.head)] }];
      if (row.kind === 'delivered') return outcomesOfJob(row.job, Number(after));
      return [{ seq: row.seq, items: waitingItems(row.job, parked).map((item) => item.summary) }];
    });
    const items: DeliverySummary[] = [];
    let cursor = after;
    for (const one of numbered.sort((a, b) => a.seq - b.seq)) {
      if (items.length >= most || one.seq > upTo) break;
      items.push(...one.items);
      cursor = String(one.seq);
    }
    return { items, cursor };
  }

  async sweep(retention: Retention, nowMs: number): Promise<Swept> {
    return await this.#backend.sweep(retention, nowMs);
  }

  /** Failed Deliveries of a Webhook with their Events, newest first. */
  async failed(webhook: string, limit: number): Promise<FailedDelivery[]> {
    const { items } = await this.list({ webhook, state: 'failed' }, { limit, cursor: null });
    const entries = await this.#backend.readEntries(items.map((item) => item.id));
    return entries.flatMap(({ head, event }) => {
      const delivery = deliveryOfEntry(head, event, this.#policy.sealer);
      const { attempts, error, detail, endedMs } = summaryOfEntry(head);
      const said = { reason: error ?? '', detail: detail ?? '', failedAtMs: endedMs ?? 0 };
      return delivery === null ? [] : [{ webhook, delivery, attempts, ...said }];
    });
  }

  async #requeueEntries(ids: readonly string[]): Promise<number> {
    const entries = await this.#backend.readEntries(ids);
    const items = entries.flatMap(({ id, head, event, bodies }): RequeueItem[] => {
      const delivery = deliveryOfEntry(head, event, this.#policy.sealer);
      if (delivery === null) return [];
      const trace = resentTrace(traceOfEntry(head, bodies));
      const { webhook } = summaryOfEntry(head);
      return [{ id, webhook, from: null, single: singleJob(delivery, trace, this.#policy) }];
    });
    return await this.#backend.requeue(items);
  }

  async #requeueLogged(items: readonly JobItem[]): Promise<number> {
    const jobs = await this.#wholeJobs(items);
    const { sealer } = this.#policy;
    const requeued = items.flatMap(({ job: { id: job }, index }): RequeueItem[] => {
      const whole = jobs.get(job);
      const delivery = whole?.deliveries[index];
      if (whole === undefined || delivery === undefined || delivery.json === '') return [];
      const { webhook, exchanges } = whole.job;
      const trace = resentTraceOfDelivered(index, recordOf(whole.job, index), exchanges, sealer);
      const single = singleJob(delivery, trace, this.#policy);
      return [{ id: deliveryId(delivery.eventId, webhook), webhook, from: { job, bit: 2 ** index }, single }];
    });
    let done = 0;
    for (let i = 0; i < requeued.length; i += CHANGED_AT_ONCE) {
      done += await this.#backend.requeue(requeued.slice(i, i + CHANGED_AT_ONCE));
    }
    return done;
  }

  async #cancel(items: readonly JobItem[], nowMs: number): Promise<number> {
    const jobs = await this.#wholeJobs(items);
    const cancels = items.flatMap(({ job, index }): CancelItem[] => {
      const whole = jobs.get(job.id);
      const delivery = whole?.deliveries[index];
      if (whole === undefined || delivery === undefined || delivery.eventId === '') return [];
      const entry = entryOf(
        {
          webhook: job.webhook,
          delivery,
          state: 'cancelled',
          endedMs: nowMs,
          reason: 'cancelled',
          detail: 'cancelled by hand',
          trace: { history: whole.job.history, bodies: whole.job.bodies },
        },
        this.#policy,
      );
      return [{ job: job.id, bit: 2 ** index, eventBytes: deliveryBytes(delivery), entry }];
    });
    let done = 0;
    for (let i = 0; i < cancels.length; i += CHANGED_AT_ONCE) {
      done += await this.#backend.cancelInJobs(cancels.slice(i, i + CHANGED_AT_ONCE));
    }
    return done;
  }

  /** Takes Deliveries out of their jobs; returns those that could not be. */
  async #blank(items: readonly JobItem[]): Promise<readonly JobItem[]> {
    let left = items;
    for (let tries = 0; left.length > 0 && tries < MAX_REPEATS; tries += 1) {
      const jobs = await this.#wholeJobs(left);
      const blanks = [...jobs.values()].map(({ job }) =>
        blanked(
          job,
          new Set(left.filter((item) => item.job.id === job.id).map(({ index }) => index)),
          this.#policy,
        ),
      );
      const changed = new Set(await this.#backend.blankInJobs(blanks));
      // A job that is gone has ended meanwhile: its Deliveries are in the log or are jobs of their own.
      left = left.filter(({ job }) => jobs.has(job.id) && !changed.has(job.id));
    }
    return left;
  }

  async #wholeJobs(
    items: readonly JobItem[],
  ): Promise<ReadonlyMap<string, { readonly job: WholeJob; readonly deliveries: QueuedDelivery[] }>> {
    const ids = [...new Set(items.map(({ job }) => job.id))];
    const jobs = await this.#backend.readJobs(ids);
    return new Map(jobs.map((job) => [job.id, { job, deliveries: this.#deliveriesOf(job) }]));
  }

  #deliveriesOf(job: WholeJob): QueuedDelivery[] {
    return deliveriesOf(job, this.#policy.sealer);
  }
}
