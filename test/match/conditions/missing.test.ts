import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../../src/core/json.ts';
import { evaluate, type Outcome } from '../../../src/match/conditions/evaluate.ts';
import { viewOfEvent } from '../../../src/match/conditions/eventView.ts';
import { outcomeError } from '../../../src/match/conditions/outcomeError.ts';
import { ask, conditionsOf, type Letter } from './ask.ts';

/** T and F are true and false, E cannot be evaluated, U hangs on a large value that was not sent. */
const LEAVES: Readonly<Record<string, Json>> = {
  T: { attr: 'one', value: 1 },
  F: { attr: 'one', value: 2 },
  E: { attr: 'one', op: 'contains', value: 1 },
  U: { attr: 'big', value: 'x' },
  P: { attr: 'related.name', value: 'x' },
};

const EVENT: JsonObject = {
  data: { one: 1 },
  unavailable: { data: { big: 'toast', related: 'pending' } },
};

/** `&TFU` is {and: [T, F, U]}; a set in a set is written in parentheses. */
function ruleset(text: string): Json {
  const stack: { op: string; members: Json[] }[] = [{ op: '', members: [] }];
  for (const char of text) {
    const top = stack.at(-1);
    if (char === '&' || char === '|') stack.push({ op: char === '&' ? 'and' : 'or', members: [] });
    else if (char === ')') {
      const { op, members } = stack.pop() ?? { op: '', members: [] };
      stack.at(-1)?.members.push({ [op]: members });
    } else if (char !== '(') top?.members.push(LEAVES[char] as Json);
  }
  const [, set] = stack;
  return set === undefined ? null : { [set.op]: set.members };
}

function outcome(text: string): Outcome {
  return evaluate(conditionsOf(ruleset(text)), viewOfEvent(EVENT));
}

describe('three-valued sets', () => {
  it.each<[set: string, result: Letter]>([
    ['&U', 'U'],
    ['&TU', 'U'],
    ['&UT', 'U'],
    ['&FU', 'F'],
    ['&UF', 'F'],
    ['&UU', 'U'],
    ['|U', 'U'],
    ['|TU', 'T'],
    ['|UT', 'T'],
    ['|FU', 'U'],
    ['|UF', 'U'],
    ['|UU', 'U'],
    ['|(&UF)T', 'T'],
    ['|(&UF)F', 'F'],
    ['&(|UT)T', 'T'],
    ['&(|UF)F', 'F'],
    ['|(&UT)(&UF)', 'U'],
  ])('%s is %s', (set, result) => {
    expect(ask(ruleset(set), EVENT, 'strict')).toBe(result);
    expect(ask(ruleset(set), EVENT, 'lenient')).toBe(result);
  });

  it.each<[set: string, result: Letter, why: string]>([
    ['&EU', 'E', 'a problem ends everything'],
    ['|EU', 'E', 'a problem ends everything'],
    ['&FE', 'F', 'the problem is not reached'],
    ['|TE', 'T', 'the problem is not reached'],
    ['&UE', 'E', 'false or the problem, and neither is a match'],
    ['|UE', 'U', 'true or the problem'],
    ['&UFE', 'F', 'whatever U is, the false ends it first'],
    ['|UTE', 'T', 'whatever U is, the true ends it first'],
    ['&(|UE)F', 'E', 'false or the problem'],
    ['|(&UE)T', 'U', 'where U is false the true is reached, else the problem'],
    ['&UEF', 'E', 'the false lies behind the problem'],
    ['&PE', 'U', 'a look-up can still tell which of the two it is'],
    ['&(|PE)F', 'U', 'a look-up can still tell which of the two it is'],
    ['&UPE', 'U', 'a look-up can still tell which of the two it is'],
  ])('%s is %s: %s', (set, result) => {
    expect(ask(ruleset(set), EVENT)).toBe(result);
  });

  it.each<[set: string, paths: readonly string[]]>([
    ['&UP', ['big', 'related.name']],
    ['|(&UF)P', ['related.name']],
    ['&(|UT)P', ['related.name']],
    ['|(&UT)F', ['big']],
    ['&(|PT)(|UF)(&T)', ['big']],
  ])('%s hangs on %j alone', (set, paths) => {
    const found = outcome(set);
    expect(found.kind === 'unavailable' && found.missing.map(({ path }) => path)).toEqual(paths);
  });

  it('are reported with what they hang on', () => {
    expect(outcomeError(outcome('&UP'))).toMatchObject({
      code: 'CONDITION_UNAVAILABLE',
      message: expect.stringContaining('"big" (toast), "related.name" (pending)'),
    });
    expect(outcomeError(outcome('&TE'))).toMatchObject({
      code: 'CONDITION_FAILED',
      message:
        'conditions.and[1]: the condition on "one" failed: contains with a number cannot be asked of a number',
    });
    expect(outcomeError(outcome('&T'))).toBeNull();
    expect(outcomeError(outcome('&F'))).toBeNull();
  });
});

