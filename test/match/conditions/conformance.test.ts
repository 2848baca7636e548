import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Json, type JsonObject, parseJson } from '../../../src/core/json.ts';
import type { ConditionMode } from '../../../src/match/conditions/condition.ts';
import { evaluate } from '../../../src/match/conditions/evaluate.ts';
import { viewOfEvent } from '../../../src/match/conditions/eventView.ts';
import { explain } from '../../../src/match/conditions/explain.ts';
import { parseConditions } from '../../../src/match/conditions/parse.ts';

interface Case {
  readonly id: string;
  readonly ruleset: Json;
  readonly mode: ConditionMode;
  readonly data: Json;
  readonly snapshots?: Json;
  readonly expect: 'match' | 'no_match' | 'error' | 'invalid';
}

const cases = parseJson(
  readFileSync(new URL('../../conformance/conditions.json', import.meta.url), 'utf8'),
) as unknown as readonly Case[];

const WORDS = { matched: 'match', not_matched: 'no_match', error: 'error', unavailable: 'unavailable' };
const RESULTS: Readonly<Record<string, string>> = { match: 'true', no_match: 'false', error: 'error' };

function eventOf({ data, snapshots }: Case): JsonObject {
  return snapshots === undefined ? { data } : { data, snapshots };
}

describe('the conformance cases', () => {
  it.each(cases)('$id in $mode mode: $expect', (known) => {
    const parsed = parseConditions(known.ruleset, known.mode, 'conditions');
    if (!parsed.ok) {
      expect('invalid').toBe(known.expect);
      return;
    }
    const view = viewOfEvent(eventOf(known));
    expect(WORDS[evaluate(parsed.conditions, view).kind]).toBe(known.expect);
    expect(explain(parsed.conditions, view).result).toBe(RESULTS[known.expect]);
  });
});
