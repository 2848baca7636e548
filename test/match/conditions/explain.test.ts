import { describe, expect, it } from 'vitest';
import { type Json, type JsonObject, parseJson, stringifyJson } from '../../../src/core/json.ts';
import { viewOfEvent } from '../../../src/match/conditions/eventView.ts';
import { type Explanation, explain } from '../../../src/match/conditions/explain.ts';
import { conditionsOf } from './ask.ts';

function explained(ruleset: Json, event: JsonObject): Explanation {
  return explain(conditionsOf(ruleset), viewOfEvent(event));
}

describe('an explanation', () => {
  it('shows each condition with its result, what it saw and why', () => {
    const ruleset = {
      and: [
        { attr: 'status.value', value: 'enabled', negate: true },
        {
          or: [
            { attr: 'asn', op: 'gt', value: 65000 },
            { attr: 'name', op: 'regex', value: '^x' },
          ],
        },
        { attr: 'nope', value: 1 },
        { attr: 'asn', op: 'lt', value: 0 },
      ],
    };
    expect(explained(ruleset, { data: { status: { value: 'disabled' }, asn: 65000, name: 'x1' } })).toEqual({
      op: 'and',
      result: 'error',
      conditions: [
        {
          attr: 'status.value',
          op: 'eq',
          value: 'enabled',
          negate: true,
          result: 'true',
          seen: 'disabled',
          why: 'does not equal the value, and the condition is negated',
        },
        {
          op: 'or',
          result: 'true',
          conditions: [
            {
              attr: 'asn',
              op: 'gt',
              value: 65000,
              negate: false,
              result: 'false',
              seen: 65000,
              why: 'is not greater than the value',
            },
            {
              attr: 'name',
              op: 'regex',
              value: '^x',
              negate: false,
              result: 'true',
              seen: 'x1',
              why: 'matches the pattern from its start',
            },
          ],
        },
        { attr: 'nope', op: 'eq', value: 1, negate: false, result: 'error', why: 'data has no key "nope"' },
        {
          attr: 'asn',
          op: 'lt',
          value: 0,
          negate: false,
          result: 'not_reached',
          why: 'what came before it has decided',
        },
      ],
    });
  });

  it('shows both sides of a change, where they are', () => {
    const snapshots = { prechange: { a: 1 }, postchange: { a: 2, b: 'new' } };
    expect(explained({ attr: 'a', op: 'changed' }, { data: {}, snapshots })).toEqual({
      attr: 'a',
      op: 'changed',
      negate: false,
      result: 'true',
      seen: { prechange: 1, postchange: 2 },
      why: 'differs between the snapshots',
    });
    expect(explained({ attr: 'b', op: 'unchanged' }, { data: {}, snapshots })).toMatchObject({
      result: 'false',
      seen: { postchange: 'new' },
      why: 'differs between the snapshots',
    });
  });

  it.each<[condition: JsonObject, event: JsonObject, part: JsonObject]>([
    [
      { attr: 'a', value: 1 },
      { data: { a: 1 }, unavailable: { data: { a: 'toast' } } },
      { result: 'unknown', why: 'PostgreSQL did not send this unchanged large value' },
    ],
    [
      { attr: 'a', value: 1, negate: true },
      { data: null },
      { result: 'false', why: 'the Event has no data, and nothing about it is true, negated or not' },
    ],
    [
      { attr: 'snapshots.prechange.a', op: 'gt', value: 1 },
      { data: {}, snapshots: { prechange: null, postchange: { a: 2 } } },
      {
        result: 'false',
        seen: null,
        why: 'the row does not exist on that side: null is not greater than the value',
      },
    ],
    [
      { attr: 'snapshots.prechange', value: null, negate: true },
      { data: {}, snapshots: { prechange: { a: 1 }, postchange: { a: 2 } } },
      {
        result: 'true',
        why: 'the snapshot is a row: it does not equal the value, and the condition is negated',
      },
    ],
    [
      { attr: 'd.x.z', value: 1 },
      { data: { d: { x: { y: 1 } } } },
      { result: 'error', why: '"d.x" has no key "z"' },
    ],
    [
      { attr: 'a.b', value: 1 },
      { data: { a: 5 } },
      { result: 'error', why: '"a" is a number, which has no keys' },
    ],
    [
      { attr: 'l.k', value: 1 },
      { data: { l: [{ k: 1 }, null] } },
      { result: 'error', why: 'an element of "l" is null, which has no keys' },
    ],
    [
      { attr: 'snapshots.before.a', value: 1 },
      { data: {} },
      { result: 'error', why: 'there is no such snapshot, only prechange and postchange' },
    ],
    [
      { attr: 'a', op: 'gt', value: 1 },
      { data: { a: 'text' } },
      { result: 'error', seen: 'text', why: 'gt with a number cannot be asked of text' },
    ],
  ])('of %j on %j', (condition, event, part) => {
    const explanation = explained(condition, event);
    expect(explanation).toMatchObject(part);
    expect('seen' in explanation).toBe('seen' in part);
  });

  it('of no conditions says so', () => {
    expect(explain(null, viewOfEvent({}))).toEqual({
      op: 'always',
      result: 'true',
      why: 'there are no conditions',
    });
  });

  it('holds no more than the beginning of a large value', () => {
    const long = 'x'.repeat(1_000_000);
    const many = Array.from({ length: 100_000 }, (_, index) => ({ index }));
    for (const value of [long, many, { long, many }]) {
      const { seen } = explained({ attr: 'a', value: 1 }, { data: { a: value } }) as { seen?: Json };
      expect(seen).toHaveLength(201);
      expect(stringifyJson(value).startsWith(String(seen).slice(0, 200))).toBe(true);
    }
  });

  it('reads no more of a large value than it shows', () => {
    const unread: JsonObject = {
      get far(): Json {
        throw new Error('read');
      },
    };
    const items: Json[] = [...Array.from({ length: 500 }, () => 'item'), unread];
    expect(explained({ attr: 'a', value: 1 }, { data: { a: items } })).toMatchObject({ result: 'false' });
  });

  it('is JSON, integers of any size included', () => {
    const big = 2n ** 70n;
    const explanation = explained({ attr: 'a', value: big }, { data: { a: big } });
    expect(parseJson(stringifyJson(explanation))).toMatchObject({ value: big, seen: big, result: 'true' });
  });
});
