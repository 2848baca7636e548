import { describe, expect, it } from 'vitest';
import { isOwnDelay } from '../../src/deliver/attempter.ts';

describe('a timeout', () => {
  const timeout = { kind: 'timeout', afterMs: 5_000 } as const;

  it.each([
    ['of a receiver that did not answer', timeout, 5_010, false],
    ['of a connection that was not made', timeout, 3_000, false],
    ['noticed a little late', timeout, 5_900, false],
    ['noticed long after its time, because this process was stopped', timeout, 16_000, true],
    ['that none was: an answer read late', { kind: 'response', status: 503 } as const, 16_000, false],
  ])('%s', (_, result, durationMs, expected) => {
    expect(isOwnDelay(result, durationMs, 5_000)).toBe(expected);
  });
});
