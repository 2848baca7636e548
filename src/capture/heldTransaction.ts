/**
 * Holds the Changes of one Transaction back until its commit, because something later in it speaks of them:
 * an audit row, a message, another Change of the same row. Bounded in number and bytes; what does not fit
 * goes out with what is known by then.
 */
import { type AuditRow, AuditRows, type AuditSource } from '../change/auditContext.ts';
import { keyOfRow } from '../change/images.ts';
import type { MessageContext } from '../change/messageContext.ts';
import type { Table } from '../change/table.ts';
import type { Change } from '../change/transaction.ts';
import type { RowImages, Tuple } from '../decode/messages.ts';
import { UNCHANGED } from '../decode/messages.ts';
import type { Matcher } from '../match/match.ts';
import type { Membership } from '../represent/includedRows.ts';
import type { IncludeOptions } from '../represent/shape.ts';

/** A Change of a watched table. */
export interface HeldChange {
  readonly change: Change;
  readonly table: Table;
  /** The webhooks in force at its place: they may change within the Transaction. */
  readonly matcher: Matcher;
}

/** A change of join rows: which owner it touched, through which include, and what it joined or parted. */
export interface HeldJoin {
  readonly change: Change;
  readonly include: IncludeOptions;
  /** Model of the owners. */
  readonly model: string;
  /** Texts of the columns of the join row, before and after. */
  readonly before: ((column: string) => string | null) | null;
  readonly after: ((column: string) => string | null) | null;
  /** The row before is not known: nobody can tell whose join row went. */
  readonly isUnknown: boolean;
  /** The webhooks in force at its place. */
  readonly matcher: Matcher;
}

/** Bytes of row messages that are held back. */
const MAX_HELD_BYTES = 32 * 1_048_576;

export class HeldTransaction {
  readonly #maxChanges: number;
  readonly #changes: HeldChange[] = [];
  readonly #joins: HeldJoin[] = [];
  /** By the place of the audit source. */
  readonly #audit: Map<number, AuditRows>;
  #bytes = 0;

  /**
   * @param maxChanges `limits.lookahead`
   * @param before what was held of the same Transaction until it was too much: its audit rows stay
   */
  constructor(maxChanges: number, before: HeldTransaction | null = null) {
    this.#maxChanges = maxChanges;
    this.#audit = before === null ? new Map() : before.#audit;
  }

  get changes(): readonly HeldChange[] {
    return this.#changes;
  }

  get joins(): readonly HeldJoin[] {
    return this.#joins;
  }

  /** Nothing but audit rows is held: no Change waits for it. */
  get isEmpty(): boolean {
    return this.#changes.length + this.#joins.length === 0;
  }

  /** Nothing more may be held back. */
  get isFull(): boolean {
    return this.#changes.length + this.#joins.length >= this.#maxChanges || this.#bytes >= MAX_HELD_BYTES;
  }

  hold(change: Change, table: Table, matcher: Matcher): void {
    const row = change.row?.retained() ?? null;
    this.#bytes += row?.bytes ?? 0;
    this.#changes.push({ table, matcher, change: { ...change, row } });
  }

  /** @param join with its row retained: what it was read from would stay in memory whole */
  holdJoin(join: HeldJoin): void {
    this.#bytes += join.change.row?.bytes ?? 0;
    this.#joins.push(join);
  }

  /** An audit row: the last image of it in the Transaction counts. */
  holdAudit(source: number, key: string, row: AuditRow): void {
    const rows = this.#audit.get(source) ?? new AuditRows(this.#maxChanges);
    rows.hold(key, row);
    this.#audit.set(source, rows);
  }

  /** What an audit source says of one Change. */
  audit(
    sources: readonly AuditSource[],
    source: number,
    index: number,
    text: (column: string) => string | null,
  ): MessageContext | null {
    const options = sources[source];
    const rows = this.#audit.get(source);
    return options === undefined || rows === undefined ? null : rows.contextOf(options, index, text);
  }
}

