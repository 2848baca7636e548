/**
 * Looks after the slot while this daemon captures: beats the heart, watches how much WAL the slot keeps and how
 * long the budget lasts, says so in the log before it hurts, and leaves a note of it for `walhook status`.
 */
import type { Pool } from 'pg';
import { formatBytes, formatDuration } from '../config/units.ts';
import type { Clock } from '../core/clock.ts';
import { toWalhookError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { lsn } from '../core/lsn.ts';
import type { Alerts } from '../observe/alerts.ts';
import type { NoteStore } from '../queue/notes.ts';
import { readSlot } from '../replication/slot.ts';
import { readSlotHealth, type SlotHealth } from '../replication/slotHealth.ts';
import { type BudgetLevel, smoothedRate, type WalBudget, walBudget } from '../replication/walBudget.ts';
import type { Heartbeat } from './heartbeat.ts';

export interface MonitorOptions {
  readonly pool: Pool;
  readonly store: NoteStore;
  readonly slot: string;
  /** null: off. */
  readonly heartbeatMs: number | null;
  /** `postgres.wal_budget` */
  readonly budgetBytes: number | null;
  readonly heartbeat: Heartbeat;
  readonly alerts: Pick<Alerts, 'raise' | 'clear'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What the capturing daemon leaves for `walhook status`. */
export interface CaptureHealth {
  readonly atMs: number;
  /** End of the server's WAL at that time, as hex. */
  readonly lsn: string;
  readonly walBytesPerSecond: number | null;
  readonly heartbeatAtMs: number | null;
  readonly heartbeatLagMs: number | null;
}

const KEY = 'health';
const SAMPLE_MS = 10_000;
const LEVELS: readonly BudgetLevel[] = ['fine', 'half', 'near', 'reached'];
/** What is still so is said again this often. */
const REPEAT_MS = 3_600_000;
/** A heartbeat on its way for longer means that nothing comes through. */
const OVERDUE_BEATS = 3;
/** Transactions open for longer keep the slot from moving; they are named. */
const LONG_TRANSACTION_SECONDS = 900;

export async function readCaptureHealth(store: NoteStore): Promise<CaptureHealth | null> {
  const text = (await store.notes(KEY)).get(KEY);
  return text === undefined ? null : (JSON.parse(text) as CaptureHealth);
}

/** Resolves when the signal is aborted. Never throws: watching must not stop what it watches. */
export async function monitor(options: MonitorOptions, signal: AbortSignal): Promise<void> {
  const watch = new SlotWatch(options);
  const loops = [every(SAMPLE_MS, () => watch.sample(), options, signal)];
  if (options.heartbeatMs !== null) {
    loops.push(every(options.heartbeatMs, () => options.heartbeat.beat(), options, signal));
  }
  await Promise.all(loops);
}

async function every(
  ms: number,
  act: () => Promise<void>,
  { clock, log }: MonitorOptions,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await act();
    } catch (error) {
      if (!signal.aborted) log.debug({ err: error }, `not watched: ${toWalhookError(error).message}`);
    }
    await clock.sleep(ms, signal);
  }
}