describe('negation', () => {
  it('leaves open what is open and a problem a problem', () => {
    for (const negate of [true, false]) {
      expect(ask({ attr: 'big', value: 'x', negate }, EVENT)).toBe('U');
      expect(ask({ attr: 'nope', value: 'x', negate }, EVENT)).toBe('E');
    }
  });
});

describe('a row without its before image', () => {
  const event: JsonObject = {
    data: { id: 1, status: 'active' },
    snapshots: { prechange: { id: 1 }, postchange: { id: 1, status: 'active', notes: 'new' } },
    unavailable: { prechange: { '*': 'identity' } },
  };

  it.each<[condition: JsonObject, result: Letter]>([
    [{ attr: 'status', op: 'changed' }, 'U'],
    [{ attr: 'id', op: 'changed' }, 'F'],
    [{ attr: 'snapshots.prechange.status', value: 'x' }, 'U'],
    [{ attr: 'snapshots.prechange.id', value: 1 }, 'T'],
    [{ attr: 'snapshots.prechange', value: null }, 'F'],
    [{ attr: 'snapshots.prechange', value: null, negate: true }, 'T'],
    [{ attr: 'status', value: 'active' }, 'T'],
  ])('%j is %s', (condition, result) => {
    expect(ask(condition, event)).toBe(result);
  });

  it('names the side that is missing', () => {
    const found = evaluate(conditionsOf({ attr: 'status', op: 'changed' }), viewOfEvent(event));
    expect(found).toEqual({
      kind: 'unavailable',
      missing: [{ path: 'snapshots.prechange.status', reason: 'identity' }],
    });
  });

  it('differs, when deleted, from the row that is no more', () => {
    const deleted: JsonObject = {
      data: null,
      snapshots: { prechange: { id: 1 }, postchange: null },
      unavailable: { prechange: { '*': 'identity' } },
    };
    expect(ask({ attr: 'status', op: 'changed' }, deleted)).toBe('T');
    expect(ask({ attr: 'status.below', op: 'changed' }, deleted)).toBe('U');
    expect(ask({ attr: 'snapshots.postchange.status', value: 'x' }, deleted)).toBe('F');
    expect(ask({ attr: 'snapshots.postchange.status', value: null }, deleted)).toBe('T');
  });
});

describe('a large value that PostgreSQL did not send again', () => {
  const updated = (prechange: Json, unavailable: JsonObject): JsonObject => ({
    data: {},
    snapshots: { prechange, postchange: {} },
    unavailable: { postchange: { notes: 'toast' }, ...unavailable },
  });

  it('is unchanged, whether or not the value before is known', () => {
    for (const event of [updated({ notes: 'x' }, {}), updated({}, { prechange: { '*': 'identity' } })]) {
      expect(ask({ attr: 'notes', op: 'changed' }, event)).toBe('F');
      expect(ask({ attr: 'notes', op: 'unchanged' }, event)).toBe('T');
      expect(ask({ attr: 'snapshots.postchange.notes', value: 'x' }, event)).toBe('U');
    }
  });

  it('proves no path that leads nowhere before', () => {
    expect(ask({ attr: 'notes.a', op: 'changed' }, updated({ notes: 'x' }, {}))).toBe('E');
  });

  it('is compared where it is missing for another reason', () => {
    const event = updated({ notes: 'x' }, { postchange: { notes: 'too_large' } });
    expect(ask({ attr: 'notes', op: 'changed' }, event)).toBe('U');
  });
});

describe('a value that is missing for a reason of a later version', () => {
  it('is missing', () => {
    const event = { data: { a: 1 }, unavailable: { data: { a: 'embargo' } } };
    expect(evaluate(conditionsOf({ attr: 'a', value: 1 }), viewOfEvent(event))).toEqual({
      kind: 'unavailable',
      missing: [{ path: 'a', reason: 'lookup' }],
    });
  });
});
