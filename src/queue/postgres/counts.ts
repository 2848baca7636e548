/** The counters of a Webhook, as the statement reads them. */
import type { QueueCounts } from '../store.ts';

export interface CountRow {
  readonly key: string;
  readonly is_paused: boolean;
  readonly is_braked: boolean;
  readonly is_parked: boolean;
  readonly waiting: string;
  readonly delayed: string;
  readonly active: string;
  readonly delivered: string;
  readonly failed: string;
  readonly cancelled: string;
  readonly delivered_total: string;
  readonly failed_total: string;
  readonly skipped_total: string;
  readonly pending_bytes: string;
  readonly log_bytes: string;
}

export function toCounts(row: CountRow): QueueCounts {
  return {
    isPaused: row.is_paused,
    isBraked: row.is_braked,
    isParked: row.is_parked,
    waiting: Number(row.waiting),
    delayed: Number(row.delayed),
    active: Number(row.active),
    delivered: Number(row.delivered),
    failed: Number(row.failed),
    cancelled: Number(row.cancelled),
    deliveredTotal: Number(row.delivered_total),
    failedTotal: Number(row.failed_total),
    skippedTotal: Number(row.skipped_total),
    bytes: Number(row.pending_bytes),
    logBytes: Number(row.log_bytes),
  };
}
