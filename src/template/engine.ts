/**
 * Jinja2 templates: compiled once, rendered many times.
 *
 * Relies on nunjucks' parser and compiler (compile/), a model of Python's values (values/, python/) and a
 * runtime of its own. Promises that a template neither reaches anything but the data it is given nor takes
 * more than its budget, and that whatever goes wrong is a TemplateError that shows no row data.
 */

import type { JsonObject } from '../core/json.ts';
import { checkTree } from './compile/allowList.ts';
import type { Position } from './compile/bodyCompiler.ts';
import { normalizeSource } from './compile/lexer.ts';
import type { Place } from './compile/nunjucks.ts';
import { compileTree } from './compile/statementCompiler.ts';
import { parseTemplate } from './compile/statementParser.ts';
import { SourceError } from './compile/syntaxError.ts';
import { globals } from './globals.ts';
import { renderLimits, sourceLimits } from './limits.ts';
import { PythonError } from './python/errors.ts';
import { Runtime, type RuntimeOptions } from './runtime.ts';
import { TemplateError } from './templateError.ts';

export interface TemplateOptions {
  /** Where the template stands, for messages: `webhooks[0].body_template`. */
  readonly path: string;
  /** As Jinja2's Undefined (lenient) or StrictUndefined (strict). */
  readonly undefined: 'lenient' | 'strict';
  /** Every output loses its control characters; only the template's own text can end a line. */
  readonly headerSafe?: boolean;
  /** Reads an environment variable, if templates may; the default knows none. */
  readonly env?: (name: string) => string | undefined;
}

type Root = (runtime: Runtime) => string;

export class Template {
  /** The template has no tags: it renders to its own text. */
  readonly isConstant: boolean;
  /**
   * What the template reads of the data, sorted: a name, then the keys that are spelled out, as far as they
   * are (`['data', 'status', 'value']`). A path stands for everything below it.
   */
  readonly references: readonly (readonly string[])[];
  readonly #path: string;
  readonly #source: string;
  readonly #options: RuntimeOptions;
  readonly #positions: readonly Position[];
  readonly #root: Root;

  /** Use compileTemplate. Throws a TemplateError with the code TEMPLATE_INVALID. */
  constructor(source: string, options: TemplateOptions) {
    this.#path = options.path;
    this.#options = {
      isStrict: options.undefined === 'strict',
      isHeaderSafe: options.headerSafe ?? false,
      env: options.env ?? (() => undefined),
    };
    this.#source = source.length > sourceLimits.source ? '' : normalizeSource(source);
    try {
      if (source.length > sourceLimits.source) throw tooLong(source);
      const tree = parseTemplate(this.#source);
      checkTree(tree);
      const { code, constants, positions, references } = compileTree(tree);
      this.isConstant = tree.children.every((node) => node.typename === 'Text');
      this.references = distinct(references);
      this.#positions = positions;
      // The code holds no text of the template (see compile/codeWriter.ts).
      this.#root = new Function('K', code)(constants) as Root;
    } catch (error) {
      throw this.#invalid(error);
    }
  }

