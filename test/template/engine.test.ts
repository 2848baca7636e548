import { describe, expect, it } from 'vitest';

import { WalhookError } from '../../src/core/errors.ts';
import { type JsonObject, parseJson } from '../../src/core/json.ts';
import { compileTemplate, type Template, type TemplateOptions } from '../../src/template/engine.ts';
import { TemplateError } from '../../src/template/templateError.ts';

const SECRET = 'row-data-that-must-not-show';

function compile(source: string, options: Partial<TemplateOptions> = {}): Template {
  return compileTemplate(source, { path: 'webhooks[0].body_template', undefined: 'lenient', ...options });
}

function render(source: string, data: JsonObject = {}, options: Partial<TemplateOptions> = {}): string {
  return compile(source, options).render(data);
}

function failure(act: () => unknown): TemplateError {
  try {
    act();
  } catch (error) {
    if (error instanceof TemplateError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a template that cannot be compiled', () => {
  it.each([
    ['{{ a b }}', 1, 6, '{{ a b }}', 'TemplateSyntaxError'],
    ['line\n  {% for x in %}', 2, 15, '{% for x in %}', 'TemplateSyntaxError'],
    ['a\nb {{ x|nope }}', 2, 7, '{{ x|nope }}', 'TemplateAssertionError'],
    ['{{ x is nope }}', 1, 6, '{{ x is nope }}', 'TemplateAssertionError'],
    ['{% include "x" %}', 1, 4, '{% include "x" %}', 'TypeError'],
    ['{% if x %}', 1, 9, '{% if x %}', 'TemplateSyntaxError'],
    ['{{ x.constructor() }}', 1, 5, '{{ x.constructor() }}', 'UndefinedError'],
    ['{{ "open }}', 1, 4, '{{ "…"', 'TemplateSyntaxError'],
    ['{{ (1] }}', 1, 6, '{{ (1] }}', 'TemplateSyntaxError'],
    ['{# open', 1, 1, '{# open', 'TemplateSyntaxError'],
  ])('says where and why: %j', (source, line, column, expression, exception) => {
    const error = failure(() => compile(source));
    expect(error.code).toBe('TEMPLATE_INVALID');
    expect(error).toBeInstanceOf(WalhookError);
    expect(error.problem).toMatchObject({ line, column, expression, exception });
    expect(error.message).toContain(`webhooks[0].body_template, line ${line}, column ${column}`);
  });

  it('does not show a signing key', () => {
    const error = failure(() => compile(`{{ x|hmac_sha256("${SECRET}")|nope }}`));
    expect(error.message).not.toContain(SECRET);
    expect(error.problem.expression).toBe('{{ x|hmac_sha256(…)|nope }}');
  });

  it('is refused for its length alone', () => {
    expect(failure(() => compile('x'.repeat(64 * 1024 + 1))).message).toMatch(/65537 characters/);
    expect(render('x'.repeat(64 * 1024))).toHaveLength(64 * 1024);
  });

  it('is refused for its number of parts', () => {
    expect(failure(() => compile('{{ a }}'.repeat(3_000))).message).toMatch(/more than 5000 parts/);
    expect(render('{{ a }}'.repeat(2_400))).toBe('');
  });
});

describe('a template that fails', () => {
  const data: JsonObject = { data: { id: SECRET, [SECRET]: 1, list: [SECRET] } };

  it.each([
    ['{{ data.foo.bar }}', 1, 4, "UndefinedError: 'dict object' has no attribute 'foo'"],
    ['x\n{% if data.id + 1 %}{% endif %}', 2, 7, 'TypeError: can only concatenate str'],
    [
      '{% for x in data.list %}{{ x.y.z }}{% endfor %}',
      1,
      28,
      "UndefinedError: 'str object' has no attribute 'y'",
    ],
    ['{% macro m(a) %}{{ a.b.c }}{% endmacro %}{{ m(1) }}', 1, 20, 'UndefinedError'],
    ['{% macro m() %}x{% endmacro %}{{ m() + 1 }}', 1, 34, 'TypeError'],
    ['{% set x = 1 / 0 %}', 1, 4, 'ZeroDivisionError: division by zero'],
    ['{% if a %}{% elif data.q.z %}{% endif %}', 1, 25, 'UndefinedError'],
  ])('says where and why: %j', (source, line, column, reason) => {
    const template = compile(source);
    const error = failure(() => template.render(data));
    expect(error.code).toBe('TEMPLATE_FAILED');
    expect(error.problem).toMatchObject({ line, column });
    expect(error.message).toContain(reason);
  });

  it.each([
    '{{ data[data.id].x.y }}',
    '{{ data.list[0] + 1 }}',
    '{{ data[data.id ~ "z"].x }}',
    '{{ "%d" % data.id }}',
    '{{ ("%(" ~ data.id ~ ")s") % {} }}',
    '{{ ("{" ~ data.id ~ "}").format() }}',
    '{{ ("{0." ~ data.id ~ "}").format(1) }}',
    '{{ data.id|strftime("%Y") }}',
    '{{ data.id|attr(data.id) + 1 }}',
    '{{ dict(**data).x.y }}',
    '{{ [1]|map(data.id)|list }}',
    '{{ [1]|select(data.id)|list }}',
    '{{ "x"|truncate(**data) }}',
    '{% macro m() %}{% endmacro %}{{ m(**data) }}',
    '{{ [data]|map(attribute=data.id ~ ".x.y")|list }}',
    '{{ data.list|sum }}',
    '{{ data.id.index("zzz") }}',
    '{{ {}[data.id].x }}',
    '{{ {}.pop(data.id) }}',
    '{{ [].index(data.id) }}',
    '{% set f = data.id %}{{ f() }}',
    '{% for a, b in data.list %}{% endfor %}',
    '{{ [data.id, 1]|sort }}',
    '{{ {data.id: 1}|xmlattr ~ 1 / 0 }}',
    '{{ data.id * data.id }}',
  ])('shows no row data: %s', (source) => {
    const template = compile(source);
    const error = failure(() => template.render(data));
    const { code, problem, message, stack } = error;
    expect(code).toBe('TEMPLATE_FAILED');
    expect(JSON.stringify([problem, message, stack, String(error.cause)])).not.toContain(SECRET);
  });
});

describe('undefined values', () => {
  it.each([
    ['[{{ nope }}]', '[]', null],
    ['{{ "T" if nope else "F" }}', 'F', null],
    ['{% for x in nope %}{% endfor %}ok', 'ok', null],
    ['{{ nope == 1 }}', 'False', null],
    ['{{ nope is defined }}', 'False', 'False'],
    ['{{ nope|default("d") }}', 'd', 'd'],
    ['{{ "x" if false }}', '', ''],
    ['{{ nope.x }}', null, null],
  ])('%s: lenient %j, strict %j', (source, lenient, strict) => {
    for (const [mode, expected] of [['lenient', lenient] as const, ['strict', strict] as const]) {
      const act = (): string => render(source, {}, { undefined: mode });
      if (expected !== null) expect(act()).toBe(expected);
      else expect(failure(act).problem.exception).toBe('UndefinedError');
    }
  });
});

describe('headers', () => {
  const hostile: JsonObject = { v: 'legit\r\nX-Injected: evil\u0000\u007f', list: ['a\nb', 'c'] };

  it.each([
    ['X: {{ v }}', 'X: legitX-Injected: evil'],
    ['A: {{ v }}\nB: {{ v }}\n', 'A: legitX-Injected: evil\nB: legitX-Injected: evil'],
    ['{% for x in list %}X-{{ loop.index }}: {{ x }}\n{% endfor %}', 'X-1: ab\nX-2: c\n'],
    [
      '{% macro h(n, x) %}{{ n }}: {{ x }}\n{% endmacro %}{{ h("A", v) }}{{ h("B", 1) }}',
      'A: legitX-Injected: evil\nB: 1\n',
    ],
    [
      '{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}a\n{{ v }}{% endcall %}',
      '[a\nlegitX-Injected: evil]',
    ],
    ['{% for x in [[1], [2]] recursive %}{{ x }}\n{% endfor %}', '[1]\n[2]\n'],
    ['{% set x %}a\n{{ v }}{% endset %}{{ x }}', 'alegitX-Injected: evil'],
    ['{% filter upper %}a\n{{ v }}{% endfilter %}', 'ALEGITX-INJECTED: EVIL'],
    [
      '{% set m = v %}{{ m }}{{ v|upper }}{{ [v] }}',
      "legitX-Injected: evilLEGITX-INJECTED: EVIL['legit\\r\\nX-Injected: evil\\x00\\x7f']",
    ],
    ['{{ "a\\nb" }}', 'ab'],
    ['{{ list|join("\\r\\n") }}', 'abc'],
  ])('keep line ends of the template alone: %j', (source, expected) => {
    expect(render(source, hostile, { headerSafe: true })).toBe(expected);
  });

  it('leave other templates as they are', () => {
    expect(render('{{ v }}', hostile)).toBe(hostile['v']);
    expect(render('{{ v|header_safe }}', hostile)).toBe('legitX-Injected: evil');
  });
});

describe('what a template tells of itself', () => {
  it.each([
    ['plain text', true],
    ['', true],
    ['with { braces } and %', true],
    ['{{ x }}', false],
    ['{% if x %}{% endif %}', false],
    ['{{ "constant" }}', false],
  ])('isConstant of %j is %s', (source, isConstant) => {
    expect(compile(source).isConstant).toBe(isConstant);
  });

  it.each<[string, string[][]]>([
    ['none', []],
    ['{{ data.status.value }}', [['data', 'status', 'value']]],
    ['{{ data["ip_address"] }}{{ event }}', [['data', 'ip_address'], ['event']]],
    ['{{ data[key].x }}', [['data'], ['key']]],
    ['{{ data|tojson }}', [['data']]],
    ['{{ data.tags[0].name }}', [['data', 'tags']]],
    ['{% for t in data.tags %}{{ t.name }}{{ loop.index }}{% endfor %}', [['data', 'tags']]],
    ['{% set d = data %}{{ d.password }}', [['data']]],
    ['{% set x = x or 1 %}{{ x }}', [['x']]],
    ['{% with a = data.a %}{{ a }}{% endwith %}{{ a }}', [['a'], ['data', 'a']]],
    [
      '{% macro m(p) %}{{ p }}{{ webhook.name }}{% endmacro %}{{ m(data.id) }}',
      [
        ['data', 'id'],
        ['webhook', 'name'],
      ],
    ],
    ['{{ range(3)|list }}{{ dict(a=b) }}{{ now() }}', [['b']]],
    ['{{ data.get("x") }}{{ data.name.upper() }}', [['data'], ['data', 'name']]],
    ['{{ data.a }}{{ data.a }}', [['data', 'a']]],
    [
      '{{ changes.status.old is defined and changes.status.new > 1 }}',
      [
        ['changes', 'status', 'new'],
        ['changes', 'status', 'old'],
      ],
    ],
  ])('references of %s', (source, references) => {
    expect(compile(source).references).toEqual(references);
  });
});

describe('data', () => {
  it('keeps every digit of an integer', () => {
    const data = parseJson('{"id": 9223372036854775807, "n": 9007199254740993}') as JsonObject;
    expect(render('{{ id }} {{ n + 1 }} {{ n|tojson }} {{ n == 9007199254740992 }}', data)).toBe(
      '9223372036854775807 9007199254740994 9007199254740993 False',
    );
  });

  it('is never changed, whatever the template does to it', () => {
    const data = parseJson('{"row": {"a": [1, {"b": 2}], "c": {}}}') as JsonObject;
    const before = structuredClone(data);
    const source =
      '{% do row.update(x=1) %}{% do row.a.append(3) %}{% do row.a[1].update(z=9) %}{% do row.pop("c") %}{{ row }}';
    expect(render(source, data)).toBe("{'a': [1, {'b': 2, 'z': 9}, 3], 'x': 1}");
    expect(data).toEqual(before);
  });

  it('shows no change of one rendering to the next', () => {
    const template = compile('{% do row.update(n=row.n + 1) %}{{ row.n }}');
    const data = parseJson('{"row": {"n": 1}}') as JsonObject;
    expect([template.render(data), template.render(data)]).toEqual(['2', '2']);
  });

  it('hides global functions by names of its own', () => {
    expect(render('{{ range }}{{ dict }}', { range: 'r', dict: 'd' })).toBe('rd');
  });

  it('of any prototype is read by own keys', () => {
    class Row {
      own = 1;
      get inherited(): number {
        return 2;
      }
    }
    const data = { row: new Row() } as unknown as JsonObject;
    expect(render('{{ row.own }}{{ row.inherited }}{{ row }}', data)).toBe("1{'own': 1}");
  });

  it('that is no JSON does not exist', () => {
    const data = { f: () => 1, s: Symbol('s'), u: undefined } as unknown as JsonObject;
    expect(render('[{{ f }}{{ s }}{{ u }}]', data)).toBe('[]');
  });
});

describe("walhook's own filters and functions", () => {
  const data: JsonObject = { ts: '2023-08-07T19:30:23.140019Z', date: '2024-02-29', v: 'straße' };
  const env = (name: string): string | undefined => (name === 'REGION' ? 'eu' : undefined);

  it.each([
    ['{{ v|b64encode }}', 'c3RyYcOfZQ=='],
    [
      '{{ "what do ya want for nothing?"|hmac_sha256("Jefe") }}',
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    ],
    [
      '{{ ts|strftime("%d.%m.%Y %H:%M:%S.%f %Z %a %B %j") }}',
      '07.08.2023 19:30:23.140019 UTC Mon August 219',
    ],
    ['{{ date|strftime("%A %d %b %y, week %W, %%") }}', 'Thursday 29 Feb 24, week 09, %'],
    ['{{ ts|isoformat }}', '2023-08-07T19:30:23.140019+00:00'],
    ['{{ 0|isoformat }}', '1970-01-01T00:00:00+00:00'],
    ['{{ "2024-01-01 10:00:00+05:30"|isoformat }}', '2024-01-01T10:00:00+05:30'],
    ['{{ "2024-01-01T10:00:00-02"|strftime("%z %s") }}', '-0200 1704110400'],
    ['{{ env("REGION") }}{{ "REGION"|env }}{{ env("PATH") }}{{ "PATH"|env is none }}', 'eueuNoneTrue'],
    ['{{ now() }} {{ now("%Y") }}', '2026-01-02T03:04:05Z 2026'],
    ['{{ "a/b c&d"|urlencode }}', 'a/b%20c%26d'],
  ])('%s', (source, expected) => {
    expect(compile(source, { env }).render(data, new Date('2026-01-02T03:04:05.678Z'))).toBe(expected);
  });

  it.each([
    '{{ "yesterday"|strftime("%Y") }}',
    '{{ "2023-02-30"|isoformat }}',
    '{{ now(timezone="Mars") }}',
  ])('refuse what is no time: %s', (source) => {
    expect(failure(() => render(source)).problem.exception).toBe('ValueError');
  });
});

describe('the budget of a rendering', () => {
  it.each([
    ['{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}', /rounds|longer than/],
    ['{% for a in range(2000) %}{{ "x" * 1000 }}{% endfor %}', /1 MiB/],
    ['{{ "x" * 2000000 }}', /1 MiB/],
    ['{{ "€" * 400000 }}', /1 MiB/],
    ['{{ [0] * 1000000 }}', /elements/],
  ])('ends %j', (source, reason) => {
    const error = failure(() => render(source));
    expect(error.problem.exception).toBe('BudgetError');
    expect(error.message).toMatch(reason);
  });

  it('allows what it promises', () => {
    expect(render('{{ "x" * 1048576 }}')).toHaveLength(1024 * 1024);
    expect(
      render('{% for a in range(100) %}{% for b in range(100) %}x{% endfor %}{% endfor %}'),
    ).toHaveLength(10_000);
    expect(render('{{ range(10000)|length }}')).toBe('10000');
  });
});
