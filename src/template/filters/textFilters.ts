/** Jinja2's filters that make one text of another. */

import type { Budget } from '../budget.ts';
import { centerShare } from '../methods/strMethods.ts';
import { floatArgument, intArgument, limitArgument, noAttribute, textArgument } from '../python/arguments.ts';
import { PythonError, typeError, valueError } from '../python/errors.ts';
import { escapedInto, escapeHtml } from '../python/html.ts';
import { length, truth } from '../python/iterate.ts';
import { formatFloat } from '../python/numberFormat.ts';
import { parseFloatText } from '../python/parseNumber.ts';
import { printf } from '../python/printf.ts';
import { str } from '../python/repr.ts';
import { eachMatch, replaceEach } from '../python/scan.ts';
import { capitalize, replace, splitLines, strip } from '../python/strings.ts';
import { wrap } from '../python/textWrap.ts';
import { typeName } from '../python/types.ts';
import { type Callable, Operation, type Rendering, Variadic } from '../values/callable.ts';
import { Dict } from '../values/dict.ts';
import { isList, tuple } from '../values/sequences.ts';
import { isText, Markup, rewrap, textLength, textOf, textSlice } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Value } from '../values/value.ts';

type Text = string | Markup;

/** Jinja2's soft_str: any value as a text, Markup staying Markup. */
function soft(value: Value, rendering: Rendering): Text {
  if (isText(value)) {
    rendering.budget.read(textOf(value).length);
    return value;
  }
  return str(value, rendering.budget);
}

/** A filter that makes one text of another, no longer than a few times its length. */
function mapping(name: string, change: (text: string, budget: Budget) => string): Callable {
  return Operation.of(name, ['s'], (rendering, value) => {
    const text = soft(value, rendering);
    const changed = change(textOf(text), rendering.budget);
    rendering.budget.text(changed.length);
    return rewrap(text, changed);
  });
}

