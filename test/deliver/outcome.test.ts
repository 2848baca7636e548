import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AttemptContext,
  type AttemptResult,
  asksToPause,
  decide,
  describe as inWords,
  type RetryPolicy,
} from '../../src/deliver/outcome.ts';

const POLICY: RetryPolicy = {
  scheduleMs: [5_000, 30_000, 120_000, 600_000],
  maxAgeMs: 3_600_000,
  onGone: 'fail',
};
const context = (attempts: number, more: Partial<AttemptContext> = {}): AttemptContext => ({
  attempts,
  ageMs: 1_000,
  nowMs: 1_000_000,
  random: 0,
  ...more,
});
const response = (status: number): AttemptResult => ({ kind: 'response', status });
const NETWORK: AttemptResult = { kind: 'network', code: 'ECONNREFUSED' };
const TLS: AttemptResult = { kind: 'tls', code: 'CERT_HAS_EXPIRED' };
const TIMEOUT: AttemptResult = { kind: 'timeout', afterMs: 15_000 };

/** `delivered`, `retry in 2500`, `failed status`. */
function shown(
  result: AttemptResult,
  attempts: number,
  policy = POLICY,
  more: Partial<AttemptContext> = {},
): string {
  const outcome = decide(result, policy, context(attempts, more));
  if (outcome.kind === 'retry') return `retry in ${outcome.dueMs - 1_000_000}`;
  return outcome.kind === 'failed' ? `failed ${outcome.reason}` : outcome.kind;
}

