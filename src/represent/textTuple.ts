/** A row that was looked up, in the form of one that was streamed. */
import type { ColumnText, Tuple } from '../decode/messages.ts';
import type { TextRow } from './lookups.ts';

export class TextTuple implements Tuple {
  readonly #row: TextRow;

  constructor(row: TextRow) {
    this.#row = row;
  }

  get columnCount(): number {
    return this.#row.length;
  }

  text(column: number): ColumnText {
    return this.#row[column] ?? null;
  }

  byteLength(column: number): number {
    const text = this.#row[column];
    return typeof text === 'string' ? Buffer.byteLength(text) : 0;
  }
}
