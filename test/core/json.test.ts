import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Json, jsonString, parseJson, stringifyJson } from '../../src/core/json.ts';

describe('lossless JSON', () => {
  it.each([
    ['9223372036854775807', 9223372036854775807n],
    ['-9223372036854775808', -9223372036854775808n],
    ['12345678901234567890', 12345678901234567890n],
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['1.10', 1.1],
    ['-0', -0],
    ['1e3', 1000],
    [String.raw`"\u0000\ud800\\\" \/"`, '\u0000\ud800\\" /'],
    [' [ 1 , {"a" : null } ] ', [1, { a: null }]],
  ])('reads %s', (text, value) => {
    expect(parseJson(text)).toEqual(value);
  });

  it.each([
    '',
    '{',
    '[1,]',
    '{"a":1,}',
    '01',
    '1.',
    '+1',
    "'a'",
    '"\t"',
    '"\\x"',
    'nul',
    '1 2',
    '{a:1}',
    '"a',
  ])('refuses %j', (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });

  it('keeps __proto__ and constructor as data', () => {
    const value = parseJson('{"__proto__": {"polluted": true}, "constructor": 1}') as Record<string, Json>;
    expect(Object.getPrototypeOf(value)).toBeNull();
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(stringifyJson(value)).toBe('{"__proto__":{"polluted":true},"constructor":1}');
  });

  it('refuses nesting that would exhaust the stack', () => {
    expect(() => parseJson('['.repeat(100_000))).toThrow(/nested deeper/);
  });

  it('agrees with JSON.parse on every value that a double can hold', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(JSON.parse(stringifyJson(parseJson(text)))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('writes texts as JSON.stringify does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(jsonString(text)).toBe(JSON.stringify(text));
      }),
    );
  });
});
