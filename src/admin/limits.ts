/**
 * What one address or one caller may ask of the admin server, beyond what a role allows. It shares its process
 * with capturing and delivering, and its store with both: whoever asks too much waits, not they.
 */
import type { Clock } from '../core/clock.ts';

const WINDOW_MS = 60_000;
/** Wrong tokens of one address in a window: at the login and as Bearer together. */
export const MAX_WRONG_TOKENS = 10;
/** Addresses remembered; beyond that the oldest is forgotten. */
const MAX_ADDRESSES = 5_000;

/**
 * Counts wrong tokens by address. One that is right is never refused, whatever else its address has sent: many
 * people may share an address, and nobody can lock them out by guessing beside them.
 */
export class WrongTokens {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #byAddress = new Map<string, { count: number; readonly endsMs: number }>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#byAddress.size;
  }

  /** Counts one; returns for how many seconds the address is to wait, 0 while it need not. */
  add(address: string): number {
    const now = this.#clock.monotonic();
    const known = this.#byAddress.get(address);
    if (known === undefined || known.endsMs <= now) {
      this.#byAddress.delete(address);
      this.#forgetOldest();
      this.#byAddress.set(address, { count: 1, endsMs: now + WINDOW_MS });
      return 0;
    }
    known.count += 1;
    return known.count > MAX_WRONG_TOKENS ? Math.ceil((known.endsMs - now) / 1_000) : 0;
  }

  #forgetOldest(): void {
    const oldest = this.#byAddress.keys().next().value;
    if (this.#byAddress.size >= MAX_ADDRESSES && oldest !== undefined) this.#byAddress.delete(oldest);
  }
}

/** Requests of one caller, and of all, that are answered at the same time. */
export const MAX_IN_FLIGHT_EACH = 12;
export const MAX_IN_FLIGHT = 48;

/** Counts requests that are being answered, by caller. */
export class InFlight {
  readonly #byCaller = new Map<string, number>();
  #total = 0;

  /** Whether one more may begin; then it must be ended. */
  begin(caller: string): boolean {
    const known = this.#byCaller.get(caller) ?? 0;
    if (known >= MAX_IN_FLIGHT_EACH || this.#total >= MAX_IN_FLIGHT) return false;
    this.#byCaller.set(caller, known + 1);
    this.#total += 1;
    return true;
  }

  end(caller: string): void {
    const left = (this.#byCaller.get(caller) ?? 1) - 1;
    if (left === 0) this.#byCaller.delete(caller);
    else this.#byCaller.set(caller, left);
    this.#total -= 1;
  }
}
