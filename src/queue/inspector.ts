/**
 * Deliveries listed and operated on, over either store.
 *
 * A list merges two streams by commit time: Deliveries still in jobs, and entries of the log. Its cursor says
 * for both how far they are shown. Operations on many go page by page over the same streams: each page is
 * one transaction of the store, which looks again at whether what was read still holds.
 */
import { WalhookError } from '../core/errors.ts';
import { hash8 } from '../core/hash.ts';
import type { Backend, BlankItem, CancelItem, RequeueItem, StoredJob, WholeJob } from './backend.ts';
import { isDamage } from './damaged.ts';
import {
  decodeHead,
  decodeJob,
  deliveryBytes,
  deliveryId,
  encodeHead,
  eventsOf,
  headTokens,
  PURGED,
  type QueuedDelivery,
} from './delivery.ts';
import {
  deliveryOfEntry,
  detailOfEntry,
  detailOfTrace,
  entryOf,
  historyToken,
  resentTrace,
  summaryOfEntry,
  summaryOfTrace,
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
import { MAX_IDS, MAX_PAGE } from './inspect.ts';
import { END, formatCursor, type ListCursor, parseCursor, START } from './listCursor.ts';
import { type LogPolicy, singleJob } from './reports.ts';
import type { FailedDelivery } from './store.ts';

/** Jobs and entries asked for at once. */
const JOBS_AT_ONCE = 50;
const ENTRIES_AT_ONCE = 200;
/** Calls of the store that one page may take before it ends short, with a cursor. */
const MAX_CALLS = 60;
/** Deliveries that one transaction changes at most. */
const CHANGED_AT_ONCE = 200;
/** Reading a job and changing it are two steps; what changed in between is read again this often. */
const MAX_REPEATS = 5;

const ENDED = new Set(['delivered', 'failed', 'cancelled']);

/** A Delivery in a job. */
interface JobItem {
  readonly job: StoredJob;
  readonly index: number;
  readonly isDone: boolean;
  readonly summary: DeliverySummary;
}

export class Inspector implements InspectStore {
  readonly #backend: Backend;
  readonly #policy: LogPolicy;

  constructor(backend: Backend, policy: LogPolicy) {
    this.#backend = backend;
    this.#policy = policy;
  }

  async list(filter: DeliveryFilter, { limit, cursor }: PageRequest): Promise<DeliveryPage> {
    const wanted = Math.max(1, Math.min(limit, MAX_PAGE));
    if (filter.ids !== undefined) return await this.#listIds(filter);
    const from = cursor === null ? START : parseCursor(cursor);
    const jobs = mayWait(filter) ? await this.#waiting(filter, from, wanted) : NOTHING;
    const entries = mayHaveEnded(filter) ? await this.#ended(filter, from, wanted) : NOTHING;
    const items: DeliverySummary[] = [];
    let at: ListCursor = { ...from };
    let [j, e] = [0, 0];
    while (items.length < wanted) {
      const job = jobs.items[j];
      const entry = entries.items[e];
      // A stream that ended short of a page is not over: what it has yet to show may be newer.
      if (job === undefined && entry === undefined) break;
      if (job === undefined && jobs.next !== null) break;
      if (entry === undefined && entries.next !== null) break;
      const takesJob =
        entry === undefined || (job !== undefined && job.item.committedAtMs >= entry.item.committedAtMs);
      if (takesJob && job !== undefined) {
        items.push(job.item);
        at = { ...at, ...job.at };
        j += 1;
      } else if (entry !== undefined) {
        items.push(entry.item);
        at = { ...at, ...entry.at };
        e += 1;
      }
    }
    if (j === jobs.items.length) at = { ...at, job: jobs.next ?? END, skip: null };
    if (e === entries.items.length) at = { ...at, entry: entries.next ?? END };
    return { items, cursor: at.job === END && at.entry === END ? null : formatCursor(at) };
  }

  async get(id: string): Promise<DeliveryDetail | null> {
    const [entry] = await this.#backend.readEntries([id]);
    if (entry !== undefined) return detailOfEntry(entry.head, entry.event, entry.bodies, this.#policy.sealer);
    const found = await this.#findInJob(id);
    if (found === null) return null;
    const [job] = await this.#backend.readJobs([found.job.id]);
    const delivery = job === undefined ? undefined : this.#deliveriesOf(job)[found.index];
    if (job === undefined || delivery === undefined) {
      // It ended between the two looks.
      const [ended] = await this.#backend.readEntries([id]);
      if (ended === undefined) return null;
      return detailOfEntry(ended.head, ended.event, ended.bodies, this.#policy.sealer);
    }
    const { schema, table, lsn, xid, json } = delivery;
    const trace = detailOfTrace({ history: job.history, bodies: job.bodies }, this.#policy.sealer);
    return { ...found.summary, schema, table, lsn, xid, event: json, ...trace };
  }

  async count(filter: DeliveryFilter): Promise<number> {
    if (filter.ids !== undefined) return (await this.#listIds(filter)).items.length;
    let total = mayHaveEnded(filter) ? await this.#backend.countEntries(filter) : 0;
    if (mayWait(filter)) for await (const items of this.#jobPages(filter)) total += items.length;
    return total;
  }

  async resend(filter: DeliveryFilter, nowMs: number): Promise<Operated> {
    let done = 0;
    let asked = 0;
    // Jobs first: what the log gives back becomes jobs.
    if (mayWait(filter)) {
      for await (const items of this.#jobPages(filter)) {
        const delayed = items.filter(({ job }) => !job.isTaken && job.attempts > 0 && job.dueMs > nowMs);
        asked += items.length;
        done += await this.#backend.makeDue(delayed.map(({ job }) => job.id));
      }
    }
    for await (const ids of this.#entryPages(filter)) {
      asked += ids.length;
      done += await this.#requeue(ids);
    }
    return { done, skipped: asked - done };
  }

  async cancel(filter: DeliveryFilter, nowMs: number): Promise<Operated> {
    let done = 0;
    let asked = 0;
    if (mayWait(filter)) {
      for await (const items of this.#jobPages(filter)) {
        asked += items.length;
        done += await this.#cancel(items, nowMs);
      }
    }
    return { done, skipped: asked - done };
  }

  async purge(filter: DeliveryFilter): Promise<Operated> {
    let done = 0;
    let skipped = 0;
    if (mayWait(filter)) {
      // What is done stands in the log; its text goes from the job too.
      for await (const items of this.#jobPages(filter, filter.state === undefined)) {
        const left = await this.#blank(items);
        done += items.filter((item) => !item.isDone && !left.includes(item)).length;
        skipped += left.length;
      }
    }
    for await (const ids of this.#entryPages(filter)) done += await this.#backend.dropEntries(ids);
    return { done, skipped };
  }

  async outcomes(after: string | null, limit: number): Promise<OutcomePage> {
    if (after === null) return { items: [], cursor: String(await this.#backend.lastOutcome()) };
    if (!/^\d{1,15}$/.test(after)) {
      throw new WalhookError('USAGE', 'expected the cursor of an earlier call, found something else');
    }
    const parked = await this.#backend.parkedWebhooks();
    const rows = await this.#backend.outcomesAfter(Number(after), Math.min(limit, MAX_PAGE));
    const items = rows.flatMap(({ head, job }) =>
      job === null ? [summaryOfEntry(head)] : jobItems(job, parked).map((item) => item.summary),
    );
    return { items, cursor: String(rows.at(-1)?.seq ?? after) };
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

  async #listIds(filter: DeliveryFilter): Promise<DeliveryPage> {
    const ids = checkedIds(filter);
    const entries = await this.#backend.readEntries(ids);
    const ended = entries.map(({ head }) => summaryOfEntry(head));
    const known = new Set(ended.map((summary) => summary.id));
    const waiting: DeliverySummary[] = [];
    for (const id of ids.filter((one) => !known.has(one))) {
      const found = await this.#findInJob(id);
      if (found !== null) waiting.push(found.summary);
    }
    return { items: [...waiting, ...ended].filter((summary) => isWanted(summary, filter)), cursor: null };
  }

  /** The stream of Deliveries in jobs, from where the cursor is. */
  async #waiting(filter: DeliveryFilter, from: ListCursor, wanted: number): Promise<Stream> {
    if (from.job === END) return NOTHING;
    const parked = await this.#backend.parkedWebhooks();
    if (filter.state === 'parked' && !mayBeParked(filter, parked)) return NOTHING;
    const items: Stream['items'][number][] = [];
    let after = from.job;
    for (let calls = 0; calls < MAX_CALLS; calls += 1) {
      const scan = await this.#backend.scanJobs(jobScan(filter, after, JOBS_AT_ONCE));
      let before = after;
      for (const job of scan.items) {
        for (const { summary, index } of jobItems(job, parked).reverse()) {
          const isShown = from.skip?.place === job.place && index >= from.skip.index;
          if (isShown || !isWanted(summary, filter)) continue;
          // The job stays ahead of the cursor until all of it is shown.
          items.push({ item: summary, at: { job: before, skip: { place: job.place, index } } });
        }
        before = job.place;
        if (items.length >= wanted) return { items, next: before };
      }
      if (scan.next === null) return { items, next: null };
      after = scan.next;
    }
    return { items, next: after };
  }

  /** The stream of entries, from where the cursor is. */
  async #ended(filter: DeliveryFilter, from: ListCursor, wanted: number): Promise<Stream> {
    if (from.entry === END) return NOTHING;
    const items: Stream['items'][number][] = [];
    let after = from.entry;
    for (let calls = 0; calls < MAX_CALLS && items.length < wanted; calls += 1) {
      const scan = await this.#backend.scanEntries({ filter, after, most: wanted });
      for (const { head, place } of scan.items) {
        items.push({ item: summaryOfEntry(head), at: { entry: place } });
      }
      if (scan.next === null) return { items, next: null };
      after = scan.next;
    }
    return { items, next: after };
  }

  async #findInJob(id: string): Promise<JobItem | null> {
    const [, eventId, suffix] = /^(.+)-([0-9a-f]{8})$/.exec(id) ?? [];
    const webhook = (await this.#backend.webhookKeys()).find((key) => hash8(key) === suffix);
    if (eventId === undefined || webhook === undefined) return null;
    const parked = await this.#backend.parkedWebhooks();
    let after: string | null = null;
    do {
      const tokens = headTokens({ eventId });
      const scan = await this.#backend.scanJobs({
        webhook,
        after,
        sinceMs: null,
        untilMs: null,
        tokens,
        history: null,
        tried: null,
        taken: null,
        most: JOBS_AT_ONCE,
      });
      for (const job of scan.items) {
        const found = jobItems(job, parked).find((item) => item.summary.eventId === eventId);
        if (found !== undefined) return found;
      }
      after = scan.next;
    } while (after !== null);
    return null;
  }

  /** Deliveries in jobs that a filter means, some hundred at a time. */
  async *#jobPages(filter: DeliveryFilter, withDone = false): AsyncGenerator<JobItem[]> {
    if (filter.ids !== undefined) {
      for (const id of checkedIds(filter)) {
        const found = await this.#findInJob(id);
        if (found !== null && isWanted(found.summary, filter)) yield [found];
      }
      return;
    }
    const parked = await this.#backend.parkedWebhooks();
    let after: string | null = null;
    do {
      const scan = await this.#backend.scanJobs(jobScan(filter, after, JOBS_AT_ONCE));
      const items = scan.items.flatMap((job) => jobItems(job, parked, withDone));
      const wanted = items.filter(({ summary }) => isWanted(summary, filter));
      if (wanted.length > 0) yield wanted;
      after = scan.next;
    } while (after !== null);
  }

  /** Ids of entries that a filter means, some hundred at a time. */
  async *#entryPages(filter: DeliveryFilter): AsyncGenerator<string[]> {
    if (!mayHaveEnded(filter)) return;
    if (filter.ids !== undefined) {
      const entries = await this.#backend.readEntries(checkedIds(filter));
      const wanted = entries.filter(({ head }) => isWanted(summaryOfEntry(head), filter));
      if (wanted.length > 0) yield wanted.map(({ id }) => id);
      return;
    }
    let after: string | null = null;
    do {
      const scan = await this.#backend.scanEntries({ filter, after, most: ENTRIES_AT_ONCE });
      if (scan.items.length > 0) yield scan.items.map(({ head }) => summaryOfEntry(head).id);
      after = scan.next;
    } while (after !== null);
  }

  async #requeue(ids: readonly string[]): Promise<number> {
    const entries = await this.#backend.readEntries(ids);
    const items = entries.flatMap(({ id, head, event, bodies }): RequeueItem[] => {
      const delivery = deliveryOfEntry(head, event, this.#policy.sealer);
      if (delivery === null) return [];
      const trace = resentTrace(traceOfEntry(head, bodies));
      const { webhook } = summaryOfEntry(head);
      return [{ id, webhook, single: singleJob(delivery, trace, this.#policy) }];
    });
    return await this.#backend.requeue(items);
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
      const blanks = [...jobs.values()].map((whole) =>
        blanked(
          whole,
          new Set(left.filter(({ job }) => job.id === whole.job.id).map(({ index }) => index)),
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
    return decodeJob(job.head, this.#policy.sealer.open(job.events));
  }
}

interface Stream {
  readonly items: readonly { readonly item: DeliverySummary; readonly at: Partial<ListCursor> }[];
  /** Where to go on behind the items; null: there is nothing. */
  readonly next: string | null;
}

const NOTHING: Stream = { items: [], next: null };

function blanked(
  { job, deliveries }: { readonly job: WholeJob; readonly deliveries: readonly QueuedDelivery[] },
  indexes: ReadonlySet<number>,
  { sealer }: LogPolicy,
): BlankItem {
  const rest = deliveries.map((delivery, i) => (indexes.has(i) ? PURGED : delivery));
  let mask = 0;
  let freshBytes = 0;
  for (const index of indexes) {
    mask += 2 ** index;
    const isDone = ((job.done >> index) & 1) === 1;
    if (!isDone) freshBytes += deliveryBytes(deliveries[index] ?? PURGED);
  }
  return {
    job: job.id,
    expected: { head: job.head, done: job.done },
    mask,
    freshBytes,
    head: encodeHead(rest),
    events: sealer.seal(eventsOf(rest)),
  };
}

function jobScan(
  { webhook, state, model, key, requestId, status, sinceMs, untilMs }: DeliveryFilter,
  after: string | null,
  most: number,
) {
  return {
    webhook: webhook ?? null,
    after,
    sinceMs: sinceMs ?? null,
    untilMs: untilMs ?? null,
    tokens: headTokens({ model, key, requestId }),
    history: status === undefined ? null : historyToken(status),
    tried: state === 'waiting' || state === 'delayed' ? state === 'delayed' : null,
    taken: state === undefined ? null : state === 'active',
    most,
  };
}

/** A job that is damaged shows nothing until a claim ends it: one must not hide all the others. */
function readableHeads(head: string): QueuedDelivery[] {
  try {
    return decodeHead(head).map(({ delivery }) => delivery);
  } catch (error) {
    if (isDamage(error)) return [];
    throw error;
  }
}

/** The Deliveries of a job that are still to be done (or all that were not purged). */
function jobItems(job: StoredJob, parked: ReadonlySet<string>, withDone = false): JobItem[] {
  const heads = readableHeads(job.head);
  const state = job.isTaken
    ? 'active'
    : parked.has(job.webhook)
      ? 'parked'
      : job.attempts > 0
        ? 'delayed'
        : 'waiting';
  return heads.flatMap((delivery, index) => {
    const isDone = ((job.done >> index) & 1) === 1;
    if (delivery.eventId === '' || (isDone && !withDone)) return [];
    const { eventId, model, key, requestId, committedAtMs } = delivery;
    const summary: DeliverySummary = {
      id: deliveryId(eventId, job.webhook),
      webhook: job.webhook,
      state,
      model,
      key,
      requestId,
      eventId,
      committedAtMs,
      ...summaryOfTrace(job.history),
      nextMs: !job.isTaken && job.dueMs > 0 ? job.dueMs : null,
      endedMs: null,
    };
    return [{ job, index, isDone, summary }];
  });
}

/** Nothing is parked where no breaker is open. */
function mayBeParked({ webhook }: DeliveryFilter, parked: ReadonlySet<string>): boolean {
  return webhook === undefined ? parked.size > 0 : parked.has(webhook);
}

function mayWait({ state }: DeliveryFilter): boolean {
  return state === undefined || !ENDED.has(state);
}

function mayHaveEnded({ state }: DeliveryFilter): boolean {
  return state === undefined || ENDED.has(state);
}

function isWanted(summary: DeliverySummary, filter: DeliveryFilter): boolean {
  const { webhook, state, model, key, requestId, status, sinceMs, untilMs } = filter;
  return (
    (webhook === undefined || summary.webhook === webhook) &&
    (state === undefined || summary.state === state) &&
    (model === undefined || summary.model === model) &&
    (key === undefined || summary.key === key) &&
    (requestId === undefined || summary.requestId === requestId) &&
    (status === undefined || String(summary.status ?? summary.error) === status) &&
    (sinceMs === undefined || summary.committedAtMs >= sinceMs) &&
    (untilMs === undefined || summary.committedAtMs < untilMs)
  );
}

function checkedIds({ ids = [] }: DeliveryFilter): readonly string[] {
  if (ids.length > MAX_IDS) {
    throw new WalhookError('USAGE', `expected at most ${MAX_IDS} ids at once, found ${ids.length}`);
  }
  return [...new Set(ids)];
}
