/** `walhook deliveries list|show|resend|cancel|purge`: Deliveries and their Attempts, from the shell. */
import { purge } from '../capture/purgeMisses.ts';
import { formatDuration, parseDuration } from '../config/units.ts';
import { systemClock } from '../core/clock.ts';
import { WalhookError } from '../core/errors.ts';
import { Scope } from '../core/lifecycle.ts';
import {
  DELIVERY_STATES,
  type DeliveryDetail,
  type DeliveryFilter,
  type DeliverySummary,
  MAX_PAGE,
  type Operated,
} from '../queue/inspect.ts';
import type { QueueStore } from '../queue/store.ts';
import { loadConfigFile } from './configFile.ts';
import { openQueueOnly } from './connections.ts';
import { deliveryDetailJson, deliveryJson } from './deliveryJson.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';
import { webhookKey } from './webhookName.ts';

/** What chooses Deliveries, as it is written on the command line. */
export interface FilterOptions extends CommonOptions {
  readonly webhook?: string;
  readonly state?: string;
  readonly model?: string;
  readonly key?: string;
  readonly request?: string;
  readonly status?: string;
  /** A time, or how long ago. */
  readonly since?: string;
  readonly until?: string;
}

export interface ListOptions extends FilterOptions {
  readonly limit?: string;
  readonly cursor?: string;
}

export interface OperateOptions extends FilterOptions {
  readonly yes?: boolean;
}

export type Operation = 'resend' | 'cancel' | 'purge';

export async function listDeliveries(options: ListOptions, io: CommandIo): Promise<ExitStatus> {
  await using scope = new Scope();
  const store = await openQueueOnly(loadConfigFile(options, io), scope);
  const filter = await filterOf(options, [], store, systemClock.now());
  const limit = limitOf(options.limit ?? '50');
  const { items, cursor } = await store.deliveries.list(filter, { limit, cursor: options.cursor ?? null });
  if (options.json === true) io.out(line(JSON.stringify({ deliveries: items.map(deliveryJson), cursor })));
  else io.out(printedList(items, cursor));
  return 0;
}

/** Exit 1 where there is none of this id. */
export async function showDelivery(id: string, options: CommonOptions, io: CommandIo): Promise<ExitStatus> {
  await using scope = new Scope();
  const store = await openQueueOnly(loadConfigFile(options, io), scope);
  const delivery = await store.deliveries.get(id);
  if (delivery === null) {
    throw new WalhookError('DELIVERY_UNKNOWN', `expected a Delivery of the id ${id}, found none`);
  }
  io.out(
    options.json === true ? line(JSON.stringify(deliveryDetailJson(delivery))) : printedDetail(delivery),
  );
  return 0;
}

/** Resends, cancels or purges what ids or filters choose, after telling how many and asking. */
export async function operateDeliveries(
  operation: Operation,
  ids: readonly string[],
  options: OperateOptions,
  io: CommandIo,
): Promise<ExitStatus> {
  await using scope = new Scope();
  const store = await openQueueOnly(loadConfigFile(options, io), scope);
  const nowMs = systemClock.now();
  const filter = await filterOf(options, ids, store, nowMs);
  if (Object.keys(filter).length === 0) {
    throw new WalhookError('USAGE', `expected ids or a filter that says what to ${operation}, found neither`);
  }
  const count = await store.deliveries.count(filter);
  if (count > 0 && options.yes !== true && !(await isConfirmed(operation, count, io))) return 1;
  const { done, skipped } = await operated(store, operation, filter, nowMs);
  if (options.json === true) io.out(line(JSON.stringify({ operation, matched: count, done, skipped })));
  else
    io.out(line(`${PAST[operation]} ${done} of ${count}${skipped === 0 ? '' : `, ${skipped} could not be`}`));
  return 0;
}

const PAST: Readonly<Record<Operation, string>> = {
  resend: 'resent',
  cancel: 'cancelled',
  purge: 'purged',
};

function operated(
  store: QueueStore,
  operation: Operation,
  filter: DeliveryFilter,
  nowMs: number,
): Promise<Operated> {
  switch (operation) {
    case 'resend':
      return store.deliveries.resend(filter, nowMs);
    case 'cancel':
      return store.deliveries.cancel(filter, nowMs);
    case 'purge':
      return purge(store, filter);
  }
}

async function isConfirmed(operation: Operation, count: number, io: CommandIo): Promise<boolean> {
  const what = count === 1 ? 'one Delivery' : `${count} Deliveries`;
  if (io.ask === undefined || !io.isTerminal) {
    throw new WalhookError('USAGE', `expected --yes to ${operation} ${what} without being asked`);
  }
  const answer = await io.ask(`${operation} ${what}? [y/N] `);
  return /^y(es)?$/i.test(answer.trim());
}

