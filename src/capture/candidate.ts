/** A Change on its way to becoming Deliveries: for which Webhooks it may be, and what is known of its row. */
import type { Context } from '../change/context.ts';
import { type Images, imagesOf, keyOfRow } from '../change/images.ts';
import type { Table } from '../change/table.ts';
import type { Change } from '../change/transaction.ts';
import type { RowImages } from '../decode/messages.ts';
import type { MatchTarget } from '../match/match.ts';
import type { Membership } from '../represent/includedRows.ts';
import type { Shape } from '../represent/shape.ts';

export interface Candidate {
  readonly change: Change;
  readonly table: Table;
  readonly shape: Shape;
  readonly targets: readonly MatchTarget[];
  readonly context: Context;
  /** null for a truncated table, a row too large to be read, and a touched row not looked up yet. */
  readonly rows: RowImages | null;
  /** The key of a row that was only touched; null for any other Change. */
  readonly touched: string | null;
  /** By name of the include. */
  readonly memberships: ReadonlyMap<string, Membership>;
}

export const NO_MEMBERSHIPS: ReadonlyMap<string, Membership> = new Map();

/** The key of the Change's row, '' without one. */
export function keyOf({ table, rows }: Pick<Candidate, 'table' | 'rows'>): string {
  return rows === null ? '' : keyOfRow(table, rows);
}

/** The images of the Change's row. */
export function candidateImages(candidate: Candidate, maxValueBytes: number): Images {
  const { rows, table, change } = candidate;
  if (rows === null) return { before: null, after: null };
  return imagesOf(table, rows, change.kind === 'created', maxValueBytes);
}

/**
 * Whether an update changed nothing but columns that its Model ignores, and no included row. Without a
 * before image: no.
 */
export function isIgnored({ change, table, rows, touched, memberships }: Candidate): boolean {
  if (change.kind !== 'updated' || touched !== null || table.ignored.size === 0) return false;
  if (memberships.size > 0) return false;
  if (rows === null || rows.new === null || rows.old.kind !== 'full') return false;
  const old = rows.old.tuple;
  const now = rows.new;
  return table.allColumns.every(({ index }) => {
    if (table.ignored.has(index)) return true;
    const text = now.text(index);
    return typeof text === 'symbol' || text === old.text(index);
  });
}
