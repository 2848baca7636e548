import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';

import type { JsonObject } from '../../src/core/json.ts';
import { compileTemplate } from '../../src/template/engine.ts';
import { TemplateError } from '../../src/template/templateError.ts';
import { hostileData } from './attackCases.ts';

const MAX_MS = 100;
const LEAK = /\[native code\]|\[object [A-Z]/;

const name = fc.constantFrom(
  ...['row', 'nope', 'x', 'y', 'ns', 'm', 'loop', 'caller', 'range', 'dict', 'cycler', 'namespace', 'joiner'],
  ...[
    'constructor',
    '__proto__',
    'toString',
    'valueOf',
    'process',
    'globalThis',
    'env',
    'now',
    'deep',
    'varargs',
  ],
);
const attribute = fc.constantFrom(
  ...[
    'name',
    'tags',
    'items',
    'constructor',
    '__proto__',
    'prototype',
    'call',
    'apply',
    'bind',
    'length',
    'big',
  ],
  ...['upper', 'format', 'join', 'get', 'update', 'append', 'next', 'index', 'cycle', 'keys', 'pop', 'split'],
);
const filter = fc.constantFrom(
  ...[
    'upper',
    'list',
    'join',
    'map("upper")',
    'map(attribute="constructor")',
    'tojson',
    'sort',
    'groupby("__proto__")',
  ],
  ...[
    'center(99999999)',
    'indent(9999)',
    'replace("a", "b")',
    'batch(2)',
    'slice(3)',
    'sum',
    'safe',
    'e',
    'int',
  ],
  ...[
    'attr("constructor")',
    'selectattr("constructor")',
    'dictsort',
    'pprint',
    'format(1)',
    'unique',
    'reverse',
  ],
  ...[
    'xmlattr',
    'urlencode',
    'urlize',
    'striptags',
    'wordwrap(3)',
    'truncate(3)',
    'default("d")',
    'length',
    'max',
  ],
  ...[
    'hmac_sha256("k")',
    'strftime("%c")',
    'items',
    'first',
    'last',
    'round(3)',
    'float',
    'abs',
    'string',
    'random',
  ],
);
const literal = fc.oneof(
  fc.integer({ min: -5, max: 20_000_000 }).map(String),
  fc.constantFrom(
    '1.5',
    '1e300',
    '2 ** 70',
    'true',
    'none',
    '[]',
    '{}',
    '(1, 2)',
    '"a"',
    "'{0.constructor}'",
    "'%999999s'",
  ),
  fc.string({ maxLength: 12 }).map((text) => JSON.stringify(text)),
);

const { expression } = fc.letrec<{ expression: string; operand: string }>((tie) => ({
  operand: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    literal,
    name,
    fc.tuple(tie('operand'), attribute).map(([target, key]) => `${target}.${key}`),
    fc.tuple(tie('operand'), attribute).map(([target, key]) => `${target}["${key}"]`),
    fc.tuple(tie('operand'), tie('expression')).map(([target, key]) => `${target}[${key}]`),
    fc.tuple(tie('operand'), tie('expression')).map(([callee, argument]) => `${callee}(${argument})`),
    fc.tuple(tie('operand'), attribute, tie('expression')).map(([a, key, b]) => `${a}.${key}(${b})`),
    fc.tuple(tie('operand'), filter).map(([target, by]) => `${target}|${by}`),
    tie('expression').map((inner) => `(${inner})`),
    tie('expression').map((inner) => `[${inner}]`),
    fc.tuple(attribute, tie('expression')).map(([key, value]) => `{"${key}": ${value}}`),
  ),
  expression: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('operand'),
    fc
      .tuple(
        tie('operand'),
        fc.constantFrom('+', '*', '~', '-', '/', '//', '%', '**', '<', '==', 'in', 'and', 'or'),
        tie('operand'),
      )
      .map(([left, operator, right]) => `${left} ${operator} ${right}`),
    fc.tuple(tie('operand'), tie('operand'), tie('operand')).map(([a, b, c]) => `${a} if ${b} else ${c}`),
    tie('operand').map((operand) => `not ${operand}`),
    fc.tuple(tie('operand'), tie('operand')).map(([a, b]) => `${a}[${b}:${a}]`),
  ),
}));

