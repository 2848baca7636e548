import { describe, expect, it } from 'vitest';
import { FIRST_PLACES, isWorthAnother, Places, stepped } from '../../../src/deliver/flow/places.ts';

const FEW = { waiting: 18, mayHaveMore: false, isBusy: false };

describe('another place', () => {
  it.each([
    ['nothing waits', 2, 5_000, { ...FEW, waiting: 0 }, false],
    [
      'nothing waits here, and there may be more in the store',
      2,
      1,
      { ...FEW, waiting: 0, mayHaveMore: true },
      false,
    ],
    ['a handful waits for a receiver that answers at once', 2, 1, FEW, false],
    ['a handful waits for a receiver of 2 ms', 2, 2, FEW, true],
    ['a handful waits for a receiver of 20 ms', 2, 20, FEW, true],
    ['the same is in flight over more places already', 36, 20, FEW, false],
    ['one waits for a receiver of 10 ms', 1, 10, { ...FEW, waiting: 1 }, false],
    ['one waits for a receiver of 50 ms', 1, 50, { ...FEW, waiting: 1 }, true],
    ['there may be more in the store', 2, 1, { ...FEW, mayHaveMore: true }, true],
    ['this process is what takes the time', 2, 100, { ...FEW, isBusy: true }, false],
    [
      'this process is busy, and there may be more in the store',
      2,
      1,
      { ...FEW, isBusy: true, mayHaveMore: true },
      true,
    ],
    ['the receiver is slow, however busy this process is', 2, 1_100, { ...FEW, isBusy: true }, true],
  ])('where %s: of %i places and %i ms', (_what, places, requestMs, burden, isWorth) => {
    expect(isWorthAnother(places, requestMs, burden)).toBe(isWorth);
  });

  it('comes with others while nothing is answered, so that a hundred are in use after a dozen steps', () => {
    let [places, steps] = [FIRST_PLACES, 0];
    for (; places < 100; steps += 1) places = stepped(places);
    expect(steps).toBeLessThanOrEqual(12);
  });
});

describe('places', () => {
  it('are never more than may be used', () => {
    const places = new Places();
    expect([0, 1, 8].map((slots) => places.within(slots))).toEqual([0, 1, FIRST_PLACES]);
  });

  it('are one more with each answer where there is a backlog', () => {
    const places = new Places();
    for (let i = 0; i < 4; i += 1) places.ended(1, i, { ...FEW, mayHaveMore: true });
    expect(places.within(100)).toBe(FIRST_PLACES + 4);
  });

  it('stay where answers come at once', () => {
    const places = new Places();
    for (let i = 0; i < 18; i += 1) places.ended(0.5, i, { ...FEW, waiting: 18 - i });
    expect(places.within(8)).toBe(FIRST_PLACES);
  });

  it('go by what requests take on the whole, not by one that was slow', () => {
    const places = new Places();
    for (let i = 0; i < 10; i += 1) places.ended(0.1, i, { ...FEW, waiting: 8 });
    places.ended(5, 40, { ...FEW, waiting: 8 });
    expect(places.within(8)).toBe(FIRST_PLACES);
  });

  it.each([
    ['for less than a step', 19, { ...FEW, waiting: 50 }, FIRST_PLACES],
    ['for a step, with much waiting', 20, { ...FEW, waiting: 50 }, FIRST_PLACES + 1],
    ['for a step, with one waiting', 20, { ...FEW, waiting: 1 }, FIRST_PLACES + 1],
    ['for a step, with nothing waiting', 20, { ...FEW, waiting: 0 }, FIRST_PLACES],
    ['while this process is busy', 100, { ...FEW, isBusy: true }, FIRST_PLACES],
  ])('after nothing was answered %s', (_what, forMs, burden, expected) => {
    const places = new Places();
    places.began(0, 1_000);
    places.began(1, 1_000);
    places.waited(1_000 + forMs, burden);
    expect(places.within(8)).toBe(expected);
  });

  it.each([
    ['stay while their connections are kept', 3_000, FIRST_PLACES + 3],
    ['are few again when their connections are closed', 5_000, FIRST_PLACES],
  ])('%s', (_what, idleMs, expected) => {
    const places = new Places();
    for (let i = 0; i < 3; i += 1) places.ended(1, i, { ...FEW, mayHaveMore: true });
    places.began(0, 2 + idleMs);
    expect(places.within(8)).toBe(expected);
  });
});
