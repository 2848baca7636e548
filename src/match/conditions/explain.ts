/**
 * Explains an evaluation: the tree of conditions with the result of each, the value it saw and why.
 *
 * A second pass beside evaluate(), by the same rules. The tree is plain JSON and each value in it bounded
 * in size. Unlike an error it shows values of the row, so it goes only where row data may go.
 */
import type { Json } from '../../core/json.ts';
import type {
  ChangeLeaf,
  ChangeOp,
  ConditionLeaf,
  ConditionMode,
  ConditionNode,
  ConditionSet,
  Conditions,
  Test,
  ValueLeaf,
} from './condition.ts';
import { judge, type Verdict } from './judge.ts';
import { extend, FALSE, goesOn, neutral, type Possible, possibleOf, TRUE } from './possible.ts';
import { preview } from './preview.ts';
import { NO_DATA, NO_SNAPSHOT, resolve, sideOf, WholeRow } from './resolve.ts';
import { type ConditionView, Unavailable, type UnavailableReason } from './view.ts';
import { Problem } from './walk.ts';

/** `unknown` hangs on a value not at hand; `not_reached` was not needed, or came after a problem. */
export type Result = 'true' | 'false' | 'unknown' | 'error' | 'not_reached';

export type ExplainedSet = {
  op: ConditionSet['op'];
  result: Result;
  conditions: Explanation[];
};

export type ExplainedLeaf = {
  attr: string;
  op: Test['op'] | ChangeOp;
  /** What it was compared with: for regex the pattern, for changed and unchanged nothing. */
  value?: Json;
  negate: boolean;
  result: Result;
  /** The value found, where there was one; for changed and unchanged that of each side. */
  seen?: Json;
  why: string;
};

/** A Webhook without conditions. */
export type ExplainedNothing = { op: 'always'; result: 'true'; why: string };

export type Explanation = ExplainedSet | ExplainedLeaf | ExplainedNothing;

export function explain(conditions: Conditions | null, view: ConditionView): Explanation {
  if (conditions === null) return { op: 'always', result: 'true', why: 'there are no conditions' };
  return explainNode(conditions.root, view, conditions.mode).explanation;
}

interface Explained {
  readonly possible: Possible;
  readonly explanation: Explanation;
}

function explainNode(node: ConditionNode, view: ConditionView, mode: ConditionMode): Explained {
  if (node.kind !== 'set') return explainLeaf(node, view, mode);
  let possible = neutral(node.op);
  const conditions = node.children.map((child) => {
    if (!goesOn(node.op, possible)) return notReached(child);
    const explained = explainNode(child, view, mode);
    possible = extend(node.op, possible, explained.possible);
    return explained.explanation;
  });
  return { possible, explanation: { op: node.op, result: resultOf(possible), conditions } };
}

function notReached(node: ConditionNode): Explanation {
  const result = 'not_reached';
  if (node.kind === 'set') return { op: node.op, result, conditions: node.children.map(notReached) };
  return { ...questionOf(node), result, why: 'what came before it has decided' };
}

function explainLeaf(leaf: ConditionLeaf, view: ConditionView, mode: ConditionMode): Explained {
  const verdict = judge(leaf, view, mode);
  const possible = possibleOf(verdict);
  const { seen, why } =
    leaf.kind === 'change' ? changeFindings(leaf, verdict, view) : valueFindings(leaf, verdict, view, mode);
  const found = seen === undefined ? {} : { seen };
  return { possible, explanation: { ...questionOf(leaf), result: resultOf(possible), ...found, why } };
}

function questionOf(leaf: ConditionLeaf): Pick<ExplainedLeaf, 'attr' | 'op' | 'value' | 'negate'> {
  const { attr, negate } = leaf;
  if (leaf.kind === 'change') return { attr, op: leaf.op, negate };
  const value = leaf.test.op === 'regex' ? leaf.test.pattern.source : leaf.test.value;
  return { attr, op: leaf.test.op, value: preview(value), negate };
}

interface Findings {
  readonly seen?: Json;
  readonly why: string;
}

function valueFindings(
  leaf: ValueLeaf,
  verdict: Verdict,
  view: ConditionView,
  mode: ConditionMode,
): Findings {
  const seen = resolve(leaf.path, view, mode);
  if (seen === NO_DATA) return { why: 'the Event has no data, and nothing about it is true, negated or not' };
  const why = whyOf(verdict, WORDS[leaf.test.op], leaf.negate);
  if (seen instanceof Unavailable || seen instanceof Problem) return { why };
  if (seen instanceof WholeRow) return { why: `the snapshot is a row: it ${why}` };
  if (seen === NO_SNAPSHOT) return { seen: null, why: `the row does not exist on that side: null ${why}` };
  return { seen: preview(seen), why };
}

function changeFindings(leaf: ChangeLeaf, verdict: Verdict, view: ConditionView): Findings {
  const seen: Record<string, Json> = {};
  for (const side of ['prechange', 'postchange'] as const) {
    const value = sideOf(view[side], leaf.row);
    if (value !== undefined && !(value instanceof Unavailable)) seen[side] = preview(value);
  }
  return { seen, why: whyOf(verdict, WORDS[leaf.op], leaf.negate) };
}

function whyOf(verdict: Verdict, words: readonly [yes: string, no: string], negate: boolean): string {
  if (verdict instanceof Problem) return verdict.why;
  if (verdict instanceof Unavailable) return UNAVAILABLE_WORDS[verdict.reason];
  const [yes, no] = words;
  return `${verdict === negate ? no : yes}${negate ? ', and the condition is negated' : ''}`;
}

function resultOf(possible: Possible): Result {
  if (possible === TRUE) return 'true';
  if (possible === FALSE) return 'false';
  return (possible & (TRUE | FALSE)) === 0 ? 'error' : 'unknown';
}

const WORDS: Readonly<Record<ExplainedLeaf['op'], readonly [yes: string, no: string]>> = {
  eq: ['equals the value', 'does not equal the value'],
  gt: ['is greater than the value', 'is not greater than the value'],
  gte: ['is greater than or equal to the value', 'is less than the value'],
  lt: ['is less than the value', 'is not less than the value'],
  lte: ['is less than or equal to the value', 'is greater than the value'],
  in: ['is in the list', 'is not in the list'],
  contains: ['contains the value', 'does not contain the value'],
  regex: ['matches the pattern from its start', 'does not match the pattern from its start'],
  changed: ['differs between the snapshots', 'is the same in both snapshots'],
  unchanged: ['is the same in both snapshots', 'differs between the snapshots'],
};

const UNAVAILABLE_WORDS: Readonly<Record<UnavailableReason, string>> = {
  toast: 'PostgreSQL did not send this unchanged large value',
  identity: 'the table sends no before image of it; with REPLICA IDENTITY FULL it would',
  lookup: 'the related row could not be read',
  too_large: 'the value is above the limit of size',
  pending: 'the related row has not been looked up yet',
};