const { template } = fc.letrec<{ template: string; statement: string }>((tie) => ({
  statement: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.string({ maxLength: 8 }),
    expression.map((value) => `{{ ${value} }}`),
    fc.tuple(name, expression).map(([target, value]) => `{% set ${target} = ${value} %}`),
    fc.tuple(attribute, expression).map(([key, value]) => `{% set ns.${key} = ${value} %}`),
    fc.tuple(name, tie('template')).map(([target, body]) => `{% set ${target} %}${body}{% endset %}`),
    fc.tuple(expression, tie('template')).map(([value, body]) => `{% if ${value} %}${body}{% endif %}`),
    fc
      .tuple(name, expression, tie('template'))
      .map(([x, of, body]) => `{% for ${x} in ${of} %}${body}{% endfor %}`),
    fc
      .tuple(expression, tie('template'))
      .map(([of, body]) => `{% for x in ${of} recursive %}${body}{{ loop(x) }}{% endfor %}`),
    tie('template').map((body) => `{% for x in range(10000) %}${body}{% endfor %}`),
    fc.tuple(name, tie('template')).map(([m, body]) => `{% macro ${m}(x=1) %}${body}{% endmacro %}`),
    fc.tuple(name, tie('template')).map(([m, body]) => `{% call ${m}(1) %}${body}{% endcall %}`),
    fc.tuple(filter, tie('template')).map(([by, body]) => `{% filter ${by} %}${body}{% endfilter %}`),
    fc
      .tuple(name, expression, tie('template'))
      .map(([x, of, body]) => `{% with ${x} = ${of} %}${body}{% endwith %}`),
    tie('template').map((body) => `{% autoescape true %}${body}{% endautoescape %}`),
    expression.map((value) => `{% do ${value} %}`),
  ),
  template: fc.array(tie('statement'), { maxLength: 4 }).map((parts) => parts.join('')),
}));

interface Outcome {
  readonly text: string | null;
  readonly error: unknown;
  readonly ms: number;
}

function attempt(source: string, data: JsonObject): Outcome {
  const start = performance.now();
  try {
    const text = compileTemplate(source, { path: 'fuzz', undefined: 'lenient' }).render(data);
    return { text, error: null, ms: performance.now() - start };
  } catch (error) {
    return { text: null, error, ms: performance.now() - start };
  }
}

function holds(source: string): void {
  let outcome = attempt(source, hostileData);
  for (let again = 0; again < 3 && outcome.ms > MAX_MS; again += 1) outcome = attempt(source, hostileData);
  if (outcome.error !== null) expect(outcome.error).toBeInstanceOf(TemplateError);
  if (outcome.error instanceof TemplateError)
    expect(outcome.error.message).not.toMatch(/engine failed|cannot be compiled/);
  if (outcome.text !== null) expect(outcome.text.replaceAll(source, '')).not.toMatch(LEAK);
  expect(outcome.ms).toBeLessThan(MAX_MS);
  expect(Reflect.get({}, 'polluted')).toBeUndefined();
}

describe('any template', () => {
  const inherited = Object.getOwnPropertyNames(Object.prototype).sort();

  it('made by the grammar ends in text or a coded error, in time', () => {
    fc.assert(
      fc.property(fc.constant('{% set ns = namespace() %}'), template, (head, body) => holds(head + body)),
      {
        numRuns: 1_500,
      },
    );
  });

  it('made of arbitrary tokens ends in text or a coded error, in time', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '{{',
        '}}',
        '{%',
        '%}',
        '{#',
        '#}',
        '{%-',
        '-%}',
        'raw',
        'endraw',
        'if',
        'for',
        'in',
        'endfor',
      ),
      fc.constantFrom(
        'set',
        '=',
        '(',
        ')',
        '[',
        ']',
        '{',
        '}',
        '|',
        '.',
        ',',
        ':',
        '~',
        '"',
        "'",
        '\\',
        'is',
        'not',
      ),
      fc.constantFrom(
        ' ',
        '\n',
        'x',
        '1',
        'else',
        'elif',
        'macro',
        'call',
        'recursive',
        'and',
        '**',
        '*',
        '-',
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
    );
    const source = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(' '));
    fc.assert(fc.property(source, holds), { numRuns: 2_000 });
  });

  it('renders any JSON it is given', () => {
    const json = fc.jsonValue({ maxDepth: 4 });
    const source = '{{ v }}{{ v|tojson }}{{ v|pprint }}{% for x in [v] %}{{ x|string|length }}{% endfor %}';
    const compiled = compileTemplate(source, { path: 'fuzz', undefined: 'strict' });
    fc.assert(
      fc.property(json, (v) => {
        expect(compiled.render({ v } as JsonObject)).not.toMatch(/\[object /);
      }),
    );
  });

  afterAll(() => {
    expect(Object.getOwnPropertyNames(Object.prototype).sort()).toEqual(inherited);
  });
});
