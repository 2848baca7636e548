/** What `walhook status --json` prints, read from database and queue. */
import type { Client } from 'pg';
import { type Leader, leaderOf, readLease } from '../capture/lease.ts';
import { rateSince, readCaptureHealth } from '../capture/monitor.ts';
import type { LoadedConfig } from '../config/load.ts';
import { formatLsn } from '../core/lsn.ts';
import { readPublished } from '../definitions/published.ts';
import { decodeFlow } from '../queue/flow.ts';
import type { Gap } from '../queue/gaps.ts';
import type { QueueCounts, QueueStore } from '../queue/store.ts';
import { readSlotHealth } from '../replication/slotHealth.ts';
import { type BudgetLevel, walBudget } from '../replication/walBudget.ts';
import { readDatabaseState } from '../setup/state.ts';
import { namesOf } from './connections.ts';

/** The shape of `--json`. Keys are added, never changed. */
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
    /** max_slot_wal_keep_size; null without a limit. */
    readonly wal_limit_bytes: number | null;
    /** The smaller of that and postgres.wal_budget. */
    readonly budget_bytes: number | null;
    readonly budget_left_bytes: number | null;
    /** At the present rate; null while it is not known. */
    readonly budget_left_seconds: number | null;
    /** fine, half, near or reached. */
    readonly budget_level: BudgetLevel;
    readonly safe_wal_bytes: number | null;
    readonly wal_bytes_per_second: number | null;
    readonly invalidation_reason: string | null;
    /** Transactions since the oldest whose catalog rows the slot keeps. */
    readonly catalog_xmin_age: number | null;
    /** Bytes that decoding has spilled to the server's disk. */
    readonly spilled_bytes: number;
    /** What keeps restart_lsn from moving. */
    readonly oldest_transaction: {
      readonly pid: number | null;
      readonly user: string | null;
      readonly application: string | null;
      readonly age_seconds: number;
    } | null;
  };
  /** Written to the database and read back from the slot; null before the first came back. */
  readonly heartbeat: { readonly at: string; readonly lag_seconds: number } | null;
  /** The daemon that captures, as it says itself; null when none does. */
  readonly leader: {
    readonly process: string;
    readonly host: string;
    readonly pid: number;
    readonly since: string;
    readonly renewed: string;
  } | null;
  readonly queue: {
    readonly kind: 'redis' | 'postgres';
    readonly position: string | null;
    readonly durability: string;
  };
  /** Stretches of Changes known not to have been delivered, oldest first; settled ones have `settledMs`. */
  readonly gaps: readonly Gap[];
  /** Webhooks kept as rows, as the capturing process has taken them up, by name. */
  readonly rows: readonly {
    readonly name: string;
    readonly enabled: boolean;
    readonly in_force: boolean;
    /** Why it is not; empty where it is. */
    readonly problems: readonly string[];
  }[];
  readonly webhooks: readonly (QueueCounts & {
    readonly webhook: string;
    /** The receiver is down and requests wait; null where they go out. */
    readonly parked: { readonly since: string; readonly until: string; readonly reason: string } | null;
  })[];
}

