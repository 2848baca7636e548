/**
 * When a Webhook's receiver counts as down, and how its Webhook is parked and let go on. Pure but for the
 * window, which counts what this process sees.
 *
 * Only what says that the receiver cannot serve counts: no connection, no answer, 5xx and 429. A refusal of
 * one request (any other status) says that it is up.
 */
import type { FlowState } from '../../queue/flow.ts';
import type { AttemptResult } from '../outcome.ts';

export type Health = 'up' | 'down' | 'unknown';

/** What an Attempt says of the receiver. */
export function healthOf(result: AttemptResult): Health {
  switch (result.kind) {
    case 'unsendable':
      return 'unknown';
    case 'response':
      return result.status >= 500 || result.status === 429 ? 'down' : 'up';
    default:
      return 'down';
  }
}

const MIN_FAILURES_IN_A_ROW = 10;
const MIN_ATTEMPTS = 10;
const MIN_SHARE = 0.7;
const WINDOW_MS = 60_000;
const SLICE_MS = 10_000;

/** Attempts of the last minute, and the failures in a row, as far as this process has seen them. */
export class HealthWindow {
  #slices: { readonly startMs: number; up: number; down: number }[] = [];
  #inARow = 0;

  /** Counts an Attempt. Returns whether the receiver is to be taken as down. */
  isDownAfter(health: Exclude<Health, 'unknown'>, nowMs: number): boolean {
    this.#inARow = health === 'down' ? this.#inARow + 1 : 0;
    let slice = this.#slices.at(-1);
    if (slice === undefined || nowMs >= slice.startMs + SLICE_MS) {
      this.#slices = this.#slices.filter(({ startMs }) => startMs > nowMs - WINDOW_MS);
      slice = { startMs: nowMs, up: 0, down: 0 };
      this.#slices.push(slice);
    }
    slice[health] += 1;
    if (health === 'up') return false;
    const down = this.#slices.reduce((sum, one) => sum + one.down, 0);
    const all = this.#slices.reduce((sum, one) => sum + one.up + one.down, 0);
    return this.#inARow >= MIN_FAILURES_IN_A_ROW || (all >= MIN_ATTEMPTS && down >= all * MIN_SHARE);
  }

  /** Forgets: what comes after a recovery is judged by itself. */
  clear(): void {
    this.#slices = [];
    this.#inARow = 0;
  }
}

const FIRST_PARK_MS = 30_000;
const LONGEST_PARK_MS = 600_000;

/**
 * Parks a Webhook, longer each time in a row: 30 s, doubled up to 10 minutes, the upper half random.
 *
 * @param random a number in [0, 1)
 */
export function park(state: FlowState, reason: string, nowMs: number, random: number): FlowState {
  const openings = (state.park?.openings ?? 0) + 1;
  const fullMs = Math.min(LONGEST_PARK_MS, FIRST_PARK_MS * 2 ** Math.min(openings - 1, 30));
  return {
    ...state,
    park: {
      sinceMs: state.park?.sinceMs ?? nowMs,
      untilMs: Math.round(nowMs + fullMs / 2 + (fullMs / 2) * random),
      openings,
      reason,
      prober: null,
    },
  };
}

/** Lets a parked Webhook go on, slowly at first. */
export function unpark(state: FlowState, nowMs: number): FlowState {
  return state.park === null ? state : { ...state, park: null, rampFromMs: nowMs };
}
