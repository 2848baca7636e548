/** `walhook status`: where the slot stands, who captures, and what waits for whom. */
import { formatBytes, formatDuration } from '../config/units.ts';
import { Scope } from '../core/lifecycle.ts';
import { readStatus, type StatusReport } from '../observe/status.ts';
import { loadConfigFile } from './configFile.ts';
import { openServices } from './connections.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';

export async function status(options: CommonOptions, io: CommandIo): Promise<ExitStatus> {
  const loaded = loadConfigFile(options, io);
  await using scope = new Scope();
  const { client, store } = await openServices(loaded, scope);
  const report = await readStatus(client, store, loaded);
  io.out(options.json === true ? line(JSON.stringify(report)) : printed(report));
  return 0;
}

function printed({ environment, database, generation, slot, queue, webhooks }: StatusReport): string {
  const who =
    slot.active_pid === null
      ? 'nobody captures'
      : `captured from ${slot.captured_by} (server pid ${slot.active_pid})`;
  const limit = slot.wal_limit_bytes === null ? 'no limit set' : `of ${formatBytes(slot.wal_limit_bytes)}`;
  const lag = slot.lag_seconds === null ? '' : `, ${formatDuration(slot.lag_seconds * 1_000)}`;
  const head = [
    `environment  ${environment}, database ${database}, generation ${generation ?? '(not set up)'}`,
    `slot         ${slot.name}: ${slot.wal_status}, ${who}`,
    `             confirmed ${slot.confirmed_flush_lsn}, restart ${slot.restart_lsn}, lag ${formatBytes(slot.lag_bytes)}${lag}`,
    `             retains ${formatBytes(slot.retained_wal_bytes)} of WAL (${limit})`,
    `queue        ${queue.kind}, durability: ${queue.durability}`,
  ];
  const rows = webhooks.map((row) => [
    row.webhook + (row.isPaused ? ' (paused)' : ''),
    ...[row.waiting, row.delayed, row.active, row.failed, row.deliveredTotal].map(String),
  ]);
  const table = [['webhook', 'waiting', 'delayed', 'active', 'failed', 'delivered'], ...rows];
  const widths = (table[0] ?? []).map((_, i) => Math.max(...table.map((row) => (row[i] ?? '').length)));
  const body = table.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
  );
  return `${[...head, '', ...(rows.length === 0 ? ['no webhook has had a Delivery yet'] : body)].join('\n')}\n`;
}
