import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { type JsonObject, parseJson } from '../../src/core/json.ts';
import { compileTemplate } from '../../src/template/engine.ts';
import { TemplateError } from '../../src/template/templateError.ts';

interface Case {
  readonly template: string;
  readonly expect?: string | null;
  readonly error?: string;
  readonly undefined?: 'strict';
}

interface Golden {
  readonly context: JsonObject;
  readonly cases: readonly Case[];
}

function load(name: string): Golden {
  return parseJson(readFileSync(new URL(name, import.meta.url), 'utf8')) as unknown as Golden;
}

/** What a template prints, or the exception that it raises. */
function outcome({ template, undefined: mode }: Case, context: JsonObject): string {
  try {
    const compiled = compileTemplate(template, { path: 'golden', undefined: mode ?? 'lenient' });
    return `prints ${compiled.render(context)}`;
  } catch (error) {
    if (error instanceof TemplateError) return `raises ${error.problem.exception}`;
    throw error;
  }
}

function expected({ expect: text, error }: Case): string {
  return error === undefined ? `prints ${text}` : `raises ${error}`;
}

describe.each([
  ['the published cases', 'jinja.json', 67],
  ['the differential corpus', 'golden.json', 3_000],
])('%s', (_name, file, least) => {
  const { context, cases } = load(file);

  it(`hold at least ${least} templates`, () => {
    expect(cases.length).toBeGreaterThanOrEqual(least);
  });

  it('print what Jinja2 prints and raise what it raises', () => {
    const wrong = cases
      .map((each) => ({ template: each.template, ours: outcome(each, context), jinja2: expected(each) }))
      .filter(({ ours, jinja2 }) => ours !== jinja2);
    expect(wrong).toEqual([]);
  });
});
