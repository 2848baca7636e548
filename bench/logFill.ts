/**
 * A log as a busy installation has one: many webhooks, models and causes, common and rare ones, over a week;
 * and beside it what waits. The same for every run.
 */
import { type QueuedDelivery, toBatches } from '../src/queue/delivery.ts';
import type { ClaimedJob, Outcome, QueueStore, Report } from '../src/queue/store.ts';

export const DAY_MS = 86_400_000;
const SPAN_MS = 7 * DAY_MS;
const AT_ONCE = 10_000;
/** The last ones are never tried: they wait in jobs. */
const WAITING_SHARE = 0.05;
/** Of what has ended, these stand at its beginning, so that a scan from the newest finds them last. */
const RARE = 5;

/** What stands at a place of commit order. */
export interface Planned {
  readonly webhook: string;
  readonly delivery: QueuedDelivery;
  readonly outcome: 'delivered' | 'failed' | 'cancelled' | 'delayed' | 'waiting';
  /** Of the last Attempt. */
  readonly status: number | null;
  readonly error: string | null;
}

/** @param total Deliveries that have ended; as many more as {@link WAITING_SHARE} says wait */
export function planned(place: number, total: number, nowMs: number): Planned {
  const isRare = place < RARE;
  const all = Math.ceil(total * (1 + WAITING_SHARE));
  const committedAtMs = Math.floor(nowMs - SPAN_MS + (place * SPAN_MS) / all);
  const outcome =
    place >= total
      ? place % 5 === 0
        ? 'delayed'
        : 'waiting'
      : place % 20 < 14
        ? 'delivered'
        : place % 20 < 19
          ? 'failed'
          : 'cancelled';
  const isFailed = outcome === 'failed' || outcome === 'delayed';
  const cause = isRare ? 418 : place % 3 === 0 ? 'timeout' : place % 3 === 1 ? 503 : 404;
  return {
    webhook: isRare ? 'rare' : place % 2 === 0 ? 'hook-0' : `hook-${1 + (place % 19)}`,
    outcome: isRare ? 'failed' : outcome,
    status: isRare ? 418 : isFailed ? (typeof cause === 'number' ? cause : null) : 200,
    error: !isFailed && !isRare ? null : typeof cause === 'number' ? 'status' : cause,
    delivery: {
      eventId: `0badcafe-${place.toString(16).padStart(16, '0')}-00000000-aaaaaaaa`,
      model: isRare ? 'rare' : `model-${(place >> 1) % 4}`,
      schema: 'public',
      table: 'thing',
      key: place % 20 === 7 ? 'hot' : String(place % 5_000),
      requestId: place % 4 === 0 ? null : `request-${Math.floor(place / 10)}`,
      lsn: `0/${place.toString(16).toUpperCase()}`,
      xid: place % 2 ** 31,
      committedAtMs,
      json: `{"event":"created","model":"thing","data":{"id":${place},"note":"${'x'.repeat(200)}"}}`,
    },
  };
}

/** Fills a store through its own operations, as capture and deliver would. */
export async function fillLog(store: QueueStore, total: number, nowMs: number): Promise<void> {
  const fence = await store.takeFence();
  const all = Math.ceil(total * (1 + WAITING_SHARE));
  let position = (await store.state())?.position ?? '';
  for (let from = 0; from < all; ) {
    // What waits has a flush of its own: what is cancelled is found by its waiting.
    const until = Math.min(from + AT_ONCE, from < total ? total : all);
    const rows = Array.from({ length: until - from }, (_, i) => planned(from + i, total, nowMs));
    from = until;
    const byWebhook = new Map<string, Planned[]>();
    for (const row of rows) byWebhook.set(row.webhook, [...(byWebhook.get(row.webhook) ?? []), row]);
    const batches = [...byWebhook].flatMap(([webhook, some]) =>
      toBatches(
        webhook,
        some.map(({ delivery }) => delivery),
      ),
    );
    const bounds = { from: position, to: `fill-${from}` };
    position = bounds.to;
    await store.flush({ fence, ...bounds, batches, failed: [], definitions: null });
    for (const [webhook, some] of byWebhook) await end(store, webhook, some);
  }
}

async function end(store: QueueStore, webhook: string, rows: readonly Planned[]): Promise<void> {
  const byId = new Map(rows.map((row) => [row.delivery.eventId, row]));
  if (rows.every(({ outcome }) => outcome === 'waiting')) return;
  const { jobs } = await store.claim({ webhook, process: 'fill', maxJobs: 1_000, nowMs: 1 });
  const reports = jobs.flatMap((job) => reportsOf(job, byId));
  await store.report('fill', reports);
  // What is to wait was taken with its batch, and is given back.
  await store.release('fill', jobs);
  const cancelled = rows.filter(({ outcome }) => outcome === 'cancelled');
  if (cancelled.length > 0) await store.deliveries.cancel({ webhook, state: 'waiting' }, Date.now());
}

