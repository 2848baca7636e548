/** The pages on templates and conditions name what there is. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MAX_PATTERN } from '../../src/match/conditions/startPattern.ts';
import { filters } from '../../src/template/filters/filters.ts';
import { globals } from '../../src/template/globals.ts';
import { renderLimits, sourceLimits } from '../../src/template/limits.ts';
import { tests } from '../../src/template/tests.ts';

const page = (name: string) => readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), 'utf8');
const templates = page('templates');
const words = new Set(Array.from(templates.matchAll(/`([^`\s(]+)[^`]*`/g), ([, word]) => word));

describe('docs/templates.md', () => {
  it.each([
    ['filter', filters],
    ['test', tests],
    ['function', globals],
  ])('names every %s', (_kind, known) => {
    expect([...known.keys()].filter((name) => !words.has(name))).toEqual([]);
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

  it.each([
    'eq',
    'gt',
    'gte',
    'lt',
    'lte',
    'in',
    'contains',
    'regex',
    'changed',
    'unchanged',
  ])('names the operator %s', (op) => {
    expect(conditions).toMatch(new RegExp(`^\\| .*\`${op}\``, 'm'));
  });

  it('gives the limit of a pattern', () => {
    expect(conditions).toContain(MAX_PATTERN.toLocaleString('en-US'));
  });
});
