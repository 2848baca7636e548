/**
 * Whether bad receivers cost the healthy ones anything: 46 Webhooks at 70 % of what can be delivered, by
 * themselves and beside one that refuses, one that takes connections and says nothing, one that answers after
 * 20 s and one that drips its answer. The two kinds of run take turns, so that a noisy machine disturbs both.
 *
 * The receiver is a process of its own. Latency is from being queued to being received.
 */
import { systemClock } from '../src/core/clock.ts';
import { freePort } from '../src/demo/embeddedPostgres.ts';
import type { QueuedDelivery } from '../src/queue/delivery.ts';
import { median, print, verdict } from './measure.ts';
import {
  type Arrivals,
  deliveryOf,
  newDeliverer,
  openFilling,
  type Queue,
  type Receiver,
  startPostgresQueue,
  startReceiver,
  startRedisQueue,
  type TargetPlan,
  targetOf,
} from './stage.ts';

const HEALTHY = 46;
const LOAD = 0.7;
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);
const RUN_MS = Number(process.env['BENCH_RUN_MS'] ?? 10_000);
const SATURATION_DELIVERIES = 20_000;
/** Every so often what is due is stored, as capture does under load. */
const TICK_MS = 10;
const TARGETS = { p95: 1.2, p95Ms: 5, throughput: 0.95 } as const;

interface Run extends Arrivals {
  readonly perSecond: number;
}

export async function benchIsolation(): Promise<void> {
  const receiver = await startReceiver();
  const redis = await startRedisQueue();
  const queue = redis ?? (await startPostgresQueue());
  try {
    await compare(queue, receiver);
  } finally {
    receiver.stop();
    await queue.stop();
  }
}

async function compare(queue: Queue, receiver: Receiver): Promise<void> {
  const saturation = await saturationOf(queue, receiver);
  const rate = Math.round(saturation * LOAD);
  print(`${queue.kind}: ${HEALTHY} webhooks are saturated at ${Math.round(saturation)}/s; runs at ${rate}/s`);
  const alone: Run[] = [];
  const beside: Run[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [runs, bad, name] of [
      [alone, false, 'by themselves'],
      [beside, true, 'beside the four'],
    ] as const) {
      const run = await loaded(queue, receiver, rate, bad, `${round}${Number(bad)}`);
      runs.push(run);
      print(
        `  round ${round}, ${name.padEnd(15)}: ${Math.round(run.perSecond)}/s, p50 ${run.p50.toFixed(1)} ms, p95 ${run.p95.toFixed(1)} ms, p99 ${run.p99.toFixed(1)} ms`,
      );
    }
  }
  const p95 = (runs: readonly Run[]) => median(runs.map((run) => run.p95));
  const perSecond = (runs: readonly Run[]) => median(runs.map((run) => run.perSecond));
  print(
    `medians: p95 ${p95(alone).toFixed(1)} ms by themselves, ${p95(beside).toFixed(1)} ms beside the four`,
  );
  const isNear = p95(beside) <= p95(alone) + TARGETS.p95Ms;
  const ratio = p95(beside) / p95(alone);
  print(
    ratio > TARGETS.p95 && isNear
      ? `  p95 ratio ${ratio.toFixed(2)}, target at most ${TARGETS.p95} or +${TARGETS.p95Ms} ms: met by ${(p95(beside) - p95(alone)).toFixed(1)} ms`
      : `  ${verdict('p95 ratio', ratio, 'at most', TARGETS.p95)}`,
  );
  print(
    `  ${verdict('throughput ratio', perSecond(beside) / perSecond(alone), 'at least', TARGETS.throughput)}`,
  );
}

function healthyPlans({ origin }: Receiver): TargetPlan[] {
  return Array.from({ length: HEALTHY }, (_, i) => ({ key: `ok${i}`, url: `${origin}/ok/${i}` }));
}

