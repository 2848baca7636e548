/** Receivers that are down, slow or hostile delay their own Webhooks and nobody else's. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { NO_FAILPOINT } from '../../src/core/failpoint.ts';
import { SILENT } from '../../src/core/logger.ts';
import { Deliverer } from '../../src/deliver/deliverer.ts';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { toBatches } from '../../src/queue/delivery.ts';
import { openHostile } from '../helpers/hostileReceiver.ts';
import { isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { openStores } from '../queue/openStores.ts';
import { deliveries, deliverTarget, guard } from './webhooks.ts';

const HEALTHY = 10;
const EACH = 50;

describe.each(QUEUE_KINDS)('with the queue on %s', (kind) => {
  it.skipIf(isQueueMissing(kind))('healthy Webhooks are done while hostile ones wait', async () => {
    await using stores = await openStores(kind);
    await using sink = await openSink();
    await using blackhole = await openHostile('says nothing');
    await using drips = await openHostile('drips headers');
    await using floods = await openHostile('sends headers without end');
    const hostile = {
      refuses: `http://127.0.0.1:${await freePort()}/`,
      blackhole: blackhole.origin,
      drips: drips.origin,
      floods: floods.origin,
    };
    const healthy = Array.from({ length: HEALTHY }, (_, i) => `ok${i}`);
    const timeoutMs = 15_000;
    const targets = [
      ...Object.entries(hostile).map(([key, url]) => deliverTarget(key, url, { timeoutMs })),
      ...healthy.map((key) => deliverTarget(key, `${sink.url}${key}`)),
    ];
    const abort = new AbortController();
    const running = new Deliverer({
      store: await stores.sibling(),
      process: 'p',
      targets,
      userAgent: 'walhook/test',
      addresses: guard(),
      clock: systemClock,
      log: SILENT,
      failpoint: NO_FAILPOINT,
      shutdownMs: 100,
    }).run(abort.signal);
    const batches = targets.flatMap(({ key }) => toBatches(key, deliveries(EACH, systemClock.now())));
    const { fence } = stores;
    const startedMs = performance.now();
    await stores.store.flush({ fence, from: 'pos-0', to: 'pos-1', batches, failed: [], definitions: null });
    await until(() => sink.received.length === HEALTHY * EACH);
    const tookMs = performance.now() - startedMs;
    const counts = await stores.store.counts();
    abort.abort();
    await running;
    // Before the first request that hangs has even timed out.
    expect(tookMs).toBeLessThan(timeoutMs);
    for (const key of Object.keys(hostile)) expect(counts.get(key)?.deliveredTotal).toBe(0);
    // Of one that refuses, the breaker has kept most Deliveries from being tried.
    expect(counts.get('refuses')?.delayed).toBeLessThan(EACH / 2);
  });
});
