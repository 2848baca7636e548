/** What the benchmarks of delivering share: a receiver, queues, Deliveries, and what delivers them. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../src/core/clock.ts';
import { NO_FAILPOINT } from '../src/core/failpoint.ts';
import { SILENT } from '../src/core/logger.ts';
import { hasEnded } from '../src/core/processName.ts';
import { OwnServices } from '../src/deliver/addresses/ownServices.ts';
import { writtenLoopbackOf } from '../src/deliver/addresses/policy.ts';
import { systemResolve } from '../src/deliver/connector.ts';
import { Deliverer } from '../src/deliver/deliverer.ts';
import type { DeliverTarget } from '../src/deliver/target.ts';
import { DEFAULT_TLS } from '../src/deliver/tlsFiles.ts';
import { freePort, startEmbeddedPostgres } from '../src/demo/embeddedPostgres.ts';
import { type QueuedDelivery, toBatches } from '../src/queue/delivery.ts';
import { openQueue } from '../src/queue/open.ts';
import type { QueueStore } from '../src/queue/store.ts';
import { compileTemplate } from '../src/template/engine.ts';

export interface ReceiverPorts {
  readonly port: number;
  /** Where connections are taken and nothing is answered. */
  readonly blackhole: number;
}

export interface ReceiverOrder {
  readonly kind: 'clear' | 'tell';
  /** Share of requests answered with 500. */
  readonly failShare?: number;
  /** Each answer takes so long. */
  readonly delayMs?: number;
}

/** Since the last `clear`. Latencies in milliseconds from being queued to being received. */
export interface Arrivals {
  /** Answered with 200. */
  readonly received: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** First arrivals that came before an earlier one of their row had been answered well. */
  readonly outOfOrder: number;
  /** Arrivals of what had been answered well already. */
  readonly repeated: number;
  /** Rows and numbers that were answered well. */
  readonly distinct: number;
}

export interface Receiver {
  readonly origin: string;
  readonly blackhole: string;
  clear(order?: Omit<ReceiverOrder, 'kind'>): Promise<void>;
  arrivals(): Promise<Arrivals>;
  stop(): void;
}

/** Runs receiverProcess.ts. */
export async function startReceiver(): Promise<Receiver> {
  const child = fork(fileURLToPath(new URL('./receiverProcess.js', import.meta.url)));
  const [ports] = (await once(child, 'message')) as [ReceiverPorts];
  const ask = async (order: ReceiverOrder) => {
    child.send(order);
    const [arrivals] = (await once(child, 'message')) as [Arrivals];
    return arrivals;
  };
  return {
    origin: `http://127.0.0.1:${ports.port}`,
    blackhole: `http://127.0.0.1:${ports.blackhole}`,
    clear: async (order = {}) => void (await ask({ kind: 'clear', ...order })),
    arrivals: () => ask({ kind: 'tell' }),
    stop: () => void child.kill('SIGKILL'),
  };
}

export interface Queue {
  readonly kind: 'redis' | 'postgres';
  readonly url: string;
  stop(): Promise<void>;
}

/** An embedded PostgreSQL. */
export async function startPostgresQueue(): Promise<Queue> {
  const postgres = await startEmbeddedPostgres({ settings: {} });
  return { kind: 'postgres', url: postgres.url('postgres'), stop: () => postgres.stop() };
}

/** The Redis of REDIS_URL, else redis-server of the PATH; null where neither is. */
export async function startRedisQueue(): Promise<Queue | null> {
  const given = process.env['REDIS_URL'];
  if (given !== undefined) return { kind: 'redis', url: given, stop: () => Promise.resolve() };
  const port = await freePort();
  const server: ChildProcess = spawn('redis-server', ['--port', String(port), '--save', ''], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const started = await Promise.race([
    once(server, 'error').then(() => false),
    once(server.stdout as NonNullable<typeof server.stdout>, 'data').then(() => true),
  ]);
  if (!started) return null;
  return { kind: 'redis', url: `redis://127.0.0.1:${port}`, stop: async () => void server.kill('SIGKILL') };
}

export interface Filling {
  readonly store: QueueStore;
  /** Stores Deliveries as capture does: by Webhook, in one flush. */
  flush(deliveries: ReadonlyMap<string, readonly QueuedDelivery[]>): Promise<void>;
}

/** A store of its own prefix, ready to be filled. */
export async function openFilling(url: string, prefix: string): Promise<Filling> {
  const store = await openQueue({ url: () => url, prefix }, systemClock);
  const installation = { queueId: 'b', generation: '0badcafe', environment: 'bench' };
  await store.initialise({ ...installation, systemIdentifier: '1', database: 'b', slot: 'b' }, 'at-0');
  const fence = await store.takeFence();
  let at = 0;
  return {
    store,
    async flush(deliveries) {
      const batches = [...deliveries].flatMap(([webhook, list]) => toBatches(webhook, list));
      const position = { from: `at-${at}`, to: `at-${at + 1}` };
      await store.flush({ fence, ...position, batches, failed: [], definitions: null });
      at += 1;
    },
  };
}

export function newDeliverer(
  store: QueueStore,
  process: string,
  targets: readonly DeliverTarget[],
): Deliverer {
  return new Deliverer({
    store,
    process,
    hasEnded,
    targets,
    userAgent: 'walhook/bench',
    addresses: {
      rules: { policy: 'internal', allow: [] },
      own: new OwnServices(() => [], systemResolve, systemClock),
      resolve: systemResolve,
    },
    clock: systemClock,
    log: SILENT,
    failpoint: NO_FAILPOINT,
    shutdownMs: 500,
  });
}

/** What can be said of a target in a message to another process. */
export interface TargetPlan {
  readonly key: string;
  readonly url: string;
  readonly concurrency?: number;
  readonly timeoutMs?: number;
  readonly ordering?: DeliverTarget['ordering'];
  readonly scheduleMs?: readonly number[];
}

export function targetOf(plan: TargetPlan): DeliverTarget {
  const { key, url, concurrency = 8, timeoutMs = 15_000, ordering = 'none', scheduleMs = [5_000] } = plan;
  const { origin } = new URL(url);
  return {
    key,
    name: key,
    method: 'POST',
    contentType: 'application/json',
    url: compileTemplate(url, { path: 'url', undefined: 'lenient' }),
    origin,
    headers: null,
    body: null,
    secrets: [],
    signature: 'both',
    retry: { scheduleMs, maxAgeMs: 86_400_000, onGone: 'fail' },
    timeoutMs,
    rate: null,
    ordering,
    format: 'walhook',
    concurrency,
    tls: DEFAULT_TLS,
    proxy: null,
    writtenLoopback: writtenLoopbackOf(origin),
  };
}

/** One Delivery of 500 bytes, the `n`th of all; `fields` stand first in its body. */
export function deliveryOf(
  nextEvent: number,
  fields: Readonly<Record<string, number>> = {},
  row?: string,
): QueuedDelivery {
  const committedAtMs = Date.now();
  const at = Math.round(performance.timeOrigin + performance.now());
  const head = JSON.stringify({ event: 'created', at, ...fields }).slice(0, -1);
  return {
    eventId: `0badcafe-${nextEvent.toString(16).padStart(16, '0')}-00000000-aaaaaaaa`,
    model: 'thing',
    schema: 'public',
    table: 'thing',
    key: row ?? String(nextEvent),
    requestId: null,
    lsn: '0/1',
    xid: nextEvent,
    committedAtMs,
    json: `${head},"data":{"name":"${'x'.repeat(420)}"}}`,
  };
}
