import { describe, expect, it } from 'vitest';

import type { JsonObject } from '../../src/core/json.ts';
import { compileTemplate } from '../../src/template/engine.ts';
import { TemplateError } from '../../src/template/templateError.ts';

const data: JsonObject = {
  float: 1.0,
  digits: { 10: 1, 2: 2 },
  row: { items: 'a column', count: 7, name: 'x' },
  one: 1,
  l: [1, 2],
};

/**
 * Every known difference from Jinja2 3.1.6: what it does, and what walhook does instead. (Powers of floats
 * may differ in the last digit too, as the JavaScript engine computes them.)
 */
const differences: readonly (readonly [why: string, template: string, jinja2: string, walhook: string])[] = [
  ['a column is not hidden by a method of its name', '{{ row.items }}', '<built-in method…>', 'a column'],
  ['a column is not hidden by a method of its name', '{{ row.count }}', '<built-in method…>', '7'],
  ['a function prints as nothing', '[{{ range }}]', "[<class 'range'>]", '[]'],
  ['a macro prints as nothing', '{% macro m() %}{% endmacro %}[{{ m }}]', "[<Macro 'm'>]", '[]'],
  [
    'an iterator prints without its address',
    '{{ l|map("string") }}',
    '<generator object…0x…>',
    '<generator object>',
  ],
  ['a range has 10,000 elements at most', '{{ range(20000)|length }}', '20000', 'OverflowError'],
  ['an integer has 4,300 digits at most', '{{ (10 ** 5000) > 1 }}', 'True', 'OverflowError'],
  ['other templates are out of reach', '{% block a %}x{% endblock %}', 'x', 'TemplateSyntaxError'],
  ['there is no template reference', '{{ self is defined }}', 'True', 'False'],
  ['there is no lipsum', '{{ lipsum is defined }}', 'True', 'False'],
  [
    'unknown filters are refused at once',
    '{% if false %}{{ 1|nope }}{% endif %}',
    '',
    'TemplateAssertionError',
  ],
  ['unknown methods are refused at once', '{% if false %}{{ one.nope() }}{% endif %}', '', 'UndefinedError'],
  ['only names and methods can be called', '{{ [range][0](2)|list }}', '[0, 1]', 'SecurityError'],
  ['a computed name finds no method', "{{ row['ke' ~ 'ys'] is defined }}", 'True', 'False'],
  ['there are no complex numbers', '{{ (-one) ** 0.5 }}', '(6.1…e-17+1j)', 'TypeError'],
  ['there are no bytes', "{{ 'a'.encode() }}", "b'a'", 'UndefinedError'],
  ['views of dicts are no sets', '{{ row.keys() - ["name", "count"] }}', "{'items'}", 'TypeError'],
  ['an integral float in JSON is an int', '{{ float }}', '1.0', '1'],
  [
    'keys that are integers come first and in order',
    '{{ digits }}',
    "{'10': 1, '2': 2}",
    "{'2': 2, '10': 1}",
  ],
  ['an empty subscript is an error at once', '{{ l[] }}', 'UndefinedError', 'TemplateSyntaxError'],
  ['break outside of a loop has Jinja2’s class', '{% break %}', 'SyntaxError', 'TemplateSyntaxError'],
  ['an unclosed raw tag is an error', '{% raw %}', '', 'TemplateSyntaxError'],
  ['constants are not folded', '{{ none[1:] }}', '', 'TypeError'],
  [
    'a dict may change while it is walked',
    '{% for k in row %}{% do row.update(z=1) %}{% endfor %}ok',
    'RuntimeError',
    'ok',
  ],
];

function outcome(template: string): string {
  try {
    return compileTemplate(template, { path: 'difference', undefined: 'lenient' }).render(data);
  } catch (error) {
    if (error instanceof TemplateError) return error.problem.exception;
    throw error;
  }
}

describe('where walhook differs from Jinja2', () => {
  it.each(differences)('%s: %s', (_why, template, _jinja2, walhook) => {
    expect(outcome(template)).toBe(walhook);
  });
});
