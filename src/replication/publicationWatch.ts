/**
 * Holds acknowledgements back until the publication is known to have been there all along.
 *
 * When a publication is dropped while its slot is read, PostgreSQL 18 says so in its own log only, sends
 * nothing more and lets its position rise: acknowledging that would be silence over what was missed. So a
 * position is acknowledged only after a look at the publication that began when it was settled already. A
 * publication that was dropped and made again is another one, with another oid.
 *
 * One look a second at most, none while nothing is settled.
 */
import type { Pool } from 'pg';
import type { Clock } from '../core/clock.ts';
import { toWalhookError, WalhookError } from '../core/errors.ts';
import { settlesWithin } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import type { Lsn } from '../core/lsn.ts';

export interface PublicationWatchOptions {
  readonly publication: string;
  /** Its oid when the stream was opened. */
  readonly oid: string;
  /** Its oid now; null where it is gone. */
  readonly read: () => Promise<string | null>;
  readonly onConfirmed: (lsn: Lsn) => void;
  /** Called once, with PUBLICATION_MISSING. */
  readonly onGone: (error: WalhookError) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

const LOOK_EVERY_MS = 1_000;
/** How long the end waits for a look. */
const LAST_LOOK_MS = 2_000;

export class PublicationWatch {
  readonly #options: PublicationWatchOptions;
  /** Settled, and not looked at since. */
  #offered: Lsn | null = null;
  #running: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #isFailing = false;
  #isOver = false;
  #gone: WalhookError | null = null;

  constructor(options: PublicationWatchOptions) {
    this.#options = options;
  }

  /** `lsn` is settled, and is to be confirmed after the next look. */
  offer(lsn: Lsn): void {
    this.#offered = lsn;
    if (this.#isOver || this.#running !== null || this.#timer !== null) return;
    const waitMs = this.#lookedAtMs + LOOK_EVERY_MS - this.#options.clock.monotonic();
    if (waitMs <= 0) {
      this.#look();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#look();
    }, waitMs);
  }

  /** Looks a last time, and confirms what is still held back. Throws where the publication is gone. */
  async finish(): Promise<void> {
    const last = async () => {
      await this.#running;
      if (this.#offered !== null && !this.#isOver) this.#look();
      await this.#running;
    };
    await settlesWithin(last(), LAST_LOOK_MS);
    this.stop();
    if (this.#gone !== null) throw this.#gone;
  }

  /** From here on nothing is confirmed. */
  stop(): void {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    this.#lookedAtMs = this.#options.clock.monotonic();
    this.#running = this.#run().finally(() => {
      this.#running = null;
      if (this.#offered !== null) this.offer(this.#offered);
    });
  }

  async #run(): Promise<void> {
    const { publication, oid, read, onConfirmed, onGone, log } = this.#options;
    const offered = this.#offered;
    this.#offered = null;
    let found: string | null;
    try {
      found = await read();
    } catch (error) {
      this.#offered ??= offered;
      if (!this.#isFailing) {
        log.warn(
          { err: error },
          `acknowledgements wait, for the publication cannot be looked at: ${toWalhookError(error).message}`,
        );
      }
      this.#isFailing = true;
      return;
    }
    this.#isFailing = false;
    if (this.#isOver || offered === null) return;
    if (found === oid) {
      onConfirmed(offered);
      return;
    }
    this.stop();
    const what = found === null ? 'it dropped' : 'it dropped and made again';
    this.#gone = new WalhookError(
      'PUBLICATION_MISSING',
      `expected the publication ${publication} to stay while it is read, found ${what}: Changes committed meanwhile have not been sent`,
    );
    onGone(this.#gone);
  }
}

/** The oid of a publication; null where there is none. */
export async function readPublicationOid(
  client: Pick<Pool, 'query'>,
  publication: string,
): Promise<string | null> {
  const { rows } = await client.query<{ oid: string }>(
    'select oid::text as oid from pg_catalog.pg_publication where pubname = $1',
    [publication],
  );
  return rows[0]?.oid ?? null;
}
