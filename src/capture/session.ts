/**
 * What belongs to one replication connection: the relations it announced, the open Transaction, what is
 * held back of it, and the candidates since the last look-up.
 */
import type { AuditSource } from '../change/auditContext.ts';
import { type ContextOutcome, contextOf } from '../change/context.ts';
import { keyOfRow } from '../change/images.ts';
import type { MessageSource } from '../change/messageContext.ts';
import {
  type ContextOption,
  describeTable,
  isWatchable,
  type ModelOptions,
  type Table,
} from '../change/table.ts';
import { type Change, TransactionReader } from '../change/transaction.ts';
import type { Logger } from '../core/logger.ts';
import type { Lsn } from '../core/lsn.ts';
import type { CommitMessage, Relation, WalMessage } from '../decode/messages.ts';
import { ROWS_TABLE } from '../definitions/webhookRow.ts';
import type { WebhookRows } from '../definitions/webhookRows.ts';
import type { Enqueuer } from '../enqueue/enqueuer.ts';
import { isBefore, type Position } from '../enqueue/position.ts';
import type { Matcher } from '../match/match.ts';
import type { Frame } from '../replication/frames.ts';
import type { Catalog } from '../represent/catalog.ts';
import type { IncludedRows } from '../represent/includedRows.ts';
import type { RelatedRows } from '../represent/relatedRows.ts';
import type { RelatedTables } from '../represent/relatedTables.ts';
import {
  type IncludeOptions,
  plainOptions,
  type RepresentOptions,
  type Shape,
  type Shapes,
} from '../represent/shape.ts';
import { type Candidate, NO_MEMBERSHIPS } from './candidate.ts';
import { HEARTBEAT_PREFIX } from './heartbeat.ts';
import { columnTexts, type HeldJoin, HeldTransaction, textOf } from './heldTransaction.ts';
import type { MessageDecoder } from './messageDecoder.ts';
import { type OwnerTable, releaseTransaction } from './release.ts';
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

export interface SessionOptions {
  readonly models: readonly ModelOptions[];
  /** By model. */
  readonly represent: ReadonlyMap<string, RepresentOptions>;
  readonly context: readonly ContextOption[];
  /** Schemas whose Changes are never Events. */
  readonly ownSchemas: readonly string[];
  readonly messageSources: readonly MessageSource[];
  readonly auditSources: readonly AuditSource[];
  /** The webhooks in force where the session starts. */
  readonly matcher: Matcher;
  /** Takes up webhooks kept as rows; absent: there are none. */
  readonly webhookRows?: WebhookRows;
  /** `limits.lookahead` */
  readonly maxHeld: number;
  readonly decoder: MessageDecoder;
  readonly catalog: Catalog;
  readonly tables: RelatedTables;
  readonly rows: RelatedRows;
  readonly includes: IncludedRows;
  readonly enqueuer: Enqueuer;
  readonly settler: Settler;
  readonly shapes: Shapes;
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

/** A table that the connection announced. */
interface KnownTable {
  readonly table: Table;
  readonly shape: Shape;
  readonly isWatched: boolean;
  /** Counts one more Change. */
  readonly count: () => void;
  /** Audit sources that this table is, by their place. */
  readonly audits: readonly number[];
  /** Includes that this table is the join table of. */
  readonly joins: readonly { readonly include: IncludeOptions; readonly model: string }[];
}

/** What a Relation message has said. */
interface Announced {
  readonly relation: Relation;
  /** `schema.table` */
  readonly id: string;
  /** null where its Changes are never Events. */
  readonly table: KnownTable | null;
  /** Its rows are webhooks. */
  readonly isOfWebhooks: boolean;
}

/** Candidates that are represented and matched together. */
const MAX_CANDIDATES = 256;
/** Deliveries that they may become: what is settled at once goes into one flush. */
const MAX_WANTED = 2_500;

export class CaptureSession {
  readonly #options: SessionOptions;
  readonly #reader: TransactionReader;
  readonly #known = new Map<number, Announced>();
  readonly #owners = new Map<string, OwnerTable>();
  readonly #constants = new Map<IncludeOptions, readonly string[] | null>();
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
      if ('relation' in message && !this.#isKnown(message.relation)) await this.#describe(message.relation);
      if (message.tag === 'truncate') {
        for (const relation of message.relations)
          if (!this.#isKnown(relation)) await this.#describe(relation);
      }
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

  #isKnown(relation: Relation): boolean {
    return this.#known.get(relation.oid)?.relation === relation;
  }

  #isOfWebhooks(message: WalMessage): boolean {
    return 'relation' in message && this.#known.get(message.relation.oid)?.isOfWebhooks === true;
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
    for (const [oid, announced] of this.#known) {
      const { table } = announced;
      if (table !== null) this.#known.set(oid, { ...announced, table: await this.#watched(table.table) });
    }
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

  async #describe(relation: Relation): Promise<void> {
    const before = this.#known.get(relation.oid);
    // A table of another shape: what was described with the old one is described anew.
    if (before !== undefined) {
      this.#options.tables.clear();
      this.#options.rows.clear();
    }
    const table = isWatchable(relation, this.#options.ownSchemas) ? await this.#knownTable(relation) : null;
    const isOfWebhooks = relation.schema === ROWS_TABLE.schema && relation.name === ROWS_TABLE.name;
    const id = `${relation.schema}.${relation.name}`;
    this.#known.set(relation.oid, { relation, id, table, isOfWebhooks });
  }

  async #knownTable(relation: Relation): Promise<KnownTable> {
    const { catalog, models, context } = this.#options;
    return this.#watched(describeTable(relation, await catalog.facts(relation), models, context));
  }

