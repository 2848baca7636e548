/**
 * The page and the API's list of Deliveries over a log of 200,000, with each filter, on both stores: how long
 * an answer takes, asked over HTTP one after the other, and whether it came back whole. The first asking of
 * each filter counts with the others: nothing is warmed up for one that is asked once.
 */
import { cp } from 'node:fs/promises';
import { openAdmin } from '../src/admin/server.ts';
import { systemClock } from '../src/core/clock.ts';
import { benchAdminHost } from './adminHost.ts';
import { fillLog, logFilters } from './logFill.ts';
import { mebibytes, median, print, verdict } from './measure.ts';
import { type BenchStore, benchStores } from './services.ts';

const DELIVERIES = Number(process.env['BENCH_DELIVERIES'] ?? 200_000);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 20);
const TARGET_MS = 300;

interface Measured {
  readonly name: string;
  readonly search: string;
  readonly page: number[];
  readonly api: number[];
  items: number;
  /** It ended short of a page, with a cursor from which to look on. */
  isShort: boolean;
}

export async function benchPage(): Promise<void> {
  // The pages' files stand beside the compiled sources.
  await cp('assets', 'dist-bench/assets', { recursive: true });
  let worst = 0;
  for await (const bench of benchStores()) {
    try {
      worst = Math.max(worst, await measureStore(bench));
    } finally {
      await bench.close();
    }
  }
  print(verdict('slowest filter, p95 in ms', worst, 'at most', TARGET_MS));
  if (worst > TARGET_MS) process.exitCode = 1;
}

/** The p95 of the slowest filter. */
async function measureStore({ kind, store }: BenchStore): Promise<number> {
  const nowMs = Date.now();
  const start = performance.now();
  await fillLog(store, DELIVERIES, nowMs);
  const ended = await store.deliveries.count({});
  print(`\n${kind}: ${ended} Deliveries after ${((performance.now() - start) / 1_000).toFixed(0)} s`);
  const webhooks = Array.from({ length: 20 }, (_, i) => `hook-${i}`);
  const server = await openAdmin(benchAdminHost(store, [...webhooks, 'rare']));
  const found = Object.entries(logFilters(nowMs)).map(
    ([name, filter]): Measured => ({
      name,
      search: new URLSearchParams(filter).toString(),
      page: [],
      api: [],
      items: 0,
      isShort: false,
    }),
  );
  try {
    await systemClock.sleep(1_000);
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const one of found) {
        one.page.push(await timed(`${server.url}/deliveries?${one.search}`));
        one.api.push(
          await timed(`${server.url}/api/deliveries?${one.search}`, (text) => {
            const { items, cursor } = JSON.parse(text) as { items: unknown[]; cursor: string | null };
            one.items = items.length;
            one.isShort = cursor !== null && items.length < 50;
          }),
        );
      }
    }
    return report(found);
  } finally {
    await server.close();
  }
}

async function timed(url: string, read: (text: string) => void = () => undefined): Promise<number> {
  const start = performance.now();
  const answer = await fetch(url);
  const text = await answer.text();
  const took = performance.now() - start;
  if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}: ${text.slice(0, 200)}`);
  read(text);
  return took;
}

function report(found: readonly Measured[]): number {
  print(
    `${'filter'.padEnd(36)} ${'page p50'.padStart(9)} ${'p95'.padStart(8)} ${'API p50'.padStart(9)} ${'p95'.padStart(8)}  items`,
  );
  for (const { name, page, api, items, isShort } of found) {
    const times = [median(page), p95(page), median(api), p95(api)].map((ms) => ms.toFixed(1));
    print(
      `${name.padEnd(36)} ${times[0]?.padStart(9)} ${times[1]?.padStart(8)} ${times[2]?.padStart(9)} ${times[3]?.padStart(8)}  ${items}${isShort ? ', and there may be more' : ''}`,
    );
  }
  print(`resident memory ${mebibytes(process.memoryUsage().rss)}`);
  return Math.max(...found.flatMap(({ page, api }) => [p95(page), p95(api)]));
}

function p95(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1] ?? Number.NaN;
}
