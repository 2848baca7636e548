import { describe, expect, it } from 'vitest';
import { HealthWindow, healthOf, park, unpark } from '../../../src/deliver/flow/breaker.ts';
import { type Ask, share, withdraw } from '../../../src/deliver/flow/share.ts';
import type { AttemptResult } from '../../../src/deliver/outcome.ts';
import { NO_FLOW } from '../../../src/queue/flow.ts';

const ask = (process: string, nowMs: number, more: Partial<Ask> = {}): Ask => ({
  process,
  nowMs,
  inUse: 0,
  wants: 8,
  starts: 8,
  concurrency: 8,
  rate: null,
  probeMs: 25_000,
  ended: new Set(),
  ...more,
});

describe('a receiver', () => {
  it.each<[AttemptResult, string]>([
    [{ kind: 'response', status: 200 }, 'up'],
    [{ kind: 'response', status: 302 }, 'up'],
    [{ kind: 'response', status: 404 }, 'up'],
    [{ kind: 'response', status: 410 }, 'up'],
    [{ kind: 'response', status: 429 }, 'down'],
    [{ kind: 'response', status: 500 }, 'down'],
    [{ kind: 'response', status: 503 }, 'down'],
    [{ kind: 'network', code: 'ECONNREFUSED' }, 'down'],
    [{ kind: 'tls', code: 'CERT_HAS_EXPIRED' }, 'down'],
    [{ kind: 'timeout', afterMs: 1 }, 'down'],
    [{ kind: 'unsendable', reason: 'template', detail: '' }, 'unknown'],
  ])('after %j is %s', (result, health) => {
    expect(healthOf(result)).toBe(health);
  });

  /** `u` up, `d` down, one a second; after how many it is taken as down. */
  const downAfter = (text: string, everyMs = 1_000): number | null => {
    const window = new HealthWindow();
    const found = [...text].findIndex((letter, i) =>
      window.isDownAfter(letter === 'u' ? 'up' : 'down', i * everyMs),
    );
    return found < 0 ? null : found + 1;
  };

  it.each<[string, number | null]>([
    ['d'.repeat(9), null],
    ['d'.repeat(10), 10],
    ['u'.repeat(50) + 'd'.repeat(10), 60],
    ['du'.repeat(30), null],
    ['ddu'.repeat(10), 10],
    ['ddduddddd'.repeat(2), 10],
    ['uud'.repeat(60), null],
    [`${'u'.repeat(19)}d`.repeat(30), null],
  ])('that did %s is down after %s', (text, count) => {
    expect(downAfter(text)).toBe(count);
  });

  it('is judged by the last minute, and by failures in a row however old', () => {
    expect(downAfter('ddddddddudd', 20_000)).toBeNull();
    expect(downAfter('d'.repeat(10), 3_600_000)).toBe(10);
  });
});

describe('a parked Webhook', () => {
  it('lets nothing out until one process probes it', () => {
    const parked = park(NO_FLOW, 'timeout', 0, 0.999_999);
    expect(parked.park).toMatchObject({ sinceMs: 0, untilMs: 30_000, openings: 1, reason: 'timeout' });
    expect(share(parked, ask('a', 29_999)).grant).toMatchObject({ slots: 0, parkedUntilMs: 30_000 });
    const probing = share(parked, ask('a', 30_000));
    expect(probing.grant).toMatchObject({ slots: 1, starts: 1, isProbe: true });
    expect(share(probing.state, ask('b', 30_001)).grant).toMatchObject({ slots: 0, isProbe: false });
    // A prober that never comes back is replaced.
    expect(share(probing.state, ask('b', 55_000)).grant.isProbe).toBe(true);
    // One that is known to have ended, at once.
    expect(share(probing.state, ask('b', 30_002, { ended: new Set(['a']) })).grant.isProbe).toBe(true);
  });

  it('is not probed by a process that has nothing to send, and by another when the prober had not', () => {
    const parked = park(NO_FLOW, 'timeout', 0, 0.999_999);
    expect(share(parked, ask('a', 30_000, { wants: 0 })).grant.isProbe).toBe(false);
    const probing = share(parked, ask('a', 30_000));
    expect(share(withdraw(probing.state, 'a', 30_005), ask('b', 30_005)).grant.isProbe).toBe(true);
  });

  it('is parked longer each time, up to ten minutes', () => {
    let state = NO_FLOW;
    const spans: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      state = park(state, 'network', 0, 0.999_999_9);
      spans.push((state.park?.untilMs ?? 0) / 1_000);
    }
    expect(spans).toEqual([30, 60, 120, 240, 480, 600, 600, 600]);
    expect(park(NO_FLOW, 'network', 0, 0).park?.untilMs).toBe(15_000);
    expect(state.park?.sinceMs).toBe(0);
  });

  it('goes on slowly when it is let go: one request, then twice as many every two seconds', () => {
    const going = unpark(park(NO_FLOW, 'network', 0, 0), 100_000);
    const at = (nowMs: number) => share(going, ask('a', nowMs)).grant;
    expect([0, 1_999, 2_000, 4_000, 5_999, 6_000, 60_000].map((ms) => at(100_000 + ms).slots)).toEqual([
      1, 1, 2, 4, 4, 8, 8,
    ]);
    expect(at(100_500).againMs).toBe(102_000);
    expect(at(106_000).againMs).toBeNull();
    expect(share(going, ask('a', 106_000)).state.rampFromMs).toBeNull();
  });

  it('is not made to ramp by letting go what was not parked', () => {
    expect(unpark(NO_FLOW, 5)).toEqual(NO_FLOW);
  });
});