  /** What the webhooks in force make of a table. */
  async #watched(table: Table): Promise<KnownTable> {
    const { represent, shapes, auditSources, instruments } = this.#options;
    const { relation } = table;
    const matcher = this.#matcher;
    const options = represent.get(table.model) ?? plainOptions(table.model);
    const shape = shapes.of(table);
    const isNamed = (one: { readonly schema: string; readonly table: string }) =>
      one.schema === relation.schema && one.table === relation.name;
    const joins = [...represent.values()].flatMap(({ model, includes }) =>
      matcher.watching(model).length === 0
        ? []
        : includes.filter((include) => isNamed(include.through)).map((include) => ({ include, model })),
    );
    const audits = auditSources.flatMap((source, i) => (isNamed(source) ? [i] : []));
    if (options.includes.length > 0) {
      this.#owners.set(table.model, { model: table.model, table, includes: options.includes });
    }
    // Rows of an audit table are context, and join rows that touch are updates of another row: neither is an
    // Event of its own unless a Webhook names the table.
    const speaksOfOthers = audits.length > 0 || joins.some(({ include }) => include.touch);
    const targets = matcher
      .watching(table.model)
      .filter((target) => !speaksOfOthers || target.models.includes(table.model));
    for (const { include, model } of joins) await this.#prepareJoin(include, model);
    const count = instruments?.changesOf(`${relation.schema}.${relation.name}`) ?? (() => undefined);
    return { table, shape, isWatched: targets.length > 0, count, audits, joins };
  }

  /** What is needed when join rows change, worked out before they do. */
  async #prepareJoin(include: IncludeOptions, model: string): Promise<void> {
    const { includes, tables, models, represent } = this.#options;
    if ((this.#constants.get(include) ?? null) === null) {
      const values = await Promise.all(include.where.map((option) => includes.resolve(option)));
      this.#constants.set(
        include,
        values.some((value) => value === null) ? null : values.flatMap((value) => value ?? []),
      );
    }
    const options = represent.get(model);
    const place = models.find((one) => one.name === model);
    if (this.#owners.has(model) || options === undefined || place === undefined) return;
    const related = await tables.find(place.schema, place.table);
    if (related === null) return;
    const { table } = related;
    this.#owners.set(model, { model, table, includes: options.includes });
  }

  #intake(change: Change): void {
    const announced = this.#known.get(change.relation.oid);
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
    for (const source of known.audits) this.#audit(change, known.table, source);
    for (const { include, model } of known.joins) this.#join(change, known.table, include, model);
    if (!known.isWatched) return;
    if (this.#looksAhead && !this.#isPartial) this.#hold().hold(change, known.table, this.#matcher);
    else this.#direct(change, known);
  }

  #hold(): HeldTransaction {
    this.#held ??= new HeldTransaction(this.#options.maxHeld);
    return this.#held;
  }

  #audit(change: Change, table: Table, source: number): void {
    const options = this.#options.auditSources[source];
    const images = change.row?.images() ?? null;
    if (options === undefined || images === null || images.new === null) return;
    const text = columnTexts(table, images);
    this.#hold().holdAudit(source, keyOfRow(table, images), {
      index: change.index,
      username: options.username === null ? null : text(options.username) || null,
      requestId: options.requestId === null ? null : text(options.requestId) || null,
      matched: options.match.map(([column]) => text(column)),
    });
  }

  #join(change: Change, table: Table, include: IncludeOptions, model: string): void {
    const images = change.row?.images() ?? null;
    if (images === null) return;
    const byName = (tuple: Parameters<typeof textOf>[0]) => (name: string) => {
      const column = table.allColumns.find((one) => one.name === name);
      return column === undefined ? null : textOf(tuple, column.index);
    };
    const needed = [include.source, include.target, ...include.where.map((option) => option.column)];
    const old = images.old.kind === 'none' ? null : images.old.tuple;
    const isOldKnown =
      images.old.kind === 'full' ||
      (images.old.kind === 'key' &&
        needed.every((name) => table.relation.columns.find((one) => one.name === name)?.isIdentity === true));
    const join: HeldJoin = {
      change,
      include,
      model,
      before: old !== null && isOldKnown ? byName(old) : null,
      after: images.new === null ? null : byName(images.new),
      isUnknown: change.kind === 'deleted' && !isOldKnown,
      matcher: this.#matcher,
    };
    this.#hold().holdJoin(join);
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
      owner: (model) => this.#owners.get(model) ?? null,
      constants: (include) => this.#constants.get(include) ?? null,
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
