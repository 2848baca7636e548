/**
 * The daemon: where the parts meet. Builds them in the order of the data, starts them, and lets one signal
 * reach them all.
 *
 *   slot → capture (capture.ts) → queue store → deliver (deliver/deliverer.ts) → receivers
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { hostname } from 'node:os';
import type { Pool } from 'pg';
import type { AdminStore } from './admin/host.ts';
import { type AdminServices, startAdmin } from './admin/start.ts';
import { captureOnce } from './capture/capture.ts';
import type { LoadedConfig } from './config/load.ts';
import { backoffMs } from './core/backoff.ts';
import type { Clock } from './core/clock.ts';
import { type ErrorCode, toWalhookError, WalhookError } from './core/errors.ts';
import type { Failpoint } from './core/failpoint.ts';
import { Scope } from './core/lifecycle.ts';
import type { Logger } from './core/logger.ts';
import { formatLsn } from './core/lsn.ts';
import { openPool } from './database/connect.ts';
import { type Definitions, define, LiveDefinitions } from './definitions/live.ts';
import { Reloader } from './definitions/reloader.ts';
import { rememberedKeys } from './definitions/webhooks.ts';
import { Deliverer } from './deliver/deliverer.ts';
import { parsePosition } from './enqueue/position.ts';
import { Metrics } from './observe/metrics.ts';
import { openQueue } from './queue/open.ts';
import type { QueueStore } from './queue/store.ts';
import { readSlot, type SlotState } from './replication/slot.ts';
import type { Services } from './services.ts';
import { checkBinding, readIdentity, readInstallation } from './setup/installation.ts';

export type Role = 'capture' | 'deliver' | 'admin';

export interface DaemonOptions {
  readonly loaded: LoadedConfig;
  readonly services: Services;
  readonly roles: readonly Role[];
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly failpoint: Failpoint;
  /** Reads the configuration again. Throws CONFIG_INVALID. null: there is no file. */
  readonly reread: (() => LoadedConfig) | null;
  /** Calls back when the configuration is to be read again. */
  readonly onHangup: (callback: () => void) => void;
  /** Told where the admin server listens. */
  readonly onAdmin: (url: string) => void;
}

const RECONNECT = { firstMs: 200, maxMs: 30_000 };
/** Look-ups never take more of the watched database than this. */
const LOOKUP_CONNECTIONS = 2;
const LOOKUP_TIMEOUT_MS = 2_000;
/** How often a daemon that stands by looks whether the slot is free. */
const STANDBY_POLL_MS = 1_000;
/** A connection that lived this long was a good one: the next failure starts the backoff anew. */
const STABLE_MS = 30_000;

/** What waiting and trying again cannot mend: the daemon says so and ends. */
const FATAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CONFIG_INVALID',
  'NOT_MY_DATABASE',
  'NOT_MY_QUEUE',
  'QUEUE_IN_WATCHED_DATABASE',
  'QUEUE_NOT_SET_UP',
  'QUEUE_VERSION',
]);

/** Runs until the signal is aborted. Throws a coded error when going on is pointless. */
export async function runDaemon(options: DaemonOptions, signal: AbortSignal): Promise<void> {
  const { log, roles, clock } = options;
  await using scope = new Scope();
  const stop = new AbortController();
  const stopOnSignal = () => stop.abort();
  signal.addEventListener('abort', stopOnSignal, { once: true });
  scope.defer(() => signal.removeEventListener('abort', stopOnSignal));
  if (signal.aborted) stop.abort();

  log.info({ version: options.version, roles }, 'walhook starts');
  const parts = buildParts(options);
  if (roles.includes('admin'))
    await startAdmin(adminHost(options, parts), options.onAdmin, scope, stop.signal);
  const store = await untilReached(() => openQueue(options.services.queue, clock), options, stop.signal);
  if (store === null) return;
  scope.defer(() => store.close());
  const state = await untilReached(() => store.state(), options, stop.signal);
  parts.live.remember(rememberedKeys(state?.definitions ?? null));
  parts.store = store as AdminStore;
  const deliverer = roles.includes('deliver') ? buildDeliverer(options, parts, store) : null;
  options.onHangup(() => {
    try {
      parts.reloader.reload('SIGHUP');
    } catch {
      // The reloader has told it, and remembers.
    }
  });
  const wake = (webhooks: readonly string[]) => deliverer?.wake(webhooks);
  const running = [
    ...(deliverer === null ? [] : [deliverer.run(stop.signal)]),
    ...(roles.includes('capture') ? [captureForever(options, store, parts, wake, stop.signal)] : []),
    ...(roles.includes('admin') ? [aborted(stop.signal)] : []),
  ];
  // When one part gives up, the others are stopped and waited for; then its error is thrown.
  const settled = running.map((part) => part.finally(() => stop.abort()));
  const results = await Promise.allSettled(settled);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  log.info({}, 'walhook stopped');
}

