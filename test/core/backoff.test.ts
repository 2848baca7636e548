import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs, scheduledDelayMs } from '../../src/core/backoff.ts';

const random = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

describe('exponential backoff', () => {
  const options = { firstMs: 100, maxMs: 5_000 };

  it.each([
    [1, 0, 50],
    [1, 0.999999, 100],
    [2, 0, 100],
    [2, 0.5, 150],
    [6, 0, 1_600],
    [7, 0, 2_500],
    [100, 0, 2_500],
    [100, 0.999999, 5_000],
    [0, 0, 50],
  ])('waits before try %i with random %d: %i ms', (attempt, chance, ms) => {
    expect(backoffMs(attempt, options, chance)).toBe(ms);
  });

  it('lies between half of the step and the step, and never above the most', () => {
    fc.assert(
      fc.property(
        fc.nat(2_000),
        fc.nat(60_000),
        fc.nat(600_000),
        random,
        (attempt, firstMs, maxMs, chance) => {
          const full = Math.min(maxMs, firstMs * 2 ** Math.min(Math.max(attempt - 1, 0), 30));
          const delay = backoffMs(attempt, { firstMs, maxMs }, chance);
          expect(delay).toBeGreaterThanOrEqual(Math.floor(full / 2));
          expect(delay).toBeLessThanOrEqual(full);
        },
      ),
    );
  });
});

describe('a retry schedule', () => {
  const schedule = [5_000, 30_000, 200, 0];

  it.each([
    [1, 0, 2_500],
    [1, 0.999999, 5_000],
    [2, 0, 15_000],
    [3, 0, 200],
    [3, 0.999999, 200],
    [4, 0.5, 0],
    [5, 0, null],
    [99, 0, null],
  ])('waits after failed Attempt %i with random %d: %s ms', (attempt, chance, ms) => {
    expect(scheduledDelayMs(schedule, attempt, chance)).toBe(ms);
  });

  it('is used up at once when it is empty', () => {
    expect(scheduledDelayMs([], 1, 0)).toBeNull();
  });

  it('gives one second at least, unless the step itself is shorter, and never more than the step', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(90_000_000), { minLength: 1, maxLength: 50 }),
        fc.nat(49),
        random,
        (steps, i, chance) => {
          const step = steps[i];
          const delay = scheduledDelayMs(steps, i + 1, chance);
          if (step === undefined) {
            expect(delay).toBeNull();
          } else {
            expect(delay).toBeGreaterThanOrEqual(Math.min(step, 1_000));
            expect(delay).toBeGreaterThanOrEqual(Math.floor(step / 2));
            expect(delay).toBeLessThanOrEqual(step);
          }
        },
      ),
    );
  });
});
