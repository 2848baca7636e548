/**
 * `npm run bench -- peers [--only a,b] [--fetch]`: walhook beside others that make webhooks of a database's
 * changes, on one PostgreSQL, under the same loads, to the same receiver, in alternating rounds.
 *
 * What is not on the machine is named and left out; `--fetch` gets it first (several hundred megabytes, into
 * a folder of the user's cache). Linux only.
 */
import { CONNECTIONS, openArena } from '../contest/arena.ts';
import type { Contender } from '../contest/contender.ts';
import { type Backlog, type Plan, type Turn, takeTurn } from '../contest/contest.ts';
import { medianBacklog, medianSteady } from '../contest/medians.ts';
import { WALHOOK_POSTGRES, WALHOOK_REDIS } from '../contest/walhook.ts';
import { buildCommand } from '../daemonRun.ts';
import { compared, median, print, type Row, thousands } from '../measure.ts';
import { BULLMQ } from './bullmq.ts';
import { DEBEZIUM, DEBEZIUM_BATCHED, DEBEZIUM_TUNED } from './debezium.ts';
import { LIBRARY, LIBRARY_WAITING } from './library.ts';
import { NOTIFY } from './notify.ts';
import { PGSTREAM, serverWithWal2Json } from './pgstream.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const CHANGES = Number(process.env['BENCH_CHANGES'] ?? 20_000);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 15);
const RATE = 200;

const ALL: readonly Contender[] = [
  WALHOOK_REDIS,
  WALHOOK_POSTGRES,
  DEBEZIUM,
  DEBEZIUM_TUNED,
  DEBEZIUM_BATCHED,
  PGSTREAM,
  LIBRARY,
  LIBRARY_WAITING,
  NOTIFY,
  BULLMQ,
];

const PLAN: Plan = {
  singles: CHANGES,
  atOnce: CHANGES,
  steady: [{ rate: RATE, seconds: SECONDS }],
  killed: Math.min(CHANGES, 10_000),
};

/** One contender's figures, medians of its turns. */
interface Figures {
  readonly contender: Contender;
  readonly singles: Backlog;
  readonly atOnce: Backlog;
  readonly p50: number;
  readonly p99: number;
  readonly mib: number;
  readonly queueMib: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly killedLost: number;
  readonly killedDuplicates: number;
}

export async function benchPeers(args: readonly string[]): Promise<void> {
  const only = args[args.indexOf('--only') + 1]?.split(',');
  const chosen = ALL.filter(({ name }) => !args.includes('--only') || only?.includes(name));
  if (args.includes('--fetch')) await fetchAll(chosen);
  const contenders: Contender[] = [];
  for (const contender of chosen) {
    const missing = await contender.missing();
    if (missing === null) contenders.push(contender);
    else leftOut(contender, missing);
  }
  buildCommand();
  await using arena = await openArena(contenders.includes(PGSTREAM) ? serverWithWal2Json() : null);
  print(
    `PostgreSQL ${arena.version}, ${CONNECTIONS} connections, ${ROUNDS} rounds of ${thousands(CHANGES)} Transactions of one row, one of ${thousands(CHANGES)} rows, ${SECONDS} s at ${RATE}/s`,
  );
  const turns = new Map<Contender, Turn[]>(contenders.map((contender) => [contender, []]));
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const contender of contenders) {
      try {
        const turn = await takeTurn(arena, contender, `r${round}_${contender.name.toLowerCase()}`, PLAN);
        turns.get(contender)?.push(turn);
        print(`round ${round}: ${lineOf(figures(contender, [turn]))}`);
      } catch (error) {
        print(`round ${round}: ${contender.name} failed: ${String(error)}`);
        leftOut(contender, 'it failed');
      }
    }
  }
  report(
    Array.from(turns, ([contender, list]) => ({ contender, list })).filter(({ list }) => list.length > 0),
  );
}

function leftOut({ title }: Contender, why: string): void {
  compared({ what: `${title}: left out`, ours: '', bare: why, value: null, kind: null, target: null });
}

async function fetchAll(contenders: readonly Contender[]): Promise<void> {
  for (const { name, fetch } of contenders) {
    try {
      await fetch?.();
    } catch (error) {
      print(`${name} could not be fetched: ${String(error)}`);
    }
  }
}

function figures(contender: Contender, turns: readonly Turn[]): Figures {
  const backlogs = (of: (turn: Turn) => Backlog | null) =>
    medianBacklog(turns.map(of).filter((one) => one !== null));
  const singles = backlogs((turn) => turn.singles);
  const atOnce = backlogs((turn) => turn.atOnce);
  const steady = medianSteady(turns.map((turn) => turn.steady));
  const sum = (of: (turn: Turn) => number) => turns.map(of).reduce((total, value) => total + value, 0);
  const unkilled = (of: 'lost' | 'duplicates') => (turn: Turn) =>
    [turn.singles, turn.atOnce, ...turn.steady].reduce((total, one) => total + (one?.[of] ?? 0), 0);
  return {
    contender,
    singles,
    atOnce,
    p50: steady[0]?.p50 ?? Number.NaN,
    p99: steady[0]?.p99 ?? Number.NaN,
    mib: median(turns.map((turn) => turn.bytes)) / 1_048_576,
    queueMib: median(turns.map((turn) => turn.queueBytes)) / 1_048_576,
    lost: sum(unkilled('lost')),
    duplicates: sum(unkilled('duplicates')),
    killedLost: sum((turn) => turn.killed?.lost ?? 0),
    killedDuplicates: sum((turn) => turn.killed?.duplicates ?? 0),
  };
}

