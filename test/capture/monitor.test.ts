import { describe, expect, it } from 'vitest';
import { describeBudget, rateSince } from '../../src/capture/monitor.ts';
import type { SlotHealth } from '../../src/replication/slotHealth.ts';
import { walBudget } from '../../src/replication/walBudget.ts';

const GIB = 1_073_741_824;
const health = (more: Partial<SlotHealth> = {}): SlotHealth => ({
  safeWalBytes: null,
  walLimitBytes: null,
  invalidationReason: null,
  catalogXminAge: null,
  spilledBytes: 0,
  oldestTransaction: null,
  ...more,
});
const budget = (retainedBytes: number, bytesPerSecond: number | null = null) =>
  walBudget({ retainedBytes, limitBytes: 10 * GIB, budgetBytes: null, safeWalBytes: null, bytesPerSecond });

describe('the budget in words', () => {
  it('says how much of how much, and for how long', () => {
    expect(describeBudget(budget(6 * GIB, GIB / 60), 6 * GIB, health())).toBe(
      'the slot keeps WAL: 6.0 GiB of 10.0 GiB, 4m left at the present rate',
    );
  });

  it('names the transaction that holds the slot back, once it is old', () => {
    const oldestTransaction = { pid: 42, user: 'app', application: 'batch', ageSeconds: 7_200 };
    expect(describeBudget(budget(10 * GIB), 10 * GIB, health({ oldestTransaction }))).toBe(
      'the slot has used up its WAL budget: 10.0 GiB of 10.0 GiB; a transaction open for 2h (pid 42, app) keeps it from moving',
    );
    const young = { ...oldestTransaction, ageSeconds: 5 };
    expect(describeBudget(budget(5 * GIB), 5 * GIB, health({ oldestTransaction: young }))).not.toContain(
      'pid',
    );
  });

  it('says where there is none', () => {
    const none = walBudget({
      retainedBytes: GIB,
      limitBytes: null,
      budgetBytes: null,
      safeWalBytes: null,
      bytesPerSecond: 5,
    });
    expect(describeBudget(none, GIB, health())).toContain('without a limit');
  });
});

describe('the rate since a note', () => {
  const note = { atMs: 10_000, lsn: 'ff', walBytesPerSecond: 7, heartbeatAtMs: null, heartbeatLagMs: null };

  it('is that of the note while it is fresh, and measured anew after', () => {
    expect(rateSince(note, 0xffn, 10_500)).toBe(7);
    expect(rateSince(note, 0xffn + 1_000n, 20_000)).toBe(100);
  });
});
