/**
 * A receiver that is down for an hour while 100,000 Deliveries wait for it, and comes back. The hour passes at 120
 * times its pace; what the daemon does in it is what it always does. From the return on, time goes as it does.
 */
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import { systemClock } from '../../src/core/clock.ts';
import { NO_FAILPOINT } from '../../src/core/failpoint.ts';
import { SILENT } from '../../src/core/logger.ts';
import { Deliverer } from '../../src/deliver/deliverer.ts';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { toBatches } from '../../src/queue/delivery.ts';
import { isQueueMissing, QUEUE_KINDS, type QueueKind } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { openStores } from '../queue/openStores.ts';
import { deliveries, deliverTarget, guard } from './webhooks.ts';

const WAITING = 100_000;
const BODY_BYTES = 500;
const CONCURRENCY = 8;
const MIB = 1_048_576;

/** Time that can be made to pass faster. */
class RushedClock implements Clock {
  #pace = 1;
  #sinceMs = performance.now();
  #passedMs = 0;
  readonly #startedMs = Date.now();

  set pace(pace: number) {
    this.#passedMs = this.monotonic();
    this.#sinceMs = performance.now();
    this.#pace = pace;
  }

  monotonic(): number {
    return this.#passedMs + (performance.now() - this.#sinceMs) * this.#pace;
  }

  now(): number {
    return Math.floor(this.#startedMs + this.monotonic());
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(Math.max(1, ms / this.#pace), signal);
  }
}

/** What a store takes: the memory of Redis, the disk of PostgreSQL. */
async function openGauge(kind: QueueKind, url: string) {
  if (kind === 'redis') {
    const redis = new Redis(url);
    return {
      bytes: async () => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]),
      [Symbol.asyncDispose]: () => Promise.resolve(redis.disconnect()),
    };
  }
  const client = new Client({ connectionString: url });
  await client.connect();
  return {
    async bytes() {
      const sql = 'select pg_database_size(current_database())::text as bytes';
      return Number((await client.query<{ bytes: string }>(sql)).rows[0]?.bytes);
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}

describe.each(QUEUE_KINDS)('a receiver that was down for an hour, from the %s queue', (kind) => {
  it.skipIf(isQueueMissing(kind))(
    'is not flooded when it comes back: one request, then twice as many every two seconds, the oldest first',
    async () => {
      await using stores = await openStores(kind);
      await using gauge = await openGauge(kind, stores.url);
      const bytesBefore = await gauge.bytes();
      const clock = new RushedClock();
      const text = 'x'.repeat(BODY_BYTES - 20);
      const { fence } = stores;
      for (let i = 0; i < WAITING / 5_000; i += 1) {
        const all = deliveries(5_000, clock.now() + i).map((one, n) => ({
          ...one,
          json: `{"n":${i * 5_000 + n},"x":"${text}"}`,
        }));
        const batches = toBatches('w', all);
        const position = { from: `pos-${i}`, to: `pos-${i + 1}` };
        await stores.store.flush({ fence, ...position, batches, failed: [], definitions: null });
      }
      const storeGrowth = (await gauge.bytes()) - bytesBefore;
      const rssBefore = process.memoryUsage().rss;
      const port = await freePort();
      const target = deliverTarget('w', `http://127.0.0.1:${port}/`, {
        concurrency: CONCURRENCY,
        retry: {
          scheduleMs: [5_000, 30_000, 120_000, 600_000, 1_800_000],
          maxAgeMs: 7 * 86_400_000,
          onGone: 'pause',
        },
      });
      let attempts = 0;
      const abort = new AbortController();
      const running = new Deliverer({
        store: await stores.sibling(),
        process: 'p',
        targets: [target],
        userAgent: 'walhook/test',
        addresses: guard(),
        clock,
        log: SILENT,
        failpoint: NO_FAILPOINT,
        onAttempt: () => {
          attempts += 1;
        },
        shutdownMs: 100,
      }).run(abort.signal);
      await until(() => attempts >= 10, { timeoutMs: 30_000 });
      clock.pace = 120;
      const startedMs = clock.monotonic();
      await until(() => clock.monotonic() - startedMs >= 3_600_000, { timeoutMs: 60_000 });
      clock.pace = 1;
      const downAttempts = attempts;
      // Ten failures in a row park it; one probe then, every thirty seconds at first and every ten minutes later.
      expect(downAttempts).toBeLessThan(60);
      const counts = (await stores.store.counts()).get('w');
      expect([counts?.failed, counts?.isParked]).toEqual([0, true]);

      await using sink = await openSink(port);
      let inFlight = 0;
      const peaks: { readonly atMs: number; readonly inFlight: number }[] = [];
      sink.answerWith((_request, response) => {
        // With the first request, the probe, time goes on as it does.
        clock.pace = 1;
        inFlight += 1;
        peaks.push({ atMs: performance.now(), inFlight });
        setTimeout(() => {
          inFlight -= 1;
          response.end();
        }, 20);
      });
      // The next probe may be ten minutes away.
      clock.pace = 120;
      await until(() => sink.received.length > 0, { timeoutMs: 30_000 });
      const backMs = performance.now();
      await until(() => performance.now() - backMs >= 10_000, { timeoutMs: 20_000 });
      abort.abort();
      await running;
      const rssGrowth = process.memoryUsage().rss - rssBefore;

      const most = (fromMs: number, toMs: number) =>
        Math.max(
          0,
          ...peaks
            .filter(({ atMs }) => atMs >= backMs + fromMs && atMs < backMs + toMs)
            .map((one) => one.inFlight),
        );
      // One at first, twice as many every two seconds; half a second for a machine that is late.
      expect([most(0, 1_500), most(0, 3_500) <= 2, most(0, 5_500) <= 4]).toEqual([1, true, true]);
      expect(most(0, 10_000)).toBe(CONCURRENCY);
      const numbers = sink.received.map(({ body }) => Number(/"n":(\d+)/.exec(body)?.[1]));
      expect(numbers.length).toBeGreaterThan(100);
      expect(new Set(numbers).size).toBe(numbers.length);
      // Oldest first: nothing that arrives is further ahead than what a process has in hand.
      const ahead = numbers.map((n, place) => n - place);
      expect(Math.max(...ahead)).toBeLessThan(500);
      // What is waiting costs the queue little more than its text, and the daemon next to nothing.
      expect(storeGrowth).toBeLessThan(WAITING * BODY_BYTES * 2.5);
      expect(rssGrowth).toBeLessThan(64 * MIB);
    },
    180_000,
  );
});
