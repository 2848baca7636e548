/**
 * Order by row under faults, and what it costs: 20,000 Changes over 200 rows to a receiver that fails one
 * request of twenty at random, delivered by two processes of which one is killed and started again every five
 * seconds; with `ordering: row` and with `none`, on both queues, in turns. The first kill comes after a second and a half.
 *
 * The receiver holds every first arrival against the rule: all earlier ones of its row have been answered well.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../src/core/clock.ts';
import type { QueuedDelivery } from '../src/queue/delivery.ts';
import { rowsOf } from '../src/queue/rows.ts';
import type { DeliverPlan } from './deliverProcess.ts';
import { print, verdict } from './measure.ts';
import {
  type Arrivals,
  deliveryOf,
  openFilling,
  type Queue,
  type Receiver,
  startPostgresQueue,
  startReceiver,
  startRedisQueue,
  type TargetPlan,
} from './stage.ts';

const DELIVERIES = Number(process.env['BENCH_DELIVERIES'] ?? 20_000);
const ROWS = 200;
const FAIL_SHARE = 0.05;
const KILL_EVERY_MS = 5_000;
const FIRST_KILL_MS = 1_500;
const CONCURRENCY = 16;
/**
 * Fifty tries, so that a Delivery fails for good once in 20 to the power of 50. The steps are short: the unluckiest row
 * fails thirteen times, and with ordering waits as many steps, which is the schedule's doing and not that of order.
 */
const SCHEDULE_MS = Array.from({ length: 50 }, () => 200);
const LEAST_RATIO = 0.4;
/** A run that takes longer is cut off, and what has not arrived by then counts as lost. */
const MAX_RUN_MS = Number(process.env['BENCH_MAX_RUN_MS'] ?? 300_000);
/** As many as capture holds back while a flush is on its way. */
const FLUSH_DELIVERIES = 5_000;

interface Result extends Arrivals {
  readonly perSecond: number;
  readonly kills: number;
}

export async function benchOrder(): Promise<void> {
  const receiver = await startReceiver();
  const queues = [await startRedisQueue(), await startPostgresQueue()];
  try {
    for (const queue of queues) {
      if (queue !== null) await compare(queue, receiver);
      else print('no redis-server on the PATH and no REDIS_URL: Redis is left out');
    }
  } finally {
    receiver.stop();
    for (const queue of queues) await queue?.stop();
  }
}

async function compare(queue: Queue, receiver: Receiver): Promise<void> {
  const none = await run(queue, receiver, 'none');
  const row = await run(queue, receiver, 'row');
  for (const [name, one] of [
    ['none', none],
    ['row', row],
  ] as const) {
    print(
      `${queue.kind}, ordering ${name.padEnd(4)}: ${Math.round(one.perSecond)}/s, ${one.kills} kills, ${DELIVERIES - one.distinct} lost, ${one.outOfOrder} first arrivals out of order, ${one.repeated} repeated`,
    );
  }
  print(`  ${verdict('out of order', row.outOfOrder, 'at most', 0)}`);
  print(`  ${verdict('lost', 2 * DELIVERIES - row.distinct - none.distinct, 'at most', 0)}`);
  print(`  ${verdict('ratio', row.perSecond / none.perSecond, 'at least', LEAST_RATIO)}`);
}

async function run(queue: Queue, receiver: Receiver, ordering: 'none' | 'row'): Promise<Result> {
  await receiver.clear({ failShare: FAIL_SHARE });
  const prefix = `order_${ordering}`;
  const { flush, store } = await openFilling(queue.url, prefix);
  const targets: TargetPlan[] = [
    { key: 'w', url: `${receiver.origin}/rows`, concurrency: CONCURRENCY, ordering, scheduleMs: SCHEDULE_MS },
  ];
  const start = () => startProcess({ url: queue.url, prefix, targets });
  const steady = start();
  let victim = start();
  let kills = 0;
  const kill = () => {
    victim.kill('SIGKILL');
    kills += 1;
    victim = start();
  };
  // The first one comes early, so that a run which takes less than the interval sees a kill too.
  const first = setTimeout(kill, FIRST_KILL_MS);
  const killing = setInterval(kill, KILL_EVERY_MS);
  const startMs = performance.now();
  for (let i = 0; i < DELIVERIES; i += FLUSH_DELIVERIES) {
    await flush(new Map([['w', changes(i, Math.min(FLUSH_DELIVERIES, DELIVERIES - i), ordering)]]));
  }
  const isTime = () => performance.now() - startMs < MAX_RUN_MS;
  while (isTime() && (await receiver.arrivals()).distinct < DELIVERIES) await systemClock.sleep(20);
  const wallMs = performance.now() - startMs;
  clearTimeout(first);
  clearInterval(killing);
  const arrivals = await receiver.arrivals();
  for (const process of [steady, victim]) {
    process.kill('SIGTERM');
    await once(process, 'exit');
  }
  await store.close();
  return { ...arrivals, perSecond: (arrivals.distinct * 1_000) / wallMs, kills };
}

function changes(from: number, count: number, ordering: 'none' | 'row'): QueuedDelivery[] {
  return Array.from({ length: count }, (_, i) => {
    const n = from + i;
    const row = n % ROWS;
    const delivery = deliveryOf(n + 1, { row, seq: Math.floor(n / ROWS) }, String(row));
    return ordering === 'row' ? { ...delivery, rows: rowsOf(delivery, null) } : delivery;
  });
}

function startProcess(plan: DeliverPlan): ChildProcess {
  return fork(fileURLToPath(new URL('./deliverProcess.js', import.meta.url)), [JSON.stringify(plan)]);
}
