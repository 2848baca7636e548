/**
 * Capture as the daemon runs it, against a store that accepts everything and keeps nothing: from the slot
 * to match and, where something matches, to the flush.
 */
import { type CaptureOptions, captureOnce } from '../src/capture/capture.ts';
import { systemClock } from '../src/core/clock.ts';
import { NO_FAILPOINT } from '../src/core/failpoint.ts';
import { type Logger, SILENT } from '../src/core/logger.ts';
import { NO_TLS, openPool, type PostgresTarget } from '../src/database/connect.ts';
import { parseConditions } from '../src/match/conditions/parse.ts';
import { Matcher, type MatchTarget } from '../src/match/match.ts';
import type { Flush } from '../src/queue/store.ts';
import { readSlot } from '../src/replication/slot.ts';

export interface CaptureRun {
  readonly url: string;
  readonly slot: string;
  readonly publication: string;
  readonly targets: readonly MatchTarget[];
  readonly log?: Logger;
  readonly options?: Partial<CaptureOptions>;
  /** Sees each flush; true ends the run. */
  onFlush(flush: Flush): boolean | Promise<boolean>;
}

/** A webhook of one Model whose conditions are those given. */
export function target(key: string, model: string, conditions: unknown): MatchTarget {
  const parsed = conditions === null ? null : parseConditions(conditions, 'strict', key);
  if (parsed?.ok === false) throw new Error('the conditions of the benchmark are wrong');
  return {
    key,
    name: key,
    enabled: true,
    models: [model],
    events: ['created', 'updated', 'deleted'],
    conditions: parsed?.conditions ?? null,
    columns: null,
    onUnavailable: 'error',
    require: [],
    format: 'walhook',
    collapse: null,
  };
}

/** Captures until `onFlush` says that it is enough. */
export async function runCapture(run: CaptureRun): Promise<void> {
  const postgres: PostgresTarget = { url: () => run.url, tls: NO_TLS, role: 'watched' };
  const pool = await openPool(postgres, 2);
  const stop = new AbortController();
  try {
    const slot = await readSlot(pool, run.slot);
    await captureOnce(
      {
        target: postgres,
        slot: run.slot,
        publication: run.publication,
        pool,
        store: {
          takeFence: async () => 1,
          flush: async (flush) => {
            if (await run.onFlush(flush)) stop.abort();
            return 'done';
          },
        },
        models: [],
        represent: new Map(),
        ownSchemas: [],
        context: [],
        messageSources: [],
        auditSources: [],
        matcher: new Matcher(run.targets),
        definitions: null,
        limits: {
          valueBytes: 1_048_576,
          eventBytes: 4 * 1_048_576,
          messageBytes: 64 * 1_048_576,
          lookahead: 10_000,
        },
        lookupTimeoutMs: 2_000,
        ackDelayMs: 0,
        onQueued: () => undefined,
        clock: systemClock,
        log: run.log ?? SILENT,
        failpoint: NO_FAILPOINT,
        ...run.options,
      },
      {
        state: {
          installation: {
            queueId: 'bench',
            generation: '00000000',
            environment: 'bench',
            systemIdentifier: '0',
            database: 'bench',
            slot: run.slot,
          },
          position: `${'0'.repeat(16)}-${'0'.repeat(8)}`,
          fence: 1,
          definitions: null,
        },
        fence: 1,
        slot,
      },
      stop.signal,
    );
  } finally {
    await pool.end();
  }
}
