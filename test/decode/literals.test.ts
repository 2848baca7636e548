import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonString } from '../../src/core/json.ts';
import { parseArray, parseComposite } from '../../src/decode/literals.ts';

const texts = (text: string, delimiter = ',') => parseArray(text, delimiter, jsonString);
const numbers = (text: string) => parseArray(text, ',', (element) => element);
const composite = (text: string, ...names: string[]) =>
  parseComposite(
    text,
    names.map((name) => ({ prefix: `${jsonString(name)}:`, encode: jsonString })),
  );

describe('an array literal', () => {
  it.each([
    ['{}', '[]'],
    ['{1,2,3}', '[1,2,3]'],
    ['{1,NULL,3}', '[1,null,3]'],
    ['{{1,2},{3,4}}', '[[1,2],[3,4]]'],
    ['{{{{{{1}}}}}}', '[[[[[[1]]]]]]'],
    ['{{NULL},{NULL}}', '[[null],[null]]'],
    ['[0:1]={1,2}', '[1,2]'],
    ['[-5:-4][1:2]={{1,2},{3,4}}', '[[1,2],[3,4]]'],
  ])('%s → %s', (text, json) => {
    expect(numbers(text)).toBe(json);
  });

  it.each([
    ['{a,b}', ['a', 'b']],
    ['{""}', ['']],
    ['{"NULL",NULL,null}', ['NULL', null, 'null']],
    ['{"a,b","c}d","{e"}', ['a,b', 'c}d', '{e']],
    [String.raw`{"a\"b","a\\b"}`, ['a"b', 'a\\b']],
    ['{"a b"," c "}', ['a b', ' c ']],
    ['{"line\nend"}', ['line\nend']],
    ['{🐘,"é"}', ['🐘', 'é']],
    ['[2:3]={"[0:1]={x}",y}', ['[0:1]={x}', 'y']],
    [String.raw`{a\,b}`, ['a,b']],
  ])('%s has the texts %j', (text, values) => {
    expect(JSON.parse(texts(text))).toEqual(values);
  });

  it('of boxes is cut at semicolons', () => {
    expect(JSON.parse(texts('{(1,1),(0,0);(3,3),(2,2)}', ';'))).toEqual(['(1,1),(0,0)', '(3,3),(2,2)']);
  });

  it('gives back any texts that PostgreSQL would write', () => {
    type Nested = (string | null)[] | Nested[];
    const write = (value: Nested | string | null): string => {
      if (value === null) return 'NULL';
      if (Array.isArray(value)) return `{${value.map(write).join(',')}}`;
      const needsQuotes = value === '' || /^null$/i.test(value) || /[\s{},"\\]/.test(value);
      return needsQuotes ? `"${value.replaceAll(/["\\]/g, '\\$&')}"` : value;
    };
    const flat = fc.array(fc.option(fc.string({ unit: 'binary-ascii' })), { minLength: 1 });
    const nested = fc.array(flat, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.oneof(flat, nested), (value) => {
        expect(JSON.parse(texts(write(value as Nested)))).toEqual(value);
      }),
    );
  });
});

describe('a composite literal', () => {
  it.each([
    ['(1,2)', ['a', 'b'], { a: '1', b: '2' }],
    ['(,)', ['a', 'b'], { a: null, b: null }],
    ['()', ['a'], { a: null }],
    ['()', [], {}],
    ['("",x)', ['a', 'b'], { a: '', b: 'x' }],
    ['("a,b","c)d")', ['a', 'b'], { a: 'a,b', b: 'c)d' }],
    ['("say ""hi""","back\\\\slash")', ['a', 'b'], { a: 'say "hi"', b: 'back\\slash' }],
    ['("(1,""two words"")",3)', ['inner', 'b'], { inner: '(1,"two words")', b: '3' }],
    ['(NULL,null)', ['a', 'b'], { a: 'NULL', b: 'null' }],
    ['("{1,2}",)', ['list', 'b'], { list: '{1,2}', b: null }],
    ['(" x ","\n")', ['a', 'b'], { a: ' x ', b: '\n' }],
  ])('%s is %j %j', (text, names, value) => {
    expect(JSON.parse(composite(text, ...names))).toEqual(value);
  });

  it('with fewer fields than the catalog knows now keeps those it has', () => {
    expect(JSON.parse(composite('(1)', 'a', 'b', 'c'))).toEqual({ a: '1', b: null, c: null });
  });

  // Which of them is gone cannot be told: a name would stand beside the value of another.
  it('with more fields than the catalog knows now stays as it is', () => {
    expect(JSON.parse(composite('(1,2,3)', 'a'))).toBe('(1,2,3)');
  });

  it('gives back any texts that PostgreSQL would write', () => {
    const write = (values: readonly (string | null)[]) =>
      `(${values
        .map((value) => {
          if (value === null) return '';
          const needsQuotes = value === '' || /[\s(),"\\]/.test(value);
          return needsQuotes ? `"${value.replaceAll(/["\\]/g, '$&$&')}"` : value;
        })
        .join(',')})`;
    fc.assert(
      fc.property(fc.array(fc.option(fc.string({ unit: 'binary-ascii' })), { minLength: 1 }), (values) => {
        const names = values.map((_, i) => `f${i}`);
        expect(JSON.parse(composite(write(values), ...names))).toEqual(
          Object.fromEntries(values.map((value, i) => [`f${i}`, value])),
        );
      }),
    );
  });
});

describe('text that is no literal', () => {
  it('ends in some answer or an error, never in a hang', () => {
    const hostile = fc.string({
      unit: fc.constantFrom('{', '}', '"', '\\', ',', '(', ')', '[', ']', '=', 'x'),
      maxLength: 60,
    });
    fc.assert(
      fc.property(hostile, (text) => {
        expect(() => JSON.parse(texts(text))).not.toThrow();
        expect(() => JSON.parse(composite(text, 'a', 'b'))).not.toThrow();
      }),
      { numRuns: 2_000 },
    );
  });
});
