/**
 * Templates that try to get out of the engine, or to take it down: the ones published against nunjucks
 * and Jinja2, and variations of them. What they try to run sets `walhookCanary` on the global object.
 */

import type { JsonObject } from '../../src/core/json.ts';

export interface Attack {
  readonly name: string;
  readonly template: string;
  /** The data it is rendered over; hostileData where left out. */
  readonly data?: JsonObject;
  /** What it must render to, where that can be said; else harmless text or a coded error will do. */
  readonly text?: string;
}

const CODE = 'globalThis.walhookCanary = true';

/** Values that can be called or that have a constructor, in all the forms a template can name one. */
const STARTING_POINTS: Readonly<Record<string, string>> = {
  'a string': "''",
  'an interpolated string': "('a' ~ 'b')",
  'a list': '[]',
  'a dict': '{}',
  'a tuple': '(1, 2)',
  'an int': '(1)',
  'a float': '(1.5)',
  'a big int': '(2 ** 70)',
  'a boolean': 'true',
  none: 'none',
  'an undefined': 'nope',
  'a safe string': "('x'|safe)",
  'an escaped string': "('<'|e)",
  'a range': 'range(2)',
  'the range function': 'range',
  'the dict function': 'dict',
  'the namespace function': 'namespace',
  'a namespace': 'namespace(a=1)',
  'the cycler function': 'cycler',
  'a cycler': "cycler('a')",
  'a joiner': 'joiner()',
  'the joiner function': 'joiner',
  'the env function': 'env',
  'the now function': 'now',
  'a generator': "([1]|map('string'))",
  'a dict view': '{}.items()',
  'a bound method': "''.upper",
  'a list method': '[].append',
  'a dict method': '{}.get',
  'a group': "([{'a': 1}]|groupby('a')|first)",
  'row data': 'row',
  'a row value': 'row.name',
  'a row list': 'row.tags',
};

const CHAINS: readonly (readonly [string, (start: string) => string])[] = [
  ['constructor called', (start) => `{{ ${start}.constructor("${CODE}")() }}`],
  ['constructor of constructor', (start) => `{{ ${start}.constructor.constructor("${CODE}")() }}`],
  ['constructor by subscript', (start) => `{{ ${start}["constructor"]["constructor"]("${CODE}")() }}`],
  ['constructor by a split name', (start) => `{{ ${start}["constr" ~ "uctor"]["con" + "structor"] }}`],
  ['prototype', (start) => `{{ ${start}.__proto__ }}{{ ${start}["__proto__"] }}{{ ${start}.prototype }}`],
];

function chainAttacks(): Attack[] {
  return Object.entries(STARTING_POINTS).flatMap(([what, start]) =>
    CHAINS.map(([how, write]) => ({ name: `${how} of ${what}`, template: write(start) })),
  );
}

/** Names that every JavaScript object inherits. */
const INHERITED = [
  'constructor',
  'toString',
  'valueOf',
  'hasOwnProperty',
  'isPrototypeOf',
  'propertyIsEnumerable',
  'toLocaleString',
  '__proto__',
  '__defineGetter__',
  '__defineSetter__',
  '__lookupGetter__',
  '__lookupSetter__',
];

function inheritedNames(): Attack[] {
  return INHERITED.flatMap((name) => [
    { name: `bare ${name}`, template: `[{{ ${name} }}]`, text: '[]' },
    { name: `bare ${name} called`, template: `{{ ${name}("${CODE}") }}` },
    { name: `code through bare ${name}`, template: `{{ ${name}.constructor("${CODE}")() }}` },
  ]);
}

/** Names of the process and of the generated code that a template must not see. */
const AMBIENT = [
  'process',
  'global',
  'globalThis',
  'require',
  'module',
  'exports',
  'Function',
  'Object',
  'eval',
  'console',
  'Buffer',
  'rt',
  'K',
  'k0',
  't_1',
  'this',
  'arguments',
  'root',
  'env_',
  'context',
  'frame',
  'runtime',
  'secrets',
  'self',
  'window',
  'import',
];

const ambientNames: readonly Attack[] = AMBIENT.map((name) => ({
  name: `ambient ${name}`,
  template: `[{{ ${name} }}]`,
  text: '[]',
}));

