/** Starts what the configuration says under `admin`: the sampler, the server, and the server of the metrics. */
import { readStatus } from '../commands/statusReport.ts';
import type { Clock } from '../core/clock.ts';
import { toWalhookError } from '../core/errors.ts';
import type { Scope } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { PostgresTarget } from '../database/connect.ts';
import type { LiveDefinitions } from '../definitions/live.ts';
import type { Reloader } from '../definitions/reloader.ts';
import type { OwnServices } from '../deliver/addresses/ownServices.ts';
import { LATENCY_OF, latencyOf } from '../observe/latency.ts';
import type { Metrics, QueueSample } from '../observe/metrics.ts';
import { Probe } from '../observe/probe.ts';
import { Sampler } from '../observe/sampler.ts';
import { readSlotReading } from '../observe/slotReading.ts';
import type { QueueStore } from '../queue/store.ts';
import type { AdminHost } from './host.ts';
import { RowTable } from './rowTable.ts';
import { type AdminServer, openAdmin, openMetrics } from './server.ts';

export interface AdminServices {
  readonly version: string;
  readonly roles: readonly string[];
  readonly live: LiveDefinitions;
  readonly metrics: Metrics;
  readonly reloader: Reloader;
  readonly published: AdminHost['published'];
  /** Hosts that may never be sent to. */
  readonly own: OwnServices;
  /** The watched database. */
  readonly database: PostgresTarget;
  /** Throws QUEUE_UNREACHABLE until it has been reached. */
  readonly store: () => QueueStore;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How often an address that is taken is tried again. */
const RETRY_MS = 10_000;

/**
 * The page where this process has the role admin, and the metrics wherever they have a port of their own.
 * Does nothing where `admin` is false. Throws ADMIN_UNPROTECTED, and ADMIN_LISTEN where the page is all that
 * this process is for: one that captures or delivers goes on without it, says so, and tries again.
 */
export async function startAdmin(
  services: AdminServices,
  onAdmin: (url: string) => void,
  scope: Scope,
  signal: AbortSignal,
): Promise<void> {
  const { admin } = services.live.current.loaded.config;
  const hasPage = services.roles.includes('admin');
  if (admin === false || (!hasPage && admin.metrics === null)) return;
  const host = newHost(services, scope);
  const { metrics } = admin;
  if (hasPage) {
    await openOrRetry(() => openAdmin(host), 'the admin page is open', onAdmin, host, scope, signal);
  }
  if (metrics !== null) {
    await openOrRetry(
      () => openMetrics(host, metrics),
      'metrics are served',
      () => undefined,
      host,
      scope,
      signal,
    );
  }
  const sampling = host.sampler.run(signal);
  scope.defer(() => sampling);
}

async function openOrRetry(
  open: () => Promise<AdminServer>,
  message: string,
  onOpen: (url: string) => void,
  host: AdminHost,
  scope: Scope,
  signal: AbortSignal,
): Promise<void> {
  const start = async () => {
    const server = await open();
    scope.defer(() => server.close());
    host.log.info({ url: server.url }, message);
    onOpen(server.url);
  };
  const isOnlyAdmin = host.roles.every((role) => role === 'admin');
  try {
    await start();
  } catch (error) {
    const known = toWalhookError(error);
    if (known.code !== 'ADMIN_LISTEN' || isOnlyAdmin) throw known;
    host.log.error({ code: known.code, try: known.remedy }, `${known.message}; tried again every 10 s`);
    const trying = startLater(start, host, signal);
    scope.defer(() => trying);
  }
}

async function startLater(
  start: () => Promise<void>,
  { clock }: AdminHost,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await clock.sleep(RETRY_MS, signal);
    if (signal.aborted) return;
    try {
      await start();
      return;
    } catch {
      // Said once; the next try is in ten seconds.
    }
  }
}

function newHost({ database, store, ...services }: AdminServices, scope: Scope): AdminHost {
  const probe = new Probe(database);
  scope.defer(() => probe.close());
  const { live, metrics, clock } = services;
  const sampler = new Sampler({
    readSlot: () => {
      const { slot, wal_budget } = live.current.loaded.config.postgres;
      return probe.ask((client) => readSlotReading(client, slot, wal_budget));
    },
    readQueue: async () => await readQueue(store(), clock),
    readLatency: async () => {
      const page = { limit: LATENCY_OF, cursor: null };
      return latencyOf((await store().deliveries.list({ state: 'delivered' }, page)).items);
    },
    metrics,
    clock,
  });
  const rows = new RowTable(database, live, clock);
  scope.defer(() => rows.close());
  return {
    ...services,
    rows,
    startedAtMs: clock.now(),
    get store() {
      return store();
    },
    sampler,
    readStatus: () => probe.ask((client) => readStatus(live.current.loaded, client, store(), clock.now())),
  };
}

async function readQueue(store: QueueStore, clock: Clock): Promise<ReadonlyMap<string, QueueSample>> {
  const [counts, oldest] = await Promise.all([store.counts(), store.oldest()]);
  const now = clock.now();
  return new Map(
    [...counts].map(([key, one]) => {
      const sinceMs = oldest.get(key);
      return [key, { ...one, oldestMs: sinceMs === undefined ? 0 : Math.max(0, now - sinceMs) }];
    }),
  );
}
