import { describe, expect, it } from 'vitest';
import { LEASE_MS, type Leader } from '../../src/capture/lease.ts';
import { decideStandby } from '../../src/capture/standby.ts';

const leader: Leader = { process: 'p', host: 'h', pid: 1, backendPid: 77, sinceMs: 0, renewedMs: 0 };

describe('a daemon that stands by', () => {
  it.each([
    ['takes a slot that nobody holds', { activePid: null, leader, unchangedMs: 0 }, 'take'],
    [
      'waits for a leader that renews its lease',
      { activePid: 77, leader, unchangedMs: LEASE_MS - 1 },
      'wait',
    ],
    ['throws out a leader that went silent', { activePid: 77, leader, unchangedMs: LEASE_MS }, 'evict'],
    ['waits for a holder it does not know, at first', { activePid: 5, leader: null, unchangedMs: 0 }, 'wait'],
    [
      'never throws out a holder without a lease',
      { activePid: 5, leader: null, unchangedMs: LEASE_MS },
      'foreign',
    ],
    [
      'never throws out a holder that is not the leader',
      { activePid: 5, leader, unchangedMs: LEASE_MS },
      'foreign',
    ],
  ] as const)('%s', (_, view, decision) => {
    expect(decideStandby(view)).toBe(decision);
  });
});
