/**
 * Cuts the bytes of a replication connection into frames.
 *
 * Relies on the message framing of the frontend/backend protocol (a type byte, then a length that counts
 * itself) and on the contents of CopyData in streaming replication:
 * https://www.postgresql.org/docs/current/protocol-replication.html
 *
 * Promises: a CopyData message is handed on as a range of the buffer it arrived in, or assembled once when
 * it spans several reads; one longer than the limit is skipped without being assembled, keeping only its
 * first bytes, which name the relation. Everything that is not CopyData is passed on to the client library.
 */
import { type Lsn, lsn } from '../core/lsn.ts';

/** Logical decoding output: `buffer[start, end)` is one message of the output plugin. */
export interface DataFrame {
  readonly tag: 'data';
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** A message longer than the limit. `head` is the first bytes of the output plugin's message. */
export interface OversizedFrame {
  readonly tag: 'oversized';
  readonly head: Buffer;
  readonly bytes: number;
}

export interface KeepaliveFrame {
  readonly tag: 'keepalive';
  /** The server has nothing to send up to here. */
  readonly walEnd: Lsn;
  /** The server drops the connection soon unless it hears from us. */
  readonly replyRequested: boolean;
}

export type Frame = DataFrame | OversizedFrame | KeepaliveFrame;

const COPY_DATA = 0x64; // 'd'
const XLOG_DATA = 0x77; // 'w'
const KEEPALIVE = 0x6b; // 'k'
/** Type byte, WAL start, WAL end and send time before the output plugin's message. */
const XLOG_HEADER = 25;
export class FrameSplitter {
  readonly #maxMessageBytes: number;
  readonly #headBytes: number;
  readonly #passOn: (message: Buffer) => void;
  #frames: Frame[] = [];
  #bytes = 0;
  /** The message that the last read left unfinished: its bytes so far, and how many it has in all. */
  #partial: { readonly buffer: Buffer; filled: number; readonly total: number } | null = null;
  /** A read that ended within the five bytes of type and length. */
  #header: Buffer = Buffer.alloc(0);

  /**
   * @param maxMessageBytes longest CopyData message that is assembled
   * @param passOn receives every complete message that is not CopyData
   * @param headBytes what is kept of a message that is skipped: its kind and table must be in it
   */
  constructor(maxMessageBytes: number, passOn: (message: Buffer) => void, headBytes = 64) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#headBytes = headBytes;
    this.#passOn = passOn;
  }

  /** Bytes of the frames waiting to be taken. */
  get waitingBytes(): number {
    return this.#bytes;
  }

  /** The frames since the last call, in order. */
  take(): Frame[] {
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    return frames;
  }

  push(chunk: Buffer): void {
    let at = 0;
    if (this.#partial !== null) at = this.#continue(this.#partial, chunk);
    while (at < chunk.length) {
      const known = this.#header.length;
      if (known > 0 || chunk.length - at < 5) {
        const piece = chunk.subarray(at, at + 5 - known);
        this.#header = Buffer.concat([this.#header, piece]);
        at += piece.length;
        if (this.#header.length < 5) return;
        at = this.#begin(this.#header, chunk, at);
        continue;
      }
      const total = 1 + chunk.readUInt32BE(at + 1);
      if (at + total <= chunk.length) {
        this.#complete(chunk, at, at + total);
        at += total;
      } else {
        at = this.#begin(chunk.subarray(at, at + 5), chunk, at + 5);
      }
    }
  }

  /** Starts a message whose five first bytes are known and whose rest spans reads. */
  #begin(header: Buffer, chunk: Buffer, at: number): number {
    const total = 1 + header.readUInt32BE(1);
    const keep = this.#isOversized(header[0], total)
      ? Math.min(total, 5 + XLOG_HEADER + this.#headBytes)
      : total;
    const partial = { buffer: Buffer.allocUnsafe(keep), filled: 5, total };
    header.copy(partial.buffer, 0, 0, 5);
    this.#header = Buffer.alloc(0);
    this.#partial = partial;
    return at + this.#continue(partial, chunk.subarray(at));
  }

  #continue(partial: { buffer: Buffer; filled: number; total: number }, chunk: Buffer): number {
    const wanted = partial.total - partial.filled;
    const taken = Math.min(wanted, chunk.length);
    if (partial.filled < partial.buffer.length) chunk.copy(partial.buffer, partial.filled, 0, taken);
    partial.filled += taken;
    if (partial.filled === partial.total) {
      this.#partial = null;
      if (partial.buffer.length === partial.total) this.#complete(partial.buffer, 0, partial.total);
      else this.#oversized(partial.buffer, partial.total);
    }
    return taken;
  }

  #complete(buffer: Buffer, start: number, end: number): void {
    if (buffer[start] !== COPY_DATA) {
      this.#passOn(buffer.subarray(start, end));
      return;
    }
    if (this.#isOversized(COPY_DATA, end - start)) {
      this.#oversized(buffer.subarray(start, end), end - start);
      return;
    }
    const payload = start + 5;
    if (buffer[payload] === XLOG_DATA) {
      this.#frames.push({ tag: 'data', buffer, start: payload + XLOG_HEADER, end });
      this.#bytes += end - start;
    } else if (buffer[payload] === KEEPALIVE) {
      this.#frames.push({
        tag: 'keepalive',
        walEnd: lsn(buffer.readBigUInt64BE(payload + 1)),
        replyRequested: buffer[payload + 17] === 1,
      });
      this.#bytes += end - start;
    }
    // Other kinds of CopyData are not part of the protocol today; a newer server may add some, and
    // ignoring them is what the documentation of every other such stream asks for.
  }

  #oversized(buffer: Buffer, total: number): void {
    const start = 5 + XLOG_HEADER;
    const head = Buffer.from(buffer.subarray(start, start + this.#headBytes));
    this.#frames.push({ tag: 'oversized', head, bytes: total - start });
    this.#bytes += head.length;
  }

  #isOversized(type: number | undefined, total: number): boolean {
    return type === COPY_DATA && total - 5 - XLOG_HEADER > this.#maxMessageBytes;
  }
}
