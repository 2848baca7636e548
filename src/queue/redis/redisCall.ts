/** How the store speaks to Redis: scripts by their digest, and errors with a code. */
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { WalhookError } from '../../core/errors.ts';
import { maskUrl } from '../../core/secret.ts';
import type { Entry } from '../entry.ts';

export interface RedisLocation {
  /** Read anew at each reconnect, because a password file may have changed. */
  readonly url: () => string;
  readonly prefix: string;
}

/** How long a command may take; Redis answers in microseconds unless it is gone. */
const COMMAND_TIMEOUT_MS = 10_000;

export type Argument = string | number;

export class RedisCall {
  /** All keys share one hash tag, so that a cluster keeps them on one node. */
  readonly prefix: string;
  readonly channel: string;
  readonly #redis: Redis;
  readonly #location: RedisLocation;
  readonly #digests = new Map<string, string>();

  constructor(location: RedisLocation, redis: Redis) {
    this.#location = location;
    this.#redis = redis;
    this.prefix = `{${location.prefix}}:`;
    this.channel = `${this.prefix}wake`;
  }

  /** Runs a script of scripts.ts or operations.ts. Throws QUEUE_UNREACHABLE. */
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
      // The slot of a cluster has gone to another node, or what was the primary may only be read now.
      if (follows(this.#redis, error)) this.#redis.disconnect(true);
      throw unreachable(error, this.#location);
    }
  }
}

/**
 * Whether another server is the one to ask from now on: that which a cluster names, for all keys of a walhook are
 * on one node. The client connects there the next time.
 */
export function follows(client: Redis, error: unknown): boolean {
  const moved = /^MOVED \d+ (.*):(\d+)$/.exec(error instanceof Error ? error.message : '');
  if (moved === null) return false;
  const [, host = '', port = ''] = moved;
  // Without a host it is that of the node which says so.
  if (host !== '') client.options.host = host.replace(/^\[(.*)\]$/, '$1');
  client.options.port = Number(port);
  return true;
}

/** @param isLasting reconnects, for as long as it is not closed */
export function newClient(location: RedisLocation, isLasting: boolean): Redis {
  const client = new Redis(location.url(), {
    lazyConnect: true,
    // A command waits for nobody: whoever sent it decides what a missing store means.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: 5_000,
    retryStrategy: (times: number) => (isLasting ? Math.min(100 * 2 ** times, 2_000) : null),
  });
  // Without a listener a lost connection would print a stack trace; commands report it.
  client.on('error', () => undefined);
  client.on('close', () => Object.assign(client.options, credentialsOf(location.url())));
  return client;
}

/** Nothing where the text is no URL at present, e.g. while the file of a password is being replaced. */
function credentialsOf(text: string): { username?: string; password?: string } {
  try {
    const { username, password } = new URL(text);
    return {
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    };
  } catch {
    return {};
  }
}

function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

export function unreachable(error: unknown, location: RedisLocation): WalhookError {
  if (error instanceof WalhookError) return error;
  const text = error instanceof Error ? error.message.split('\n')[0] : String(error);
  return new WalhookError(
    'QUEUE_UNREACHABLE',
    `expected a Redis at ${maskUrl(location.url())}, found: ${text}`,
    { cause: error },
  );
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
