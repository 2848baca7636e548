import { describe, expect, it } from 'vitest';
import { Swapper } from '../../../src/deliver/flow/swapper.ts';
import type { FlowSwap, FlowSwapped } from '../../../src/queue/flow.ts';

const swapOf = (webhook: string, next = 'next'): FlowSwap => ({ webhook, expected: null, next });

/** A store that notes its calls, and answers each when it is told to. */
function waitingStore() {
  const calls: { readonly swaps: readonly FlowSwap[]; readonly answer: (error?: Error) => void }[] = [];
  return {
    calls,
    webhooks: () => calls.map(({ swaps }) => swaps.map(({ webhook }) => webhook)),
    swapFlows: (swaps: readonly FlowSwap[]) =>
      new Promise<readonly FlowSwapped[]>((resolve, reject) => {
        const answers = swaps.map(({ next }) => ({ isSwapped: true, current: next }));
        const answer = (error?: Error) => (error === undefined ? resolve(answers) : reject(error));
        calls.push({ swaps, answer });
      }),
  };
}

describe('swaps of flow states', () => {
  it('that are asked for together, or while a call is on its way, are one call', async () => {
    const store = waitingStore();
    const swapper = new Swapper(store);
    const first = ['a', 'b'].map((webhook) => swapper.swap(swapOf(webhook, webhook)));
    await Promise.resolve();
    const second = ['c', 'd', 'e'].map((webhook) => swapper.swap(swapOf(webhook, webhook)));
    await Promise.resolve();
    expect(store.webhooks()).toEqual([['a', 'b']]);
    store.calls[0]?.answer();
    expect(await Promise.all(first)).toMatchObject([{ current: 'a' }, { current: 'b' }]);
    expect(store.webhooks()).toEqual([
      ['a', 'b'],
      ['c', 'd', 'e'],
    ]);
    store.calls[1]?.answer();
    expect(await Promise.all(second)).toMatchObject([{ current: 'c' }, { current: 'd' }, { current: 'e' }]);
  });

  it('of one Webhook go one after the other', async () => {
    const store = waitingStore();
    const swapper = new Swapper(store);
    const swaps = [swapOf('a', '1'), swapOf('b'), swapOf('a', '2')].map((swap) => swapper.swap(swap));
    await Promise.resolve();
    store.calls[0]?.answer();
    await swaps[0];
    await Promise.resolve();
    store.calls[1]?.answer();
    expect(await Promise.all(swaps)).toMatchObject([{ current: '1' }, {}, { current: '2' }]);
    expect(store.webhooks()).toEqual([['a', 'b'], ['a']]);
  });

  it('are bounded in one call', async () => {
    const store = waitingStore();
    const swapper = new Swapper(store);
    for (let i = 0; i < 150; i += 1) void swapper.swap(swapOf(`w${i}`));
    await Promise.resolve();
    expect(store.calls.map(({ swaps }) => swaps.length)).toEqual([100]);
  });

  it('that the store refuses are told so, and later ones are asked for again', async () => {
    const store = waitingStore();
    const swapper = new Swapper(store);
    const refused = swapper.swap(swapOf('a'));
    await Promise.resolve();
    store.calls[0]?.answer(new Error('gone'));
    await expect(refused).rejects.toThrow('gone');
    const again = swapper.swap(swapOf('a'));
    await Promise.resolve();
    store.calls[1]?.answer();
    expect(await again).toMatchObject({ isSwapped: true });
  });
});
