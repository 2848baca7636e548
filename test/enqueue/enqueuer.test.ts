import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WalhookError } from '../../src/core/errors.ts';
import { NO_FAILPOINT } from '../../src/core/failpoint.ts';
import { SILENT } from '../../src/core/logger.ts';
import { type Lsn, lsn } from '../../src/core/lsn.ts';
import { Enqueuer, type EnqueuerOptions } from '../../src/enqueue/enqueuer.ts';
import { formatPosition, type Position, parsePosition } from '../../src/enqueue/position.ts';
import { decodePayload, type QueuedDelivery } from '../../src/queue/delivery.ts';
import type { CaptureStore, FailedDelivery, Flush } from '../../src/queue/store.ts';
import { ManualClock, settled } from '../helpers/clock.ts';

/** A store of which a test answers every flush. */
class ScriptedStore implements CaptureStore {
  readonly flushes: Flush[] = [];
  readonly #answers: { resolve: (result: 'done' | 'fenced') => void; reject: (error: unknown) => void }[] =
    [];

  takeFence(): Promise<number> {
    return Promise.resolve(1);
  }

  flush(flush: Flush): Promise<'done' | 'fenced'> {
    this.flushes.push(flush);
    return new Promise((resolve, reject) => this.#answers.push({ resolve, reject }));
  }

  /** Flushes that wait for an answer. */
  get waiting(): number {
    return this.#answers.length;
  }

  async answer(result: 'done' | 'fenced' | Error = 'done'): Promise<void> {
    const next = this.#answers.shift();
    if (next === undefined) throw new Error('no flush waits for an answer');
    if (result instanceof Error) next.reject(result);
    else next.resolve(result);
    await settled();
  }
}

const at = (value: number, index = 0): Position => ({ lsn: lsn(BigInt(value)), index });
const end = (value: number): Lsn => lsn(BigInt(value));
const unreachable = () => new WalhookError('QUEUE_UNREACHABLE', 'gone');

let nextEvent = 0;
function delivery(json = '{"event":"created"}'): QueuedDelivery {
  nextEvent += 1;
  return {
    eventId: `0badcafe-${nextEvent.toString(16).padStart(16, '0')}-00000000-aaaaaaaa`,
    model: 'thing',
    schema: 'public',
    table: 'thing',
    key: '1',
    requestId: null,
    lsn: '0/1',
    xid: 1,
    committedAtMs: 1,
    json,
  };
}

function opened(more: Partial<EnqueuerOptions> = {}) {
  const store = new ScriptedStore();
  const clock = new ManualClock();
  const settledLsns: bigint[] = [];
  const queued: string[][] = [];
  const abort = new AbortController();
  const enqueuer = new Enqueuer({
    store,
    fence: 7,
    position: at(100),
    definitions: null,
    onSettled: (value) => settledLsns.push(value),
    onQueued: (webhooks) => queued.push([...webhooks]),
    clock,
    log: SILENT,
    failpoint: NO_FAILPOINT,
    signal: abort.signal,
    ...more,
  });
  const positions = () =>
    store.flushes.map(({ from, to }) =>
      [parsePosition(from), parsePosition(to)].map((one) => `${one.lsn}.${one.index}`).join(' → '),
    );
  const jsons = (flush: Flush | undefined) =>
    (flush?.batches ?? []).flatMap((batch) =>
      decodePayload(batch.payload).map((one) => `${batch.webhook}:${one.json}`),
    );
  /** Moves the clock and the timers together. */
  const advance = async (ms: number) => {
    vi.advanceTimersByTime(ms);
    await clock.advance(ms);
  };
  return { store, clock, settledLsns, queued, abort, enqueuer, positions, jsons, advance };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('flushing', () => {
  it('begins at once when there is a Delivery, and settles only when it is stored', async () => {
    const { enqueuer, store, settledLsns, queued, positions, jsons } = opened();
    enqueuer.add('w', delivery('{"n":1}'));
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    expect(store.flushes).toHaveLength(1);
    expect(store.flushes[0]).toMatchObject({ fence: 7, definitions: null, failed: [] });
    expect(positions()).toEqual(['100.0 → 110.0']);
    expect(jsons(store.flushes[0])).toEqual(['w:{"n":1}']);
    await settled();
    expect(settledLsns).toEqual([]);
    await store.answer();
    expect(settledLsns).toEqual([110n]);
    expect(queued).toEqual([['w']]);
    expect(store.flushes).toHaveLength(1);
  });

  it('collects what comes while one is on its way, and stores it next', async () => {
    const { enqueuer, store, settledLsns, positions, jsons } = opened();
    enqueuer.add('w', delivery('1'));
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    for (const [i, webhook] of ['w', 'x', 'w'].entries()) {
      enqueuer.add(webhook, delivery(`${i + 2}`));
      enqueuer.advance(at(120 + i * 10), end(120 + i * 10));
      enqueuer.flush();
    }
    expect(store.flushes).toHaveLength(1);
    await store.answer();
    expect(positions()).toEqual(['100.0 → 110.0', '110.0 → 140.0']);
    expect(jsons(store.flushes[1])).toEqual(['w:2', 'w:4', 'x:3']);
    expect(settledLsns).toEqual([110n]);
    await store.answer();
    expect(settledLsns).toEqual([110n, 140n]);
  });

  it('within a Transaction stores how far it has come, and settles nothing of it', async () => {
    const { enqueuer, store, settledLsns, positions } = opened();
    enqueuer.add('w', delivery());
    enqueuer.advance(at(110), end(110));
    enqueuer.add('w', delivery());
    enqueuer.advance(at(200, 5), null);
    enqueuer.flush();
    await store.answer();
    expect(positions()).toEqual(['100.0 → 200.5']);
    expect(settledLsns).toEqual([110n]);
    enqueuer.add('w', delivery());
    enqueuer.advance(at(200, 9), null);
    enqueuer.flush();
    await store.answer();
    expect(settledLsns).toEqual([110n]);
    enqueuer.add('w', delivery());
    enqueuer.advance(at(210), end(210));
    enqueuer.flush();
    await store.answer();
    expect(settledLsns).toEqual([110n, 210n]);
  });

  it('stores definitions with the position that comes after they were published, never with one before', async () => {
    const published: string[] = [];
    const { enqueuer, store } = opened({ onPublished: (definitions) => published.push(definitions) });
    enqueuer.add('w', delivery());
    enqueuer.advance(at(110), end(110));
    // A row of webhooks is read at 120.3, before what was read until 110 is on its way.
    enqueuer.publish('first');
    enqueuer.flush();
    expect(store.flushes.map(({ definitions }) => definitions)).toEqual([null]);
    await store.answer();
    enqueuer.flush();
    expect(store.flushes).toHaveLength(1);
    enqueuer.publish('second');
    enqueuer.advance(at(120, 4), null);
    enqueuer.flush();
    expect(store.flushes[1]).toMatchObject({ to: formatPosition(at(120, 4)), definitions: 'second' });
    expect(published).toEqual([]);
    await store.answer();
    expect(published).toEqual(['second']);
  });

  it('stores what goes ahead of its position without the definitions that come after it', async () => {
    const { enqueuer, store } = opened();
    enqueuer.add('w', delivery());
    enqueuer.publish('later');
    await enqueuer.spill();
    enqueuer.flush();
    expect(store.flushes[0]).toMatchObject({ to: formatPosition(at(100)), definitions: null });
    enqueuer.advance(at(110), end(110));
    await store.answer();
    enqueuer.flush();
    expect(store.flushes[1]).toMatchObject({ to: formatPosition(at(110)), definitions: 'later' });
  });

  it('stores definitions that came while a flush was on its way, though nothing further comes', async () => {
    const { enqueuer, store } = opened();
    enqueuer.add('w', delivery());
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    enqueuer.publish('new');
    enqueuer.advance(at(120), end(120));
    enqueuer.flush();
    await store.answer();
    expect(store.flushes[1]).toMatchObject({ to: formatPosition(at(120)), definitions: 'new' });
  });

  it('begins at the first with the definitions, once', async () => {
    const { enqueuer, store, positions } = opened({ definitions: '{"v":1}' });
    enqueuer.flush();
    expect(store.flushes[0]).toMatchObject({ definitions: '{"v":1}', batches: [] });
    expect(positions()).toEqual(['100.0 → 100.0']);
    await store.answer();
    enqueuer.add('w', delivery());
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    await store.answer();
    expect(store.flushes[1]?.definitions).toBeNull();
  });

  it('does nothing when there is nothing new', async () => {
    const { enqueuer, store, advance } = opened();
    enqueuer.flush();
    enqueuer.advance(at(100), null);
    enqueuer.flush();
    await advance(10_000);
    enqueuer.flush();
    expect(store.flushes).toEqual([]);
  });

  it('stores Deliveries that failed before any request', async () => {
    const { enqueuer, store } = opened();
    const failed: FailedDelivery = {
      webhook: 'w',
      delivery: delivery(),
      reason: 'too_large',
      detail: 'd',
      attempts: 0,
      failedAtMs: 1,
    };
    enqueuer.addFailed(failed);
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    expect(store.flushes[0]).toMatchObject({ batches: [], failed: [failed] });
    await store.answer();
    enqueuer.add('w', delivery());
    enqueuer.advance(at(120), end(120));
    enqueuer.flush();
    expect(store.flushes[1]?.failed).toEqual([]);
  });
});

describe('a position without Deliveries', () => {
  it('is stored at most once a second', async () => {
    const { enqueuer, store, settledLsns, positions, advance } = opened();
    for (let tick = 1; tick <= 50; tick += 1) {
      enqueuer.advance(at(100 + tick), end(100 + tick));
      enqueuer.flush();
      if (store.waiting > 0) await store.answer();
      await advance(100);
    }
    if (store.waiting > 0) await store.answer();
    expect(store.flushes.length).toBeGreaterThanOrEqual(3);
    expect(store.flushes.length).toBeLessThanOrEqual(5);
    expect(positions()[0]).toMatch(/^100\.0 → /);
    expect(settledLsns.length).toBe(store.flushes.length);
  });

  it('is stored within about a second though nothing further comes', async () => {
    const { enqueuer, store, settledLsns, advance } = opened();
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    expect(store.flushes).toHaveLength(0);
    for (let i = 0; i < 21 && store.waiting === 0; i += 1) await advance(100);
    await store.answer();
    expect(settledLsns).toEqual([110n]);
  });

  it('is stored within a Transaction too, of which nothing matches for long', async () => {
    const { enqueuer, store, positions, advance } = opened();
    for (const index of [5, 9]) {
      enqueuer.advance(at(200, index), null);
      enqueuer.flush();
      for (let i = 0; i < 21 && store.waiting === 0; i += 1) await advance(100);
      await store.answer();
    }
    expect(positions()).toEqual(['100.0 → 200.5', '200.5 → 200.9']);
  });

  it('is stored too when it came while a flush was on its way', async () => {
    const { enqueuer, store, settledLsns, positions, advance } = opened();
    enqueuer.add('w', delivery());
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    enqueuer.advance(at(120), end(120));
    enqueuer.flush();
    await store.answer();
    for (let i = 0; i < 21 && store.waiting === 0; i += 1) await advance(100);
    await store.answer();
    expect(positions()).toEqual(['100.0 → 110.0', '110.0 → 120.0']);
    expect(settledLsns).toEqual([110n, 120n]);
    enqueuer.add('w', delivery());
    enqueuer.advance(at(130), end(130));
    enqueuer.flush();
    enqueuer.advance(at(140), end(140));
    enqueuer.stop();
    await store.answer();
    await advance(5_000);
    expect(store.flushes).toHaveLength(3);
  });

  it('travels with the next Delivery at once', async () => {
    const { enqueuer, store, settledLsns } = opened();
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    enqueuer.add('w', delivery());
    enqueuer.advance(at(120), end(120));
    enqueuer.flush();
    await store.answer();
    expect(settledLsns).toEqual([120n]);
  });

  it('is forgotten by a stopped enqueuer', async () => {
    const { enqueuer, store, advance } = opened();
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    enqueuer.stop();
    enqueuer.stop();
    await advance(5_000);
    expect(store.flushes).toEqual([]);
  });
});

describe('a stream that is read again', () => {
  it('settles at once what the store has had all along', () => {
    const { enqueuer, store, settledLsns } = opened();
    enqueuer.advance(at(50, 3), null);
    enqueuer.advance(at(60), end(60));
    enqueuer.advance(at(100), end(100));
    expect(settledLsns).toEqual([60n, 100n]);
    enqueuer.flush();
    expect(store.flushes).toEqual([]);
  });

  it('does not settle what is only on its way', async () => {
    const { enqueuer, store, settledLsns } = opened();
    enqueuer.add('w', delivery());
    enqueuer.advance(at(120), end(120));
    enqueuer.flush();
    enqueuer.advance(at(110), end(110));
    expect(settledLsns).toEqual([]);
    await store.answer();
    expect(settledLsns).toEqual([120n]);
  });

  it('never moves the position back', async () => {
    const { enqueuer, store, positions } = opened();
    enqueuer.add('w', delivery());
    enqueuer.advance(at(200, 5), null);
    enqueuer.advance(at(200, 3), null);
    enqueuer.advance(at(150), end(150));
    enqueuer.flush();
    await store.answer();
    expect(positions()).toEqual(['100.0 → 200.5']);
  });
});

describe('what waits', () => {
  it('is bounded by its number: ready waits for the flush under way', async () => {
    const { enqueuer, store } = opened();
    enqueuer.add('w', delivery());
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    for (let i = 0; i < 4_999; i += 1) enqueuer.add('w', delivery());
    await enqueuer.ready();
    enqueuer.add('w', delivery());
    enqueuer.advance(at(120), end(120));
    let isReady = false;
    const ready = enqueuer.ready().then(() => {
      isReady = true;
    });
    await settled();
    expect(isReady).toBe(false);
    await store.answer();
    await store.answer();
    await ready;
    expect(isReady).toBe(true);
  });

  it('is bounded by its bytes', async () => {
    const { enqueuer, store } = opened();
    enqueuer.add('w', delivery());
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    enqueuer.addFailed({
      webhook: 'w',
      delivery: delivery('x'.repeat(4 * 1_048_576)),
      reason: 'r',
      detail: 'd',
      attempts: 0,
      failedAtMs: 1,
    });
    enqueuer.advance(at(120), end(120));
    let isReady = false;
    void enqueuer.ready().then(() => {
      isReady = true;
    });
    await settled();
    expect(isReady).toBe(false);
    await store.answer();
    await store.answer();
    expect(isReady).toBe(true);
  });

  // Also between the last look at what waits and the end of the run.
  it('is never forgotten, whenever the answer comes', async () => {
    for (let hops = 0; hops < 12; hops += 1) {
      const { enqueuer, store } = opened();
      enqueuer.add('w', delivery());
      enqueuer.advance(at(110), end(110));
      enqueuer.flush();
      const answered = store.answer();
      for (let hop = 0; hop < hops; hop += 1) await Promise.resolve();
      enqueuer.add('w', delivery());
      enqueuer.advance(at(120), end(120));
      enqueuer.flush();
      await answered;
      expect(store.flushes, `after ${hops} turns`).toHaveLength(2);
    }
  });
});

describe('a store that does not answer', () => {
  it('gets the same flush again until it is stored, with from and to as they were', async () => {
    const { enqueuer, store, clock, settledLsns, positions, jsons } = opened({ definitions: 'd' });
    enqueuer.add('w', delivery('1'));
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    await store.answer(unreachable());
    enqueuer.add('w', delivery('2'));
    enqueuer.advance(at(120), end(120));
    enqueuer.flush();
    for (let tries = 0; tries < 5; tries += 1) {
      await clock.advance(5_000);
      await store.answer(unreachable());
    }
    await clock.advance(5_000);
    expect(new Set(store.flushes)).toEqual(new Set([store.flushes[0]]));
    expect(settledLsns).toEqual([]);
    await store.answer();
    expect(positions().slice(-2)).toEqual(['100.0 → 110.0', '110.0 → 120.0']);
    expect(jsons(store.flushes.at(-1))).toEqual(['w:2']);
    await store.answer();
    expect(settledLsns).toEqual([110n, 120n]);
  });

  it('is asked less and less often', async () => {
    const { enqueuer, store, clock } = opened();
    enqueuer.add('w', delivery());
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    const asked: number[] = [];
    for (let tries = 0; tries < 10; tries += 1) {
      await store.answer(unreachable());
      const sinceMs = clock.monotonic();
      while (store.waiting === 0) await clock.advance(25);
      asked.push(clock.monotonic() - sinceMs);
    }
    expect(asked[0]).toBeLessThanOrEqual(125);
    expect(Math.max(...asked)).toBeLessThanOrEqual(5_025);
    expect(asked.at(-1)).toBeGreaterThanOrEqual(2_500);
  });

  it('ends the enqueuer when the daemon stops meanwhile', async () => {
    const { enqueuer, store, abort } = opened();
    enqueuer.add('w', delivery());
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    abort.abort();
    await store.answer(unreachable());
    await expect(enqueuer.ready()).rejects.toMatchObject({ code: 'QUEUE_UNREACHABLE' });
    await expect(enqueuer.drain()).rejects.toMatchObject({ code: 'QUEUE_UNREACHABLE' });
  });
});

describe('a store that refuses', () => {
  it.each([
    ['another daemon captures', 'fenced', 'QUEUE_FENCED'],
    ['of a reason of its own', new WalhookError('QUEUE_VERSION', 'newer'), 'QUEUE_VERSION'],
    ['of an unknown reason', new Error('odd'), 'UNEXPECTED'],
  ] as const)('because %s ends the enqueuer, and settles nothing', async (_what, answer, code) => {
    const { enqueuer, store, settledLsns, queued } = opened();
    enqueuer.add('w', delivery());
    enqueuer.advance(at(110), end(110));
    enqueuer.flush();
    await store.answer(answer);
    await expect(enqueuer.ready()).rejects.toMatchObject({ code });
    enqueuer.add('w', delivery());
    enqueuer.advance(at(120), end(120));
    enqueuer.flush();
    await expect(enqueuer.drain()).rejects.toMatchObject({ code });
    expect(store.flushes).toHaveLength(1);
    expect(settledLsns).toEqual([]);
    expect(queued).toEqual([]);
  });
});

describe('draining', () => {
  async function drained(of: ReturnType<typeof opened>): Promise<void> {
    const draining = of.enqueuer.drain();
    await settled();
    while (of.store.waiting > 0) await of.store.answer();
    await draining;
  }

  it('stores what was added and a position that is not due yet', async () => {
    const of = opened();
    of.enqueuer.add('w', delivery());
    of.enqueuer.advance(at(110), end(110));
    await drained(of);
    of.enqueuer.advance(at(120), end(120));
    of.enqueuer.flush();
    await drained(of);
    expect(of.settledLsns).toEqual([110n, 120n]);
  });

  it('stores everything also when the daemon stops', async () => {
    const of = opened();
    of.enqueuer.add('w', delivery('1'));
    of.enqueuer.advance(at(110), end(110));
    of.enqueuer.flush();
    of.enqueuer.add('w', delivery('2'));
    of.enqueuer.advance(at(120), end(120));
    of.abort.abort();
    await drained(of);
    expect(of.settledLsns).toEqual([110n, 120n]);
  });

  it('stores nothing when there is nothing', async () => {
    const of = opened();
    await drained(of);
    expect(of.store.flushes).toEqual([]);
  });

  // The signal is aborted whenever capture drains.
  it('stores a position that came while the last flush was on its way, though the daemon stops', async () => {
    const of = opened();
    of.enqueuer.add('w', delivery());
    of.enqueuer.advance(at(110), end(110));
    of.enqueuer.flush();
    of.enqueuer.advance(at(120), end(120));
    of.abort.abort();
    await drained(of);
    expect(of.settledLsns).toEqual([110n, 120n]);
  });
});

describe('whatever the store does', () => {
  it('flushes follow one another without a gap, and nothing is settled before it is stored', async () => {
    const step = fc.oneof(
      { arbitrary: fc.record({ kind: fc.constant('commit' as const), deliveries: fc.nat(3) }), weight: 4 },
      {
        arbitrary: fc.record({
          kind: fc.constant('part' as const),
          deliveries: fc.integer({ min: 1, max: 3 }),
        }),
        weight: 2,
      },
      {
        arbitrary: fc.record({ kind: fc.constant('answer' as const), deliveries: fc.constant(0) }),
        weight: 3,
      },
      { arbitrary: fc.record({ kind: fc.constant('fail' as const), deliveries: fc.constant(0) }), weight: 1 },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const { enqueuer, store, clock, settledLsns, jsons } = opened();
        const added: { json: string; end: bigint }[] = [];
        let commit = 110;
        let index = 0;
        for (const { kind, deliveries } of steps) {
          if (kind === 'answer' || kind === 'fail') {
            if (store.waiting > 0) await store.answer(kind === 'fail' ? unreachable() : 'done');
            if (kind === 'fail') await clock.advance(5_000);
          } else {
            for (let i = 0; i < deliveries; i += 1) {
              const json = `${added.length}`;
              added.push({ json: `w:${json}`, end: BigInt(commit + 5) });
              enqueuer.add('w', delivery(json));
            }
            index += deliveries;
            if (kind === 'part') {
              enqueuer.advance(at(commit, index), null);
            } else {
              enqueuer.advance(at(commit + 5), end(commit + 5));
              commit += 10;
              index = 0;
            }
            enqueuer.flush();
          }
        }
        while (store.waiting > 0) {
          await store.answer();
          await clock.advance(5_000);
        }
        const draining = enqueuer.drain();
        await settled();
        while (store.waiting > 0) await store.answer();
        await draining;

        // Distinct flushes, as a store that refuses what it has already would take them.
        const stored = store.flushes.filter((flush, i) => store.flushes.indexOf(flush) === i);
        stored.forEach((flush, i) => {
          expect(flush.from).toBe(i === 0 ? formatPosition(at(100)) : stored[i - 1]?.to);
        });
        expect(stored.flatMap(jsons)).toEqual(added.map(({ json }) => json));
        expect(settledLsns).toEqual(settledLsns.toSorted((a, b) => (a < b ? -1 : 1)));
        const complete = added.filter(({ end: of }) => of < BigInt(commit));
        if (complete.length > 0)
          expect(settledLsns.at(-1)).toBeGreaterThanOrEqual(complete.at(-1)?.end ?? 0n);
      }),
      { numRuns: 40 },
    );
  });
});
