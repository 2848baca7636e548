import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lsn } from '../../src/core/lsn.ts';
import { encodeStatus, POSTGRES_EPOCH_MS } from '../../src/replication/status.ts';

describe('a standby status update', () => {
  it('is 34 bytes that carry the confirmed position itself, thrice, and never one more', () => {
    const message = encodeStatus(lsn(0x16_b374_d848n), Date.UTC(2023, 7, 7), false);
    expect(message.toString('hex')).toBe(
      `72${'00000016b374d848'.repeat(3)}${(BigInt(Date.UTC(2023, 7, 7) - Date.UTC(2000, 0, 1)) * 1_000n).toString(16).padStart(16, '0')}00`,
    );
  });

  it.each([
    0n,
    1n,
    0xffff_ffffn,
    0x1_0000_0000n,
    0xffff_ffff_ffff_ffffn,
  ])('holds the position %d', (value) => {
    const message = encodeStatus(lsn(value), POSTGRES_EPOCH_MS, true);
    expect([1, 9, 17].map((at) => message.readBigUInt64BE(at))).toEqual([value, value, value]);
  });

  it('counts time in microseconds from 2000, before it too', () => {
    const timeOf = (ms: number) => encodeStatus(lsn(0n), ms, false).readBigInt64BE(25);
    expect(timeOf(Date.UTC(2000, 0, 1))).toBe(0n);
    expect(timeOf(Date.UTC(2000, 0, 1) + 1)).toBe(1_000n);
    expect(timeOf(Date.UTC(1999, 11, 31, 23, 59, 59))).toBe(-1_000_000n);
    expect(timeOf(Date.UTC(2000, 0, 1) + 0.4)).toBe(0n);
  });

  it('asks for a reply or not', () => {
    expect(encodeStatus(lsn(0n), 0, true)[33]).toBe(1);
    expect(encodeStatus(lsn(0n), 0, false)[33]).toBe(0);
  });

  it('is written whole, whatever memory it lies in', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
        fc.integer({ min: 0, max: 4e12 }),
        fc.boolean(),
        (value, nowMs, asks) => {
          const message = encodeStatus(lsn(value), nowMs, asks);
          expect(message).toHaveLength(34);
          expect(encodeStatus(lsn(value), nowMs, asks).equals(message)).toBe(true);
        },
      ),
    );
  });
});
