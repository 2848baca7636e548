/**
 * Logins: who is logged in, by a random id in a cookie. Kept in memory, bounded in number and time; a
 * restart or the token's removal from the configuration ends them.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { KnownToken } from './access.ts';

const MAX_SESSIONS = 1_000;
const LIFETIME_MS = 12 * 3_600_000;

export interface Session {
  readonly tokenDigest: string;
  /** What unsafe requests of this session must repeat. */
  readonly csrf: string;
  readonly endsAtMs: number;
}

export class Sessions {
  readonly #clock: Clock;
  /** By the digest of the id: what is in memory opens nothing. */
  readonly #sessions = new Map<string, Session>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts a session with an id of its own, never one that the caller brought. Returns the id. */
  start(token: KnownToken): string {
    const oldest = this.#sessions.keys().next().value;
    if (this.#sessions.size >= MAX_SESSIONS && oldest !== undefined) this.#sessions.delete(oldest);
    const id = randomBytes(32).toString('base64url');
    this.#sessions.set(digest(id), {
      tokenDigest: token.digest,
      csrf: randomBytes(24).toString('base64url'),
      endsAtMs: this.#clock.now() + LIFETIME_MS,
    });
    return id;
  }

  find(id: string): Session | null {
    const session = this.#sessions.get(digest(id)) ?? null;
    if (session !== null && session.endsAtMs < this.#clock.now()) {
      this.#sessions.delete(digest(id));
      return null;
    }
    return session;
  }

  end(id: string): void {
    this.#sessions.delete(digest(id));
  }
}

/** Compares in the same time wherever they differ. */
export function isSameSecret(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(digest(a)), Buffer.from(digest(b)));
}

function digest(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}
