/** How the store speaks to Redis: scripts by their digest, and errors with a code. */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { WalhookError } from '../../core/errors.ts';
import { maskUrl } from '../../core/secret.ts';
import type { Entry } from '../entry.ts';
import type { RedisServers } from './redisServers.ts';

export type Argument = string | number;

export class RedisCall {
  /** All keys share one hash tag, so that a cluster keeps them on one node. */
  readonly prefix: string;
  readonly channel: string;
  readonly #redis: Redis;
  readonly #servers: RedisServers;
  readonly #digests = new Map<string, string>();

  constructor(servers: RedisServers, redis: Redis, prefix: string) {
    this.#servers = servers;
    this.#redis = redis;
    this.prefix = `{${prefix}}:`;
    this.channel = `${this.prefix}wake`;
  }

  /** Runs a script of this folder. Throws QUEUE_UNREACHABLE. */
  async script(script: string, args: readonly Argument[]): Promise<unknown> {
    const digest = this.#digests.get(script) ?? createHash('sha1').update(script).digest('hex');
    this.#digests.set(script, digest);
    const all = [`${this.prefix}store`, this.prefix, ...args];
    return await this.call(async (redis) => {
      try {
        return await redis.evalsha(digest, 1, ...all);
      } catch (error) {
        if (!isNoScript(error)) throw error;
        return await redis.eval(script, 1, ...all);
      }
    });
  }

  /** Runs plain commands; `prefix` begins every key. Throws QUEUE_UNREACHABLE. */
  async call<T>(command: (redis: Redis, prefix: string) => Promise<T>): Promise<T> {
    try {
      return await command(this.#redis, this.prefix);
    } catch (error) {
      if (this.#servers.follow(this.#redis, error)) this.#redis.disconnect(true);
      throw unreachable(error, this.#servers.url());
    }
  }
}

function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

export function unreachable(error: unknown, url: string): WalhookError {
  if (error instanceof WalhookError) return error;
  const text = error instanceof Error ? error.message.split('\n')[0] : String(error);
  return new WalhookError('QUEUE_UNREACHABLE', `expected a Redis at ${maskUrl(url)}, found: ${text}`, {
    cause: error,
  });
}

/** A time as it stands in the sets of places. */
export function hexMs(ms: number): string {
  return Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0');
}

/** id, webhook, state, model, key, request, status, at, head, event, bodies */
export function entryArguments(entry: Entry): Argument[] {
  const { id, webhook, state, model, key, requestId, status, committedMs, head, event, bodies } = entry;
  return [id, webhook, state, model, key, requestId, status, hexMs(committedMs), head, event, bodies];
}
