/** Delay schedules, pure: the caller brings the randomness. */

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * Exponential delay for the n-th try (from 1), doubled each time up to `maxMs`, with the upper half
 * random so that several daemons do not come back in step.
 *
 * @param random a number in [0, 1)
 */
export function backoffMs(attempt: number, options: BackoffOptions, random: number): number {
  const full = Math.min(options.maxMs, options.firstMs * 2 ** Math.min(Math.max(attempt - 1, 0), 30));
  return Math.round(full / 2 + (full / 2) * random);
}

/**
 * The delay before the retry that follows the n-th failed Attempt (from 1), from an explicit schedule in
 * milliseconds: half of the step fixed, half random, never under one second unless the step itself is.
 * `null` when the schedule is used up.
 */
export function scheduledDelayMs(
  schedule: readonly number[],
  attempt: number,
  random: number,
): number | null {
  const step = schedule[attempt - 1];
  if (step === undefined) return null;
  return Math.max(Math.min(step, 1000), Math.round(step / 2 + (step / 2) * random));
}
