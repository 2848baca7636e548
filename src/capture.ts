/**
 * Capture: the loop that reads the slot and fills the queue, one connection at a time.
 *
 *   frames → messages → Changes → matched Webhooks → Events → the next flush → the acknowledgement
 *
 * Everything is one `for await`: asking the stream for more means that there is room for it. The
 * acknowledgement trails the flushes and is sent by the stream's own timer and after each flush.
 */
import type { Pool } from 'pg';
import { type Context, contextOf } from './change/context.ts';
import {
  type ContextOption,
  describeTable,
  isWatchable,
  type ModelOptions,
  type Table,
} from './change/table.ts';
import { type Change, TransactionReader } from './change/transaction.ts';
import type { Clock } from './core/clock.ts';
import { toWalhookError } from './core/errors.ts';
import type { Failpoint } from './core/failpoint.ts';
import { Scope } from './core/lifecycle.ts';
import type { Logger } from './core/logger.ts';
import { formatLsn } from './core/lsn.ts';
import type { PostgresTarget } from './database/connect.ts';
import type { Relation, WalMessage } from './decode/messages.ts';
import { PgoutputDecoder } from './decode/pgoutput.ts';
import { Enqueuer } from './enqueue/enqueuer.ts';
import { isBefore, type Position, parsePosition } from './enqueue/position.ts';
import type { Matcher, MatchTarget } from './match/match.ts';
import type { QueuedDelivery } from './queue/delivery.ts';
import type { CaptureStore, StoreState } from './queue/store.ts';
import { Acker } from './replication/acker.ts';
import type { Frame } from './replication/frames.ts';
import type { SlotState } from './replication/slot.ts';
import { ReplicationStream } from './replication/stream.ts';
import { Catalog } from './represent/catalog.ts';
import { type BuiltEvent, buildEvent, buildUnreadableEvent, type EventLimits } from './represent/event.ts';

export interface CaptureOptions {
  readonly target: PostgresTarget;
  readonly slot: string;
  readonly publication: string;
  readonly pool: Pool;
  readonly store: CaptureStore;
  readonly models: readonly ModelOptions[];
  readonly context: readonly ContextOption[];
  readonly contextPrefixes: ReadonlySet<string>;
  readonly matcher: Matcher;
  /** The webhooks to publish; null when the store has them already. */
  readonly definitions: string | null;
  readonly limits: EventLimits & { readonly messageBytes: number };
  /** How long an acknowledgement trails its flush. */
  readonly ackDelayMs: number;
  /** Wakes deliver in this process. */
  readonly onQueued: (webhooks: readonly string[]) => void;
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
  const { clock } = options;
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
      stream.sendStatus();
    },
    onQueued: options.onQueued,
    clock,
    log: options.log,
    failpoint: options.failpoint,
    signal,
  });
  scope.defer(() => enqueuer.stop());
  const stop = () => stream.stopReading();
  signal.addEventListener('abort', stop, { once: true });
  scope.defer(() => signal.removeEventListener('abort', stop));

  options.log.info(
    { slot: options.slot, lsn: formatLsn(start.slot.confirmedFlushLsn), position: start.state.position },
    'capturing',
  );
  const session = new CaptureSession(options, start.state, enqueuer, stream);
  enqueuer.flush();
  for await (const frames of stream) {
    await session.accept(frames);
    enqueuer.flush();
    await enqueuer.ready();
  }
  await enqueuer.drain();
  stream.sendStatus();
}

/** What belongs to one connection: relations, the open Transaction, the tables described so far. */
class CaptureSession {
  readonly #options: CaptureOptions;
  readonly #generation: string;
  readonly #from: Position;
  readonly #enqueuer: Enqueuer;
  readonly #stream: ReplicationStream;
  readonly #decoder = new PgoutputDecoder();
  readonly #reader: TransactionReader;
  readonly #catalog: Catalog;
  readonly #tables = new WeakMap<Relation, Table>();

