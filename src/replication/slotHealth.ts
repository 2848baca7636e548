/** What endangers a slot, and what a slot endangers: reads only, and needs no more than to connect. */
import type { ClientBase, Pool } from 'pg';

/** A transaction that keeps `restart_lsn` where it is: decoding can only restart before it. */
export interface OldTransaction {
  /** null for a prepared transaction. */
  readonly pid: number | null;
  readonly user: string | null;
  readonly application: string | null;
  readonly ageSeconds: number;
}

export interface SlotHealth {
  /** WAL that may still be written before the slot is lost; null without a limit. */
  readonly safeWalBytes: number | null;
  /** `max_slot_wal_keep_size`; null without a limit. */
  readonly walLimitBytes: number | null;
  /** Why a lost slot is lost, from PostgreSQL 17 on. */
  readonly invalidationReason: string | null;
  /** Transactions since the oldest whose catalog rows the slot keeps from vacuum. */
  readonly catalogXminAge: number | null;
  /** Bytes that decoding has spilled to the server's disk, since its statistics were reset. */
  readonly spilledBytes: number;
  readonly oldestTransaction: OldTransaction | null;
}

/** Columns that not every version has are read through JSON. */
const HEALTH = `
  select s.safe_wal_size::text as safe_bytes, to_jsonb(s) ->> 'invalidation_reason' as invalidation_reason,
    age(s.catalog_xmin)::text as catalog_age,
    (select st.spill_bytes::text from pg_catalog.pg_stat_replication_slots st where st.slot_name = $1) as spilled,
    (select setting from pg_catalog.pg_settings where name = 'max_slot_wal_keep_size') as limit_mb
  from (select) as one left join pg_catalog.pg_replication_slots s on s.slot_name = $1`;

const OLDEST = `
  select pid, "user", application, extract(epoch from clock_timestamp() - since)::float8 as age from (
    select pid, usename::text as "user", application_name as application, xact_start as since
    from pg_catalog.pg_stat_activity
    where backend_xid is not null and xact_start is not null and pid <> pg_backend_pid()
    union all
    select null, owner::text, 'prepared transaction', prepared from pg_catalog.pg_prepared_xacts
  ) as open order by since limit 1`;

const MEBIBYTE = 1_048_576;

export async function readSlotHealth(client: ClientBase | Pool, slot: string): Promise<SlotHealth> {
  const { rows } = await client.query<{
    safe_bytes: string | null;
    invalidation_reason: string | null;
    catalog_age: string | null;
    spilled: string | null;
    limit_mb: string | null;
  }>(HEALTH, [slot]);
  const row = rows[0];
  const number = (text: string | null | undefined) => (text == null ? null : Number(text));
  const limitMb = number(row?.limit_mb) ?? -1;
  const oldest = await client.query<{
    pid: number | null;
    user: string | null;
    application: string | null;
    age: number;
  }>(OLDEST);
  const first = oldest.rows[0];
  return {
    safeWalBytes: number(row?.safe_bytes),
    walLimitBytes: limitMb < 0 ? null : limitMb * MEBIBYTE,
    invalidationReason: row?.invalidation_reason ?? null,
    catalogXminAge: number(row?.catalog_age),
    spilledBytes: number(row?.spilled) ?? 0,
    oldestTransaction:
      first === undefined
        ? null
        : {
            pid: first.pid,
            user: first.user,
            application: first.application,
            ageSeconds: Math.max(0, first.age),
          },
  };
}
