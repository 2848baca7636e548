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
import { toWalhookError, WalhookError } from '../core/errors.ts';
import type { Failpoint } from '../core/failpoint.ts';
import { Scope } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import { formatLsn, type Lsn } from '../core/lsn.ts';
import type { Plugin } from '../core/plugins.ts';
import type { PostgresTarget } from '../database/connect.ts';
import type { WebhookRows } from '../definitions/webhookRows.ts';
import { Enqueuer } from '../enqueue/enqueuer.ts';
import { type Position, parsePosition } from '../enqueue/position.ts';
import type { Matcher } from '../match/match.ts';
import type { CaptureStore, QueueStore, StoreState } from '../queue/store.ts';
import { Acker } from '../replication/acker.ts';
import { PublicationWatch, readPublicationOid } from '../replication/publicationWatch.ts';
import type { SlotState } from '../replication/slot.ts';
import { ReplicationStream } from '../replication/stream.ts';
import { Catalog } from '../represent/catalog.ts';
import { IncludedRows } from '../represent/includedRows.ts';
import { DatabaseLookups } from '../represent/lookups.ts';
import { RelatedRows } from '../represent/relatedRows.ts';
import { RelatedTables } from '../represent/relatedTables.ts';
import { Representer } from '../represent/representer.ts';
import { type RepresentOptions, Shapes } from '../represent/shape.ts';
import { DiskWatch } from './diskWatch.ts';
import { decoderFor } from './messageDecoder.ts';
import type { MissLog } from './misses.ts';
import { type ReplayOptions, runReplays } from './replay.ts';
import { type CaptureInstruments, CaptureSession } from './session.ts';
import { Settler } from './settle.ts';

export interface CaptureOptions {
  readonly target: PostgresTarget;
  readonly slot: string;
  /** The slot's; default pgoutput. */
  readonly plugin?: Plugin;
  readonly publication: string;
  readonly origin?: 'any' | 'none';
  /** For the catalog and look-ups. */
  readonly pool: Pool;
  readonly store: CaptureStore;
  /** Where replays are asked for; absent: none are. */
  readonly notes?: ReplayOptions['store'];
  readonly models: readonly ModelOptions[];
  readonly represent: ReadonlyMap<string, RepresentOptions>;
  readonly context: readonly ContextOption[];
  /** Schemas whose Changes are never Events. */
  readonly ownSchemas: readonly string[];
  readonly messageSources: readonly MessageSource[];
  readonly auditSources: readonly AuditSource[];
  readonly matcher: Matcher;
  /** The webhooks to publish; null when the store has them already. */
  readonly definitions: string | null;
  /** Webhooks kept as rows, taken up as the stream tells of them; absent: none. */
  readonly webhookRows?: WebhookRows;
  /** Definitions are in the store. */
  readonly onPublished?: (definitions: string) => void;
  readonly limits: {
    readonly valueBytes: number;
    readonly eventBytes: number;
    readonly messageBytes: number;
    readonly lookahead: number;
  };
  /** Where Changes that do not fire are noted, if anywhere. */
  readonly misses?: MissLog;
  /** For one round of look-ups. */
  readonly lookupTimeoutMs: number;
  /** How long an acknowledgement trails its flush. */
  readonly ackDelayMs: number;
  /** Asked before anything is acknowledged; absent: what is stored is safe, or will be after the delay. */
  readonly disk?: Pick<QueueStore, 'untilOnDisk'> | undefined;
  /** Wakes deliver in this process. */
  readonly onQueued: (webhooks: readonly string[]) => void;
  readonly instruments?: CaptureInstruments;
  /** Aborted: ends after the Transaction that is being read, so that other definitions hold for the next. */
  readonly renew?: AbortSignal;
  /** A heartbeat came back. */
  readonly onHeartbeat?: (content: string) => void;
  /** Called once the connection stands. */
  readonly onOpen?: (capturing: Capturing) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly failpoint: Failpoint;
}

/** What others may ask of a connection that captures. */
export interface Capturing {
  /** The server's process. */
  readonly backendPid: number | null;
  /** Of the publication as it was when the connection was opened. */
  readonly publicationOid: string;
  /** Of the newest Transaction read; null before there was one. */
  committedAtMs(): number | null;
  /** Gives up at once: nothing more is stored or acknowledged. */
  fail(error: WalhookError): void;
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
  const stream = await openStream(options, acker);
  scope.defer(() => stream.close());
  const position = parsePosition(start.state.position);
  refusePositionAhead(position, stream.walEnd);
  const settling = acknowledge(options, acker, stream, scope);
  const enqueuer = new Enqueuer({
    store: options.store,
    fence: start.fence,
    position,
    definitions: options.definitions,
    onSettled: settling.offer,
    onQueued: options.onQueued,
    onPublished: options.onPublished ?? (() => undefined),
    onFailed: (error) => stream.fail(toWalhookError(error)),
    clock,
    log,
    failpoint: options.failpoint,
    signal,
  });
  scope.defer(() => enqueuer.stop());
  onAbort(signal, () => stream.stopReading(), scope);