async function filterOf(
  options: FilterOptions,
  ids: readonly string[],
  store: Parameters<typeof webhookKey>[0],
  nowMs: number,
): Promise<DeliveryFilter> {
  const state = DELIVERY_STATES.find((known) => known === options.state);
  if (options.state !== undefined && state === undefined) {
    throw new WalhookError(
      'USAGE',
      `--state: expected one of ${DELIVERY_STATES.join(', ')}, found ${options.state}`,
    );
  }
  const { model, key, request, status, since, until } = options;
  return {
    ...(ids.length === 0 ? {} : { ids }),
    ...(options.webhook === undefined ? {} : { webhook: await webhookKey(store, options.webhook) }),
    ...(state === undefined ? {} : { state }),
    ...(model === undefined ? {} : { model }),
    ...(key === undefined ? {} : { key }),
    ...(request === undefined ? {} : { requestId: request }),
    ...(status === undefined ? {} : { status }),
    ...(since === undefined ? {} : { sinceMs: timeOf('--since', since, nowMs) }),
    ...(until === undefined ? {} : { untilMs: timeOf('--until', until, nowMs) }),
  };
}

/** `2h` (ago) or an ISO 8601 time. */
function timeOf(name: string, text: string, nowMs: number): number {
  const ago = parseDuration(text);
  if (ago !== null) return nowMs - ago;
  const ms = Date.parse(text);
  if (!Number.isNaN(ms)) return ms;
  throw new WalhookError(
    'USAGE',
    `${name}: expected a time such as 2023-08-07T19:30Z or 2h (ago), found ${text}`,
  );
}

function limitOf(text: string): number {
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MAX_PAGE) return limit;
  throw new WalhookError('USAGE', `--limit: expected 1 to ${MAX_PAGE}, found ${text}`);
}

function printedList(items: readonly DeliverySummary[], cursor: string | null): string {
  if (items.length === 0) return cursor === null ? 'none\n' : `none so far; go on with --cursor ${cursor}\n`;
  const rows = items.map((item) => [
    new Date(item.committedAtMs).toISOString(),
    item.state,
    item.webhook,
    item.model,
    item.key,
    String(item.attempts),
    String(item.status ?? item.error ?? ''),
    item.id,
  ]);
  const table = [['committed', 'state', 'webhook', 'model', 'key', 'attempts', 'last', 'id'], ...rows];
  const widths = (table[0] ?? []).map((_, i) => Math.max(...table.map((row) => (row[i] ?? '').length)));
  const lines = table.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${[...lines, ...(cursor === null ? [] : ['', `more: --cursor ${cursor}`])].join('\n')}\n`;
}

function printedDetail(delivery: DeliveryDetail): string {
  const { request } = delivery;
  const lines = [
    `${delivery.id}`,
    `state      ${delivery.state}${delivery.detail === null ? '' : ` (${delivery.detail})`}`,
    `webhook    ${delivery.webhook}`,
    `row        ${delivery.model} ${delivery.key} (${delivery.schema}.${delivery.table})`,
    `committed  ${new Date(delivery.committedAtMs).toISOString()} at ${delivery.lsn} by transaction ${delivery.xid}`,
    ...(delivery.requestId === null ? [] : [`request    ${delivery.requestId}`]),
    ...(delivery.nextMs === null ? [] : [`next try   ${new Date(delivery.nextMs).toISOString()}`]),
    ...delivery.log.map((attempt, i) => {
      const outcome = attempt.status ?? attempt.error ?? '';
      return `attempt ${i + 1}  ${new Date(attempt.startedMs).toISOString()} ${outcome} in ${formatDuration(attempt.durationMs)}`;
    }),
    '',
    ...(request === null
      ? ['no request is kept']
      : [
          `${request.method} ${request.url}`,
          ...request.headers.map(([name, value]) => `${name}: ${value}`),
          '',
          request.body ?? (request.bodyIs === 'event' ? (delivery.event ?? '') : '(body not kept)'),
        ]),
    ...printedResponse(delivery),
  ];
  return `${lines.join('\n')}\n`;
}

function printedResponse({ log }: DeliveryDetail): string[] {
  const last = log.at(-1);
  if (last?.response == null) return [];
  const { headers, body, isTruncated } = last.response;
  return [
    '',
    `response   ${last.status}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    '',
    `${body ?? '(body not kept)'}${isTruncated ? ' …' : ''}`,
  ];
}
