/**
 * Capturing for as long as the daemon lives: stands by while another daemon captures, takes over, captures over
 * one connection after the other, and waits between them by the class of what went wrong.
 *
 * Before a connection is opened, the binding of database, queue and environment is compared, the lease and the
 * fence are taken, and the stored position is held against the slot and the server's history. Only then may
 * the position be used to skip what the slot sends again.
 */
import { hostname } from 'node:os';
import type { Pool } from 'pg';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { causeCode, type ErrorCode, toWalhookError, WalhookError } from '../core/errors.ts';
import type { Failpoint } from '../core/failpoint.ts';
import { Scope, settlesWithin } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import { formatLsn } from '../core/lsn.ts';
import { openPool } from '../database/connect.ts';
import type { Definitions, LiveDefinitions } from '../definitions/live.ts';
import { defineReading, type ReadingDefinitions } from '../definitions/reading.ts';
import { WebhookRows } from '../definitions/webhookRows.ts';
import type { WebhookDefinition } from '../definitions/webhooks.ts';
import { BoundedStore, type Bounds } from '../enqueue/bounds.ts';
import { parsePosition } from '../enqueue/position.ts';
import type { Alerts } from '../observe/alerts.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Durability, Installation, QueueStore, StoreState } from '../queue/store.ts';
import { readSlot } from '../replication/slot.ts';
import type { Services } from '../services.ts';
import { checkHistory, putProgress } from '../setup/history.ts';
import { checkBinding, readIdentity, readInstallation } from '../setup/installation.ts';
import { readPresetFit } from '../setup/presetFit.ts';
import { startingWebhooks } from './beforeImages.ts';
import { type CaptureOptions, type Capturing, captureOnce } from './capture.ts';
import { Heartbeat } from './heartbeat.ts';
import { keepMisses } from './keepMisses.ts';
import { RENEW_MS } from './lease.ts';
import { MissLog } from './misses.ts';
import { monitor } from './monitor.ts';
import { captureError, retryAfter } from './retry.ts';
import { brakeRows } from './rowBrakes.ts';
import { type Leadership, standBy } from './standby.ts';

export interface CapturingOptions {
  /** What is read and matched; asked for anew with each connection, and one ends when it is replaced. */
  readonly live: LiveDefinitions;
  readonly metrics: Metrics;
  readonly services: Services;
  readonly store: QueueStore;
  /** Names this daemon among those of its queue. */
  readonly process: string;
  /** The webhooks in force have changed, and are in the store. */
  readonly onPublished: (definitions: string) => void;
  /** Wakes deliver in this process. */
  readonly onQueued: (webhooks: readonly string[]) => void;
  readonly alerts: Pick<Alerts, 'raise' | 'clear'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly failpoint: Failpoint;
}

/** Look-ups never take more of the watched database than this. */
const LOOKUP_CONNECTIONS = 2;
const LOOKUP_TIMEOUT_MS = 2_000;
/** The server ends a statement itself; a server that is gone has to be given up from here. */
const LOST_ANSWER_MS = 10_000;
/** How long what goes with a connection may take to end with it. */
const ENDING_MS = 1_000;
/** How often it is looked whether the server is stopping. */
const STOPPING_POLL_MS = 2_000;
/** A connection that lived this long was a good one: the next failure starts the backoff anew. */
const STABLE_MS = 30_000;

/** What waiting and trying again cannot mend: the daemon says so and ends. */
const FATAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CONFIG_INVALID',
  'NOT_MY_DATABASE',
  'NOT_MY_QUEUE',
  'QUEUE_IN_WATCHED_DATABASE',
  'QUEUE_LOST',
  'QUEUE_NOT_SET_UP',
  'QUEUE_VERSION',
  'QUEUE_EVICTS',
  'QUEUE_SERVER_OLD',
]);

export function isFatal(error: WalhookError): boolean {
  return FATAL.has(error.code);
}

/** Resolves when the signal is aborted. Throws a coded error when going on is pointless. */
export async function captureForever(options: CapturingOptions, signal: AbortSignal): Promise<void> {
  const { clock, log } = options;
  let tries = 0;
  const seen: Seen = { installation: null };
  while (!signal.aborted) {
    const startedMs = clock.monotonic();
    try {
      await captureOverOneConnection(options, seen, signal);
    } catch (error) {
      options.metrics.captureIs('disconnected');
      const known = captureError(error);
      if (isFatal(known)) throw known;
      tries = clock.monotonic() - startedMs > STABLE_MS ? 1 : tries + 1;
      const { delayMs, level } = retryAfter(known, tries, Math.random());
      log[level]({ code: known.code, tries, delayMs, try: known.remedy }, `not capturing: ${known.message}`);
      await clock.sleep(delayMs, signal);
    }
  }
}

/** What this process found in the store before: a store that is empty now has lost it. */
interface Seen {
  installation: Installation | null;
}

