/** The methods of str. Where the text is Markup, results are Markup and inserted texts are escaped. */

import type { Budget } from '../budget.ts';
import { intArgument, limitArgument, textArgument } from '../python/arguments.ts';
import { typeError, valueError } from '../python/errors.ts';
import { escapeHtml } from '../python/html.ts';
import { elements, truth } from '../python/iterate.ts';
import { isPrintable } from '../python/repr.ts';
import {
  capitalize,
  classifiers,
  expandTabs,
  replace,
  type Side,
  split,
  splitLines,
  splitRight,
  splitWords,
  splitWordsRight,
  strip,
  swapCase,
  title,
} from '../python/strings.ts';
import { typeName } from '../python/types.ts';
import { type Callable, Operation, type Parameter, type Rendering } from '../values/callable.ts';
import { Tuple, tuple } from '../values/sequences.ts';
import { isFlat, isText, Markup, rewrap, textLength, textOf, textSlice } from '../values/text.ts';
import type { Value } from '../values/value.ts';

type Text = string | Markup;

/** A method of str: `run` gets the text it was looked up on. */
function method(
  name: string,
  parameters: readonly Parameter[],
  run: (rendering: Rendering, text: Text, ...args: Value[]) => Value,
): Callable {
  return Operation.of(name, ['self', ...parameters], (rendering, self, ...args) => {
    if (!isText(self)) throw typeError(`'${name}' requires a 'str' object but received '${typeName(self)}'`);
    rendering.budget.read(textOf(self).length);
    return run(rendering, self, ...args);
  });
}

/** A method that makes one text of another, no longer than a few times its length. */
function mapping(name: string, change: (text: string, budget: Budget) => string): Callable {
  return method(name, [], (rendering, text) => {
    const changed = change(textOf(text), rendering.budget);
    rendering.budget.text(changed.length);
    return rewrap(text, changed);
  });
}

/** A text put into `text`: escaped where that is Markup. */
function inserted(text: Text, value: Value, budget: Budget): string {
  const plain = textArgument(value);
  return text instanceof Markup && !(value instanceof Markup) ? escapeHtml(plain, budget) : plain;
}

function stripping(name: string, side: Side): Callable {
  return method(name, [['chars', null]], (_rendering, text, characters) =>
    rewrap(text, strip(textOf(text), characters === null ? null : textArgument(characters ?? null), side)),
  );
}

function splitting(
  name: string,
  words: (text: string, limit: number, budget: Budget) => string[],
  parts: (text: string, separator: string, limit: number) => string[],
): Callable {
  return method(
    name,
    [
      ['sep', null],
      ['maxsplit', -1],
    ],
    (rendering, text, separator, limit) => {
      const most = intArgument(limit ?? -1);
      const plain = textOf(text);
      const found =
        separator === null
          ? words(plain, most, rendering.budget)
          : parts(plain, textArgument(separator ?? null), most);
      rendering.budget.elements(found.length);
      return found.map((part) => rewrap(text, part));
    },
  );
}

function partitioning(name: string, find: (text: string, separator: string) => number): Callable {
  return method(name, ['sep'], (_rendering, text, separator) => {
    const plain = textOf(text);
    const by = textArgument(separator ?? null);
    if (by === '') throw valueError('empty separator');
    const at = find(plain, by);
    const none = name === 'partition' ? [plain, '', ''] : ['', '', plain];
    const parts = at < 0 ? none : [plain.slice(0, at), by, plain.slice(at + by.length)];
    return tuple(parts.map((part) => rewrap(text, part)));
  });
}

function padding(name: string, share: (missing: number, width: number) => number): Callable {
  return method(name, ['width', ['fillchar', ' ']], (rendering, text, width, fill) => {
    const plain = textOf(text);
    const wanted = intArgument(width ?? 0);
    const filler = inserted(text, fill ?? ' ', rendering.budget);
    if (textLength(filler) !== 1) throw typeError('The fill character must be exactly one character long');
    const missing = wanted - textLength(plain);
    if (missing <= 0) return text;
    rendering.budget.text(plain.length + missing * filler.length);
    const before = share(missing, wanted);
    return rewrap(text, filler.repeat(before) + plain + filler.repeat(missing - before));
  });
}

/** How str.center shares out an odd space: to the left where the width is odd. */
export function centerShare(missing: number, width: number): number {
  return Math.floor(missing / 2) + (missing & width & 1);
}

interface Window {
  readonly text: string;
  readonly offset: number;
}

/** The part of a text between the optional bounds of find, count, startswith and their kin. */
function within(text: string, start: Value, end: Value): Window | null {
  if (start === null && end === null) return { text, offset: 0 };
  const length = textLength(text);
  const place = (value: Value, fallback: number): number => {
    const at = value === null ? fallback : intArgument(value);
    return Math.max(0, at < 0 ? at + length : at);
  };
  const from = place(start, 0);
  const to = Math.min(length, place(end, length));
  return from > length ? null : { text: textSlice(text, from, Math.max(from, to)), offset: from };
}

function finding(name: string, isLast: boolean, isStrict: boolean): Callable {
  return method(name, ['sub', ['start', null], ['end', null]], (_rendering, text, sub, start, end) => {
    const window = within(textOf(text), start ?? null, end ?? null);
    const wanted = textArgument(sub ?? null);
    const unit =
      window === null ? -1 : isLast ? window.text.lastIndexOf(wanted) : window.text.indexOf(wanted);
    if (window === null || unit < 0) {
      if (isStrict) throw valueError('substring not found');
      return -1;
    }
    const at = isFlat(window.text) ? unit : textLength(window.text.slice(0, unit));
    return at + window.offset;
  });
}