function reportsOf(job: ClaimedJob, byId: ReadonlyMap<string, Planned>): Report[] {
  const kept = job.deliveries.map(({ eventId }) => {
    const row = byId.get(eventId);
    const outcome = row === undefined ? null : outcomeOf(row);
    return row === undefined || outcome === null ? null : { row, outcome };
  });
  const isWhole = kept.every((one) => one !== null);
  const last = kept.length - 1;
  return kept.flatMap((one, index): Report[] =>
    one === null
      ? []
      : [
          {
            job,
            index,
            outcome: one.outcome,
            isLast: isWhole && index === last,
            attempt: attemptOf(one.row),
          },
        ],
  );
}

function outcomeOf({ outcome, error, delivery }: Planned): Outcome | null {
  if (outcome === 'delivered') return { kind: 'delivered' };
  if (outcome === 'delayed') return { kind: 'retry', attempts: 1, dueMs: 4e12 };
  if (outcome !== 'failed') return null;
  const failedAtMs = delivery.committedAtMs + 1_000;
  return {
    kind: 'failed',
    attempts: 1,
    reason: error ?? 'status',
    detail: 'as the receiver said',
    failedAtMs,
  };
}

export function attemptOf({
  delivery,
  status,
  error,
}: Pick<Planned, 'delivery' | 'status' | 'error'>): NonNullable<Report['attempt']> {
  return {
    startedMs: delivery.committedAtMs + 5,
    durationMs: 12,
    responseMs: status === null ? null : 10,
    status,
    error,
    detail: error === null ? null : 'as the receiver said',
    request: {
      method: 'POST',
      url: 'https://hooks.example/in',
      headers: [
        ['content-type', 'application/json'],
        ['webhook-id', delivery.eventId],
      ],
      body: null,
      bodyIs: 'event',
      bodyBytes: 260,
    },
    response:
      status === null
        ? null
        : { headers: [['server', 'example']], body: 'ok', encoding: 'utf8', isTruncated: false },
  };
}

/** Every filter of the page, common values and rare ones, values that nothing has, and several at once. */
export function logFilters(nowMs: number): Readonly<Record<string, Readonly<Record<string, string>>>> {
  const at = (days: number) => new Date(nowMs - days * DAY_MS).toISOString();
  return {
    none: {},
    'webhook, half of all': { webhook: 'hook-0' },
    'webhook, rare': { webhook: 'rare' },
    'webhook, absent': { webhook: 'nobody' },
    'state waiting': { state: 'waiting' },
    'state active': { state: 'active' },
    'state delayed': { state: 'delayed' },
    'state parked': { state: 'parked' },
    'state delivered': { state: 'delivered' },
    'state failed': { state: 'failed' },
    'state cancelled': { state: 'cancelled' },
    'model, common': { model: 'model-1' },
    'model, rare': { model: 'rare' },
    'model, absent': { model: 'nothing' },
    'key, hot': { key: 'hot' },
    'key, few': { key: '4321' },
    'key, absent': { key: 'nothing' },
    'model and key': { model: 'model-1', key: '4323' },
    'request id': { request_id: 'request-1234' },
    'request id, absent': { request_id: 'nobody' },
    'status 200': { status: '200' },
    'status 503': { status: '503' },
    'status, a word': { status: 'timeout' },
    'status, rare': { status: '418' },
    'status, absent': { status: '599' },
    'since an hour': { since: '1h' },
    'since six days': { since: '6d' },
    'until six days ago': { until: '6d' },
    'a window in the middle': { since: at(4), until: at(3.99) },
    'a window without any': { since: at(30), until: at(20) },
    'webhook and state': { webhook: 'hook-0', state: 'failed' },
    'webhook and model': { webhook: 'hook-3', model: 'model-2' },
    'webhook and model that never meet': { webhook: 'hook-0', model: 'rare' },
    'webhook and status, rare': { webhook: 'hook-0', status: '418' },
    'model and state': { model: 'model-2', state: 'cancelled' },
    'hot key and status that rarely meet': { key: 'hot', status: '418' },
    everything: {
      webhook: 'hook-0',
      state: 'failed',
      model: 'model-3',
      status: '503',
      since: '6d',
      until: '1h',
    },
  };
}
