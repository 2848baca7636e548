import { describe, expect, it } from 'vitest';
import { Turns } from '../../src/deliver/turns.ts';
import { settled } from '../helpers/clock.ts';

describe('turns', () => {
  it('let so much be under way at a time, first come first served', async () => {
    const turns = new Turns(2);
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const done = Array.from({ length: 5 }, (_, i) =>
      turns.run(async () => {
        begun.push(i);
        await new Promise<void>((resolve) => ends.push(resolve));
        return i;
      }),
    );
    await settled();
    expect(begun).toEqual([0, 1]);
    ends[1]?.();
    await settled();
    expect(begun).toEqual([0, 1, 2]);
    for (let i = 0; i < 5; i += 1) {
      ends[i]?.();
      await settled();
    }
    expect(await Promise.all(done)).toEqual([0, 1, 2, 3, 4]);
  });

  it('are given on by what fails', async () => {
    const turns = new Turns(1);
    const failing = turns.run(() => Promise.reject(new Error('refused')));
    const next = turns.run(() => Promise.resolve('done'));
    await expect(failing).rejects.toThrow('refused');
    expect(await next).toBe('done');
    expect(await turns.run(() => Promise.resolve('again'))).toBe('again');
  });
});
