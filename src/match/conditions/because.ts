/**
 * The conditions that decided: of an explanation, the leaves without which the result would be another. An
 * `and` is false for the first of its members that is; an `or` is false for all of them.
 */
import type { ExplainedLeaf, Explanation } from './explain.ts';

/** In the order of the conditions; none where there are no conditions. */
export function because(explanation: Explanation): ExplainedLeaf[] {
  if ('attr' in explanation) return [explanation];
  if (!('conditions' in explanation)) return [];
  const { result } = explanation;
  const same = explanation.conditions.filter((member) => member.result === result);
  const needsOne = result === (explanation.op === 'and' ? 'false' : 'true') || result === 'error';
  return (needsOne ? same.slice(0, 1) : same).flatMap(because);
}
