/** `walhook webhooks list|pause|resume|test`: webhooks as the queue knows them, at once in every process. */
import { randomBytes } from 'node:crypto';
import { parseDuration } from '../config/units.ts';
import { systemClock } from '../core/clock.ts';
import { WalhookError } from '../core/errors.ts';
import { Scope } from '../core/lifecycle.ts';
import { type PublishedRow, readPublished } from '../definitions/published.ts';
import { readDefinitions } from '../definitions/webhooks.ts';
import { deliveryId, type QueuedDelivery } from '../queue/delivery.ts';
import type { DeliveryDetail } from '../queue/inspect.ts';
import type { QueueCounts, QueueStore } from '../queue/store.ts';
import { loadConfigFile } from './configFile.ts';
import { openQueueOnly } from './connections.ts';
import { deliveryDetailJson } from './deliveryJson.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';
import { webhookKey } from './webhookName.ts';

/** The shape of `webhooks list --json`, an array of these. Keys are added, never changed. */
export interface WebhookJson {
  readonly key: string;
  /** null: it is defined no more, and its Deliveries wait for it. */
  readonly name: string | null;
  readonly enabled: boolean;
  /** Why a webhook kept as a row is not in force; empty for any other. */
  readonly problems: readonly string[];
  readonly paused: boolean;
  readonly paused_by_brake: boolean;
  readonly parked: boolean;
  readonly waiting: number;
  readonly delayed: number;
  readonly active: number;
  readonly delivered_total: number;
  readonly failed: number;
  readonly failed_total: number;
  readonly skipped_total: number;
}

export interface TestOptions extends CommonOptions {
  readonly timeout?: string;
}

const POLL_MS = 100;

export async function listWebhooks(options: CommonOptions, io: CommandIo): Promise<ExitStatus> {
  await using scope = new Scope();
  const store = await openQueueOnly(loadConfigFile(options, io), scope);
  const definitions = (await store.state())?.definitions ?? null;
  const counts = await store.counts();
  const named = new Map<string, Defined>();
  for (const row of readPublished(definitions).rows) named.set(row.key, definedByRow(row));
  for (const one of readDefinitions(definitions)) named.set(one.key, { ...one, problems: [] });
  const keys = [...new Set([...named.keys(), ...counts.keys()])].sort();
  const rows = keys.map((key) => webhookJson(key, named.get(key), counts.get(key)));
  if (options.json === true) io.out(line(JSON.stringify(rows)));
  else for (const row of rows) io.out(line(printed(row)));
  return 0;
}

type Defined = Pick<WebhookJson, 'enabled' | 'problems'> & { readonly name: string };

function definedByRow({ values: { name, enabled }, key, problems = [] }: PublishedRow): Defined {
  return { name: typeof name === 'string' ? name : key, enabled: enabled !== false, problems };
}

function webhookJson(
  key: string,
  defined: Defined | undefined,
  counts: QueueCounts | undefined,
): WebhookJson {
  return {
    key,
    name: defined?.name ?? null,
    enabled: defined?.enabled ?? false,
    problems: defined?.problems ?? [],
    paused: counts?.isPaused ?? false,
    paused_by_brake: counts?.isBraked ?? false,
    parked: counts?.isParked ?? false,
    waiting: counts?.waiting ?? 0,
    delayed: counts?.delayed ?? 0,
    active: counts?.active ?? 0,
    delivered_total: counts?.deliveredTotal ?? 0,
    failed: counts?.failed ?? 0,
    failed_total: counts?.failedTotal ?? 0,
    skipped_total: counts?.skippedTotal ?? 0,
  };
}

function printed(row: WebhookJson): string {
  const states = [
    ...(row.name === null ? ['defined no more'] : row.enabled ? [] : ['disabled']),
    ...row.problems.map((problem) => `INVALID: ${problem}`),
    ...(row.paused_by_brake ? ['paused by its brake'] : row.paused ? ['paused'] : []),
    ...(row.parked ? ['parked'] : []),
  ];
  const waits = row.waiting + row.delayed + row.active;
  return `${row.key}  ${row.name ?? ''}  ${states.join(', ') || 'on'}  ${waits} wait, ${row.delivered_total} delivered, ${row.failed} failed`;
}

