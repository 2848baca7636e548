/** The store that a queue URL names. */
import type { Clock } from '../core/clock.ts';
import { NO_TLS } from '../database/connect.ts';
import { PostgresStore } from './postgres/postgresStore.ts';
import { RedisStore } from './redis/redisStore.ts';
import type { QueueStore } from './store.ts';

export interface QueueLocation {
  /** Read anew at each reconnect. */
  readonly url: () => string;
  readonly prefix: string;
}

/** Connects. Throws QUEUE_UNREACHABLE. */
export async function openQueue(location: QueueLocation, clock: Clock): Promise<QueueStore> {
  if (isRedisUrl(location.url())) return await RedisStore.open(location);
  const target = { url: location.url, tls: NO_TLS, role: 'queue' as const };
  return await PostgresStore.open({ target, prefix: location.prefix, clock });
}

export function isRedisUrl(url: string): boolean {
  return /^rediss?:/.test(url);
}
