import { describe, expect, it } from 'vitest';
import { StartPattern } from '../../../src/match/conditions/startPattern.ts';

function compile(source: string): () => StartPattern {
  return () => new StartPattern(source);
}

describe('patterns match from the start of a text, as in Python', () => {
  // Each row's answers are those of CPython 3.11's re.match.
  it.each<[pattern: string, matching: readonly string[], other: readonly string[]]>([
    ['b', ['b', 'bc'], ['ab', '', '\nb']],
    ['a|bc', ['a', 'bcd'], ['b', 'xbc']],
    ['', ['', 'x'], []],
    ['abc$', ['abc', 'abc\n'], ['abcd', 'abc\n\n']],
    [String.raw`abc\Z`, ['abc'], ['abc\n']],
    ['(?m)a$', ['a\nb', 'a'], ['ab']],
    ['(?m).*\n^b', ['a\nb'], ['ab']],
    ['(?m)(?-m:a$)', ['a', 'a\n'], ['a\nb']],
    ['(?m:x$)\n(?m:a)$', ['x\na', 'x\na\n'], ['x\na\nb']],
    ['.+b', ['aab'], ['a\nb', 'b']],
    ['(?s).+b', ['a\nb'], []],
    ['(?i)É', ['é', 'É'], ['e']],
    ['(?i:a)b', ['Ab', 'ab'], ['aB']],
    ['(?i)a(?-i:b)', ['Ab'], ['AB']],
    ['(?P<year>[0-9]{4})-(?P<month>[0-9]{2})', ['2024-05'], ['24-05']],
    [String.raw`\d+`, ['7', '٣'], ['x']],
    [String.raw`(?a)\d+`, ['7'], ['٣']],
    [String.raw`\w+-`, ['Péer_1-'], ['-', '\u0301-']],
    [String.raw`(?a)\w+-`, ['Peer-'], ['Péer-']],
    [String.raw`\W`, ['-', '\u0301'], ['é', '_', '1']],
    [String.raw`[^\W\d_]`, ['é', 'a'], ['1', '_', '-']],
    [String.raw`[\W_]`, ['_', '-', '\u203f'], ['a']],
    [String.raw`\s`, [' ', '\u00a0', '\x1c', '\u3000'], ['a', '\u200b']],
    [String.raw`[\S]`, ['a', '\u200b', '😀'], [' ', '\u00a0']],
    [String.raw`\D\S`, ['ab'], ['1b', 'a ']],
    [String.raw`foo\b`, ['foo', 'foo-'], ['foobar']],
    [String.raw`foo\B`, ['foobar'], ['foo']],
    ['a{,2}b', ['b', 'ab', 'aab'], ['aaab']],
    ['a{2}', ['aa'], ['a', 'a{2}']],
    ['a{,}b', ['b', 'aaab'], []],
    ['a{b', ['a{b'], ['ab']],
    ['a{}', ['a{}'], ['a']],
    ['x*?y', ['xxy', 'y'], ['xx']],
    [']}', [']}'], []],
    ['[]a]', [']', 'a'], ['b']],
    ['[^]a]', ['b'], [']', 'a']],
    ['[[:a]', ['[', ':', 'a'], ['b']],
    ['[a-]', ['a', '-'], ['b']],
    [String.raw`[\]\-\\^]`, [']', '-', '\\', '^'], ['a']],
    [String.raw`[\b]`, ['\b'], ['b']],
    [String.raw`\x41\u00e9\U0001F600`, ['Aé😀'], []],
    [String.raw`\101\0`, ['A\0'], ['101']],
    [String.raw`[\101-\103]`, ['A', 'C'], ['D']],
    [String.raw`\.\*\ \/\-`, ['.* /-'], ['abc']],
    [String.raw`\t\n\r\f\v\a`, ['\t\n\r\f\v\x07'], []],
    ['a(?#a comment)b', ['ab'], []],
    ['😀+$', ['😀😀'], ['😀x']],
    ['(a|b)*c', ['abac', 'c'], ['abad']],
  ])('%s', (source, matching, other) => {
    const pattern = new StartPattern(source);
    for (const text of matching) expect(pattern.matches(text), JSON.stringify(text)).toBe(true);
    for (const text of other) expect(pattern.matches(text), JSON.stringify(text)).toBe(false);
  });
});

describe('patterns that are refused', () => {
  it.each<[pattern: string, why: RegExp]>([
    ['a(?=b)', /look-ahead .* offset 1 /],
    ['a(?!b)', /look-ahead/],
    ['(?<=a)b', /look-behind/],
    ['(?<!a)b', /look-behind/],
    [String.raw`(a)\1`, /back-reference .* offset 3 /],
    ['(?P<n>a)(?P=n)', /back-reference/],
    ['(a)?(?(1)b|c)', /conditional group/],
    ['(?>a)', /atomic group/],
    ['a++', /possessive/],
    ['a{2}+', /possessive/],
    ['(?x) a', /verbose mode/],
    ['(?L)a', /Python refuses/],
    ['(?au)a', /Python refuses/],
    ['a(?i)b', /at its start/],
    ['(?-i)a', /a flag or a colon/],
    ['(?<n>a)', /Python has no such group/],
    ['(?P<n>a)(?P<n>b)', /used twice/],
    ['(?P<1>a)', /group name/],
    ['(?#a', /comment is not closed/],
    ['(a', /not closed .*offset 0 /],
    ['a)', /closes no group/],
    ['[', /class is not closed/],
    ['[a', /class is not closed/],
    ['[z-a]', /range/],
    [String.raw`[a-\d]`, /range/],
    ['*a', /nothing to repeat/],
    ['a**', /nothing to repeat/],
    ['^*', /nothing to repeat/],
    ['a|*', /nothing to repeat/],
    [String.raw`\p{L}`, /escape \\p is not known/],
    [String.raw`\Q.\E`, /escape \\Q/],
    [String.raw`\N{DASH}`, /escape \\N/],
    [String.raw`\x4`, /escape \\x/],
    [String.raw`\U00110000`, /names no character/],
    ['\\', /escapes nothing/],
    ['a{3,2}', /repeat count/],
    ['a{1001}', /repeat count/],
    ['((a{100}){100}){100}', /repeat count/],
    ['a'.repeat(1_001), /at most 1000 characters/],
  ])('%s', (source, why) => {
    expect(compile(source)).toThrow(SyntaxError);
    expect(compile(source)).toThrow(why);
  });

  it('include none that exhausts the stack', () => {
    expect(new StartPattern(`${'('.repeat(400)}a${')'.repeat(400)}`).matches('a')).toBe(true);
  });
});

describe('the time of a match', () => {
  const evil = `${'a'.repeat(100_000)}!`;

  it.each([
    '(a+)+$',
    '(a|a)*$',
    '(a|aa)+$',
    '(.*a){20}x',
    '([a-z]+)*=',
    '(a?){50}a{50}$',
  ])('is linear for %s', (source) => {
    const pattern = new StartPattern(source);
    pattern.matches('aa');
    // The fastest of a few: on a busy machine others have their turns in between.
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      expect(pattern.matches(evil)).toBe(false);
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(100);
  });

  it('is bounded by the size of the pattern times the length of the text', () => {
    const small = new StartPattern('a');
    const large = new StartPattern('(?:[ab]*a[ab]{200}[cd])');
    expect(small.maxText).toBeGreaterThan(1024 * 1024);
    expect(large.maxText).toBeLessThan(small.maxText / 20);
  });
});
