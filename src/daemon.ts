/**
 * The daemon: where the parts meet. Builds them in the order of the data, starts them, and lets one signal
 * reach them all.
 *
 *   slot → capture (capture.ts) → queue store → deliver (deliver/deliverer.ts) → receivers
 */
import { once } from 'node:events';
import type { AdminServices } from './admin/start.ts';
import { readBrakedRows } from './capture/rowBrakes.ts';
import { type CapturingOptions, captureForever, isFatal } from './capture/supervise.ts';
import type { LoadedConfig } from './config/load.ts';
import { backoffMs } from './core/backoff.ts';
import type { Clock } from './core/clock.ts';
import { toWalhookError, WalhookError } from './core/errors.ts';
import type { Failpoint } from './core/failpoint.ts';
import { Scope, settlesSoonAfter } from './core/lifecycle.ts';
import type { Logger } from './core/logger.ts';
import { hasEnded, processName } from './core/processName.ts';
import { tidyMemory } from './core/tidyMemory.ts';
import { FileTargets } from './definitions/fileTargets.ts';
import { type Definitions, define, LiveDefinitions } from './definitions/live.ts';
import { Reloader } from './definitions/reloader.ts';
import { RowTargets } from './definitions/rowTargets.ts';
import { rememberedKeys } from './definitions/webhooks.ts';
import { OwnServices } from './deliver/addresses/ownServices.ts';
import { systemResolve } from './deliver/connector.ts';
import { Deliverer } from './deliver/deliverer.ts';
import type { DeliverTarget } from './deliver/target.ts';
import { Alerts } from './observe/alerts.ts';
import { Metrics } from './observe/metrics.ts';
import { type HouseOptions, keepHouse } from './queue/housekeeper.ts';
import { openQueue } from './queue/open.ts';
import type { PublishedDefinitions, QueueStore } from './queue/store.ts';
import { ownServices, type Services } from './services.ts';

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
const FOLLOW_MS = 1_000;
/** Beyond `shutdown_timeout`: for the last outcomes, and for closing what answers. */
const CLOSING_MS = 5_000;

/**
 * Runs until the signal is aborted; ends within `shutdown_timeout` and a few seconds of it, whatever does not
 * answer any more. Throws a coded error when going on is pointless.
 */
export async function runDaemon(options: DaemonOptions, signal: AbortSignal): Promise<void> {
  const { log } = options;
  const shutdownMs = options.loaded.config.shutdown_timeout;
  if (await settlesSoonAfter(signal, runParts(options, signal), shutdownMs + CLOSING_MS)) return;
  log.warn({ shutdownMs }, 'ending although a service does not answer; what is unfinished is done again');
}

async function runParts(options: DaemonOptions, signal: AbortSignal): Promise<void> {
  await using scope = new Scope();
  const stop = new AbortController();
  const stopOnSignal = () => stop.abort();
  signal.addEventListener('abort', stopOnSignal, { once: true });
  scope.defer(() => signal.removeEventListener('abort', stopOnSignal));
  if (signal.aborted) stop.abort();
  try {
    await runUntilStopped(options, scope, stop);
  } finally {
    // What runs until it is told to end would keep a process that has given up.
    stop.abort();
  }
}

