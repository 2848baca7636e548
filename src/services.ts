/**
 * Where the services are, as functions that read the configuration's values anew: a `${file:…}` in a URL is
 * read again at each reconnect.
 */
import type { LoadedConfig } from './config/load.ts';
import type { QueueConfig } from './config/queueSchema.ts';
import { WalhookError } from './core/errors.ts';
import { isRedisUrl, parseRedisUrl, type RedisNode } from './core/redisUrl.ts';
import { Secret } from './core/secret.ts';
import { type PostgresTarget, placeOf } from './database/connect.ts';
import type { OwnService } from './deliver/addresses/ownServices.ts';
import type { QueueLocation } from './queue/open.ts';

export interface Services {
  /** Catalog and look-ups. */
  readonly lookups: PostgresTarget;
  /** The slot's connection. */
  readonly replication: PostgresTarget;
  readonly queue: QueueLocation;
}

/** Throws QUEUE_IN_WATCHED_DATABASE. */
export function servicesOf(loaded: LoadedConfig): Services {
  const { config } = loaded;
  const { tls } = config.postgres;
  const url = () => loaded.current(['postgres', 'url']);
  const queueUrl = () => loaded.current(['queue', 'url']) ?? config.queue.url.reveal();
  refuseWatchedDatabase(url(), queueUrl(), config.queue.same_database);
  return {
    lookups: { url, tls, role: 'watched' },
    replication: {
      url: () => loaded.current(['postgres', 'replication_url']) ?? url(),
      tls,
      role: 'watched',
    },
    queue: {
      url: queueUrl,
      prefix: config.queue.prefix,
      payloads: config.log.payloads,
      encryptionKeys: encryptionKeys(config.queue.encryption_key),
    },
  };
}

function encryptionKeys(setting: QueueConfig['encryption_key']): readonly Secret[] {
  if (setting === null) return [];
  return setting instanceof Secret ? [setting] : setting;
}

/** A queue's writes in the watched WAL would be decoded and thrown away, each one. */
function refuseWatchedDatabase(watched: string | null, queue: string, isAllowed: boolean): void {
  if (isAllowed || isRedisUrl(queue)) return;
  const a = placeOf(watched);
  const b = placeOf(queue);
  if (a.host === b.host && a.port === b.port && a.database === b.database) {
    throw new WalhookError(
      'QUEUE_IN_WATCHED_DATABASE',
      `expected queue.url to name another database than postgres.url, found ${b.database} in both`,
    );
  }
}

/**
 * The database and the queue as places that no request may go to.
 *
 * @param found servers of the queue that its URL does not name, but a Sentinel or a Cluster
 */
export function ownServices(
  { lookups, replication, queue }: Services,
  found: readonly RedisNode[] = [],
): OwnService[] {
  const named = [
    ['postgres.url', lookups.url()],
    ['postgres.replication_url', replication.url()],
    ['queue.url', queue.url()],
  ] as const;
  const servers = found.map((node) => ({ setting: 'queue.url', ...node }));
  const settings = named.flatMap(([setting, text]): OwnService[] => {
    if (text === null) {
      // libpq's variables; a directory of sockets mostly stands beside a port on this machine.
      const host = process.env['PGHOSTADDR'] ?? process.env['PGHOST'] ?? 'localhost';
      return [{ setting, host: hostOf(host), port: Number(process.env['PGPORT'] ?? 5432) }];
    }
    if (isRedisUrl(text)) return parseRedisUrl(text).nodes.map((node) => ({ setting, ...node }));
    const url = new URL(text);
    const named = url.searchParams;
    const host = named.get('hostaddr') ?? named.get('host') ?? decodeURIComponent(url.hostname);
    const port = Number(url.port || named.get('port')) || 5432;
    return [{ setting, host: hostOf(host), port }];
  });
  return [...settings, ...servers];
}

function hostOf(host: string): string {
  return host === '' || host.startsWith('/') ? 'localhost' : host.replace(/^\[(.*)\]$/, '$1');
}
