/**
 * The queue on Redis or Valkey: Lua scripts of our own, each one transaction; processes wake each other by
 * publish and subscribe.
 */
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { WalhookError } from '../../core/errors.ts';
import { maskUrl } from '../../core/secret.ts';
import { decodePayload, deliveryId, encodePayload } from '../delivery.ts';
import {
  type ClaimRequest,
  type ClaimResult,
  type FailedDelivery,
  type Flush,
  type Installation,
  type QueueCounts,
  type QueueStore,
  type Report,
  STORE_FORMAT,
  type StoreState,
} from '../store.ts';
import { newSender, readWake } from '../wake.ts';
import { CLAIM, FLUSH, HEARTBEAT, INITIALISE, PAUSE, PUT_NOTE, REBIND, RELEASE, REPORT } from './scripts.ts';

export interface RedisStoreOptions {
  /** Read anew at each reconnect, because a password file may have changed. */
  readonly url: () => string;
  readonly prefix: string;
}

/** How long a command may take; Redis answers in microseconds unless it is gone. */
const COMMAND_TIMEOUT_MS = 10_000;
/** The acknowledgement trails a flush by this where an append-only file is synced every second. */
const AOF_DELAY_MS = 2_000;

type Argument = string | number;

export class RedisStore implements QueueStore {
  readonly kind = 'redis';
  readonly #options: RedisStoreOptions;
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #channel: string;
  readonly #digests = new Map<string, string>();
  readonly #sender = newSender();
  #subscriber: Redis | null = null;

  private constructor(options: RedisStoreOptions, redis: Redis) {
    this.#options = options;
    this.#redis = redis;
    this.#prefix = `{${options.prefix}}:`;
    this.#channel = `${this.#prefix}wake`;
  }

  /** Connects once, to report what is wrong. Throws QUEUE_UNREACHABLE. */
  static async open(options: RedisStoreOptions): Promise<RedisStore> {
    const redis = newClient(options, false);
    try {
      await redis.connect();
      await redis.ping();
    } catch (error) {
      throw unreachable(error, options);
    } finally {
      redis.disconnect();
    }
    const lasting = newClient(options, true);
    await lasting.connect();
    return new RedisStore(options, lasting);
  }

  async state(): Promise<StoreState | null> {
    const store = await this.#call(() => this.#redis.hgetall(`${this.#prefix}store`));
    const { format, installation, position, fence, definitions } = store as Record<
      string,
      string | undefined
    >;
    if (installation === undefined || position === undefined) return null;
    if (Number(format) > STORE_FORMAT) {
      throw new WalhookError(
        'QUEUE_VERSION',
        `expected a store of format ${STORE_FORMAT} or older under ${this.#prefix}, found format ${format}`,
      );
    }
    return {
      installation: JSON.parse(installation) as Installation,
      position,
      fence: Number(fence),
      definitions: definitions ?? null,
    };
  }

  async initialise(installation: Installation, position: string): Promise<void> {
    await this.#script(INITIALISE, [STORE_FORMAT, JSON.stringify(installation), position]);
  }

  async rebind(installation: Installation, position: string): Promise<void> {
    await this.#script(REBIND, [STORE_FORMAT, JSON.stringify(installation), position]);
  }

