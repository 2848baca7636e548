/**
 * From queue to receiver: how fast what waits is delivered, beside a bare undici loop to the same receiver
 * with the same bodies and as many connections; and how fast Deliveries are enqueued.
 *
 * The receiver is a process of its own on loopback. Each round drains a full queue, the contestants in
 * turn, so that a noisy machine disturbs all alike; medians of five are printed. The log of Attempts is on,
 * with full payloads, and its retention is swept meanwhile, as a daemon does. What the processor did is told
 * apart by process (ours, the store's server, the receiver): on a machine where all of them share few cores
 * their sum decides the rate.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Agent } from 'undici';
import { systemClock } from '../src/core/clock.ts';
import { NO_FAILPOINT } from '../src/core/failpoint.ts';
import { SILENT } from '../src/core/logger.ts';
import { OwnServices } from '../src/deliver/addresses/ownServices.ts';
import { writtenLoopbackOf } from '../src/deliver/addresses/policy.ts';
import { systemResolve } from '../src/deliver/connector.ts';
import { Deliverer } from '../src/deliver/deliverer.ts';
import type { DeliverTarget } from '../src/deliver/target.ts';
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
/** Which stores, e.g. `redis`. */
const STORES = (process.env['BENCH_STORES'] ?? 'postgres,redis').split(',');
const BODY_BYTES = 1_500;
const MAX_LOOP_MS = 20;
const CLOCK_TICK_MS = 10;
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

/** What one round took. CPU in milliseconds for a thousand Deliveries, which is microseconds for one. */
interface Round {
  /** Deliveries a second. */
  readonly rate: number;
  readonly clientCpu: number;
  readonly serverCpu: number;
  readonly receiverCpu: number;
  /** Of the event loop's delays, the 99th percentile in milliseconds. */
  readonly loopMs: number;
}

interface Contestant {
  readonly name: string;
  readonly rounds: Round[];
  readonly enqueued: number[];
  round(): Promise<void>;
  close(): Promise<void>;
}

/** The processes beside this one. */
interface Processes {
  readonly receiver: number;
  /** Of the store; those of PostgreSQL come and go. */
  readonly server: () => readonly number[];
}

export async function benchDeliver(): Promise<void> {
  const port = await freePort();
  const receiver = await startReceiver(port);
  const receiverId = receiver.pid ?? 0;
  const postgres = STORES.includes('postgres') ? await startEmbeddedPostgres({ settings: {} }) : null;
  const redis = STORES.includes('redis') ? await startRedis() : null;
  const contestants: Contestant[] = [];
  try {
    const url = `http://127.0.0.1:${port}/in`;
    const bare = bareLoop(url, { receiver: receiverId, server: () => [] });
    contestants.push(bare);
    if (postgres !== null) {
      const processes = { receiver: receiverId, server: () => processesNamed('postgres') };
      contestants.push(await queueContestant('postgres', postgres.url('postgres'), url, processes));
    }
    if (redis !== null) {
      const id = redis.process?.pid;
      const processes = { receiver: receiverId, server: () => (id === undefined ? [] : [id]) };
      contestants.push(await queueContestant('redis', redis.url, url, processes));
    } else if (STORES.includes('redis')) {
      print('no redis-server on the PATH and no REDIS_URL: Redis is left out');
    }
    for (let round = 1; round <= ROUNDS; round += 1) {
      for (const contestant of contestants) await contestant.round();
      const rates = contestants.map((one) => `${one.name} ${Math.round(one.rounds.at(-1)?.rate ?? 0)}/s`);
      print(`round ${round}: ${rates.join(', ')}`);
    }
    report(bare, contestants.slice(1));
  } finally {
    for (const contestant of contestants) await contestant.close();
    receiver.kill('SIGKILL');
    redis?.process?.kill('SIGKILL');
    await postgres?.stop();
  }
}

function report(bare: Contestant, queues: readonly Contestant[]): void {
  print(
    `${DELIVERIES} Deliveries of ${BODY_BYTES} bytes, ${CONNECTIONS} connections, medians of ${ROUNDS} rounds`,
  );
  print(
    'what the bare loop does not do: take its bodies from a store, render URL and headers of each, hold a',
  );
  print('deadline over each whole request, keep request and response for the log, record what was delivered');
  print(line(bare));
  for (const queue of queues) {
    const target = TARGETS[queue.name as keyof typeof TARGETS];
    print(line(queue));
    const ratio = of(queue, 'rate') / of(bare, 'rate');
    print(`  ${verdict('ratio to the bare loop', ratio, 'at least', target.ratio)}`);
    print(`  ${verdict('enqueued per second', median(queue.enqueued), 'at least', target.enqueued)}`);
    print(`  ${verdict('event loop p99 ms', of(queue, 'loopMs'), 'at most', MAX_LOOP_MS)}`);
  }
}

function of({ rounds }: Contestant, name: keyof Round): number {
  return median(rounds.map((round) => round[name]));
}

function line(one: Contestant): string {
  const cpu = `client ${of(one, 'clientCpu').toFixed(1)}, server ${of(one, 'serverCpu').toFixed(1)}, receiver ${of(one, 'receiverCpu').toFixed(1)}`;
  return `${one.name.padEnd(12)} ${Math.round(of(one, 'rate'))}/s, ms CPU per 1,000: ${cpu}, event loop p99 ${of(one, 'loopMs').toFixed(1)} ms`;
}