/** An audit row as it is held, with its key; null where the Change leaves none. */
export function auditRowOf(
  change: Change,
  table: Table,
  options: AuditSource,
): { readonly key: string; readonly row: AuditRow } | null {
  const images = change.row?.images() ?? null;
  if (images === null || images.new === null) return null;
  const text = columnTexts(table, images);
  const row = {
    index: change.index,
    username: options.username === null ? null : text(options.username) || null,
    requestId: options.requestId === null ? null : text(options.requestId) || null,
    matched: options.match.map(([column]) => text(column)),
  };
  return { key: keyOfRow(table, images), row };
}

/** A change of a join row as it is held; null where its row cannot be read. */
export function joinOf(
  change: Change,
  table: Table,
  { include, model, matcher }: Pick<HeldJoin, 'include' | 'model' | 'matcher'>,
): HeldJoin | null {
  const row = change.row?.retained() ?? null;
  const images = row?.images() ?? null;
  if (images === null) return null;
  const byName = (tuple: Tuple | null) => (name: string) => {
    const column = table.allColumns.find((one) => one.name === name);
    return column === undefined ? null : textOf(tuple, column.index);
  };
  const needed = [include.source, include.target, ...include.where.map((option) => option.column)];
  const old = images.old.kind === 'none' ? null : images.old.tuple;
  const isOldKnown =
    images.old.kind === 'full' ||
    (images.old.kind === 'key' &&
      needed.every((name) => table.relation.columns.find((one) => one.name === name)?.isIdentity === true));
  return {
    change: { ...change, row },
    include,
    model,
    before: old !== null && isOldKnown ? byName(old) : null,
    after: images.new === null ? null : byName(images.new),
    isUnknown: change.kind === 'deleted' && !isOldKnown,
    matcher,
  };
}

/** The texts of a row's columns by name: as it is, else as it was. */
export function columnTexts(table: Table, images: RowImages | null): (column: string) => string | null {
  const old = images === null || images.old.kind === 'none' ? null : images.old.tuple;
  return (name) => {
    const column = table.allColumns.find((one) => one.name === name || one.field === name);
    if (column === undefined || images === null) return null;
    return textOf(images.new, column.index) ?? textOf(old, column.index);
  };
}

export function textOf(tuple: Tuple | null, index: number): string | null {
  const text = tuple?.text(index) ?? null;
  return text === UNCHANGED ? null : text;
}

/**
 * What the join rows of a Transaction did to one owner's included rows.
 *
 * @param owner key of the owner
 * @param constants what the where-columns must hold, in their order
 */
export function membershipOf(
  joins: readonly HeldJoin[],
  include: IncludeOptions,
  owner: string,
  constants: readonly string[],
): Membership {
  const added = new Set<string>();
  const removed = new Set<string>();
  let isUnknown = false;
  for (const join of joins) {
    if (join.include !== include) continue;
    if (join.isUnknown) isUnknown = true;
    const parted = joinedKey(join.before, include, owner, constants);
    if (parted !== null && !added.delete(parted)) removed.add(parted);
    const joined = joinedKey(join.after, include, owner, constants);
    if (joined !== null && !removed.delete(joined)) added.add(joined);
  }
  return { added, removed, isUnknown };
}

function joinedKey(
  text: ((column: string) => string | null) | null,
  include: IncludeOptions,
  owner: string,
  constants: readonly string[],
): string | null {
  if (text === null || text(include.source) !== owner) return null;
  const isWanted = include.where.every(({ column }, i) => text(column) === constants[i]);
  return isWanted ? text(include.target) : null;
}

/** Keys of the owners whose included rows a join row touched. */
export function touchedOwners(join: HeldJoin, constants: readonly string[]): string[] {
  const owners = [join.before, join.after].flatMap((text) => {
    const isWanted =
      text !== null && join.include.where.every(({ column }, i) => text(column) === constants[i]);
    return isWanted ? (text(join.include.source) ?? []) : [];
  });
  return [...new Set(owners)];
}
