import { describe, expect, it } from 'vitest';
import { parseConditions } from '../../../src/match/conditions/parse.ts';
import type { Mistake } from '../../../src/match/conditions/raw.ts';

function mistakes(ruleset: unknown): readonly Mistake[] {
  const parsed = parseConditions(ruleset, 'strict', 'webhooks[0].conditions');
  return parsed.ok ? [] : parsed.mistakes;
}

const fine = { attr: 'a', value: 1 };

describe('a ruleset', () => {
  it.each([[null], [undefined], [{}], [[]], [''], [0], [false]])('%j means no conditions', (ruleset) => {
    expect(parseConditions(ruleset, 'strict', 'conditions')).toEqual({ ok: true, conditions: null });
  });

  it.each([
    [{ and: [] }],
    [{ or: [fine, { and: [fine] }] }],
    [fine],
    [{ attr: 'a', op: 'changed' }],
    [{ attr: 'snapshots.bogus.x', value: 1 }],
    [{ attr: '', value: 1 }],
    [{ attr: 'a', value: [{ b: [null, 1n] }], negate: 'yes', op: 'eq' }],
  ])('%s is accepted', (ruleset) => {
    expect(mistakes(ruleset)).toEqual([]);
  });

  it.each<[ruleset: unknown, path: string, message: string]>([
    ['x', '', 'expected a condition, "and" or "or", found text'],
    [[fine], '', 'expected a condition, "and" or "or", found a list'],
    [5, '', 'expected a condition, "and" or "or", found a number'],
    [{ xor: [] }, '', 'expected "and", "or" or a condition with attr and value, found "xor"'],
    [{ AND: [] }, '.AND', 'expected "and" in lower case, found "AND"'],
    [
      { and: [], or: [] },
      '',
      'expected "and" or "or" as the only key, found "and", "or"; put one inside the other',
    ],
    [
      { and: [], attr: 'a' },
      '',
      'expected "and" or "or" as the only key, found "and", "attr"; put one inside the other',
    ],
    [{ and: fine }, '.and', 'expected a list of conditions, found an object'],
    [{ and: null }, '.and', 'expected a list of conditions, found null'],
    [{ and: ['x'] }, '.and[0]', 'expected a condition, "and" or "or", found text'],
    [
      { and: [{}] },
      '.and[0]',
      'expected "and", "or" or a condition with attr and value, found an empty object',
    ],
    [{ or: [fine, { Or: [] }] }, '.or[1].Or', 'expected "or" in lower case, found "Or"'],
    [{ attr: 'a' }, '.value', 'expected a value for eq, found nothing'],
    [{ value: 1 }, '.attr', 'expected a path such as "status.value", at most 500 characters, found nothing'],
    [
      { attr: 5, value: 1 },
      '.attr',
      'expected a path such as "status.value", at most 500 characters, found a number',
    ],
    [
      { ...fine, attr: 'a'.repeat(501) },
      '.attr',
      'expected a path such as "status.value", at most 500 characters, found 501 characters',
    ],
    [{ ...fine, vlaue: 1 }, '.vlaue', 'expected attr, value, op or negate, found "vlaue"'],
    [{ ...fine, 'odd key': 1 }, '["odd key"]', 'expected attr, value, op or negate, found "odd key"'],
    [
      { ...fine, op: 'neq' },
      '.op',
      'expected eq, gt, gte, lt, lte, in, contains, regex, changed or unchanged, in lower case, found "neq"',
    ],
    [
      { ...fine, op: null },
      '.op',
      'expected eq, gt, gte, lt, lte, in, contains, regex, changed or unchanged, in lower case, found null',
    ],
    [
      { attr: 'a', value: {} },
      '.value',
      'expected text, a number, a boolean, a list or null, found an object',
    ],
    [
      { attr: 'a', value: Number.NaN },
      '.value',
      'expected text, a number, a boolean, a list or null, found a number that is not finite',
    ],
    [
      { attr: 'a', value: [1, [Number.POSITIVE_INFINITY]] },
      '.value[1][0]',
      'expected JSON, found a number that is not finite',
    ],
    [{ attr: 'a', value: [{ b: undefined }] }, '.value[0].b', 'expected JSON, found nothing'],
    [{ attr: 'a', value: '1', op: 'gt' }, '.value', 'text can be used with eq, contains, regex, found gt'],
    [{ attr: 'a', value: true, op: 'gt' }, '.value', 'a boolean can be used with eq, contains, found gt'],
    [{ attr: 'a', value: null, op: 'contains' }, '.value', 'null can be used with eq, found contains'],
    [
      { attr: 'a', value: 1n, op: 'regex' },
      '.value',
      'a number can be used with eq, gt, gte, lt, lte, contains, found regex',
    ],
    [{ attr: 'a', value: [], op: 'lt' }, '.value', 'a list can be used with eq, in, contains, found lt'],
    [
      { attr: 'a', value: '(', op: 'regex' },
      '.value',
      'expected a regular expression; the group is not closed (at offset 0 of the pattern)',
    ],
    [
      { attr: 'a', value: 'b', op: 'changed' },
      '.value',
      'changed compares the two snapshots: expected no value, found text',
    ],
    [
      { attr: 'snapshots.prechange.a', op: 'unchanged' },
      '.attr',
      'unchanged looks into both snapshots by itself: expected a path such as "status", found one below "snapshots"',
    ],
    [
      { attr: '$event.event', op: 'changed' },
      '.attr',
      'changed compares snapshots: expected a column, found a path below "$"',
    ],
    [
      { attr: 'snapshots', value: null },
      '.attr',
      'expected snapshots.prechange or snapshots.postchange, or a path below one of them, found "snapshots"',
    ],
    [
      { attr: '$event.timestamp', value: 'x' },
      '.attr',
      'expected $event.event, $event.model, $event.username, $event.request_id or a path without a dollar sign, found "$event.timestamp"',
    ],
    [
      { attr: '$event', value: 'x' },
      '.attr',
      'expected $event.event, $event.model, $event.username, $event.request_id or a path without a dollar sign, found "$event"',
    ],
    [
      { attr: '$event.model.x', value: 'x' },
      '.attr',
      'expected $event.event, $event.model, $event.username, $event.request_id or a path without a dollar sign, found "$event.model.x"',
    ],
  ])('%o is refused at %s', (ruleset, path, message) => {
    expect(mistakes(ruleset)).toEqual([{ path: `webhooks[0].conditions${path}`, message }]);
  });

  it('is told all its mistakes at once', () => {
    const ruleset = {
      and: [{ attr: 1, op: 'eq' }, { or: [{ attr: '$x', op: 'regex', value: '[', y: 0 }] }, 3],
    };
    expect(mistakes(ruleset).map(({ path }) => path.replace('webhooks[0].conditions.and', ''))).toEqual([
      '[0].attr',
      '[0].value',
      '[1].or[0].y',
      '[1].or[0].attr',
      '[1].or[0].value',
      '[2]',
    ]);
  });

  it('is bounded in depth', () => {
    const nested = (depth: number): unknown => (depth === 0 ? fine : { and: [nested(depth - 1)] });
    expect(mistakes(nested(32))).toEqual([]);
    expect(mistakes(nested(33))).toMatchObject([
      { message: 'expected at most 32 sets within sets, found more' },
    ]);
    const cyclic: { and: unknown[] } = { and: [] };
    cyclic.and.push(cyclic);
    expect(mistakes(cyclic)).toHaveLength(1);
  });

  it('is bounded in number', () => {
    expect(mistakes({ or: Array.from({ length: 999 }, () => fine) })).toEqual([]);
    const message = 'expected at most 1000 conditions and sets, found more';
    expect(mistakes({ or: Array.from({ length: 1_000 }, () => fine) })).toMatchObject([{ message }]);
    const wide = { or: Array.from({ length: 40 }, () => ({ or: Array.from({ length: 40 }, () => fine) })) };
    expect(mistakes(wide).every((mistake) => mistake.message === message)).toBe(true);
  });

  it('is bounded in the size of a value', () => {
    const value = Array.from({ length: 10_000 }, (_, index) => index);
    expect(mistakes({ attr: 'a', op: 'in', value })).toEqual([]);
    expect(mistakes({ attr: 'a', op: 'in', value: [...value, 1] })).toHaveLength(1);
    const deep = (depth: number): unknown => (depth === 0 ? 1 : [deep(depth - 1)]);
    expect(mistakes({ attr: 'a', value: deep(32) })).toEqual([]);
    expect(mistakes({ attr: 'a', value: deep(33) })).toHaveLength(1);
  });

  it('cannot be changed by changing what it was read from', () => {
    const value: unknown[] = [{ b: 1 }];
    const parsed = parseConditions({ attr: 'a', value }, 'strict', 'conditions');
    value.push(2);
    expect(parsed).toMatchObject({ ok: true, conditions: { root: { test: { value: [{ b: 1 }] } } } });
  });

  it('knows __proto__ as a key like any other', () => {
    const raw: unknown = JSON.parse('{"attr": "a", "value": [{"__proto__": {"x": 1}}], "__proto__": 1}');
    expect(mistakes(raw)).toMatchObject([{ path: 'webhooks[0].conditions.__proto__' }]);
  });
});
