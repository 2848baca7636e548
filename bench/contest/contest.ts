/**
 * One contender's turn: backlogs of small Transactions and of one large one, steady loads, and a kill in
 * the middle of a backlog. A backlog is committed while the contender is stopped (SIGSTOP), so that writing
 * the rows takes nothing from sending them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../measure.ts';
import type { Arena, Started } from './arena.ts';
import type { Contender } from './contender.ts';
import { commitAtOnce, commitSingly, commitSteadily, commitTimes, type Span } from './loads.ts';
import { type Program, signalTree, usageOf } from './processes.ts';
import type { Stats } from './receiverProgram.ts';

const WARM_UP = 2_000;
/** Nothing new for that long: what has not arrived is lost, or comes too late to matter. */
const STALL_MS = 15_000;
const LIMIT_MS = 180_000;

export interface Plan {
  /** Rows of the backlog of small Transactions; 0: none. */
  readonly singles: number;
  /** Rows of the large Transaction. */
  readonly atOnce: number;
  readonly steady: readonly { readonly rate: number; readonly seconds: number }[];
  /** Rows of the backlog in which it is killed. */
  readonly killed: number;
}

export interface Backlog {
  readonly perSecond: number;
  /** CPU seconds per 1,000 webhooks: its own, of its queue's server, of PostgreSQL. */
  readonly cpu: number;
  readonly queueCpu: number;
  readonly serverCpu: number;
  readonly requests: number;
  readonly bytes: number;
  readonly lost: number;
  readonly duplicates: number;
}

export interface Steady {
  readonly rate: number;
  readonly achieved: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly lost: number;
  readonly duplicates: number;
}

export interface Turn {
  readonly singles: Backlog | null;
  readonly atOnce: Backlog | null;
  readonly steady: readonly Steady[];
  /** Peaks of resident memory over all but the kill. */
  readonly bytes: number;
  readonly queueBytes: number;
  readonly killed: { readonly lost: number; readonly duplicates: number } | null;
}

/** What is the same through a turn. */
interface Ring {
  readonly arena: Arena;
  readonly contender: Contender;
  readonly started: Started;
  program: Program;
  next: number;
}

/** @param name of the database; each turn needs one of its own */
export function takeTurn(arena: Arena, contender: Contender, name: string, plan: Plan): Promise<Turn> {
  return arena.use(contender, name, async (started) => {
    const program = await contender.start(started.place);
    const ring: Ring = { arena, contender, started, program, next: 1 };
    try {
      return await run(ring, plan);
    } catch (error) {
      throw new Error(`${contender.name}: ${String(error)}\n${ring.program.log().slice(-1_500)}`, {
        cause: error,
      });
    } finally {
      await ring.program.stop();
    }
  });
}

async function run(ring: Ring, plan: Plan): Promise<Turn> {
  const { receiver } = ring.arena;
  await receiver.reset();
  const warmUp = span(ring, WARM_UP);
  await commitSingly(ring.started.place, warmUp);
  const warm = await arrived(ring, warmUp.count);
  if (warm.distinct < warmUp.count)
    throw new Error(`of ${warmUp.count} rows to warm up ${warm.distinct} came`);
  const singles = plan.singles === 0 ? null : await backlog(ring, span(ring, plan.singles), commitSingly);
  const atOnce = plan.atOnce === 0 ? null : await backlog(ring, span(ring, plan.atOnce), commitAtOnce);
  const steady: Steady[] = [];
  for (const { rate, seconds } of plan.steady) {
    steady.push(await steadily(ring, span(ring, rate * seconds), rate));
  }
  const bytes = (await usageOf(ring.program.pid)).peakBytes;
  const queueBytes = ring.started.redis === null ? 0 : (await usageOf(ring.started.redis.pid)).peakBytes;
  const killed = plan.killed === 0 ? null : await kill(ring, span(ring, plan.killed));
  return { singles, atOnce, steady, bytes, queueBytes, killed };
}

