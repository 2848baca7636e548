/** Whether a Redis is one that a queue can live on. Pure: reads the text of INFO. */
import { WalhookError } from '../../core/errors.ts';

import type { Durability } from '../store.ts';

/** The scripts use what came with it, e.g. ZADD GT and LT. */
const LEAST_VERSION = [6, 2] as const;
/** WAITAOF came with it. Valkey, which began there, has it in every version. */
const CONFIRMING_VERSION = [7, 2] as const;
/** Where the file is synced every second: a slow disk can make it two. */
const EVERYSEC_DELAY_MS = 2_000;
/** Where syncing is left to the operating system: Linux does it within 30 s. */
const SYSTEM_DELAY_MS = 30_000;

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
  if (facts.version !== '' && !isAtLeast(facts.version, LEAST_VERSION)) {
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

function isAtLeast(version: string, [leastMajor, leastMinor]: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}

/**
 * What an acknowledgement may rest on there.
 *
 * @param appendfsync the setting of that name; '' where the server does not tell it
 * @param hasWaitaof the server knows the command: some that say they are new do not
 */
export function durabilityOf(facts: RedisFacts, appendfsync: string, hasWaitaof: boolean): Durability {
  if (!facts.hasAof) return { isConfirmed: false, ackDelayMs: 0, note: 'none: the append-only file is off' };
  if (appendfsync === 'always') {
    return { isConfirmed: false, ackDelayMs: 0, note: 'append-only file, synced before each answer' };
  }
  if (appendfsync === 'no') {
    const note = 'append-only file, synced when the operating system does; acknowledged 30 s later';
    return { isConfirmed: false, ackDelayMs: SYSTEM_DELAY_MS, note };
  }
  if (hasWaitaof && isAtLeast(facts.version, CONFIRMING_VERSION)) {
    return { isConfirmed: true, ackDelayMs: 0, note: 'append-only file, acknowledged when WAITAOF confirms' };
  }
  const note = 'append-only file, acknowledged 2 s later';
  return { isConfirmed: false, ackDelayMs: EVERYSEC_DELAY_MS, note };
}

/** What can be lived with and should be known; empty where there is nothing. */
export function warnings(facts: RedisFacts): string[] {
  return facts.hasAof
    ? []
    : ['the append-only file is off: what waits is lost in a crash of Redis; CONFIG SET appendonly yes'];
}

/** Of a server that a replica may follow after: what is acknowledged must have reached one. */
export function withReplica(ofServer: Durability): Durability {
  return { ...ofServer, isConfirmed: true, note: `${ofServer.note}; and when a connected replica has it` };
}

/** @param info the answer to INFO with the section replication */
export function hasReplica(info: string): boolean {
  return /^slave\d+:.*\bstate=online\b/m.test(info);
}
