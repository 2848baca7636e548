/**
 * From commit to receiver: webhooks a second over a backlog of small Transactions and over one large one,
 * the queue on Redis and in PostgreSQL. Beside them, in the same rounds: a bare undici loop to the same
 * receiver with the same connections and a body as long as ours, which nothing that sends one request per
 * change passes; capture alone, which nothing that reads this slot as we do passes; and the library with
 * undici as its README has it, which keeps nothing.
 */
import { Agent } from 'undici';
import { runCapture, target } from './captureRun.ts';
import { type Arena, CONNECTIONS, openArena } from './contest/arena.ts';
import { type Contender, ensureSlot } from './contest/contender.ts';
import { type Backlog, type Turn, takeTurn } from './contest/contest.ts';
import { commitSingly } from './contest/loads.ts';
import { medianBacklog } from './contest/medians.ts';
import { WALHOOK_POSTGRES, WALHOOK_REDIS } from './contest/walhook.ts';
import { buildCommand } from './daemonRun.ts';
import { compared, median, print, thousands } from './measure.ts';
import { LIBRARY } from './peers/library.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);
const CHANGES = Number(process.env['BENCH_CHANGES'] ?? 20_000);
const CONTENDERS = [WALHOOK_REDIS, WALHOOK_POSTGRES, LIBRARY];

export async function benchEndToEnd(): Promise<void> {
  buildCommand();
  await using arena = await openArena(null);
  const turns = new Map<Contender, Turn[]>(CONTENDERS.map((one) => [one, []]));
  const bare: number[] = [];
  const capture: number[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const contender of CONTENDERS) {
      const plan = { singles: CHANGES, atOnce: CHANGES, steady: [], killed: 0 };
      turns
        .get(contender)
        ?.push(await takeTurn(arena, contender, `r${round}_${contender.name.toLowerCase()}`, plan));
    }
    const last = turns.get(WALHOOK_REDIS)?.at(-1)?.singles;
    bare.push(await bareLoop(arena, Math.round((last?.bytes ?? 0) / (last?.requests ?? 1))));
    capture.push(await captureAlone(arena, `r${round}_capture`));
    const rates = Array.from(
      turns,
      ([{ name }, list]) => `${name} ${thousands(list.at(-1)?.singles?.perSecond ?? 0)}/s`,
    );
    print(
      `round ${round}: ${rates.join(', ')}, bare undici ${thousands(bare.at(-1) ?? 0)}/s, capture alone ${thousands(capture.at(-1) ?? 0)}/s`,
    );
  }
  report(turns, median(bare), median(capture));
}

/** Requests a second. */
async function bareLoop({ receiver }: Arena, bytes: number): Promise<number> {
  await receiver.reset();
  const agent = new Agent({ connections: CONNECTIONS, pipelining: 1 });
  const { origin, pathname } = new URL(receiver.url);
  const headers = { 'content-type': 'application/json' };
  let next = 1;
  const send = async (): Promise<void> => {
    while (next <= CHANGES) {
      const body = `{"name":"row#${next}#"`.padEnd(bytes - 1, ' ').concat('}');
      next += 1;
      const response = await agent.request({ origin, path: pathname, method: 'POST', headers, body });
      await response.body.dump();
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, send));
  const rate = (CHANGES * 1_000) / (performance.now() - start);
  await agent.close();
  return rate;
}

/** From the slot to a store that keeps nothing: Changes a second. */
function captureAlone(arena: Arena, name: string): Promise<number> {
  return arena.use({ usesRedis: false }, name, async ({ place }) => {
    await ensureSlot(place, 'pgoutput');
    await commitSingly(place, { first: 1, count: CHANGES });
    let seen = 0;
    const start = performance.now();
    await runCapture({
      url: place.url,
      slot: place.slot,
      publication: place.publication,
      targets: [target('load', 'load', null)],
      onFlush: ({ batches }) => {
        for (const { size } of batches) seen += size;
        return seen >= CHANGES;
      },
    });
    return (CHANGES * 1_000) / (performance.now() - start);
  });
}

function report(turns: ReadonlyMap<Contender, readonly Turn[]>, bare: number, capture: number): void {
  print(
    `\nmedians of ${ROUNDS} alternating rounds, ${thousands(CHANGES)} webhooks, ${CONNECTIONS} connections`,
  );
  const loads: readonly [string, (turn: Turn) => Backlog | null][] = [
    [`${thousands(CHANGES)} Transactions of one row`, (turn) => turn.singles],
    [`one Transaction of ${thousands(CHANGES)} rows`, (turn) => turn.atOnce],
  ];
  for (const [load, of] of loads) {
    const rate = (contender: Contender): number =>
      medianBacklog((turns.get(contender) ?? []).map(of).filter((one) => one !== null)).perSecond;
    for (const contender of [WALHOOK_REDIS, WALHOOK_POSTGRES]) {
      const others: readonly [string, number][] = [
        ['bare undici', bare],
        ['capture alone', capture],
        ['library with undici, nothing kept', rate(LIBRARY)],
      ];
      for (const [other, otherRate] of others) {
        compared({
          what: `${contender.title}, ${load}: rate, of ${other}'s`,
          ours: `${thousands(rate(contender))}/s`,
          bare: `${thousands(otherRate)}/s`,
          value: rate(contender) / otherRate,
          kind: null,
          target: null,
        });
      }
    }
  }
  for (const contender of [WALHOOK_REDIS, WALHOOK_POSTGRES]) {
    const list = turns.get(contender) ?? [];
    const mib = median(list.map(({ bytes }) => bytes)) / 1_048_576;
    const lost = list.reduce(
      (sum, { singles, atOnce }) => sum + (singles?.lost ?? 0) + (atOnce?.lost ?? 0),
      0,
    );
    compared({
      what: `${contender.title}: peak RSS in MiB`,
      ours: `${mib.toFixed(0)} MiB`,
      bare: null,
      value: mib,
      kind: 'at most',
      target: 180,
    });
    compared({
      what: `${contender.title}: webhooks lost`,
      ours: String(lost),
      bare: null,
      value: lost,
      kind: 'at most',
      target: 0,
    });
  }
}
