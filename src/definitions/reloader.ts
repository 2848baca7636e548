/**
 * Rereads the configuration file while walhook runs: all or nothing. What cannot change without a restart
 * refuses the reload by name; on any mistake the old configuration stays, and the log, a gauge and the page
 * say so.
 */
import { isDeepStrictEqual } from 'node:util';
import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { toWalhookError, WalhookError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { Secret } from '../core/secret.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { LiveDefinitions } from './live.ts';

/** What parts were built from that live as long as the process. */
const FIXED = [
  'environment',
  'postgres',
  'queue',
  'admin.listen',
  'admin.metrics',
  'addresses',
  'alerts',
  'log',
  'retention',
  'templates',
  'shutdown_timeout',
] as const;

export interface ReloadResult {
  readonly version: number;
  readonly webhooks: number;
}

/** The last reload, for the page. */
export interface LastReload {
  readonly atMs: number;
  /** null: it is in force. */
  readonly error: WalhookError | null;
}

export interface ReloaderOptions {
  /** Reads the file. Throws CONFIG_INVALID with every mistake. null: there is no file. */
  readonly reread: (() => LoadedConfig) | null;
  readonly live: LiveDefinitions;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Reloader {
  readonly #options: ReloaderOptions;
  #last: LastReload | null = null;
  #tell: (message: string) => void = () => undefined;

  constructor(options: ReloaderOptions) {
    this.#options = options;
  }

  get last(): LastReload | null {
    return this.#last;
  }

  /** Whom to tell of a reload that failed. */
  onFailed(tell: (message: string) => void): void {
    this.#tell = tell;
  }

  /** @param by who asks: the name of a token, or `SIGHUP` */
  reload(by: string): ReloadResult {
    const { live, metrics, clock, log } = this.#options;
    try {
      const result = this.#reload();
      this.#last = { atMs: clock.now(), error: null };
      metrics.reloaded(true);
      log.info({ by, version: result.version, webhooks: result.webhooks }, 'configuration reloaded');
      return result;
    } catch (error) {
      const known = toWalhookError(error);
      this.#last = { atMs: clock.now(), error: known };
      metrics.reloaded(false);
      log.error(
        { by, code: known.code, version: live.current.version, try: known.remedy },
        `configuration not reloaded, the old one stays: ${known.message}`,
      );
      this.#tell(known.message);
      throw known;
    }
  }

  /** Reloads, or leaves it to the log and to `last` to say why not. */
  tryReload(by: string): void {
    try {
      this.reload(by);
    } catch {
      // Told already.
    }
  }

  #reload(): ReloadResult {
    const { reread, live } = this.#options;
    if (reread === null) {
      throw new WalhookError('RELOAD_UNAVAILABLE', 'expected a configuration file, found that there is none');
    }
    const loaded = reread();
    const changed = fixedChanges(live.current.loaded.config, loaded.config);
    if (changed.length > 0) {
      throw new WalhookError(
        'RELOAD_NEEDS_RESTART',
        `expected no change of what takes a restart, found one of ${changed.join(', ')}`,
      );
    }
    const { version, webhooks } = live.replace(loaded);
    return { version, webhooks: webhooks.length };
  }
}

/** The keys, of those that take a restart, in which two configurations differ. */
export function fixedChanges(before: Config, after: Config): string[] {
  return FIXED.filter((path) => !isDeepStrictEqual(plainAt(before, path), plainAt(after, path)));
}

function plainAt(config: Config, path: string): unknown {
  return revealed(
    path
      .split('.')
      .reduce<unknown>(
        (at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : at),
        config,
      ),
  );
}

/** Secrets as their texts: two of them are equal only when these are. */
function revealed(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal();
  if (Array.isArray(value)) return value.map(revealed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revealed(item)]));
}