/** Runs a round of {@link DELIVERIES}, measured. */
async function measuredRound(processes: Processes, work: () => Promise<void>): Promise<Round> {
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const receiverBefore = cpuMsOf([processes.receiver]);
  const serverBefore = cpuMsOf(processes.server());
  const before = process.cpuUsage();
  const start = performance.now();
  loop.enable();
  await work();
  loop.disable();
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(before);
  return {
    rate: DELIVERIES / seconds,
    clientCpu: (user + system) / DELIVERIES,
    serverCpu: ((cpuMsOf(processes.server()) - serverBefore) * 1_000) / DELIVERIES,
    receiverCpu: ((cpuMsOf([processes.receiver]) - receiverBefore) * 1_000) / DELIVERIES,
    loopMs: p99Ms(loop),
  };
}

function p99Ms(loop: IntervalHistogram): number {
  return loop.percentile(99) / 1e6;
}

/** CPU that processes took so far, with that of their children that have ended. Linux only; elsewhere 0. */
function cpuMsOf(ids: readonly number[]): number {
  return ids.reduce((sum, id) => sum + (statOf(id)?.cpuMs ?? 0), 0);
}

function processesNamed(name: string): number[] {
  const ids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return ids.filter((id) => statOf(id)?.name === name);
}

function statOf(id: number): { readonly name: string; readonly cpuMs: number } | null {
  try {
    const text = readFileSync(`/proc/${id}/stat`, 'utf8');
    const end = text.lastIndexOf(')');
    const fields = text.slice(end + 2).split(' ');
    // utime, stime, cutime and cstime of proc(5).
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return { name: text.slice(text.indexOf('(') + 1, end), cpuMs: ticks * CLOCK_TICK_MS };
  } catch {
    return null;
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

function bareLoop(url: string, processes: Processes): Contestant {
  const body = Buffer.from(eventText(1));
  const rounds: Round[] = [];
  return {
    name: 'bare undici',
    rounds,
    enqueued: [],
    async round() {
      const agent = new Agent({ connections: CONNECTIONS, pipelining: 1 });
      const { origin, pathname } = new URL(url);
      let left = DELIVERIES;
      const send = async () => {
        while (left > 0) {
          left -= 1;
          const headers = { 'content-type': 'application/json' };
          const response = await agent.request({ origin, path: pathname, method: 'POST', headers, body });
          await response.body.dump();
        }
      };
      const work = async () => void (await Promise.all(Array.from({ length: CONNECTIONS }, send)));
      rounds.push(await measuredRound(processes, work));
      await agent.close();
    },
    close: () => Promise.resolve(),
  };
}

async function queueContestant(
  name: 'redis' | 'postgres',
  queueUrl: string,
  url: string,
  processes: Processes,
): Promise<Contestant> {
  const store = await openQueue({ url: () => queueUrl, prefix: 'bench' }, systemClock);
  const installation = { queueId: 'b', generation: '0badcafe', environment: 'bench' };
  await store.initialise({ ...installation, systemIdentifier: '1', database: 'b', slot: 'b' }, 'at-0');
  const fence = await store.takeFence();
  const rounds: Round[] = [];
  const enqueued: number[] = [];
  let at = 0;
  let first = 1;
  return {
    name,
    rounds,
    enqueued,
    async round() {
      enqueued.push(await enqueueRate(store, fence, { at, first }));
      at += Math.ceil(DELIVERIES / FLUSH_DELIVERIES);
      first += DELIVERIES;
      rounds.push(await drained(store, url, first, processes));
    },
    close: () => store.close(),
  };
}

/** Fills the queue. What it is filled with is not kept here: a heap full of it would slow the delivering. */
async function enqueueRate(
  store: QueueStore,
  fence: number,
  { at, first }: { readonly at: number; readonly first: number },
): Promise<number> {
  const deliveries = eventsFrom(first);
  const start = performance.now();
  for (let i = 0; i * FLUSH_DELIVERIES < deliveries.length; i += 1) {
    const batches = toBatches('w', deliveries.slice(i * FLUSH_DELIVERIES, (i + 1) * FLUSH_DELIVERIES));
    const position = { from: `at-${at + i}`, to: `at-${at + i + 1}` };
    const backlogs = new Map([['w', { max: 100_000, bytes: 256 * 1_048_576, rule: 'overflow' } as const]]);
    await store.flush({ fence, ...position, batches, failed: [], definitions: null, backlogs });
  }
  return perSecond(DELIVERIES, start);
}

/** Delivers all that waits. */
async function drained(store: QueueStore, url: string, ends: number, processes: Processes): Promise<Round> {
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
  let running: Promise<unknown> = Promise.resolve();
  const round = await measuredRound(processes, async () => {
    running = Promise.all([deliverer.run(stop.signal), keepHouse(house, stop.signal)]);
    while (((await store.counts()).get('w')?.deliveredTotal ?? 0) < ends - 1) await systemClock.sleep(20);
  });
  stop.abort();
  await running;
  return round;
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
