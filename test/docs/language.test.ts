/** The pages on templates and conditions name what there is, and nothing else. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { templateScope } from '../../src/deliver/request.ts';
import { OPS } from '../../src/match/conditions/parseLeaf.ts';
import { MAX_PATTERN } from '../../src/match/conditions/startPattern.ts';
import { compileTemplate } from '../../src/template/engine.ts';
import { filters } from '../../src/template/filters/filters.ts';
import { globals } from '../../src/template/globals.ts';
import { renderLimits, sourceLimits } from '../../src/template/limits.ts';
import { tests } from '../../src/template/tests.ts';
import { deliveryOf } from '../../src/trial/eventInput.ts';

const page = (name: string) => readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), 'utf8');
const templates = page('templates');
const words = new Set(Array.from(templates.matchAll(/`([^`\s(]+)[^`]*`/g), ([, word]) => word));

const namesIn = (text: string) => Array.from(text.matchAll(/`([^`]+)`/g), ([, name]) => name ?? '');

/** Each prints `yes`. */
const STATEMENTS: Readonly<Record<string, string>> = {
  if: '{% if n %}yes{% endif %}',
  elif: '{% if not n %}{% elif n %}yes{% endif %}',
  for: '{% for i in [1] %}yes{% endfor %}',
  else: '{% for i in [] %}{% else %}yes{% endfor %}',
  recursive: '{% for i in n recursive %}{{ loop(i) if i is iterable else "yes" }}{% endfor %}',
  loop: '{% for i in n %}{{ "yes" if loop.last }}{% endfor %}',
  break: '{% for i in n %}yes{% break %}{% endfor %}',
  continue: '{% for i in n %}{% if loop.first %}{% continue %}{% endif %}yes{% endfor %}',
  set: '{% set a = "yes" %}{{ a }}',
  with: '{% with a = "yes" %}{{ a }}{% endwith %}',
  macro: '{% macro m() %}yes{% endmacro %}{{ m() }}',
  call: '{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}yes{% endcall %}',
  filter: '{% filter lower %}YES{% endfilter %}',
  autoescape: '{% autoescape true %}yes{% endautoescape %}',
  print: '{% print "yes" %}',
  do: '{% set a = [] %}{% do a.append("yes") %}{{ a[0] }}',
  raw: '{% raw %}yes{% endraw %}',
};

/** One in which something is missing. */
const DELIVERY = deliveryOf({
  event: 'updated',
  timestamp: '2026-11-02T09:30:00.000000Z',
  model: 'order',
  username: null,
  request_id: null,
  data: { id: 1 },
  snapshots: { prechange: { id: 1 }, postchange: { id: 1 } },
  unavailable: { data: { note: 'toast' } },
});

describe('docs/templates.md', () => {
  it.each([
    ['filter', filters],
    ['test', tests],
    ['function', globals],
  ])('names every %s', (_kind, known) => {
    expect([...known.keys()].filter((name) => !words.has(name))).toEqual([]);
  });

  it.each([
    ['Filters', filters],
    ['Tests', tests],
    ['Functions', globals],
  ])('names no %s that there are not', (kind, known) => {
    const list = new RegExp(`^${kind}: ([^;]*?)(?:;|, \`now\\(|\\n\\n)`, 'm').exec(templates)?.[1] ?? '';
    const named = namesIn(list);
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  it.each(namesIn(/^Statements: ([^.]*)\./m.exec(templates)?.[1] ?? ''))('names the statement %s', (name) => {
    const statement = STATEMENTS[name];
    expect(statement, `an example of ${name}`).toBeDefined();
    const template = compileTemplate(statement ?? '', { path: 'statement', undefined: 'lenient' });
    expect(template.render({ n: [[1], []] })).toBe('yes');
  });

  it('names what a template sees, and all of it', () => {
    const table = /## What a template sees\n\n([\s\S]*?)\n\n/.exec(templates)?.[1] ?? '';
    const named = table.split('\n').flatMap((row) => namesIn(row.split(' | ')[0] ?? ''));
    const seen = Object.entries(templateScope(DELIVERY, 'a webhook')).flatMap(([name, value]) =>
      name === 'snapshots' || name === 'webhook'
        ? Object.keys(value ?? {}).map((key) => `${name}.${key}`)
        : [name],
    );
    expect(named.toSorted()).toEqual(seen.toSorted());
  });

  it.each([
    ...Object.entries(sourceLimits),
    ...Object.entries(renderLimits),
  ])('gives the limit %s', (name, limit) => {
    // Not a matter for authors, and told in decimal digits.
    if (name === 'checkEvery' || name === 'integerBits') return;
    expect(templates).toMatch(new RegExp(`(?<![\\d,])${limit.toLocaleString('en-US')}(?![\\d,])`));
  });
});

describe('docs/conditions.md', () => {
  const conditions = page('conditions');

  it('names every operator in its table, and no other', () => {
    const table = /## Operators\n\n([\s\S]*?)\n\n/.exec(conditions)?.[1] ?? '';
    const named = table.split('\n').flatMap((row) => namesIn(row.split('|')[1] ?? ''));
    expect(named.toSorted()).toEqual([...OPS].toSorted());
  });

  it('gives the limit of a pattern', () => {
    expect(conditions).toContain(MAX_PATTERN.toLocaleString('en-US'));
  });
});
