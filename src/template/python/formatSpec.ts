/** format(value, spec): Python's format specification mini-language, for str.format. */

import type { Budget } from '../budget.ts';
import { isFloat, numeric } from '../values/number.ts';
import { isText, textLength, textOf, textSlice } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Value } from '../values/value.ts';
import { PythonError, typeError, valueError } from './errors.ts';
import { floatRepr } from './floats.ts';
import { formatFloat, formatInt, grouped } from './numberFormat.ts';
import { str } from './repr.ts';
import { typeName } from './types.ts';

interface Spec {
  readonly fill: string;
  readonly align: string;
  readonly sign: string;
  readonly isAlternate: boolean;
  readonly width: number;
  readonly grouping: string;
  readonly precision: number | null;
  readonly kind: string;
}

const SPEC = /^(?:(.)?([<>=^]))?([-+ ])?(#)?(0)?([0-9]{1,9})?([,_])?(?:\.([0-9]{1,9}))?([a-zA-Z%])?$/su;

export function formatValue(value: Value, text: string, budget: Budget): string {
  if (text === '') return str(value, budget);
  const spec = parseSpec(text);
  if (isText(value)) return formatText(textOf(value), spec, budget);
  if (typeof value === 'boolean' && spec.kind === '') return formatNumber(value ? 1 : 0, value, spec, budget);
  const number = numeric(value);
  if (number === null) {
    if (value instanceof Undefined) value.allow();
    throw typeError(`unsupported format string passed to ${typeName(value)}.__format__`);
  }
  return formatNumber(number, value, spec, budget);
}

function parseSpec(text: string): Spec {
  const found = SPEC.exec(text);
  if (found === null) throw valueError('Invalid format specifier');
  const [, fill, align, sign, alternate, zero, width, grouping, precision, kind] = found;
  return {
    fill: fill ?? (zero && align === undefined ? '0' : ' '),
    align: align ?? (zero ? '=' : ''),
    sign: sign ?? '',
    isAlternate: alternate !== undefined,
    width: Number(width ?? 0),
    grouping: grouping ?? '',
    precision: precision === undefined ? null : Number(precision),
    kind: kind ?? '',
  };
}

function formatText(text: string, spec: Spec, budget: Budget): string {
  if (spec.kind !== '' && spec.kind !== 's') throw unknownCode('str');
  const isNumeric = spec.grouping !== '' || spec.sign !== '' || spec.isAlternate;
  if (isNumeric || (spec.align === '=' && spec.fill !== '0')) {
    throw valueError('an option for numbers is not allowed in string format specifier');
  }
  const cut = spec.precision === null ? text : textSlice(text, 0, spec.precision);
  return pad('', cut, { ...spec, align: spec.align === '=' ? '<' : spec.align || '<' }, budget);
}

function formatNumber(number: number | bigint, value: Value, spec: Spec, budget: Budget): string {
  const isIntKind = spec.kind !== '' && 'bcdoxXn'.includes(spec.kind);
  if (isFloat(value) && isIntKind && spec.kind !== 'n') throw unknownCode('float');
  if (spec.kind === 's') throw unknownCode(typeName(value));
  const isNegative = number < 0 || Object.is(number, -0);
  const digits = digitsOf(number, isFloat(value), spec);
  const sign = isNegative ? '-' : spec.sign.replace('-', '');
  return pad(sign, digits, { ...spec, align: spec.align || '>' }, budget);
}

function digitsOf(number: number | bigint, isOfFloat: boolean, spec: Spec): string {
  const { kind, precision, isAlternate, grouping } = spec;
  if (kind === 'c') return String.fromCodePoint(codePoint(number));
  if (!isOfFloat && (kind === '' || 'bdoxXn'.includes(kind))) {
    if (precision !== null) throw valueError('Precision not allowed in integer format specifier');
    const magnitude = number < 0 ? -BigInt(number) : BigInt(number);
    return group(
      formatInt(magnitude, kind, isAlternate),
      grouping,
      'boxX'.includes(kind) && kind !== '' ? 4 : 3,
    );
  }
  if (!'eEfFgGn%'.includes(kind)) throw unknownCode(isOfFloat ? 'float' : 'int');
  const float = Number(number);
  if (kind === '' && precision === null) return group(floatRepr(Math.abs(float)), grouping, 3);
  const general = kind === '' || kind === 'n' ? 'g' : kind;
  const digits = formatFloat(float, general, precision ?? 6, isAlternate);
  return group(kind === '' && !/[.en]/.test(digits) ? `${digits}.0` : digits, grouping, 3);
}

function codePoint(number: number | bigint): number {
  const code = Number(number);
  if (!Number.isInteger(code) || code < 0 || code > 0x10ffff) {
    throw new PythonError('OverflowError', '%c arg not in range(0x110000)');
  }
  return code;
}

function group(digits: string, separator: string, size: number): string {
  return separator === '' ? digits : grouped(digits, separator, size);
}

function pad(sign: string, body: string, spec: Spec, budget: Budget): string {
  const missing = spec.width - textLength(sign) - textLength(body);
  if (missing <= 0) return sign + body;
  budget.text(spec.width * spec.fill.length);
  if (spec.align === '=') return sign + spec.fill.repeat(missing) + body;
  const before = spec.align === '<' ? 0 : spec.align === '>' ? missing : Math.floor(missing / 2);
  return spec.fill.repeat(before) + sign + body + spec.fill.repeat(missing - before);
}

function unknownCode(type: string): Error {
  return valueError(`Unknown format code for object of type '${type}'`);
}
