import { describe, expect, it } from 'vitest';
import { judgeLiveness, livenessTimings } from '../../src/replication/liveness.ts';

describe('the timings of a connection', () => {
  it.each([
    ['the server’s default', 60_000, 10_000, 60_000, 120_000],
    ['a short timeout', 3_000, 1_000, 3_000, 6_000],
    ['a long timeout', 600_000, 10_000, 600_000, 1_200_000],
    ['none on the server', 0, 10_000, 60_000, 120_000],
    ['the shortest', 1, 100, 1, 2],
  ])('for %s', (_what, timeoutMs, statusEveryMs, askAfterMs, deadAfterMs) => {
    expect(livenessTimings(timeoutMs)).toEqual({ statusEveryMs, askAfterMs, deadAfterMs });
  });

  it.each([
    1_000, 3_000, 10_000, 60_000, 300_000,
  ])('send three statuses within a timeout of %i ms', (timeoutMs) => {
    expect(livenessTimings(timeoutMs).statusEveryMs * 3).toBeLessThanOrEqual(timeoutMs);
  });
});

describe('a server', () => {
  const timings = livenessTimings(3_000);

  it.each([
    ['was heard just now', 0, false, 'fine'],
    ['is silent for less than its timeout', 2_999, false, 'fine'],
    ['is silent for its timeout', 3_000, false, 'ask'],
    ['did not answer yet', 5_999, false, 'ask'],
    ['is silent for twice its timeout', 6_000, false, 'dead'],
    ['is silent for ever', 1e12, false, 'dead'],
    ['is silent because we do not listen', 1e12, true, 'fine'],
  ] as const)('that %s', (_what, silentMs, isPaused, liveness) => {
    expect(judgeLiveness(timings, silentMs, isPaused)).toBe(liveness);
  });
});