  constructor(options: CaptureOptions, state: StoreState, enqueuer: Enqueuer, stream: ReplicationStream) {
    this.#options = options;
    this.#generation = state.installation.generation;
    this.#from = parsePosition(state.position);
    this.#enqueuer = enqueuer;
    this.#stream = stream;
    this.#reader = new TransactionReader(options.contextPrefixes);
    this.#catalog = new Catalog(options.pool);
  }

  async accept(frames: readonly Frame[]): Promise<void> {
    for (const frame of frames) {
      if (frame.tag === 'keepalive') {
        // Between two Transactions the server has nothing for us up to here.
        if (this.#reader.open === null) this.#enqueuer.advance({ lsn: frame.walEnd, index: 0 }, frame.walEnd);
        if (frame.replyRequested) this.#stream.sendStatus();
        continue;
      }
      const message =
        frame.tag === 'data'
          ? this.#decoder.decode(frame.buffer, frame.start, frame.end)
          : this.#decoder.decodeHead(frame.head, frame.bytes);
      if (message.tag === 'relation') await this.#describe(message.relation);
      this.#read(message);
    }
    const open = this.#reader.open;
    if (open !== null) this.#enqueuer.advance({ lsn: open.commitLsn, index: this.#reader.nextIndex }, null);
  }

  #read(message: WalMessage): void {
    const commit = this.#reader.accept(message, (change) => this.#change(change));
    if (commit !== null) this.#enqueuer.advance({ lsn: commit.endLsn, index: 0 }, commit.endLsn);
  }

  async #describe(relation: Relation): Promise<void> {
    if (!isWatchable(relation)) return;
    const facts = await this.#catalog.facts(relation);
    this.#tables.set(relation, describeTable(relation, facts, this.#options.models, this.#options.context));
  }

  #change(change: Change): void {
    if (isBefore(change.transaction.commitLsn, change.index, this.#from)) return;
    const table = this.#tables.get(change.relation);
    if (table === undefined) return;
    const targets = this.#options.matcher.targets(table.model, change.kind);
    if (targets.length > 0) this.#match(change, table, targets);
  }

  #match(change: Change, table: Table, targets: readonly MatchTarget[]): void {
    const { limits } = this.#options;
    if (change.oversizedBytes > 0) {
      const detail = `a row of ${change.oversizedBytes} bytes is above limits.message (${limits.messageBytes})`;
      this.#fail(change, table, targets, 'too_large', detail);
      return;
    }
    try {
      const images = change.row?.images() ?? null;
      const context = contextOf(table.contextSources, change.context, change.kind, images);
      const event = buildEvent(change, table, images, context, this.#generation, limits);
      const delivery = this.#delivery(change, table, event, context);
      for (const target of targets) this.#enqueuer.add(target.key, delivery);
    } catch (error) {
      // A row that cannot be read must not stop the stream, now and again after every restart.
      this.#fail(change, table, targets, 'undecodable', toWalhookError(error).message);
    }
  }

  #delivery(change: Change, table: Table, event: BuiltEvent, context: Context): QueuedDelivery {
    return {
      eventId: event.id,
      model: table.model,
      schema: table.relation.schema,
      table: table.relation.name,
      key: event.key,
      requestId: context.requestId,
      lsn: formatLsn(change.transaction.commitLsn),
      xid: change.transaction.xid,
      committedAtMs: Number(change.transaction.committedAtUs / 1000n),
      json: event.json,
    };
  }

  /** Makes a Change whose row cannot be had a failed Delivery for each Webhook that watches it. */
  #fail(
    change: Change,
    table: Table,
    targets: readonly MatchTarget[],
    reason: 'too_large' | 'undecodable',
    detail: string,
  ): void {
    const { clock, log } = this.#options;
    const context = contextOf(table.contextSources, change.context, change.kind, null);
    const event = buildUnreadableEvent(change, table, context, this.#generation, reason);
    const delivery = this.#delivery(change, table, event, context);
    for (const target of targets) {
      log.error({ webhook: target.key, event: event.id, table: table.relation.name, reason }, detail);
      this.#enqueuer.addFailed({
        webhook: target.key,
        delivery,
        reason,
        detail,
        attempts: 0,
        failedAtMs: clock.now(),
      });
    }
  }
}