async function runUntilStopped(options: DaemonOptions, scope: Scope, stop: AbortController): Promise<void> {
  const { log, roles, clock } = options;
  log.info({ version: options.version, roles }, 'walhook starts');
  const parts = buildParts(options);
  // Before anything is waited for: without a listener the signal would end a daemon whose queue is not up yet.
  options.onHangup(() => void parts.reloader.tryReload('SIGHUP'));
  if (options.loaded.config.admin !== false) {
    // Loaded where it is wanted: the server of the page is a third of what the daemon holds in memory.
    const { startAdmin } = await import('./admin/start.ts');
    await startAdmin(adminServices(options, parts), options.onAdmin, scope, stop.signal);
  }
  const store = await untilReached(() => openQueue(options.services.queue, clock), options, stop.signal);
  if (store === null) return;
  scope.defer(() => store.close());
  const state = await untilReached(() => store.state(), options, stop.signal);
  parts.live.remember(rememberedKeys(state?.definitions ?? null));
  parts.store = store;
  const requireNoEviction = options.loaded.config.queue.require_noeviction;
  const warnings = await untilReached(() => store.inspectServer({ requireNoEviction }), options, stop.signal);
  for (const warning of warnings ?? []) log.warn({ part: 'queue' }, warning);
  const deliverer = roles.includes('deliver') ? buildDeliverer(options, parts, store) : null;
  const alerts = newAlerts(options, parts, store);
  parts.reloader.onFailed((message) => void alerts.raise('reload_failed', 'reload', message));
  const wake = (webhooks: readonly string[]) => deliverer?.wake(webhooks);
  const follow = (
    definitions: Pick<PublishedDefinitions, 'text'> | null,
    braked: ReadonlySet<string> | null = null,
  ) => {
    const isOther = definitions !== null && parts.rows.read(definitions.text);
    if ((braked !== null && parts.rows.brake(braked)) || isOther) deliverer?.replaceTargets(targetsOf(parts));
  };
  follow({ text: state?.definitions ?? null }, await readBrakedRows(store).catch(() => null));
  await tidyMemory(log);
  const followed: Followed = { digest: null };
  const onPublished = (text: string) => {
    // What is in the store is looked at once more: this process may have been replaced meanwhile.
    followed.digest = null;
    follow({ text });
  };
  const told = { onQueued: wake, onPublished };
  const running = [
    ...(deliverer === null
      ? []
      : [deliverer.run(stop.signal), keepHouse(housekeeping(options, parts, store), stop.signal)]),
    ...(deliverer === null && !roles.includes('admin')
      ? []
      : [followDefinitions(options, store, followed, follow, stop.signal)]),
    ...(roles.includes('capture')
      ? [capture(capturing(options, store, parts, told, alerts), options, stop.signal)]
      : []),
    ...(roles.includes('admin') ? [untilAborted(stop.signal)] : []),
    ...(options.loaded.config.alerts.length > 0 ? [alerts.watch(stop.signal)] : []),
  ];
  // When one part gives up, the others are stopped and waited for; then its error is thrown.
  const settled = running.map((part) => part.finally(() => stop.abort()));
  const results = await Promise.allSettled(settled);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  log.info({}, 'walhook stopped');
}

/** Captures; at the end, what was read may take `shutdown_timeout` to be stored and acknowledged. */
async function capture(
  capturing: CapturingOptions,
  { loaded, log }: DaemonOptions,
  signal: AbortSignal,
): Promise<void> {
  const shutdownMs = loaded.config.shutdown_timeout;
  if (await settlesSoonAfter(signal, captureForever(capturing, signal), shutdownMs)) return;
  log.warn({ part: 'capture', shutdownMs }, 'capturing is cut off: what is not acknowledged is read again');
}

interface Parts {
  readonly live: LiveDefinitions;
  readonly metrics: Metrics;
  readonly reloader: Reloader;
  /** Webhooks kept as rows, as they were published last. */
  readonly rows: RowTargets;
  /** The file's, likewise. */
  readonly files: FileTargets;
  /** Another process captures, and says which webhooks there are. */
  readonly isFollowing: boolean;
  /** Who may not be sent to, looked up once for all. */
  readonly own: OwnServices;
  /** null until it has been reached. */
  store: QueueStore | null;
}

function buildParts({ loaded, services, roles, version, clock, log, reread }: DaemonOptions): Parts {
  const live = new LiveDefinitions(define(loaded, new Map(), 0));
  const metrics = new Metrics(version, clock);
  const parts: Parts = {
    live,
    metrics,
    reloader: new Reloader({ reread, live, metrics, clock, log }),
    rows: new RowTargets(loaded.config, log.child({ part: 'deliver' })),
    files: new FileTargets(loaded, log.child({ part: 'deliver' })),
    isFollowing: !roles.includes('capture'),
    own: new OwnServices(() => ownServices(services, parts.store?.places), systemResolve, clock),
    store: null,
  };
  return parts;
}

function housekeeping(options: DaemonOptions, { live, rows }: Parts, store: QueueStore): HouseOptions {
  const { retention } = options.loaded.config;
  return {
    store,
    retention: {
      delivered: { ageMs: retention.delivered.age, count: retention.delivered.count },
      failedMs: retention.failed,
      bodiesMs: retention.bodies,
      bytes: retention.bytes,
      orphansMs: retention.orphans,
    },
    // Only who captures says which webhooks there are.
    defined: options.roles.includes('capture')
      ? () => [...live.current.webhooks.map(({ match }) => match.key), ...rows.keys]
      : null,
    clock: options.clock,
    log: options.log.child({ part: 'queue' }),
  };
}

