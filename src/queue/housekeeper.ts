/**
 * Keeps the store within its bounds while a daemon runs: drops from the log what retention no longer keeps,
 * and after their time the jobs of Webhooks that are defined no more. Any number of processes may do so.
 */
import type { Clock } from '../core/clock.ts';
import { toWalhookError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { type GapStore, MAX_GAPS } from './gaps.ts';
import type { Retention } from './inspect.ts';
import type { OrphanStore } from './orphans.ts';
import type { QueueStore } from './store.ts';

export interface HouseRetention extends Retention {
  /** How long Deliveries of a Webhook that is defined no more wait for it. */
  readonly orphansMs: number;
}

export interface HouseOptions {
  readonly store: Pick<QueueStore, 'deliveries'> & Pick<GapStore, 'trimGaps'> & OrphanStore;
  readonly retention: HouseRetention;
  /** Keys of the Webhooks in force; null: not known here. */
  readonly defined: (() => readonly string[]) | null;
  readonly clock: Clock;
  readonly log: Logger;
}

const SWEEP_MS = 1_000;
/** Orphans are counted in days, and Gaps are few. */
const ORPHANS_EVERY = 60;
/** After this many sweeps in a row that left more, others get a turn. */
const MAX_SWEEPS = 20;

/** Sweeps until the signal is aborted. */
export async function keepHouse(options: HouseOptions, signal: AbortSignal): Promise<void> {
  const { clock, log } = options;
  for (let round = 0; !signal.aborted; round += 1) {
    try {
      await sweep(options, signal);
      if (round % ORPHANS_EVERY === 0) {
        await dropOrphans(options);
        const trimmed = await options.store.trimGaps();
        if (trimmed > 0) log.warn({ dropped: trimmed, kept: MAX_GAPS }, 'the oldest Gaps were dropped');
      }
    } catch (error) {
      const known = toWalhookError(error);
      log.warn({ code: known.code }, `the log was not swept: ${known.message}`);
    }
    await clock.sleep(SWEEP_MS, signal);
  }
}

async function sweep({ store, retention, clock, log }: HouseOptions, signal: AbortSignal): Promise<void> {
  let early = 0;
  for (let i = 0; i < MAX_SWEEPS && !signal.aborted; i += 1) {
    const swept = await store.deliveries.sweep(retention, clock.now());
    early += swept.early;
    if (!swept.hasMore) break;
  }
  if (early > 0) {
    log.warn(
      { dropped: early, limit: retention.bytes, try: 'raise retention.bytes' },
      'failed Deliveries were dropped from the log before their time: it is full',
    );
  }
}

async function dropOrphans({ store, retention, defined, clock, log }: HouseOptions): Promise<void> {
  if (defined === null) return;
  const nowMs = clock.now();
  const orphans = await store.markOrphans(defined(), nowMs);
  for (const { webhook, sinceMs, waiting } of orphans) {
    if (waiting === 0) continue;
    if (nowMs - sinceMs < retention.orphansMs) {
      log.warn({ webhook, waiting }, 'Deliveries wait for a webhook that is defined no more');
      continue;
    }
    const dropped = await store.dropWaiting(webhook, nowMs);
    log.warn({ webhook, dropped }, 'Deliveries of a webhook that is gone were dropped; a Gap tells which');
  }
}
