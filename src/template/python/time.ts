/**
 * Times in templates. Rows carry them as ISO 8601 texts; strftime and isoformat read those (or seconds
 * since 1970) and write them as Python's datetime does, in the zone they came with.
 */

import { numeric } from '../values/number.ts';
import { isText, textOf } from '../values/text.ts';
import type { Value } from '../values/value.ts';
import { typeError, valueError } from './errors.ts';
import { typeName } from './types.ts';

export interface Time {
  /** The wall clock, as if it were UTC; to the millisecond. */
  readonly wall: Date;
  readonly microseconds: number;
  /** Minutes east of UTC; null where the time has no zone. */
  readonly offset: number | null;
}

const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/;

/** Reads a time. Throws a ValueError or TypeError that does not repeat it. */
export function parseTime(value: Value): Time {
  if (isText(value)) return parseIso(textOf(value));
  const seconds = numeric(value);
  if (seconds === null) throw typeError(`expected an ISO 8601 text or seconds, got ${typeName(value)}`);
  return fromDate(new Date(Number(seconds) * 1000), Math.round((Number(seconds) % 1) * 1e6));
}

/** A moment as a time in UTC. */
export function fromDate(date: Date, microseconds = date.getUTCMilliseconds() * 1000): Time {
  if (Number.isNaN(date.getTime())) throw valueError('the time is out of range');
  return { wall: date, microseconds: (microseconds + 1_000_000) % 1_000_000, offset: 0 };
}

function parseIso(text: string): Time {
  const found = ISO.exec(text.trim());
  if (found === null) throw valueError('expected a date or time in ISO 8601');
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone] = found;
  const wall = new Date(0);
  wall.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  wall.setUTCHours(Number(hour), Number(minute), Number(second));
  if (wall.getUTCMonth() !== Number(month) - 1 || wall.getUTCHours() !== Number(hour)) {
    throw valueError('the date or time does not exist');
  }
  return { wall, microseconds: Number(fraction.slice(0, 6).padEnd(6, '0')), offset: offsetOf(zone) };
}

function offsetOf(zone: string | undefined): number | null {
  if (zone === undefined) return null;
  if (zone === 'Z') return 0;
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return zone.startsWith('-') ? -minutes : minutes;
}

const two = (value: number): string => String(value).padStart(2, '0');
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** datetime.isoformat(). */
export function isoTime(time: Time): string {
  const fraction = time.microseconds === 0 ? '' : '.%f';
  return `${formatTime(time, `%Y-%m-%dT%H:%M:%S${fraction}`)}${zoneText(time.offset, ':')}`;
}

function zoneText(offset: number | null, separator: string): string {
  if (offset === null) return '';
  const minutes = Math.abs(offset);
  return `${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}${separator}${two(minutes % 60)}`;
}

type Field = (time: Time) => string;

/** strftime's directives in the C locale. */
const FIELDS: ReadonlyMap<string, Field> = new Map<string, Field>([
  ['Y', ({ wall }) => String(wall.getUTCFullYear()).padStart(4, '0')],
  ['y', ({ wall }) => two(wall.getUTCFullYear() % 100)],
  ['m', ({ wall }) => two(wall.getUTCMonth() + 1)],
  ['d', ({ wall }) => two(wall.getUTCDate())],
  ['e', ({ wall }) => String(wall.getUTCDate()).padStart(2)],
  ['H', ({ wall }) => two(wall.getUTCHours())],
  ['I', ({ wall }) => two(wall.getUTCHours() % 12 || 12)],
  ['M', ({ wall }) => two(wall.getUTCMinutes())],
  ['S', ({ wall }) => two(wall.getUTCSeconds())],
  ['f', ({ microseconds }) => String(microseconds).padStart(6, '0')],
  ['p', ({ wall }) => (wall.getUTCHours() < 12 ? 'AM' : 'PM')],
  ['a', ({ wall }) => (DAYS[wall.getUTCDay()] ?? '').slice(0, 3)],
  ['A', ({ wall }) => DAYS[wall.getUTCDay()] ?? ''],
  ['b', ({ wall }) => (MONTHS[wall.getUTCMonth()] ?? '').slice(0, 3)],
  ['B', ({ wall }) => MONTHS[wall.getUTCMonth()] ?? ''],
  ['j', ({ wall }) => String(dayOfYear(wall)).padStart(3, '0')],
  ['w', ({ wall }) => String(wall.getUTCDay())],
  ['u', ({ wall }) => String(wall.getUTCDay() || 7)],
  ['U', ({ wall }) => two(Math.floor((dayOfYear(wall) + 6 - wall.getUTCDay()) / 7))],
  ['W', ({ wall }) => two(Math.floor((dayOfYear(wall) + 6 - ((wall.getUTCDay() + 6) % 7)) / 7))],
  ['s', ({ wall, offset }) => String(Math.floor(wall.getTime() / 1000) - (offset ?? 0) * 60)],
  ['z', ({ offset }) => zoneText(offset, '')],
  ['Z', ({ offset }) => (offset === null ? '' : offset === 0 ? 'UTC' : `UTC${zoneText(offset, ':')}`)],
  ['%', () => '%'],
]);

/** Directives that stand for a format of their own. */
const COMPOSITES: ReadonlyMap<string, string> = new Map([
  ['c', '%a %b %e %H:%M:%S %Y'],
  ['x', '%m/%d/%y'],
  ['X', '%H:%M:%S'],
  ['D', '%m/%d/%y'],
  ['F', '%Y-%m-%d'],
  ['R', '%H:%M'],
  ['T', '%H:%M:%S'],
]);

/** Characters that a format may have, before what it stands for. */
const MAX_FORMAT = 1_000;

/** datetime.strftime(). A directive not known stays as it is. */
export function formatTime(time: Time, format: string): string {
  if (format.length > MAX_FORMAT) throw valueError(`the format is longer than ${MAX_FORMAT} characters`);
  return format.replace(/%([a-zA-Z%])/g, (all, directive) => {
    const composite = COMPOSITES.get(directive);
    if (composite !== undefined) return formatTime(time, composite);
    return FIELDS.get(directive)?.(time) ?? all;
  });
}

function dayOfYear(date: Date): number {
  const start = Date.UTC(date.getUTCFullYear(), 0, 1);
  return Math.floor((date.getTime() - start) / 86_400_000) + 1;
}