/**
 * Webhooks of the file and of rows. Who captures says which those of the file are; a process that does not follows
 * what was published, for its own file gives only the secrets.
 */
function targetsOf({ live, rows, files, isFollowing }: Parts): DeliverTarget[] {
  const published = isFollowing ? rows.published.files : null;
  const ofFile =
    published === null ? live.current.webhooks.map((webhook) => webhook.deliver) : files.targets(published);
  return [...ofFile, ...rows.targets()];
}

/** What was read last of the definitions in the store; null: to be read anew. */
interface Followed {
  digest: string | null;
}

/** Webhooks kept as rows: what another process publishes is delivered for a moment later. */
async function followDefinitions(
  { clock, log }: DaemonOptions,
  store: QueueStore,
  followed: Followed,
  follow: (
    definitions: Pick<PublishedDefinitions, 'text'> | null,
    braked: ReadonlySet<string> | null,
  ) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(FOLLOW_MS, signal);
    if (signal.aborted) return;
    try {
      const others = await store.definitionsOtherThan(followed.digest);
      const braked = await readBrakedRows(store);
      follow(others, braked);
      if (others !== null) followed.digest = others.digest;
    } catch (error) {
      const known = toWalhookError(error);
      // A newer version has taken the store over: this one ends before it writes what that one does not read.
      if (known.code === 'QUEUE_VERSION') throw known;
      log.debug({ code: known.code }, 'definitions not read again');
    }
  }
}

function buildDeliverer(options: DaemonOptions, parts: Parts, store: QueueStore): Deliverer {
  const { loaded, clock, log, failpoint, version } = options;
  const { live, metrics, own, rows, files, isFollowing } = parts;
  const reload = ({ loaded: ours, webhooks }: Definitions) => {
    rows.reload(
      ours.config,
      // What was published says already which rows a webhook of the file keeps out.
      isFollowing ? [] : webhooks.map(({ match }) => match.key),
    );
    files.reload(ours);
  };
  reload(live.current);
  const deliverer = new Deliverer({
    store,
    process: processName(),
    hasEnded,
    targets: targetsOf(parts),
    userAgent: `walhook/${version}`,
    addresses: { rules: loaded.config.addresses, own, resolve: systemResolve },
    onAttempt: (sample) => metrics.attempted(sample),
    clock,
    log: log.child({ part: 'deliver' }),
    failpoint,
    shutdownMs: loaded.config.shutdown_timeout,
  });
  live.onReplaced((definitions) => {
    reload(definitions);
    deliverer.replaceTargets(targetsOf(parts));
  });
  return deliverer;
}

function newAlerts(options: DaemonOptions, { own }: Parts, store: QueueStore): Alerts {
  const { loaded, version, clock, log } = options;
  const { alerts, addresses, environment } = loaded.config;
  return new Alerts({
    alerts,
    environment,
    store,
    guard: { rules: addresses, own, resolve: systemResolve },
    userAgent: `walhook/${version}`,
    clock,
    log: log.child({ part: 'alerts' }),
  });
}

function capturing(
  options: DaemonOptions,
  store: QueueStore,
  { live, metrics }: Parts,
  deliverer: Pick<CapturingOptions, 'onQueued' | 'onPublished'>,
  alerts: Alerts,
): CapturingOptions {
  const { services, clock, log, failpoint } = options;
  return {
    services,
    store,
    process: processName(),
    live,
    metrics,
    ...deliverer,
    alerts,
    clock,
    log: log.child({ part: 'capture' }),
    failpoint,
  };
}

function adminServices({ version, roles, services, clock, log }: DaemonOptions, parts: Parts): AdminServices {
  const { live, metrics, reloader, own, rows } = parts;
  return {
    version,
    roles,
    live,
    metrics,
    reloader,
    published: () => rows.published,
    own,
    database: services.lookups,
    store: () => {
      if (parts.store !== null) return parts.store;
      throw new WalhookError(
        'QUEUE_UNREACHABLE',
        'expected the queue, found that it has not been reached yet',
      );
    },
    clock,
    log: log.child({ part: 'admin' }),
  };
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
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
      if (isFatal(known)) throw known;
      const delayMs = backoffMs(tries, RECONNECT, Math.random());
      log.error({ code: known.code, tries, delayMs, try: known.remedy }, known.message);
      await clock.sleep(delayMs, signal);
    }
  }
  return null;
}