const pollution: readonly Attack[] = [
  ['assign through a bare constructor', '{{ constructor.assign(constructor.prototype, {polluted: "yes"}) }}'],
  ['defineProperty', '{{ constructor.defineProperty(constructor.prototype, "polluted", {"value": 1}) }}'],
  ['setPrototypeOf', '{{ constructor.setPrototypeOf({}, {"polluted": 1}) }}'],
  ['set an attribute of a prototype', '{% set x = {} %}{% set x.__proto__.polluted = 1 %}'],
  [
    'set a prototype attribute',
    '{% set x = namespace() %}{% set x.__proto__ = {"polluted": 1} %}{{ x.polluted }}',
  ],
  ['set a name __proto__', '{% set __proto__ = {"polluted": 1} %}{{ polluted }}'],
  ['a loop target __proto__', '{% for __proto__ in [{"polluted": 1}] %}{{ polluted }}{% endfor %}'],
  ['a dict key __proto__', '{% set x = {"__proto__": {"polluted": 1}} %}{{ x.polluted }}'],
  ['dict() with __proto__', '{{ dict(__proto__={"polluted": 1}).polluted }}'],
  ['dict() of pairs', '{{ dict([["__proto__", {"polluted": 1}]]).polluted }}'],
  ['update with __proto__', '{% do {}.update({"__proto__": {"polluted": 1}}) %}{{ {}.polluted }}'],
  ['update of row data', '{% do row.update({"__proto__": {"polluted": 1}}) %}{{ row.polluted }}'],
  ['setdefault', '{% do row.setdefault("__proto__", {}).update({"polluted": 1}) %}'],
  ['setdefault of constructor', '{% do row.setdefault("constructor", {}).update({"prototype": 1}) %}'],
  ['namespace of __proto__', '{% set ns = namespace(__proto__={"polluted": 1}) %}{{ ns.polluted }}'],
  [
    'a keyword __proto__',
    '{% macro m(a) %}{{ kwargs.polluted }}{% endmacro %}{{ m(__proto__={"polluted": 1}) }}',
  ],
  ['a keyword __keywords', '{% macro m(a) %}{{ kwargs }}{% endmacro %}{{ m(__keywords=true) }}'],
  ['keywords from row data', '{% macro m(a) %}{{ kwargs }}{% endmacro %}{{ m(**row) }}'],
  [
    'a parameter __proto__',
    '{% macro m(__proto__) %}{{ __proto__.polluted }}{% endmacro %}{{ m({"polluted": 1}) }}',
  ],
  ['groupby __proto__', "{{ [row]|groupby('__proto__')|list }}"],
  ['a with target __proto__', '{% with __proto__ = {"polluted": 1} %}{{ polluted }}{% endwith %}'],
].map(([name = '', template = '']) => ({ name: `pollution: ${name}`, template }));

