/** What a receiver says of when to come back. Pure. */

const HOUR_MS = 3_600_000;
const MAX_MS = 10 * HOUR_MS;

/**
 * Reads a `Retry-After` header: seconds, or a date (RFC 9110 §10.2.3). null where it says nothing usable.
 *
 * @returns milliseconds from now, not negative
 */
export function parseRetryAfter(header: string | string[] | undefined, nowMs: number): number | null {
  const text = (Array.isArray(header) ? header[0] : header)?.trim();
  if (text === undefined || text === '') return null;
  if (/^\d{1,15}(\.\d{1,9})?$/.test(text)) return Math.ceil(Number(text) * 1_000);
  // Every form of date that HTTP knows begins with a day's name.
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return null;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs);
}

/**
 * The delay that follows: a receiver can slow its webhook down and never speed it up, and never put a
 * Delivery off for longer than an hour or twice the schedule's step, at most ten hours.
 */
export function clampRetryAfter(delayMs: number, retryAfterMs: number | null): number {
  if (retryAfterMs === null) return delayMs;
  const mostMs = Math.min(MAX_MS, Math.max(2 * delayMs, HOUR_MS));
  return Math.max(delayMs, Math.min(retryAfterMs, mostMs));
}