function lineOf(of: Figures): string {
  const cpu = [of.singles.cpu, of.singles.queueCpu, of.singles.serverCpu]
    .map((one) => (one * 1_000).toFixed(0))
    .join('+');
  return [
    `${of.contender.name.padEnd(16)} ${thousands(of.singles.perSecond).padStart(6)}/s small`,
    `${thousands(of.atOnce.perSecond).padStart(6)}/s large`,
    `p50 ${of.p50.toFixed(1)} ms`,
    `p99 ${of.p99.toFixed(1)} ms`,
    `${of.mib.toFixed(0)} MiB + queue ${of.queueMib.toFixed(0)} MiB`,
    `CPU ${cpu} ms/1,000`,
    `lost ${of.lost} doubled ${of.duplicates}`,
    `killed: lost ${of.killedLost} doubled ${of.killedDuplicates}`,
  ].join(', ');
}

function report(all: readonly { contender: Contender; list: readonly Turn[] }[]): void {
  const every = all.map(({ contender, list }) => figures(contender, list));
  print(
    `\nmedians of ${ROUNDS} alternating rounds; CPU for 1,000 webhooks: its own + its queue's server + PostgreSQL`,
  );
  for (const one of every) {
    print(`${one.contender.title}`);
    print(`  ${lineOf(one)}`);
    print(
      `  ${(one.singles.bytes / one.singles.requests).toFixed(0)} bytes a request; without ${one.contender.lacks}`,
    );
  }
  print();
  const ours = every.find(({ contender }) => contender === WALHOOK_REDIS);
  if (ours === undefined) return;
  for (const other of every) {
    if (other.contender === WALHOOK_REDIS || other.contender === WALHOOK_POSTGRES) continue;
    for (const one of rowsAgainst(ours, other)) compared(one);
  }
}

/** Those that the targets are about: Debezium without batches, and pgstream. */
const HELD: readonly Contender[] = [DEBEZIUM, DEBEZIUM_TUNED, PGSTREAM];

function rowsAgainst(ours: Figures, other: Figures): Row[] {
  const { name } = other.contender;
  const isHeld = HELD.includes(other.contender);
  const isDebezium = other.contender === DEBEZIUM || other.contender === DEBEZIUM_TUNED;
  const rate = (what: string, of: (one: Figures) => number): Row => ({
    what: `${what}, of ${name}'s`,
    ours: `${thousands(of(ours))}/s`,
    bare: `${thousands(of(other))}/s`,
    value: of(ours) / of(other),
    kind: isHeld ? 'at least' : null,
    target: isHeld ? 3 : null,
  });
  return [
    rate(`webhooks/s, ${thousands(CHANGES)} Transactions`, (one) => one.singles.perSecond),
    rate(`webhooks/s, one Transaction of ${thousands(CHANGES)}`, (one) => one.atOnce.perSecond),
    {
      what: `latency p99 at ${RATE}/s, of ${name}'s`,
      ours: `${ours.p99.toFixed(1)} ms`,
      bare: `${other.p99.toFixed(1)} ms`,
      value: ours.p99 / other.p99,
      kind: isHeld ? 'at most' : null,
      target: isHeld ? 1 : null,
    },
    {
      what: `peak memory, its Redis counted, of ${name}'s`,
      ours: `${(ours.mib + ours.queueMib).toFixed(0)} MiB`,
      bare: `${(other.mib + other.queueMib).toFixed(0)} MiB`,
      value: (ours.mib + ours.queueMib) / (other.mib + other.queueMib),
      kind: isDebezium ? 'at most' : null,
      target: isDebezium ? 0.5 : null,
    },
    {
      what: `CPU per webhook, its queue and PostgreSQL counted, of ${name}'s`,
      ours: `${cpuOf(ours).toFixed(2)} s per 1,000`,
      bare: `${cpuOf(other).toFixed(2)} s per 1,000`,
      value: cpuOf(ours) / cpuOf(other),
      kind: null,
      target: null,
    },
    {
      what: `lost after a kill, beside ${name}`,
      ours: `${ours.killedLost} (${ours.killedDuplicates} doubled)`,
      bare: `${other.killedLost} (${other.killedDuplicates} doubled)`,
      value: ours.killedLost,
      kind: 'at most',
      target: 0,
    },
  ];
}

const cpuOf = ({ singles }: Figures): number => singles.cpu + singles.queueCpu + singles.serverCpu;
