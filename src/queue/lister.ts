/**
 * Deliveries found and listed, over either store.
 *
 * A list merges three streams by commit time: what still waits in jobs, what was delivered from jobs at its
 * first try and is logged in them, and entries of the log. Its cursor says for each how far it is shown.
 */
import { WalhookError } from '../core/errors.ts';
import { hash8 } from '../core/hash.ts';
import type { Backend, JobScan, StoredJob } from './backend.ts';
import { headTokens } from './delivery.ts';
import { historyToken, summaryOfEntry } from './entry.ts';
import {
  type DeliveryFilter,
  type DeliveryPage,
  type DeliverySummary,
  MAX_IDS,
  MAX_PAGE,
  type PageRequest,
} from './inspect.ts';
import { isWanted, type JobItem, loggedItems, waitingItems } from './jobItems.ts';
import { END, formatCursor, type JobsCursor, type ListCursor, parseCursor, START } from './listCursor.ts';

/** Jobs and entries asked for at once. */
const JOBS_AT_ONCE = 50;
const ENTRIES_AT_ONCE = 200;
/** Calls of the store that one page may take before it ends short, with a cursor. */
const MAX_CALLS = 60;

const ENDED = new Set(['delivered', 'failed', 'cancelled']);

/** waiting: what is still to be done in jobs · logged: what was delivered from them. */
export type Part = JobScan['part'];

/** One of the streams of a list, as far as it was read. */
interface Stream {
  readonly items: readonly { readonly item: DeliverySummary; readonly at: Partial<ListCursor> }[];
  /** Where it is when all items are shown. */
  readonly end: Partial<ListCursor>;
  /** There is nothing behind the items. */
  readonly isOver: boolean;
}

export class Lister {
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  async list(filter: DeliveryFilter, { limit, cursor }: PageRequest): Promise<DeliveryPage> {
    const wanted = Math.max(1, Math.min(limit, MAX_PAGE));
    if (filter.ids !== undefined) return await this.#listIds(filter);
    const from = cursor === null ? START : parseCursor(cursor);
    const streams = [
      await this.#jobs('waiting', filter, from.waiting, wanted),
      await this.#jobs('logged', filter, from.logged, wanted),
      await this.#entries(filter, from.entry, wanted),
    ];
    const { items, at } = merged(streams, from, wanted);
    const isOver = at.waiting.below === END && at.logged.below === END && at.entry === END;
    return { items, cursor: isOver ? null : formatCursor(at) };
  }

