/**
 * How much WAL the slot may keep, how much of it is used, and how long the rest lasts at the present rate.
 * Nothing is done when it is used up but to say so, early and loudly: dropping a slot loses Changes, and that
 * is for a person to decide. Pure.
 */

export interface WalUse {
  readonly retainedBytes: number;
  /** `max_slot_wal_keep_size`; null without a limit. */
  readonly limitBytes: number | null;
  /** `postgres.wal_budget`; null without one. */
  readonly budgetBytes: number | null;
  /** What the server says may still be written; null without a limit. */
  readonly safeWalBytes: number | null;
  /** At which WAL is written; null while not known. */
  readonly bytesPerSecond: number | null;
}

export interface WalBudget {
  /** The smaller of limit and budget; null without either. */
  readonly bytes: number | null;
  readonly leftBytes: number | null;
  /** Used share, 0 to 1 and above. */
  readonly share: number | null;
  /** null without a budget, or while nothing is written. */
  readonly secondsLeft: number | null;
  readonly level: BudgetLevel;
}

export type BudgetLevel = 'fine' | 'half' | 'near' | 'reached';

/** Shares of the budget, and times left, from which on it is said. */
const HALF = 0.5;
const NEAR = 0.8;
const SOON_SECONDS = 6 * 3_600;
const VERY_SOON_SECONDS = 3_600;
/** Time left says nothing while almost nothing is kept: a busy server always writes. */
const MIN_SHARE_FOR_TIME = 0.2;

export function walBudget(use: WalUse): WalBudget {
  const limits = [use.limitBytes, use.budgetBytes].filter((one) => one !== null);
  if (limits.length === 0)
    return { bytes: null, leftBytes: null, share: null, secondsLeft: null, level: 'fine' };
  const bytes = Math.min(...limits);
  const leftBytes = Math.max(
    0,
    Math.min(bytes - use.retainedBytes, use.safeWalBytes ?? Number.POSITIVE_INFINITY),
  );
  const share = bytes === 0 ? 1 : 1 - leftBytes / bytes;
  const rate = use.bytesPerSecond ?? 0;
  const secondsLeft = rate > 0 ? Math.floor(leftBytes / rate) : null;
  return { bytes, leftBytes, share, secondsLeft, level: levelOf(share, secondsLeft) };
}

function levelOf(share: number, secondsLeft: number | null): BudgetLevel {
  if (share >= 1) return 'reached';
  const left = secondsLeft === null || share < MIN_SHARE_FOR_TIME ? Number.POSITIVE_INFINITY : secondsLeft;
  if (share >= NEAR || left <= VERY_SOON_SECONDS) return 'near';
  return share >= HALF || left <= SOON_SECONDS ? 'half' : 'fine';
}

/** The weight of a new sample in the rate: about a minute of samples every ten seconds. */
const RATE_WEIGHT = 0.3;

/** A rate smoothed over samples. */
export function smoothedRate(before: number | null, bytes: number, seconds: number): number | null {
  if (seconds <= 0) return before;
  const now = Math.max(0, bytes) / seconds;
  return before === null ? now : before + RATE_WEIGHT * (now - before);
}
