/** obj[key] and obj[start:stop:step]. */

import type { Budget } from '../budget.ts';
import type { Rendering } from '../values/callable.ts';
import { Dict } from '../values/dict.ts';
import { index } from '../values/number.ts';
import { Range, Tuple, tuple } from '../values/sequences.ts';
import { codePoints, isFlat, isText, rewrap, textOf } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Value } from '../values/value.ts';
import { PythonError, typeError, valueError } from './errors.ts';
import { typeName } from './types.ts';

/** obj[key]; undefined where Python would raise a TypeError or LookupError. */
export function item(target: Value, key: Value): Value | undefined {
  if (target instanceof Dict) return isHashable(key) ? target.get(key) : undefined;
  const at = index(key);
  if (at === null) return undefined;
  if (Array.isArray(target)) return target[at < 0 ? at + target.length : at];
  if (isText(target)) {
    const char = characterAt(textOf(target), at);
    return char === undefined ? undefined : rewrap(target, char);
  }
  if (target instanceof Range) {
    const place = at < 0 ? at + target.length : at;
    return place >= 0 && place < target.length ? target.at(place) : undefined;
  }
  return undefined;
}

function isHashable(key: Value): boolean {
  return !(key instanceof Dict) && (!Array.isArray(key) || key instanceof Tuple);
}

function characterAt(text: string, at: number): string | undefined {
  if (isFlat(text)) return text[at < 0 ? at + text.length : at];
  const characters = codePoints(text);
  return characters[at < 0 ? at + characters.length : at];
}

export interface Bounds {
  readonly start: Value;
  readonly stop: Value;
  readonly step: Value;
}

/** obj[start:stop:step]; null stands for a bound left out. */
export function slice(target: Value, bounds: Bounds, rendering: Rendering): Value {
  if (target instanceof Undefined) throw target.error();
  if (isText(target)) {
    return rewrap(target, sliceText(textOf(target), bounds, rendering));
  }
  if (Array.isArray(target)) {
    rendering.budget.elements(target.length);
    const picked = places(target.length, bounds).map((at) => target[at] ?? null);
    return target instanceof Tuple ? tuple(picked) : picked;
  }
  if (target instanceof Range) return sliceRange(target, places(target.length, bounds));
  if (target instanceof Dict) throw typeError("unhashable type: 'slice'");
  throw typeError(`'${typeName(target)}' object is not subscriptable`);
}

function sliceText(text: string, bounds: Bounds, { budget }: Rendering): string {
  budget.text(text.length);
  const isOneUnitEach = isFlat(text);
  const characters = isOneUnitEach ? text : Array.from(eachCharacter(text, budget));
  const { start, stop, step } = resolve(characters.length, bounds);
  if (step === 1) {
    const picked = characters.slice(start, Math.max(start, stop));
    return typeof picked === 'string' ? picked : picked.join('');
  }
  const units = new Uint16Array(text.length);
  let length = 0;
  for (let at = start; step > 0 ? at < stop : at > stop; at += step) {
    const character = characters[at] ?? '';
    units[length] = character.charCodeAt(0);
    if (character.length > 1) units[length + 1] = character.charCodeAt(1);
    length += character.length;
  }
  return Buffer.from(units.buffer, 0, length * 2).toString('utf16le');
}

function* eachCharacter(text: string, budget: Budget): Generator<string> {
  for (const character of text) {
    budget.step();
    yield character;
  }
}

function sliceRange(range: Range, picked: readonly number[]): Range {
  const [first = 0, second] = picked;
  const step = second === undefined ? range.step : (second - first) * range.step;
  const start = range.at(first);
  return new Range(start, start + step * picked.length, step);
}

/** The places that a slice picks out of a sequence, in order. */
function places(length: number, bounds: Bounds): number[] {
  const { start, stop, step } = resolve(length, bounds);
  const picked: number[] = [];
  for (let at = start; step > 0 ? at < stop : at > stop; at += step) picked.push(at);
  return picked;
}

/** A slice's bounds as places of a sequence that long: negative ones count from its end. */
function resolve(length: number, bounds: Bounds): { start: number; stop: number; step: number } {
  const step = bound(bounds.step) ?? 1;
  if (step === 0) throw valueError('slice step cannot be zero');
  const [low, high] = step > 0 ? [0, length] : [-1, length - 1];
  const clamp = (value: number | null, fallback: number): number =>
    value === null ? fallback : Math.min(high, Math.max(low, value < 0 ? value + length : value));
  return {
    start: clamp(bound(bounds.start), step > 0 ? low : high),
    stop: clamp(bound(bounds.stop), step > 0 ? high : low),
    step,
  };
}

function bound(value: Value): number | null {
  if (value === null) return null;
  const at = index(value);
  if (at === null) {
    if (value instanceof Undefined) throw value.error();
    throw new PythonError('TypeError', 'slice indices must be integers or None or have an __index__ method');
  }
  return at;
}
