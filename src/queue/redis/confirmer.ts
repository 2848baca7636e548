/**
 * What an acknowledgement may rest on: what the server says of itself, and waiting until what was written is on its
 * disk (WAITAOF, Redis 7.2) and on a replica (WAIT), where a replica may take its place.
 */
import type { Redis } from 'ioredis';
import type { Durability } from '../store.ts';
import { connect } from './connections.ts';
import { RedisCall } from './redisCall.ts';
import type { RedisServers } from './redisServers.ts';
import { MARK } from './scripts.ts';
import { durabilityOf, hasReplica, type RedisFacts, readFacts, withReplica } from './suitability.ts';

/** How long the server may take to sync or replicate what was written; shorter than a command may take. */
const CONFIRM_TIMEOUT_MS = 5_000;

export class Confirmer {
  readonly #redis: RedisCall;
  readonly #servers: RedisServers;
  readonly #prefix: string;
  #client: Redis | null = null;
  #confirmer: RedisCall | null = null;
  /** As {@link durability} found it. */
  #hasWaitaof = false;

  /**
   * @param redis the store's connection
   * @param prefix of its keys, for a connection that waits on its own
   */
  constructor(redis: RedisCall, servers: RedisServers, prefix: string) {
    this.#redis = redis;
    this.#servers = servers;
    this.#prefix = prefix;
  }

  /** As the store's. */
  async durability(): Promise<Durability> {
    const facts = readFacts(await this.#redis.call((redis) => redis.info()));
    const ofServer = await this.#durabilityOfServer(facts);
    this.#hasWaitaof = ofServer.isConfirmed;
    return this.#servers.isFailingOver ? withReplica(ofServer) : ofServer;
  }

  async #durabilityOfServer(facts: RedisFacts): Promise<Durability> {
    if (!facts.hasAof) return durabilityOf(facts, '', false);
    const [, appendfsync = ''] = await this.#redis
      .call((redis) => redis.config('GET', 'appendfsync') as Promise<string[]>)
      .catch(() => []);
    // Waits for nothing, and so answers at once where the server knows it.
    const hasWaitaof = await this.#redis
      .call((redis) => redis.call('WAITAOF', 0, 0, 1))
      .then(
        () => true,
        () => false,
      );
    return durabilityOf(facts, appendfsync, hasWaitaof);
  }

  /** As the store's. */
  async untilOnDisk(position: string): Promise<boolean> {
    // What waits on a connection waits for WAITAOF too: it has one of its own.
    const confirmer = this.#confirmer ?? (await this.#newConfirmer());
    if ((await confirmer.script(MARK, [position])) !== 1) return false;
    if (this.#servers.isFailingOver && !(await isReplicated(confirmer))) return false;
    if (!this.#hasWaitaof) return true;
    const answer = await confirmer.call((redis) => redis.call('WAITAOF', 1, 0, CONFIRM_TIMEOUT_MS));
    return Number((answer as unknown[])[0]) >= 1;
  }

  async #newConfirmer(): Promise<RedisCall> {
    const client = this.#servers.newClient(true);
    this.#client = client;
    await connect(client, this.#servers);
    this.#confirmer = new RedisCall(this.#servers, client, this.#prefix);
    return this.#confirmer;
  }

  close(): void {
    this.#client?.disconnect();
  }
}

/**
 * Whether a replica has what this connection wrote, so that it is there after a failover: one is enough, for the
 * replica that has most is promoted. Where none is connected there is none to wait for.
 */
async function isReplicated(confirmer: RedisCall): Promise<boolean> {
  if (!hasReplica(await confirmer.call((redis) => redis.info('replication')))) return true;
  return (await confirmer.call((redis) => redis.wait(1, CONFIRM_TIMEOUT_MS))) >= 1;
}
