/** The admin server over a given store, without a daemon, for what is measured of pages and API alone. */
import type { AdminHost } from '../src/admin/host.ts';
import { RowTable } from '../src/admin/rowTable.ts';
import { loadConfig } from '../src/config/load.ts';
import { systemClock } from '../src/core/clock.ts';
import { WalhookError } from '../src/core/errors.ts';
import { SILENT } from '../src/core/logger.ts';
import { NO_TLS } from '../src/database/connect.ts';
import { define, LiveDefinitions } from '../src/definitions/live.ts';
import { readPublished } from '../src/definitions/published.ts';
import { Reloader } from '../src/definitions/reloader.ts';
import { OwnServices } from '../src/deliver/addresses/ownServices.ts';
import { Metrics } from '../src/observe/metrics.ts';
import { Sampler } from '../src/observe/sampler.ts';
import type { QueueStore } from '../src/queue/store.ts';

/** @param webhooks their names */
export function benchAdminHost(store: QueueStore, webhooks: readonly string[]): AdminHost {
  const file = {
    postgres: { url: 'postgres://u@localhost:1/app' },
    queue: { url: 'postgres://u@localhost:1/queue' },
    admin: { listen: '127.0.0.1:0' },
    webhooks: webhooks.map((name) => ({
      name,
      models: ['*'],
      events: ['created'],
      url: 'https://hooks.example/in',
    })),
  };
  const { loaded, mistakes } = loadConfig(JSON.stringify(file), {
    source: { env: {}, readFile: () => '' },
  });
  if (loaded === null) throw new WalhookError('CONFIG_INVALID', JSON.stringify(mistakes));
  const live = new LiveDefinitions(define(loaded, new Map(), 0));
  const metrics = new Metrics('0.0.0', systemClock);
  const away = () => Promise.reject(new WalhookError('POSTGRES_UNREACHABLE', 'expected a PostgreSQL'));
  return {
    version: '0.0.0',
    roles: ['admin'],
    startedAtMs: Date.now(),
    store,
    live,
    metrics,
    published: () => readPublished(null),
    rows: new RowTable(
      { url: () => 'postgres://u@localhost:1/app', tls: NO_TLS, role: 'watched' },
      live,
      systemClock,
    ),
    own: new OwnServices(
      () => [],
      () => Promise.resolve([]),
      systemClock,
    ),
    reloader: new Reloader({ reread: () => loaded, live, metrics, clock: systemClock, log: SILENT }),
    sampler: new Sampler({ readSlot: away, readQueue: away, metrics, clock: systemClock }),
    readStatus: away,
    clock: systemClock,
    log: SILENT,
  };
}