  log.info(
    { slot: options.slot, lsn: formatLsn(start.slot.confirmedFlushLsn), position: start.state.position },
    'capturing',
  );
  const session = newSession(options, start, enqueuer, () => stream.sendStatus());
  const stopAtEnd = () => {
    if (session.isAtEnd) stream.stopReading();
  };
  onAbort(options.renew, stopAtEnd, scope);
  options.onOpen?.({
    backendPid: stream.backendPid,
    publicationOid: stream.publicationOid,
    committedAtMs: () => session.committedAtMs,
    fail: (error) => stream.fail(error),
  });
  enqueuer.flush();
  const replays = startReplays(options, start, enqueuer, () => session.matcher);
  scope.defer(() => replays.stop());
  for await (const frames of stream) {
    await session.accept(frames);
    enqueuer.flush();
    await enqueuer.ready();
    if (session.isAtEnd) break;
  }
  await replays.stop();
  await enqueuer.drain();
  await settling.finish();
  stream.sendStatus();
}

/** What is stored is acknowledged after a look at the publication and, where the store can tell, at its disk. */
function acknowledge(
  { publication, pool, disk: store, instruments, clock, log }: CaptureOptions,
  acker: Acker,
  stream: ReplicationStream,
  scope: Scope,
): { offer(lsn: Lsn): void; finish(): Promise<void> } {
  const settle = (lsn: Lsn) => {
    acker.settle(lsn, clock.monotonic());
    instruments?.settled(lsn);
    stream.sendStatus();
  };
  const disk = store === undefined ? null : new DiskWatch({ store, onConfirmed: settle, clock, log });
  const watch = new PublicationWatch({
    publication,
    oid: stream.publicationOid,
    read: () => readPublicationOid(pool, publication),
    onConfirmed: (lsn) => (disk === null ? settle(lsn) : disk.offer(lsn)),
    onGone: (error) => stream.fail(error),
    clock,
    log,
  });
  scope.defer(() => {
    watch.stop();
    disk?.stop();
  });
  return {
    offer: (lsn) => watch.offer(lsn),
    async finish() {
      await watch.finish();
      await disk?.finish();
    },
  };
}

function onAbort(signal: AbortSignal | undefined, act: () => void, scope: Scope): void {
  signal?.addEventListener('abort', act, { once: true });
  scope.defer(() => signal?.removeEventListener('abort', act));
  // Aborted while the connection was opened: the signal says it no second time.
  if (signal?.aborted === true) act();
}

function openStream(options: CaptureOptions, acker: Acker): Promise<ReplicationStream> {
  const { target, slot, publication, limits, clock } = options;
  return ReplicationStream.open({
    target,
    slot,
    plugin: options.plugin ?? 'pgoutput',
    publication,
    origin: options.origin ?? 'any',
    maxMessageBytes: limits.messageBytes,
    clock,
    confirmable: () => acker.confirmable(clock.monotonic()),
  });
}

/** After a failover to a standby that was behind, skipping by such a position would skip what is new. */
function refusePositionAhead(position: Position, walEnd: Lsn): void {
  if (position.lsn <= walEnd) return;
  throw new WalhookError(
    'SLOT_LOST',
    `expected a server whose WAL reaches the stored position ${formatLsn(position.lsn)}, found that it ends at ${formatLsn(walEnd)}: Changes in between are gone with another server or timeline`,
  );
}

/** What rows are represented with. A replay has its own: nobody tells it when rows change. */
function newRepresentation(options: CaptureOptions) {
  const { pool, publication, models, represent, context, limits, log } = options;
  const catalog = new Catalog(pool);
  const lookups = new DatabaseLookups(pool, options.lookupTimeoutMs);
  const tables = new RelatedTables({ catalog, publication, models, represent, context });
  const rows = new RelatedRows(lookups, limits.valueBytes);
  const includes = new IncludedRows(lookups, tables, rows);
  const representer = new Representer({ tables, rows, includes, log });
  return { catalog, tables, rows, includes, representer, shapes: new Shapes(represent) };
}

function startReplays(
  options: CaptureOptions,
  start: CaptureStart,
  enqueuer: Enqueuer,
  matcher: () => Matcher,
): { stop(): Promise<void> } {
  const { notes } = options;
  const ended = new AbortController();
  const running =
    notes === undefined
      ? Promise.resolve()
      : runReplays(replayOptions(options, notes, start, enqueuer, matcher), ended.signal);
  return {
    stop() {
      ended.abort();
      return running;
    },
  };
}

function replayOptions(
  options: CaptureOptions,
  store: ReplayOptions['store'],
  start: CaptureStart,
  enqueuer: Enqueuer,
  matcher: () => Matcher,
): ReplayOptions {
  const { pool, models, represent, limits, clock, log } = options;
  const { generation } = start.state.installation;
  const parts = newRepresentation(options);
  return {
    pool,
    store,
    models,
    represent,
    matcher,
    ...parts,
    settlerFor: (sink) =>
      new Settler({ ...parts, enqueuer: sink, generation, limits, misses: null, clock, log }),
    insert: (deliveries, failed) => enqueuer.insert(deliveries, failed),
    clock,
    log,
  };
}

function newSession(
  options: CaptureOptions,
  start: CaptureStart,
  enqueuer: Enqueuer,
  onStatusWanted: () => void,
): CaptureSession {
  const { limits, clock, log } = options;
  const parts = newRepresentation(options);
  const { generation } = start.state.installation;
  const { misses = null, instruments } = options;
  return new CaptureSession({
    ...options,
    ...parts,
    decoder: decoderFor(options.plugin ?? 'pgoutput', parts.catalog, options.publication),
    enqueuer,
    settler: new Settler({ ...parts, enqueuer, generation, limits, misses, instruments, clock, log }),
    onStatusWanted,
    onHeartbeat: options.onHeartbeat ?? (() => undefined),
    maxHeld: limits.lookahead,
    from: parsePosition(start.state.position),
  });
}
