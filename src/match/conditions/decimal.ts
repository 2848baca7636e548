/**
 * Exact comparison of decimal numbers written as text, for PostgreSQL's `numeric`, which no double holds.
 *
 * A number is compared by its shortest decimal form: 0.1 in a condition means one tenth, as written. The
 * order is PostgreSQL's: NaN equals itself and is greater than everything else, Infinity included.
 */

/** sign × 0.digits × 10^point; digits without leading or trailing zeros, none for zero. */
interface Decimal {
  readonly sign: -1 | 0 | 1;
  readonly digits: string;
  readonly point: number;
}

const DECIMAL = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,6}))?$/;

/** Beyond any finite number; between them their digits decide. */
const NAMED: ReadonlyMap<string, Decimal> = new Map([
  ['-Infinity', { sign: -1, digits: '1', point: Number.POSITIVE_INFINITY }],
  ['Infinity', { sign: 1, digits: '1', point: Number.POSITIVE_INFINITY }],
  ['NaN', { sign: 1, digits: '2', point: Number.POSITIVE_INFINITY }],
]);

/**
 * Compares a decimal text with a number: negative, zero or positive as the text is less, equal or greater;
 * undefined where the text is not a decimal number.
 */
export function compareDecimal(text: string, number: number | bigint): number | undefined {
  const left = parse(text);
  const right = parse(String(number));
  return left === undefined || right === undefined ? undefined : compare(left, right);
}

function parse(text: string): Decimal | undefined {
  const found = DECIMAL.exec(text);
  if (found === null) return NAMED.get(text);
  const whole = found[2] ?? '';
  const all = whole + (found[3] ?? '');
  if (all === '') return undefined;
  let start = 0;
  while (all[start] === '0') start += 1;
  if (start === all.length) return { sign: 0, digits: '', point: 0 };
  let end = all.length;
  while (all[end - 1] === '0') end -= 1;
  return {
    sign: found[1] === '-' ? -1 : 1,
    digits: all.slice(start, end),
    point: whole.length - start + Number(found[4] ?? 0),
  };
}

function compare(left: Decimal, right: Decimal): number {
  if (left.sign !== right.sign) return left.sign - right.sign;
  if (left.point !== right.point) return left.point < right.point ? -left.sign : left.sign;
  if (left.digits === right.digits) return 0;
  return left.digits < right.digits ? -left.sign : left.sign;
}
