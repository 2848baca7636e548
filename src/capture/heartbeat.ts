/**
 * The heartbeat: a small transactional message that this daemon writes to the watched database and reads back
 * from its slot. It moves the slot of a database in which nothing else happens while its neighbours write, and
 * the time from one to the other is the lag of capturing, end to end.
 *
 * Transactional, because a message outside a transaction may leave the position from which decoding restarts
 * where it is. Where the helper schema is there, the beat also writes what the view `walhook.health` shows:
 * when a beat last came back, and the budget.
 */
import type { Pool } from 'pg';
import type { Clock } from '../core/clock.ts';
import { causeCode } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';

export const HEARTBEAT_PREFIX = 'walhook.heartbeat';

export interface HeartbeatOptions {
  readonly pool: Pool;
  readonly slot: string;
  /** Marks the beats of this daemon. */
  readonly process: string;
  /** `postgres.wal_budget`, for the view. */
  readonly budgetBytes: number | null;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Heard {
  /** Wall time. */
  readonly atMs: number;
  readonly lagMs: number;
}

/** Beats under way. More means that nothing comes back, and then the oldest tell most. */
const MAX_UNDER_WAY = 100;
/** read-only transaction, no such table or column, no right to it: the message alone is written. */
const NO_RECORD = new Set(['25006', '42P01', '3F000', '42703', '42501']);

const EMIT = 'select pg_catalog.pg_logical_emit_message(true, $1, $2)';
const EMIT_AND_RECORD = `
  with recorded as (
    update walhook.installation
    set heartbeat_at = coalesce(to_timestamp($4::float8 / 1000), heartbeat_at), wal_budget_bytes = $5
    where slot = $3
  )
  ${EMIT}`;

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  /** By number: when it was written, on the monotonic clock. */
  readonly #underWay = new Map<number, number>();
  #next = 1;
  #heard: Heard | null = null;
  #isRecorded = true;
  #isSilent = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** The newest beat that came back. */
  get heard(): Heard | null {
    return this.#heard;
  }

  /** How long the oldest beat has been under way; 0 when none is. */
  get waitingMs(): number {
    const [oldest] = this.#underWay.values();
    return oldest === undefined ? 0 : this.#options.clock.monotonic() - oldest;
  }

  /** Writes a beat. Never throws: what keeps it from being written keeps nothing else. */
  async beat(): Promise<void> {
    const { clock, process } = this.#options;
    const n = this.#next;
    this.#next += 1;
    if (this.#underWay.size < MAX_UNDER_WAY) this.#underWay.set(n, clock.monotonic());
    try {
      await this.#write(JSON.stringify({ process, n, at: new Date(clock.now()).toISOString() }));
      this.#isSilent = false;
    } catch (error) {
      this.#underWay.delete(n);
      const { log } = this.#options;
      log[this.#isSilent ? 'debug' : 'warn'](
        { code: causeCode(error) },
        'the heartbeat could not be written',
      );
      this.#isSilent = true;
    }
  }

  /** A beat came back, perhaps that of another daemon. */
  hear(content: string): void {
    const { clock, process } = this.#options;
    const beat = readBeat(content);
    if (beat === null || beat.process !== process) return;
    const sentMs = this.#underWay.get(beat.n);
    for (const n of this.#underWay.keys()) if (n <= beat.n) this.#underWay.delete(n);
    if (sentMs !== undefined)
      this.#heard = { atMs: clock.now(), lagMs: Math.round(clock.monotonic() - sentMs) };
  }

  async #write(content: string): Promise<void> {
    const { pool, slot, budgetBytes } = this.#options;
    if (this.#isRecorded) {
      try {
        await pool.query(EMIT_AND_RECORD, [
          HEARTBEAT_PREFIX,
          content,
          slot,
          this.#heard?.atMs ?? null,
          budgetBytes,
        ]);
        return;
      } catch (error) {
        if (!NO_RECORD.has(causeCode(error) ?? '')) throw error;
        this.#isRecorded = false;
      }
    }
    await pool.query(EMIT, [HEARTBEAT_PREFIX, content]);
  }
}

function readBeat(content: string): { readonly process: string; readonly n: number } | null {
  try {
    const { process, n } = JSON.parse(content) as { process?: unknown; n?: unknown };
    return typeof process === 'string' && typeof n === 'number' ? { process, n } : null;
  } catch {
    return null;
  }
}
