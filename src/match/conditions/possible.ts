/**
 * The results that a condition or a set may still have, as a set of bits.
 *
 * The originals evaluate from left to right: a false in an `and`, or a true in an `or`, ends it, and a
 * condition that cannot be evaluated ends everything. walhook adds values that are not at hand; a verdict
 * that depends on one may be true or false (that the value could be evaluated at all is assumed). So each
 * result still possible is carried on as the originals would carry it: `and` with a false is false and `or`
 * with a true is true wherever the missing value stands, and a problem counts as far as it is reached.
 */
import type { ConditionSet } from './condition.ts';
import type { Verdict } from './judge.ts';
import { Unavailable } from './view.ts';

export type Possible = number;

export const FALSE: Possible = 1;
export const TRUE: Possible = 2;
export const ERROR: Possible = 4;

export function possibleOf(verdict: Verdict): Possible {
  if (typeof verdict === 'boolean') return verdict ? TRUE : FALSE;
  return verdict instanceof Unavailable ? FALSE | TRUE : ERROR;
}

/** What a set results in before its first member, and the only result after which it goes on. */
export function neutral(op: ConditionSet['op']): Possible {
  return op === 'and' ? TRUE : FALSE;
}

/** The possible results of a set after one more member. */
export function extend(op: ConditionSet['op'], before: Possible, member: Possible): Possible {
  return (before & ~neutral(op)) | member;
}

/** Whether a set with these possible results reaches its next member. */
export function goesOn(op: ConditionSet['op'], possible: Possible): boolean {
  return (possible & neutral(op)) !== 0;
}

export function isDecided(possible: Possible): boolean {
  return possible === TRUE || possible === FALSE || possible === ERROR;
}
