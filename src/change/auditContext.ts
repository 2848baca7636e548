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

/**
 * Who made one Change. Of the rows that name it the last one counts. Where none does, the nearest row is
 * believed, one that follows before one that precedes: applications log what they did in one request.
 *
 * @param index of the Change in its Transaction
 * @param text of a column of the changed row; null where it has none
 */
export function auditContext(
  source: AuditSource,
  rows: readonly AuditRow[],
  index: number,
  text: (column: string) => string | null,
): MessageContext {
  const wanted = source.match.map(([, column]) => text(column));
  const named =
    wanted.length === 0
      ? []
      : rows.filter((row) => row.matched.every((found, i) => found !== null && found === wanted[i]));
  const ranked =
    named.length > 0 ? named.toReversed() : rows.toSorted((a, b) => distance(a, index) - distance(b, index));
  return {
    username: ranked.find((row) => row.username !== null)?.username ?? null,
    requestId: ranked.find((row) => row.requestId !== null)?.requestId ?? null,
  };
}

function distance(row: AuditRow, index: number): number {
  const away = row.index - index;
  return away > 0 ? 2 * away - 1 : -2 * away;
}