interface Parts {
  readonly live: LiveDefinitions;
  readonly metrics: Metrics;
  readonly reloader: Reloader;
  /** null until it has been reached. */
  store: AdminStore | null;
}

function buildParts({ loaded, version, clock, log, reread }: DaemonOptions): Parts {
  const live = new LiveDefinitions(define(loaded, new Map(), 0));
  const metrics = new Metrics(version, clock);
  return { live, metrics, reloader: new Reloader({ reread, live, metrics, clock, log }), store: null };
}

function buildDeliverer(options: DaemonOptions, { live, metrics }: Parts, store: QueueStore): Deliverer {
  const { loaded, clock, log, failpoint, version } = options;
  const targets = ({ webhooks }: Definitions) => webhooks.map((webhook) => webhook.deliver);
  const deliverer = new Deliverer({
    store,
    process: `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`,
    targets: targets(live.current),
    userAgent: `walhook/${version}`,
    onAttempt: (sample) => metrics.attempted(sample),
    clock,
    log: log.child({ part: 'deliver' }),
    failpoint,
    shutdownMs: loaded.config.shutdown_timeout,
  });
  live.onReplaced((definitions) => deliverer.replaceTargets(targets(definitions)));
  return deliverer;
}

function adminHost({ version, roles, services, clock, log }: DaemonOptions, parts: Parts): AdminServices {
  const { live, metrics, reloader } = parts;
  return {
    version,
    roles,
    live,
    metrics,
    reloader,
    database: services.lookups,
    store: () => {
      if (parts.store !== null) return parts.store;
      throw new WalhookError(
        'QUEUE_UNREACHABLE',
        'expected the queue to have been reached, found that it was not yet',
      );
    },
    clock,
    log: log.child({ part: 'admin' }),
  };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

/** Captures over one connection after the other, or stands by while another daemon does. */
async function captureForever(
  options: DaemonOptions,
  store: QueueStore,
  parts: Parts,
  wake: (webhooks: readonly string[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = options;
  const log = options.log.child({ part: 'capture' });
  let renewal = new AbortController();
  parts.live.onReplaced(() => {
    const before = renewal;
    renewal = new AbortController();
    before.abort();
  });
  let tries = 0;
  while (!signal.aborted) {
    const startedMs = clock.monotonic();
    try {
      await captureOverOneConnection(options, store, parts, { wake, renew: renewal.signal }, log, signal);
      parts.metrics.captureIs('standby');
    } catch (error) {
      parts.metrics.captureIs('disconnected');
      const known = toWalhookError(error);
      if (FATAL.has(known.code)) throw known;
      tries = clock.monotonic() - startedMs > STABLE_MS ? 1 : tries + 1;
      const delayMs = backoffMs(tries, RECONNECT, Math.random());
      const level = tries < 4 ? 'warn' : 'error';
      log[level]({ code: known.code, tries, delayMs, try: known.remedy }, `not capturing: ${known.message}`);
      await clock.sleep(delayMs, signal);
    }
  }
}

async function captureOverOneConnection(
  options: DaemonOptions,
  store: QueueStore,
  { live, metrics }: Parts,
  { wake, renew }: { readonly wake: (webhooks: readonly string[]) => void; readonly renew: AbortSignal },
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const { services, clock, failpoint } = options;
  const { loaded, reading, matcher, published, version } = live.current;
  const { config } = loaded;
  await using scope = new Scope();
  const pool = await openPool(services.lookups, LOOKUP_CONNECTIONS, { statement_timeout: LOOKUP_TIMEOUT_MS });
  scope.defer(() => pool.end());
  await refuseWrongBinding(options, store, pool);
  metrics.captureIs('standby');
  const slot = await untilSlotIsFree(pool, config.postgres.slot, clock, log, signal);
  if (slot === null) return;
  const fence = await store.takeFence();
  // Read after the fence was taken: no other daemon can move the position any more.
  const state = await store.state();
  if (state === null) throw new WalhookError('QUEUE_NOT_SET_UP', "the queue's store is empty");
  const { ackDelayMs, note } = await acknowledgement(config.queue.ack_delay, store);
  log.info({ durability: note, ackDelayMs }, 'acknowledging what is stored');
  if (version > 0) {
    const lsn = formatLsn(parsePosition(state.position).lsn);
    log.info({ version, lsn }, 'reloaded definitions are in force for Transactions after this LSN');
  }
  metrics.captureIs('capturing');
  await captureOnce(
    {
      target: services.replication,
      slot: config.postgres.slot,
      publication: config.postgres.publication,
      pool,
      store,
      ...reading,
      matcher,
      definitions: published === state.definitions ? null : published,
      limits: {
        valueBytes: config.limits.value,
        eventBytes: config.limits.event,
        messageBytes: config.limits.message,
        lookahead: config.limits.lookahead,
      },
      lookupTimeoutMs: LOOKUP_TIMEOUT_MS,
      ackDelayMs,
      onQueued: wake,
      instruments: metrics,
      renew,
      clock,
      log,
      failpoint,
    },
    { state, fence, slot },
    signal,
  );
}

async function refuseWrongBinding(options: DaemonOptions, store: QueueStore, pool: Pool): Promise<void> {
  const { environment, postgres } = options.loaded.config;
  checkBinding({
    store: await store.state(),
    recorded: await readInstallation(pool, postgres.slot),
    identity: await readIdentity(pool),
    environment,
    slot: postgres.slot,
  });
}

/** Stands by while another process holds the slot. null when stopped. */
async function untilSlotIsFree(
  pool: Pool,
  name: string,
  clock: Clock,
  log: Logger,
  signal: AbortSignal,
): Promise<SlotState | null> {
  let isStandby = false;
  while (!signal.aborted) {
    const slot = await readSlot(pool, name);
    if (slot.walStatus === 'missing') {
      throw new WalhookError(
        'SLOT_LOST',
        `expected the slot ${name}, which setup made, found none of that name`,
      );
    }
    if (slot.walStatus === 'lost') {
      throw new WalhookError('SLOT_LOST', `expected the slot ${name} to hold its WAL, found it invalidated`);
    }
    if (slot.activePid === null) return slot;
    if (!isStandby)
      log.info({ slot: name, pid: slot.activePid }, 'standing by: another process holds the slot');
    isStandby = true;
    await clock.sleep(STANDBY_POLL_MS, signal);
  }
  return null;
}

async function acknowledgement(
  setting: 'auto' | number,
  store: QueueStore,
): Promise<{ ackDelayMs: number; note: string }> {
  const durability = await store.durability();
  return setting === 'auto' ? durability : { ...durability, ackDelayMs: setting };
}

/** Tries until a service answers. null when stopped before. */
async function untilReached<T>(
  reach: () => Promise<T>,
  { clock, log }: DaemonOptions,
  signal: AbortSignal,
): Promise<T | null> {
  for (let tries = 1; !signal.aborted; tries += 1) {
    try {
      return await reach();
    } catch (error) {
      const known = toWalhookError(error);
      if (FATAL.has(known.code)) throw known;
      const delayMs = backoffMs(tries, RECONNECT, Math.random());
      log.error({ code: known.code, tries, delayMs, try: known.remedy }, known.message);
      await clock.sleep(delayMs, signal);
    }
  }
  return null;
}
