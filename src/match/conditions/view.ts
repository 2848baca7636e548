/**
 * What conditions look at: one Event, resolved key by key and only as far as a condition asks.
 *
 * The matcher and `walhook try` each bring their own view; evaluation knows nothing else of an Event. A
 * view must give the same answer to the same question for as long as one evaluation or explanation lasts.
 */
import type { Json } from '../../core/json.ts';
import type { EventKey, RowPath } from './condition.ts';

/**
 * Why there is no value. The first four are those of the Event's `unavailable`; `pending` is a related row
 * that has not been looked up yet: evaluate, look up, evaluate again.
 */
export type UnavailableReason = 'toast' | 'identity' | 'lookup' | 'too_large' | 'pending';

/** A value that exists but is not at hand. */
export class Unavailable {
  readonly reason: UnavailableReason;

  constructor(reason: UnavailableReason) {
    this.reason = reason;
  }
}

/** One instance for each reason, so that a view need not make any. */
export const UNAVAILABLE: Readonly<Record<UnavailableReason, Unavailable>> = {
  toast: new Unavailable('toast'),
  identity: new Unavailable('identity'),
  lookup: new Unavailable('lookup'),
  too_large: new Unavailable('too_large'),
  pending: new Unavailable('pending'),
};

/** The value of a key, `undefined` where the row has no such key. */
export type Lookup = Json | Unavailable | undefined;

export interface RowView {
  get(key: string): Lookup;
}

/** A row; null for the side that a created or deleted row does not have; undefined: not in the Event. */
export type SnapshotView = RowView | Unavailable | null | undefined;

export interface ConditionView {
  /** null where the Event carries no data, as for `truncated`. */
  readonly data: RowView | null;
  readonly prechange: SnapshotView;
  readonly postchange: SnapshotView;
  readonly event: Readonly<Record<EventKey, string | null>>;
  /**
   * Whether text found there is a PostgreSQL `numeric` (or an array of them), or a float's NaN or Infinity,
   * and so to be compared with numbers. Asked only when text, or a list, meets a number.
   */
  isDecimal(root: 'data' | 'prechange' | 'postchange', path: RowPath): boolean;
}
