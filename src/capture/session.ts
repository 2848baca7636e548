/**
 * What belongs to one replication connection: the open Transaction, what is held back of it, and the candidates
 * since the last look-up.
 */
import { type ContextOutcome, contextOf } from '../change/context.ts';
import type { MessageSource } from '../change/messageContext.ts';
import { type Change, TransactionReader } from '../change/transaction.ts';
import type { Logger } from '../core/logger.ts';
import type { Lsn } from '../core/lsn.ts';
import type { CommitMessage, WalMessage } from '../decode/messages.ts';
import type { WebhookRows } from '../definitions/webhookRows.ts';
import type { Enqueuer } from '../enqueue/enqueuer.ts';
import { isBefore, type Position } from '../enqueue/position.ts';
import type { Matcher } from '../match/match.ts';
import type { Frame } from '../replication/frames.ts';
import { type Candidate, NO_MEMBERSHIPS } from './candidate.ts';
import { HEARTBEAT_PREFIX } from './heartbeat.ts';
import { auditRowOf, columnTexts, HeldTransaction, joinOf } from './heldTransaction.ts';
import { type KnownTable, KnownTables, type KnownTablesOptions } from './knownTables.ts';
import type { MessageDecoder } from './messageDecoder.ts';
import { releaseTransaction } from './release.ts';
import type { Settler } from './settle.ts';

/** What capturing counts. */
export interface CaptureInstruments {
  /** A function that counts one more Change of a table, `schema.table`. */
  changesOf(table: string): () => void;
  committed(endLsn: Lsn, committedAtMs: number): void;
  settled(lsn: Lsn): void;
  /** @param webhook its key */
  decided(webhook: string, outcome: 'matched' | 'not_matched' | 'failed'): void;
  /** Transactions, or messages of one, whose context is not what it could have been. */
  contextWas(outcome: ContextOutcome, count: number): void;
}

export interface SessionOptions extends KnownTablesOptions {
  readonly messageSources: readonly MessageSource[];
  /** The webhooks in force where the session starts. */
  readonly matcher: Matcher;
  /** Takes up webhooks kept as rows; absent: there are none. */
  readonly webhookRows?: WebhookRows;
  /** `limits.lookahead` */
  readonly maxHeld: number;
  readonly decoder: MessageDecoder;
  readonly enqueuer: Enqueuer;
  readonly settler: Settler;
  readonly log: Logger;
  /** Counts, for the metrics. */
  readonly instruments?: CaptureInstruments | undefined;
  /** Aborted: read no further Transaction, other definitions are to be in force for the next one. */
  readonly renew?: AbortSignal | undefined;
  /** The server asks for a status. */
  readonly onStatusWanted: () => void;
  /** A heartbeat came back. */
  readonly onHeartbeat: (content: string) => void;
  /** Where the store stands: what lies before is in it. */
  readonly from: Position;
}

/** Candidates that are represented and matched together. */
const MAX_CANDIDATES = 256;
/** Deliveries that they may become: what is settled at once goes into one flush. */
const MAX_WANTED = 2_500;

