/**
 * A thousand webhooks: how fast the daemon starts and what it takes when idle, and what it delivers when one,
 * fifty or all of them have work, for the same number of Deliveries; beside it what a bare loop makes of as many Agents.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { Agent } from 'undici';
import { systemClock } from '../src/core/clock.ts';
import { freePort, startEmbeddedPostgres } from '../src/demo/embeddedPostgres.ts';
import type { QueuedDelivery } from '../src/queue/delivery.ts';
import { buildCommand, waitFor } from './daemonRun.ts';
import { measured, mebibytes, median, print, verdict } from './measure.ts';
import {
  deliveryOf,
  newDeliverer,
  openFilling,
  type Queue,
  type Receiver,
  startReceiver,
  startRedisQueue,
  targetOf,
} from './stage.ts';

const WEBHOOKS = Number(process.env['BENCH_WEBHOOKS'] ?? 1_000);
/** `idle` or `rate` measures that alone. */
const PART = process.env['BENCH_PART'] ?? 'both';
const DELIVERIES = Number(process.env['BENCH_DELIVERIES'] ?? 20_000);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
/** Webhooks that have work. */
const ACTIVE = [1, 50, WEBHOOKS];
const BARE_CONNECTIONS = 16;
const IDLE_MS = 20_000;
const FLUSH_DELIVERIES = 5_000;
const TARGETS = { startMs: 5_000, idleMib: 160, connections: 20, fifty: 0.9, all: 0.7 } as const;

export async function benchMany(): Promise<void> {
  buildCommand();
  const receiver = await startReceiver();
  const postgres = await startEmbeddedPostgres({ settings: { wal_level: 'logical' } });
  const redis = await startRedisQueue();
  try {
    const url = postgres.url('postgres');
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query('create table thing (id int primary key, name text)');
    await client.query('create database queue');
    await client.end();
    const own: Queue = { kind: 'postgres', url: postgres.url('queue'), stop: () => Promise.resolve() };
    if (PART !== 'idle') await bare(receiver);
    for (const queue of [redis, own]) {
      if (queue === null) continue;
      if (PART !== 'rate') await idling(queue, url);
      if (PART !== 'idle') await delivering(queue, receiver);
    }
  } finally {
    receiver.stop();
    await redis?.stop();
    await postgres.stop();
  }
}

