/**
 * The parsed form of a condition: what parseConditions makes and evaluation and explanation read.
 *
 * Everything here is immutable and has been checked: an operator only ever stands beside a value it can
 * be used with, and a regular expression is compiled.
 */
import type { Json } from '../../core/json.ts';
import type { StartPattern } from './startPattern.ts';

/** strict: as NetBox 4.7, an unknown path is an error. lenient: as Peering Manager, it is null. */
export type ConditionMode = 'strict' | 'lenient';

export type OrderOp = 'gt' | 'gte' | 'lt' | 'lte';
export type ChangeOp = 'changed' | 'unchanged';

/** The keys of the Event itself that `$event.…` may name. */
export type EventKey = 'event' | 'model' | 'username' | 'request_id';

/** A path into a row: its top-level key, and the keys below it. */
export interface RowPath {
  readonly first: string;
  readonly rest: readonly string[];
}

/** Where a condition looks. `nowhere` is a snapshot that does not exist, as in `snapshots.before.x`. */
export type ConditionPath =
  | { readonly root: 'data'; readonly row: RowPath }
  /** `row` null: the snapshot as a whole. */
  | { readonly root: 'prechange' | 'postchange'; readonly row: RowPath | null }
  | { readonly root: 'event'; readonly key: EventKey }
  | { readonly root: 'nowhere' };

/** What an operator compares a value with. */
export type Test =
  | { readonly op: 'eq' | 'contains'; readonly value: Json }
  | { readonly op: 'in'; readonly value: Json[] }
  | { readonly op: OrderOp; readonly value: number | bigint }
  | { readonly op: 'regex'; readonly pattern: StartPattern };

/** What every condition has, whatever it asks. */
export interface LeafBasics {
  /** Its place in the configuration, for example `webhooks[0].conditions.and[1]`. */
  readonly at: string;
  /** The path as it was written. */
  readonly attr: string;
  readonly negate: boolean;
}

/** Asks something of one value. */
export interface ValueLeaf extends LeafBasics {
  readonly kind: 'value';
  readonly path: ConditionPath;
  readonly test: Test;
  /** Whether the test compares with numbers, so that it matters whether text is a decimal. */
  readonly meetsNumbers: boolean;
}

/** Compares the two snapshots. */
export interface ChangeLeaf extends LeafBasics {
  readonly kind: 'change';
  readonly op: ChangeOp;
  /** Looked up in both snapshots. */
  readonly row: RowPath;
}

export type ConditionLeaf = ValueLeaf | ChangeLeaf;

export interface ConditionSet {
  readonly kind: 'set';
  readonly op: 'and' | 'or';
  readonly children: readonly ConditionNode[];
}

export type ConditionNode = ConditionSet | ConditionLeaf;

/** The conditions of one Webhook. A Webhook without conditions has null in their place. */
export interface Conditions {
  readonly mode: ConditionMode;
  readonly root: ConditionNode;
}

/** The keys of a path into a row, from the top. */
export function keysOf(path: RowPath): readonly string[] {
  return [path.first, ...path.rest];
}
