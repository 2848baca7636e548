import { afterEach, describe, expect, it, vi } from 'vitest';
import { Scope, Signal, settlesSoonAfter, settlesWithin } from '../../src/core/lifecycle.ts';

afterEach(() => {
  vi.useRealTimers();
});

describe('a scope', () => {
  it('releases in reverse order, one after the other', async () => {
    const scope = new Scope();
    const seen: string[] = [];
    for (const name of ['first', 'second', 'third']) {
      scope.defer(async () => {
        seen.push(`${name} begins`);
        await Promise.resolve();
        seen.push(`${name} ends`);
      });
    }
    await scope.close();
    expect(seen).toEqual([
      'third begins',
      'third ends',
      'second begins',
      'second ends',
      'first begins',
      'first ends',
    ]);
  });

  it('releases everything even when a release throws, and throws the first error at the end', async () => {
    const scope = new Scope();
    const seen: string[] = [];
    scope.defer(() => void seen.push('first'));
    scope.defer(() => Promise.reject(new Error('of the second')));
    scope.defer(() => {
      throw new Error('of the third');
    });
    await expect(scope.close()).rejects.toThrow('of the third');
    expect(seen).toEqual(['first']);
  });

  it('keeps a thrown undefined as an error', async () => {
    const scope = new Scope();
    scope.defer(() => Promise.reject(undefined));
    let threw = false;
    await scope.close().catch(() => {
      threw = true;
    });
    expect(threw).toBe(true);
  });

  it('closes once, however often it is told to', async () => {
    const scope = new Scope();
    let count = 0;
    scope.defer(() => {
      count += 1;
      throw new Error('once');
    });
    await expect(scope.close()).rejects.toThrow('once');
    await scope.close();
    await Promise.all([scope.close(), scope.close()]);
    expect(count).toBe(1);
  });

  it('releases what is registered while it closes', async () => {
    const scope = new Scope();
    const seen: string[] = [];
    scope.defer(() => {
      scope.defer(() => void seen.push('late'));
    });
    await scope.close();
    expect(seen).toEqual(['late']);
  });

  it('closes at the end of its block, also when the block throws', async () => {
    const seen: string[] = [];
    const block = async () => {
      await using scope = new Scope();
      scope.defer(() => void seen.push('released'));
      throw new Error('of the block');
    };
    await expect(block()).rejects.toThrow('of the block');
    expect(seen).toEqual(['released']);
  });
});

describe('settlesWithin', () => {
  it('says that a promise settled in time, and leaves no timer behind', async () => {
    vi.useFakeTimers();
    await expect(settlesWithin(Promise.resolve(1), 1_000)).resolves.toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('says that a promise did not', async () => {
    vi.useFakeTimers();
    const answer = settlesWithin(new Promise(() => undefined), 1_000);
    await vi.advanceTimersByTimeAsync(1_000);
    await expect(answer).resolves.toBe(false);
  });

  it('throws the rejection of a promise that fails in time', async () => {
    await expect(settlesWithin(Promise.reject(new Error('failed')), 1_000)).rejects.toThrow('failed');
  });

  it('swallows the rejection of a promise that fails too late', async () => {
    vi.useFakeTimers();
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    let reject: (error: Error) => void = () => undefined;
    const late = new Promise<void>((_resolve, fail) => {
      reject = fail;
    });
    const answer = settlesWithin(late, 10);
    await vi.advanceTimersByTimeAsync(10);
    await expect(answer).resolves.toBe(false);
    reject(new Error('late'));
    vi.useRealTimers();
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });
});

describe('a signal', () => {
  it('wakes the waiter', async () => {
    const signal = new Signal();
    let woken = false;
    const waiting = signal.wait().then(() => {
      woken = true;
    });
    await Promise.resolve();
    expect(woken).toBe(false);
    signal.raise();
    await waiting;
    expect(woken).toBe(true);
  });

  it('remembers one raise for the next wait, and no more than one', async () => {
    const signal = new Signal();
    signal.raise();
    signal.raise();
    await signal.wait();
    let woken = false;
    void signal.wait().then(() => {
      woken = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(woken).toBe(false);
    signal.raise();
    await new Promise((resolve) => setImmediate(resolve));
    expect(woken).toBe(true);
  });
});

describe('what ends with a signal', () => {
  const never = new Promise<void>(() => undefined);

  it('is waited for as long as it takes while the signal is not aborted', async () => {
    vi.useFakeTimers();
    const stop = new AbortController();
    let end: () => void = () => undefined;
    const work = new Promise<void>((resolve) => {
      end = resolve;
    });
    const ended = settlesSoonAfter(stop.signal, work, 100);
    await vi.advanceTimersByTimeAsync(1_000_000);
    end();
    expect(await ended).toBe(true);
  });

  it.each([
    ['aborted meanwhile', false],
    ['aborted before', true],
  ])('is given up the time after the signal, %s', async (_, isBefore) => {
    vi.useFakeTimers();
    const stop = new AbortController();
    if (isBefore) stop.abort();
    const ended = settlesSoonAfter(stop.signal, never, 100);
    await vi.advanceTimersByTimeAsync(0);
    stop.abort();
    await vi.advanceTimersByTimeAsync(100);
    expect(await ended).toBe(false);
  });

  it('throws what it throws', async () => {
    const failing = settlesSoonAfter(new AbortController().signal, Promise.reject(new Error('no')), 100);
    await expect(failing).rejects.toThrow('no');
  });
});