async function captureOverOneConnection(
  options: CapturingOptions,
  seen: Seen,
  signal: AbortSignal,
): Promise<void> {
  const { services, store, live, metrics, clock, log } = options;
  await using scope = new Scope();
  const pool = await openPool(services.lookups, LOOKUP_CONNECTIONS, {
    statement_timeout: LOOKUP_TIMEOUT_MS,
    query_timeout: LOST_ANSWER_MS,
  });
  scope.defer(async () => void (await settlesWithin(pool.end(), ENDING_MS)));
  seen.installation = await refuseWrongBinding(options, seen, pool);
  const { slot } = live.current.loaded.config.postgres;
  metrics.captureIs('standby');
  const self = { process: options.process, host: hostname(), pid: process.pid };
  const leadership = await standBy({ pool, store, slot, self, clock, log }, signal);
  if (leadership === null) return;
  scope.defer(() => leadership.lease.release().catch(() => undefined));
  await lead(options, pool, leadership, signal);
}

/** Captures, now that nobody else does. */
async function lead(
  options: CapturingOptions,
  pool: Pool,
  { lease }: Leadership,
  signal: AbortSignal,
): Promise<void> {
  const { services, store, live, metrics, clock, log } = options;
  const definitions = live.current;
  const { config } = definitions.loaded;
  const { slot: slotName, publication } = config.postgres;
  const fence = await store.takeFence();
  // Read after the fence was taken: no other daemon can move the position any more.
  const state = await boundState(store);
  const slot = await readSlot(pool, slotName);
  const { replication } = services;
  const history = { client: pool, replication, store, slotName, publication, nowMs: clock.now() };
  const timeline = await checkHistory(history, state, slot);
  const { ackDelayMs, isConfirmed, note } = await acknowledgement(config.queue.ack_delay, store);
  log.info({ durability: note, ackDelayMs, fence, timeline }, 'acknowledging what is stored');

  const reading = await readingOf(config, pool, log);
  const bounded = new BoundedStore(store, boundsOf(definitions.webhooks), clock, log);
  const webhookRows = await webhookRowsOf(definitions, state, bounded, reading.models, pool, log);
  const misses = new MissLog(clock);
  const { generation } = state.installation;
  const heartbeat = newHeartbeat(options, config, pool);
  const ended = new AbortController();
  let leading: Promise<unknown> = Promise.resolve();
  try {
    await captureOnce(
      {
        target: services.replication,
        ...sourceOf(config),
        pool,
        store: bounded,
        notes: store,
        ...reading,
        ...startingWith(webhookRows, state),
        onPublished: options.onPublished,
        misses,
        limits: captureLimits(config),
        lookupTimeoutMs: LOOKUP_TIMEOUT_MS,
        ackDelayMs,
        disk: isConfirmed ? store : undefined,
        onQueued: options.onQueued,
        instruments: metrics,
        renew: definitions.replaced,
        onHeartbeat: (content) => heartbeat.hear(content),
        onOpen: (capturing) => {
          metrics.captureIs('capturing');
          tellDefinitions(definitions, state, log);
          leading = Promise.all([
            keepLease(options, lease, capturing, { generation, timeline }, ended.signal),
            letServerStop(options, pool, capturing, ended.signal),
            watchSlot(options, config, pool, heartbeat, ended.signal),
            brakeRows({ pool, store, rows: webhookRows, clock, log }, ended.signal),
            keepMisses(misses, store, { clock, log }, ended.signal),
          ]);
        },
        clock,
        log,
        failpoint: options.failpoint,
      },
      { state, fence, slot },
      signal,
    );
  } finally {
    ended.abort();
    // What they ask of a server that does not answer must not hold up the next connection.
    await settlesWithin(leading, ENDING_MS);
  }
}

async function boundState(store: QueueStore): Promise<StoreState> {
  const state = await store.state();
  if (state !== null) return state;
  throw new WalhookError('QUEUE_LOST', 'expected what was in the store a moment ago, found it empty');
}

function newHeartbeat(
  { process, clock, log }: CapturingOptions,
  { postgres }: Config,
  pool: Pool,
): Heartbeat {
  return new Heartbeat({ pool, slot: postgres.slot, process, budgetBytes: postgres.wal_budget, clock, log });
}

/** What is read, and how. */
function sourceOf({ postgres }: Config): Pick<CaptureOptions, 'slot' | 'plugin' | 'publication' | 'origin'> {
  const { slot, plugin, publication, origin } = postgres;
  return { slot, plugin, publication, origin };
}

/** How rows are read: models, representation, context, as far as the database has what the preset names. */
async function readingOf(config: Config, pool: Pool, log: Logger): Promise<ReadingDefinitions> {
  const fit = await readPresetFit(pool, config);
  if (fit.notes.length > 0) {
    log.warn({ preset: config.preset, notes: fit.notes }, 'the database has not all that the preset names');
  }
  return defineReading(fit.config);
}

