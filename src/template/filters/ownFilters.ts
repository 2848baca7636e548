/**
 * The filters walhook adds to Jinja2's: header safety, encodings and signatures for receivers that want
 * them, times, and the environment variables that the configuration allows.
 */

import { createHmac } from 'node:crypto';

import { softText, textArgument } from '../python/arguments.ts';
import { formatTime, isoTime, parseTime } from '../python/time.ts';
import { type Callable, Operation, type Rendering } from '../values/callable.ts';
import { isText, textOf } from '../values/text.ts';
import type { Value } from '../values/value.ts';

const CONTROLS = /[\x00-\x1f\x7f]/g;
const HAS_CONTROL = /[\x00-\x1f\x7f]/;

/** A text without the control characters that could end a header, as NetBox's filter of that name. */
export function headerSafe(text: string): string {
  return HAS_CONTROL.test(text) ? text.replace(CONTROLS, '') : text;
}

function plain(value: Value, rendering: Rendering): string {
  const text = softText(value, rendering.budget);
  rendering.budget.read(text.length);
  return text;
}

function encodeBase64(rendering: Rendering, value: Value): Value {
  const bytes = Buffer.from(plain(value, rendering), 'utf8');
  rendering.budget.text(Math.ceil(bytes.length / 3) * 4);
  return bytes.toString('base64');
}

function hmac(rendering: Rendering, value: Value, key: Value): Value {
  return createHmac('sha256', textArgument(key)).update(plain(value, rendering), 'utf8').digest('hex');
}

function readEnv(rendering: Rendering, name: Value): Value {
  return isText(name) ? rendering.env(textOf(name)) : null;
}

export const ownFilters: readonly Callable[] = [
  Operation.of('header_safe', ['value'], (rendering, value) => headerSafe(plain(value, rendering))),
  Operation.of('b64encode', ['value'], encodeBase64),
  Operation.of('hmac_sha256', ['value', 'key'], hmac),
  Operation.of('env', ['name'], readEnv),
  Operation.of('strftime', ['value', 'format'], (_rendering, value, format) =>
    formatTime(parseTime(value), textArgument(format)),
  ),
  Operation.of('isoformat', ['value'], (_rendering, value) => isoTime(parseTime(value))),
];
