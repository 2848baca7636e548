/**
 * Rows that were deleted lately, as they were: a parent that went with its children is found no more when
 * they are represented. Asked only for rows that the database has not; bounded, the latest are kept.
 */
import type { Table } from '../change/table.ts';
import { type OldImage, UNCHANGED } from '../decode/messages.ts';
import { TextCache } from './cache.ts';
import type { TextRow } from './lookups.ts';

const MAX_ROWS = 1_000;
const MAX_CHARS = 4 * 1_048_576;
/** A longer value is left out: it stands in no other row's `data` for long texts' sake. */
const MAX_VALUE_BYTES = 8_192;

export class GoneRows {
  readonly #rows = new TextCache(MAX_ROWS, MAX_CHARS);

  /** Keeps a deleted row, where its whole image was sent and one column tells it from others. */
  hold(table: Table, old: OldImage): void {
    const [key, ...others] = table.key;
    if (old.kind !== 'full' || key === undefined || others.length > 0) return;
    const texts = table.allColumns.map(({ name, index }) => {
      const text = old.tuple.byteLength(index) > MAX_VALUE_BYTES ? null : old.tuple.text(index);
      return [name, text === UNCHANGED ? null : text] as const;
    });
    const value = old.tuple.text(key.index);
    if (typeof value !== 'string') return;
    const { schema, name } = table.relation;
    this.#rows.set(idOf(`${schema}.${name}`, key.name, value), JSON.stringify(Object.fromEntries(texts)));
  }

  /**
   * @param table `schema.table`
   * @param columns of the row wanted, in their order
   */
  find(table: string, column: string, key: string, columns: readonly string[]): TextRow | null {
    const text = this.#rows.get(idOf(table, column, key));
    if (text === undefined) return null;
    const row = new Map(Object.entries(JSON.parse(text) as Record<string, string | null>));
    return columns.map((name) => row.get(name) ?? null);
  }
}

function idOf(table: string, column: string, key: string): string {
  return `${table} ${column} ${key}`;
}