/** Reads everything anew. `client` is the watched database's. */
export async function readStatus(
  loaded: LoadedConfig,
  client: Client,
  store: QueueStore,
  nowMs: number,
): Promise<StatusReport> {
  const { config } = loaded;
  const state = await readDatabaseState(client, namesOf(loaded));
  const told = await readQueue(store);
  const consumer = await readConsumer(client, state.slot.activePid);
  const health = await readSlotHealth(client, config.postgres.slot);
  const { queue, noted } = told;
  const rate = noted === null ? null : rateSince(noted, state.slot.currentLsn, nowMs);
  const budget = walBudget({
    retainedBytes: state.slot.retainedBytes,
    limitBytes: state.walLimitBytes,
    budgetBytes: config.postgres.wal_budget,
    safeWalBytes: health.safeWalBytes,
    bytesPerSecond: rate,
  });
  const { oldestTransaction } = health;
  return {
    environment: config.environment,
    database: state.identity.database,
    generation: queue?.installation.generation ?? null,
    slot: {
      name: config.postgres.slot,
      wal_status: state.slot.walStatus,
      active_pid: state.slot.activePid,
      captured_by: consumer?.client ?? null,
      confirmed_flush_lsn: formatLsn(state.slot.confirmedFlushLsn),
      restart_lsn: formatLsn(state.slot.restartLsn),
      lag_bytes: state.slot.lagBytes,
      lag_seconds: consumer?.lagSeconds ?? null,
      retained_wal_bytes: state.slot.retainedBytes,
      wal_limit_bytes: state.walLimitBytes,
      budget_bytes: budget.bytes,
      budget_left_bytes: budget.leftBytes,
      budget_left_seconds: budget.secondsLeft,
      budget_level: budget.level,
      safe_wal_bytes: health.safeWalBytes,
      wal_bytes_per_second: rate === null ? null : Math.round(rate),
      invalidation_reason: health.invalidationReason,
      catalog_xmin_age: health.catalogXminAge,
      spilled_bytes: health.spilledBytes,
      oldest_transaction:
        oldestTransaction === null
          ? null
          : {
              pid: oldestTransaction.pid,
              user: oldestTransaction.user,
              application: oldestTransaction.application,
              age_seconds: Math.round(oldestTransaction.ageSeconds),
            },
    },
    heartbeat:
      noted?.heartbeatAtMs == null || noted.heartbeatLagMs === null
        ? null
        : { at: new Date(noted.heartbeatAtMs).toISOString(), lag_seconds: noted.heartbeatLagMs / 1_000 },
    leader: told.leader,
    queue: {
      kind: store.kind,
      position: queue?.position ?? null,
      durability: (await store.durability()).note,
    },
    gaps: told.gaps,
    rows: rowsOf(queue?.definitions ?? null),
    webhooks: told.webhooks,
  };
}

/** What the queue tells. One that holds nothing of walhook yet, or any more, is asked nothing else. */
async function readQueue(store: QueueStore) {
  const queue = await store.state();
  if (queue === null) return { queue, noted: null, leader: null, gaps: [], webhooks: [] };
  return {
    queue,
    noted: await readCaptureHealth(store),
    leader: reported(leaderOf(await readLease(store))),
    gaps: (await store.gaps()).toReversed(),
    webhooks: await readWebhooks(store),
  };
}

function rowsOf(definitions: string | null): StatusReport['rows'] {
  const rows = readPublished(definitions).rows.map(({ id, values, problems = [] }) => {
    const { name, enabled } = values;
    return {
      name: typeof name === 'string' ? name : `row ${id}`,
      enabled: enabled !== false,
      in_force: problems.length === 0 && enabled !== false,
      problems,
    };
  });
  return rows.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function reported(leader: Leader | null): StatusReport['leader'] {
  if (leader === null) return null;
  const { process, host, pid, sinceMs, renewedMs } = leader;
  const since = new Date(sinceMs).toISOString();
  return { process, host, pid, since, renewed: new Date(renewedMs).toISOString() };
}

async function readConsumer(
  client: Client,
  pid: number | null,
): Promise<{ readonly client: string; readonly lagSeconds: number } | null> {
  if (pid === null) return null;
  const { rows } = await client.query<{ client: string; lag: number }>(
    `select coalesce(host(client_addr), 'local') as client,
       extract(epoch from coalesce(replay_lag, interval '0'))::float8 as lag
     from pg_catalog.pg_stat_replication where pid = $1`,
    [pid],
  );
  const row = rows[0];
  return row === undefined ? null : { client: row.client, lagSeconds: row.lag };
}

async function readWebhooks(store: QueueStore): Promise<StatusReport['webhooks']> {
  const flows = await store.flows();
  return [...(await store.counts())].map(([webhook, counts]) => ({
    webhook,
    ...counts,
    parked: parkedOf(flows.get(webhook) ?? null),
  }));
}

function parkedOf(flow: string | null): StatusReport['webhooks'][number]['parked'] {
  const { park } = decodeFlow(flow);
  if (park === null) return null;
  const time = (ms: number) => new Date(ms).toISOString();
  return { since: time(park.sinceMs), until: time(park.untilMs), reason: park.reason };
}