export class CaptureSession {
  readonly #options: SessionOptions;
  readonly #reader: TransactionReader;
  readonly #tables: KnownTables;
  /** The webhooks in force at this place of the stream. */
  #matcher: Matcher;
  /** Rows of webhooks were read, and what they say is not in force yet. */
  #isOutdated = false;
  /** Whether Transactions are read to their end before anything of them goes out. */
  #looksAhead: boolean;
  #held: HeldTransaction | null = null;
  /** The open Transaction was too long to be held back whole. */
  #isPartial = false;
  #candidates: Candidate[] = [];
  /** Webhooks of all candidates, counted. */
  #wanted = 0;
  /** Where the newest Transaction that has been read whole ends, while its candidates wait. */
  #ended: Lsn | null = null;
  #committedAtMs: number | null = null;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#tables = new KnownTables(options);
    this.#reader = new TransactionReader(options.messageSources);
    this.#matcher = options.matcher;
    this.#looksAhead = looksAhead(options, options.matcher);
  }

  /** Between two Transactions, and asked to read no further one. */
  get isAtEnd(): boolean {
    return this.#options.renew?.aborted === true && this.#reader.open === null;
  }

  /** The webhooks in force for what is read next. */
  get matcher(): Matcher {
    return this.#matcher;
  }

  /** Commit time of the newest Transaction read; null before there was one. */
  get committedAtMs(): number | null {
    return this.#committedAtMs;
  }

  /** Reads frames; when it returns, what they hold has been added to the enqueuer and the position advanced. */
  async accept(frames: readonly Frame[]): Promise<void> {
    for (const frame of frames) {
      if (this.isAtEnd) break;
      if (frame.tag === 'keepalive') {
        await this.#keepalive(frame.walEnd, frame.replyRequested);
        continue;
      }
      const { decoder } = this.#options;
      const decoded =
        frame.tag === 'data'
          ? decoder.decode(frame.buffer, frame.start, frame.end)
          : decoder.decodeHead(frame.head, frame.bytes);
      const message = decoded instanceof Promise ? await decoded : decoded;
      const isNews =
        'relation' in message ? !this.#tables.isKnown(message.relation) : message.tag === 'truncate';
      if (isNews) await this.#tables.learn(message, this.#matcher);
      if (message.tag === 'message' && message.prefix === HEARTBEAT_PREFIX) {
        this.#options.onHeartbeat(message.content);
      }
      if (this.#isOutdated && !this.#isOfWebhooks(message)) await this.#takeUp();
      const commit = this.#read(message);
      if (commit !== null) this.#ended = commit.endLsn;
      if (commit !== null && this.#held !== null) await this.#releaseWhole();
      else if (this.#held?.isFull === true) await this.#releaseEarly();
      else if (this.#candidates.length >= MAX_CANDIDATES || this.#wanted >= MAX_WANTED) await this.#settle();
    }
    await this.#settle();
  }

  async #keepalive(walEnd: Lsn, isReplyWanted: boolean): Promise<void> {
    await this.#settle();
    if (this.#reader.open === null) {
      this.#options.enqueuer.advance({ lsn: walEnd, index: 0 }, walEnd);
    }
    if (isReplyWanted) this.#options.onStatusWanted();
  }

  #read(message: WalMessage): CommitMessage | null {
    if (message.tag === 'begin') {
      this.#isPartial = false;
      this.#committedAtMs = Number(message.committedAtUs / 1_000n);
    }
    if (message.tag === 'commit') {
      const { instruments } = this.#options;
      if (this.#committedAtMs !== null) instruments?.committed(message.endLsn, this.#committedAtMs);
      const { isMuted, malformed } = this.#reader.messages;
      if (isMuted) instruments?.contextWas('muted', 1);
      if (malformed > 0) instruments?.contextWas('malformed', malformed);
    }
    return this.#reader.accept(message, (change) => this.#intake(change));
  }

  #isOfWebhooks(message: WalMessage): boolean {
    return 'relation' in message && this.#tables.find(message.relation.oid)?.isOfWebhooks === true;
  }

  /** What was read of the rows of webhooks is in force for all that comes after, here and in the store. */
  async #takeUp(): Promise<void> {
    const { webhookRows, enqueuer } = this.#options;
    this.#isOutdated = false;
    if (webhookRows === undefined) return;
    const { matcher, definitions } = webhookRows.current();
    enqueuer.publish(definitions);
    this.#matcher = matcher;
    this.#looksAhead = this.#held?.isEmpty === false || looksAhead(this.#options, matcher);
    await this.#tables.replaceMatcher(matcher);
  }

  /** A row of webhooks was written. */
  #acceptWebhook(change: Change): void {
    const { webhookRows, from, log } = this.#options;
    if (webhookRows === undefined || isBefore(change.transaction.commitLsn, change.index, from)) return;
    this.#isOutdated = true;
    if (change.kind === 'truncated') webhookRows.clear();
    else if (change.row !== null) webhookRows.accept(change.relation.columns, change.row.images());
    else {
      log.error(
        { code: 'ROW_INVALID', bytes: change.oversizedBytes },
        'a row of walhook.webhook is above limits.message: what it says is not taken up',
      );
    }
  }

  #intake(change: Change): void {
    const announced = this.#tables.find(change.relation.oid);
    if (announced === undefined) return;
    const { rows, from } = this.#options;
    const { id, table: known } = announced;
    if (announced.isOfWebhooks) this.#acceptWebhook(change);
    if (rows.isRemembered(id)) rows.forget(id);
    if (known === null || isBefore(change.transaction.commitLsn, change.index, from)) return;
    known.count();
    if (change.kind === 'deleted' && this.#options.represent.has(known.table.model)) {
      const images = change.row?.images() ?? null;
      if (images !== null) rows.holdGone(known.table, images.old);
    }
    this.#holdAround(change, known);
    if (!known.isWatched) return;
    if (this.#looksAhead && !this.#isPartial) this.#hold().hold(change, known.table, this.#matcher);
    else this.#direct(change, known);
  }

  #hold(): HeldTransaction {
    this.#held ??= new HeldTransaction(this.#options.maxHeld);
    return this.#held;
  }

  /** What the Change says of others: as a row of an audit table, and as a join row. */
  #holdAround(change: Change, { table, audits, joins }: KnownTable): void {
    for (const source of audits) {
      const options = this.#options.auditSources[source];
      const audit = options === undefined ? null : auditRowOf(change, table, options);
      if (audit !== null) this.#hold().holdAudit(source, audit.key, audit.row);
    }
    for (const one of joins) {
      const join = joinOf(change, table, { ...one, matcher: this.#matcher });
      if (join !== null) this.#hold().holdJoin(join);
    }
  }

  /** A Change for which nothing later in its Transaction is waited for. */
  #direct(change: Change, known: KnownTable): void {
    const targets = this.#matcher.targets(known.table.model, change.kind);
    if (targets.length === 0 || change.messages.isMuted) return;
    const rows = change.row?.images() ?? null;
    const texts = columnTexts(known.table, rows);
    const context = contextOf(known.table.contextSources, {
      messages: change.messages,
      lastMessages: null,
      kind: change.kind,
      images: rows,
      audit: (source) => this.#held?.audit(this.#options.auditSources, source, change.index, texts) ?? null,
    });
    this.#wanted += targets.length;
    this.#candidates.push({
      change,
      table: known.table,
      shape: known.shape,
      targets,
      context,
      rows,
      touched: null,
      memberships: NO_MEMBERSHIPS,
    });
  }

  /** The Transaction is complete. */
  async #releaseWhole(): Promise<void> {
    await this.#release(false);
    if (this.#options.enqueuer.staged >= MAX_WANTED) await this.#settle();
  }

  /** The Transaction is longer than may be held back: what is known so far has to do. */
  async #releaseEarly(): Promise<void> {
    const { log, maxHeld, instruments } = this.#options;
    if (!this.#isPartial) {
      instruments?.contextWas('partial', 1);
      log.warn(
        { xid: this.#reader.open?.xid, lookahead: maxHeld },
        'a Transaction is longer than limits.lookahead: its Events go out with what is known of it so far',
      );
    }
    this.#isPartial = true;
    await this.#release(true);
    await this.#settle();
  }

  async #release(isPartial: boolean): Promise<void> {
    const { auditSources, maxHeld, log } = this.#options;
    const held = this.#held;
    this.#held = held !== null && isPartial ? new HeldTransaction(maxHeld, held) : null;
    // Of Transactions before, and of this one where it was too long to be held back.
    await this.#settleCandidates();
    if (held === null || held.isEmpty) return;
    if (this.#reader.messages.isMuted) {
      log.debug({ changes: held.changes.length }, 'a Transaction fires nothing: walhook.mute() was called');
      return;
    }
    const candidates = releaseTransaction(held, {
      auditSources,
      lastMessages: isPartial ? null : this.#reader.messages,
      shapeOf: (table) => this.#options.shapes.of(table),
      owner: (model) => this.#tables.owner(model),
      constants: (include) => this.#tables.constants(include),
    });
    const { settler, enqueuer } = this.#options;
    for (const portion of portions(candidates)) {
      await settler.settle(portion);
      if (enqueuer.staged >= MAX_WANTED) await enqueuer.spill();
    }
  }

  async #settleCandidates(): Promise<void> {
    const candidates = this.#candidates;
    this.#candidates = [];
    this.#wanted = 0;
    if (candidates.length > 0) await this.#options.settler.settle(candidates);
  }

  /** Afterwards everything read so far is covered, but for what is held back. */
  async #settle(): Promise<void> {
    if (this.#isOutdated) await this.#takeUp();
    await this.#settleCandidates();
    const { enqueuer } = this.#options;
    if (this.#ended !== null) enqueuer.advance({ lsn: this.#ended, index: 0 }, this.#ended);
    this.#ended = null;
    const { open } = this.#reader;
    if (open !== null && (this.#held === null || this.#held.isEmpty)) {
      enqueuer.advance({ lsn: open.commitLsn, index: this.#reader.nextIndex }, null);
      enqueuer.flush();
    }
    // Where something of a long Transaction is held back, no position covers what goes out of it meanwhile.
    if (enqueuer.staged >= MAX_WANTED) await enqueuer.spill();
    await enqueuer.makeRoom();
  }
}

/** What is settled at once, of what was held back. */
function portions(candidates: readonly Candidate[]): Candidate[][] {
  const all: Candidate[][] = [];
  let wanted = MAX_WANTED;
  for (const candidate of candidates) {
    const last = all.at(-1);
    if (last === undefined || last.length >= MAX_CANDIDATES || wanted >= MAX_WANTED) {
      all.push([candidate]);
      wanted = 0;
    } else {
      last.push(candidate);
    }
    wanted += candidate.targets.length;
  }
  return all;
}

/** Whether anything later in a Transaction can speak of a Change before it. */
function looksAhead({ auditSources, messageSources, represent }: SessionOptions, matcher: Matcher): boolean {
  return (
    auditSources.length > 0 ||
    messageSources.some((source) => source.allowMute) ||
    matcher.anyCollapses ||
    [...represent.values()].some(
      ({ model, includes }) => includes.length > 0 && matcher.watching(model).length > 0,
    )
  );
}
