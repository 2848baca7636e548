/** What the admin server is given of the daemon it belongs to. */
import type { StatusReport } from '../commands/statusReport.ts';
import type { AdminConfig } from '../config/adminSchema.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { LiveDefinitions } from '../definitions/live.ts';
import type { Published } from '../definitions/published.ts';
import type { Reloader } from '../definitions/reloader.ts';
import type { OwnServices } from '../deliver/addresses/ownServices.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Sampler } from '../observe/sampler.ts';
import type { QueueStore } from '../queue/store.ts';
import type { RowTable } from './rowTable.ts';

export interface AdminHost {
  readonly version: string;
  readonly roles: readonly string[];
  readonly startedAtMs: number;
  readonly store: QueueStore;
  readonly live: LiveDefinitions;
  readonly reloader: Reloader;
  /** What the capturing process published last, as this one has read it. */
  readonly published: () => Published;
  readonly rows: RowTable;
  readonly metrics: Metrics;
  /** Hosts that may never be sent to. */
  readonly own: OwnServices;
  readonly sampler: Sampler;
  /** Throws POSTGRES_UNREACHABLE or QUEUE_UNREACHABLE. */
  readonly readStatus: () => Promise<StatusReport>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The settings in force: tokens, hosts and payloads follow a reload; the address does not. */
export function adminConfig(host: Pick<AdminHost, 'live'>): AdminConfig {
  const { admin } = host.live.current.loaded.config;
  if (admin === false) throw new Error('the admin server runs without its settings');
  return admin;
}
