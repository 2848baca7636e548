/** Order by row in both stores: who may be taken when, whatever becomes of those before. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type QueuedDelivery, toBatches } from '../../src/queue/delivery.ts';
import type { ClaimedJob, Outcome } from '../../src/queue/store.ts';
import { deliveries } from '../deliver/webhooks.ts';
import { isQueueMissing, QUEUE_KINDS, type QueueKind } from '../helpers/queue.ts';
import { openStores } from './openStores.ts';
import { ALL_SILENT } from './stores.ts';

const DELIVERED: Outcome = { kind: 'delivered' };
const retryAt = (dueMs: number): Outcome => ({ kind: 'retry', attempts: 1, dueMs });
const FAILED: Outcome = { kind: 'failed', attempts: 1, reason: 'status', detail: '', failedAtMs: 1 };

async function ordered(kind: QueueKind) {
  const stores = await openStores(kind);
  const { store } = stores;
  let at = 0;
  /** Names of Deliveries, in the order in which they were queued. */
  const names = new Map<string, string>();
  const flush = async (all: readonly QueuedDelivery[]) => {
    const [from, to] = [`pos-${at}`, `pos-${at + 1}`];
    at += 1;
    const batches = toBatches('w', all);
    const { fence } = stores;
    await store.flush({ fence, from, to, batches, failed: [], definitions: null });
  };
  const taken = new Map<string, ClaimedJob>();
  return {
    ...stores,
    names,
    /** `a1 b1 ab1`: each a Delivery of the rows that its letters name; `-1` of none. */
    async queue(text: string) {
      const words = text.split(' ');
      const made = deliveries(words.length, 0).map((one, i) => {
        const word = words[i] ?? '';
        names.set(one.eventId, word);
        const rows = word
          .replace(/[-0-9]/g, '')
          .split('')
          .filter(Boolean);
        return rows.length === 0 ? one : { ...one, rows };
      });
      await flush(made);
    },
    /** What a process can take now, by name. */
    async claim(nowMs = 1_000, process = 'p1') {
      const { jobs } = await store.claim({ webhook: 'w', process, maxJobs: 100, nowMs });
      return jobs.map((job) => {
        const name = names.get(job.deliveries[0]?.eventId ?? '') ?? '';
        taken.set(name, job);
        return name;
      });
    },
    async report(name: string, outcome: Outcome, process = 'p1') {
      const job = taken.get(name);
      if (job === undefined) throw new Error(`${name} was not taken`);
      await store.report(process, [{ job, index: 0, outcome, isLast: true }]);
    },
    jobOf: (name: string) => taken.get(name) ?? expect.fail(name),
  };
}