class SlotWatch {
  readonly #options: MonitorOptions;
  #last: { readonly lsn: bigint; readonly atMs: number } | null = null;
  #rate: number | null = null;
  #level: BudgetLevel = 'fine';
  /** As the alerts know it; null: not of this connection. */
  #alerted: BudgetLevel | null = null;
  #saidMs = Number.NEGATIVE_INFINITY;
  #isOverdue = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
  }

  async sample(): Promise<void> {
    const { pool, store, slot: name, clock, heartbeat, budgetBytes } = this.#options;
    const slot = await readSlot(pool, name);
    const health = await readSlotHealth(pool, name);
    const now = clock.monotonic();
    if (this.#last !== null) {
      const seconds = (now - this.#last.atMs) / 1_000;
      this.#rate = smoothedRate(this.#rate, Number(slot.currentLsn - this.#last.lsn), seconds);
    }
    this.#last = { lsn: slot.currentLsn, atMs: now };
    const note: CaptureHealth = {
      atMs: clock.now(),
      lsn: slot.currentLsn.toString(16),
      walBytesPerSecond: this.#rate === null ? null : Math.round(this.#rate),
      heartbeatAtMs: heartbeat.heard?.atMs ?? null,
      heartbeatLagMs: heartbeat.heard?.lagMs ?? null,
    };
    await store.putNote(KEY, JSON.stringify(note));
    const budget = walBudget({
      retainedBytes: slot.retainedBytes,
      limitBytes: health.walLimitBytes,
      budgetBytes,
      safeWalBytes: health.safeWalBytes,
      bytesPerSecond: this.#rate,
    });
    const message = describeBudget(budget, slot.retainedBytes, health);
    this.#sayBudget(budget, slot.retainedBytes, message);
    this.#sayOverdue();
    await this.#alert(budget.level, message);
  }

  /** Told at each look: alerts send again only what has become worse, or was sent an hour ago. */
  async #alert(level: BudgetLevel, message: string): Promise<void> {
    const { alerts, slot } = this.#options;
    const before = this.#alerted;
    this.#alerted = level;
    const isWorse = before !== null && LEVELS.indexOf(level) > LEVELS.indexOf(before);
    if (isWorse || (level === 'fine' && before !== 'fine')) await alerts.clear('slot_budget', slot);
    if (level !== 'fine') await alerts.raise('slot_budget', slot, message);
  }

  #sayBudget(budget: WalBudget, retainedBytes: number, message: string): void {
    const { clock, log, slot } = this.#options;
    const isNew = budget.level !== this.#level;
    if (!isNew && (budget.level === 'fine' || clock.monotonic() - this.#saidMs < REPEAT_MS)) return;
    this.#level = budget.level;
    this.#saidMs = clock.monotonic();
    const level = budget.level === 'fine' ? 'info' : budget.level === 'half' ? 'warn' : 'error';
    log[level]({ slot, budget: budget.level, retainedBytes, leftBytes: budget.leftBytes }, message);
  }

  #sayOverdue(): void {
    const { heartbeat, heartbeatMs, log } = this.#options;
    const isOverdue = heartbeatMs !== null && heartbeat.waitingMs > OVERDUE_BEATS * heartbeatMs;
    if (isOverdue && !this.#isOverdue) {
      log.warn(
        { waitingMs: Math.round(heartbeat.waitingMs) },
        'the heartbeat has not come back: capturing lags',
      );
    }
    this.#isOverdue = isOverdue;
  }
}

/** One sentence: what is kept, of how much, how long the rest lasts, and what keeps it. Pure. */
export function describeBudget(budget: WalBudget, retainedBytes: number, health: SlotHealth): string {
  if (budget.bytes === null) return `the slot keeps ${formatBytes(retainedBytes)} of WAL, without a limit`;
  const left =
    budget.secondsLeft === null
      ? ''
      : `, ${formatDuration(budget.secondsLeft * 1_000)} left at the present rate`;
  const oldest = health.oldestTransaction;
  const cause =
    oldest === null || oldest.ageSeconds < LONG_TRANSACTION_SECONDS
      ? ''
      : `; a transaction open for ${formatDuration(oldest.ageSeconds * 1_000)} (${oldest.pid === null ? 'prepared' : `pid ${oldest.pid}`}, ${oldest.user ?? 'unknown'}) keeps it from moving`;
  const state = budget.level === 'reached' ? 'has used up its WAL budget' : 'keeps WAL';
  return `the slot ${state}: ${formatBytes(retainedBytes)} of ${formatBytes(budget.bytes)}${left}${cause}`;
}

/** Bytes per second since a note was left; what status shows where no daemon captures. */
export function rateSince(health: CaptureHealth, currentLsn: bigint, nowMs: number): number | null {
  const seconds = (nowMs - health.atMs) / 1_000;
  if (seconds < 1) return health.walBytesPerSecond;
  const before = lsn(BigInt(`0x${health.lsn}`));
  return smoothedRate(null, Number(currentLsn - before), seconds);
}
