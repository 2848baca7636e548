import { describe, expect, it, vi } from 'vitest';
import { FAILPOINTS, failpointFrom, NO_FAILPOINT } from '../../src/core/failpoint.ts';

describe('a failpoint', () => {
  it.each([undefined, ''])('is none for %j', (setting) => {
    expect(failpointFrom(setting, () => undefined)).toBe(NO_FAILPOINT);
  });

  it.each([
    ['after_flush', 1],
    ['after_flush:1', 1],
    ['after_flush:3', 3],
    ['after_flush:03', 3],
  ])('%s strikes when it is reached for the %ith time, and only then', (setting, nth) => {
    const kill = vi.fn();
    const failpoint = failpointFrom(setting, kill);
    for (let times = 1; times <= nth + 3; times += 1) {
      for (const other of FAILPOINTS) if (other !== 'after_flush') failpoint.reach(other);
      failpoint.reach('after_flush');
      expect(kill).toHaveBeenCalledTimes(times >= nth ? 1 : 0);
    }
  });

  it.each([
    'nowhere',
    'after_flush:',
    'after_flush:x',
    'after_flush:-1',
    'after_flush:1.5',
    ':1',
    'constructor',
    'after_flush:0',
    'after_flush:2:3',
  ])('refuses %j', (setting) => {
    expect(() => failpointFrom(setting, () => undefined)).toThrow(RangeError);
  });
});
