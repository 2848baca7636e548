/**
 * From commit to receiver under a steady load: p50, p95 and p99 at 100, 200, 1,000 and 5,000 changes a
 * second, each change a Transaction of its own. The commit's time is the server's, the arrival's the
 * receiver's, on one clock. Beside it the library with undici as its README has it, which stores nothing in
 * between: the least that reading a slot and sending a request takes.
 */
import { openArena } from './contest/arena.ts';
import type { Contender } from './contest/contender.ts';
import { type Steady, type Turn, takeTurn } from './contest/contest.ts';
import { medianSteady } from './contest/medians.ts';
import { WALHOOK_POSTGRES, WALHOOK_REDIS } from './contest/walhook.ts';
import { buildCommand } from './daemonRun.ts';
import { type Bound, compared, print, type Row, thousands } from './measure.ts';
import { LIBRARY } from './peers/library.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 10);
const RATES = [100, 200, 1_000, 5_000];
const CONTENDERS = [WALHOOK_REDIS, WALHOOK_POSTGRES, LIBRARY];

/** In ms, at 200 changes a second. */
const TARGETS: Readonly<Record<string, Partial<Record<'p50' | 'p95' | 'p99', number>>>> = {
  [WALHOOK_REDIS.name]: { p50: 5, p99: 25 },
  [WALHOOK_POSTGRES.name]: { p50: 15 },
};

export async function benchLatency(): Promise<void> {
  buildCommand();
  await using arena = await openArena(null);
  const turns = new Map<Contender, Turn[]>(CONTENDERS.map((one) => [one, []]));
  const plan = {
    singles: 0,
    atOnce: 0,
    steady: RATES.map((rate) => ({ rate, seconds: SECONDS })),
    killed: 0,
  };
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const contender of CONTENDERS) {
      const turn = await takeTurn(arena, contender, `r${round}_${contender.name.toLowerCase()}`, plan);
      turns.get(contender)?.push(turn);
      print(`round ${round}: ${contender.name} ${turn.steady.map(lineOf).join('; ')}`);
    }
  }
  print(`\nmedians of ${ROUNDS} alternating rounds of ${SECONDS} s`);
  const medians = new Map(
    Array.from(turns, ([contender, list]) => [contender, medianSteady(list.map((turn) => turn.steady))]),
  );
  for (const contender of [WALHOOK_REDIS, WALHOOK_POSTGRES]) {
    for (const [at, ours] of (medians.get(contender) ?? []).entries()) {
      const bare = medians.get(LIBRARY)?.[at];
      if (bare !== undefined) for (const one of rowsOf(contender, ours, bare)) compared(one);
    }
  }
}

function lineOf({ rate, achieved, p50, p99 }: Steady): string {
  return `at ${rate}/s (${thousands(achieved)}/s) p50 ${p50.toFixed(1)} p99 ${p99.toFixed(1)} ms`;
}

function rowsOf(contender: Contender, ours: Steady, bare: Steady): Row[] {
  const fellShort =
    ours.achieved < ours.rate * 0.95 ? `, of which the server made ${thousands(ours.achieved)}` : '';
  return (['p50', 'p95', 'p99'] as const).map((key) => {
    const target = (ours.rate === 200 ? TARGETS[contender.name]?.[key] : undefined) ?? null;
    const kind: Bound | null = target === null ? null : 'at most';
    return {
      what: `${contender.title}, ${thousands(ours.rate)} changes/s${fellShort}: ${key} in ms`,
      ours: `${ours[key].toFixed(1)} ms`,
      bare: `library with undici ${bare[key].toFixed(1)} ms`,
      // Held against the target is what the user waits, not the ratio.
      value: target === null ? ours[key] / bare[key] : ours[key],
      kind,
      target,
    };
  });
}
