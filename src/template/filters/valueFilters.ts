/** Jinja2's filters on single values: numbers, defaults, JSON, attributes. */

import { ownAttribute } from '../methods/attributes.ts';
import { intArgument, textArgument } from '../python/arguments.ts';
import { PythonError, typeError, valueError } from '../python/errors.ts';
import { roundFloat, roundInt } from '../python/floats.ts';
import { truth } from '../python/iterate.ts';
import { toJson } from '../python/json.ts';
import { truncated } from '../python/numberFormat.ts';
import { parseFloatText, parseIntText } from '../python/parseNumber.ts';
import { prettyRepr } from '../python/prettyRepr.ts';
import { typeName } from '../python/types.ts';
import { type Callable, Operation, type Rendering } from '../values/callable.ts';
import { float, int, isFloat, numeric } from '../values/number.ts';
import { isText, Markup, textOf } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Value } from '../values/value.ts';

function defaultTo(_rendering: Rendering, value: Value, fallback: Value, testsTruth: Value): Value {
  if (value instanceof Undefined) return fallback;
  return truth(testsTruth) && !truth(value) ? fallback : value;
}

/** Jinja2's int: the whole part of whatever reads as a number, else the default. */
function toInt(_rendering: Rendering, value: Value, fallback: Value, base: Value): Value {
  if (value instanceof Undefined) throw value.error();
  const number = numeric(value);
  if (number !== null) {
    if (!isFloat(value)) return number;
    return Number.isFinite(Number(number)) ? int(truncated(Number(number))) : infinite(number, fallback);
  }
  if (!isText(value)) return fallback;
  const whole = parseIntText(textOf(value), intArgument(base));
  if (whole !== null) return int(whole);
  const decimal = parseFloatText(textOf(value));
  return decimal !== null && Number.isFinite(decimal) ? int(truncated(decimal)) : fallback;
}

/** int(inf) is an OverflowError that the filter does not catch; int(nan) is a ValueError that it does. */
function infinite(number: number | bigint, fallback: Value): Value {
  if (Number.isNaN(Number(number))) return fallback;
  throw new PythonError('OverflowError', 'cannot convert float infinity to integer');
}

function toFloat(_rendering: Rendering, value: Value, fallback: Value): Value {
  if (value instanceof Undefined) throw value.error();
  const number = numeric(value);
  if (number !== null) return float(Number(number));
  const read = isText(value) ? parseFloatText(textOf(value)) : null;
  return read === null ? fallback : float(read);
}

function round(_rendering: Rendering, value: Value, precision: Value, method: Value): Value {
  if (method !== 'common' && method !== 'ceil' && method !== 'floor') {
    throw new PythonError('FilterArgumentError', 'method must be common, ceil or floor');
  }
  const number = numeric(value);
  if (number === null) {
    if (value instanceof Undefined && (value.strict || method !== 'common')) throw value.error();
    throw typeError(`type ${typeName(value)} doesn't define __round__ method`);
  }
  const places = intArgument(precision);
  if (method === 'common') return roundCommon(value, number, places);
  const factor = 10 ** places;
  const rounded =
    method === 'ceil' ? Math.ceil(Number(number) * factor) : Math.floor(Number(number) * factor);
  return float(rounded / factor + 0);
}

function roundCommon(value: Value, number: number | bigint, places: number): Value {
  if (isFloat(value)) return float(roundFloat(Number(number), places));
  if (places >= 0) return number;
  return places < -4300 ? 0 : int(roundInt(BigInt(number), -places));
}

function absolute(_rendering: Rendering, value: Value): Value {
  const number = numeric(value);
  if (number === null) {
    if (value instanceof Undefined && value.strict) throw value.error();
    throw typeError(`bad operand type for abs(): '${typeName(value)}'`);
  }
  if (isFloat(value)) return float(Math.abs(Number(number)));
  return number < 0 ? int(-BigInt(number)) : number;
}

const MAX_INDENT = 32;

function json(rendering: Rendering, value: Value, indent: Value): Value {
  return new Markup(toJson(value, indentText(indent), rendering.budget));
}

function indentText(indent: Value): string | null {
  if (indent === null) return null;
  if (isText(indent)) return textOf(indent).slice(0, MAX_INDENT);
  const width = intArgument(indent);
  if (width > MAX_INDENT) throw valueError(`indent must be at most ${MAX_INDENT}`);
  return ' '.repeat(Math.max(0, width));
}

const defaulting = (name: string): Callable =>
  Operation.of(name, ['value', ['default_value', ''], ['boolean', false]], defaultTo);

export const valueFilters: readonly Callable[] = [
  defaulting('default'),
  defaulting('d'),
  Operation.of('int', ['value', ['default', 0], ['base', 10]], toInt),
  Operation.of('float', ['value', ['default', float(0)]], toFloat),
  Operation.of('round', ['value', ['precision', 0], ['method', 'common']], round),
  Operation.of('abs', ['x'], absolute),
  Operation.of('tojson', ['value', ['indent', null]], json),
  Operation.of('pprint', ['value'], (rendering, value) => prettyRepr(value, rendering.budget)),
  Operation.of('attr', ['obj', 'name'], (rendering, target, name) =>
    ownAttribute(target, textArgument(name), rendering),
  ),
];
