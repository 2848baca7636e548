/**
 * Capture: the loop that reads the slot and fills the queue, over one connection.
 *
 *   frames → messages → Changes → matched Webhooks → Events → the next flush → the acknowledgement
 *
 * Everything is one `for await`: asking the stream for more means that there is room for it. The
 * acknowledgement trails the flushes and is sent by the stream's own timer and after each flush.
 */
import type { Pool } from 'pg';
import type { AuditSource } from '../change/auditContext.ts';
import type { MessageSource } from '../change/messageContext.ts';
import type { ContextOption, ModelOptions } from '../change/table.ts';
import type { Clock } from '../core/clock.ts';
import type { Failpoint } from '../core/failpoint.ts';
import { Scope } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import { formatLsn } from '../core/lsn.ts';
import type { PostgresTarget } from '../database/connect.ts';
import { Enqueuer } from '../enqueue/enqueuer.ts';
import { parsePosition } from '../enqueue/position.ts';
import type { Matcher } from '../match/match.ts';
import type { CaptureStore, StoreState } from '../queue/store.ts';
import { Acker } from '../replication/acker.ts';
import type { SlotState } from '../replication/slot.ts';
import { ReplicationStream } from '../replication/stream.ts';
import { Catalog } from '../represent/catalog.ts';
import { IncludedRows } from '../represent/includedRows.ts';
import { DatabaseLookups } from '../represent/lookups.ts';
import { RelatedRows } from '../represent/relatedRows.ts';
import { RelatedTables } from '../represent/relatedTables.ts';
import { Representer } from '../represent/representer.ts';
import type { RepresentOptions } from '../represent/shape.ts';
import { type CaptureInstruments, CaptureSession } from './session.ts';
import { Settler } from './settle.ts';

export interface CaptureOptions {
  readonly target: PostgresTarget;
  readonly slot: string;
  readonly publication: string;
  /** For the catalog and look-ups. */
  readonly pool: Pool;
  readonly store: CaptureStore;
  readonly models: readonly ModelOptions[];
  readonly represent: ReadonlyMap<string, RepresentOptions>;
  readonly context: readonly ContextOption[];
  readonly messageSources: readonly MessageSource[];
  readonly auditSources: readonly AuditSource[];
  readonly matcher: Matcher;
  /** The webhooks to publish; null when the store has them already. */
  readonly definitions: string | null;
  readonly limits: {
    readonly valueBytes: number;
    readonly eventBytes: number;
    readonly messageBytes: number;
    readonly lookahead: number;
  };
  /** For one round of look-ups. */
  readonly lookupTimeoutMs: number;
  /** How long an acknowledgement trails its flush. */
  readonly ackDelayMs: number;
  /** Wakes deliver in this process. */
  readonly onQueued: (webhooks: readonly string[]) => void;
  readonly instruments?: CaptureInstruments;
  /** Aborted: ends after the Transaction that is being read, so that other definitions hold for the next. */
  readonly renew?: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
  readonly failpoint: Failpoint;
}

/** What a session starts from. */
export interface CaptureStart {
  readonly state: StoreState;
  readonly fence: number;
  readonly slot: SlotState;
}

/**
 * Captures over one connection until the signal is aborted, when it stores and acknowledges what it has
 * read. Throws a coded error when the connection, the store or the leadership is lost.
 */
export async function captureOnce(
  options: CaptureOptions,
  start: CaptureStart,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = options;
  await using scope = new Scope();
  const acker = new Acker(options.ackDelayMs, start.slot.confirmedFlushLsn);
  const stream = await ReplicationStream.open({
    target: options.target,
    slot: options.slot,
    publication: options.publication,
    maxMessageBytes: options.limits.messageBytes,
    clock,
    confirmable: () => acker.confirmable(clock.monotonic()),
  });
  scope.defer(() => stream.close());
  const enqueuer = new Enqueuer({
    store: options.store,
    fence: start.fence,
    position: parsePosition(start.state.position),
    definitions: options.definitions,
    onSettled: (lsn) => {
      acker.settle(lsn, clock.monotonic());
      options.instruments?.settled(lsn);
      stream.sendStatus();
    },
    onQueued: options.onQueued,
    clock,
    log,
    failpoint: options.failpoint,
    signal,
  });
  scope.defer(() => enqueuer.stop());
  const stop = () => stream.stopReading();
  signal.addEventListener('abort', stop, { once: true });
  scope.defer(() => signal.removeEventListener('abort', stop));

  log.info(
    { slot: options.slot, lsn: formatLsn(start.slot.confirmedFlushLsn), position: start.state.position },
    'capturing',
  );
  const session = newSession(options, start, enqueuer, () => stream.sendStatus());
  const renew = () => {
    if (session.isAtEnd) stream.stopReading();
  };
  options.renew?.addEventListener('abort', renew, { once: true });
  scope.defer(() => options.renew?.removeEventListener('abort', renew));
  enqueuer.flush();
  for await (const frames of stream) {
    await session.accept(frames);
    enqueuer.flush();
    await enqueuer.ready();
    if (session.isAtEnd) break;
  }
  await enqueuer.drain();
  stream.sendStatus();
}

function newSession(
  options: CaptureOptions,
  start: CaptureStart,
  enqueuer: Enqueuer,
  onStatusWanted: () => void,
): CaptureSession {
  const { pool, publication, models, represent, context, limits, instruments, clock, log } = options;
  const catalog = new Catalog(pool);
  const lookups = new DatabaseLookups(pool, options.lookupTimeoutMs);
  const tables = new RelatedTables({ catalog, publication, models, represent, context });
  const rows = new RelatedRows(lookups, limits.valueBytes);
  const includes = new IncludedRows(lookups, tables, rows);
  const representer = new Representer({ tables, rows, includes, log });
  const { generation } = start.state.installation;
  const settler = new Settler({
    enqueuer,
    representer,
    tables,
    rows,
    generation,
    limits,
    instruments,
    clock,
    log,
  });
  return new CaptureSession({
    ...options,
    catalog,
    tables,
    rows,
    includes,
    enqueuer,
    settler,
    onStatusWanted,
    maxHeld: limits.lookahead,
    from: parsePosition(start.state.position),
  });
}