const WORD = /[\p{L}\p{N}_]+/gu;
/** What `title` takes for a word. */
const TITLE_WORD = /[^-\s({[<]+/g;

function center(rendering: Rendering, value: Value, width: Value): Value {
  const text = soft(value, rendering);
  const wanted = intArgument(width);
  const missing = wanted - textLength(textOf(text));
  if (missing <= 0) return text;
  rendering.budget.text(wanted);
  const before = centerShare(missing, wanted);
  return rewrap(text, ' '.repeat(before) + textOf(text) + ' '.repeat(missing - before));
}

function replaceFilter(rendering: Rendering, value: Value, old: Value, by: Value, count: Value): Value {
  const { budget, autoescape } = rendering;
  const limit = limitArgument(count);
  if (!autoescape) return replace(str(value, budget), str(old, budget), str(by, budget), limit, budget);
  const isEscaped = old instanceof Markup || (by instanceof Markup && !(value instanceof Markup));
  const plain = soft(value, rendering);
  const text = isEscaped && typeof plain === 'string' ? new Markup(escapeHtml(plain, budget)) : plain;
  const to = escapedInto(text instanceof Markup, soft(by, rendering), budget);
  return rewrap(text, replace(textOf(text), textOf(soft(old, rendering)), to, limit, budget));
}

function indent(rendering: Rendering, value: Value, width: Value, first: Value, blank: Value): Value {
  const text = indentable(value);
  const prefix = isText(width) ? textOf(width) : spaces(rendering, intArgument(width));
  const isMarkup = text instanceof Markup;
  const indentation = typeof width === 'string' ? escapedInto(isMarkup, width, rendering.budget) : prefix;
  const lines = splitLines(`${textOf(text)}\n`, false, rendering.budget);
  rendering.budget.text(textOf(text).length + lines.length * indentation.length);
  const isIndented = (line: string, at: number): boolean =>
    at === 0 ? truth(first) : line !== '' || truth(blank);
  return rewrap(text, lines.map((line, at) => (isIndented(line, at) ? indentation + line : line)).join('\n'));
}

function indentable(value: Value): Text {
  if (isText(value)) return value;
  if (isList(value)) throw noAttribute(value, 'splitlines');
  if (value instanceof Undefined) throw value.error();
  throw typeError(`unsupported operand type(s) for +=: '${typeName(value)}' and 'str'`);
}

function spaces(rendering: Rendering, count: number): string {
  rendering.budget.text(Math.max(0, count));
  return ' '.repeat(Math.max(0, count));
}

const TRUNCATE_LEEWAY = 5;

function truncate(
  _rendering: Rendering,
  value: Value,
  most: Value,
  killWords: Value,
  end: Value,
  leeway: Value,
): Value {
  const [wanted, ending] = [intArgument(most), textArgument(end)];
  const slack = leeway === null ? TRUNCATE_LEEWAY : intArgument(leeway);
  const endLength = textLength(ending);
  if (wanted < endLength) {
    throw new PythonError('AssertionError', 'expected a length that the end fits in');
  }
  if (slack < 0) throw new PythonError('AssertionError', 'expected leeway >= 0');
  if (length(value) <= wanted + slack) return value;
  if (!isText(value)) throw noAttribute(value, 'rsplit');
  const cut = textSlice(textOf(value), 0, wanted - endLength);
  const space = truth(killWords) ? -1 : cut.lastIndexOf(' ');
  return rewrap(value, (space < 0 ? cut : cut.slice(0, space)) + ending);
}

function wordWrap(
  rendering: Rendering,
  value: Value,
  width: Value,
  breaksWords: Value,
  lineEnd: Value,
  breaksHyphens: Value,
): Value {
  if (!isText(value)) throw noAttribute(value, 'splitlines');
  const text = textOf(value);
  const joint = lineEnd === null ? '\n' : textArgument(lineEnd);
  const options = {
    width: intArgument(width),
    breaksWords: truth(breaksWords),
    breaksHyphens: truth(breaksHyphens),
    budget: rendering.budget,
  };
  if (options.width < 1) throw valueError('invalid width: it must be above 0');
  rendering.budget.elements(Math.ceil(text.length / options.width) * 2);
  rendering.budget.read(text.length * 8);
  const lines = splitLines(text, false, rendering.budget).map((line) => wrap(line, options).join(joint));
  rendering.budget.text(lines.reduce((sum, line) => sum + line.length + joint.length, 0));
  return lines.join(joint);
}

const SIZES = ['kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];

function fileSize(value: Value, isBinary: boolean): string {
  const bytes = isText(value) ? parseFloatText(textOf(value)) : floatArgument(value);
  if (bytes === null) throw valueError('could not convert string to float');
  const base = isBinary ? 1024 : 1000;
  if (bytes === 1) return '1 Byte';
  if (bytes < base) return `${Math.trunc(bytes)} Bytes`;
  const found = SIZES.findIndex((_, at) => bytes < base ** (at + 2));
  const at = found < 0 ? SIZES.length - 1 : found;
  const amount = (base * bytes) / base ** (at + 2);
  const unit = SIZES[at] ?? '';
  const name = isBinary ? `${unit[0]?.toUpperCase()}iB` : unit;
  return `${formatFloat(amount, 'f', 1, false)} ${name}`;
}

export const textFilters: readonly Callable[] = [
  mapping('upper', (text) => text.toUpperCase()),
  mapping('lower', (text) => text.toLowerCase()),
  mapping('capitalize', capitalize),
  mapping('title', (text, budget) => replaceEach(text, TITLE_WORD, capitalize, budget)),
  Operation.of('trim', ['value', ['chars', null]], (rendering, value, characters) => {
    const text = soft(value, rendering);
    return rewrap(text, strip(textOf(text), characters === null ? null : textArgument(characters), 'both'));
  }),
  Operation.of('center', ['value', ['width', 80]], center),
  Operation.of('replace', ['s', 'old', 'new', ['count', null]], replaceFilter),
  Operation.of('indent', ['s', ['width', 4], ['first', false], ['blank', false]], indent),
  Operation.of(
    'truncate',
    ['s', ['length', 255], ['killwords', false], ['end', '...'], ['leeway', null]],
    truncate,
  ),
  Operation.of(
    'wordwrap',
    ['s', ['width', 79], ['break_long_words', true], ['wrapstring', null], ['break_on_hyphens', true]],
    wordWrap,
  ),
  Operation.of('wordcount', ['s'], (rendering, value) => {
    let count = 0;
    for (const _ of eachMatch(textOf(soft(value, rendering)), WORD, rendering.budget)) count += 1;
    return count;
  }),
  Operation.of('string', ['object'], (rendering, value) => soft(value, rendering)),
  Operation.of('filesizeformat', ['value', ['binary', false]], (_rendering, value, isBinary) =>
    fileSize(value, truth(isBinary)),
  ),
  new Variadic('format', (rendering, [value, ...args], keywords) => {
    if (value === undefined) throw typeError('format() needs a text');
    if (args.length > 0 && keywords.size > 0) {
      throw new PythonError(
        'FilterArgumentError',
        "can't handle positional and keyword arguments at the same time",
      );
    }
    const values = keywords.size > 0 ? Dict.from(keywords) : tuple(args);
    return printf(soft(value, rendering), values, rendering.budget);
  }),
];
