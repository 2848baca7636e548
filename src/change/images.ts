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

/** One row image, column by column as in `table.columns`. */
export interface Image {
  /** JSON text of each value; null where it is missing. */
  readonly fragments: readonly (string | null)[];
  /** Why each missing value is missing; null when none is. */
  readonly missing: readonly (Missing | null)[] | null;
  /** Only the replica identity's columns are known; what else there was is missing. */
  readonly isKeyOnly: boolean;
}

export interface Images {
  /** null for a created row only. */
  readonly before: Image | null;
  /** null for a deleted row only. */
  readonly after: Image | null;
}

/**
 * The images of one row Change.
 *
 * @param maxValueBytes a value whose text is longer is missing as `too_large`
 */
export function imagesOf(table: Table, rows: RowImages, isCreated: boolean, maxValueBytes: number): Images {
  const full = rows.old.kind === 'full' ? rows.old.tuple : null;
  const after = rows.new === null ? null : rowImage(table, rows.new, full, maxValueBytes);
  if (isCreated) return { before: null, after };
  if (full !== null) return { before: rowImage(table, full, null, maxValueBytes), after };
  // A key that was not sent did not change, so the new row has it.
  const keyRow = rows.old.kind === 'none' ? rows.new : rows.old.tuple;
  return { before: keyRow === null ? null : keyImage(table, keyRow, maxValueBytes), after };
}

function rowImage(table: Table, tuple: Tuple, fallback: Tuple | null, maxValueBytes: number): Image {
  const fragments: (string | null)[] = [];
  let missing: (Missing | null)[] | null = null;
  for (const column of table.columns) {
    let value = fragmentOf(column, tuple, maxValueBytes);
    if (value === 'toast' && fallback !== null) value = fragmentOf(column, fallback, maxValueBytes);
    if (value === 'toast' || value === 'too_large') {
      missing ??= fragments.map(() => null);
      missing.push(value);
      fragments.push(null);
    } else {
      missing?.push(null);
      fragments.push(value.json);
    }
  }
  return { fragments, missing, isKeyOnly: false };
}

function keyImage(table: Table, tuple: Tuple, maxValueBytes: number): Image {
  const { identity, columns } = table.relation;
  const values = table.columns.map((column) => {
    const isKnown = identity !== 'nothing' && columns[column.index]?.isIdentity === true;
    return isKnown ? fragmentOf(column, tuple, maxValueBytes) : 'identity';
  });
  return {
    fragments: values.map((value) => (typeof value === 'string' ? null : value.json)),
    missing: values.map((value) => (typeof value === 'string' ? value : null)),
    isKeyOnly: true,
  };
}

function fragmentOf(
  column: Column,
  tuple: Tuple,
  maxValueBytes: number,
): { json: string } | 'toast' | 'too_large' {
  if (tuple.byteLength(column.index) > maxValueBytes) return 'too_large';
  const text = tuple.text(column.index);
  if (text === UNCHANGED) return 'toast';
  return { json: text === null ? 'null' : column.encode(text) };
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
