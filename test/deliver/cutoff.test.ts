import { afterEach, describe, expect, it, vi } from 'vitest';
import { Cutoff } from '../../src/deliver/cutoff.ts';

afterEach(() => void vi.useRealTimers());

function started() {
  vi.useFakeTimers({ now: 0, toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const cutoff = new Cutoff();
  const abort = new AbortController();
  const cuts: [name: string, atMs: number][] = [];
  const watch = (name: string, timeoutMs: number, { signal } = abort) => {
    const request = {
      deadlineMs: performance.now() + timeoutMs,
      cut() {
        cuts.push([name, performance.now()]);
        cutoff.forget(signal, request);
      },
    };
    cutoff.watch(signal, request);
    return { forget: () => cutoff.forget(signal, request) };
  };
  return { cutoff, abort, cuts, watch };
}

describe('requests are cut off', () => {
  it('each at its own deadline', () => {
    const { cuts, watch } = started();
    watch('slow', 500);
    vi.advanceTimersByTime(100);
    watch('quick', 50);
    watch('slower', 900);
    vi.advanceTimersByTime(5_000);
    expect(cuts).toEqual([
      ['quick', 150],
      ['slow', 500],
      ['slower', 1_000],
    ]);
    watch('later', 10);
    vi.advanceTimersByTime(10);
    expect(cuts.at(-1)).toEqual(['later', 5_110]);
  });

  it('not once they are over', () => {
    const { cuts, watch } = started();
    watch('answered', 100).forget();
    watch('other', 200);
    vi.advanceTimersByTime(1_000);
    expect(cuts).toEqual([['other', 200]]);
  });

  it('by one timer, which ends when there is nothing left to wait for', () => {
    const { watch } = started();
    for (let i = 0; i < 10; i += 1) watch(`${i}`, 100).forget();
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(100);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('all of a signal at once when it is aborted, and those of others not', () => {
    const { abort, cuts, watch } = started();
    watch('one', 100);
    watch('another', 100, new AbortController());
    watch('two', 100);
    abort.abort();
    expect(cuts.map(([name]) => name)).toEqual(['one', 'two']);
  });

  it('no more when it is closed', () => {
    const { cutoff, abort, cuts, watch } = started();
    watch('one', 100);
    cutoff.close();
    abort.abort();
    vi.advanceTimersByTime(1_000);
    expect(cuts).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
