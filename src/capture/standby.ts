/**
 * Standing by: several daemons on one queue and one slot, of which one captures. Waits until the slot is free,
 * or until whoever holds it has stopped renewing its lease, and then takes over.
 *
 * A leader that is killed lets go of the slot at once. One that is stopped, or cut off from PostgreSQL, is
 * thrown out by the server after `wal_sender_timeout`, which the replication connection sets to 10 s. One that
 * is cut off from the store, or that the server does not throw out, stops renewing its lease: then its server
 * process is ended from here.
 */
import type { Pool } from 'pg';
import type { Clock } from '../core/clock.ts';
import { WalhookError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { NoteStore } from '../queue/notes.ts';
import { readSlot, type SlotState } from '../replication/slot.ts';
import { LEASE_MS, type Leader, Lease, leaderOf, readLastHolder, readLease } from './lease.ts';

/** A killed leader is followed within this and the time to connect. */
const POLL_MS = 500;
/** How long an evicted server process may take to end before it is told again. */
const EVICT_AGAIN_MS = 2_000;

/** What a standby sees. */
export interface StandbyView {
  /** The server process that holds the slot; null when it is free. */
  readonly activePid: number | null;
  /** The leader that the lease names. */
  readonly leader: Leader | null;
  /** The server process of the newest connection that captured, whoever's. */
  readonly lastHolder: number | null;
  /** Since lease or holder changed, by our own clock. */
  readonly unchangedMs: number;
}

/**
 * take: the slot is free. evict: its holder is the leader, who has gone silent, or what is left of one that has
 * let go. foreign: its holder is nobody of this queue. Pure.
 */
export function decideStandby({
  activePid,
  leader,
  lastHolder,
  unchangedMs,
}: StandbyView): 'take' | 'wait' | 'evict' | 'foreign' {
  if (activePid === null) return 'take';
  if (unchangedMs < LEASE_MS) return 'wait';
  const isOurs = leader === null ? lastHolder === activePid : leader.backendPid === activePid;
  return isOurs ? 'evict' : 'foreign';
}

export interface StandbyOptions {
  readonly pool: Pool;
  readonly store: NoteStore;
  readonly slot: string;
  /** This daemon. */
  readonly self: Pick<Leader, 'process' | 'host' | 'pid'>;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Leadership {
  readonly lease: Lease;
  readonly slot: SlotState;
}

/**
 * Waits until this daemon may capture. null when stopped.
 *
 * Throws SLOT_LOST where there is no slot to wait for, NOT_MY_QUEUE where the slot is held by a process that
 * is not of this queue.
 */
export async function standBy(options: StandbyOptions, signal: AbortSignal): Promise<Leadership | null> {
  const { pool, store, clock, log, self } = options;
  let seen: { readonly key: string; readonly sinceMs: number } | null = null;
  let isWaiting = false;
  let evictedMs = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    const lease = await readLease(store);
    const slot = await readSlot(pool, options.slot);
    const now = clock.monotonic();
    const key = `${slot.activePid} ${lease}`;
    if (seen === null || seen.key !== key) seen = { key, sinceMs: now };
    const leader = leaderOf(lease);
    const lastHolder = leader === null ? await readLastHolder(store) : null;
    const view = { activePid: slot.activePid, leader, lastHolder, unchangedMs: now - seen.sinceMs };
    switch (decideStandby(view)) {
      case 'take': {
        const nowMs = clock.now();
        const next = { ...self, backendPid: null, sinceMs: nowMs, renewedMs: nowMs };
        const taken = await Lease.take(store, next, lease);
        if (taken !== null) return { lease: taken, slot };
        break;
      }
      case 'evict':
        if (now - evictedMs < EVICT_AGAIN_MS) break;
        evictedMs = now;
        log.warn({ leader: leader?.process, pid: slot.activePid }, 'taking over: the leader has gone silent');
        await evict(pool, slot.activePid, log);
        break;
      case 'foreign':
        throw new WalhookError(
          'NOT_MY_QUEUE',
          `expected the slot ${options.slot} to be held by a daemon of this queue, found server process ${slot.activePid}, which is not`,
          { remedy: 'stop what reads the slot, or give this walhook its own postgres.slot and queue.prefix' },
        );
      case 'wait':
        if (!isWaiting) {
          log.info(
            { slot: options.slot, pid: slot.activePid, leader: leader?.process ?? null },
            'standing by: another process holds the slot',
          );
        }
        isWaiting = true;
    }
    await clock.sleep(POLL_MS, signal);
  }
  return null;
}

/** The server's own timeout does it too, later; so a missing right is no failure. */
async function evict(pool: Pool, pid: number | null, log: Logger): Promise<void> {
  try {
    await pool.query('select pg_terminate_backend($1)', [pid]);
  } catch (error) {
    log.warn({ pid, err: error }, 'the silent leader could not be thrown out; the server will do it');
  }
}
