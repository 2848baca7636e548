/**
 * The row before and after a Change as JSON fragments per column, with what is missing and why.
 *
 * An unchanged TOAST value is taken from the old image where the table sends one; otherwise it is said to
 * be missing, for it is neither null nor absent from the row.
 */
import { hash64 } from '../core/hash.ts';
import { type RowImages, type Tuple, UNCHANGED } from '../decode/messages.ts';
import type { Column, Table } from './table.ts';

/**
 * toast: not sent, it did not change · identity: no before image · too_large: above `limits` · lookup: a
 * related row could not be read.
 */
export type Missing = 'toast' | 'identity' | 'too_large' | 'lookup';

/** One value: its JSON text, or why there is none. */
export interface Cell {
  readonly json: string | null;
  readonly missing: Missing | null;
}

/** One row image, column by column as in `table.columns`. */
export interface Image {
  /** JSON text of each value; null where it is missing. */
  readonly fragments: readonly (string | null)[];
  /** Why each missing value is missing; null when none is. */
  readonly missing: readonly (Missing | null)[] | null;
  /** Only the replica identity's columns are known; what else there was is missing. */
  readonly isKeyOnly: boolean;
  /** One value alone: a condition that asks for one column does not pay for the others. */
  cell(at: number): Cell;
}

export interface Images {
  /** null for a created row only. */
  readonly before: Image | null;
  /** null for a deleted row only. */
  readonly after: Image | null;
}

/**
 * The images of one row Change, read from the row when they are asked for.
 *
 * @param maxValueBytes a value whose text is longer is missing as `too_large`
 */
export function imagesOf(table: Table, rows: RowImages, isCreated: boolean, maxValueBytes: number): Images {
  const full = rows.old.kind === 'full' ? rows.old.tuple : null;
  const image = (tuple: Tuple, fallback: Tuple | null, isKeyOnly: boolean): Image =>
    new TupleImage(table, tuple, fallback, isKeyOnly, maxValueBytes);
  const after = rows.new === null ? null : image(rows.new, full, false);
  if (isCreated) return { before: null, after };
  if (full !== null) return { before: image(full, null, false), after };
  // A key that was not sent did not change, so the new row has it.
  const keyRow = rows.old.kind === 'none' ? rows.new : rows.old.tuple;
  return { before: keyRow === null ? null : image(keyRow, null, true), after };
}

/** The image of a row that is not there to be read. */
export const EMPTY_IMAGE: Image = {
  fragments: [],
  missing: null,
  isKeyOnly: true,
  cell: () => ABSENT,
};

const ABSENT: Cell = { json: null, missing: null };
const NULL: Cell = { json: 'null', missing: null };
const MISSING: Readonly<Record<'toast' | 'identity' | 'too_large', Cell>> = {
  toast: { json: null, missing: 'toast' },
  identity: { json: null, missing: 'identity' },
  too_large: { json: null, missing: 'too_large' },
};

/** Values become JSON when they are asked for: most Changes are decided by one or two of them. */
class TupleImage implements Image {
  readonly isKeyOnly: boolean;
  readonly #table: Table;
  readonly #tuple: Tuple;
  /** Has what an update left as it was and the server did not send again. */
  readonly #fallback: Tuple | null;
  readonly #maxValueBytes: number;
  #cells: readonly Cell[] | null = null;

  constructor(table: Table, tuple: Tuple, fallback: Tuple | null, isKeyOnly: boolean, maxValueBytes: number) {
    this.#table = table;
    this.#tuple = tuple;
    this.#fallback = fallback;
    this.isKeyOnly = isKeyOnly;
    this.#maxValueBytes = maxValueBytes;
  }

  get fragments(): readonly (string | null)[] {
    return this.#all().map((cell) => cell.json);
  }

  get missing(): readonly (Missing | null)[] | null {
    const cells = this.#all();
    return cells.every((cell) => cell.missing === null) ? null : cells.map((cell) => cell.missing);
  }

  cell(at: number): Cell {
    const column = this.#table.columns[at];
    if (column === undefined) return ABSENT;
    if (this.isKeyOnly && !isSentWithKey(this.#table, column)) return MISSING.identity;
    const cell = cellOf(column, this.#tuple, this.#maxValueBytes);
    if (cell !== MISSING.toast || this.#fallback === null) return cell;
    return cellOf(column, this.#fallback, this.#maxValueBytes);
  }

  #all(): readonly Cell[] {
    this.#cells ??= this.#table.columns.map((_, at) => this.cell(at));
    return this.#cells;
  }
}

function isSentWithKey({ relation }: Table, column: Column): boolean {
  return relation.identity !== 'nothing' && relation.columns[column.index]?.isIdentity === true;
}

function cellOf(column: Column, tuple: Tuple, maxValueBytes: number): Cell {
  if (tuple.byteLength(column.index) > maxValueBytes) return MISSING.too_large;
  const text = tuple.text(column.index);
  if (text === UNCHANGED) return MISSING.toast;
  return text === null ? NULL : { json: column.encode(text), missing: null };
}

/** A longer key is told by its hash: it travels with each Delivery and stands in its logs. */
const MAX_KEY_CHARS = 1_024;

/**
 * The row's key as text: one column's own text, several as a JSON array, and for a table without a key
 * all of the row. Changes of one row have one key; this is what orders, finds and identifies them.
 *
 * @param old the row before, which has a large key that did not change
 */
export function rowKey(table: Table, tuple: Tuple, old: Tuple | null = null): string {
  const [first, ...others] = table.key;
  const key =
    first !== undefined && others.length === 0
      ? keyText(first, tuple, old)
      : JSON.stringify(
          (first === undefined ? table.identifying : table.key).map((column) => keyText(column, tuple, old)),
        );
  return key.length > MAX_KEY_CHARS ? `sha256:${hash64(key)}` : key;
}

/** The key of the row as a Change left it, or of the row it deleted; '' where neither was sent. */
export function keyOfRow(table: Table, rows: RowImages): string {
  const old = rows.old.kind === 'none' ? null : rows.old.tuple;
  if (rows.new !== null) return rowKey(table, rows.new, old);
  return old === null ? '' : rowKey(table, old);
}

function keyText(column: Column, tuple: Tuple, old: Tuple | null): string {
  const text = tuple.text(column.index);
  if (text === UNCHANGED) return old === null ? '' : keyText(column, old, null);
  return text ?? '';
}