async function badPlans({ origin, blackhole }: Receiver): Promise<TargetPlan[]> {
  return [
    { key: 'refuses', url: `http://127.0.0.1:${await freePort()}/` },
    { key: 'blackhole', url: `${blackhole}/` },
    { key: 'slow', url: `${origin}/slow`, timeoutMs: 30_000 },
    { key: 'drips', url: `${origin}/drip` },
  ];
}

/** Deliveries a second when they are stored as fast as they can be, delivered at the same time. */
async function saturationOf(queue: Queue, receiver: Receiver): Promise<number> {
  const rates: number[] = [];
  for (let round = 0; round < 2; round += 1) {
    const plans = healthyPlans(receiver);
    await receiver.clear();
    const { flush, store } = await openFilling(queue.url, `saturation${round}`);
    const stop = new AbortController();
    const deliverer = newDeliverer(store, 'p', plans.map(targetOf));
    const running = deliverer.run(stop.signal);
    const startMs = performance.now();
    for (let sent = 0; sent < SATURATION_DELIVERIES; sent += 1_000) {
      await flush(spread(plans, sent, 1_000));
      deliverer.wake(plans.map(({ key }) => key));
      while (sent - (await receiver.arrivals()).received > 5_000) await systemClock.sleep(2);
    }
    while ((await receiver.arrivals()).received < SATURATION_DELIVERIES) await systemClock.sleep(5);
    rates.push((SATURATION_DELIVERIES * 1_000) / (performance.now() - startMs));
    stop.abort();
    await running;
    await store.close();
  }
  // The first round warms up.
  return rates.at(-1) ?? 0;
}

/** So many Deliveries, one Webhook after the other. */
function spread(plans: readonly TargetPlan[], from: number, count: number): Map<string, QueuedDelivery[]> {
  const byWebhook = new Map<string, QueuedDelivery[]>();
  for (let i = from; i < from + count; i += 1) {
    const { key } = plans[i % plans.length] ?? { key: '' };
    const list = byWebhook.get(key) ?? [];
    list.push(deliveryOf(i + 1));
    byWebhook.set(key, list);
  }
  return byWebhook;
}

/** Stores at a steady rate for the time of a run; the bad ones get as many as each healthy one, on top. */
async function loaded(
  queue: Queue,
  receiver: Receiver,
  rate: number,
  hasBad: boolean,
  name: string,
): Promise<Run> {
  const healthy = healthyPlans(receiver);
  const bad = hasBad ? await badPlans(receiver) : [];
  const { flush, store } = await openFilling(queue.url, `run${name}`);
  const stop = new AbortController();
  const deliverer = newDeliverer(store, 'p', [...healthy, ...bad].map(targetOf));
  const running = deliverer.run(stop.signal);
  const produce = async (forMs: number) => {
    const startMs = performance.now();
    let healthySent = 0;
    let badSent = 0;
    for (let nowMs = 0; nowMs < forMs; nowMs = performance.now() - startMs) {
      const due = Math.floor((Math.min(nowMs + TICK_MS, forMs) * rate) / 1_000);
      const badDue = Math.floor((due * bad.length) / HEALTHY);
      const parts = [spread(healthy, healthySent, due - healthySent), spread(bad, badSent, badDue - badSent)];
      const all = new Map(parts.flatMap((part) => [...part]));
      healthySent = due;
      badSent = badDue;
      if (all.size > 0) await flush(all);
      deliverer.wake([...all.keys()]);
      await systemClock.sleep(TICK_MS);
    }
    return healthySent;
  };
  // The bad ones have failed for a while when it counts.
  await produce(RUN_MS / 4);
  await receiver.clear();
  const startMs = performance.now();
  await produce(RUN_MS);
  const arrivals = await receiver.arrivals();
  const perSecond = (arrivals.received * 1_000) / (performance.now() - startMs);
  stop.abort();
  await running;
  await store.close();
  return { ...arrivals, perSecond };
}
