/**
 * How far capturing is behind, in time: the age of the oldest commit that was read and is not stored yet.
 * Pure but for the clock. A mark is kept for at most one commit in 50 ms, so memory stays bounded under load.
 */
import type { Clock } from '../core/clock.ts';
import type { Lsn } from '../core/lsn.ts';

const MARK_EVERY_MS = 50;
/** Fifty seconds of a store that does not answer; then the oldest mark still tells the age. */
const MAX_MARKS = 1_000;
/** The lag of the last stored commit is told for this long: between two flushes of a backlog none is open. */
const REMEMBER_MS = 2_000;

interface Mark {
  readonly endLsn: Lsn;
  readonly committedAtMs: number;
}

export class CaptureLag {
  readonly #clock: Clock;
  #marks: Mark[] = [];
  #lastMarkMs = Number.NEGATIVE_INFINITY;
  #last: { readonly lagMs: number; readonly atMs: number } | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  committed(endLsn: Lsn, committedAtMs: number): void {
    const now = this.#clock.monotonic();
    if (now - this.#lastMarkMs < MARK_EVERY_MS || this.#marks.length >= MAX_MARKS) return;
    this.#lastMarkMs = now;
    this.#marks.push({ endLsn, committedAtMs });
  }

  settled(lsn: Lsn): void {
    const open = this.#marks.findIndex((mark) => mark.endLsn > lsn);
    const done = open < 0 ? this.#marks.length : open;
    const newest = this.#marks[done - 1];
    if (newest === undefined) return;
    this.#last = { lagMs: this.#clock.now() - newest.committedAtMs, atMs: this.#clock.monotonic() };
    this.#marks = this.#marks.slice(done);
  }

  seconds(): number {
    const oldest = this.#marks[0];
    if (oldest !== undefined) return Math.max(0, this.#clock.now() - oldest.committedAtMs) / 1_000;
    const isRecent = this.#last !== null && this.#clock.monotonic() - this.#last.atMs < REMEMBER_MS;
    return isRecent ? Math.max(0, this.#last?.lagMs ?? 0) / 1_000 : 0;
  }
}
