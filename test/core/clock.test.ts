import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { ManualClock, settled } from '../helpers/clock.ts';

describe('the system clock', () => {
  it('does not sleep when the signal is aborted already', async () => {
    const startedMs = systemClock.monotonic();
    await systemClock.sleep(60_000, AbortSignal.abort());
    expect(systemClock.monotonic() - startedMs).toBeLessThan(5_000);
  });

  it('wakes without throwing when the signal is aborted', async () => {
    const abort = new AbortController();
    const sleeping = systemClock.sleep(60_000, abort.signal);
    abort.abort();
    await expect(sleeping).resolves.toBeUndefined();
  });

  it('tells wall time and a time that only moves forward', () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000);
    const before = systemClock.monotonic();
    expect(systemClock.monotonic()).toBeGreaterThanOrEqual(before);
  });
});

describe('the clock of the tests', () => {
  it('wakes sleepers in their order, at their time', async () => {
    const clock = new ManualClock(1_000);
    const woken: string[] = [];
    void clock.sleep(200).then(() => woken.push(`b at ${clock.monotonic()}`));
    void clock.sleep(100).then(async () => {
      woken.push(`a at ${clock.monotonic()}`);
      await clock.sleep(50);
      woken.push(`c at ${clock.monotonic()}`);
    });
    await clock.advance(99);
    expect(woken).toEqual([]);
    await clock.advance(101);
    expect(woken).toEqual(['a at 100', 'c at 150', 'b at 200']);
    expect(clock.now()).toBe(1_200);
  });

  it('wakes an aborted sleeper at once', async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    let woken = false;
    void clock.sleep(1_000, abort.signal).then(() => {
      woken = true;
    });
    abort.abort();
    await settled();
    expect(woken).toBe(true);
    expect(clock.sleeping).toBe(0);
  });
});
