/** Asks a ruleset of an Event in one step, for tables of cases. */
import type { Json, JsonObject } from '../../../src/core/json.ts';
import type { ConditionMode, Conditions } from '../../../src/match/conditions/condition.ts';
import { evaluate, type Outcome } from '../../../src/match/conditions/evaluate.ts';
import { viewOfEvent } from '../../../src/match/conditions/eventView.ts';
import { parseConditions } from '../../../src/match/conditions/parse.ts';
import type { ConditionView } from '../../../src/match/conditions/view.ts';

/** T true, F false, E cannot be evaluated, U unavailable, X refused at load. */
export type Letter = 'T' | 'F' | 'E' | 'U' | 'X';

const LETTERS: Readonly<Record<Outcome['kind'], Letter>> = {
  matched: 'T',
  not_matched: 'F',
  error: 'E',
  unavailable: 'U',
};

/** The conditions of a ruleset that is in order. */
export function conditionsOf(ruleset: Json, mode: ConditionMode = 'strict'): Conditions | null {
  const parsed = parseConditions(ruleset, mode, 'conditions');
  if (!parsed.ok) throw new Error(`refused: ${JSON.stringify(parsed.mistakes)}`);
  return parsed.conditions;
}

export function askView(ruleset: Json, view: ConditionView, mode: ConditionMode = 'strict'): Letter {
  const parsed = parseConditions(ruleset, mode, 'conditions');
  return parsed.ok ? LETTERS[evaluate(parsed.conditions, view).kind] : 'X';
}

export function ask(ruleset: Json, event: JsonObject, mode: ConditionMode = 'strict'): Letter {
  return askView(ruleset, viewOfEvent(event), mode);
}

/** A row with one of everything. */
export const ROW: JsonObject = {
  a: 1,
  b: true,
  s: 'abc',
  n: null,
  f: 1.5,
  l: [1, 2, 3],
  e: [],
  es: '',
  d: { x: { y: 1 } },
  status: { value: 'enabled', label: 'Enabled' },
  tags: [
    { name: 'Foo', slug: 'foo' },
    { name: 'Bar', slug: 'bar' },
  ],
  tn: ['exempt', 'x'],
  asn: 65001,
  bgp_state: null,
  ln: [null, { k: 1 }],
  ll: [[{ k: 1 }]],
};
