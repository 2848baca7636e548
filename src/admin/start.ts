/** Starts what belongs to the role admin: the sampler, the server, and the server of the metrics. */
import { readStatus } from '../commands/statusReport.ts';
import type { Clock } from '../core/clock.ts';
import type { Scope } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { PostgresTarget } from '../database/connect.ts';
import type { LiveDefinitions } from '../definitions/live.ts';
import type { Reloader } from '../definitions/reloader.ts';
import type { OwnServices } from '../deliver/addresses/ownServices.ts';
import type { Metrics, QueueSample } from '../observe/metrics.ts';
import { Probe } from '../observe/probe.ts';
import { Sampler } from '../observe/sampler.ts';
import { readSlotReading } from '../observe/slotReading.ts';
import type { QueueStore } from '../queue/store.ts';
import type { AdminHost } from './host.ts';
import { openAdmin, openMetrics } from './server.ts';

export interface AdminServices {
  readonly version: string;
  readonly roles: readonly string[];
  readonly live: LiveDefinitions;
  readonly metrics: Metrics;
  readonly reloader: Reloader;
  /** Hosts that may never be sent to. */
  readonly own: OwnServices;
  /** The watched database. */
  readonly database: PostgresTarget;
  /** Throws QUEUE_UNREACHABLE until it has been reached. */
  readonly store: () => QueueStore;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Does nothing where `admin` is false. Throws ADMIN_UNPROTECTED or ADMIN_LISTEN. */
export async function startAdmin(
  services: AdminServices,
  onAdmin: (url: string) => void,
  scope: Scope,
  signal: AbortSignal,
): Promise<void> {
  const { admin } = services.live.current.loaded.config;
  if (admin === false) return;
  const host = newHost(services, scope);
  const server = await openAdmin(host);
  scope.defer(() => server.close());
  host.log.info({ url: server.url }, 'the admin page is open');
  if (admin.metrics !== null) {
    const metrics = await openMetrics(host, admin.metrics);
    scope.defer(() => metrics.close());
    host.log.info({ url: metrics.url }, 'metrics are served');
  }
  const sampling = host.sampler.run(signal);
  scope.defer(() => sampling);
  onAdmin(server.url);
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
    readQueue: async () =>
      new Map(
        [...(await store().counts())].map(([key, counts]): [string, QueueSample] => [
          key,
          { ...counts, oldestMs: null },
        ]),
      ),
    metrics,
    clock,
  });
  return {
    ...services,
    startedAtMs: clock.now(),
    get store() {
      return store();
    },
    sampler,
    readStatus: () => probe.ask((client) => readStatus(live.current.loaded, client, store(), clock.now())),
  };
}
