/**
 * A process that delivers is stopped for longer than its time to live, while another takes over, and goes on: what
 * it had in hand is the other's by then.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startDaemon } from '../helpers/command.ts';
import { isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { until } from '../helpers/until.ts';
import { openScenario } from './fixture.ts';

const ROWS = 12;
const CONCURRENCY = 4;
/** More than the ten seconds after which a process is taken for dead. */
const STOPPED_MS = 13_000;
/**
 * An answer is recorded some tens of milliseconds after it came, on a loaded machine later: what had been answered so
 * shortly before the stop may come again, and nothing that is older.
 */
const RECORDED_WITHIN_MS = 2_000;

describe.each(QUEUE_KINDS)('an ordered Webhook of the %s queue', (kind) => {
  it.skipIf(isQueueMissing(kind))(
    'is sent nothing twice and nothing out of order by a process that was stopped and goes on',
    { timeout: 180_000 },
    async () => {
      await using scenario = await openScenario({
        queue: kind,
        webhook: { events: ['created', 'updated'], ordering: 'row', concurrency: CONCURRENCY },
      });
      const { database, sink, file } = scenario;
      /** By row: numbers in the order of their arrival. */
      const arrived = new Map<number, number[]>();
      /** By row and number: when it came for the first time, and the number of requests after that. */
      const firsts = new Map<string, { readonly atMs: number; repeats: number }>();
      let busy = 0;
      sink.answerWith((request, response) => {
        const { data } = JSON.parse(request.body) as { data: { id: number; writer: number } };
        arrived.set(data.id, [...(arrived.get(data.id) ?? []), data.writer]);
        const first = firsts.get(`${data.id}:${data.writer}`);
        if (first === undefined) {
          firsts.set(`${data.id}:${data.writer}`, { atMs: performance.now(), repeats: 0 });
        } else {
          first.repeats += 1;
        }
        busy += 1;
        setTimeout(() => {
          busy -= 1;
          response.end();
        }, 40);
      });
      const update = async (from: number, to: number) => {
        for (let n = from; n <= to; n += 1) await database.client.query('update op set writer = $1', [n]);
      };
      const last = (row: readonly number[]) => row.at(-1) ?? 0;
      const areAllAt = (n: number) =>
        arrived.size === ROWS && [...arrived.values()].every((row) => last(row) === n);
      const total = () => [...arrived.values()].reduce((sum, row) => sum + row.length, 0);

      scenario.daemon();
      await using stopped = startDaemon(['-c', file, '--role', 'deliver']);
      await database.client.query(`insert into op select id, 0, 'x' from generate_series(1, ${ROWS}) id`);
      await until(() => areAllAt(0), { timeoutMs: 40_000 });
      await stopped.untilLogged('delivering', 20_000).catch(() => undefined);
      await update(1, 40);
      const before = total();
      await until(() => total() > before + 60, { timeoutMs: 40_000 });
      const atStop = total();
      const stoppedAtMs = performance.now();
      stopped.kill('SIGSTOP');
      try {
        await wait(STOPPED_MS);
        await until(() => areAllAt(40), { timeoutMs: 60_000, what: 'all taken over' });
        await until(() => busy === 0);
      } finally {
        // A process that stands still would not end either.
        stopped.kill('SIGCONT');
      }
      const untilResumed = total();
      expect(untilResumed).toBeGreaterThan(atStop);
      // What it would send late it sends at once; and it goes on delivering.
      await wait(4_000);
      expect(total()).toBe(untilResumed);
      expect(stopped.hasEnded()).toBe(false);
      await update(41, 50);
      await until(() => areAllAt(50), { timeoutMs: 40_000 });

      const wrong = [...arrived].flatMap(([row, numbers]) =>
        numbers.flatMap((n, i) => {
          const previous = numbers[i - 1] ?? -1;
          // A request whose answer was never recorded is made again: by the other, as the next of its row.
          return n === previous || n === previous + 1 ? [] : [`row ${row}: ${n} after ${previous}`];
        }),
      );
      expect(wrong).toEqual([]);
      const repeated = [...firsts].filter(([, { repeats }]) => repeats > 0);
      // The next of a row is free only when the one before it is recorded: one of each row was open at most.
      const rows = repeated.map(([id]) => id.split(':')[0]);
      expect(new Set(rows).size).toBe(rows.length);
      // Once each, and only what the stopped process had in flight, or had not recorded yet.
      expect(repeated.filter(([, { repeats }]) => repeats > 1)).toEqual([]);
      expect(repeated.filter(([, { atMs }]) => atMs < stoppedAtMs - RECORDED_WITHIN_MS)).toEqual([]);
      expect(repeated.filter(([, { atMs }]) => atMs > stoppedAtMs + 1_000)).toEqual([]);
    },
  );
});
