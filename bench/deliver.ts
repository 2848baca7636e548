/**
 * From queue to receiver: how fast what waits is delivered, beside a bare undici loop to the same receiver
 * with the same bodies and as many connections; and how fast Deliveries are enqueued.
 *
 * The receiver is a process of its own on loopback. Each round drains a full queue, the contestants in
 * turn, so that a noisy machine disturbs all alike; medians of five are printed. The log of Attempts is on,
 * with full payloads, and its retention is swept meanwhile, as a daemon does.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent } from 'undici';
import { systemClock } from '../src/core/clock.ts';
import { NO_FAILPOINT } from '../src/core/failpoint.ts';
import { SILENT } from '../src/core/logger.ts';
import { OwnServices } from '../src/deliver/addresses/ownServices.ts';
import { writtenLoopbackOf } from '../src/deliver/addresses/policy.ts';
import { systemResolve } from '../src/deliver/connector.ts';
import { Deliverer } from '../src/deliver/deliverer.ts';
import type { DeliverTarget } from '../src/deliver/lane.ts';
import { DEFAULT_TLS } from '../src/deliver/tlsFiles.ts';
import { freePort, startEmbeddedPostgres } from '../src/demo/embeddedPostgres.ts';
import { type QueuedDelivery, toBatches } from '../src/queue/delivery.ts';
import { keepHouse } from '../src/queue/housekeeper.ts';
import { openQueue } from '../src/queue/open.ts';
import type { QueueStore } from '../src/queue/store.ts';
import { compileTemplate } from '../src/template/engine.ts';
import { median, print, verdict } from './measure.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);
const DELIVERIES = Number(process.env['BENCH_DELIVERIES'] ?? 50_000);
const CONNECTIONS = Number(process.env['BENCH_CONNECTIONS'] ?? 16);
const BODY_BYTES = 1_500;
/** As many as capture holds back while a flush is on its way. */
const FLUSH_DELIVERIES = 5_000;
const TARGETS = {
  redis: { ratio: 0.7, enqueued: 30_000 },
  postgres: { ratio: 0.6, enqueued: 8_000 },
} as const;
const RETENTION = {
  delivered: { ageMs: 3_600_000, count: 10_000 },
  failedMs: 30 * 86_400_000,
  bodiesMs: 7 * 86_400_000,
  bytes: 256 * 1_048_576,
  orphansMs: 7 * 86_400_000,
};

const RECEIVER = `
  const server = require('node:http').createServer((request, response) => {
    request.on('data', () => {});
    request.on('end', () => { response.statusCode = 200; response.end('ok'); });
  });
  server.keepAliveTimeout = 60000;
  server.listen(Number(process.argv[1]), '127.0.0.1', () => process.stdout.write('ready'));
`;

interface Contestant {
  readonly name: string;
  /** Deliveries a second. */
  readonly delivered: number[];
  readonly enqueued: number[];
  /** Milliseconds of this process's processor for a thousand Deliveries. */
  readonly cpu: number[];
  round(): Promise<void>;
  close(): Promise<void>;
}

export async function benchDeliver(): Promise<void> {
  const port = await freePort();
  const receiver = await startReceiver(port);
  const postgres = await startEmbeddedPostgres({ settings: {} });
  const redis = await startRedis();
  const contestants: Contestant[] = [];
  try {
    const url = `http://127.0.0.1:${port}/in`;
    const bare = bareLoop(url);
    contestants.push(bare, await queueContestant('postgres', postgres.url('postgres'), url));
    if (redis !== null) contestants.push(await queueContestant('redis', redis.url, url));
    if (redis === null) print('no redis-server on the PATH and no REDIS_URL: Redis is left out');
    for (let round = 1; round <= ROUNDS; round += 1) {
      for (const contestant of contestants) await contestant.round();
      const rates = contestants.map((one) => `${one.name} ${Math.round(one.delivered.at(-1) ?? 0)}/s`);
      print(`round ${round}: ${rates.join(', ')}`);
    }
    report(bare, contestants.slice(1));
  } finally {
    for (const contestant of contestants) await contestant.close();
    receiver.kill('SIGKILL');
    redis?.process?.kill('SIGKILL');
    await postgres.stop();
  }
}

function report(bare: Contestant, queues: readonly Contestant[]): void {
  print(
    `bare undici  ${Math.round(median(bare.delivered))}/s, ${median(bare.cpu).toFixed(0)} ms CPU per 1,000`,
  );
  for (const { name, delivered, enqueued, cpu } of queues) {
    const target = TARGETS[name as keyof typeof TARGETS];
    print(
      `${name.padEnd(12)} ${Math.round(median(delivered))}/s, ${median(cpu).toFixed(0)} ms CPU per 1,000, enqueued ${Math.round(median(enqueued))}/s`,
    );
    print(`  ${verdict('ratio', median(delivered) / median(bare.delivered), 'at least', target.ratio)}`);
    print(`  ${verdict('enqueued per second', median(enqueued), 'at least', target.enqueued)}`);
  }
}