/** The webhooks in force at the stored position, ready to follow the stream. */
async function webhookRowsOf(
  { loaded: { config }, webhooks, files }: Definitions,
  { definitions, installation: { generation } }: StoreState,
  bounded: BoundedStore,
  models: ReadingDefinitions['models'],
  pool: Pool,
  log: Logger,
): Promise<WebhookRows> {
  const { slot, publication } = config.postgres;
  const matcherOf = await startingWebhooks({ pool, slot, publication, models, log });
  const onInForce = (all: readonly WebhookDefinition[]) => bounded.replace(boundsOf(all));
  return new WebhookRows({ config, webhooks, files, definitions, generation, matcherOf, onInForce, log });
}

function startingWith(
  webhookRows: WebhookRows,
  state: StoreState,
): Pick<CaptureOptions, 'webhookRows' | 'matcher' | 'definitions'> {
  const { matcher, definitions } = webhookRows.current();
  return { webhookRows, matcher, definitions: definitions === state.definitions ? null : definitions };
}

/** By Webhook: its backlog and its brake. */
function boundsOf(webhooks: readonly WebhookDefinition[]): ReadonlyMap<string, Bounds> {
  return new Map(webhooks.map(({ match, bounds }) => [match.key, bounds]));
}

/** After a reload: from where the new definitions hold. */
function tellDefinitions({ version }: Definitions, { position }: StoreState, log: Logger): void {
  if (version === 0) return;
  const lsn = formatLsn(parsePosition(position).lsn);
  log.info({ version, lsn }, 'reloaded definitions hold for Transactions that end after this LSN');
}

function captureLimits({ limits }: Config): CaptureOptions['limits'] {
  return {
    valueBytes: limits.value,
    eventBytes: limits.event,
    messageBytes: limits.message,
    lookahead: limits.lookahead,
  };
}

/**
 * Lets go of the slot when the server is told to stop. A server that stops waits until its consumers have
 * confirmed all of its WAL, for as long as they give signs of life: with the queue's store gone we could never
 * confirm, and the server could never stop. The commands that ask are refused from the start of a shutdown on.
 */
async function letServerStop(
  { clock }: CapturingOptions,
  pool: Pool,
  capturing: Capturing,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await pool.query('select 1');
    } catch (error) {
      if (isStopping(error)) {
        const text = 'the server is stopping, and waits for whoever reads its WAL';
        capturing.fail(new WalhookError('REPLICATION_STOPPED', text, { cause: error }));
        return;
      }
    }
    await clock.sleep(STOPPING_POLL_MS, signal);
  }
}

/** admin_shutdown, crash_shutdown, cannot_connect_now */
function isStopping(error: unknown): boolean {
  return ['57P01', '57P02', '57P03'].includes(causeCode(error) ?? '');
}

function watchSlot(
  { store, alerts, clock, log }: CapturingOptions,
  config: Config,
  pool: Pool,
  heartbeat: Heartbeat,
  signal: AbortSignal,
): Promise<void> {
  const { slot, wal_budget, heartbeat: every } = config.postgres;
  return monitor(
    {
      pool,
      store,
      slot,
      heartbeatMs: every === 'off' ? null : every,
      budgetBytes: wal_budget,
      heartbeat,
      alerts,
      clock,
      log,
    },
    signal,
  );
}

/** Renews the lease and notes the progress until the connection ends; ends it where the lease is lost. */
async function keepLease(
  { store, clock, log }: CapturingOptions,
  lease: Leadership['lease'],
  capturing: Capturing,
  line: { readonly generation: string; readonly timeline: number },
  signal: AbortSignal,
): Promise<void> {
  let noted = '';
  while (!signal.aborted) {
    try {
      await lease.renew(clock.now(), capturing.backendPid);
      const { publicationOid } = capturing;
      const progress = { ...line, committedAtMs: capturing.committedAtMs(), publicationOid };
      if (JSON.stringify(progress) !== noted) await putProgress(store, progress);
      noted = JSON.stringify(progress);
    } catch (error) {
      const known = toWalhookError(error);
      if (known.code === 'QUEUE_FENCED') {
        capturing.fail(known);
        return;
      }
      // The flushes say it louder.
      log.debug({ code: known.code }, `lease not renewed: ${known.message}`);
    }
    await clock.sleep(RENEW_MS, signal);
  }
}

async function refuseWrongBinding(
  { live, store }: CapturingOptions,
  seen: Seen,
  pool: Pool,
): Promise<Installation> {
  const { environment, postgres } = live.current.loaded.config;
  return checkBinding({
    store: await store.state(),
    before: seen.installation,
    recorded: await readInstallation(pool, postgres.slot),
    identity: await readIdentity(pool),
    environment,
    slot: postgres.slot,
  });
}

/** A delay that the configuration names is kept to as it is, whatever the store could tell. */
async function acknowledgement(setting: 'auto' | number, store: QueueStore): Promise<Durability> {
  const durability = await store.durability();
  return setting === 'auto' ? durability : { ...durability, isConfirmed: false, ackDelayMs: setting };
}
