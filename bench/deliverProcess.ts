/** A process that delivers, for benchmarks that kill it: its argument names the queue and the webhooks. */
import { systemClock } from '../src/core/clock.ts';
import { processName } from '../src/core/processName.ts';
import { openQueue } from '../src/queue/open.ts';
import { newDeliverer, type TargetPlan, targetOf } from './stage.ts';

export interface DeliverPlan {
  readonly url: string;
  readonly prefix: string;
  readonly targets: readonly TargetPlan[];
}

const plan = JSON.parse(process.argv[2] ?? '') as DeliverPlan;
const store = await openQueue({ url: () => plan.url, prefix: plan.prefix }, systemClock);
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
process.on('disconnect', () => process.exit());
await newDeliverer(store, processName(), plan.targets.map(targetOf)).run(stop.signal);
await store.close();
process.exit();