  /**
   * Renders the template over JSON data, which is read by own keys and never changed.
   *
   * @param now - what `now()` tells; the time of asking if left out
   * @throws TemplateError with the code TEMPLATE_FAILED
   */
  render(data: JsonObject, now: Date | null = null): string {
    const runtime = new Runtime(this.#options, data, now);
    try {
      const text = this.#root(runtime);
      checkSize(text);
      return text;
    } catch (error) {
      throw this.#failed(error, runtime.at);
    }
  }

  #invalid(error: unknown): TemplateError {
    const problem = error instanceof SourceError ? error : unexpected(error);
    const { lineno, colno } = problem.place;
    return new TemplateError('TEMPLATE_INVALID', {
      path: this.#path,
      line: lineno + 1,
      column: colno + 1,
      expression: excerpt(this.#source, tagAround(this.#source, problem.place)),
      exception: problem.exception,
      reason: problem.message,
    });
  }

  #failed(error: unknown, at: number): TemplateError {
    const position = this.#positions[at] ?? { lineno: 0, colno: 0, start: 0, end: 0 };
    const problem = toPythonError(error);
    return new TemplateError('TEMPLATE_FAILED', {
      path: this.#path,
      line: position.lineno + 1,
      column: position.colno + 1,
      expression: excerpt(this.#source, position),
      exception: problem.exception,
      reason: problem.message,
    });
  }
}

/** Compiles a template. Throws a TemplateError with the code TEMPLATE_INVALID. */
export function compileTemplate(source: string, options: TemplateOptions): Template {
  return new Template(source, options);
}

function tooLong(source: string): SourceError {
  const limit = sourceLimits.source;
  return new SourceError(`the template has ${source.length} characters, the limit is ${limit}`, START);
}

const START: Place = { lineno: 0, colno: 0 };

/** Anything else than a SourceError is the engine's own; its message might repeat the template. */
function unexpected(error: unknown): SourceError {
  const isTooDeep = error instanceof RangeError;
  const name = error instanceof Error ? error.name : typeof error;
  return new SourceError(
    isTooDeep ? 'the template is nested too deeply' : `cannot be compiled (${name})`,
    START,
  );
}

/** As above for rendering: a foreign error's message might repeat row data. */
function toPythonError(error: unknown): PythonError {
  if (error instanceof PythonError) return error;
  if (error instanceof RangeError) {
    return new PythonError('RecursionError', 'nested too deeply or grown too large');
  }
  const name = error instanceof Error ? error.name : typeof error;
  return new PythonError('RuntimeError', `the template engine failed (${name})`);
}

/** Refuses what is longer than 1 MiB in UTF-8; only long texts need counting. */
function checkSize(text: string): void {
  if (text.length * 3 <= renderLimits.text) return;
  if (text.length > renderLimits.text || Buffer.byteLength(text) > renderLimits.text) {
    throw new PythonError('BudgetError', 'the text grew beyond 1 MiB');
  }
}

/** The paths once each, sorted; names that are functions of the engine are none of the data's. */
function distinct(paths: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const byText = new Map<string, readonly string[]>();
  for (const path of paths) {
    if (!globals.has(path[0] ?? '')) byText.set(path.join('\0'), path);
  }
  return Array.from(byText)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, path]) => path);
}

/** Characters of a tag that a message shows. */
const EXCERPT = 80;

/** A text written into a tag, also one that is not closed. */
const LITERAL = /'(?:[^'\\]|\\.)*'?|"(?:[^"\\]|\\.)*"?/g;
/** What a shorter text says of a secret is nothing, and much of where the mistake is. */
const MAX_SHOWN_LITERAL = 7;

/** A key written into a template, which the configuration may have filled in from a secret. */
const SIGNING_KEY = /(hmac_sha256\s*\(\s*)(?:'[^']*'?|"[^"]*"?)/g;

/** A piece of source on one line, without texts that the configuration may have filled in from a secret, cut to a length that messages can bear. */
function excerpt(source: string, { start, end }: { readonly start: number; readonly end: number }): string {
  const text = source
    .slice(start, Math.min(end, start + 4 * EXCERPT))
    .replace(SIGNING_KEY, '$1…')
    .replace(LITERAL, (text) =>
      text.length > MAX_SHOWN_LITERAL ? `${text.slice(0, 1)}…${text.slice(0, 1)}` : text,
    )
    .replace(/\s+/g, ' ')
    .trim();
  return text.length > EXCERPT ? `${text.slice(0, EXCERPT - 1)}…` : text;
}

/** The tag that a place is in, as offsets; as well as can be said of a source that is no template. */
function tagAround(source: string, { lineno, colno }: Place): { start: number; end: number } {
  let lineStart = 0;
  for (let line = 0; line < lineno; line += 1) lineStart = source.indexOf('\n', lineStart) + 1;
  const offset = lineStart + colno;
  const start = Math.max(source.lastIndexOf('{{', offset), source.lastIndexOf('{%', offset), 0);
  const ends = ['}}', '%}', '\n'].map((mark) => source.indexOf(mark, offset)).filter((end) => end >= 0);
  const end = Math.min(...ends, source.length);
  return { start, end: source[end] === '\n' ? end : end + 2 };
}