describe('what an Attempt means', () => {
  it.each<[string, AttemptResult, string, string, string]>([
    // What is answered, after the first, the third and the fifth Attempt.
    ['200', response(200), 'delivered', 'delivered', 'delivered'],
    ['201', response(201), 'delivered', 'delivered', 'delivered'],
    ['204', response(204), 'delivered', 'delivered', 'delivered'],
    ['299', response(299), 'delivered', 'delivered', 'delivered'],
    ['301', response(301), 'retry in 2500', 'failed redirect', 'failed redirect'],
    ['308', response(308), 'retry in 2500', 'failed redirect', 'failed redirect'],
    ['304', response(304), 'retry in 2500', 'failed redirect', 'failed redirect'],
    ['400', response(400), 'retry in 2500', 'failed status', 'failed status'],
    ['404', response(404), 'retry in 2500', 'failed status', 'failed status'],
    ['408', response(408), 'retry in 2500', 'retry in 60000', 'failed status'],
    ['410', response(410), 'failed gone', 'failed gone', 'failed gone'],
    ['425', response(425), 'retry in 2500', 'retry in 60000', 'failed status'],
    ['429', response(429), 'retry in 2500', 'retry in 60000', 'failed status'],
    ['499', response(499), 'retry in 2500', 'failed status', 'failed status'],
    ['500', response(500), 'retry in 2500', 'retry in 60000', 'failed status'],
    ['503', response(503), 'retry in 2500', 'retry in 60000', 'failed status'],
    ['599', response(599), 'retry in 2500', 'retry in 60000', 'failed status'],
    ['no response', NETWORK, 'retry in 2500', 'retry in 60000', 'failed network'],
    ['TLS', TLS, 'retry in 2500', 'retry in 60000', 'failed tls'],
    ['a timeout', TIMEOUT, 'retry in 2500', 'retry in 60000', 'failed timeout'],
    [
      'a template',
      { kind: 'unsendable', reason: 'template', detail: 'd' },
      'failed template',
      'failed template',
      'failed template',
    ],
    ['a URL', { kind: 'unsendable', reason: 'url', detail: 'd' }, 'failed url', 'failed url', 'failed url'],
    [
      'an address',
      { kind: 'unsendable', reason: 'address', detail: 'd' },
      'failed address',
      'failed address',
      'failed address',
    ],
    [
      'a header',
      { kind: 'unsendable', reason: 'header', detail: 'd' },
      'failed header',
      'failed header',
      'failed header',
    ],
  ])('that ends with %s', (_what, result, first, third, fifth) => {
    expect([shown(result, 1), shown(result, 3), shown(result, 5)]).toEqual([first, third, fifth]);
  });

  it.each<[number | null, string]>([
    [null, 'retry in 2500'],
    [0, 'retry in 2500'],
    [1_000, 'retry in 2500'],
    [60_000, 'retry in 60000'],
    [3_600_000, 'retry in 3600000'],
    [3_600_001, 'retry in 3600000'],
    [Number.MAX_SAFE_INTEGER, 'retry in 3600000'],
  ])('comes back after %s ms of Retry-After as the receiver asks, within bounds', (retryAfterMs, expected) => {
    const result = { kind: 'response', status: 503, retryAfterMs } as const;
    expect(shown(result, 1, { ...POLICY, maxAgeMs: 1e12 })).toBe(expected);
  });

  it('waits at most ten hours for Retry-After', () => {
    const policy: RetryPolicy = { scheduleMs: [80_000_000], maxAgeMs: 1e12, onGone: 'fail' };
    const result = { kind: 'response', status: 503, retryAfterMs: 1e12 } as const;
    expect(shown(result, 1, policy)).toBe('retry in 40000000');
    expect(shown(result, 1, { ...policy, scheduleMs: [20_000_000] })).toBe('retry in 20000000');
  });

  it('keeps the Delivery of a Webhook that is paused after a 410, and fails it when resuming did not help', () => {
    const policy: RetryPolicy = { ...POLICY, onGone: 'pause' };
    expect(asksToPause(response(410), policy)).toBe(true);
    expect(asksToPause(response(404), policy)).toBe(false);
    expect(asksToPause(response(410), POLICY)).toBe(false);
    expect([1, 4, 5].map((attempts) => shown(response(410), attempts, policy))).toEqual([
      'retry in 0',
      'retry in 0',
      'failed gone',
    ]);
  });

  it('never retries with an empty schedule', () => {
    for (const result of [response(500), NETWORK, TIMEOUT]) {
      expect(shown(result, 1, { ...POLICY, scheduleMs: [] })).toMatch(/^failed/);
    }
  });

  it('retries no longer than retry.max_age, counted to the moment of the retry', () => {
    expect(shown(NETWORK, 1, POLICY, { ageMs: 3_600_000 - 2_500 })).toBe('retry in 2500');
    expect(shown(NETWORK, 1, POLICY, { ageMs: 3_600_000 - 2_499 })).toBe('failed network');
    expect(decide(NETWORK, POLICY, context(1, { ageMs: 4_000_000 }))).toMatchObject({
      detail: 'no response (ECONNREFUSED); older than retry.max_age',
    });
  });

  it('delivers however old it is', () => {
    expect(shown(response(200), 99, POLICY, { ageMs: Number.MAX_SAFE_INTEGER })).toBe('delivered');
  });

  it('keeps count, time and reason of what failed', () => {
    expect(decide(response(404), POLICY, context(3))).toEqual({
      kind: 'failed',
      attempts: 3,
      reason: 'status',
      detail: 'HTTP 404',
      failedAtMs: 1_000_000,
    });
  });

  it('always ends: no schedule is retried for ever', () => {
    const result = fc.oneof(
      fc.integer({ min: 100, max: 599 }).map(response),
      fc.constantFrom(NETWORK, TIMEOUT),
    );
    const schedule = fc.array(fc.nat(90_000_000), { maxLength: 50 });
    fc.assert(
      fc.property(
        result,
        schedule,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (one, scheduleMs, random) => {
          const outcome = decide(
            one,
            { scheduleMs, maxAgeMs: 1e12, onGone: 'fail' as const },
            context(scheduleMs.length + 1, { random }),
          );
          expect(outcome.kind).not.toBe('retry');
          const early = decide(
            one,
            { scheduleMs, maxAgeMs: 1e12, onGone: 'fail' as const },
            context(1, { random }),
          );
          if (early.kind === 'retry') {
            expect(early.dueMs).toBeGreaterThanOrEqual(1_000_000);
            expect(early.dueMs).toBeLessThanOrEqual(1_000_000 + (scheduleMs[0] ?? 0));
          }
        },
      ),
    );
  });

  it.each<[Exclude<AttemptResult, { kind: 'unsendable' }>, string, string]>([
    [{ kind: 'response', status: 302 }, 'redirect', 'HTTP 302; redirects are not followed'],
    [{ kind: 'response', status: 500 }, 'status', 'HTTP 500'],
    [{ kind: 'network', code: 'ENOTFOUND' }, 'network', 'no response (ENOTFOUND)'],
    [{ kind: 'timeout', afterMs: 100 }, 'timeout', 'no complete response within 100 ms'],
  ])('is said in words: %j', (result, reason, detail) => {
    expect(inWords(result)).toEqual({ reason, detail });
  });
});
