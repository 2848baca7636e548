/**
 * Evaluates the conditions of a Webhook on one Event. Never throws.
 *
 * possible.ts has the rule by which truth, missing values and problems combine. Deciding allocates nothing;
 * only an evaluation that failed or is undecided is walked once more for its reasons.
 */
import type { ErrorCode } from '../../core/errors.ts';
import type { ConditionLeaf, ConditionMode, ConditionNode, Conditions } from './condition.ts';
import { judge } from './judge.ts';
import { extend, FALSE, goesOn, isDecided, neutral, type Possible, possibleOf, TRUE } from './possible.ts';
import { sideOf } from './resolve.ts';
import { type ConditionView, Unavailable, type UnavailableReason } from './view.ts';
import { Problem } from './walk.ts';

/** A value that the result hangs on, by its path as conditions write it. */
export interface MissingValue {
  readonly path: string;
  readonly reason: UnavailableReason;
}

/** The first condition that could not be evaluated. Names keys and types, never values. */
export interface ConditionError {
  readonly code: Extract<ErrorCode, 'CONDITION_FAILED'>;
  readonly attr: string;
  /** Its place in the configuration. */
  readonly at: string;
  readonly why: string;
}

export type Outcome =
  | { readonly kind: 'matched' }
  | { readonly kind: 'not_matched' }
  /** A match is possible but hangs on these values. Where one is `pending`, look it up and ask again. */
  | { readonly kind: 'unavailable'; readonly missing: readonly MissingValue[] }
  | { readonly kind: 'error'; readonly error: ConditionError };

const MATCHED: Outcome = { kind: 'matched' };
const NOT_MATCHED: Outcome = { kind: 'not_matched' };

/** No conditions (null) match every Event. */
export function evaluate(conditions: Conditions | null, view: ConditionView): Outcome {
  if (conditions === null) return MATCHED;
  const { root, mode } = conditions;
  const possible = possibleResults(root, view, mode, null);
  if (possible === TRUE) return MATCHED;
  if (possible === FALSE) return NOT_MATCHED;
  const reasons: Reasons = { missing: [], error: null };
  possibleResults(root, view, mode, reasons);
  return undecided(possible, reasons);
}

interface Reasons {
  readonly missing: MissingValue[];
  error: ConditionError | null;
}

/**
 * Where false and a problem are what remains, no value could make it a match, so the problem is the answer;
 * unless a look-up is still to tell which of the two it is.
 */
function undecided(possible: Possible, { missing, error }: Reasons): Outcome {
  const isPending = missing.some(({ reason }) => reason === 'pending');
  const canMatch = (possible & TRUE) !== 0;
  return error === null || canMatch || isPending
    ? { kind: 'unavailable', missing }
    : { kind: 'error', error };
}

/** The results that are possible; with `reasons`, also what they hang on. */
function possibleResults(
  node: ConditionNode,
  view: ConditionView,
  mode: ConditionMode,
  reasons: Reasons | null,
): Possible {
  if (node.kind !== 'set') return leafResults(node, view, mode, reasons);
  const known = reasons?.missing.length ?? 0;
  let possible = neutral(node.op);
  for (const child of node.children) {
    possible = extend(node.op, possible, possibleResults(child, view, mode, reasons));
    if (!goesOn(node.op, possible)) break;
  }
  // What is missing inside a set that is decided without it does not matter.
  if (reasons !== null && isDecided(possible)) reasons.missing.length = known;
  return possible;
}

function leafResults(
  leaf: ConditionLeaf,
  view: ConditionView,
  mode: ConditionMode,
  reasons: Reasons | null,
): Possible {
  const verdict = judge(leaf, view, mode);
  if (reasons !== null) {
    if (verdict instanceof Unavailable) reasons.missing.push(...missingFor(leaf, view, verdict));
    if (verdict instanceof Problem) {
      reasons.error ??= { code: 'CONDITION_FAILED', attr: leaf.attr, at: leaf.at, why: verdict.why };
    }
  }
  return possibleOf(verdict);
}

function missingFor(leaf: ConditionLeaf, view: ConditionView, verdict: Unavailable): MissingValue[] {
  if (leaf.kind === 'value') return [{ path: leaf.attr, reason: verdict.reason }];
  return (['prechange', 'postchange'] as const).flatMap((side) => {
    const value = sideOf(view[side], leaf.row);
    return value instanceof Unavailable
      ? [{ path: `snapshots.${side}.${leaf.attr}`, reason: value.reason }]
      : [];
  });
}
