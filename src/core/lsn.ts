/**
 * Log sequence numbers as one branded bigint.
 *
 * PostgreSQL prints an LSN as `0/1528450`; other tools pad or lower-case it, so comparing the text is
 * meaningless. Every LSN in walhook is parsed once, here, and printed here.
 */

declare const brand: unique symbol;

/** A byte position in the write-ahead log, 64 bit unsigned. */
export type Lsn = bigint & { readonly [brand]: 'Lsn' };

export const LSN_ZERO = 0n as Lsn;
export const LSN_MAX = 0xffff_ffff_ffff_ffffn as Lsn;

/** Brands a bigint read from the wire. */
export function lsn(value: bigint): Lsn {
  return value as Lsn;
}

/** Reads the `XXXXXXXX/XXXXXXXX` notation. Throws a RangeError on anything else. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9a-fA-F]{1,8})\/([0-9a-fA-F]{1,8})$/.exec(text);
  if (match === null) throw new RangeError(`not an LSN: ${JSON.stringify(text)}`);
  return ((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)) as Lsn;
}

/** PostgreSQL's own notation, `16/B374D848`. */
export function formatLsn(value: Lsn): string {
  return `${(value >> 32n).toString(16).toUpperCase()}/${(value & 0xffff_ffffn).toString(16).toUpperCase()}`;
}

/** 16 lower-case hex digits, which sort as the positions do. Used in ids. */
export function lsnToHex(value: Lsn): string {
  return value.toString(16).padStart(16, '0');
}

/** The inverse of {@link lsnToHex}. */
export function lsnFromHex(hex: string): Lsn {
  if (!/^[0-9a-f]{16}$/.test(hex)) throw new RangeError(`not 16 hex digits: ${JSON.stringify(hex)}`);
  return BigInt(`0x${hex}`) as Lsn;
}

export function maxLsn(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b;
}
