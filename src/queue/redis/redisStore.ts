/**
 * The queue on Redis or Valkey: Lua scripts of our own, each one transaction; processes wake each other by
 * publish and subscribe.
 */
import type { Redis } from 'ioredis';
import { settlesWithin } from '../../core/lifecycle.ts';
import { type DamagedJob, isDamage, planDamaged } from '../damaged.ts';
import { deliveryBytes, encodeHead, eventsOf, type QueuedDelivery } from '../delivery.ts';
import type { FlowSwap, FlowSwapped } from '../flow.ts';
import { type FoundGap, type Gap, type GapEnd, MAX_GAPS } from '../gaps.ts';
import { Inspector } from '../inspector.ts';
import type { Orphan } from '../orphans.ts';
import { DEFAULT_POLICY, failedEntry, type LogPolicy, planReports, type ReportPlan } from '../reports.ts';
import type { Sealer } from '../seal.ts';
import {
  type CancelledInJob,
  type ClaimedJob,
  type ClaimRequest,
  type ClaimResult,
  type Durability,
  type FailedDelivery,
  type Flush,
  type FlushResult,
  type Installation,
  type PublishedDefinitions,
  type QueueCounts,
  type QueueStore,
  type Report,
  refuseNewerFormat,
  requireCurrentFormat,
  STORE_FORMAT,
  type StoreState,
} from '../store.ts';
import { hearWake, newSender } from '../wake.ts';
import type { Worker } from '../workers.ts';
import { claimedJob, toCounts, toGap } from './answers.ts';
import { flushArguments, planArguments } from './arguments.ts';
import { Confirmer } from './confirmer.ts';
import { connect, probe } from './connections.ts';
import { SWAP_FLOWS } from './flowScripts.ts';
import { RECORD_GAP, SETTLE_GAP, TRIM_GAPS } from './gapScripts.ts';
import { RedisBackend } from './redisBackend.ts';
import { entryArguments, hexMs, RedisCall, unreachable } from './redisCall.ts';
import { RedisServers } from './redisServers.ts';
import {
  CLAIM,
  DEFINITIONS,
  ENQUEUE,
  FLUSH,
  HEARTBEAT,
  INITIALISE,
  PAUSE,
  PUT_NOTE,
  REBIND,
  RELEASE,
  REPORT,
} from './scripts.ts';
import { readFacts, unsuitable, warnings } from './suitability.ts';

export interface RedisStoreOptions {
  /** Read anew at each reconnect, because a password file may have changed. */
  readonly url: () => string;
  readonly prefix: string;
  /** What the log keeps and how it is sealed; default: everything, in the clear. */
  readonly policy?: LogPolicy;
}

/** How long closing may wait for a server that does not answer. */
const CLOSE_TIMEOUT_MS = 1_000;

export class RedisStore implements QueueStore {
  readonly kind = 'redis';
  readonly deliveries: Inspector;
  readonly #policy: LogPolicy;
  readonly #servers: RedisServers;
  readonly #backend: RedisBackend;
  readonly #client: Redis;
  readonly #redis: RedisCall;
  readonly #sender = newSender();
  readonly #subscribers: Redis[] = [];
  readonly #confirmer: Confirmer;