/** Starts the built daemon on a configuration of a thousand webhooks, and looks at it when it is idle. */
async function idling(queue: Queue, databaseUrl: string): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-bench-'));
  const file = path.join(folder, 'walhook.yaml');
  const webhooks = Array.from({ length: WEBHOOKS }, (_, i) => ({
    name: `webhook ${i}`,
    models: ['thing'],
    events: ['created', 'updated'],
    conditions: { attr: 'name', value: `${i}` },
    url: `http://localhost:9/{{ data.id }}/${i}`,
    body_template: '{"text": "{{ data.name }} is {{ event }}"}',
    additional_headers: 'X-Id: {{ data.id }}',
  }));
  const slot = `many_${queue.kind}`;
  const config = {
    environment: 'bench',
    postgres: { url: databaseUrl, slot },
    queue: { url: queue.url },
    admin: { listen: `127.0.0.1:${await freePort()}` },
    webhooks,
  };
  await writeFile(file, JSON.stringify(config));
  const command = (name: string) =>
    spawn(process.execPath, [path.resolve('dist/main.js'), name, '-c', file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  await once(command('setup'), 'close');
  const startMs = performance.now();
  const daemon = command('run');
  let log = '';
  daemon.stdout.on('data', (chunk: Buffer) => {
    log += chunk.toString('utf8');
  });
  await waitFor('the daemon to capture', () => {
    if (daemon.exitCode !== null) throw new Error(`walhook run ended: ${log}`);
    return log.includes('"capturing"');
  });
  const tookMs = performance.now() - startMs;
  const startCpuMs = (await usage(daemon)).cpuMs;
  await systemClock.sleep(IDLE_MS);
  const { rssBytes, cpuMs } = await usage(daemon);
  const connections = await connectionsOf(daemon);
  const cpuBefore = cpuMs;
  await systemClock.sleep(5_000);
  const idleCpu = ((await usage(daemon)).cpuMs - cpuBefore) / 5_000;
  daemon.kill('SIGTERM');
  await once(daemon, 'close');
  await rm(folder, { recursive: true });
  print(
    `${queue.kind}: a daemon of ${WEBHOOKS} webhooks, idle for ${IDLE_MS / 1_000} s (${(idleCpu * 100).toFixed(1)} % of a core)`,
  );
  const startText = verdict('start, seconds', tookMs / 1_000, 'at most', TARGETS.startMs / 1_000);
  print(`  ${startText} (${(startCpuMs / 1_000).toFixed(1)} s of a processor)`);
  print(
    `  ${verdict('memory, MiB', rssBytes / 1_048_576, 'at most', TARGETS.idleMib)} (${mebibytes(rssBytes)})`,
  );
  print(`  ${verdict('connections', connections, 'at most', TARGETS.connections)}`);
}

async function usage({ pid }: ChildProcess): Promise<{ rssBytes: number; cpuMs: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  // utime and stime, in hundredths of a second.
  return {
    rssBytes: Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1_024,
    cpuMs: (Number(fields[11]) + Number(fields[12])) * 10,
  };
}

/** Established TCP connections of a process, of Linux. */
async function connectionsOf({ pid }: ChildProcess): Promise<number> {
  const links = await Promise.all(
    (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
  );
  const own = new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')),
  );
  const ESTABLISHED = '01';
  return tables
    .flatMap((table) => table.trim().split('\n').slice(1))
    .map((row) => row.trim().split(/\s+/))
    .filter((row) => row[3] === ESTABLISHED && own.has(row[9] ?? '')).length;
}

interface Round {
  readonly perSecond: number;
  /** Milliseconds of this process's processor for a thousand Deliveries. */
  readonly cpuMs: number;
}

/**
 * What connections alone make of it: requests of a bare undici loop over one Agent, fifty and a thousand, each with
 * connections of its own, opened and closed as they come and go.
 */
async function bare(receiver: Receiver): Promise<void> {
  const rates = new Map<number, number[]>(ACTIVE.map((agents) => [agents, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [agents, found] of rates) {
      await receiver.clear();
      const { wallMs } = await measured(() => sendBare(receiver.origin, agents));
      found.push((DELIVERIES * 1_000) / wallMs);
    }
  }
  const one = median(rates.get(1) ?? []);
  for (const [agents, found] of rates) {
    const rate = median(found);
    const ratio = agents === 1 ? '' : `, ${(rate / one).toFixed(2)} of one`;
    print(`bare undici, an Agent for each of ${agents} webhooks: ${Math.round(rate)}/s${ratio}`);
  }
}

/** Keeps as many requests in flight as there are connections, over one Agent or one connection of each. */
async function sendBare(origin: string, agents: number): Promise<void> {
  const body = Buffer.from(deliveryOf(1).json);
  const headers = { 'content-type': 'application/json' };
  let next = 0;
  const webhook = async (connections: number) => {
    const path = `/ok/${next}`;
    next += 1;
    const agent = new Agent({ connections, pipelining: 1 });
    let left = DELIVERIES / agents;
    const send = async () => {
      while (left > 0) {
        left -= 1;
        const response = await agent.request({ origin, path, method: 'POST', headers, body });
        await response.body.dump();
      }
    };
    await Promise.all(Array.from({ length: connections }, send));
    await agent.close();
  };
  const work = async () => {
    while (next < agents) await webhook(agents === 1 ? BARE_CONNECTIONS : 1);
  };
  await Promise.all(Array.from({ length: Math.min(agents, BARE_CONNECTIONS) }, work));
}

/** The same number of Deliveries over one, fifty and all webhooks, in turns; all thousand are defined. */
async function delivering(queue: Queue, receiver: Receiver): Promise<void> {
  const rounds = new Map<number, Round[]>(ACTIVE.map((active) => [active, []]));
  const targets = Array.from({ length: WEBHOOKS }, (_, i) =>
    targetOf({ key: `w${i}`, url: `${receiver.origin}/ok/${i}` }),
  );
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [active, results] of rounds) {
      const { flush, store } = await openFilling(queue.url, `many${active}_${round}`);
      for (let i = 0; i < DELIVERIES; i += FLUSH_DELIVERIES) await flush(spread(active, i));
      await receiver.clear();
      const stop = new AbortController();
      const deliverer = newDeliverer(store, 'p', targets);
      const { wallMs, cpuMs } = await measured(async () => {
        const running = deliverer.run(stop.signal);
        while ((await receiver.arrivals()).received < DELIVERIES) await systemClock.sleep(20);
        stop.abort();
        await running;
      });
      results.push({ perSecond: (DELIVERIES * 1_000) / wallMs, cpuMs: (cpuMs * 1_000) / DELIVERIES });
      await store.destroy();
      await store.close();
    }
  }
  const [one] = [...rounds.values()].map(middle);
  for (const [active, results] of rounds) {
    const { perSecond, cpuMs } = middle(results);
    const text = `${Math.round(perSecond)}/s, ${cpuMs.toFixed(0)} ms CPU per 1,000`;
    print(`${queue.kind}: ${DELIVERIES} Deliveries over ${active} of ${WEBHOOKS} webhooks: ${text}`);
    if (active === 1 || one === undefined) continue;
    const target = active === WEBHOOKS ? TARGETS.all : TARGETS.fifty;
    print(`  ${verdict('ratio to one', perSecond / one.perSecond, 'at least', target)}`);
    print(`  the same by CPU: ${(one.cpuMs / cpuMs).toFixed(2)}`);
  }
}

function middle(rounds: readonly Round[]): Round {
  return {
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    cpuMs: median(rounds.map(({ cpuMs }) => cpuMs)),
  };
}

function spread(active: number, from: number): Map<string, QueuedDelivery[]> {
  const byWebhook = new Map<string, QueuedDelivery[]>();
  for (let i = from; i < from + FLUSH_DELIVERIES; i += 1) {
    const key = `w${i % active}`;
    const list = byWebhook.get(key) ?? [];
    list.push(deliveryOf(i + 1));
    byWebhook.set(key, list);
  }
  return byWebhook;
}
