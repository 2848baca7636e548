/** Order by row from end to end: failures, two processes, one of which loses the store in the middle. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { WalhookError } from '../../src/core/errors.ts';
import { NO_FAILPOINT } from '../../src/core/failpoint.ts';
import { SILENT } from '../../src/core/logger.ts';
import { Deliverer } from '../../src/deliver/deliverer.ts';
import type { DeliverTarget } from '../../src/deliver/target.ts';
import { toBatches } from '../../src/queue/delivery.ts';
import type { QueueStore } from '../../src/queue/store.ts';
import { isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { openStores } from '../queue/openStores.ts';
import { deliveries, deliverTarget, guard } from './webhooks.ts';

/** Set for a longer run by hand. */
const CHANGES = Number(process.env['WALHOOK_TEST_CHANGES'] ?? 2_000);
const ROWS = Math.max(20, CHANGES / 100);

/** A process that delivers, and can be cut off from the store for good, as if it had been killed. */
function startProcess(store: QueueStore, target: DeliverTarget) {
  let isCut = false;
  const cutOff = new Proxy(store, {
    get(of, name) {
      const value: unknown = Reflect.get(of, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) =>
        isCut
          ? Promise.reject(new WalhookError('QUEUE_UNREACHABLE', 'cut off'))
          : (value as (...args: unknown[]) => unknown).apply(of, args);
    },
  });
  const abort = new AbortController();
  const running = new Deliverer({
    store: cutOff,
    process: `p-${randomBytes(4).toString('hex')}`,
    targets: [target],
    userAgent: 'walhook/test',
    addresses: guard(),
    clock: systemClock,
    log: SILENT,
    failpoint: NO_FAILPOINT,
    shutdownMs: 1_000,
  }).run(abort.signal);
  return {
    cut() {
      isCut = true;
    },
    async stop() {
      abort.abort();
      await running;
    },
  };
}

describe.each(QUEUE_KINDS)('order by row from the %s queue', (kind) => {
  it.skipIf(isQueueMissing(kind))(
    'holds through random failures and the loss of a process, and nothing is lost',
    { timeout: 600_000 },
    async () => {
      await using stores = await openStores(kind);
      await using sink = await openSink();
      /** By row: the number of the last one answered with 200. */
      const done = new Map<number, number>();
      const wrong: string[] = [];
      let delivered = 0;
      sink.answerWith((request, response) => {
        const { row, n } = JSON.parse(request.body) as { row: number; n: number };
        const last = done.get(row) ?? 0;
        // Again after a loss is allowed, for the last one only.
        if (n !== last + 1 && n !== last) wrong.push(`row ${row}: ${n} after ${last}`);
        response.statusCode = Math.random() < 0.05 ? 500 : 200;
        if (response.statusCode === 200 && n === last + 1) {
          done.set(row, n);
          delivered += 1;
        }
        response.end();
      });
      const target = deliverTarget('w', sink.url, {
        ordering: 'row',
        concurrency: 16,
        retry: { scheduleMs: Array.from({ length: 20 }, () => 40), maxAgeMs: 600_000, onGone: 'fail' },
      });
      const numbers = new Map<number, number>();
      const all = deliveries(CHANGES, systemClock.now()).map((one) => {
        const row = Math.floor(Math.random() * ROWS);
        const n = (numbers.get(row) ?? 0) + 1;
        numbers.set(row, n);
        return { ...one, json: JSON.stringify({ row, n }), rows: [`row${row}`] };
      });
      const first = startProcess(await stores.sibling(), target);
      const second = startProcess(await stores.sibling(), target);
      for (let at = 0, i = 0; at < all.length; at += 100, i += 1) {
        const batches = toBatches('w', all.slice(at, at + 100));
        const [from, to] = [`pos-${i}`, `pos-${i + 1}`];
        const { fence } = stores;
        await stores.store.flush({ fence, from, to, batches, failed: [], definitions: null });
      }
      await until(() => delivered > CHANGES / 4, { timeoutMs: 200_000 });
      first.cut();
      const third = startProcess(await stores.sibling(), target);
      await until(() => delivered === CHANGES, {
        timeoutMs: 300_000,
        what: `all ${CHANGES} delivered`,
      }).finally(async () => {
        await Promise.all([first.stop(), second.stop(), third.stop()]);
      });
      expect(wrong).toEqual([]);
      expect(done).toEqual(numbers);
      await until(async () => (await stores.store.counts()).get('w')?.active === 0);
      expect((await stores.store.counts()).get('w')).toMatchObject({ waiting: 0, delayed: 0, failed: 0 });
    },
  );

  it.skipIf(isQueueMissing(kind))('holds up the row that fails and no other', async () => {
    await using stores = await openStores(kind);
    await using sink = await openSink();
    sink.answerWith((request, response) => {
      const { row } = JSON.parse(request.body) as { row: string };
      response.statusCode = row === 'bad' ? 503 : 200;
      response.end();
    });
    const made = deliveries(60, systemClock.now()).map((one, i) => {
      const row = i % 3 === 0 ? 'bad' : `row${i % 3}`;
      return { ...one, json: JSON.stringify({ row, i }), rows: [row] };
    });
    const { fence } = stores;
    const batches = toBatches('w', made);
    await stores.store.flush({ fence, from: 'pos-0', to: 'pos-1', batches, failed: [], definitions: null });
    const retry = { scheduleMs: [60_000], maxAgeMs: 600_000, onGone: 'fail' } as const;
    const running = startProcess(
      await stores.sibling(),
      deliverTarget('w', sink.url, { ordering: 'row', concurrency: 4, retry }),
    );
    await until(async () => (await stores.store.counts()).get('w')?.deliveredTotal === 40);
    await running.stop();
    const bad = sink.events().filter((event) => event['row'] === 'bad');
    expect(bad.map((event) => event['i'])).toEqual([0]);
    expect((await stores.store.counts()).get('w')).toMatchObject({ delayed: 1, waiting: 19 });
  });
});
