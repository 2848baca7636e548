/**
 * The daemon: where the parts meet. Builds them in the order of the data, starts them, and lets one signal
 * reach them all.
 *
 *   slot → capture (capture.ts) → queue store → deliver (deliver/deliverer.ts) → receivers
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { type CapturingOptions, captureForever, isFatal } from './capture/supervise.ts';
import type { LoadedConfig } from './config/load.ts';
import { backoffMs } from './core/backoff.ts';
import type { Clock } from './core/clock.ts';
import { toWalhookError } from './core/errors.ts';
import type { Failpoint } from './core/failpoint.ts';
import { Scope } from './core/lifecycle.ts';
import type { Logger } from './core/logger.ts';
import { defineReading } from './definitions/reading.ts';
import { RowTargets } from './definitions/rowTargets.ts';
import { defineWebhooks, rememberedKeys, type WebhookDefinition } from './definitions/webhooks.ts';
import { OwnServices } from './deliver/addresses/ownServices.ts';
import { systemResolve } from './deliver/connector.ts';
import { Deliverer } from './deliver/deliverer.ts';
import { openQueue } from './queue/open.ts';
import type { QueueStore } from './queue/store.ts';
import { ownServices, type Services } from './services.ts';

export type Role = 'capture' | 'deliver';

export interface DaemonOptions {
  readonly loaded: LoadedConfig;
  readonly services: Services;
  readonly roles: readonly Role[];
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly failpoint: Failpoint;
}

const RECONNECT = { firstMs: 200, maxMs: 30_000 };
const FOLLOW_MS = 1_000;

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
  const store = await untilReached(() => openQueue(options.services.queue, clock), options, stop.signal);
  if (store === null) return;
  scope.defer(() => store.close());
  const parts = await buildParts(options, store, stop.signal);
  const running = [
    ...(parts.deliverer === null
      ? []
      : [parts.deliverer.run(stop.signal), followDefinitions(options, store, parts, stop.signal)]),
    ...(roles.includes('capture') ? [captureForever(capturing(options, store, parts), stop.signal)] : []),
  ];
  // When one part gives up, the others are stopped and waited for; then its error is thrown.
  const settled = running.map((part) => part.finally(() => stop.abort()));
  const results = await Promise.allSettled(settled);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  log.info({}, 'walhook stopped');
}

interface Parts {
  readonly webhooks: readonly WebhookDefinition[];
  readonly deliverer: Deliverer | null;
  /** Takes what is published of the webhooks in force. */
  readonly follow: (definitions: string | null) => void;
}

async function buildParts(options: DaemonOptions, store: QueueStore, signal: AbortSignal): Promise<Parts> {
  const { loaded, clock, log, failpoint } = options;
  const state = await untilReached(() => store.state(), options, signal);
  // A text of a Model that cannot be compiled is told at once, not at each connection.
  defineReading(loaded.config);
  const remembered = rememberedKeys(state?.definitions ?? null);
  const webhooks = defineWebhooks(loaded.config, remembered, loaded.templateEnv);
  const ofRows = new RowTargets(
    loaded.config,
    webhooks.map((webhook) => webhook.match.key),
    log.child({ part: 'deliver' }),
  );
  const ofFile = webhooks.map((webhook) => webhook.deliver);
  const deliverer = options.roles.includes('deliver')
    ? new Deliverer({
        store,
        process: processName(),
        targets: [...ofFile, ...(ofRows.read(state?.definitions ?? null) ?? [])],
        userAgent: `walhook/${options.version}`,
        addresses: {
          rules: loaded.config.addresses,
          own: new OwnServices(() => ownServices(options.services), systemResolve, clock),
          resolve: systemResolve,
        },
        clock,
        log: log.child({ part: 'deliver' }),
        failpoint,
        shutdownMs: loaded.config.shutdown_timeout,
      })
    : null;
  return {
    webhooks,
    deliverer,
    follow: (definitions) => {
      const targets = ofRows.read(definitions);
      if (targets !== null) deliverer?.retarget([...ofFile, ...targets]);
    },
  };
}

/** Webhooks kept as rows: what another process publishes is delivered for a moment later. */
async function followDefinitions(
  { clock, log }: DaemonOptions,
  store: QueueStore,
  { follow }: Parts,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(FOLLOW_MS, signal);
    if (signal.aborted) return;
    try {
      follow((await store.state())?.definitions ?? null);
    } catch (error) {
      log.debug({ code: toWalhookError(error).code }, 'definitions not read again');
    }
  }
}

function capturing(options: DaemonOptions, store: QueueStore, parts: Parts): CapturingOptions {
  const { loaded, services, clock, log, failpoint } = options;
  return {
    config: loaded.config,
    services,
    store,
    process: processName(),
    webhooks: parts.webhooks,
    onPublished: parts.follow,
    onQueued: (webhooks) => parts.deliverer?.wake(webhooks),
    clock,
    log: log.child({ part: 'capture' }),
    failpoint,
  };
}

/** Tells apart the processes of one queue, also two with the same pid on hosts of one name. */
function processName(): string {
  return `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`;
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
