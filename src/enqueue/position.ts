/**
 * How far Changes are in the queue's store: every Change before the position is there, or matched nothing.
 *
 * It is the position, stored in one transaction with the jobs, that suppresses replays after a restart. A
 * job's id could not: batches are cut by time, and a replay cuts them elsewhere.
 */
import { LSN_ZERO, type Lsn, lsnFromHex, lsnToHex } from '../core/lsn.ts';

export interface Position {
  /** The commit LSN of the Transaction under way, or the end LSN of the last one that is complete. */
  readonly lsn: Lsn;
  /** Changes of the Transaction that starts its commit record at `lsn` which are done; 0 between two. */
  readonly index: number;
}

export const START: Position = { lsn: LSN_ZERO, index: 0 };

/** `00000000016b3748-00000002`: sorts as the positions do. */
export function formatPosition(position: Position): string {
  return `${lsnToHex(position.lsn)}-${position.index.toString(16).padStart(8, '0')}`;
}

/** The inverse of {@link formatPosition}. Throws a RangeError on anything else. */
export function parsePosition(text: string): Position {
  const match = /^([0-9a-f]{16})-([0-9a-f]{8})$/.exec(text);
  if (match === null) throw new RangeError(`not a position: ${JSON.stringify(text)}`);
  return { lsn: lsnFromHex(match[1] ?? ''), index: Number.parseInt(match[2] ?? '', 16) };
}

/** Whether a Change is in the store already. */
export function isBefore(commitLsn: Lsn, index: number, position: Position): boolean {
  return commitLsn < position.lsn || (commitLsn === position.lsn && index < position.index);
}

export function isAfter(a: Position, b: Position): boolean {
  return a.lsn > b.lsn || (a.lsn === b.lsn && a.index > b.index);
}