function span(ring: Ring, count: number): Span {
  const first = ring.next;
  ring.next += count;
  return { first, count };
}

async function backlog(
  ring: Ring,
  rows: Span,
  commit: (place: Started['place'], rows: Span) => Promise<void>,
): Promise<Backlog> {
  const { arena, program, started } = ring;
  await arena.receiver.reset();
  await signalTree(program.pid, 'SIGSTOP');
  await commit(started.place, rows);
  await started.place.sql('checkpoint');
  const before = await usages(ring);
  const start = performance.timeOrigin + performance.now();
  await signalTree(program.pid, 'SIGCONT');
  const stats = await arrived(ring, rows.count);
  const after = await usages(ring);
  const thousands = rows.count / 1_000;
  const seconds = (at: 0 | 1 | 2) => (after[at] - before[at]) / 1_000 / thousands;
  return {
    perSecond: (stats.distinct * 1_000) / (stats.lastAtMs - start),
    cpu: seconds(0),
    queueCpu: seconds(1),
    serverCpu: seconds(2),
    requests: stats.requests,
    bytes: stats.bytes,
    lost: rows.count - stats.distinct,
    duplicates: stats.duplicates,
  };
}

async function usages({ program, started, arena }: Ring): Promise<[number, number, number]> {
  return [
    (await usageOf(program.pid)).cpuMs,
    started.redis === null ? 0 : (await usageOf(started.redis.pid)).cpuMs,
    (await usageOf(arena.serverPid)).cpuMs,
  ];
}

async function steadily(ring: Ring, rows: Span, rate: number): Promise<Steady> {
  const { arena, started } = ring;
  await arena.receiver.reset();
  const achieved = await commitSteadily(started.place, rows, rate);
  const stats = await arrived(ring, rows.count);
  const committed = await commitTimes(started.place, rows);
  const arrivals = await arena.receiver.arrivals();
  const latencies = Array.from(arrivals, ([id, at]) => at - (committed.get(id) ?? Number.NaN)).filter(
    Number.isFinite,
  );
  return {
    rate,
    achieved,
    p50: percentile(latencies, 0.5),
    p95: percentile(latencies, 0.95),
    p99: percentile(latencies, 0.99),
    lost: rows.count - stats.distinct,
    duplicates: stats.duplicates,
  };
}

/** Half of the rows are on their way when it is killed, the others are committed while it is gone. */
async function kill(ring: Ring, rows: Span): Promise<{ lost: number; duplicates: number }> {
  const { arena, contender, started } = ring;
  const half = Math.floor(rows.count / 2);
  await arena.receiver.reset();
  await signalTree(ring.program.pid, 'SIGSTOP');
  await commitSingly(started.place, { first: rows.first, count: half });
  await signalTree(ring.program.pid, 'SIGCONT');
  await arrived(ring, half / 2, 0);
  await ring.program.kill();
  await commitSingly(started.place, { first: rows.first + half, count: rows.count - half });
  ring.program = await contender.start(started.place);
  const stats = await arrived(ring, rows.count);
  return { lost: rows.count - stats.distinct, duplicates: stats.duplicates };
}

/**
 * Waits until so many rows arrived, or none does any more.
 *
 * @param settleMs and then for what comes a second time
 */
async function arrived(ring: Ring, count: number, settleMs = 300): Promise<Stats> {
  const { receiver } = ring.arena;
  const deadline = performance.now() + LIMIT_MS;
  let last = await receiver.stats();
  let movedAt = performance.now();
  while (last.distinct < count) {
    if (ring.program.hasEnded()) throw new Error('it has ended');
    if (performance.now() > deadline || performance.now() - movedAt > STALL_MS) break;
    await sleep(15);
    const stats = await receiver.stats();
    if (stats.requests !== last.requests) movedAt = performance.now();
    last = stats;
  }
  await sleep(settleMs);
  return receiver.stats();
}
