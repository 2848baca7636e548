import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { checkTree } from '../../src/template/compile/allowList.ts';
import { normalizeSource } from '../../src/template/compile/lexer.ts';
import { compileTree } from '../../src/template/compile/statementCompiler.ts';
import { parseTemplate } from '../../src/template/compile/statementParser.ts';
import { SourceError } from '../../src/template/compile/syntaxError.ts';
import { Runtime } from '../../src/template/runtime.ts';
import { attacks } from './attackCases.ts';

const KEYWORDS = new Set(
  'use strict return function root rt K const let var if else while break continue try finally true false null undefined at advance item autoescape'.split(
    ' ',
  ),
);
const METHODS = new Set(Object.getOwnPropertyNames(Runtime.prototype));
METHODS.delete('constructor');

/** The words of a piece of code that this engine did not write. */
function foreignWords(code: string): string[] {
  const words = code.match(/[\p{L}_$][\p{L}\p{N}_$]*/gu) ?? [];
  return words.filter((word) => !/^[kt]_?[0-9]+$/.test(word) && !KEYWORDS.has(word) && !METHODS.has(word));
}

function generate(source: string): string | null {
  try {
    const tree = parseTemplate(normalizeSource(source));
    checkTree(tree);
    return compileTree(tree).code;
  } catch (error) {
    if (error instanceof SourceError) return null;
    throw error;
  }
}

describe('generated code', () => {
  const golden = JSON.parse(readFileSync(new URL('golden.json', import.meta.url), 'utf8')) as {
    readonly cases: readonly { readonly template: string }[];
  };
  const sources = [...attacks, ...golden.cases].map(({ template }) => template);
  const codes = sources.map(generate).filter((code) => code !== null);

  it('is generated for most templates', () => {
    expect(codes.length).toBeGreaterThan(2_500);
  });

  it('holds no word of the template', () => {
    expect(codes.flatMap(foreignWords)).toEqual([]);
  });

  it('holds no string but its own directive, and nothing beyond ASCII', () => {
    for (const code of codes) {
      expect(code.replace('"use strict";', '').replaceAll('""', '')).not.toMatch(/["'`\\]|[^\x00-\x7f]/);
    }
  });
});
