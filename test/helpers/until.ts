/** Waits for a condition instead of for time. */
import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

interface UntilOptions {
  readonly timeoutMs?: number;
  /** Says what is waited for, in the error. */
  readonly what?: string;
}

/** Where more processes wait for a core than run on one, waits may take as much longer; up to four times. */
export function loadFactor(): number {
  return Math.min(4, Math.max(1, (loadavg()[0] ?? 0) / availableParallelism()));
}

/**
 * Resolves with the first value that is not false, null or undefined. Throws with the last value seen when
 * the time is up.
 */
export async function until<T>(
  probe: () => T | Promise<T>,
  { timeoutMs = 15_000, what = 'the condition' }: UntilOptions = {},
): Promise<Exclude<T, false | null | undefined>> {
  const allowedMs = timeoutMs * loadFactor();
  const deadline = performance.now() + allowedMs;
  for (;;) {
    const value = await probe();
    if (value !== false && value !== null && value !== undefined) {
      return value as Exclude<T, false | null | undefined>;
    }
    if (performance.now() > deadline)
      throw new Error(`${what} did not come true within ${Math.round(allowedMs)} ms`);
    await delay(20);
  }
}