const names: readonly Attack[] = [
  [
    'a macro named constructor',
    `{% macro constructor() %}x{% endmacro %}{{ constructor.constructor("${CODE}")() }}`,
  ],
  ['a macro', `{% macro m() %}x{% endmacro %}{{ m.constructor("${CODE}")() }}`],
  ['a macro printed', '{% macro m() %}x{% endmacro %}[{{ m }}]'],
  [
    'a macro prototype',
    '{% macro m() %}x{% endmacro %}{{ m.__proto__ }}{{ m.call }}{{ m.shape }}{{ m.body }}',
  ],
  ['caller', `{% macro m() %}{{ caller.constructor("${CODE}")() }}{% endmacro %}{% call m() %}{% endcall %}`],
  ['caller printed', '{% macro m() %}[{{ caller }}]{% endmacro %}{% call m() %}x{% endcall %}'],
  ['varargs', `{% macro m() %}{{ varargs.constructor("${CODE}")() }}{% endmacro %}{{ m(1) }}`],
  ['kwargs', `{% macro m() %}{{ kwargs.constructor("${CODE}")() }}{% endmacro %}{{ m(a=1) }}`],
  ['loop', `{% for x in [1] %}{{ loop.constructor("${CODE}")() }}{% endfor %}`],
  ['loop internals', '{% for x in [1] %}{{ loop.advance }}{{ loop.options }}{{ loop.item }}{% endfor %}'],
  ['loop methods', `{% for x in [1] %}{{ loop.cycle.constructor("${CODE}")() }}{% endfor %}`],
  [
    'a recursive loop',
    `{% for x in [[1]] recursive %}{{ loop.call("${CODE}") }}{{ loop.apply }}{% endfor %}`,
  ],
  ['cycler.next', `{{ cycler('a').next.constructor("${CODE}")() }}`],
  ['a method of a method', `{{ ''.upper.call.call("${CODE}") }}{{ [].pop.bind(1) }}`],
  ['a method through a variable', `{% set f = ''.upper %}{{ f.constructor("${CODE}")() }}`],
  ['a call of a call', `{{ range(1)("${CODE}") }}{{ dict()()() }}`],
  ['a computed method', '{{ row["con" ~ "structor"]("x") }}'],
  ['a method by subscript', `{{ ''["upper"]["constructor"]("${CODE}") }}`],
  ['a filter called', `{{ ('x'|upper)("${CODE}") }}`],
  ['a test called', `{{ (1 is odd)("${CODE}") }}`],
  ['dunder class walk', "{{ ''.__class__.__mro__[1].__subclasses__() }}"],
  ['dunder globals', '{{ cycler.__init__.__globals__.os.popen("id").read() }}'],
  ['dunder builtins', '{{ self.__init__.__globals__.__builtins__ }}'],
  ['request application', "{{ request.application.__globals__.__builtins__.__import__('os') }}"],
  ['lipsum globals', '{{ lipsum.__globals__["os"].popen("id").read() }}'],
  ['format string attributes', "{{ '{0.__class__}'.format(row) }}"],
  ['format string of a macro', "{% macro m() %}{% endmacro %}{{ '{0.shape}{0.call}{0.body}'.format(m) }}"],
  ['format string constructor', "{{ '{0.constructor.constructor}'.format('') }}"],
  ['format string items', "{{ '{0[constructor]}{0[__proto__]}'.format({}) }}"],
  ['format_map', "{{ '{constructor}'.format_map({}) }}"],
  ['printf names', "{{ '%(constructor)s' % {} }}{{ '%(__proto__)s' % {} }}"],
  ['markup format string', "{{ ('{0.__proto__}'|safe).format('') }}"],
].map(([name = '', template = '']) => ({ name: `names: ${name}`, template }));

const ATTRIBUTES = ['constructor', '__proto__', 'constructor.constructor', 'toString', 'call'];
const BY_ATTRIBUTE: readonly ((attribute: string) => string)[] = [
  (a) => `{{ ['x', range]|join(',', '${a}') }}`,
  (a) => `{{ ['x', range]|map(attribute='${a}')|list }}`,
  (a) => `{{ ['x', range]|sum('${a}') }}`,
  (a) => `{{ ['x', range]|selectattr('${a}')|list }}`,
  (a) => `{{ ['x', range]|rejectattr('${a}')|list }}`,
  (a) => `{{ ['x', range]|groupby('${a}')|list }}`,
  (a) => `{{ ['x', range]|sort(attribute='${a}') }}`,
  (a) => `{{ ['x', range]|unique(attribute='${a}')|list }}`,
  (a) => `{{ ['x', range]|max(attribute='${a}') }}`,
  (a) => `{{ row|attr('${a}') }}{{ 'x'|attr('${a}') }}{{ range|attr('${a}') }}`,
];

const attributeFilters: readonly Attack[] = ATTRIBUTES.flatMap((attribute) =>
  BY_ATTRIBUTE.map((write) => ({
    name: `attribute ${attribute} in ${write('…')}`,
    template: write(attribute),
  })),
);

const filterNames: readonly Attack[] = [
  ['map to a filter constructor', "{{ ['x']|map('constructor')|list }}"],
  ['map to __proto__', "{{ ['x']|map('__proto__')|list }}"],
  ['select by constructor', "{{ ['x']|select('constructor')|list }}"],
  ['a filter constructor', "{{ 'x'|constructor }}"],
  ['a filter __proto__', "{{ 'x'|__proto__ }}"],
  ['a filter toString', "{{ 'x'|toString }}"],
  ['a dotted filter', "{{ 'x'|upper.constructor }}"],
  ['a test constructor', "{{ 'x' is constructor }}"],
  ['a test __proto__', "{{ 'x' is __proto__ }}"],
  ['a filter block constructor', '{% filter constructor %}x{% endfilter %}'],
  ['filter existence', "{{ 'constructor' is filter }}{{ '__proto__' is test }}"],
  ['a quote in a filter', '{{ \'x\'|upper"]+1+[" }}'],
].map(([name = '', template = '']) => ({ name: `filters: ${name}`, template }));

