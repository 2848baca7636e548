/** Floats as Python writes and rounds them. Both are exact: no step goes through a rounded decimal. */

/** repr() of a float: the shortest digits that read back as the same number. */
export function floatRepr(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const [mantissa = '', power = ''] = value.toExponential().split('e');
  const sign = Object.is(value, -0) ? '-' : '';
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) return `${sign}${mantissa}e${exponentText(exponent)}`;
  const digits = exponent < 0 ? expandSmall(mantissa, exponent) : String(value);
  return digits.includes('.') ? `${sign}${digits}` : `${sign}${digits}.0`;
}

/** An exponent as C writes it: signed, two digits or more. */
export function exponentText(exponent: number): string {
  return `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function expandSmall(mantissa: string, exponent: number): string {
  const sign = mantissa.startsWith('-') ? '-' : '';
  return `${sign}0.${'0'.repeat(-exponent - 1)}${mantissa.replace(/[-.]/g, '')}`;
}

/**
 * A finite float with `places` (0–100) decimals, an exact half rounded to even as Python does.
 * JavaScript's toFixed is exact too but rounds a half up, and leaves fixed notation at 1e21.
 */
export function toFixed(value: number, places: number): string {
  const magnitude = Math.abs(value);
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  if (magnitude >= 1e21) {
    return `${sign}${BigInt(magnitude)}${places > 0 ? `.${'0'.repeat(places)}` : ''}`;
  }
  const rounded = magnitude.toFixed(places);
  return sign + (places < 100 && isRoundedUpHalf(magnitude, rounded, places) ? stepDown(rounded) : rounded);
}

/** True where toFixed met an exact half and made its last digit odd. */
function isRoundedUpHalf(magnitude: number, rounded: string, places: number): boolean {
  const lastDigit = rounded.charCodeAt(rounded.length - 1) - 48;
  if (lastDigit % 2 === 0) return false;
  const exact = magnitude.toFixed(100);
  const point = exact.indexOf('.');
  return /^50*$/.test(exact.slice(point + 1 + places));
}

/** One less in the last place; that digit is odd, so nothing is borrowed. */
function stepDown(digits: string): string {
  const last = digits.charCodeAt(digits.length - 1) - 48;
  return digits.slice(0, -1) + String(last - 1);
}

/** round(value, places) of a finite float; negative places round to tens, hundreds and so on. */
export function roundFloat(value: number, places: number): number {
  if (!Number.isFinite(value) || places > 100) return value;
  if (places >= 0) return Number(toFixed(value, places));
  if (places < -308) return value < 0 ? -0 : 0;
  return roundTens(value, -places);
}

function roundTens(value: number, tens: number): number {
  const whole = BigInt(Math.trunc(value));
  const unit = 10n ** BigInt(tens);
  const rest = whole % unit;
  const base = whole - rest;
  const twice = (rest < 0n ? -rest : rest) * 2n;
  const hasFraction = !Number.isInteger(value);
  const up = twice > unit || (twice === unit && (hasFraction || (base / unit) % 2n !== 0n));
  const result = Number(up ? base + (value < 0 ? -unit : unit) : base);
  return result === 0 && value < 0 ? -0 : result;
}

/** round(value, -tens) of an int. */
export function roundInt(value: bigint, tens: number): bigint {
  const unit = 10n ** BigInt(tens);
  const rest = ((value % unit) + unit) % unit;
  const base = value - rest;
  const isUp = rest * 2n > unit || (rest * 2n === unit && (base / unit) % 2n !== 0n);
  return isUp ? base + unit : base;
}
