import { describe, expect, it } from 'vitest';
import { Heartbeat } from '../../src/capture/heartbeat.ts';
import { describeBudget, monitor, rateSince } from '../../src/capture/monitor.ts';
import { SILENT } from '../../src/core/logger.ts';
import type { SlotHealth } from '../../src/replication/slotHealth.ts';
import { walBudget } from '../../src/replication/walBudget.ts';
import { ManualClock } from '../helpers/clock.ts';

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

describe('the alert of the budget', () => {
  /** What a connection tells while the slot keeps so many GiB of ten, sample by sample. */
  async function told(samples: readonly number[]): Promise<string[]> {
    const acts: string[] = [];
    const clock = new ManualClock();
    let retained = 0;
    const slotRow = () => ({
      found: true,
      wal_status: 'reserved',
      current_lsn: '0/1',
      retained: String(retained * GIB),
    });
    const pool = {
      query: (text: string) =>
        Promise.resolve({ rows: text.includes('wal_status') ? [slotRow()] : [{ limit_mb: '10240' }] }),
    };
    const alerts = {
      raise: (_kind: string, key: string, message: string) => {
        acts.push(`raise ${key}: ${/: (.*? GiB)/.exec(message)?.[1]}`);
        return Promise.resolve();
      },
      clear: (_kind: string, key: string) => {
        acts.push(`clear ${key}`);
        return Promise.resolve();
      },
    };
    const store = {
      notes: () => Promise.resolve(new Map<string, string>()),
      putNote: () => Promise.resolve(true),
    };
    const common = { pool: pool as never, slot: 's', budgetBytes: null, clock, log: SILENT };
    const heartbeat = new Heartbeat({ ...common, process: 'p' });
    const stop = new AbortController();
    retained = samples[0] ?? 0;
    const running = monitor({ ...common, store, heartbeatMs: null, heartbeat, alerts }, stop.signal);
    for (const next of samples.slice(1)) {
      await clock.advance(9_000);
      retained = next;
      await clock.advance(1_000);
    }
    await clock.advance(1);
    stop.abort();
    await running;
    return acts;
  }

  it('is raised for as long as it is so, and anew at once when it gets worse', async () => {
    expect(await told([1, 6, 6, 9])).toEqual([
      'clear s',
      'clear s',
      'raise s: 6.0 GiB',
      'raise s: 6.0 GiB',
      'clear s',
      'raise s: 9.0 GiB',
    ]);
  });

  it('is cleared when it is fine again, also by the connection that comes next', async () => {
    expect(await told([9, 9, 6, 1, 1])).toEqual([
      'raise s: 9.0 GiB',
      'raise s: 9.0 GiB',
      'raise s: 6.0 GiB',
      'clear s',
    ]);
    expect(await told([1, 1])).toEqual(['clear s']);
  });
});
