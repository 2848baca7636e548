/** `walhook status`: where the slot stands, who captures, and what waits for whom. */
import { formatBytes, formatDuration } from '../config/units.ts';
import { systemClock } from '../core/clock.ts';
import { Scope } from '../core/lifecycle.ts';
import { describeGap } from '../queue/gaps.ts';
import { loadConfigFile } from './configFile.ts';
import { openServices } from './connections.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';
import { readStatus, type StatusReport } from './statusReport.ts';

export async function status(options: CommonOptions, io: CommandIo): Promise<ExitStatus> {
  const loaded = loadConfigFile(options, io);
  await using scope = new Scope();
  const { client, store } = await openServices(loaded, scope);
  const report = await readStatus(loaded, client, store, systemClock.now());
  io.out(options.json === true ? line(JSON.stringify(report)) : printed(report));
  return 0;
}

function printed(report: StatusReport): string {
  const { environment, database, generation, queue } = report;
  const head = [
    `environment  ${environment}, database ${database}, generation ${generation ?? 'none: run walhook setup'}`,
    ...slotLines(report),
    `queue        ${queue.kind}, durability: ${queue.durability}`,
    ...report.gaps.filter((gap) => gap.settledMs === null).map((gap) => `GAP          ${describeGap(gap)}`),
  ];
  head.push(...rowLines(report));
  return `${[...head, '', ...webhookLines(report)].join('\n')}\n`;
}

function rowLines({ rows }: StatusReport): string[] {
  if (rows.length === 0) return [];
  const invalid = rows.filter(({ problems }) => problems.length > 0);
  const inForce = rows.filter((row) => row.in_force).length;
  return [
    `rows         ${rows.length} in walhook.webhook, ${inForce} in force, ${invalid.length} invalid`,
    ...invalid.map(({ name, problems }) => `INVALID      ${name}: ${problems.join('; ')}`),
  ];
}

function slotLines({ slot, leader, heartbeat }: StatusReport): string[] {
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
