/** Alerts: sent once however many daemons notice, signed, and again when it comes back. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { SILENT } from '../../src/core/logger.ts';
import { Secret } from '../../src/core/secret.ts';
import { OwnServices } from '../../src/deliver/addresses/ownServices.ts';
import { systemResolve } from '../../src/deliver/connector.ts';
import { Alerts } from '../../src/observe/alerts.ts';
import { gapOfAll } from '../../src/queue/gaps.ts';
import type { QueueStore } from '../../src/queue/store.ts';
import { createQueue } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { openStore } from '../helpers/stores.ts';
import { until } from '../helpers/until.ts';

const INSTALLATION = {
  queueId: 'q',
  generation: '0badcafe',
  environment: 'test',
  systemIdentifier: '7',
  database: 'db',
  slot: 'walhook',
};

const alertsTo = (url: string, store: QueueStore) =>
  new Alerts({
    alerts: [{ on: ['slot_budget', 'gap', 'overflow'], url: new Secret(url), secret: new Secret('s') }],
    environment: 'test',
    store,
    guard: {
      rules: { policy: 'internal', allow: [] },
      own: new OwnServices(() => [], systemResolve, systemClock),
      resolve: systemResolve,
    },
    userAgent: 'walhook/0',
    clock: systemClock,
    log: SILENT,
  });

describe('an alert', () => {
  it('is sent once by all daemons together, signed, and again after it was cleared', async () => {
    await using queue = await createQueue('postgres');
    await using sink = await openSink();
    const store = await openStore(queue.section);
    try {
      await store.initialise(INSTALLATION, 'pos-0');
      const daemons = [alertsTo(sink.url, store), alertsTo(sink.url, store)];
      const raise = (level: string) =>
        Promise.all(daemons.map((one) => one.raise('slot_budget', 'walhook', level)));
      await raise('half');
      await until(() => sink.received.length === 1);
      await raise('near');
      await daemons[0]?.raise('webhook_failing', 'w', 'nobody asked');
      await daemons[0]?.clear('slot_budget', 'walhook');
      await raise('reached');
      await until(() => sink.received.length === 2);
      expect(sink.events()).toMatchObject([
        { alert: 'slot_budget', environment: 'test', message: 'half' },
        { alert: 'slot_budget', environment: 'test', message: 'reached' },
      ]);
      expect(sink.received[0]?.headers).toMatchObject({
        'webhook-id': expect.stringMatching(/^alert-slot_budget-/),
        'webhook-signature': expect.stringMatching(/^v1,/),
      });
    } finally {
      await store.close();
    }
  });

  it('tells of a Gap, and tries again when the receiver fails', async () => {
    await using queue = await createQueue('postgres');
    await using sink = await openSink();
    const store = await openStore(queue.section);
    const stop = new AbortController();
    try {
      await store.initialise(INSTALLATION, 'pos-0');
      await store.recordGap(gapOfAll('slot_lost', { tables: ['public.orders'], openedMs: 1 }));
      sink.answerWith((_request, response) => {
        response.statusCode = sink.received.length < 2 ? 500 : 200;
        response.end();
      });
      const watching = alertsTo(sink.url, store).watch(stop.signal);
      await until(() => sink.received.length === 2);
      stop.abort();
      await watching;
      const ids = new Set(sink.received.map(({ headers }) => headers['webhook-id']));
      expect(ids.size).toBe(1);
      expect(sink.events()[0]).toMatchObject({
        alert: 'gap',
        message: expect.stringContaining('public.orders'),
      });
    } finally {
      stop.abort();
      await store.close();
    }
  });

  it('keeps no note of a Gap that is settled', async () => {
    await using queue = await createQueue('postgres');
    await using sink = await openSink();
    const store = await openStore(queue.section);
    const notes = async () => [...(await store.notes('alert:')).keys()];
    const watchUntil = async (isSo: () => Promise<boolean>) => {
      const stop = new AbortController();
      const watching = alertsTo(sink.url, store).watch(stop.signal);
      await until(isSo);
      stop.abort();
      await watching;
    };
    try {
      await store.initialise(INSTALLATION, 'pos-0');
      const found = gapOfAll('slot_lost', { tables: ['public.orders'], openedMs: 1 });
      const settled = await store.recordGap(found);
      const open = await store.recordGap({ ...found, kind: 'queue_lost' });
      await watchUntil(async () => (await notes()).length === 2);
      await store.settleGap(settled, 1);
      await watchUntil(async () => (await notes()).length === 1);
      expect(await notes()).toEqual([`alert:gap:${open}`]);
    } finally {
      await store.close();
    }
  });

  it('tells of what a full backlog left out, until that is settled', async () => {
    await using queue = await createQueue('postgres');
    await using sink = await openSink();
    const store = await openStore(queue.section);
    const stop = new AbortController();
    const gap = {
      kind: 'overflow',
      webhook: 'w',
      firstId: null,
      lastId: null,
      firstLsn: '0/1A',
      lastLsn: '0/3C',
      firstMs: 1,
      lastMs: 2,
      generation: null,
      tables: [],
      models: { orders: 35 },
      openedMs: 1,
      closedMs: 2,
      detail: null,
    } as const;
    try {
      await store.initialise(INSTALLATION, 'pos-0');
      await store.recordGap({ ...gap, webhook: 'settled', settledMs: 3 });
      await store.recordGap({ ...gap, settledMs: null });
      const watching = alertsTo(sink.url, store).watch(stop.signal);
      await until(() => sink.received.length === 1);
      stop.abort();
      await watching;
      expect(sink.events()).toMatchObject([
        {
          alert: 'overflow',
          message: expect.stringMatching(
            /^\d+ overflow: 35 Deliveries of orders for w from 0\/1A .* to 0\/3C /,
          ),
        },
      ]);
    } finally {
      await store.close();
    }
  });
});
