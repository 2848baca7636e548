/** `'%s' % values`: printf-style formatting. */

import type { Budget } from '../budget.ts';
import { Dict } from '../values/dict.ts';
import { isFloat, numeric } from '../values/number.ts';
import { Range, Tuple } from '../values/sequences.ts';
import { isText, Markup, textLength, textOf, textSlice } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Value } from '../values/value.ts';
import { PythonError, typeError, valueError } from './errors.ts';
import { escapeHtml } from './html.ts';
import { formatFloat, formatInt, truncated } from './numberFormat.ts';
import { repr, str } from './repr.ts';
import { eachMatch } from './scan.ts';
import { typeName } from './types.ts';

const CONVERSION = /%(?:\(([^()]*)\))?([-+ #0]*)(\*|[0-9]{1,9})?(?:\.(\*|[0-9]{1,9})?)?[hlL]?([\s\S])?/g;

interface Conversion {
  readonly flags: string;
  readonly width: number;
  readonly precision: number | null;
  readonly kind: string;
}

/** Formats `template % values`. Where the template is Markup, what is inserted is escaped. */
export function printf(template: string | Markup, values: Value, budget: Budget): string | Markup {
  const source = new Arguments(values);
  const isMarkup = template instanceof Markup;
  const format = textOf(template);
  const parts: string[] = [];
  let end = 0;
  for (const found of eachMatch(format, CONVERSION, budget)) {
    parts.push(format.slice(end, found.index));
    end = found.index + found[0].length;
    parts.push(convert(found, source, isMarkup, budget));
  }
  parts.push(format.slice(end));
  source.finish();
  budget.text(parts.reduce((sum, part) => sum + part.length, 0));
  return isMarkup ? new Markup(parts.join('')) : parts.join('');
}

function convert(found: RegExpExecArray, source: Arguments, isMarkup: boolean, budget: Budget): string {
  const [all, name, flags = '', width, precision, kind] = found;
  if (kind === undefined) throw valueError('incomplete format');
  if (kind === '%') return '%';
  const hasPoint = /\.(?:\*|[0-9]*)[hlL]?[\s\S]$/.test(all.slice(1));
  const shape = {
    flags,
    width: width === '*' ? source.nextInt() : Number(width ?? 0),
    precision: precision === '*' ? source.nextInt() : hasPoint ? Number(precision ?? 0) : null,
    kind,
  };
  const value = name === undefined ? source.next() : source.named(name);
  const text = body(value, shape, isMarkup, budget);
  return pad(text, shape, budget);
}

interface Body {
  readonly sign: string;
  readonly text: string;
}

function body(value: Value, shape: Conversion, isMarkup: boolean, budget: Budget): Body {
  switch (shape.kind) {
    case 's':
      return { sign: '', text: cut(inserted(value, str(value, budget), isMarkup, budget), shape) };
    case 'r':
    case 'a':
      return { sign: '', text: cut(inserted(null, repr(value, budget), isMarkup, budget), shape) };
    case 'c':
      return { sign: '', text: character(value) };
    case 'd':
    case 'i':
    case 'u':
      return integer(value, shape, truncatedOperand(value, shape.kind));
    case 'x':
    case 'X':
    case 'o':
      return integer(value, shape, integerOperand(value, shape.kind));
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
      return real(value, shape);
    default:
      throw valueError('unsupported format character');
  }
}

function inserted(value: Value, text: string, isMarkup: boolean, budget: Budget): string {
  return isMarkup && !(value instanceof Markup) ? escapeHtml(text, budget) : text;
}

function cut(text: string, shape: Conversion): string {
  return shape.precision === null ? text : textSlice(text, 0, shape.precision);
}

function character(value: Value): string {
  if (isText(value) && textLength(textOf(value)) === 1) return textOf(value);
  const code = numeric(value);
  if (code === null || isFloat(value)) throw typeError('%c requires int or char');
  if (code < 0 || code > 0x10ffff) throw new PythonError('OverflowError', '%c arg not in range(0x110000)');
  return String.fromCodePoint(Number(code));
}

function truncatedOperand(value: Value, kind: string): bigint {
  if (isFloat(value)) return truncated(Number(numeric(value)));
  return integerOperand(value, kind);
}

function integerOperand(value: Value, kind: string): bigint {
  const number = numeric(value);
  if (number !== null && !isFloat(value)) return BigInt(number);
  if (value instanceof Undefined) throw value.error();
  const wanted = 'diu'.includes(kind) ? 'a real number' : 'an integer';
  throw typeError(`%${kind} format: ${wanted} is required, not ${typeName(value)}`);
}

function integer(_value: Value, shape: Conversion, number: bigint): Body {
  const digits = formatInt(number < 0n ? -number : number, shape.kind, shape.flags.includes('#'));
  const padded = shape.precision === null ? digits : digits.padStart(Math.min(shape.precision, 100), '0');
  return { sign: signOf(number < 0n, shape), text: padded };
}

function real(value: Value, shape: Conversion): Body {
  const number = numeric(value);
  if (number === null) {
    if (value instanceof Undefined) throw value.error();
    throw typeError(`must be real number, not ${typeName(value)}`);
  }
  const float = Number(number);
  const isNegative = float < 0 || Object.is(float, -0);
  const text = formatFloat(float, shape.kind, shape.precision ?? 6, shape.flags.includes('#'));
  return { sign: signOf(isNegative, shape), text };
}

function signOf(isNegative: boolean, shape: Conversion): string {
  if (isNegative) return '-';
  if (shape.flags.includes('+')) return '+';
  return shape.flags.includes(' ') ? ' ' : '';
}

function pad({ sign, text }: Body, shape: Conversion, budget: Budget): string {
  const missing = Math.abs(shape.width) - sign.length - textLength(text);
  if (missing <= 0) return sign + text;
  budget.text(Math.abs(shape.width));
  if (shape.flags.includes('-') || shape.width < 0) return sign + text + ' '.repeat(missing);
  const isNumber = !'srac'.includes(shape.kind);
  if (shape.flags.includes('0') && isNumber) return sign + '0'.repeat(missing) + text;
  return ' '.repeat(missing) + sign + text;
}

/** The right side of %: a tuple of values, one value, or a mapping for `%(name)s`. */
class Arguments {
  readonly #values: Value;
  #used = 0;
  #isNamed = false;

  constructor(values: Value) {
    this.#values = values;
  }

  next(): Value {
    const value = this.#values instanceof Tuple ? this.#values[this.#used] : this.#single();
    if (value === undefined) throw typeError('not enough arguments for format string');
    this.#used += 1;
    return value;
  }

  nextInt(): number {
    const value = this.next();
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw typeError('* wants int');
    return value;
  }

  named(name: string): Value {
    if (!(this.#values instanceof Dict)) throw typeError('format requires a mapping');
    this.#isNamed = true;
    const value = this.#values.getText(name);
    if (value === undefined)
      throw new PythonError('KeyError', 'the mapping lacks a key that the format names');
    return value;
  }

  /** Complains of values that no conversion took. */
  finish(): void {
    const values = this.#values;
    if (this.#isNamed || isSubscriptable(values)) return;
    const count = values instanceof Tuple ? values.length : 1;
    if (this.#used < count) throw typeError('not all arguments converted during string formatting');
  }

  #single(): Value | undefined {
    return this.#used === 0 ? this.#values : undefined;
  }
}

/** Python takes whatever can be subscripted, but for tuples and texts, for a mapping of names. */
function isSubscriptable(values: Value): boolean {
  if (values instanceof Tuple) return false;
  return (
    Array.isArray(values) || values instanceof Dict || values instanceof Range || values instanceof Undefined
  );
}