const QUOTES = '"]);globalThis.walhookCanary=true;(["';

/** Text that would matter if any of it were copied into the generated code. */
const injection: readonly Attack[] = [
  ['a string', `{{ '${QUOTES}' }}`],
  ['template text', `${QUOTES}{{ 1 }}`],
  ['template text with a backslash', `\\${QUOTES}\\{{ 1 }}`],
  ['a line separator', `\u2028${QUOTES}\u2029{{ '\u2028' }}`],
  ['a backtick', `\`\${${CODE}}\`{{ '\`\${${CODE}}' }}`],
  ['a comment end', `*/ ${CODE} /*{{ '*/' }}`],
  ['a subscript', `{{ row['${QUOTES}'] }}`],
  ['a keyword', `{{ dict(**{'${QUOTES}': 1}) }}`],
  ['an escape', '{{ "\\u0022]);globalThis.walhookCanary=true;([\\u0022" }}'],
  ['a dict key', `{{ {'${QUOTES}': 1} }}`],
  ['a default', `{% macro m(a='${QUOTES}') %}{{ a }}{% endmacro %}{{ m() }}`],
  ['a nul', `{{ '\\x00' }}\u0000${QUOTES}`],
  ['a lone surrogate', `{{ '\\ud800' }}\ud800{{ '\\udc00'|tojson }}`],
  ['an identifier with escapes', '{{ a\\u0022b }}'],
  ['a unicode identifier', '{{ \u03c0\u200d }}{{ ﬁ }}'],
  ['a number', '{{ 1_0e1_0 }}{{ 0x_ff }}{{ 1e999 }}'],
  ['a huge number', `{{ ${'9'.repeat(4_000)} }}`],
  ['reserved words as names', '{% set var = 1 %}{% set function = 2 %}{{ var }}{{ function }}{{ return }}'],
].map(([name = '', template = '']) => ({ name: `injection: ${name}`, template }));

const regularExpressions: readonly Attack[] = [
  ['a literal', '{{ r/x/ }}'],
  ['a literal constructor', `{{ r/x/.constructor.constructor("${CODE}")() }}`],
  ['a catastrophic literal', `{{ '${'a'.repeat(60)}!'|replace(r/(a+)+$/, 'x') }}`],
  ['replace takes no pattern', "{{ 'aXb'|replace('.', '-') }}"],
  ['replace takes no group', "{{ 'abc'|replace('b', '$& $1 $`') }}"],
].map(([name = '', template = '']) => ({ name: `regular expression: ${name}`, template }));

const otherTemplates: readonly Attack[] = [
  '{% include "/etc/passwd" %}',
  '{% include "../../../etc/passwd" ignore missing %}',
  '{% include row.name %}',
  "{% include ['a', '/etc/passwd'] %}",
  '{% extends "/etc/passwd" %}',
  '{% extends row.name %}',
  '{% import "/etc/passwd" as x %}',
  '{% from "/etc/passwd" import x %}',
  '{% block a %}{{ super() }}{% endblock %}',
  '{% asyncEach x in [1] %}{% endeach %}',
  '{% asyncAll x in [1] %}{% endall %}',
  '{% ifAsync true %}{% endif %}',
  '{% switch 1 %}{% case 1 %}{% endswitch %}',
  '{% verbatim %}{{ x }}{% endverbatim %}',
  '{% debug %}',
  '{% trans %}x{% endtrans %}',
  '{% load x %}',
  '{% constructor %}',
].map((template) => ({ name: `tag ${template}`, template }));

const NS = '{% set ns = namespace(a=["x"]) %}';