describe.each(QUEUE_KINDS)('rows in order on %s', (kind) => {
  const isSkipped = isQueueMissing(kind);

  it.skipIf(isSkipped)('gives out the first of each row, and the next when that is delivered', async () => {
    await using queue = await ordered(kind);
    await queue.queue('a1 b1 a2 a3 b2 -1 -2');
    expect(await queue.claim()).toEqual(['a1', 'b1', '-1']);
    await queue.queue('a4 c1');
    expect(await queue.claim()).toEqual(['c1']);
    await queue.report('a1', DELIVERED);
    expect(await queue.claim()).toEqual(['a2']);
    await queue.report('b1', FAILED);
    expect(await queue.claim()).toEqual(['b2']);
    await queue.report('a2', DELIVERED);
    expect(await queue.claim()).toEqual(['a3']);
  });

  it.skipIf(isSkipped)('holds a row while its first waits for a retry, and no other', async () => {
    await using queue = await ordered(kind);
    await queue.queue('a1 a2 b1 b2');
    await queue.claim();
    await queue.report('a1', retryAt(5_000));
    await queue.report('b1', DELIVERED);
    expect(await queue.claim(4_999)).toEqual(['b2']);
    await queue.queue('a3');
    expect(await queue.claim(4_999)).toEqual([]);
    expect(await queue.claim(5_000)).toEqual(['a1']);
    await queue.report('a1', retryAt(6_000));
    expect(await queue.claim(5_999)).toEqual([]);
    expect(await queue.claim(6_000)).toEqual(['a1']);
    await queue.report('a1', DELIVERED);
    expect(await queue.claim(6_000)).toEqual(['a2']);
    await queue.report('a2', FAILED);
    expect(await queue.claim(6_000)).toEqual(['a3']);
  });

  it.skipIf(isSkipped)('keeps a Delivery that changes the key between both of its rows', async () => {
    await using queue = await ordered(kind);
    await queue.queue('a1 b1 ab1 a2 b2');
    expect(await queue.claim()).toEqual(['a1', 'b1']);
    await queue.report('a1', DELIVERED);
    expect(await queue.claim()).toEqual([]);
    await queue.report('b1', DELIVERED);
    expect(await queue.claim()).toEqual(['ab1']);
    await queue.report('ab1', retryAt(5_000));
    expect(await queue.claim(4_000)).toEqual([]);
    expect(await queue.claim(5_000)).toEqual(['ab1']);
    await queue.report('ab1', DELIVERED);
    expect(await queue.claim(5_000)).toEqual(['a2', 'b2']);
  });

  it.skipIf(isSkipped)('counts what waits for its row as waiting', async () => {
    await using queue = await ordered(kind);
    await queue.queue('a1 a2 a3');
    await queue.claim();
    expect((await queue.store.counts()).get('w')).toMatchObject({ waiting: 2, active: 1, delayed: 0 });
    await queue.report('a1', retryAt(5_000));
    expect((await queue.store.counts()).get('w')).toMatchObject({ waiting: 2, active: 0, delayed: 1 });
  });

  it.skipIf(isSkipped)('goes on with the first of the row when its process dies', async () => {
    await using queue = await ordered(kind);
    await queue.store.heartbeat('p1', 10_000);
    await queue.queue('a1 a2');
    await queue.claim();
    await queue.store.heartbeat('p2', ALL_SILENT);
    expect(await queue.claim(20_000, 'p2')).toEqual(['a1']);
    // What the dead process says after all changes nothing.
    const job = queue.jobOf('a1');
    await queue.store.report('p1', [{ job, index: 0, outcome: DELIVERED, isLast: true }]);
    expect(await queue.claim(20_000, 'p3')).toEqual([]);
    await queue.store.release('p2', [job]);
    expect(await queue.claim(20_000, 'p3')).toEqual(['a1']);
  });

  it.skipIf(isSkipped)(
    'never gives out a Delivery before what comes before it in its rows',
    { timeout: 120_000 },
    async () => {
      const word = fc.constantFrom('a', 'b', 'c', 'ab', 'bc', 'ca');
      const step = fc.oneof(
        fc.record({
          kind: fc.constant('queue' as const),
          words: fc.array(word, { minLength: 1, maxLength: 6 }),
        }),
        fc.record({ kind: fc.constant('claim' as const) }),
        fc.record({
          kind: fc.constant('report' as const),
          pick: fc.nat(),
          outcome: fc.constantFrom('delivered' as const, 'retry' as const, 'failed' as const),
        }),
        fc.record({ kind: fc.constant('release' as const), pick: fc.nat() }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
          await using queue = await ordered(kind);
          /** Not done, in commit order. */
          const open: string[] = [];
          const held = new Set<string>();
          let n = 0;
          let nowMs = 1_000;
          const claim = async () => {
            for (const name of await queue.claim(nowMs)) {
              const rows = [...name.replace(/[-0-9]/g, '')];
              const before = open.slice(0, open.indexOf(name));
              expect([name, before.filter((other) => rows.some((row) => other.includes(row)))]).toEqual([
                name,
                [],
              ]);
              held.add(name);
            }
          };
          const settle = async (name: string, outcome: 'delivered' | 'retry' | 'failed') => {
            held.delete(name);
            if (outcome !== 'retry') open.splice(open.indexOf(name), 1);
            await queue.report(
              name,
              outcome === 'retry' ? retryAt(nowMs + 5) : outcome === 'failed' ? FAILED : DELIVERED,
            );
          };
          for (const one of steps) {
            nowMs += 3;
            if (one.kind === 'queue') {
              const words = one.words.map((rows, i) => `${rows}${n + i}`);
              n += words.length;
              open.push(...words);
              await queue.queue(words.join(' '));
            } else if (one.kind === 'claim') await claim();
            else {
              const name = [...held][one.pick % Math.max(1, held.size)];
              if (name === undefined) continue;
              if (one.kind === 'report') await settle(name, one.outcome);
              else {
                held.delete(name);
                await queue.store.release('p1', [queue.jobOf(name)]);
              }
            }
          }
          // And all of it comes to an end.
          for (let rounds = 0; open.length > 0; rounds += 1) {
            expect(rounds).toBeLessThan(500);
            nowMs += 10;
            await claim();
            for (const name of held) await settle(name, 'delivered');
          }
          expect(
            (await queue.store.counts()).get('w') ?? { waiting: 0, active: 0, delayed: 0 },
          ).toMatchObject({
            waiting: 0,
            active: 0,
            delayed: 0,
          });
        }),
        { numRuns: 12 },
      );
    },
  );
});