/** Pauses: Deliveries go on being queued and wait. At once, in every process; survives restarts. */
export async function pauseWebhook(name: string, options: CommonOptions, io: CommandIo): Promise<ExitStatus> {
  return await change(name, options, io, 'paused', (store, key) => store.pause(key));
}

export async function resumeWebhook(
  name: string,
  options: CommonOptions,
  io: CommandIo,
): Promise<ExitStatus> {
  return await change(name, options, io, 'resumed', (store, key) => store.resume(key));
}

async function change(
  name: string,
  options: CommonOptions,
  io: CommandIo,
  done: string,
  act: (store: QueueStore, key: string) => Promise<void>,
): Promise<ExitStatus> {
  await using scope = new Scope();
  const store = await openQueueOnly(loadConfigFile(options, io), scope);
  const key = await webhookKey(store, name);
  await act(store, key);
  io.out(
    options.json === true ? line(JSON.stringify({ webhook: key, [done]: true })) : line(`${done} ${key}`),
  );
  return 0;
}

/** Sends a sample Event, the newest real one where there is one. Exit 1 where it does not arrive. */
export async function testWebhook(name: string, options: TestOptions, io: CommandIo): Promise<ExitStatus> {
  const timeoutMs = parseDuration(options.timeout ?? '15s');
  if (timeoutMs === null) {
    throw new WalhookError('USAGE', `--timeout: expected a duration such as 15s, found ${options.timeout}`);
  }
  await using scope = new Scope();
  const store = await openQueueOnly(loadConfigFile(options, io), scope);
  const key = await webhookKey(store, name);
  const sample = await sampleFor(store, key);
  await store.enqueue(key, sample);
  const result = await settled(store, deliveryId(sample.eventId, key), timeoutMs, io.signal);
  if (options.json === true)
    io.out(line(JSON.stringify(result === null ? null : deliveryDetailJson(result))));
  else io.out(line(told(result)));
  return result?.state === 'delivered' ? 0 : 1;
}

function told(result: DeliveryDetail | null): string {
  if (result === null) return 'nobody took it: is walhook run running, and the webhook not paused?';
  const last = result.log.at(-1);
  const outcome = last?.status ?? result.error ?? result.state;
  return `${result.state === 'delivered' ? 'delivered' : 'not delivered'}: ${outcome} (${result.id})`;
}

async function settled(
  store: QueueStore,
  id: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<DeliveryDetail | null> {
  const deadline = systemClock.monotonic() + timeoutMs;
  while (!signal.aborted && systemClock.monotonic() < deadline) {
    const delivery = await store.deliveries.get(id);
    if (delivery !== null && delivery.log.length > 0) return delivery;
    if (delivery?.endedMs != null) return delivery;
    await systemClock.sleep(POLL_MS, signal);
  }
  return null;
}

async function sampleFor(store: QueueStore, webhook: string): Promise<QueuedDelivery> {
  const state = await store.state();
  const generation = state?.installation.generation ?? '00000000';
  const eventId = `${generation}-${randomBytes(8).toString('hex')}-00000000-${randomBytes(4).toString('hex')}`;
  const [newest] = (await store.deliveries.list({ webhook }, { limit: 1, cursor: null })).items;
  const real = newest === undefined ? null : await store.deliveries.get(newest.id);
  const base = { eventId, committedAtMs: systemClock.now(), requestId: null, isTest: true } as const;
  if (real?.event != null) {
    const { model, schema, table, key, lsn, xid, event } = real;
    return { ...base, model, schema, table, key, lsn, xid, json: event };
  }
  const defined = readDefinitions(state?.definitions ?? null).find((one) => one.key === webhook);
  const model = defined?.models.find((one) => one !== '*') ?? 'sample';
  const row = { id: 1 };
  const event = {
    event: 'created',
    timestamp: new Date(base.committedAtMs).toISOString().replace('Z', '000Z'),
    model,
    username: 'walhook',
    request_id: null,
    data: row,
    snapshots: { prechange: null, postchange: row },
  };
  const place = { schema: 'public', table: model, key: '1', lsn: '0/0', xid: 0 };
  return { ...base, ...place, model, json: JSON.stringify(event) };
}
