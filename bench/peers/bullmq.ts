/**
 * The library's stream, one BullMQ job for each row, a worker with undici: what one builds when a queue is
 * wanted. At its best: added in bulks of up to 500 while the last bulk is on its way, acknowledged when
 * added, done jobs removed, as many at a time as there are connections.
 *
 * Fetched from npm into a folder of its own: walhook does not depend on it.
 *
 * Does not: suppress what is added twice after a crash, list or bound what waits per receiver, hold a slow
 * receiver apart without further queues, open its doors again gently.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { LogicalReplicationService, type Pgoutput, PgoutputPlugin } from 'pg-logical-replication';
import { Agent } from 'undici';
import { type Contender, ensureSlot } from '../contest/contender.ts';
import { cacheFolder, type NodePeer, run, startStreamingPeer } from './peer.ts';

const BULK = 500;

const folder = (): string => path.join(cacheFolder(), 'bullmq');

/** As much of BullMQ as is used here. */
interface BullMq {
  readonly Queue: new (
    name: string,
    options: object,
  ) => { addBulk(jobs: readonly object[]): Promise<unknown>; waitUntilReady(): Promise<unknown> };
  readonly Worker: new (
    name: string,
    work: (job: { readonly data: string }) => Promise<void>,
    options: object,
  ) => { waitUntilReady(): Promise<unknown> };
}

interface Read {
  readonly lsn: string;
  readonly body: string;
}

/** Never resolves: it streams until it is killed. */
export async function runBullMq(peer: NodePeer): Promise<void> {
  const { Queue, Worker } = createRequire(path.join(folder(), 'x.js'))('bullmq') as BullMq;
  const { hostname: host, port } = new URL(peer.redisUrl);
  const connection = { host, port: Number(port), maxRetriesPerRequest: null };
  const agent = new Agent({ connections: peer.connections });
  const { origin, pathname } = new URL(peer.receiverUrl);
  const work = async ({ data }: { readonly data: string }): Promise<void> => {
    const headers = { 'content-type': 'application/json' };
    const response = await agent.request({ origin, path: pathname, method: 'POST', headers, body: data });
    await response.body.dump();
    if (response.statusCode >= 300) throw new Error(`status ${response.statusCode}`);
  };
  const worker = new Worker('webhooks', work, { connection, concurrency: peer.connections });
  const queue = new Queue('webhooks', { connection });
  await Promise.all([worker.waitUntilReady(), queue.waitUntilReady()]);

  const service = new LogicalReplicationService(
    { connectionString: peer.url },
    { acknowledge: { auto: false, timeoutSeconds: 0 } },
  );
  const options = {
    attempts: 10,
    backoff: { type: 'exponential', delay: 5_000 },
    removeOnComplete: true,
  };
  let waiting: Read[] = [];
  let isAdding = false;
  const add = async (): Promise<void> => {
    isAdding = true;
    while (waiting.length > 0) {
      const bulk = waiting.slice(0, BULK);
      waiting = waiting.slice(BULK);
      await queue.addBulk(bulk.map(({ body }) => ({ name: 'row', data: body, opts: options })));
      const lsn = bulk.at(-1)?.lsn;
      if (lsn !== undefined) await service.acknowledge(lsn);
    }
    isAdding = false;
  };
  service.on('data', (lsn: string, message: Pgoutput.Message) => {
    if (message.tag !== 'insert') return;
    const body = JSON.stringify({ event: 'created', model: message.relation.name, data: message.new });
    waiting.push({ lsn, body });
    if (!isAdding) void add();
  });
  const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [peer.publication] });
  await service.subscribe(plugin, peer.slot);
}

export const BULLMQ: Contender = {
  name: 'bullmq',
  title: 'pg-logical-replication, one BullMQ job per row, undici',
  lacks: 'each replayed row once, a bound on memory and on what waits, receivers apart',
  usesRedis: true,
  missing: async () => (existsSync(folder()) ? null : 'not fetched'),
  fetch: async () => {
    if (existsSync(folder())) return;
    await mkdir(folder(), { recursive: true });
    run('npm', ['install', '--prefix', folder(), '--no-audit', '--no-fund', 'bullmq@6', 'ioredis@6']);
  },
  start: async (place) => {
    await ensureSlot(place, 'pgoutput');
    return startStreamingPeer('bullmq', place);
  },
};
