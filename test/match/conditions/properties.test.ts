import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Json, type JsonObject, stringifyJson } from '../../../src/core/json.ts';
import type { ConditionMode } from '../../../src/match/conditions/condition.ts';
import { evaluate } from '../../../src/match/conditions/evaluate.ts';
import { viewOfEvent } from '../../../src/match/conditions/eventView.ts';
import { explain } from '../../../src/match/conditions/explain.ts';
import { parseConditions } from '../../../src/match/conditions/parse.ts';
import { ask } from './ask.ts';

const KEYS = ['a', 'b', 'c', 'tags'];
const key = fc.constantFrom(...KEYS);
const scalar = fc.oneof(
  fc.constantFrom<Json[]>(0, 1, 1.5, true, false, null, '', 'a', 'ab', '1', '1.50', 2n ** 60n),
  fc.integer(),
  fc.string({ maxLength: 3 }),
);
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(key, tie('json'), { maxKeys: 3 }),
  ),
}));
const row = fc.dictionary(key, json, { maxKeys: 4 });
const rowPath = fc.array(key, { minLength: 1, maxLength: 3 }).map((keys) => keys.join('.'));
const attr = fc.oneof(
  { weight: 4, arbitrary: rowPath },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom('prechange', 'postchange')
      .chain((side) => rowPath.map((path) => `snapshots.${side}.${path}`)),
  },
  { weight: 1, arbitrary: fc.constantFrom('snapshots.prechange', '$event.username', 'snapshots.x.y', '') },
);
const negate = fc.boolean();
const leaf: fc.Arbitrary<Json> = fc.oneof(
  fc.record({ attr, op: fc.constantFrom('eq', 'contains'), value: scalar, negate }),
  fc.record({
    attr,
    op: fc.constantFrom('gt', 'gte', 'lt', 'lte'),
    value: fc.constantFrom(0, 1, 1.5),
    negate,
  }),
  fc.record({ attr, op: fc.constant('in'), value: fc.array(scalar, { maxLength: 3 }), negate }),
  fc.record({ attr, op: fc.constant('regex'), value: fc.constantFrom('a', '.*b$', '(?i)A', ''), negate }),
  fc.record({ attr: rowPath, op: fc.constantFrom('changed', 'unchanged'), negate }),
);
const { ruleset } = fc.letrec<{ ruleset: Json }>((tie) => ({
  ruleset: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.record({ and: fc.array(tie('ruleset'), { maxLength: 3 }) }),
    fc.record({ or: fc.array(tie('ruleset'), { maxLength: 3 }) }),
  ),
}));
const mode = fc.constantFrom<ConditionMode[]>('strict', 'lenient');
const side = fc.oneof({ weight: 4, arbitrary: row }, fc.constant(null));
const event: fc.Arbitrary<JsonObject> = fc.record({
  username: fc.constantFrom('admin', null),
  data: fc.oneof({ weight: 9, arbitrary: row }, fc.constant(null)),
  snapshots: fc.record({ prechange: side, postchange: side }),
});

describe('evaluation, whatever the ruleset and the Event', () => {
  it('never throws, nor does parsing', () => {
    const anything = fc.oneof(fc.anything(), fc.object(), ruleset, json);
    fc.assert(
      fc.property(anything, mode, json, (raw, inMode, found) => {
        const parsed = parseConditions(raw, inMode, 'conditions');
        if (!parsed.ok) {
          expect(parsed.mistakes.length).toBeGreaterThan(0);
          return;
        }
        const odd = found !== null && typeof found === 'object' && !Array.isArray(found) ? found : {};
        const view = viewOfEvent({ data: odd, snapshots: found, unavailable: odd });
        evaluate(parsed.conditions, view);
        stringifyJson(explain(parsed.conditions, view));
      }),
      { numRuns: 500 },
    );
  });

  it('agrees with its explanation', () => {
    const results = {
      matched: ['true'],
      not_matched: ['false'],
      error: ['error', 'unknown'],
      unavailable: ['unknown'],
    };
    const unavailable = fc.record({
      data: fc.dictionary(key, fc.constantFrom('toast', 'lookup', 'pending')),
    });
    fc.assert(
      fc.property(ruleset, mode, event, unavailable, (rules, inMode, base, missing) => {
        const parsed = parseConditions(rules, inMode, 'conditions');
        if (!parsed.ok) return;
        const view = viewOfEvent({ ...base, unavailable: missing });
        expect(results[evaluate(parsed.conditions, view).kind]).toContain(
          explain(parsed.conditions, view).result,
        );
      }),
      { numRuns: 500 },
    );
  });

  it('is undone by a second negation', () => {
    fc.assert(
      fc.property(leaf, mode, event, (condition, inMode, base) => {
        fc.pre(base['data'] !== null);
        const plain = ask({ ...(condition as JsonObject), negate: false }, base, inMode);
        const negated = ask({ ...(condition as JsonObject), negate: true }, base, inMode);
        expect(`${plain}${negated}`).toMatch(/^(TF|FT|EE|XX)$/);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a value that is missing', () => {
  /**
   * What is decided without a value stays so whatever the value is, as long as every condition that reads
   * it can then be evaluated: such a value's own problem is the one thing that may come to light. And what
   * was a problem without the value is either still one or, where it lay behind the value, false.
   */
  it('never turns what was decided without it', () => {
    let decided = 0;
    fc.assert(
      fc.property(
        ruleset,
        mode,
        event,
        key,
        fc.constantFrom('data', 'postchange'),
        (rules, inMode, base, at, root) => {
          const hidden = ask(rules, { ...base, unavailable: { [root]: { [at]: 'lookup' } } }, inMode);
          const shown = ask(rules, base, inMode);
          const target = root === 'data' ? base['data'] : (base['snapshots'] as JsonObject)['postchange'];
          // Without a row, or without the key in it, there is nothing to hide.
          fc.pre(target !== null && Object.hasOwn(target as JsonObject, at));
          if (hidden === 'T') expect(['T', 'E']).toContain(shown);
          if (hidden === 'F') expect(['F', 'E']).toContain(shown);
          if (hidden === 'E') expect(['E', 'F']).toContain(shown);
          if (hidden === 'T' || hidden === 'F') decided += 1;
        },
      ),
      { numRuns: 2_000 },
    );
    expect(decided).toBeGreaterThan(100);
  });

  it('is decided wrongly by no condition that can be evaluated with every value', () => {
    // Equality can be asked of anything, so here no problem can come to light.
    const question = fc.record({ attr: key, op: fc.constant('eq'), value: scalar, negate });
    const set = fc.oneof(
      question,
      fc.record({ and: fc.array(question, { maxLength: 4 }) }),
      fc.record({
        or: fc.array(fc.oneof(question, fc.record({ and: fc.array(question, { maxLength: 3 }) })), {
          maxLength: 4,
        }),
      }),
    );
    const full = fc.record({ a: json, b: json, c: json, tags: json });
    fc.assert(
      fc.property(set, full, fc.subarray(KEYS), (rules, data, missing) => {
        const unavailable = { data: Object.fromEntries(missing.map((name) => [name, 'lookup'])) };
        const hidden = ask(rules, { data, unavailable });
        if (hidden !== 'U') expect(ask(rules, { data })).toBe(hidden);
      }),
      { numRuns: 2_000 },
    );
  });
});