  async #listIds(filter: DeliveryFilter): Promise<DeliveryPage> {
    const ids = checkedIds(filter);
    const entries = await this.#backend.readEntries(ids);
    const ended = entries.map(({ head }) => summaryOfEntry(head));
    const known = new Set(ended.map((summary) => summary.id));
    const inJobs = new Map<string, DeliverySummary>();
    for (const part of ['waiting', 'logged'] as const) {
      const left = ids.filter((id) => !known.has(id) && !inJobs.has(id));
      for await (const items of this.pagesOf(left, part)) {
        for (const { summary } of items) inJobs.set(summary.id, summary);
      }
    }
    const found = ids.flatMap((id) => inJobs.get(id) ?? []);
    return { items: [...found, ...ended].filter((summary) => isWanted(summary, filter)), cursor: null };
  }

  /** A Delivery in a job. */
  async find(id: string, part: Part): Promise<JobItem | null> {
    for await (const [found] of this.pagesOf([id], part)) if (found !== undefined) return found;
    return null;
  }

  /**
   * Deliveries in jobs by their ids, all of a Webhook in one walk over its jobs; `withOthers` also those that are
   * neither waiting nor logged there any more, as which one can be in several jobs.
   */
  async *pagesOf(ids: readonly string[], part: Part, withOthers = false): AsyncGenerator<JobItem[]> {
    if (ids.length === 0) return;
    const itemsOf = await this.#itemsOf(part, withOthers);
    for (const [webhook, events] of await this.#byWebhook(ids)) {
      const wanted = new Set(events);
      const tokens = events.length === 1 ? headTokens({ eventId: events[0] }) : [];
      const scan = { ...scanOf(part, { webhook }, null, JOBS_AT_ONCE), tokens, events: [...wanted].sort() };
      for await (const jobs of this.#scans(scan)) {
        const items = jobs.flatMap(itemsOf).filter(({ summary }) => wanted.has(summary.eventId));
        if (items.length > 0) yield items;
        if (withOthers) continue;
        for (const { summary } of items) wanted.delete(summary.eventId);
        if (wanted.size === 0) break;
      }
    }
  }

  /** Event ids by the Webhook that Delivery ids end in; of one that never was there are none. */
  async #byWebhook(ids: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const keys = new Map((await this.#backend.webhookKeys()).map((key) => [hash8(key), key]));
    const events = new Map<string, string[]>();
    for (const id of ids) {
      const [, eventId, suffix = ''] = /^(.+)-([0-9a-f]{8})$/.exec(id) ?? [];
      const webhook = keys.get(suffix);
      if (eventId === undefined || webhook === undefined) continue;
      const known = events.get(webhook);
      if (known === undefined) events.set(webhook, [eventId]);
      else known.push(eventId);
    }
    return events;
  }

  /** Deliveries in jobs that a filter means, some hundred at a time. */
  async *jobPages(part: Part, filter: DeliveryFilter, withOthers = false): AsyncGenerator<JobItem[]> {
    if (!mayBeIn(part, filter)) return;
    if (filter.ids !== undefined) {
      for await (const items of this.pagesOf(checkedIds(filter), part, withOthers)) {
        const wanted = items.filter(({ summary }) => isWanted(summary, filter));
        if (wanted.length > 0) yield wanted;
      }
      return;
    }
    const itemsOf = await this.#itemsOf(part, withOthers);
    for await (const jobs of this.#scans(scanOf(part, filter, null, JOBS_AT_ONCE))) {
      const wanted = jobs.flatMap(itemsOf).filter(({ summary }) => isWanted(summary, filter));
      if (wanted.length > 0) yield wanted;
    }
  }

  /** Ids of entries that a filter means, some hundred at a time. */
  async *entryPages(filter: DeliveryFilter): AsyncGenerator<string[]> {
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

  async *#scans(scan: JobScan): AsyncGenerator<readonly StoredJob[]> {
    let after: string | null = scan.after;
    do {
      const { items, next } = await this.#backend.scanJobs({ ...scan, after });
      yield items;
      after = next;
    } while (after !== null);
  }

  async #itemsOf(part: Part, withOthers: boolean): Promise<(job: StoredJob) => JobItem[]> {
    if (part === 'logged') return (job) => loggedItems(job, withOthers);
    const parked = await this.#backend.parkedWebhooks();
    return (job) => waitingItems(job, parked, withOthers);
  }

  /** Nothing is parked where no breaker is open. */
  async #mayBeParked({ state, webhook }: DeliveryFilter): Promise<boolean> {
    if (state !== 'parked') return true;
    const parked = await this.#backend.parkedWebhooks();
    return webhook === undefined ? parked.size > 0 : parked.has(webhook);
  }

  /** The stream of a part of the jobs, from where the cursor is. */
  async #jobs(part: Part, filter: DeliveryFilter, from: JobsCursor, wanted: number): Promise<Stream> {
    const at = (cursor: JobsCursor): Partial<ListCursor> => ({ [part]: cursor });
    const end = (below: string): Stream['end'] => at({ below, skip: null });
    const isNothing = from.below === END || !mayBeIn(part, filter) || !(await this.#mayBeParked(filter));
    if (isNothing) return { items: [], end: end(END), isOver: true };
    const itemsOf = await this.#itemsOf(part, false);
    const items: Stream['items'][number][] = [];
    let after = from.below;
    for (let calls = 0; calls < MAX_CALLS; calls += 1) {
      const scan = await this.#backend.scanJobs(scanOf(part, filter, after, JOBS_AT_ONCE));
      let below = after;
      for (const job of scan.items) {
        for (const { summary, index } of itemsOf(job).reverse()) {
          const isShown = from.skip?.place === job.place && index >= from.skip.index;
          if (isShown || !isWanted(summary, filter)) continue;
          // The job stays ahead of the cursor until all of it is shown.
          items.push({ item: summary, at: at({ below, skip: { place: job.place, index } }) });
        }
        below = job.place;
        if (items.length >= wanted) return { items, end: end(below), isOver: false };
      }
      if (scan.next === null) return { items, end: end(END), isOver: true };
      after = scan.next;
    }
    return { items, end: end(after ?? END), isOver: false };
  }

  /** The stream of entries, from where the cursor is. */
  async #entries(filter: DeliveryFilter, from: string | null, wanted: number): Promise<Stream> {
    if (from === END || !mayHaveEnded(filter)) return { items: [], end: { entry: END }, isOver: true };
    const items: Stream['items'][number][] = [];
    let after = from;
    for (let calls = 0; calls < MAX_CALLS && items.length < wanted; calls += 1) {
      const scan = await this.#backend.scanEntries({ filter, after, most: wanted });
      for (const { head, place } of scan.items) {
        items.push({ item: summaryOfEntry(head), at: { entry: place } });
      }
      if (scan.next === null) return { items, end: { entry: END }, isOver: true };
      after = scan.next;
    }
    return { items, end: { entry: after ?? END }, isOver: false };
  }
}

