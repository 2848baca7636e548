/** The store that a queue URL names. */
import type { Clock } from '../core/clock.ts';
import { isRedisUrl } from '../core/redisUrl.ts';
import type { Secret } from '../core/secret.ts';
import { NO_TLS } from '../database/connect.ts';
import type { LogPayloads } from './entry.ts';
import { createSealer } from './seal.ts';
import type { QueueStore } from './store.ts';

export interface QueueLocation {
  /** Read anew at each reconnect. */
  readonly url: () => string;
  readonly prefix: string;
  /** What the log of Attempts keeps; default: full. */
  readonly payloads?: LogPayloads;
  /** Event text at rest is sealed with the first; none: it is not. */
  readonly encryptionKeys?: readonly Secret[];
}

/** Connects; of the two stores only the one that is named is loaded. Throws QUEUE_UNREACHABLE. */
export async function openQueue(location: QueueLocation, clock: Clock): Promise<QueueStore> {
  const { url, prefix, payloads = 'full', encryptionKeys = [] } = location;
  const policy = { payloads, sealer: createSealer(encryptionKeys) };
  if (isRedisUrl(url())) {
    const { RedisStore } = await import('./redis/redisStore.ts');
    return await RedisStore.open({ url, prefix, policy });
  }
  const { PostgresStore } = await import('./postgres/postgresStore.ts');
  const target = { url, tls: NO_TLS, role: 'queue' as const };
  return await PostgresStore.open({ target, prefix, clock, policy });
}
