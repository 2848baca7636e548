/** Whether a Redis is one that a queue can live on. Pure: reads the text of INFO. */
import { WalhookError } from '../../core/errors.ts';

/** The scripts use what came with it, e.g. ZADD GT and LT. */
const LEAST_VERSION = [6, 2] as const;

export interface RedisFacts {
  readonly version: string;
  /** e.g. `noeviction`, `allkeys-lru`. */
  readonly policy: string;
  readonly hasAof: boolean;
}

/** @param info the answer to INFO with the sections server, memory and persistence */
export function readFacts(info: string): RedisFacts {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  return {
    // Valkey tells the Redis version it is compatible with under the same name.
    version: field('redis_version'),
    policy: field('maxmemory_policy'),
    hasAof: field('aof_enabled') === '1',
  };
}

/** Why a queue cannot live there; null where it can. What cannot be known is not held against it. */
export function unsuitable(facts: RedisFacts, requiresNoEviction: boolean): WalhookError | null {
  const [major = 0, minor = 0] = facts.version.split('.').map(Number);
  const [leastMajor, leastMinor] = LEAST_VERSION;
  if (facts.version !== '' && (major < leastMajor || (major === leastMajor && minor < leastMinor))) {
    return new WalhookError(
      'QUEUE_SERVER_OLD',
      `expected a Redis of version ${LEAST_VERSION.join('.')} or newer, found ${facts.version}`,
    );
  }
  if (requiresNoEviction && facts.policy !== '' && facts.policy !== 'noeviction') {
    return new WalhookError(
      'QUEUE_EVICTS',
      `expected maxmemory-policy noeviction on the Redis of the queue, found ${facts.policy}`,
    );
  }
  return null;
}

/** What can be lived with and should be known; empty where there is nothing. */
export function warnings(facts: RedisFacts): string[] {
  return facts.hasAof
    ? []
    : ['the append-only file is off: what waits is lost in a crash of Redis; CONFIG SET appendonly yes'];
}
