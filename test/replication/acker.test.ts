import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LSN_MAX, LSN_ZERO, type Lsn, lsn } from '../../src/core/lsn.ts';
import { Acker } from '../../src/replication/acker.ts';

const at = (value: number): Lsn => lsn(BigInt(value));

describe('what may be acknowledged', () => {
  it('is what the slot has confirmed, until something is settled', () => {
    expect(new Acker(0).confirmable(0)).toBe(LSN_ZERO);
    const acker = new Acker(0, at(50));
    expect(acker.confirmable(1e9)).toBe(50n);
    expect(acker.settled).toBe(50n);
  });

  it('is at once what was settled, without a delay', () => {
    const acker = new Acker(0);
    acker.settle(at(10), 5);
    expect(acker.confirmable(5)).toBe(10n);
    acker.settle(at(20), 5);
    acker.settle(at(30), 6);
    expect(acker.confirmable(6)).toBe(30n);
  });

  it('trails what was settled by the delay', () => {
    const acker = new Acker(2_000);
    acker.settle(at(10), 1_000);
    expect(acker.settled).toBe(10n);
    expect(acker.confirmable(2_999)).toBe(0n);
    expect(acker.confirmable(3_000)).toBe(10n);
    acker.settle(at(20), 3_000);
    expect(acker.confirmable(4_999)).toBe(10n);
    expect(acker.confirmable(9_000)).toBe(20n);
  });

  it('never moves back', () => {
    const acker = new Acker(0, at(50));
    acker.settle(at(40), 0);
    acker.settle(at(50), 0);
    expect(acker.confirmable(0)).toBe(50n);
    acker.settle(at(60), 0);
    expect(acker.confirmable(0)).toBe(60n);
    acker.settle(at(55), 1);
    expect(acker.confirmable(1)).toBe(60n);
    expect(acker.settled).toBe(60n);
  });

  it('holds any position', () => {
    const acker = new Acker(0);
    acker.settle(LSN_MAX, 0);
    expect(acker.confirmable(0)).toBe(LSN_MAX);
  });

  const steps = fc.array(fc.record({ afterMs: fc.nat(3_000), bytes: fc.nat(3), asks: fc.boolean() }), {
    maxLength: 60,
  });

  it('is never what was settled more recently than the delay, though entries are merged', () => {
    fc.assert(
      fc.property(fc.nat(4_000), steps, (delayMs, list) => {
        const acker = new Acker(delayMs);
        const settled: { readonly lsn: Lsn; readonly atMs: number }[] = [];
        let nowMs = 0;
        let position = 0;
        let last = LSN_ZERO;
        for (const { afterMs, bytes, asks } of list) {
          nowMs += afterMs;
          position += bytes;
          acker.settle(at(position), nowMs);
          if (bytes > 0) settled.push({ lsn: at(position), atMs: nowMs });
          if (!asks) continue;
          const confirmed = acker.confirmable(nowMs);
          const oldEnough = settled.filter((one) => one.atMs + delayMs <= nowMs).map((one) => one.lsn);
          expect(confirmed).toBeLessThanOrEqual(oldEnough.at(-1) ?? LSN_ZERO);
          expect(confirmed).toBeGreaterThanOrEqual(last);
          last = confirmed;
        }
      }),
    );
  });

  it('comes within two and a half delays of being settled, however busy the stream is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 4_000 }),
        fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 50, maxLength: 200 }),
        (delayMs, gaps) => {
          const acker = new Acker(delayMs);
          const settled: { readonly lsn: Lsn; readonly atMs: number }[] = [];
          let nowMs = 0;
          gaps.forEach((gap, i) => {
            nowMs += gap;
            acker.settle(at(i + 1), nowMs);
            settled.push({ lsn: at(i + 1), atMs: nowMs });
            const confirmed = acker.confirmable(nowMs);
            const overdue = settled.filter((one) => one.atMs + 2.5 * delayMs < nowMs).at(-1);
            expect(confirmed).toBeGreaterThanOrEqual(overdue?.lsn ?? LSN_ZERO);
          });
          expect(acker.confirmable(nowMs + delayMs)).toBe(at(gaps.length));
        },
      ),
    );
  });
});
