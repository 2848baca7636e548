/**
 * Notes: small texts that a store keeps beside the queue, by key. Who captures, how far a replay is.
 *
 * A note is written in one transaction of the store and, where wanted, only if it still says what the writer
 * last saw: that makes a note a lease, and keeps two processes from overwriting one another.
 */

export interface NoteStore {
  /** The notes whose keys start with a prefix, by key, in the order of the keys. */
  notes(prefix: string): Promise<ReadonlyMap<string, string>>;
  /**
   * Writes a note, or removes it (`null`).
   *
   * @param expected what it must say for this to happen; null: it must not be there; undefined: whatever it says
   * @returns whether it was written
   */
  putNote(key: string, value: string | null, expected?: string | null): Promise<boolean>;
}