  async notes(prefix: string): Promise<ReadonlyMap<string, string>> {
    const all = await this.#call(() => this.#redis.hgetall(`${this.#prefix}note`));
    const found = Object.entries(all).filter(([key]) => key.startsWith(prefix));
    return new Map(found.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  async putNote(key: string, value: string | null, expected?: string | null): Promise<boolean> {
    const how = expected === undefined ? 'any' : expected === null ? 'absent' : 'is';
    return (await this.#script(PUT_NOTE, [key, value ?? '', how, expected ?? ''])) === 1;
  }

  async destroy(): Promise<void> {
    const pattern = `${this.#prefix.replaceAll(/[[\]*?\\]/g, '\\$&')}*`;
    for await (const keys of this.#redis.scanStream({ match: pattern, count: 1_000 })) {
      if ((keys as string[]).length > 0) await this.#call(() => this.#redis.unlink(keys as string[]));
    }
  }

  async takeFence(): Promise<number> {
    return await this.#call(() => this.#redis.hincrby(`${this.#prefix}store`, 'fence', 1));
  }

  async flush(flush: Flush): Promise<'done' | 'fenced'> {
    const { batches, failed } = flush;
    const answer = await this.#script(FLUSH, [
      flush.fence,
      flush.from,
      flush.to,
      flush.definitions ?? '',
      this.#channel,
      this.#sender,
      batches.length,
      ...batches.flatMap(({ webhook, size, bytes, firstId, lastId, payload }) => [
        webhook,
        size,
        bytes,
        firstId,
        lastId,
        payload,
      ]),
      failed.length,
      ...failed.flatMap((one) => failedArguments(one.webhook, one)),
    ]);
    return answer === 'done' ? 'done' : 'fenced';
  }

  async heartbeat(process: string, nowMs: number, ttlMs: number): Promise<void> {
    await this.#script(HEARTBEAT, [process, nowMs, ttlMs, this.#channel]);
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    const { webhook } = request;
    const answer = (await this.#script(CLAIM, [
      webhook,
      request.process,
      request.maxJobs,
      request.nowMs,
    ])) as (string | number)[];
    const [isPaused, nextDue, ...fields] = answer;
    const jobs = [];
    for (let i = 0; i + 3 < fields.length; i += 4) {
      const [id, attempts, done, payload] = fields.slice(i, i + 4);
      jobs.push({
        id: String(id),
        webhook,
        attempts: Number(attempts),
        done: Number(done),
        deliveries: decodePayload(String(payload)),
      });
    }
    return { jobs, isPaused: isPaused === 1, nextDueMs: nextDue === '' ? null : Number(nextDue) };
  }

  async report(process: string, reports: readonly Report[]): Promise<void> {
    await this.#script(REPORT, [process, ...reportArguments(reports)]);
  }

  async release(process: string, jobs: readonly { readonly id: string }[]): Promise<void> {
    await this.#script(RELEASE, [process, ...jobs.map((job) => job.id)]);
  }

  async recover(process: string, known: readonly string[]): Promise<void> {
    const owned = await this.#call(() => this.#redis.smembers(`${this.#prefix}owned:${process}`));
    const lost = owned.filter((id) => !known.includes(id));
    if (lost.length > 0) await this.#script(RELEASE, [process, ...lost]);
  }

  async dueWebhooks(nowMs: number): Promise<string[]> {
    return await this.#call(() => this.#redis.zrangebyscore(`${this.#prefix}due`, '-inf', nowMs));
  }

  async onWake(callback: (webhooks: readonly string[]) => void): Promise<void> {
    const subscriber = newClient(this.#options, true);
    this.#subscriber = subscriber;
    subscriber.on('message', (_channel: string, message: string) => {
      const webhooks = readWake(message, this.#sender);
      if (webhooks.length > 0) callback(webhooks);
    });
    await subscriber.connect();
    await subscriber.subscribe(this.#channel);
  }

  async counts(): Promise<ReadonlyMap<string, QueueCounts>> {
    const webhooks = (await this.#call(() => this.#redis.smembers(`${this.#prefix}webhooks`))).sort();
    const rows = await this.#call(() =>
      Promise.all(webhooks.map((webhook) => this.#redis.hgetall(`${this.#prefix}count:${webhook}`))),
    );
    return new Map(webhooks.map((webhook, i) => [webhook, toCounts(rows[i] ?? {})]));
  }

  async pause(webhook: string): Promise<void> {
    await this.#script(PAUSE, [webhook, 1, this.#channel]);
  }

  async resume(webhook: string): Promise<void> {
    await this.#script(PAUSE, [webhook, 0, this.#channel]);
  }

  async failed(webhook: string, limit: number): Promise<FailedDelivery[]> {
    const found = await this.#call(() =>
      this.#redis.zrevrange(`${this.#prefix}failed:${webhook}`, 0, limit - 1, 'WITHSCORES'),
    );
    const result: FailedDelivery[] = [];
    for (let i = 0; i + 1 < found.length; i += 2) {
      const fields = await this.#call(() => this.#redis.hgetall(`${this.#prefix}delivery:${found[i]}`));
      for (const delivery of fields['payload'] === undefined ? [] : decodePayload(fields['payload'])) {
        result.push({
          webhook,
          delivery,
          reason: fields['reason'] ?? '',
          detail: fields['detail'] ?? '',
          attempts: Number(fields['attempts']),
          failedAtMs: Number(found[i + 1]),
        });
      }
    }
    return result;
  }

  async durability(): Promise<{ ackDelayMs: number; note: string }> {
    const info = await this.#call(() => this.#redis.info('persistence'));
    return /^aof_enabled:1/m.test(info)
      ? { ackDelayMs: AOF_DELAY_MS, note: 'append-only file, acknowledged 2 s later' }
      : { ackDelayMs: 0, note: 'none: the append-only file is off' };
  }

  async close(): Promise<void> {
    this.#subscriber?.disconnect();
    await this.#redis.quit().catch(() => this.#redis.disconnect());
  }

  async #script(script: string, args: readonly Argument[]): Promise<unknown> {
    const digest = this.#digests.get(script) ?? createHash('sha1').update(script).digest('hex');
    this.#digests.set(script, digest);
    const all = [`${this.#prefix}store`, this.#prefix, ...args];
    return await this.#call(async () => {
      try {
        return await this.#redis.evalsha(digest, 1, ...all);
      } catch (error) {
        if (!isNoScript(error)) throw error;
        return await this.#redis.eval(script, 1, ...all);
      }
    });
  }

  async #call<T>(command: () => Promise<T>): Promise<T> {
    try {
      return await command();
    } catch (error) {
      throw unreachable(error, this.#options);
    }
  }
}

function newClient(options: RedisStoreOptions, isLasting: boolean): Redis {
  const client = new Redis(options.url(), {
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
  client.on('close', () => {
    const { username, password } = new URL(options.url());
    if (username !== '') client.options.username = decodeURIComponent(username);
    if (password !== '') client.options.password = decodeURIComponent(password);
  });
  return client;
}

function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

function unreachable(error: unknown, options: RedisStoreOptions): WalhookError {
  const text = error instanceof Error ? error.message.split('\n')[0] : String(error);
  return new WalhookError(
    'QUEUE_UNREACHABLE',
    `expected a Redis at ${maskUrl(options.url())}, found: ${text}`,
    {
      cause: error,
    },
  );
}

function toCounts(fields: Readonly<Record<string, string>>): QueueCounts {
  const number = (name: string) => Number(fields[name] ?? 0);
  return {
    isPaused: fields['is_paused'] === '1',
    waiting: number('pending') - number('delayed') - number('active'),
    delayed: number('delayed'),
    active: number('active'),
    failed: number('failed'),
    deliveredTotal: number('delivered_total'),
    failedTotal: number('failed_total'),
    bytes: number('pending_bytes'),
  };
}

/** job or Webhook, Delivery id, failed ms, attempts, reason, detail, bytes, payload */
function failedArguments(
  first: string,
  one: Pick<FailedDelivery, 'webhook' | 'delivery' | 'failedAtMs' | 'attempts' | 'reason' | 'detail'>,
): Argument[] {
  return [
    first,
    deliveryId(one.delivery.eventId, one.webhook),
    one.failedAtMs,
    one.attempts,
    one.reason,
    one.detail,
    Buffer.byteLength(one.delivery.json),
    encodePayload([one.delivery]),
  ];
}

function reportArguments(reports: readonly Report[]): Argument[] {
  const jobs = new Map<
    string,
    [mask: number, isLast: number, outcomes: number, delivered: number, bytes: number]
  >();
  const retries: Argument[][] = [];
  const failed: Argument[][] = [];
  for (const { job, index, outcome, isLast } of reports) {
    const delivery = job.deliveries[index];
    if (delivery === undefined) continue;
    const bytes = Buffer.byteLength(delivery.json);
    const sum = jobs.get(job.id) ?? [0, 0, 0, 0, 0];
    sum[0] |= 1 << index;
    sum[1] ||= isLast ? 1 : 0;
    sum[2] += 1;
    if (outcome.kind === 'delivered') sum[3] += 1;
    if (outcome.kind !== 'retry') sum[4] += bytes;
    jobs.set(job.id, sum);
    if (outcome.kind === 'retry') {
      const { dueMs, attempts } = outcome;
      retries.push([job.id, dueMs, attempts, bytes, delivery.eventId, encodePayload([delivery])]);
    } else if (outcome.kind === 'failed') {
      failed.push(failedArguments(job.id, { ...outcome, webhook: job.webhook, delivery }));
    }
  }
  return [
    jobs.size,
    ...[...jobs].flatMap(([id, sums]) => [id, ...sums]),
    retries.length,
    ...retries.flat(),
    failed.length,
    ...failed.flat(),
  ];
}
