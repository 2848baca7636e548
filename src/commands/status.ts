/** `walhook status`: where the slot stands, who captures, and what waits for whom. */
import { formatBytes, formatDuration } from '../config/units.ts';
import { systemClock } from '../core/clock.ts';
import { Scope } from '../core/lifecycle.ts';
<<<<<<< HEAD
import { formatLsn } from '../core/lsn.ts';
import { decodeFlow } from '../queue/flow.ts';
import type { QueueCounts } from '../queue/store.ts';
import { readDatabaseState } from '../setup/state.ts';
=======
import { describeGap } from '../queue/historyGaps.ts';
>>>>>>> main
import { loadConfigFile } from './configFile.ts';
import { openServices } from './connections.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';
<<<<<<< HEAD

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
    readonly wal_limit_bytes: number | null;
  };
  readonly queue: {
    readonly kind: 'redis' | 'postgres';
    readonly position: string | null;
    readonly durability: string;
  };
  readonly webhooks: readonly (QueueCounts & {
    readonly webhook: string;
    /** The receiver is down and requests wait; null where they go out. */
    readonly parked: { readonly since: string; readonly until: string; readonly reason: string } | null;
  })[];
}
=======
import { readStatus, type StatusReport } from './statusReport.ts';
>>>>>>> main

export async function status(options: CommonOptions, io: CommandIo): Promise<ExitStatus> {
  const loaded = loadConfigFile(options, io);
  await using scope = new Scope();
  const { client, store } = await openServices(loaded, scope);
<<<<<<< HEAD
  const state = await readDatabaseState(client, namesOf(loaded));
  const queue = await store.state();
  const { rows } = await client.query<{ client: string | null; lag: string | null }>(
    `select coalesce(host(client_addr), 'local') as client,
       extract(epoch from coalesce(replay_lag, interval '0'))::text as lag
     from pg_catalog.pg_stat_replication where pid = $1`,
    [state.slot.activePid],
  );
  const flows = await store.flows();
  const report: StatusReport = {
    environment: loaded.config.environment,
    database: state.identity.database,
    generation: queue?.installation.generation ?? null,
    slot: {
      name: loaded.config.postgres.slot,
      wal_status: state.slot.walStatus,
      active_pid: state.slot.activePid,
      captured_by: rows[0]?.client ?? null,
      confirmed_flush_lsn: formatLsn(state.slot.confirmedFlushLsn),
      restart_lsn: formatLsn(state.slot.restartLsn),
      lag_bytes: state.slot.lagBytes,
      lag_seconds: rows[0]?.lag == null ? null : Number(rows[0].lag),
      retained_wal_bytes: state.slot.retainedBytes,
      wal_limit_bytes: state.walLimitBytes,
    },
    queue: {
      kind: store.kind,
      position: queue?.position ?? null,
      durability: (await store.durability()).note,
    },
    webhooks: [...(await store.counts())].map(([webhook, counts]) => ({
      webhook,
      ...counts,
      parked: parkedOf(flows.get(webhook) ?? null),
    })),
  };
=======
  const report = await readStatus(loaded, client, store, systemClock.now());
>>>>>>> main
  io.out(options.json === true ? line(JSON.stringify(report)) : printed(report));
  return 0;
}

<<<<<<< HEAD
function parkedOf(flow: string | null): StatusReport['webhooks'][number]['parked'] {
  const { park } = decodeFlow(flow);
  if (park === null) return null;
  const time = (ms: number) => new Date(ms).toISOString();
  return { since: time(park.sinceMs), until: time(park.untilMs), reason: park.reason };
}

function printed({ environment, database, generation, slot, queue, webhooks }: StatusReport): string {
=======
function printed(report: StatusReport): string {
  const { environment, database, generation, queue } = report;
  const head = [
    `environment  ${environment}, database ${database}, generation ${generation ?? '(not set up)'}`,
    ...slotLines(report),
    `queue        ${queue.kind}, durability: ${queue.durability}`,
    ...report.gaps
      .filter((gap) => gap.acceptedAtMs === null)
      .map((gap) => `GAP          ${describeGap(gap)}`),
  ];
  return `${[...head, '', ...webhookLines(report)].join('\n')}\n`;
}

function slotLines({ slot, leader, heartbeat }: StatusReport): string[] {
>>>>>>> main
  const who =
    slot.active_pid === null
      ? 'nobody captures'
      : `captured from ${slot.captured_by} (server pid ${slot.active_pid}${leader === null ? '' : `, ${leader.process}`})`;
  const reason = slot.invalidation_reason === null ? '' : ` (${slot.invalidation_reason})`;
  const lag = slot.lag_seconds === null ? '' : `, ${formatDuration(slot.lag_seconds * 1_000)}`;
  const beat =
    heartbeat === null
      ? 'none came back yet'
      : `came back at ${heartbeat.at} after ${formatDuration(heartbeat.lag_seconds * 1_000)}`;
  return [
    `slot         ${slot.name}: ${slot.wal_status}${reason}, ${who}`,
    `             confirmed ${slot.confirmed_flush_lsn}, restart ${slot.restart_lsn}, lag ${formatBytes(slot.lag_bytes)}${lag}`,
    `             retains ${formatBytes(slot.retained_wal_bytes)} of WAL (${budgetOf(slot)})`,
    `             catalog_xmin ${slot.catalog_xmin_age ?? 0} transactions old, ${formatBytes(slot.spilled_bytes)} spilled${oldestOf(slot)}`,
    `heartbeat    ${beat}`,
  ];
}

function budgetOf(slot: StatusReport['slot']): string {
  if (slot.budget_bytes === null) return 'no limit set';
  const left =
    slot.budget_left_seconds === null
      ? ''
      : `, ${formatDuration(slot.budget_left_seconds * 1_000)} left at the present rate`;
  const warning =
    slot.budget_level === 'fine'
      ? ''
      : `; ${slot.budget_level === 'reached' ? 'USED UP' : slot.budget_level}`;
  return `of ${formatBytes(slot.budget_bytes)}${left}${warning}`;
}

function oldestOf({ oldest_transaction: oldest }: StatusReport['slot']): string {
  if (oldest === null) return '';
  const who = oldest.pid === null ? 'prepared' : `pid ${oldest.pid}`;
  return `; oldest writing transaction ${formatDuration(oldest.age_seconds * 1_000)} (${who}, ${oldest.user ?? 'unknown'})`;
}

function webhookLines({ webhooks }: StatusReport): string[] {
  if (webhooks.length === 0) return ['no webhook has had a Delivery yet'];
  const rows = webhooks.map((row) => [
    row.webhook + (row.isPaused ? ' (paused)' : row.parked === null ? '' : ` (parked: ${row.parked.reason})`),
    ...[row.waiting, row.delayed, row.active, row.failed, row.deliveredTotal].map(String),
  ]);
  const table = [['webhook', 'waiting', 'delayed', 'active', 'failed', 'delivered'], ...rows];
  const widths = (table[0] ?? []).map((_, i) => Math.max(...table.map((row) => (row[i] ?? '').length)));
  return table.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
  );
}
