/**
 * Whether a Webhook fires for a Change that is for it by model and event: what it requires, the columns it
 * watches, its conditions. Pure.
 */
import type { Context } from '../change/context.ts';
import { evaluate, type MissingValue, type Outcome } from './conditions/evaluate.ts';
import type { ConditionView } from './conditions/view.ts';
import type { MatchTarget } from './match.ts';

export type Verdict =
  | { readonly kind: 'matched' }
  /** `by` says which of the Webhook's settings said no. */
  | { readonly kind: 'not_matched'; readonly by: 'require' | 'columns' | 'conditions' | 'on_unavailable' }
  /** Undecided until related rows have been looked up. */
  | { readonly kind: 'pending' }
  /** Could not be evaluated: the Delivery is failed with this reason and can be resent. */
  | { readonly kind: 'failed'; readonly reason: 'condition' | 'unavailable'; readonly detail: string };

const MATCHED: Verdict = { kind: 'matched' };
const PENDING: Verdict = { kind: 'pending' };
const NOT_MATCHED = {
  require: { kind: 'not_matched', by: 'require' },
  columns: { kind: 'not_matched', by: 'columns' },
  conditions: { kind: 'not_matched', by: 'conditions' },
} as const satisfies Record<string, Verdict>;

/** @param view is asked for only when the Webhook has conditions or watches columns */
export function decide(target: MatchTarget, context: Context, view: () => ConditionView): Verdict {
  if (target.require.some((name) => contextValue(context, name) === null)) return NOT_MATCHED.require;
  if (target.conditions === null && target.columns === null) return MATCHED;
  const seen = view();
  if (target.columns !== null && seen.event.event === 'updated') {
    const verdict = judge(evaluate(target.columns, seen), target, 'columns');
    if (verdict.kind !== 'matched') return verdict;
  }
  return judge(evaluate(target.conditions, seen), target, 'conditions');
}

function contextValue(context: Context, name: 'username' | 'request_id'): string | null {
  return name === 'username' ? context.username : context.requestId;
}

function judge(outcome: Outcome, target: MatchTarget, by: 'columns' | 'conditions'): Verdict {
  switch (outcome.kind) {
    case 'matched':
      return MATCHED;
    case 'not_matched':
      return NOT_MATCHED[by];
    case 'error': {
      const { attr, at, why } = outcome.error;
      return { kind: 'failed', reason: 'condition', detail: `${at}: ${attr}: ${why}` };
    }
    case 'unavailable':
      return undecided(outcome.missing, target, by);
  }
}

function undecided(missing: readonly MissingValue[], target: MatchTarget, by: string): Verdict {
  if (missing.some(({ reason }) => reason === 'pending')) return PENDING;
  switch (target.onUnavailable) {
    case 'fire':
      return MATCHED;
    case 'skip':
      return { kind: 'not_matched', by: 'on_unavailable' };
    case 'error': {
      const paths = missing.map(({ path, reason }) => `${path} (${reason})`).join(', ');
      return {
        kind: 'failed',
        reason: 'unavailable',
        detail: `${by} hang on values that are not at hand: ${paths}`,
      };
    }
  }
}
