/**
 * How many of the requests that may be in flight a lane makes use of. Each place more is a connection more to
 * be opened, which costs as much as two requests on one that is open: a handful of Deliveries to a receiver
 * that answers at once is sent over few, a backlog or a slow receiver gets all of them within a tenth of a
 * second or two. While this process itself is what takes the time, another connection makes nothing faster.
 */

/** Places that a lane begins with. */
export const FIRST_PLACES = 1;
/** With nothing answered for so long, what waits is looked at again. */
export const STEP_MS = 20;
/** What would be sent within this over the places in use is not worth another one. */
const WORTH_MS = 10;
/** Beyond this it is the receiver that takes the time, however busy this process is. */
const SLOW_MS = 1_000;
/** Connections that were not used for so long are closed, and places with them. */
const KEPT_MS = 4_000;
/** Of the time that requests take, the share that the newest has. */
const NEWEST = 0.2;

export interface Burden {
  /** Deliveries in hand that were not begun. */
  readonly waiting: number;
  /** There may be more in the store. */
  readonly mayHaveMore: boolean;
  /** This process is at work for most of the time. */
  readonly isBusy: boolean;
}

/**
 * Whether what waits takes long enough over the places in use for another one to be worth it. Pure.
 *
 * @param requestMs how long a request takes, or has taken at least, in milliseconds
 */
export function isWorthAnother(places: number, requestMs: number, burden: Burden): boolean {
  const { waiting, mayHaveMore, isBusy } = burden;
  if (waiting === 0) return false;
  if (mayHaveMore) return true;
  return (waiting * requestMs) / places > WORTH_MS && (!isBusy || requestMs > SLOW_MS);
}

/** Places after a step without an answer: half as many again, so that a slow receiver soon has them all. Pure. */
export function stepped(places: number): number {
  return places + Math.max(1, Math.floor(places / 2));
}

/** The places of one lane. Times are of a clock that only moves forward. */
export class Places {
  #places = FIRST_PLACES;
  #requestMs: number | null = null;
  /** When a request was last begun or answered. */
  #movedAtMs = Number.NEGATIVE_INFINITY;

  /** How many of those that may be used are. */
  within(slots: number): number {
    return Math.min(this.#places, slots);
  }

  /** A request is begun beside `inFlight` others. */
  began(inFlight: number, nowMs: number): void {
    if (inFlight === 0 && nowMs - this.#movedAtMs > KEPT_MS) this.#places = FIRST_PLACES;
    this.#movedAtMs = nowMs;
  }

  /** A request has ended, whatever came of it. */
  ended(durationMs: number, nowMs: number, burden: Burden): void {
    const before = this.#requestMs ?? durationMs;
    this.#requestMs = before + (durationMs - before) * NEWEST;
    this.#movedAtMs = nowMs;
    if (isWorthAnother(this.#places, this.#requestMs, burden)) this.#places += 1;
  }

  /** Every place is taken, and has been for {@link STEP_MS} or longer. */
  waited(nowMs: number, burden: Burden): void {
    const forMs = nowMs - this.#movedAtMs;
    if (forMs >= STEP_MS && isWorthAnother(this.#places, Math.max(forMs, this.#requestMs ?? 0), burden)) {
      this.#places = stepped(this.#places);
    }
  }
}
