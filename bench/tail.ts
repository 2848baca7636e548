/**
 * The live tail at 500 outcomes a second for a minute, on both stores: whether one who reads sees each of
 * them, how late, whether memory grows, and what becomes of one who does not read.
 */

import { cp } from 'node:fs/promises';
import { request } from 'node:http';
import { openAdmin } from '../src/admin/server.ts';
import { systemClock } from '../src/core/clock.ts';
import { toBatches } from '../src/queue/delivery.ts';
import type { QueueStore } from '../src/queue/store.ts';
import { benchAdminHost } from './adminHost.ts';
import { attemptOf, planned } from './logFill.ts';
import { mebibytes, print, verdict } from './measure.ts';
import { type BenchStore, benchStores } from './services.ts';

const PER_SECOND = Number(process.env['BENCH_RATE'] ?? 500);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 60);
const WEBHOOK = 'hook-0';

interface Seen {
  delivered: number;
  skipped: number;
  worstMs: number;
}

export async function benchTail(): Promise<void> {
  await cp('assets', 'dist-bench/assets', { recursive: true });
  for await (const bench of benchStores()) {
    try {
      await measureTail(bench);
    } finally {
      await bench.close();
    }
  }
}

async function measureTail({ kind, store }: BenchStore): Promise<void> {
  const server = await openAdmin(benchAdminHost(store, [WEBHOOK]));
  const reported = new Map<string, number>();
  const seen: Seen = { delivered: 0, skipped: 0, worstMs: 0 };
  const reader = await watch(`${server.url}/api/tail`, (line) => read(line, seen, reported));
  // Reads nothing after the first bytes.
  const sleeper = await watch(`${server.url}/api/tail`, null);
  await systemClock.sleep(1_000);
  const start = await settled();
  const sent = await produce(store, reported);
  const deadline = performance.now() + 15_000;
  while (seen.delivered + seen.skipped < sent && performance.now() < deadline) await systemClock.sleep(50);
  const end = await settled();
  print(
    `\n${kind}: ${sent} outcomes in ${SECONDS} s; read ${seen.delivered}, told of ${seen.skipped} skipped, the latest after ${seen.worstMs.toFixed(0)} ms`,
  );
  print(`  one who does not read: ${sleeper.isOpen() ? 'still there, held at its bound' : 'let go'}`);
  print(
    `  heap ${mebibytes(start.heapUsed)} → ${mebibytes(end.heapUsed)}, resident ${mebibytes(start.rss)} → ${mebibytes(end.rss)}`,
  );
  print(`  ${verdict('read of all', seen.delivered / sent, 'at least', 1)}`);
  print(`  ${verdict('the latest, seconds', seen.worstMs / 1_000, 'at most', 2)}`);
  reader.close();
  sleeper.close();
  await server.close();
}

async function settled(): Promise<NodeJS.MemoryUsage> {
  globalThis.gc?.();
  await systemClock.sleep(500);
  return process.memoryUsage();
}

/** Flushes and reports Deliveries at an even rate, ten times a second. */
async function produce(store: QueueStore, reported: Map<string, number>): Promise<number> {
  const fence = await store.takeFence();
  const each = PER_SECOND / 10;
  const start = performance.now();
  let place = 1_000;
  let position = (await store.state())?.position ?? '';
  for (let step = 0; step < SECONDS * 10; step += 1) {
    await systemClock.sleep(Math.max(0, start + step * 100 - performance.now()));
    const rows = Array.from({ length: each }, (_, i) => planned(place + i, 1e9, Date.now()));
    const batches = toBatches(
      WEBHOOK,
      rows.map(({ delivery }) => delivery),
    );
    const bounds = { from: position, to: `tail-${place + each}` };
    position = bounds.to;
    await store.flush({ fence, ...bounds, batches, failed: [], definitions: null });
    const { jobs } = await store.claim({ webhook: WEBHOOK, process: 'tail', maxJobs: 1_000, nowMs: 1 });
    const now = performance.now();
    for (const job of jobs) for (const { eventId } of job.deliveries) reported.set(eventId, now);
    await store.report(
      'tail',
      jobs.flatMap((job) =>
        job.deliveries.map((delivery, index) => ({
          job,
          index,
          outcome: { kind: 'delivered' } as const,
          isLast: index === job.deliveries.length - 1,
          attempt: attemptOf({ delivery, status: 200, error: null }),
        })),
      ),
    );
    place += each;
  }
  return place - 1_000;
}

function read(line: string, seen: Seen, reported: Map<string, number>): void {
  if (line.startsWith('data: {"count":')) {
    seen.skipped += (JSON.parse(line.slice(6)) as { count: number }).count;
  } else if (line.startsWith('data: ')) {
    const { event_id: id } = JSON.parse(line.slice(6)) as { event_id: string };
    const at = reported.get(id);
    if (at === undefined) return;
    reported.delete(id);
    seen.delivered += 1;
    seen.worstMs = Math.max(seen.worstMs, performance.now() - at);
  }
}

/** @param onLine null: nothing is read */
async function watch(
  url: string,
  onLine: ((line: string) => void) | null,
): Promise<{ isOpen: () => boolean; close: () => void }> {
  let isOpen = true;
  let rest = '';
  const asked = request(url);
  asked.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    asked.on('response', (response) => {
      response.on('error', () => undefined);
      response.on('close', () => {
        isOpen = false;
      });
      if (onLine === null) response.pause();
      else {
        response.setEncoding('utf8').on('data', (text: string) => {
          const lines = (rest + text).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) onLine(line);
        });
      }
      resolve();
    });
    asked.end();
  });
  return { isOpen: () => isOpen, close: () => asked.destroy() };
}
