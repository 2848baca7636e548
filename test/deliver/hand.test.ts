import { describe, expect, it } from 'vitest';
import { Hand, type Item } from '../../src/deliver/hand.ts';
import type { ClaimedJob } from '../../src/queue/store.ts';
import { deliveries } from './webhooks.ts';

const job = (id: string, count: number, more: Partial<ClaimedJob> = {}): ClaimedJob => ({
  id,
  webhook: 'w',
  attempts: 0,
  deliveries: deliveries(count, 0),
  done: 0,
  ...more,
});
const begun = (hand: Hand, places: number, count: number) =>
  Array.from({ length: count }, () => hand.begin(places)).filter((item): item is Item => item !== null);
const names = (items: readonly Item[]) => items.map((item) => `${item.job.claimed.id}${item.index}`);

describe('the jobs in hand', () => {
  it('are begun in their order, but for what is done of them', () => {
    const hand = new Hand();
    hand.take(job('a', 3, { done: 0b010 }));
    hand.take(job('b', 1));
    expect([hand.waiting, names(begun(hand, 8, 9))]).toEqual([3, ['a0', 'a2', 'b0']]);
  });

  it('are last when nothing of them is left', () => {
    const hand = new Hand();
    hand.take(job('a', 2));
    const [one, two] = begun(hand, 8, 2) as [Item, Item];
    expect(hand.end(two, true)).toEqual({ isLast: false, isReturned: false });
    expect(hand.end(one, true)).toEqual({ isLast: true, isReturned: false });
    expect([hand.jobIds, hand.inFlight]).toEqual([[], 0]);
  });

  it('go back at once where nothing is in flight, else after that', () => {
    const hand = new Hand();
    hand.take(job('a', 3));
    hand.take(job('b', 3));
    const [one] = begun(hand, 8, 1) as [Item];
    expect(hand.drop().map(({ id }) => id)).toEqual(['b']);
    expect([hand.waiting, hand.jobIds]).toEqual([0, ['a']]);
    expect(hand.drop()).toEqual([]);
    expect(hand.end(one, true)).toEqual({ isLast: false, isReturned: true });
    expect(hand.jobIds).toEqual([]);
  });

  it('cut off at the end stay as they are', () => {
    const hand = new Hand();
    hand.take(job('a', 1));
    const [one] = begun(hand, 8, 1) as [Item];
    expect(hand.end(one, false)).toEqual({ isLast: false, isReturned: false });
    expect(hand.jobIds).toEqual(['a']);
  });

  it('never have retries in every place: a first try finds one', () => {
    const hand = new Hand();
    for (let i = 0; i < 20; i += 1) hand.take(job(`r${i}`, 1, { attempts: 3 }));
    expect(begun(hand, 8, 20)).toHaveLength(6);
    hand.take(job('new', 1));
    expect(names(begun(hand, 8, 5))).toEqual(['new0']);
    expect(hand.waiting).toBe(14);
  });

  it('give every fourth place to a retry, so that first tries do not starve it', () => {
    const hand = new Hand();
    hand.take(job('a', 25));
    hand.take(job('r', 1, { attempts: 1 }));
    hand.take(job('s', 1, { attempts: 1 }));
    expect(names(begun(hand, 8, 8))).toEqual(['a0', 'a1', 'a2', 'r0', 'a3', 'a4', 'a5', 's0']);
  });

  it('let retries go out one by one where there is one place', () => {
    const hand = new Hand();
    hand.take(job('r', 1, { attempts: 1 }));
    expect(begun(hand, 1, 1)).toHaveLength(1);
  });
});

describe('a Delivery that was cancelled', () => {
  it('is not begun, and is the last of its job where nothing else is left', () => {
    const hand = new Hand();
    hand.take(job('a', 3));
    const [one] = begun(hand, 8, 1) as [Item];
    expect(hand.cancel('a', 0b111).map(({ index, isLast }) => [index, isLast])).toEqual([
      [1, false],
      [2, false],
    ]);
    expect(hand.begin(8)).toBeNull();
    expect(hand.end(one, true).isLast).toBe(true);
    hand.take(job('b', 1));
    expect(hand.cancel('b', 1).map(({ isLast }) => isLast)).toEqual([true]);
    expect([hand.jobIds, hand.cancel('b', 1), hand.cancel('unknown', 1)]).toEqual([[], [], []]);
  });
});
