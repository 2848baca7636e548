/** Webhooks and Deliveries for the tests of deliver. */
import type { DeliverTarget } from '../../src/deliver/lane.ts';
import type { QueuedDelivery } from '../../src/queue/delivery.ts';
import { compileTemplate } from '../../src/template/engine.ts';

export function deliverTarget(key: string, url: string, more: Partial<DeliverTarget> = {}): DeliverTarget {
  return {
    key,
    name: key,
    method: 'POST',
    contentType: 'application/json',
    format: 'walhook',
    url: compileTemplate(url, { path: 'url', undefined: 'lenient' }),
    origin: new URL(url).origin,
    headers: null,
    body: null,
    secrets: [],
    signature: 'both',
    retry: { scheduleMs: [5_000, 5_000], maxAgeMs: 7 * 86_400_000 },
    timeoutMs: 15_000,
    concurrency: 4,
    ...more,
  };
}

let nextEvent = 0;

/** Deliveries one after the other in commit order; each body is `{"n":…}` of its own. */
export function deliveries(count: number, committedAtMs: number): QueuedDelivery[] {
  return Array.from({ length: count }, () => {
    nextEvent += 1;
    const lsn = nextEvent.toString(16).padStart(16, '0');
    return {
      eventId: `0badcafe-${lsn}-00000000-aaaaaaaa`,
      model: 'thing',
      schema: 'public',
      table: 'thing',
      key: String(nextEvent),
      requestId: null,
      lsn: '0/1',
      xid: 1,
      committedAtMs,
      json: `{"n":${nextEvent}}`,
    };
  });
}