const exhaustion: readonly Attack[] = [
  ['a huge range', '{{ range(10000000)|list }}'],
  ['a range for its length', '{{ range(20000000)|length }}'],
  ['a backward range', '{{ range(0, -20000000, -1)|list }}'],
  ['a bigint range', '{{ range(2 ** 70) }}'],
  ['nested loops', '{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}'],
  ['silent nested loops', '{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}'],
  [
    'triple loops',
    '{% for a in range(900) %}{% for b in range(900) %}{% for c in range(900) %}{% endfor %}{% endfor %}{% endfor %}',
  ],
  ['a loop filter that refuses all', '{% for a in range(10000) if range(10000)|sum < 0 %}{% endfor %}'],
  ['a loop that feeds itself', '{% set l = [1] %}{% for x in l %}{% do l.append(x) %}{% endfor %}'],
  ['center', "{{ 'x'|center(2 ** 28) }}"],
  ['center method', "{{ 'x'.center(268435456) }}"],
  ['ljust', "{{ 'x'.ljust(268435456) }}{{ 'x'.rjust(268435456) }}{{ 'x'.zfill(268435456) }}"],
  ['indent', "{{ 'x'|indent(100000000, true) }}"],
  ['indent of many lines', "{{ ('x\\n' * 100000)|indent(100000) }}"],
  ['a wide format', "{{ '%1000000000s' % 'x' }}"],
  ['a star width', "{{ '%*d' % (1000000000, 1) }}"],
  ['a wide format specification', "{{ '{:1000000000}'.format('x') }}{{ '{:>99999999d}'.format(1) }}"],
  ['a precise format', "{{ '%.999999999f' % 1.5 }}{{ '{:.999999999f}'.format(1.5) }}"],
  ['a format filter', "{{ '%100000000d'|format(1) }}"],
  ['repeated text', "{{ 'x' * 268435456 }}"],
  ['repeated list', '{{ [0] * 268435456 }}'],
  ['repeated tuple', '{{ (0, 1) * 100000000 }}'],
  ['doubling text with ~', `{% set a = 'xxxxxxxx' %}${'{% set a = a ~ a %}'.repeat(40)}{{ a|length }}`],
  ['doubling text with +', `{% set a = 'xxxxxxxx' %}${'{% set a = a + a %}'.repeat(40)}{{ a|length }}`],
  ['doubling a list', `{% set a = [1] %}${'{% set a = a + a %}'.repeat(40)}{{ a|length }}`],
  [
    'doubling by replace',
    `{% set a = 'xx' %}${"{% set a = a|replace('x', 'xx') %}".repeat(40)}{{ a|length }}`,
  ],
  ['doubling by join', `{% set a = 'xx' %}${'{% set a = [a, a]|join(a) %}'.repeat(40)}{{ a|length }}`],
  ['doubling by format', `{% set a = 'xx' %}${"{% set a = '%s%s' % (a, a) %}".repeat(40)}{{ a|length }}`],
  [
    'doubling by str.format',
    `{% set a = 'xx' %}${"{% set a = '{0}{0}'.format(a) %}".repeat(40)}{{ a|length }}`,
  ],
  ['doubling by a set block', `{% set a = 'xx' %}${'{% set a %}{{ a }}{{ a }}{% endset %}'.repeat(40)}`],
  [
    'doubling by escaping',
    `{% set a = '&' * 1000 %}${'{% set a = a|forceescape %}'.repeat(60)}{{ a|length }}`,
  ],
  ['doubling by extend', `{% set a = [1] %}${'{% do a.extend(a) %}'.repeat(40)}{{ a|length }}`],
  ['doubling by tojson', `{% set a = '\\\\' * 1000 %}${'{% set a = a|tojson %}'.repeat(40)}{{ a|length }}`],
  [
    'doubling by urlencode',
    `{% set a = '%' * 1000 %}${'{% set a = a|urlencode %}'.repeat(40)}{{ a|length }}`,
  ],
  ['replace of nothing', "{{ ('x' * 500000)|replace('', 'yyyyyyyy') }}"],
  ['expandtabs', "{{ ('\\t' * 100000).expandtabs(100000) }}"],
  ['join of a large list', "{{ range(10000)|join('x' * 10000) }}"],
  ['batch of one', '{{ range(10000)|batch(1)|list|length }}{{ range(5000000)|batch(1)|list }}'],
  ['batch with fill', "{{ [1]|batch(100000000, 'x')|list }}"],
  ['slice into many', '{{ [1]|slice(100000000)|list }}'],
  ['wordwrap of one', "{{ ('x' * 1000000)|wordwrap(1) }}"],
  ['tojson with a wide indent', '{{ [[[[1]]]]|tojson(indent=100000000) }}'],
  ['a power', '{{ 9 ** 9 ** 9 }}'],
  ['a power tower', '{{ 2 ** 2 ** 2 ** 2 ** 2 ** 2 }}'],
  ['a bigint product', `{% set a = 2 ** 10000 %}${'{% set a = a * a %}'.repeat(40)}{{ a }}`],
  ['a float power', '{{ 1e308 ** 2 }}{{ 2.0 ** 100000 }}'],
  ['a long integer text', `{{ ('9' * 1000000)|int }}`],
  ['a recursive macro', '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}'],
  [
    'mutually recursive macros',
    '{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}',
  ],
  ['a doubly recursive macro', '{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}'],
  [
    'a branching macro',
    '{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(40) }}',
  ],
  ['a recursive caller', '{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}'],
  [
    'a recursive loop',
    '{% set l = [] %}{% do l.append(l) %}{% for x in l recursive %}{{ loop(x) }}{% endfor %}',
  ],
  ['a deep recursive loop', `{% for x in deep recursive %}{{ loop(x) }}{% endfor %}`],
  ['a list in itself', '{% set l = [] %}{% do l.append(l) %}{{ l }}'],
  ['a dict in itself', "{% set d = {} %}{% do d.update({'d': d}) %}{{ d }}{{ d|tojson }}"],
  ['a list in itself as JSON', '{% set l = [] %}{% do l.append(l) %}{{ l|tojson }}'],
  [
    'a list in itself compared',
    '{% set l = [] %}{% do l.append(l) %}{% set k = [] %}{% do k.append(k) %}{{ l == k }}',
  ],
  [
    'a list in itself ordered',
    '{% set l = [] %}{% do l.append(l) %}{% set k = [] %}{% do k.append(k) %}{{ l < k }}',
  ],
  ['a list in itself printed prettily', '{% set l = [] %}{% do l.append(l) %}{{ l|pprint }}'],
  [
    'a shared list printed',
    `${NS}{% for i in range(40) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a }}`,
  ],
  [
    'a shared list as JSON',
    `${NS}{% for i in range(40) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a|tojson }}`,
  ],
  [
    'a shared list compared',
    `${NS}{% set b = namespace(a=["x"]) %}{% for i in range(40) %}{% set ns.a = [ns.a, ns.a] %}{% set b.a = [b.a, b.a] %}{% endfor %}{{ ns.a == b.a }}`,
  ],
  ['a deep list', `${NS}{% for i in range(10000) %}{% set ns.a = [ns.a] %}{% endfor %}{{ ns.a }}`],
  [
    'a deep list as JSON',
    `${NS}{% for i in range(10000) %}{% set ns.a = [ns.a] %}{% endfor %}{{ ns.a|tojson }}`,
  ],
  ['deep data printed', '{{ deep }}'],
  ['deep data as JSON', '{{ deep|tojson }}'],
  ['deep data printed prettily', '{{ deep|pprint }}'],
  ['sorting much', '{{ (range(10000)|list + range(10000)|list)|sort(reverse=true)|first }}'],
  ['sorting long texts', "{{ ['x' * 100000] * 1000 == ['x' * 100000 ~ 'y'] * 1000 }}"],
  ['searching much', "{% for i in range(10000) %}{{ 'y' in 'x' * 1000000 }}{% endfor %}"],
  ['splitting much', "{{ ('x ' * 500000).split()|length }}"],
  ['characters of a long text', "{{ ('x' * 1000000)|list|length }}"],
  ['unique of much', '{{ (range(10000)|list * 20)|unique|list|length }}'],
  ['strftime of a long format', "{{ '2024-01-01'|strftime('%c' * 100000) }}"],
  ['hashing much', "{% for i in range(10000) %}{{ ('x' * 100000)|hmac_sha256('k') }}{% endfor %}"],
  ['base64 growth', `{% set a = 'x' * 1000 %}${'{% set a = a|b64encode %}'.repeat(60)}{{ a|length }}`],
  ['urlize of a long word', "{{ ('http://' ~ 'a.' * 100000)|urlize }}{{ ('(' * 100000)|urlize }}"],
  ['urlize of many at signs', "{{ ('a@' * 100000)|urlize }}{{ ('a@b.' * 100000)|urlize }}"],
  ['striptags of many brackets', "{{ ('<' * 500000)|striptags }}{{ ('<!--' * 100000)|striptags }}"],
  ['title of a long text', "{{ ('- ' * 400000)|title|length }}"],
  ['output beyond a mebibyte', "{% for i in range(10000) %}{{ 'x' * 1000 }}{% endfor %}"],
  ['text beyond a mebibyte', `{% for i in range(10000) %}${'x'.repeat(1_000)}{% endfor %}`],
  ['wide characters beyond a mebibyte', "{{ '€' * 500000 }}"],
  ['macro text in bulk', `{% macro m() %}${'x'.repeat(30_000)}{% endmacro %}${'{{ m() }}'.repeat(300)}`],
  [
    'silent text in bulk',
    `{% macro m() %}${'x'.repeat(30_000)}{% endmacro %}${'{% set a = m() %}'.repeat(900)}`,
  ],
].map(([name = '', template = '']) => ({ name: `exhaustion: ${name}`, template }));

