/**
 * The verdict of one condition on one Event.
 *
 * An operator that meets a type it is not made for is a Problem, as Python's TypeError is in the systems
 * these conditions come from. A value that is unavailable leaves the verdict open.
 */
import type { Json } from '../../core/json.ts';
import { equals, order } from './compare.ts';
import type {
  ChangeLeaf,
  ConditionLeaf,
  ConditionMode,
  OrderOp,
  RowPath,
  Test,
  ValueLeaf,
} from './condition.ts';
import { NO_DATA, NO_SNAPSHOT, resolve, sideOf, WholeRow } from './resolve.ts';
import type { StartPattern } from './startPattern.ts';
import { type ConditionView, type RowView, Unavailable } from './view.ts';
import { Problem, typeName } from './walk.ts';

/** true or false; Unavailable: either, depending on a value not at hand; Problem: cannot be evaluated. */
export type Verdict = boolean | Unavailable | Problem;

const ORDER: Readonly<Record<OrderOp, (sign: number) => boolean>> = {
  gt: (sign) => sign > 0,
  gte: (sign) => sign >= 0,
  lt: (sign) => sign < 0,
  lte: (sign) => sign <= 0,
};

export function judge(leaf: ConditionLeaf, view: ConditionView, mode: ConditionMode): Verdict {
  const verdict = leaf.kind === 'change' ? judgeChange(leaf, view, mode) : judgeValue(leaf, view, mode);
  if (verdict === NO_DATA) return false;
  return typeof verdict === 'boolean' && leaf.negate ? !verdict : verdict;
}

function judgeChange(leaf: ChangeLeaf, view: ConditionView, mode: ConditionMode): Verdict {
  const changed = hasChanged(leaf.row, view, mode);
  return typeof changed === 'boolean' && leaf.op === 'unchanged' ? !changed : changed;
}

/**
 * Whether the path yields different values before and after; a side that yields none differs from one that
 * does. Yielding none on both sides is a Problem in strict mode, and no change in lenient.
 *
 * A large value that PostgreSQL did not send again (`toast`, after) is the one it was before, known or not.
 */
function hasChanged(path: RowPath, view: ConditionView, mode: ConditionMode): Verdict {
  const before = sideOf(view.prechange, path);
  const after = sideOf(view.postchange, path);
  const isSame = after instanceof Unavailable && after.reason === 'toast' && Boolean(view.prechange);
  if (before === undefined)
    return after === undefined || isSame ? onNeitherSide(mode) : onOneSide(after, path);
  if (isSame) return false;
  if (after === undefined) return onOneSide(before, path);
  if (before instanceof Unavailable) return before;
  return after instanceof Unavailable ? after : !equals(before, after, false);
}

function onNeitherSide(mode: ConditionMode): Verdict {
  return mode === 'strict' ? new Problem('the path leads nowhere in either snapshot') : false;
}

/** A value on one side only is a change; but below a value not at hand there may be none on that side too. */
function onOneSide(value: Json | Unavailable, path: RowPath): Verdict {
  return value instanceof Unavailable && path.rest.length > 0 ? value : true;
}

function judgeValue(leaf: ValueLeaf, view: ConditionView, mode: ConditionMode): Verdict | typeof NO_DATA {
  const { path, test } = leaf;
  const seen = resolve(path, view, mode);
  if (seen === NO_DATA || seen instanceof Unavailable || seen instanceof Problem) return seen;
  if (seen instanceof WholeRow) return judgeRow(test, seen.row);
  if (seen === NO_SNAPSHOT) return apply(test, null, false) === true;
  return apply(test, seen, isDecimal(leaf, seen, view));
}

/** A row as a whole is an object: it equals nothing that a condition can name, and contains its keys. */
function judgeRow(test: Test, row: RowView): boolean | Problem {
  if (test.op === 'eq' || test.op === 'in') return false;
  if (test.op !== 'contains' || Array.isArray(test.value)) return mismatch(test, {});
  return typeof test.value === 'string' && row.get(test.value) !== undefined;
}

function apply(test: Test, seen: Json, decimal: boolean): boolean | Problem {
  switch (test.op) {
    case 'eq':
      return equals(seen, test.value, decimal);
    case 'in':
      return test.value.some((item) => equals(seen, item, decimal));
    case 'contains':
      return contains(test.value, seen, decimal) ?? mismatch(test, seen);
    case 'regex':
      return typeof seen === 'string' ? matches(test.pattern, seen) : mismatch(test, seen);
    default: {
      const sign = order(seen, test.value, decimal);
      return sign === undefined ? mismatch(test, seen) : ORDER[test.op](sign);
    }
  }
}

/**
 * Python's `value in seen`: an element of a list, a part of a text, a key of an object; undefined where
 * Python has no such question.
 */
function contains(value: Json, seen: Json, decimal: boolean): boolean | undefined {
  if (Array.isArray(seen)) return seen.some((item) => equals(item, value, decimal));
  if (typeof seen === 'string') return typeof value === 'string' ? seen.includes(value) : undefined;
  if (typeof seen !== 'object' || seen === null || Array.isArray(value)) return undefined;
  return typeof value === 'string' && Object.hasOwn(seen, value);
}

function matches(pattern: StartPattern, text: string): boolean | Problem {
  if (text.length <= pattern.maxText) return pattern.matches(text);
  return new Problem(`with this pattern regex takes at most ${pattern.maxText} characters, found more`);
}

/** Whether text in `seen` counts as decimal numbers; asked of the view only where it matters. */
function isDecimal(leaf: ValueLeaf, seen: Json, view: ConditionView): boolean {
  if (!leaf.meetsNumbers || !(typeof seen === 'string' || Array.isArray(seen))) return false;
  const { path } = leaf;
  if (path.root === 'event' || path.root === 'nowhere' || path.row === null) return false;
  return view.isDecimal(path.root, path.row);
}

function mismatch(test: Test, seen: Json): Problem {
  const asked = test.op === 'regex' ? 'regex' : `${test.op} with ${typeName(test.value)}`;
  return new Problem(`${asked} cannot be asked of ${typeName(seen)}`);
}
