import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../../src/core/json.ts';
import { ask, type Letter, ROW } from './ask.ts';

const yes = { attr: 'a', value: 1 };
const no = { attr: 'a', value: 2 };
const unevaluable = { attr: 'missing', op: 'gt', value: 1 };

describe('sets of conditions', () => {
  it.each<[ruleset: Json, strict: Letter, lenient?: Letter]>([
    [{ and: [] }, 'T'],
    [{ or: [] }, 'F'],
    [{}, 'T'],
    [[], 'T'],
    [null, 'T'],
    ['x', 'X'],
    [{ AND: [yes] }, 'X'],
    [{ Or: [] }, 'X'],
    [{ xor: [] }, 'X'],
    [{ and: [{ or: [] }] }, 'F'],
    [{ and: [{ AND: [yes] }] }, 'X'],
    [{ and: yes }, 'X'],
    [{ and: null }, 'X'],
    [{ and: ['x'] }, 'X'],
    [{ and: [yes], or: [] }, 'X'],
    [{ and: [{ and: [yes], or: [] }] }, 'X'],
    [yes, 'T'],
    [no, 'F'],
    [{ attr: 'a' }, 'X'],
    [{ foo: 'a', value: 1 }, 'X'],
    [{ or: [unevaluable, yes] }, 'E'],
    [{ or: [yes, unevaluable] }, 'T'],
    [{ and: [no, unevaluable] }, 'F'],
    [{ and: [unevaluable, no] }, 'E'],
    [{ or: [{ attr: 'missing', value: 1 }, yes] }, 'E', 'T'],
    [{ or: [no, { and: [yes, unevaluable] }, yes] }, 'E'],
    [{ and: [yes, { or: [yes, unevaluable] }, yes] }, 'T'],
  ])('%j', (ruleset, strict, lenient = strict) => {
    expect(ask(ruleset, { data: ROW }, 'strict')).toBe(strict);
    expect(ask(ruleset, { data: ROW }, 'lenient')).toBe(lenient);
  });

  const nested = (outer: string, inner: string): Json => ({
    [outer]: [
      { attr: 'a', value: 1 },
      {
        [inner]: [
          { attr: 'b', value: 2 },
          { attr: 'c', value: 3 },
        ],
      },
    ],
  });

  it.each<[outer: string, inner: string, results: readonly [string, Letter][]]>([
    [
      'and',
      'and',
      [
        ['123', 'T'],
        ['923', 'F'],
        ['193', 'F'],
        ['129', 'F'],
      ],
    ],
    [
      'or',
      'or',
      [
        ['199', 'T'],
        ['929', 'T'],
        ['993', 'T'],
        ['999', 'F'],
      ],
    ],
    [
      'and',
      'or',
      [
        ['129', 'T'],
        ['193', 'T'],
        ['199', 'F'],
        ['923', 'F'],
      ],
    ],
    [
      'or',
      'and',
      [
        ['199', 'T'],
        ['923', 'T'],
        ['129', 'T'],
        ['929', 'F'],
        ['993', 'F'],
      ],
    ],
  ])('%s over %s', (outer, inner, results) => {
    for (const [[a, b, c], result] of results) {
      const data: JsonObject = { a: Number(a), b: Number(b), c: Number(c) };
      expect(ask(nested(outer, inner), { data }), `${a} ${b} ${c}`).toBe(result);
    }
  });
});
