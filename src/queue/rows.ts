/**
 * Which Deliveries of a Webhook with `ordering: row` wait for one another.
 *
 * Each Delivery belongs to a row: the table and the key that the row had before the Change. One that changes
 * the key belongs to both, the row it was and the row it became, so that it comes after everything of either
 * and before everything later of either. Rows without a key cannot be told apart: all of their table are one.
 * Truncates are in order among themselves and not with rows. What is resent by hand belongs to none.
 */
import { createHash } from 'node:crypto';

/** Rows of one Delivery at most: before and after a change of its key. */
export const MAX_ROWS = 2;

/** A row's name in the store: 16 hex digits. Two rows that share one by chance only wait for one another. */
export function rowName(schema: string, table: string, key: string): string {
  return createHash('sha256').update(`${schema}\0${table}\0${key}`).digest('hex').slice(0, 16);
}

/**
 * The rows of a Delivery.
 *
 * @param keyBefore the key before the Change; null where it is the same, or not known
 */
export function rowsOf(
  { schema, table, key }: { readonly schema: string; readonly table: string; readonly key: string },
  keyBefore: string | null,
): string[] {
  const now = rowName(schema, table, key);
  return keyBefore === null || keyBefore === key ? [now] : [rowName(schema, table, keyBefore), now];
}
