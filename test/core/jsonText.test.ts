import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { membersOf, objectOf, pythonJson } from '../../src/core/jsonText.ts';

describe('the members of an object as text', () => {
  it.each([
    ['{}', []],
    [
      '{ "a" : 1.10 , "b":[1,{"c":"}"}] }',
      [
        ['a', '1.10'],
        ['b', '[1,{"c":"}"}]'],
      ],
    ],
    [
      '{"q\\"":"\\\\","n":null}',
      [
        ['q"', '"\\\\"'],
        ['n', 'null'],
      ],
    ],
  ])('are cut out of %s', (json, members) => {
    expect(membersOf(json)).toEqual(members);
  });

  it('make the object again, whatever is in it', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const members = membersOf(JSON.stringify(object, null, 1));
        expect(JSON.parse(objectOf(members))).toEqual(JSON.parse(JSON.stringify(object)));
      }),
    );
  });
});

describe('JSON as Python writes it', () => {
  it.each([
    ['{"a":[1,2],"b":{}}', '{"a": [1, 2], "b": {}}'],
    ['{ "a" : "x,y: z" }', '{"a": "x,y: z"}'],
    ['"Péer \\"One\\""', '"P\\u00e9er \\"One\\""'],
    ['"😀"', '"\\ud83d\\ude00"'],
    ['[1.10,12345678901234567890]', '[1.10, 12345678901234567890]'],
  ])('%s is %s', (json, text) => {
    expect(pythonJson(json)).toBe(text);
  });

  it('says the same', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = JSON.stringify(value);
        expect(JSON.parse(pythonJson(json))).toEqual(JSON.parse(json));
      }),
    );
  });
});
