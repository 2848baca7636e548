/** Deliveries in memory, as the admin server sees a queue. */
import { NO_COUNTS } from '../../src/admin/webhooks.ts';
import type { Gap } from '../../src/queue/gaps.ts';
import type {
  DeliveryDetail,
  DeliveryFilter,
  DeliverySummary,
  InspectStore,
} from '../../src/queue/inspect.ts';
import type { QueueCounts, QueueStore } from '../../src/queue/store.ts';

export interface MemoryDeliveries {
  readonly store: QueueStore;
  readonly deliveries: DeliveryDetail[];
  readonly gaps: Gap[];
  /** What was done, in order: `resend d1`. */
  readonly acts: string[];
  /** Makes every question fail. */
  breakWith(error: Error | null): void;
}

const ENDED = new Set(['delivered', 'failed', 'cancelled']);

export function memoryDeliveries(): MemoryDeliveries {
  const deliveries: DeliveryDetail[] = [];
  const gaps: Gap[] = [];
  const acts: string[] = [];
  const paused = new Set<string>();
  const outcomes: DeliverySummary[] = [];
  let broken: Error | null = null;
  const answer = <T>(value: () => T): Promise<T> =>
    broken === null ? Promise.resolve(value()) : Promise.reject(broken);
  const matching = (filter: DeliveryFilter) => deliveries.filter((one) => matches(one, filter));
  const replace = (one: DeliveryDetail, changes: Partial<DeliveryDetail>) => {
    deliveries[deliveries.indexOf(one)] = { ...one, ...changes };
    outcomes.push({ ...one, ...changes });
  };
  const counts = () => {
    const found = new Map<string, QueueCounts>();
    for (const one of deliveries) {
      const of = (state: string) =>
        deliveries.filter((other) => other.webhook === one.webhook && other.state === state).length;
      found.set(one.webhook, {
        ...NO_COUNTS,
        waiting: of('waiting'),
        delayed: of('delayed'),
        active: of('active'),
        failed: of('failed'),
        deliveredTotal: of('delivered'),
        failedTotal: of('failed'),
        isPaused: paused.has(one.webhook),
      });
    }
    for (const key of paused) if (!found.has(key)) found.set(key, { ...NO_COUNTS, isPaused: true });
    return found;
  };
  const inspect: Partial<InspectStore> = {
    list: (filter, { limit, cursor }) =>
      answer(() => {
        // A place among all of them, as in the stores: what changes its state meanwhile moves no other.
        const all = deliveries.toSorted((a, b) => b.committedAtMs - a.committedAtMs);
        const after = all.slice(cursor === null ? 0 : Number(cursor));
        const found = after.filter((one) => matches(one, filter));
        const items = found.slice(0, limit);
        const next = found[limit];
        return { items, cursor: next === undefined ? null : String(all.indexOf(next)) };
      }),
    get: (id) => answer(() => deliveries.find((one) => one.id === id) ?? null),
    count: (filter) => answer(() => matching(filter).length),
    resend: (filter) =>
      answer(() => {
        const all = matching(filter);
        const ended = all.filter(({ state }) => ENDED.has(state));
        for (const one of ended) {
          acts.push(`resend ${one.id}`);
          replace(one, { state: 'waiting', isResent: true, endedMs: null });
        }
        return { done: ended.length, skipped: all.length - ended.length };
      }),
    cancel: (filter) =>
      answer(() => {
        const all = matching(filter);
        const open = all.filter(({ state }) => !ENDED.has(state));
        for (const one of open) {
          acts.push(`cancel ${one.id}`);
          replace(one, { state: 'cancelled' });
        }
        return { done: open.length, skipped: all.length - open.length };
      }),
    purge: (filter) =>
      answer(() => {
        const all = matching(filter);
        for (const one of all) {
          acts.push(`purge ${one.id}`);
          deliveries.splice(deliveries.indexOf(one), 1);
        }
        return { done: all.length, skipped: 0 };
      }),
    outcomes: (after, limit) =>
      answer(() => {
        const from = after === null ? outcomes.length : Number(after);
        const items = outcomes.slice(from, from + limit);
        return { items, cursor: String(from + items.length) };
      }),
  };
  const store: Partial<QueueStore> = {
    kind: 'postgres',
    deliveries: inspect as InspectStore,
    state: async () => null,
    counts: () => answer(counts),
    pause: (webhook) =>
      answer(() => {
        acts.push(`pause ${webhook}`);
        paused.add(webhook);
      }),
    resume: (webhook) =>
      answer(() => {
        acts.push(`resume ${webhook}`);
        paused.delete(webhook);
      }),
    gaps: () => answer(() => gaps),
    notes: () => answer(() => new Map()),
    workers: () => answer(() => [{ process: 'host-1-abcdef', seenMs: Date.now(), jobs: 2 }]),
    oldest: () => answer(() => new Map()),
  };
  return {
    store: store as QueueStore,
    deliveries,
    gaps,
    acts,
    breakWith(error) {
      broken = error;
    },
  };
}

function matches(one: DeliveryDetail, filter: DeliveryFilter): boolean {
  const last = one.status === null ? one.error : String(one.status);
  return (
    (filter.ids === undefined || filter.ids.includes(one.id)) &&
    (filter.webhook === undefined || one.webhook === filter.webhook) &&
    (filter.state === undefined || one.state === filter.state) &&
    (filter.model === undefined || one.model === filter.model) &&
    (filter.key === undefined || one.key === filter.key) &&
    (filter.requestId === undefined || one.requestId === filter.requestId) &&
    (filter.status === undefined || last === filter.status) &&
    (filter.sinceMs === undefined || one.committedAtMs >= filter.sinceMs) &&
    (filter.untilMs === undefined || one.committedAtMs < filter.untilMs)
  );
}

/** A failed Delivery; whatever is given replaces its values. */
export function delivery(id: string, changes: Partial<DeliveryDetail> = {}): DeliveryDetail {
  const at = Date.UTC(2026, 0, 2, 3, 4, 5);
  return {
    id,
    webhook: 'sessions',
    state: 'failed',
    model: 'session',
    key: '85',
    requestId: 'af7aebe6-d049-405a-910f-d01e5ff043cd',
    eventId: `e-${id}`,
    committedAtMs: at,
    attempts: 1,
    status: 503,
    error: 'status',
    detail: 'HTTP 503',
    lastAttemptMs: at + 5,
    durationMs: 12.5,
    nextMs: null,
    endedMs: at + 20,
    isResent: false,
    schema: 'public',
    table: 'session',
    lsn: '0/1528450',
    xid: 731,
    event:
      '{"event":"updated","timestamp":"2026-01-02T03:04:05.000000Z","model":"session","username":"admin","request_id":null,"data":{"id":9223372036854775807,"status":"enabled"},"snapshots":{"prechange":{"status":"requested"},"postchange":{"status":"enabled"}}}',
    request: {
      method: 'POST',
      url: 'http://hooks.example/session',
      headers: [
        ['Content-Type', 'application/json'],
        ['webhook-id', id],
      ],
      body: null,
      bodyIs: 'event',
      bodyBytes: 210,
    },
    log: [
      {
        startedMs: at + 5,
        durationMs: 12.5,
        responseMs: 10,
        status: 503,
        error: 'status',
        detail: 'HTTP 503',
        nextMs: null,
        response: {
          headers: [['content-type', 'text/plain']],
          body: 'busy',
          encoding: 'utf8',
          isTruncated: false,
        },
      },
    ],
    ...changes,
  } as DeliveryDetail;
}
