/** Lists of Deliveries over a log with common and rare values, against what the same filter finds in memory. */
import { beforeAll, describe, expect, it } from 'vitest';
import { fillLog, logFilters, type Planned, planned } from '../../bench/logFill.ts';
import { filterOf, queryOf } from '../../src/admin/deliveryQuery.ts';
import type { DeliveryFilter, DeliveryPage } from '../../src/queue/inspect.ts';
import { scanEntries } from '../../src/queue/postgres/operations.ts';
import { isStoreMissing, type Prepared, prepareStore, STORE_KINDS } from './stores.ts';

const TOTAL = 4_000;
const NOW = 1_700_000_000_000;
const PAGE = 50;
const ALL = Array.from({ length: TOTAL * 1.05 }, (_, place) => planned(place, TOTAL, NOW));
const FILTERS = Object.entries(logFilters(NOW)).map(
  ([name, search]) => [name, filterOf(queryOf(search), new Map(), NOW)] as const,
);

function isWanted(one: Planned, filter: DeliveryFilter): boolean {
  const { delivery, outcome, webhook, status, error } = one;
  const wasTried = outcome !== 'waiting' && outcome !== 'cancelled';
  const result = wasTried ? String(status ?? error) : outcome === 'cancelled' ? 'cancelled' : '';
  return (
    (filter.webhook === undefined || filter.webhook === webhook) &&
    (filter.state === undefined || filter.state === outcome) &&
    (filter.model === undefined || filter.model === delivery.model) &&
    (filter.key === undefined || filter.key === delivery.key) &&
    (filter.requestId === undefined || filter.requestId === delivery.requestId) &&
    (filter.status === undefined || filter.status === result) &&
    (filter.sinceMs === undefined || delivery.committedAtMs >= filter.sinceMs) &&
    (filter.untilMs === undefined || delivery.committedAtMs < filter.untilMs)
  );
}

const expected = (filter: DeliveryFilter) =>
  ALL.filter((one) => isWanted(one, filter))
    .map(({ delivery }) => delivery.eventId)
    .reverse();

const position = async ({ store }: Prepared) => (await store.state())?.position ?? '';

describe.each(STORE_KINDS)('a log of thousands in the %s queue', (kind) => {
  const isSkipped = isStoreMissing(kind);
  let queue: Prepared;

  beforeAll(async () => {
    if (isSkipped) return undefined;
    queue = await prepareStore(kind);
    await fillLog(queue.store, TOTAL, NOW);
    return () => queue[Symbol.asyncDispose]();
  }, 120_000);

  it.skipIf(isSkipped).each(FILTERS)('is filtered to a whole page at once: %s', async (_name, filter) => {
    const wanted = expected(filter);
    const { deliveries } = queue.store;
    const page = await deliveries.list(filter, { limit: PAGE, cursor: null });
    expect(page.items).toHaveLength(Math.min(PAGE, wanted.length));
    if (wanted.length < PAGE) expect(page.cursor).toBeNull();
    const all = page.items.map(({ eventId }) => eventId);
    for (let { cursor } = page; cursor !== null; ) {
      const next: DeliveryPage = await deliveries.list(filter, { limit: 500, cursor });
      all.push(...next.items.map(({ eventId }) => eventId));
      cursor = next.cursor;
    }
    // Of what waits, a batch is listed as a whole.
    expect(all.sort().reverse()).toEqual(wanted);
    expect(await deliveries.count(filter)).toBe(wanted.length);
  });

  it.skipIf(isSkipped)(
    'goes on from a cursor without a gap or a repetition while more comes in',
    async () => {
      const filter: DeliveryFilter = { model: 'model-1', state: 'failed' };
      const wanted = expected(filter).slice(0, 4 * PAGE);
      const found: string[] = [];
      let cursor: string | null = null;
      for (let page = 0; page < 4; page += 1) {
        const next: DeliveryPage = await queue.store.deliveries.list(filter, { limit: PAGE, cursor });
        found.push(...next.items.map(({ eventId }) => eventId));
        cursor = next.cursor;
        const { delivery } = planned(TOTAL * 10 + page, TOTAL * 10, NOW);
        const late = { ...delivery, model: 'model-1', committedAtMs: NOW + page };
        const said = { reason: 'status', detail: '', attempts: 1, failedAtMs: NOW };
        await queue.store.flush({
          fence: await queue.store.takeFence(),
          from: await position(queue),
          to: `late-${page}`,
          batches: [],
          failed: [{ webhook: 'hook-0', delivery: late, ...said }],
          definitions: null,
        });
      }
      expect(found).toEqual(wanted);
      expect(await queue.store.deliveries.purge({ sinceMs: NOW })).toEqual({ done: 4, skipped: 0 });
    },
  );
});

describe.skipIf(isStoreMissing('postgres'))('the log in PostgreSQL', () => {
  it.each([
    ['the newest', {}],
    ['since a time', { sinceMs: NOW - 3_600_000 }],
    ['until a time', { untilMs: NOW - 3 * 86_400_000 }],
    ['a webhook and state', { webhook: 'hook-3', state: 'failed' }],
    ['a common webhook', { webhook: 'hook-0' }],
    ['a common model', { model: 'model-1' }],
    ['a row', { model: 'model-1', key: '43' }],
    ['a request', { requestId: 'request-12' }],
  ] as const)('reads little for %s', async (_name, filter) => {
    await using queue = await prepareStore('postgres');
    await fillLog(queue.store, 2_000, NOW);
    const schema = `${queue.prefix}_queue`;
    await queue.query?.(`analyze ${schema}.log`);
    const { text, values } = scanEntries(schema, { filter, after: null, most: PAGE });
    const answer = (await queue.query?.(`explain (analyze, format json) ${text}`, values)) as {
      rows: { 'QUERY PLAN': { Plan: PlanNode }[] }[];
    };
    const plan = answer.rows[0]?.['QUERY PLAN'][0]?.Plan;
    expect(plan === undefined ? Number.NaN : rowsRead(plan)).toBeLessThan(10 * PAGE);
  });
});

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Actual Rows': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** Rows that scans gave back or threw away. */
function rowsRead(node: PlanNode): number {
  const own = node['Node Type'].includes('Scan')
    ? node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)
    : 0;
  return own + (node.Plans ?? []).reduce((sum, one) => sum + rowsRead(one), 0);
}