function affix(name: string, test: (text: string, part: string) => boolean): Callable {
  return method(name, ['prefix', ['start', null], ['end', null]], (rendering, text, wanted, start, end) => {
    const window = within(textOf(text), start ?? null, end ?? null);
    const parts = wanted instanceof Tuple ? elements(wanted, rendering) : [wanted ?? null];
    return parts.some((part) => {
      if (!isText(part)) {
        throw typeError(`${name} first arg must be str or a tuple of str, not ${typeName(part)}`);
      }
      return window !== null && test(window.text, textOf(part));
    });
  });
}

function count(text: string, wanted: string): number {
  return wanted === '' ? textLength(text) + 1 : text.split(wanted).length - 1;
}

/** Joins texts with a separator, measured first. Other values are a TypeError, as in Python. */
function joined(rendering: Rendering, separator: Text, iterable: Value): Text {
  const parts = elements(iterable, rendering).map((part, at) => {
    if (isText(part)) return inserted(separator, part, rendering.budget);
    throw typeError(`sequence item ${at}: expected str instance, ${typeName(part)} found`);
  });
  const between = textOf(separator);
  const length = parts.reduce((sum, part) => sum + part.length + between.length, 0);
  rendering.budget.text(Math.max(0, length - between.length));
  return rewrap(separator, parts.join(between));
}

function zeroFill(rendering: Rendering, text: Text, width: number): Text {
  const plain = textOf(text);
  const missing = width - textLength(plain);
  if (missing <= 0) return text;
  rendering.budget.text(plain.length + missing);
  const sign = /^[+-]/.exec(plain)?.[0] ?? '';
  return rewrap(text, sign + '0'.repeat(missing) + plain.slice(sign.length));
}

const list: readonly Callable[] = [
  mapping('upper', (text) => text.toUpperCase()),
  mapping('lower', (text) => text.toLowerCase()),
  mapping('casefold', (text) => text.toLowerCase().replaceAll('ß', 'ss').replaceAll('ς', 'σ')),
  mapping('capitalize', capitalize),
  mapping('title', title),
  mapping('swapcase', swapCase),
  stripping('strip', 'both'),
  stripping('lstrip', 'left'),
  stripping('rstrip', 'right'),
  splitting('split', splitWords, split),
  splitting('rsplit', splitWordsRight, splitRight),
  method('splitlines', [['keepends', false]], (rendering, text, keepsEnds) => {
    const lines = splitLines(textOf(text), truth(keepsEnds ?? false), rendering.budget);
    rendering.budget.elements(lines.length);
    return lines.map((line) => rewrap(text, line));
  }),
  partitioning('partition', (text, separator) => text.indexOf(separator)),
  partitioning('rpartition', (text, separator) => text.lastIndexOf(separator)),
  padding('center', centerShare),
  padding('ljust', () => 0),
  padding('rjust', (missing) => missing),
  method('zfill', ['width'], (rendering, text, width) => zeroFill(rendering, text, intArgument(width ?? 0))),
  method('expandtabs', [['tabsize', 8]], (rendering, text, size) =>
    rewrap(text, expandTabs(textOf(text), intArgument(size ?? 8), rendering.budget)),
  ),
  method('replace', ['old', 'new', ['count', -1]], (rendering, text, old, by, limit) => {
    const [from, to] = [textArgument(old ?? null), inserted(text, by ?? null, rendering.budget)];
    return rewrap(text, replace(textOf(text), from, to, limitArgument(limit ?? -1), rendering.budget));
  }),
  method('removeprefix', ['prefix'], (_rendering, text, prefix) => {
    const [plain, part] = [textOf(text), textArgument(prefix ?? null)];
    return rewrap(text, plain.startsWith(part) ? plain.slice(part.length) : plain);
  }),
  method('removesuffix', ['suffix'], (_rendering, text, suffix) => {
    const [plain, part] = [textOf(text), textArgument(suffix ?? null)];
    return rewrap(text, part !== '' && plain.endsWith(part) ? plain.slice(0, -part.length) : plain);
  }),
  affix('startswith', (text, part) => text.startsWith(part)),
  affix('endswith', (text, part) => text.endsWith(part)),
  finding('find', false, false),
  finding('rfind', true, false),
  finding('index', false, true),
  finding('rindex', true, true),
  method('count', ['sub', ['start', null], ['end', null]], (_rendering, text, sub, start, end) => {
    const window = within(textOf(text), start ?? null, end ?? null);
    return window === null ? 0 : count(window.text, textArgument(sub ?? null));
  }),
  method('join', ['iterable'], (rendering, text, iterable) => joined(rendering, text, iterable ?? null)),
  method('isprintable', [], (_rendering, text) => isPrintable(textOf(text))),
  ...Array.from(classifiers, ([name, test]) =>
    method(name, [], (rendering, text) => test(textOf(text), rendering.budget)),
  ),
];

/** By name; `format` and `format_map`, which look attributes up, are the runtime's. */
export const strMethods: ReadonlyMap<string, Callable> = new Map(list.map((entry) => [entry.name, entry]));