  private constructor(options: RedisStoreOptions, servers: RedisServers, client: Redis) {
    this.#servers = servers;
    this.#policy = options.policy ?? DEFAULT_POLICY;
    this.#client = client;
    this.#redis = new RedisCall(servers, client, options.prefix);
    this.#confirmer = new Confirmer(this.#redis, servers, options.prefix);
    this.#backend = new RedisBackend(this.#redis);
    this.deliveries = new Inspector(this.#backend, this.#policy);
  }

  /** Connects once, to report what is wrong, and to the node of a cluster that has our keys. Throws QUEUE_UNREACHABLE. */
  static async open(options: RedisStoreOptions): Promise<RedisStore> {
    const servers = new RedisServers(options.url);
    for (let left = servers.tries; left > 0; left -= 1) {
      try {
        await probe(servers, options.prefix);
        break;
      } catch (error) {
        if (left === 1) throw unreachable(error, options.url());
        servers.skip();
      }
    }
    const lasting = servers.newClient(true);
    await connect(lasting, servers);
    return new RedisStore(options, servers, lasting);
  }

  get places(): RedisServers['places'] {
    return this.#servers.places;
  }

  get sealer(): Sealer {
    return this.#policy.sealer;
  }

  async state(): Promise<StoreState | null> {
    const store = await this.#redis.call((redis, p) => redis.hgetall(`${p}store`));
    const { format, installation, position, fence, definitions } = store as Record<
      string,
      string | undefined
    >;
    if (installation === undefined || position === undefined) return null;
    refuseNewerFormat(Number(format));
    return {
      installation: JSON.parse(installation) as Installation,
      position,
      fence: Number(fence),
      definitions: definitions ?? null,
    };
  }

  async definitionsOtherThan(known: string | null): Promise<PublishedDefinitions | null> {
    const [format, digest, text] = (await this.#redis.script(DEFINITIONS, [known ?? ''])) as string[];
    refuseNewerFormat(Number(format));
    return digest === undefined ? null : { digest, text: text === '' ? null : (text ?? null) };
  }

  async initialise(installation: Installation, position: string): Promise<void> {
    await this.#redis.script(INITIALISE, [STORE_FORMAT, JSON.stringify(installation), position]);
  }

  async rebind(installation: Installation, position: string): Promise<void> {
    await this.initialise(installation, position);
    await this.#redis.script(REBIND, [STORE_FORMAT, JSON.stringify(installation), position]);
  }

  async notes(prefix: string): Promise<ReadonlyMap<string, string>> {
    const keys = (await this.#redis.call((redis, p) => redis.hkeys(`${p}note`)))
      .filter((key) => key.startsWith(prefix))
      .sort();
    if (keys.length === 0) return new Map();
    const texts = await this.#redis.call((redis, p) => redis.hmget(`${p}note`, ...keys));
    // One that was removed in between is none.
    return new Map(keys.flatMap((key, i) => (texts[i] == null ? [] : [[key, texts[i] ?? ''] as const])));
  }

  async putNote(key: string, value: string | null, expected?: string | null): Promise<boolean> {
    const how = expected === undefined ? 'any' : expected === null ? 'absent' : 'is';
    return (await this.#redis.script(PUT_NOTE, [key, value ?? '', how, expected ?? ''])) === 1;
  }

  async destroy(): Promise<void> {
    const pattern = `${this.#redis.prefix.replaceAll(/[[\]*?\\]/g, '\\$&')}*`;
    for await (const keys of this.#client.scanStream({ match: pattern, count: 1_000 })) {
      if ((keys as string[]).length > 0) await this.#redis.call((redis) => redis.unlink(keys as string[]));
    }
  }

  async takeFence(): Promise<number> {
    return await this.#redis.call((redis, p) => redis.hincrby(`${p}store`, 'fence', 1));
  }

  async flush(flush: Flush): Promise<FlushResult> {
    const { batches, failed, braked = [] } = flush;
    const policy = this.#policy;
    const answer = await this.#redis.script(FLUSH, [
      flush.fence,
      flush.from,
      flush.to,
      flush.definitions ?? '',
      this.#redis.channel,
      this.#sender,
      Date.now(),
      batches.length,
      ...flushArguments(flush, policy),
      failed.length,
      ...failed.flatMap((one) => entryArguments(failedEntry(one, policy))),
      braked.length,
      ...braked,
    ]);
    return answer as FlushResult;
  }

  async heartbeat(process: string, ttlMs: number): Promise<void> {
    await this.#redis.script(HEARTBEAT, [process, ttlMs, this.#redis.channel]);
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    const { webhook } = request;
    const answer = (await this.#redis.script(CLAIM, [
      webhook,
      request.process,
      request.maxJobs,
      request.nowMs,
    ])) as (string | number)[];
    const [isPaused, nextDue, ...fields] = answer;
    const jobs: ClaimedJob[] = [];
    const damaged: { readonly id: string; readonly error: unknown }[] = [];
    for (let i = 0; i + 7 <= fields.length; i += 7) {
      try {
        jobs.push(claimedJob(webhook, fields.slice(i, i + 7), this.#policy));
      } catch (error) {
        if (!isDamage(error)) throw error;
        damaged.push({ id: String(fields[i]), error });
      }
    }
    for (const { id, error } of damaged) await this.#endDamaged(request, id, error);
    return { jobs, isPaused: isPaused === 1, nextDueMs: nextDue === '' ? null : Number(nextDue) };
  }

  async #endDamaged({ process, webhook }: ClaimRequest, id: string, error: unknown): Promise<void> {
    const names = ['size', 'done', 'bytes', 'first_id', 'at', 'head', 'history', 'bodies'] as const;
    const read = await this.#redis.call((redis, p) => redis.hmget(`${p}job:${id}`, ...names));
    const [size, done, bytes, firstId, at, head, history, bodies] = read.map((value) => value ?? '');
    const job: DamagedJob = {
      ...{ id, webhook, size: Number(size), done: Number(done), bytes: Number(bytes) },
      ...{ firstId: firstId ?? '', lastMs: Number.parseInt(at || '0', 16) },
      ...{ head: head ?? '', history: history ?? '', bodies: bodies ?? '' },
    };
    await this.#record(process, planDamaged(job, error, Date.now(), this.#policy));
  }

  async report(process: string, reports: readonly Report[]): Promise<void> {
    await this.#record(process, planReports(reports, this.#policy, Date.now()));
  }

  async #record(process: string, plan: ReportPlan): Promise<void> {
    const isBare = Number(this.#policy.payloads !== 'full');
    await this.#redis.script(REPORT, [process, isBare, ...planArguments(plan)]);
  }

  async release(process: string, jobs: readonly { readonly id: string }[]): Promise<void> {
    await this.#redis.script(RELEASE, [process, ...jobs.map((job) => job.id)]);
  }

  async recover(process: string, known: readonly string[]): Promise<void> {
    const owned = await this.#redis.call((redis, p) => redis.smembers(`${p}owned:${process}`));
    const lost = owned.filter((id) => !known.includes(id));
    if (lost.length > 0) await this.#redis.script(RELEASE, [process, ...lost]);
  }

  async dueWebhooks(nowMs: number): Promise<string[]> {
    return await this.#redis.call((redis, p) => redis.zrangebyscore(`${p}due`, '-inf', nowMs));
  }

  async swapFlows(swaps: readonly FlowSwap[]): Promise<readonly FlowSwapped[]> {
    const of = swaps.flatMap(({ webhook, expected, next }) => [webhook, expected ?? '', next]);
    const answer = (await this.#redis.script(SWAP_FLOWS, of)) as (number | string)[];
    const refused = new Map<number, string>();
    for (let i = 0; i < answer.length; i += 2) refused.set(Number(answer[i]), String(answer[i + 1]));
    return swaps.map(({ next }, i) => {
      const found = refused.get(i);
      if (found === undefined) return { isSwapped: true, current: next };
      return { isSwapped: false, current: found === '' ? null : found };
    });
  }

  async flows(): Promise<ReadonlyMap<string, string>> {
    return new Map(Object.entries(await this.#redis.call((redis, p) => redis.hgetall(`${p}flow`))));
  }

  async onWake(
    callback: (webhooks: readonly string[]) => void,
    onCancelled: (cancelled: CancelledInJob) => void = () => undefined,
    onReconnected: () => void = () => undefined,
  ): Promise<void> {
    const subscriber = this.#servers.newClient(true);
    this.#subscribers.push(subscriber);
    const listeners = { onWork: callback, onCancelled };
    subscriber.on('message', (_channel: string, message: string) =>
      hearWake(message, this.#sender, listeners),
    );
    await connect(subscriber, this.#servers);
    await subscriber.subscribe(this.#redis.channel);
    this.#client.on('ready', onReconnected);
  }

  async counts(): Promise<ReadonlyMap<string, QueueCounts>> {
    const webhooks = (await this.#redis.call((redis, p) => redis.smembers(`${p}webhooks`))).sort();
    const rows = await this.#redis.call((redis, p) =>
      Promise.all(webhooks.map((webhook) => redis.hgetall(`${p}count:${webhook}`))),
    );
    return new Map(webhooks.map((webhook, i) => [webhook, toCounts(rows[i] ?? {})]));
  }

  async workers(): Promise<readonly Worker[]> {
    const flat = await this.#redis.call((redis, p) => redis.zrange(`${p}process`, '0', '-1', 'WITHSCORES'));
    const found: Worker[] = [];
    for (let i = 0; i < flat.length; i += 2) {
      const process = flat[i] ?? '';
      const jobs = await this.#redis.call((redis, p) => redis.scard(`${p}owned:${process}`));
      found.push({ process, seenMs: Number(flat[i + 1]), jobs });
    }
    return found.sort((a, b) => (a.process < b.process ? -1 : 1));
  }

  async oldest(): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>();
    for (const webhook of await this.#redis.call((redis, p) => redis.smembers(`${p}webhooks`))) {
      const [first] = await this.#redis.call((redis, p) => redis.zrange(`${p}jobs:${webhook}`, '0', '0'));
      // A place begins with the commit time in 12 hex digits.
      if (first !== undefined) found.set(webhook, Number.parseInt(first.slice(0, 12), 16));
    }
    return found;
  }

  async pause(webhook: string): Promise<void> {
    await this.#redis.script(PAUSE, [webhook, 1, this.#redis.channel]);
  }

  async resume(webhook: string): Promise<void> {
    await this.#redis.script(PAUSE, [webhook, 0, this.#redis.channel]);
  }

  async setParked(webhook: string, isParked: boolean): Promise<void> {
    await this.#redis.call((redis, p) => redis.hset(`${p}count:${webhook}`, 'is_parked', Number(isParked)));
  }

  async enqueue(webhook: string, delivery: QueuedDelivery): Promise<void> {
    await this.#redis.script(ENQUEUE, [
      webhook,
      hexMs(delivery.committedAtMs),
      deliveryBytes(delivery),
      delivery.eventId,
      encodeHead([delivery]),
      this.#policy.sealer.seal(eventsOf([delivery])),
      this.#redis.channel,
    ]);
  }

  async failed(webhook: string, limit: number): Promise<FailedDelivery[]> {
    return await this.deliveries.failed(webhook, limit);
  }

  async gaps(): Promise<readonly Gap[]> {
    const all = await this.#redis.call((redis, p) => redis.hvals(`${p}gaps`));
    return all.map(toGap).sort((a, b) => b.id - a.id);
  }

  async recordGap(gap: FoundGap): Promise<number> {
    const generation = gap.generation ?? gap.firstId?.slice(0, 8) ?? '';
    return Number(await this.#redis.script(RECORD_GAP, [JSON.stringify(gap), generation]));
  }

  async settleGap(id: number, nowMs: number, end?: GapEnd): Promise<boolean> {
    const bound = end === undefined ? ['', ''] : [end.lsn, end.atMs];
    return (await this.#redis.script(SETTLE_GAP, [id, nowMs, ...bound])) === 1;
  }

  async trimGaps(): Promise<number> {
    return Number(await this.#redis.script(TRIM_GAPS, [MAX_GAPS]));
  }

  async markOrphans(defined: readonly string[], nowMs: number): Promise<readonly Orphan[]> {
    return await this.#backend.markOrphans(defined, nowMs);
  }

  async dropWaiting(webhook: string, nowMs: number): Promise<number> {
    return await this.#backend.dropWaiting(webhook, nowMs);
  }

  async inspectServer({
    requireNoEviction,
  }: {
    readonly requireNoEviction: boolean;
  }): Promise<readonly string[]> {
    const [info, format] = await this.#redis.call(async (redis, p) => [
      await redis.info(),
      await redis.hget(`${p}store`, 'format'),
    ]);
    const facts = readFacts(info ?? '');
    const refused = unsuitable(facts, requireNoEviction);
    if (refused !== null) throw refused;
    requireCurrentFormat(format == null ? null : Number(format));
    return warnings(facts);
  }

  async durability(): Promise<Durability> {
    return await this.#confirmer.durability();
  }

  async untilOnDisk(position: string): Promise<boolean> {
    return await this.#confirmer.untilOnDisk(position);
  }

  async close(): Promise<void> {
    for (const subscriber of this.#subscribers) subscriber.disconnect();
    this.#confirmer.close();
    await settlesWithin(
      this.#client.quit().catch(() => undefined),
      CLOSE_TIMEOUT_MS,
    );
    this.#client.disconnect();
  }
}
