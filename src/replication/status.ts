/**
 * The standby status update, the one message by which a consumer moves a slot.
 *
 * https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-STANDBY-STATUS-UPDATE
 */
import type { Lsn } from '../core/lsn.ts';

/** PostgreSQL counts microseconds from 2000-01-01T00:00:00Z. */
export const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);

/**
 * Encodes a status update.
 *
 * All three positions are `confirmed` itself. `confirmed_flush_lsn` means "next byte wanted", and a
 * commit's end LSN already is one past its last byte: adding one to it, as the client library does, skips
 * a transaction whose commit record begins exactly there.
 *
 * @param confirmed end LSN of the newest Transaction of which, and of all before it, everything is durable
 * @param nowMs milliseconds since the Unix epoch
 * @param asksForReply the server answers at once with a keepalive
 * @returns 34 bytes
 */
export function encodeStatus(confirmed: Lsn, nowMs: number, asksForReply: boolean): Buffer {
  const message = Buffer.allocUnsafe(34);
  message[0] = 0x72; // 'r'
  message.writeBigUInt64BE(confirmed, 1); // written
  message.writeBigUInt64BE(confirmed, 9); // flushed
  message.writeBigUInt64BE(confirmed, 17); // applied
  message.writeBigInt64BE(BigInt(Math.round(nowMs - POSTGRES_EPOCH_MS)) * 1000n, 25);
  message[33] = asksForReply ? 1 : 0;
  return message;
}
