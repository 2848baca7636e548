/** Every hostile receiver at once, beside a healthy one: each ends with its reason, and nothing is held or kept. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { NO_FAILPOINT } from '../../src/core/failpoint.ts';
import { SILENT } from '../../src/core/logger.ts';
import { Deliverer } from '../../src/deliver/deliverer.ts';
import { type BehaviourName, HOSTILE, openHostile } from '../helpers/hostileReceiver.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { MemoryStore } from './memoryStore.ts';
import { deliveries, deliverTarget, guard } from './webhooks.ts';

const EACH = 3;
const HEALTHY = 200;
const TIMEOUT_MS = 1_000;
const REASONS = ['network', 'timeout', 'status', 'redirect'];

async function closeAll(opened: readonly AsyncDisposable[]): Promise<void> {
  for (const one of opened) await one[Symbol.asyncDispose]();
}

describe('all misbehaviours at once', () => {
  it('each end with a reason in time, and a healthy Webhook is done meanwhile', {
    timeout: 90_000,
  }, async () => {
    await using sink = await openSink();
    const opened: AsyncDisposable[] = [];
    await using _all = { [Symbol.asyncDispose]: () => closeAll(opened) };
    const receivers = new Map<string, BehaviourName>();
    const targets = [deliverTarget('healthy', sink.url)];
    for (const [i, name] of HOSTILE.entries()) {
      const receiver = await openHostile(name);
      opened.push(receiver);
      receivers.set(`h${i}`, name);
      // One try each: what it came to is what is recorded.
      const retry = { scheduleMs: [], maxAgeMs: 86_400_000, onGone: 'fail' } as const;
      targets.push(deliverTarget(`h${i}`, receiver.origin, { retry, timeoutMs: TIMEOUT_MS, concurrency: 2 }));
    }
    const store = new MemoryStore();
    store.now = () => systemClock.now();
    const abort = new AbortController();
    const running = new Deliverer({
      store,
      process: 'p',
      targets,
      userAgent: 'walhook/test',
      addresses: guard(),
      clock: systemClock,
      log: SILENT,
      failpoint: NO_FAILPOINT,
      shutdownMs: 100,
    }).run(abort.signal);
    const of = new Map<string, string>();
    const before = process.memoryUsage().rss;
    const startedMs = performance.now();
    for (const key of receivers.keys()) {
      const some = deliveries(EACH, systemClock.now());
      for (const { eventId } of some) of.set(eventId, key);
      store.add(key, some);
    }
    store.add('healthy', deliveries(HEALTHY, systemClock.now()));
    await until(() => sink.received.length === HEALTHY, { timeoutMs: 30_000 });
    const healthyMs = performance.now() - startedMs;
    const count = receivers.size * EACH + HEALTHY;
    await until(() => store.delivered.length + store.failed.length >= count, { timeoutMs: 60_000 });
    const grownBytes = process.memoryUsage().rss - before;
    abort.abort();
    await running;
    const seen = new Map<string, Set<string>>();
    for (const { eventId, reason } of store.failed) {
      const name = receivers.get(of.get(eventId) ?? '') ?? 'healthy';
      seen.set(name, (seen.get(name) ?? new Set()).add(reason));
    }
    for (const [name, reasons] of seen) {
      for (const reason of reasons) expect([name, REASONS]).toEqual([name, expect.arrayContaining([reason])]);
    }
    expect(seen.get('healthy')).toBeUndefined();
    expect(store.open()).toEqual([]);
    expect(healthyMs).toBeLessThan(10_000);
    expect(grownBytes).toBeLessThan(192 * 1_048_576);
  });
});
