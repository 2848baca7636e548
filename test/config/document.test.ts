import { describe, expect, it } from 'vitest';
import { parseConfigDocument } from '../../src/config/document.ts';
import type { VariableSource } from '../../src/config/variables.ts';

const source: VariableSource = {
  env: { NAME: 'value', EIGHT: '8', EVIL: 'a: b\n- c' },
  readFile: () => {
    throw new Error('ENOENT');
  },
};
const parse = (text: string) => parseConfigDocument(text, source);

describe('the file as YAML', () => {
  it('gives its content, with variables resolved on scalars and as written', () => {
    const document = parse('a: ${NAME}\nlist: [1, "${EIGHT}", true, null]\n');
    expect(document).toMatchObject({
      value: { a: 'value', list: [1, '8', true, null] },
      unresolved: { a: '${NAME}', list: [1, '${EIGHT}', true, null] },
      mistakes: [],
      missingVariables: [],
    });
    expect(document.variableTexts).toEqual(new Set(['value', '8']));
  });

  it('never lets a variable become structure', () => {
    expect(parse('a: ${EVIL}\nb: 1').value).toEqual({ a: 'a: b\n- c', b: 1 });
  });

  it('leaves keys as they are written', () => {
    expect(parse('"${NAME}": 1').value).toEqual({ '${NAME}': 1 });
  });

  it('names the path and line of what is missing', () => {
    expect(parse('a: 1\nlist:\n  - x\n  - y: ${GONE} and ${file:/none}\n').missingVariables).toEqual([
      { path: 'list[1].y', line: 4, message: 'the variable GONE is not set' },
      { path: 'list[1].y', line: 4, message: 'the file /none cannot be read' },
    ]);
  });

  it('knows the line of a path, and of the nearest parent of one that is not there', () => {
    const { line } = parse('# comment\na:\n  b:\n    - 1\n    - c: 2\n\nd: {e: 3}\n');
    expect(line(['a', 'b'])).toBe(4);
    expect(line(['a', 'b', 1, 'c'])).toBe(5);
    expect(line(['a', 'b', 1, 'missing'])).toBe(5);
    expect(line(['d', 'e'])).toBe(7);
    expect(line(['d', 'missing', 'deeper'])).toBe(7);
    expect(line(['missing'])).toBe(2);
    expect(line([])).toBe(2);
  });

  it.each([
    ['an unclosed list', 'a: [1, 2\nb: 3', 2],
    ['a tab as indentation', 'a:\n\tb: 1', 2],
    ['a key written twice', 'a: 1\nb: 2\na: 3', 3],
    ['a nested key written twice', 'x:\n  a: 1\n  a: 3', 3],
    ['two documents', 'a: 1\n---\nb: 2', 2],
    ['a tag that would be code', 'a: 1\nb: !!js/function "function () { return 1 }"', 2],
    ['a tag of someone', 'a: !custom x', 1],
    ['text after a quoted scalar', 'a: "b" c', 1],
  ])('refuses %s, with its line', (_what, text, line) => {
    const document = parse(text);
    expect(document.value).toBeNull();
    expect(document.mistakes[0]).toMatchObject({ path: '', line });
    expect(document.mistakes[0]?.message).toMatch(/^not valid YAML: \S/);
  });

  it('says that an alias names nothing, and where', () => {
    const [mistake] = parse('a: 1\nb: *nowhere').mistakes;
    expect(mistake).toMatchObject({ line: 2, message: expect.stringContaining('nowhere') });
  });

  it('refuses a bomb of aliases quickly', () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i}, `.repeat(9)}*l${i}]`,
    );
    const startedMs = performance.now();
    const document = parse(`l0: &l0 [x, x]\n${levels.join('\n')}`);
    expect(performance.now() - startedMs).toBeLessThan(3_000);
    expect(document).toMatchObject({
      value: null,
      mistakes: [{ message: 'expected fewer expansions of aliases' }],
    });
  });

  it('expands aliases that share a block, with the variables in it', () => {
    expect(parse('a: &shared {x: "${NAME}"}\nb: *shared\nc: [*shared, *shared]').value).toEqual({
      a: { x: 'value' },
      b: { x: 'value' },
      c: [{ x: 'value' }, { x: 'value' }],
    });
  });

  it('merges keys, one map or several, its own keys winning', () => {
    const text =
      'base: &base {a: 1, b: "${NAME}"}\nmore: &more {c: 3, a: 9}\none: {<<: *base, a: 5}\ntwo:\n  <<: [*base, *more]\n';
    expect(parse(text).value).toMatchObject({ one: { a: 5, b: 'value' }, two: { a: 1, b: 'value', c: 3 } });
  });

  it('keeps every digit of an integer, and the keys of objects as text', () => {
    expect(
      parse('a: 9223372036854775807\nb: 9007199254740991\nc: -7\nd: 0x1F\ne: 1.5\nf: .inf\n7: x').value,
    ).toEqual({
      a: 9223372036854775807n,
      b: 9007199254740991,
      c: -7,
      d: 31,
      e: 1.5,
      f: Number.POSITIVE_INFINITY,
      '7': 'x',
    });
  });

  it('reads YAML 1.2: yes, no, on and octal-looking numbers are texts and decimals', () => {
    expect(parse('a: yes\nb: on\nc: no\nd: 010\ne: 12:30:45').value).toEqual({
      a: 'yes',
      b: 'on',
      c: 'no',
      d: 10,
      e: '12:30:45',
    });
  });

  it('reads a file with a byte order mark and Windows line ends', () => {
    const document = parse('\ufeffa: 1\r\nb:\r\n  c: ${GONE}\r\n');
    expect(document.value).toEqual({ a: 1, b: { c: '${GONE}' } });
    expect(document.missingVariables[0]?.line).toBe(3);
  });

  it('keeps __proto__ and constructor as ordinary keys', () => {
    const value = parse('__proto__: {polluted: true}\nconstructor: 1\n').value as object;
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it.each([
    ['an empty file', ''],
    ['a comment only', '# nothing\n'],
  ])('is null for %s', (_what, text) => {
    expect(parse(text)).toMatchObject({ value: null, mistakes: [] });
  });

  it('refuses a file that is no configuration by its size', () => {
    expect(parse(`a: ${'x'.repeat(5 * 1_048_576)}`).mistakes).toMatchObject([{ path: '' }]);
  });

  it.each([
    ['brackets', `a: ${'['.repeat(20_000)}${']'.repeat(20_000)}`],
    ['brackets that never close', `a: ${'{a: ['.repeat(20_000)}`],
    ['dashes', '- '.repeat(20_000)],
    ['indentation', Array.from({ length: 700 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
  ])('refuses deep nesting of %s', (_what, text) => {
    expect(parse(text).mistakes).toEqual([
      { path: '', line: null, message: expect.stringContaining('500 levels of nesting') },
    ]);
  });

  it('counts no brackets and dashes that stand in texts or in a row', () => {
    const list = Array.from({ length: 600 }, (_, i) => `- [${i}, "[[[", '{{{']`).join('\n');
    expect(parse(`a: "${'['.repeat(600)}"\nb: |\n  ${'- '.repeat(600)}\nc:\n${list}`).mistakes).toEqual([]);
  });
});
