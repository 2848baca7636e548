/**
 * What an audit table that is written in the same Transaction says of who made its Changes: Peering
 * Manager's and NetBox's change log, django-auditlog, one's own. Pure.
 */
import type { MessageContext } from './messageContext.ts';

export interface AuditSource {
  readonly schema: string;
  readonly table: string;
  readonly username: string | null;
  readonly requestId: string | null;
  /** Column of the audit table → column of the changed row. */
  readonly match: readonly (readonly [audit: string, row: string])[];
}

/** One row of the audit table, its last image in the Transaction. */
export interface AuditRow {
  /** Of its first image. */
  readonly index: number;
  readonly username: string | null;
  readonly requestId: string | null;
  /** The texts of the source's match columns, in their order. */
  readonly matched: readonly (string | null)[];
}

/** Of rows that name no Change as many are asked; one request writes the same into all of them. */
const MAX_ASKED = 64;

/** The rows of one audit table in one Transaction, as many as may be held back: of more, the latest. */
export class AuditRows {
  readonly #maxRows: number;
  /** By their keys, in the order of their first images. */
  #rows = new Map<string, AuditRow>();
  /** Keys of rows by what they match, in the same order. */
  #named = new Map<string, Set<string>>();
  /** Keys in the same order, for finding the nearest. */
  #order: { readonly index: number; readonly key: string }[] = [];

  constructor(maxRows: number) {
    this.#maxRows = Math.max(1, maxRows);
  }

  get size(): number {
    return this.#rows.size;
  }

  /** Takes in an image of a row; a later one of the same row replaces it. */
  hold(key: string, row: AuditRow): void {
    const before = this.#rows.get(key);
    if (before === undefined) this.#order.push({ index: row.index, key });
    else this.#named.get(nameOf(before.matched))?.delete(key);
    this.#rows.set(key, { ...row, index: before?.index ?? row.index });
    this.#name(key, row);
    if (this.#rows.size > 2 * this.#maxRows) this.#dropOldest();
  }

  /**
   * Who made one Change. Of the rows that name it the last one counts. Where none does, the nearest row is
   * believed, one that follows before one that precedes: applications log what they did in one request.
   *
   * @param index of the Change in its Transaction
   * @param text of a column of the changed row; null where it has none
   */
  contextOf(source: AuditSource, index: number, text: (column: string) => string | null): MessageContext {
    const wanted = source.match.map(([, column]) => text(column));
    const isNamed = wanted.length > 0 && wanted.every((value) => value !== null);
    const named = isNamed ? [...(this.#named.get(nameOf(wanted)) ?? [])].toReversed() : [];
    let username: string | null = null;
    let requestId: string | null = null;
    for (const key of named.length > 0 ? named : this.#nearest(index)) {
      const row = this.#rows.get(key);
      username ??= row?.username ?? null;
      requestId ??= row?.requestId ?? null;
      if (username !== null && requestId !== null) break;
    }
    return { username, requestId };
  }

  #name(key: string, row: AuditRow): void {
    const name = nameOf(row.matched);
    const keys = this.#named.get(name) ?? new Set();
    keys.add(key);
    this.#named.set(name, keys);
  }

  #dropOldest(): void {
    const kept = [...this.#rows].slice(-this.#maxRows);
    this.#rows = new Map(kept);
    this.#named = new Map();
    for (const [key, row] of kept) this.#name(key, row);
    this.#order = this.#order.slice(-this.#maxRows);
  }

  /** Keys of the rows around an index, the nearest first. */
  *#nearest(index: number): Generator<string> {
    let after = firstAfter(this.#order, index);
    let before = after - 1;
    for (let asked = 0; asked < MAX_ASKED; asked += 1) {
      const next = this.#order[after];
      const previous = this.#order[before];
      if (next === undefined && previous === undefined) return;
      const isNext =
        next !== undefined && (previous === undefined || next.index - index <= index - previous.index);
      yield isNext ? next.key : (previous?.key ?? '');
      if (isNext) after += 1;
      else before -= 1;
    }
  }
}

function nameOf(matched: readonly (string | null)[]): string {
  return JSON.stringify(matched);
}

/** Where the first entry behind the index stands. */
function firstAfter(order: readonly { readonly index: number }[], index: number): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((order[middle]?.index ?? 0) > index) high = middle;
    else low = middle + 1;
  }
  return low;
}
