import { describe, expect, it } from 'vitest';
import { LEASE_MS, type Leader, Lease, readLastHolder, readLease } from '../../src/capture/lease.ts';
import { decideStandby } from '../../src/capture/standby.ts';
import type { NoteStore } from '../../src/queue/notes.ts';

const leader: Leader = { process: 'p', host: 'h', pid: 1, backendPid: 77, sinceMs: 0, renewedMs: 0 };

describe('a daemon that stands by', () => {
  it.each([
    ['takes a slot that nobody holds', { activePid: null, leader, lastHolder: null, unchangedMs: 0 }, 'take'],
    [
      'waits for a leader that renews its lease',
      { activePid: 77, leader, lastHolder: null, unchangedMs: LEASE_MS - 1 },
      'wait',
    ],
    [
      'throws out a leader that went silent',
      { activePid: 77, leader, lastHolder: null, unchangedMs: LEASE_MS },
      'evict',
    ],
    [
      'waits for a holder it does not know, at first',
      { activePid: 5, leader: null, lastHolder: null, unchangedMs: 0 },
      'wait',
    ],
    [
      'never throws out a holder without a lease',
      { activePid: 5, leader: null, lastHolder: null, unchangedMs: LEASE_MS },
      'foreign',
    ],
    [
      'never throws out a holder that is not the leader',
      { activePid: 5, leader, lastHolder: null, unchangedMs: LEASE_MS },
      'foreign',
    ],
    [
      'throws out what is left of a leader that has let go of its lease, e.g. in the midst of a long decoding',
      { activePid: 77, leader: null, lastHolder: 77, unchangedMs: LEASE_MS },
      'evict',
    ],
    [
      'gives what is left of a leader the time to end',
      { activePid: 77, leader: null, lastHolder: 77, unchangedMs: LEASE_MS - 1 },
      'wait',
    ],
  ] as const)('%s', (_, view, decision) => {
    expect(decideStandby(view)).toBe(decision);
  });
});

/** Notes in memory, of which the answer to a write can be lost. */
class Notes implements NoteStore {
  readonly kept = new Map<string, string>();
  isLosing = false;

  notes(prefix: string): Promise<ReadonlyMap<string, string>> {
    return Promise.resolve(new Map([...this.kept].filter(([key]) => key.startsWith(prefix))));
  }

  putNote(key: string, value: string | null, expected?: string | null): Promise<boolean> {
    if (expected !== undefined && (this.kept.get(key) ?? null) !== expected) return Promise.resolve(false);
    if (value === null) this.kept.delete(key);
    else this.kept.set(key, value);
    return this.isLosing ? Promise.reject(new Error('the answer was lost')) : Promise.resolve(true);
  }
}

describe('a lease', () => {
  const free = { ...leader, backendPid: null };

  it('leaves behind which server process had the slot', async () => {
    const notes = new Notes();
    const lease = await Lease.take(notes, free, null);
    expect(await readLastHolder(notes)).toBeNull();
    await lease?.renew(1, 77);
    await lease?.renew(2, 77);
    await lease?.release();
    expect(await readLease(notes)).toBeNull();
    expect(await readLastHolder(notes)).toBe(77);
  });

  it('is still held where the answer to a renewal was lost, and lost where another has taken it', async () => {
    const notes = new Notes();
    const lease = await Lease.take(notes, free, null);
    await lease?.renew(1, 77);
    notes.isLosing = true;
    await expect(lease?.renew(2, 77)).rejects.toThrow('lost');
    notes.isLosing = false;
    await lease?.renew(3, 77);
    await lease?.renew(4, 77);
    expect(JSON.parse((await readLease(notes)) ?? '')).toMatchObject({ process: 'p', renewedMs: 4 });
    await Lease.take(notes, { ...free, process: 'q' }, await readLease(notes));
    await expect(lease?.renew(5, 77)).rejects.toMatchObject({ code: 'QUEUE_FENCED' });
  });
});
