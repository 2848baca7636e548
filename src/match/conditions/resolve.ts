/**
 * Resolves the path of a condition in a view: the value, or why there is none.
 *
 * The rules are NetBox 4.7's in strict mode. In lenient mode a path that leads nowhere is null, as in
 * Peering Manager, and the snapshots, which that does not know, follow the same sentence.
 */
import type { Json } from '../../core/json.ts';
import type { ConditionMode, ConditionPath, RowPath } from './condition.ts';
import { type ConditionView, type RowView, type SnapshotView, Unavailable } from './view.ts';
import { Problem, walkLenient, walkStrict } from './walk.ts';

/**
 * A path into the snapshot that a created or deleted row does not have. It is null, and unlike a null that
 * was found it may meet any operator: all but a comparison with null are then simply false.
 */
export const NO_SNAPSHOT: unique symbol = Symbol('no snapshot');

/** A path on `data` of an Event that has none: false whatever is asked, negated or not. */
export const NO_DATA: unique symbol = Symbol('no data');

/** A snapshot as a whole. */
export class WholeRow {
  readonly row: RowView;

  constructor(row: RowView) {
    this.row = row;
  }
}

export type Resolved = Json | Unavailable | Problem | WholeRow | typeof NO_SNAPSHOT | typeof NO_DATA;

export function resolve(path: ConditionPath, view: ConditionView, mode: ConditionMode): Resolved {
  switch (path.root) {
    case 'data':
      if (view.data !== null) return inRow(view.data, 'data', path.row, mode);
      return mode === 'strict' ? NO_DATA : null;
    case 'prechange':
      return inSnapshot(path, view.prechange, view.postchange, mode);
    case 'postchange':
      return inSnapshot(path, view.postchange, view.prechange, mode);
    case 'event':
      return view.event[path.key];
    default:
      return mode === 'strict'
        ? new Problem('there is no such snapshot, only prechange and postchange')
        : null;
  }
}

/**
 * The value on one side of `changed` and `unchanged`; undefined where the path yields none there. A value
 * has to prove the path, so an empty list that it would lead through does not count.
 */
export function sideOf(snapshot: SnapshotView, path: RowPath): Json | Unavailable | undefined {
  if (snapshot === null || snapshot === undefined || snapshot instanceof Unavailable) {
    return snapshot ?? undefined;
  }
  const top = snapshot.get(path.first);
  if (top === undefined || top instanceof Unavailable) return top;
  const value = walkStrict(top, path, true);
  return value instanceof Problem ? undefined : value;
}

function inSnapshot(
  path: { readonly root: 'prechange' | 'postchange'; readonly row: RowPath | null },
  snapshot: SnapshotView,
  opposite: SnapshotView,
  mode: ConditionMode,
): Resolved {
  if (snapshot instanceof Unavailable) return snapshot;
  if (snapshot === undefined) {
    return mode === 'strict' ? new Problem(`the Event has no snapshot ${path.root}`) : null;
  }
  if (snapshot !== null) {
    return path.row === null ? new WholeRow(snapshot) : inRow(snapshot, path.root, path.row, mode);
  }
  // There is no row on this side. The other side, if there is one, tells a null from a typing mistake.
  const proven =
    mode === 'lenient' || path.row === null || !opposite || sideOf(opposite, path.row) !== undefined;
  return proven ? NO_SNAPSHOT : new Problem('the path leads nowhere in either snapshot');
}

function inRow(row: RowView, name: string, path: RowPath, mode: ConditionMode): Json | Unavailable | Problem {
  const top = row.get(path.first);
  if (top instanceof Unavailable) return top;
  if (top !== undefined) return mode === 'strict' ? walkStrict(top, path) : walkLenient(top, path);
  return mode === 'strict' ? new Problem(`${name} has no key ${JSON.stringify(path.first)}`) : null;
}
