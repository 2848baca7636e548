/** Where everything stands, as `walhook status --json` and `GET /api/status` tell it. Reads only. */
import type { ClientBase, Pool } from 'pg';
import type { LoadedConfig } from '../config/load.ts';
import { formatLsn } from '../core/lsn.ts';
import type { QueueCounts, QueueStore } from '../queue/store.ts';
import { readSlot, type SlotState } from '../replication/slot.ts';
import { readIdentity } from '../setup/installation.ts';

/** Keys are added, never changed. */
export interface StatusReport {
  readonly environment: string;
  readonly database: string;
  readonly generation: string | null;
  readonly slot: {
    readonly name: string;
    /** reserved, extended, unreserved, lost or missing. */
    readonly wal_status: string;
    /** The server process that streams to the daemon that captures; null when none does. */
    readonly active_pid: number | null;
    readonly captured_by: string | null;
    readonly confirmed_flush_lsn: string;
    readonly restart_lsn: string;
    readonly lag_bytes: number;
    /** Since the server last heard from the consumer; null without one. */
    readonly lag_seconds: number | null;
    readonly retained_wal_bytes: number;
    readonly wal_limit_bytes: number | null;
  };
  readonly queue: {
    readonly kind: 'redis' | 'postgres';
    readonly position: string | null;
    readonly durability: string;
  };
  readonly webhooks: readonly (QueueCounts & { readonly webhook: string })[];
}

/** The slot, who streams from it, and what the server lets it retain. */
export interface SlotReading {
  readonly slot: SlotState;
  readonly capturedBy: string | null;
  readonly lagSeconds: number | null;
  readonly walLimitBytes: number | null;
}

const WALSENDER = `
  select coalesce(host(r.client_addr), 'local') as client,
    extract(epoch from coalesce(r.replay_lag, interval '0'))::text as lag
  from pg_catalog.pg_stat_replication r where r.pid = $1`;

const WAL_LIMIT = `
  select coalesce((select setting from pg_catalog.pg_settings where name = 'max_slot_wal_keep_size'), '-1') as mb`;

export async function readSlotReading(client: ClientBase | Pool, slotName: string): Promise<SlotReading> {
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
    walLimitBytes: megabytes < 0 ? null : megabytes * 1_048_576,
  };
}

export async function readStatus(
  client: ClientBase | Pool,
  store: QueueStore,
  { config }: LoadedConfig,
): Promise<StatusReport> {
  const identity = await readIdentity(client);
  const { slot, capturedBy, lagSeconds, walLimitBytes } = await readSlotReading(client, config.postgres.slot);
  const queue = await store.state();
  return {
    environment: config.environment,
    database: identity.database,
    generation: queue?.installation.generation ?? null,
    slot: {
      name: config.postgres.slot,
      wal_status: slot.walStatus,
      active_pid: slot.activePid,
      captured_by: capturedBy,
      confirmed_flush_lsn: formatLsn(slot.confirmedFlushLsn),
      restart_lsn: formatLsn(slot.restartLsn),
      lag_bytes: slot.lagBytes,
      lag_seconds: lagSeconds,
      retained_wal_bytes: slot.retainedBytes,
      wal_limit_bytes: walLimitBytes,
    },
    queue: {
      kind: store.kind,
      position: queue?.position ?? null,
      durability: (await store.durability()).note,
    },
    webhooks: [...(await store.counts())].map(([webhook, counts]) => ({ webhook, ...counts })),
  };
}