const oversized: readonly Attack[] = [
  ['5,000 nested parentheses', `{{ ${'('.repeat(5_000)}1${')'.repeat(5_000)} }}`],
  ['nested lists', `{{ ${'['.repeat(5_000)}${']'.repeat(5_000)} }}`],
  ['nested dicts', `{{ ${'{1:'.repeat(5_000)}1${'}'.repeat(5_000)} }}`],
  ['nested calls', `{{ ${'range('.repeat(5_000)}1${')'.repeat(5_000)} }}`],
  ['nested subscripts', `{{ a${'[a'.repeat(5_000)}${']'.repeat(5_000)} }}`],
  ['many nots', `{{ ${'not '.repeat(9_000)}1 }}`],
  ['many signs', `{{ ${'-'.repeat(30_000)}1 }}`],
  ['many inline ifs', `{{ ${'1 if 0 else '.repeat(4_000)}1 }}`],
  ['many attributes', `{{ a${'.b'.repeat(20_000)} }}`],
  ['many filters', `{{ a${'|upper'.repeat(9_000)} }}`],
  ['many additions', `{{ 1${' + 1'.repeat(9_000)} }}`],
  ['many powers', `{{ 1${' ** 1'.repeat(9_000)} }}`],
  ['many comparisons', `{{ 1${' < 2'.repeat(9_000)} }}`],
  ['many concatenations', `{{ 1${' ~ 1'.repeat(9_000)} }}`],
  ['many ors', `{{ 0${' or 0'.repeat(9_000)} }}`],
  ['nested ifs', `${'{% if 1 %}'.repeat(3_000)}x${'{% endif %}'.repeat(3_000)}`],
  ['nested fors', `${'{% for x in [1] %}'.repeat(1_500)}x${'{% endfor %}'.repeat(1_500)}`],
  ['nested sets', `${'{% set x %}'.repeat(2_500)}x${'{% endset %}'.repeat(2_500)}`],
  ['nested macros', `${'{% macro m() %}'.repeat(2_000)}x${'{% endmacro %}'.repeat(2_000)}`],
  ['nested withs', `${'{% with %}'.repeat(2_500)}x${'{% endwith %}'.repeat(2_500)}`],
  ['many elifs', `{% if 0 %}${'{% elif 0 %}'.repeat(5_000)}{% endif %}`],
  ['nested targets', `{% for ${'('.repeat(2_000)}x${')'.repeat(2_000)} in [1] %}{% endfor %}`],
  ['many outputs', '{{ 1 }}'.repeat(9_000)],
  ['many names', `{{ ${Array.from({ length: 8_000 }, (_, at) => `a${at}`).join('~')} }}`],
  ['a source of 10 MB', `${'x'.repeat(10_000_000)}{{ 1 }}`],
  ['many unclosed tags', '{{'.repeat(30_000)],
  ['many unclosed comments', '{#'.repeat(30_000)],
  ['many unclosed raws', '{% raw %}'.repeat(7_000)],
  ['many spaces', `{{${' '.repeat(60_000)}1 }}{%${' '.repeat(1_000)}`],
  ['many line ends', `${'\n'.repeat(60_000)}{{ x( }}`],
  ['an unclosed string', `{{ '${'\\a'.repeat(30_000)} }}`],
  ['alternating quotes', `{{ ${`'"`.repeat(15_000)} }}`],
  ['many braces', '{'.repeat(60_000)],
].map(([name = '', template = '']) => ({ name: `oversized: ${name}`, template }));

const fromData: readonly Attack[] = [
  { name: 'data: an expression stays text', template: '{{ row.name }}', text: '{{ 7 * 7 }}' },
  { name: 'data: a tag stays text', template: '{{ row.tag }}', text: '{% for x in y %}' },
  {
    name: 'data: a filtered expression stays text',
    template: '{{ row.name|upper|trim }}',
    text: '{{ 7 * 7 }}',
  },
  { name: 'data: a column constructor', template: '{{ row.constructor }}', text: 'a column' },
  { name: 'data: a column __proto__', template: '{{ row.__proto__ }}', text: 'also a column' },
  { name: 'data: a column by subscript', template: '{{ row["__proto__"] }}', text: 'also a column' },
  { name: 'data: a column toString', template: '{{ row.toString }}', text: 'text' },
  { name: 'data: a column then', template: '{{ row.then }}', text: 'thenable' },
  { name: 'data: a column length', template: '{{ row.length }}', text: '5' },
  { name: 'data: a column __keywords', template: '{{ row.__keywords }}', text: 'True' },
  {
    name: 'data: columns named as methods',
    template: '{{ row.items }},{{ row.get }},{{ row.values }}',
    text: '1,2,3',
  },
  {
    name: 'data: a root name constructor',
    template: '{{ hasOwnProperty }}',
    data: { hasOwnProperty: 'mine' },
    text: 'mine',
  },
  { name: 'data: a format from a row', template: "{{ row.format.format('x', 'y') }}", text: 'x' },
  { name: 'data: a wide format from a row', template: '{{ row.wide % 1 }}{{ row.widest.format(1) }}' },
  { name: 'data: a filter name from a row', template: '{{ [1]|map(row.filter)|list }}' },
  { name: 'data: an attribute path from a row', template: '{{ [row]|map(attribute=row.path)|list }}' },
  { name: 'data: a deep attribute path', template: "{{ [row]|map(attribute='a.' * 100000)|list }}" },
  {
    name: 'data: all of it',
    template: '{{ row }}{{ row|tojson }}{{ row|pprint }}{{ row|list }}{{ row|length }}',
  },
  { name: 'data: as keywords', template: '{{ dict(**row) }}{{ namespace(**row) }}' },
  {
    name: 'data: environment',
    template: "{{ env('PATH') }}{{ 'PATH'|env }}{{ 'HOME'|env }}",
    text: 'NoneNoneNone',
  },
  {
    name: 'data: environment by prototype',
    template: "{{ env('__proto__') }}{{ 'constructor'|env }}",
    text: 'NoneNone',
  },
];

/** JSON that has it all: inherited names as columns, texts that look like templates, nesting. */
export const hostileData: JsonObject = makeHostileData();

function makeHostileData(): JsonObject {
  const row = JSON.parse(
    '{"constructor": "a column", "__proto__": "also a column", "toString": "text", "then": "thenable"}',
  ) as JsonObject;
  Object.assign(row, {
    length: 5,
    __keywords: true,
    items: 1,
    get: 2,
    values: 3,
    name: '{{ 7 * 7 }}',
    tag: '{% for x in y %}',
    tags: ['a', 'b'],
    format: '{0}',
    wide: '%999999999d',
    widest: '{:999999999}',
    filter: 'constructor',
    path: '__proto__.constructor',
    big: 9007199254740993n,
    script: '</script>\u2028\ud800\u0000',
  });
  let deep: JsonObject[string] = [];
  for (let level = 0; level < 1_900; level += 1) deep = [deep];
  return { row, deep };
}

export const attacks: readonly Attack[] = [
  ...chainAttacks(),
  ...inheritedNames(),
  ...ambientNames,
  ...pollution,
  ...names,
  ...attributeFilters,
  ...filterNames,
  ...injection,
  ...regularExpressions,
  ...otherTemplates,
  ...exhaustion,
  ...oversized,
  ...fromData,
];
