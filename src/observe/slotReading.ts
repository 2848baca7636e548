/** What the slot says, read every few seconds: lighter than the whole status. */
import type { ClientBase, Pool } from 'pg';
import { readSlot, type SlotState } from '../replication/slot.ts';

/** The slot, who streams from it, and what the server lets it retain. */
export interface SlotReading {
  readonly slot: SlotState;
  readonly capturedBy: string | null;
  readonly lagSeconds: number | null;
  /** The smaller of max_slot_wal_keep_size and postgres.wal_budget; null without either. */
  readonly budgetBytes: number | null;
}

const WALSENDER = `
  select coalesce(host(r.client_addr), 'local') as client,
    extract(epoch from coalesce(r.replay_lag, interval '0'))::text as lag
  from pg_catalog.pg_stat_replication r where r.pid = $1`;

const WAL_LIMIT = `
  select coalesce((select setting from pg_catalog.pg_settings where name = 'max_slot_wal_keep_size'), '-1') as mb`;

export async function readSlotReading(
  client: ClientBase | Pool,
  slotName: string,
  walBudget: number | null,
): Promise<SlotReading> {
  const slot = await readSlot(client, slotName);
  const senders = await client.query<{ client: string | null; lag: string | null }>(WALSENDER, [
    slot.activePid,
  ]);
  const limits = await client.query<{ mb: string }>(WAL_LIMIT);
  const sender = senders.rows[0];
  const megabytes = Number(limits.rows[0]?.mb ?? -1);
  return {
    slot,
    capturedBy: sender?.client ?? null,
    lagSeconds: sender?.lag == null ? null : Number(sender.lag),
    budgetBytes: smaller(megabytes < 0 ? null : megabytes * 1_048_576, walBudget),
  };
}

function smaller(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}