async function startReceiver(port: number): Promise<ChildProcess> {
  const receiver = spawn(process.execPath, ['-e', RECEIVER, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(receiver.stdout, 'data');
  return receiver;
}

async function startRedis(): Promise<{ url: string; process: ChildProcess | null } | null> {
  const given = process.env['REDIS_URL'];
  if (given !== undefined) return { url: given, process: null };
  const port = await freePort();
  const server = spawn('redis-server', ['--port', String(port), '--save', ''], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const started = await Promise.race([
    once(server, 'error').then(() => false),
    once(server.stdout, 'data').then(() => true),
  ]);
  return started ? { url: `redis://127.0.0.1:${port}`, process: server } : null;
}

function bareLoop(url: string): Contestant {
  const body = Buffer.from(eventText(1));
  const rates: number[] = [];
  const cpu: number[] = [];
  return {
    name: 'bare undici',
    delivered: rates,
    enqueued: [],
    cpu,
    async round() {
      const agent = new Agent({ connections: CONNECTIONS, pipelining: 1 });
      const { origin, pathname } = new URL(url);
      let left = DELIVERIES;
      const before = process.cpuUsage();
      const start = performance.now();
      const send = async () => {
        while (left > 0) {
          left -= 1;
          const headers = { 'content-type': 'application/json' };
          const response = await agent.request({ origin, path: pathname, method: 'POST', headers, body });
          await response.body.dump();
        }
      };
      await Promise.all(Array.from({ length: CONNECTIONS }, send));
      rates.push(perSecond(DELIVERIES, start));
      cpu.push(cpuPerThousand(before));
      await agent.close();
    },
    close: () => Promise.resolve(),
  };
}

async function queueContestant(
  name: 'redis' | 'postgres',
  queueUrl: string,
  url: string,
): Promise<Contestant> {
  const store = await openQueue({ url: () => queueUrl, prefix: 'bench' }, systemClock);
  const installation = { queueId: 'b', generation: '0badcafe', environment: 'bench' };
  await store.initialise({ ...installation, systemIdentifier: '1', database: 'b', slot: 'b' }, 'at-0');
  const fence = await store.takeFence();
  const rates: number[] = [];
  const enqueued: number[] = [];
  const cpu: number[] = [];
  let at = 0;
  let first = 1;
  return {
    name,
    delivered: rates,
    enqueued,
    cpu,
    async round() {
      const deliveries = eventsFrom(first);
      first += DELIVERIES;
      const start = performance.now();
      for (let i = 0; i < deliveries.length; i += FLUSH_DELIVERIES) {
        const batches = toBatches('w', deliveries.slice(i, i + FLUSH_DELIVERIES));
        const position = { from: `at-${at}`, to: `at-${at + 1}` };
        const backlogs = new Map([
          ['w', { max: 100_000, bytes: 256 * 1_048_576, rule: 'overflow' } as const],
        ]);
        await store.flush({ fence, ...position, batches, failed: [], definitions: null, backlogs });
        at += 1;
      }
      enqueued.push(perSecond(DELIVERIES, start));
      const { rate, cpuMs } = await drained(store, url, first);
      rates.push(rate);
      cpu.push(cpuMs);
    },
    close: () => store.close(),
  };
}

/** Delivers all that waits. */
async function drained(
  store: QueueStore,
  url: string,
  ends: number,
): Promise<{ rate: number; cpuMs: number }> {
  const stop = new AbortController();
  const deliverer = new Deliverer({
    store,
    process: `bench-${ends}`,
    targets: [targetOf(url)],
    userAgent: 'walhook/bench',
    addresses: {
      rules: { policy: 'internal', allow: [] },
      own: new OwnServices(() => [], systemResolve, systemClock),
      resolve: systemResolve,
    },
    clock: systemClock,
    log: SILENT,
    failpoint: NO_FAILPOINT,
    shutdownMs: 5_000,
  });
  const house = { store, retention: RETENTION, defined: null, clock: systemClock, log: SILENT };
  const before = process.cpuUsage();
  const start = performance.now();
  const running = Promise.all([deliverer.run(stop.signal), keepHouse(house, stop.signal)]);
  while (((await store.counts()).get('w')?.deliveredTotal ?? 0) < ends - 1) await systemClock.sleep(20);
  const rate = perSecond(DELIVERIES, start);
  const cpuMs = cpuPerThousand(before);
  stop.abort();
  await running;
  return { rate, cpuMs };
}

function targetOf(url: string): DeliverTarget {
  return {
    key: 'w',
    name: 'w',
    method: 'POST',
    contentType: 'application/json',
    url: compileTemplate(url, { path: 'url', undefined: 'lenient' }),
    origin: new URL(url).origin,
    headers: null,
    body: null,
    secrets: [],
    signature: 'both',
    retry: { scheduleMs: [5_000], maxAgeMs: 86_400_000, onGone: 'fail' },
    timeoutMs: 15_000,
    rate: null,
    ordering: 'none',
    format: 'walhook',
    concurrency: CONNECTIONS,
    tls: DEFAULT_TLS,
    proxy: null,
    writtenLoopback: writtenLoopbackOf(new URL(url).origin),
  };
}

function eventText(n: number): string {
  const head = `{"event":"created","n":${n},"data":{"name":"`;
  return `${head}${'x'.repeat(BODY_BYTES - head.length - 3)}"}}`;
}

function eventsFrom(first: number): QueuedDelivery[] {
  const committedAtMs = Date.now();
  return Array.from({ length: DELIVERIES }, (_, i) => ({
    eventId: `0badcafe-${(first + i).toString(16).padStart(16, '0')}-00000000-aaaaaaaa`,
    model: 'thing',
    schema: 'public',
    table: 'thing',
    key: String(first + i),
    requestId: `request-${Math.floor((first + i) / 10)}`,
    lsn: '0/1',
    xid: first + i,
    committedAtMs,
    json: eventText(first + i),
  }));
}

function perSecond(count: number, startMs: number): number {
  return (count * 1_000) / (performance.now() - startMs);
}

function cpuPerThousand(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / DELIVERIES;
}