/** The newest of all streams, and where they are then. */
function merged(
  streams: readonly Stream[],
  from: ListCursor,
  wanted: number,
): { readonly items: DeliverySummary[]; readonly at: ListCursor } {
  const items: DeliverySummary[] = [];
  const shown = streams.map(() => 0);
  let at = from;
  while (items.length < wanted) {
    // A stream that ended short of a page is not over: what it has yet to show may be newer.
    if (streams.some((stream, i) => stream.items[shown[i] ?? 0] === undefined && !stream.isOver)) break;
    const heads = streams.map((stream, i) => stream.items[shown[i] ?? 0]);
    const newest = Math.max(...heads.map((head) => head?.item.committedAtMs ?? Number.NEGATIVE_INFINITY));
    const chosen = heads.findIndex((head) => head?.item.committedAtMs === newest);
    const head = heads[chosen];
    if (head === undefined) break;
    items.push(head.item);
    at = { ...at, ...head.at };
    shown[chosen] = (shown[chosen] ?? 0) + 1;
  }
  for (const [i, stream] of streams.entries()) {
    if (shown[i] === stream.items.length) at = { ...at, ...stream.end };
  }
  return { items, at };
}

function scanOf(part: Part, filter: DeliveryFilter, after: string | null, most: number): JobScan {
  const { webhook, state, model, key, requestId, status, sinceMs, untilMs } = filter;
  const waits = part === 'waiting' ? state : undefined;
  return {
    part,
    webhook: webhook ?? null,
    after,
    sinceMs: sinceMs ?? null,
    untilMs: untilMs ?? null,
    tokens: headTokens({ model, key, requestId }),
    attempt: status === undefined ? null : historyToken(status),
    tried: waits === 'waiting' || waits === 'delayed' ? waits === 'delayed' : null,
    taken: waits === undefined ? null : waits === 'active',
    events: null,
    most,
  };
}

function mayBeIn(part: Part, { state }: DeliveryFilter): boolean {
  if (state === undefined) return true;
  return part === 'logged' ? state === 'delivered' : !ENDED.has(state);
}

function mayHaveEnded({ state }: DeliveryFilter): boolean {
  return state === undefined || ENDED.has(state);
}

function checkedIds({ ids = [] }: DeliveryFilter): readonly string[] {
  if (ids.length > MAX_IDS) {
    throw new WalhookError('USAGE', `expected at most ${MAX_IDS} ids at once, found ${ids.length}`);
  }
  return [...new Set(ids)];
}
