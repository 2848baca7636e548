/** What the server says of a replication slot. */
import type { ClientBase, Pool } from 'pg';
import { LSN_ZERO, type Lsn, parseLsn } from '../core/lsn.ts';

/** `wal_status` of pg_replication_slots, or `missing`. */
export type WalStatus = 'reserved' | 'extended' | 'unreserved' | 'lost' | 'missing';

export interface SlotState {
  readonly walStatus: WalStatus;
  readonly plugin: string | null;
  readonly database: string | null;
  /** The process that holds it; null when it is free. */
  readonly activePid: number | null;
  readonly confirmedFlushLsn: Lsn;
  readonly restartLsn: Lsn;
  /** WAL that the slot keeps the server from recycling. */
  readonly retainedBytes: number;
  /** WAL that has not been confirmed. */
  readonly lagBytes: number;
  readonly currentLsn: Lsn;
}

/** Needs no more than the right to connect. */
export async function readSlot(client: ClientBase | Pool, slot: string): Promise<SlotState> {
  const { rows } = await client.query<{
    current_lsn: string;
    found: boolean;
    wal_status: WalStatus | null;
    plugin: string | null;
    database: string | null;
    active_pid: number | null;
    confirmed: string | null;
    restart: string | null;
    retained: string | null;
    lag: string | null;
  }>(
    `select w.lsn::text as current_lsn, s.slot_name is not null as found, s.wal_status, s.plugin, s.database,
       s.active_pid, s.confirmed_flush_lsn::text as confirmed, s.restart_lsn::text as restart,
       (w.lsn - s.restart_lsn)::text as retained, (w.lsn - s.confirmed_flush_lsn)::text as lag
     from (
       select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end as lsn
     ) as w
     left join pg_catalog.pg_replication_slots s on s.slot_name = $1`,
    [slot],
  );
  const row = rows[0];
  const orZero = (text: string | null | undefined): Lsn => (text ? parseLsn(text) : LSN_ZERO);
  return {
    walStatus: row?.found === true ? (row.wal_status ?? 'reserved') : 'missing',
    plugin: row?.plugin ?? null,
    database: row?.database ?? null,
    activePid: row?.active_pid ?? null,
    confirmedFlushLsn: orZero(row?.confirmed),
    restartLsn: orZero(row?.restart),
    retainedBytes: Math.max(0, Number(row?.retained ?? 0)),
    lagBytes: Math.max(0, Number(row?.lag ?? 0)),
    currentLsn: orZero(row?.current_lsn),
  };
}
