import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Ask, type Grant, type Rate, share, withdraw } from '../../../src/deliver/flow/share.ts';
import { decodeFlow, encodeFlow, type FlowState, NO_FLOW } from '../../../src/queue/flow.ts';

const ask = (process: string, more: Partial<Ask> = {}): Ask => ({
  process,
  nowMs: 100_000,
  inUse: 0,
  wants: 8,
  starts: 8,
  concurrency: 8,
  rate: null,
  probeMs: 25_000,
  ended: new Set(),
  ...more,
});

/** Asks one after the other; the state goes from one to the next. */
function asking(...asks: readonly Ask[]): { readonly grants: Grant[]; readonly state: FlowState } {
  let state = NO_FLOW;
  const grants = asks.map((one) => {
    const next = share(state, one);
    state = next.state;
    return next.grant;
  });
  return { grants, state };
}
const slots = (...asks: readonly Ask[]) => asking(...asks).grants.map((grant) => grant.slots);

describe('requests in flight', () => {
  it('are all for one process alone', () => {
    expect(slots(ask('a'))).toEqual([8]);
    expect(slots(ask('a', { wants: 1 }))).toEqual([8]);
  });

  it('are shared when another process asks, as requests end', () => {
    expect(
      slots(ask('a'), ask('b'), ask('a', { inUse: 8 }), ask('b'), ask('a', { inUse: 3 }), ask('b')),
    ).toEqual([8, 0, 8, 0, 4, 4]);
  });

  it('are left to who wants them by who is idle', () => {
    expect(slots(ask('a', { wants: 0 }), ask('b'), ask('a', { wants: 0 }), ask('b'))).toEqual([8, 0, 0, 8]);
  });

  it('are taken from a process that was silent for ten seconds', () => {
    expect(slots(ask('a'), ask('b', { nowMs: 109_999 }))).toEqual([8, 0]);
    expect(slots(ask('a'), ask('b', { nowMs: 110_000 }))).toEqual([8, 8]);
  });

  it('are taken at once from a process that is known to have ended', () => {
    expect(slots(ask('a'), ask('b', { ended: new Set(['a']) }), ask('a'))).toEqual([8, 8, 0]);
  });

  it('are free when a process gives them back', () => {
    const { state } = asking(ask('a'));
    expect(share(withdraw(state, 'a', 1), ask('b')).grant.slots).toBe(8);
  });

  it('go on when there are fewer than processes', () => {
    const one = (process: string, more = {}) => ask(process, { concurrency: 1, wants: 1, ...more });
    expect(slots(one('a'), one('b'), one('a', { inUse: 1 }), one('b'))).toEqual([1, 0, 1, 0]);
  });

  it('are never more than the concurrency, whoever asks when', () => {
    const step = fc.record({
      process: fc.constantFrom('a', 'b', 'c', 'd'),
      wants: fc.integer({ min: 0, max: 12 }),
      used: fc.double({ min: 0, max: 1, noNaN: true }),
      laterMs: fc.integer({ min: 0, max: 4_000 }),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10 }),
        fc.array(step, { maxLength: 60 }),
        (concurrency, steps) => {
          let state = NO_FLOW;
          let nowMs = 0;
          const granted = new Map<string, { slots: number; atMs: number }>();
          for (const { process, wants, used, laterMs } of steps) {
            nowMs += laterMs;
            for (const [name, { atMs }] of granted) if (atMs <= nowMs - 10_000) granted.delete(name);
            const inUse = Math.floor((granted.get(process)?.slots ?? 0) * used);
            const result = share(state, ask(process, { nowMs, wants, inUse, concurrency }));
            state = decodeFlow(encodeFlow(result.state));
            granted.set(process, { slots: result.grant.slots, atMs: nowMs });
            expect(result.grant.slots).toBeGreaterThanOrEqual(inUse);
            const sum = [...granted.values()].reduce((total, one) => total + one.slots, 0);
            expect(sum).toBeLessThanOrEqual(concurrency);
          }
        },
      ),
    );
  });
});

describe('a rate', () => {
  const rate: Rate = { max: 10, perMs: 1_000 };

  it('lets its number start at once, and more when the window has passed', () => {
    const at = (nowMs: number, starts: number) =>
      ask('a', { nowMs, starts, rate, concurrency: 100, wants: 100 });
    const { grants } = asking(
      at(100_000, 7),
      at(100_005, 7),
      at(100_500, 1),
      at(101_009, 1),
      at(101_010, 20),
    );
    expect(grants.map(({ starts }) => starts)).toEqual([7, 3, 0, 0, 10]);
    expect(grants[2]?.startsAgainMs).toBe(101_010);
    expect(grants[0]?.startsAgainMs).toBeNull();
  });

  it('without one, lets anything start', () => {
    expect(asking(ask('a')).grants[0]?.starts).toBe(Number.POSITIVE_INFINITY);
  });

  it('is kept in every window, over all processes', () => {
    const step = fc.record({
      process: fc.constantFrom('a', 'b', 'c'),
      starts: fc.integer({ min: 0, max: 30 }),
      laterMs: fc.integer({ min: 0, max: 700 }),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.constantFrom(100, 250, 1_000, 1_030),
        fc.array(step, { maxLength: 60 }),
        (max, perMs, steps) => {
          let state = NO_FLOW;
          let nowMs = 1_000_003;
          const started: number[] = [];
          for (const { process, starts, laterMs } of steps) {
            nowMs += laterMs;
            const result = share(
              state,
              ask(process, { nowMs, starts, rate: { max, perMs }, concurrency: 99 }),
            );
            state = result.state;
            for (let i = 0; i < result.grant.starts; i += 1) started.push(nowMs);
            expect(started.filter((at) => at > nowMs - perMs).length).toBeLessThanOrEqual(max);
            expect(state.starts.length).toBeLessThanOrEqual(103);
          }
        },
      ),
    );
  });

  it('never stops for good', () => {
    let state = NO_FLOW;
    let total = 0;
    for (let nowMs = 0; nowMs <= 60_000; nowMs += 50) {
      const result = share(state, ask('a', { nowMs, starts: 5, rate }));
      state = result.state;
      total += result.grant.starts;
    }
    expect(total).toBeGreaterThanOrEqual(580);
    expect(total).toBeLessThanOrEqual(610);
  });
});

describe('the state as text', () => {
  it('of another version counts as none', () => {
    expect(decodeFlow('{"v":2,"held":{"a":{"slots":8}}}')).toEqual(NO_FLOW);
    expect(decodeFlow(null)).toEqual(NO_FLOW);
    const { state } = asking(ask('a'));
    expect(decodeFlow(encodeFlow(state))).toEqual(state);
  });
});
