/**
 * Decodes pgoutput, protocol version 1.
 *
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 *
 * Relies on Relation messages arriving before the first message that names them in a connection, as the
 * server promises. Ids are read unsigned: an xid or OID above 2^31 is ordinary.
 */
import { WalhookError } from '../core/errors.ts';
import { lsn } from '../core/lsn.ts';
import {
  type ColumnText,
  type OldImage,
  type Relation,
  type RelationColumn,
  type ReplicaIdentity,
  type RowImages,
  type RowMessage,
  type Tuple,
  UNCHANGED,
  type WalMessage,
} from './messages.ts';

/** Microseconds between the Unix epoch and PostgreSQL's, 2000-01-01. */
const POSTGRES_EPOCH_US = 946_684_800_000_000n;

const BEGIN = 0x42; // 'B'
const COMMIT = 0x43; // 'C'
const DELETE = 0x44; // 'D'
const INSERT = 0x49; // 'I'
const MESSAGE = 0x4d; // 'M'
const ORIGIN = 0x4f; // 'O'
const RELATION = 0x52; // 'R'
const TRUNCATE = 0x54; // 'T'
const UPDATE = 0x55; // 'U'
const TYPE = 0x59; // 'Y'

const KEY_TUPLE = 0x4b; // 'K'
const NEW_TUPLE = 0x4e; // 'N'
const OLD_TUPLE = 0x4f; // 'O'

const VALUE_NULL = 0x6e; // 'n'
const VALUE_TEXT = 0x74; // 't'
const VALUE_UNCHANGED = 0x75; // 'u'

const IDENTITIES: Readonly<Record<string, ReplicaIdentity>> = {
  d: 'default',
  n: 'nothing',
  f: 'full',
  i: 'index',
};

const BEGIN_BYTES = 21;
const COMMIT_BYTES = 26;

const IGNORED: WalMessage = { tag: 'ignored' };
const NO_OLD_IMAGE: OldImage = { kind: 'none' };

/** One decoder belongs to one connection: relations are announced anew on each. */
export class PgoutputDecoder {
  readonly #relations = new Map<number, Relation>();

  /**
   * Decodes one message. Row images are found lazily in `buffer`, which must not be written to afterwards.
   * Throws STREAM_INVALID on anything a server 14–18 does not send.
   */
  decode(buffer: Buffer, start: number, end: number): WalMessage {
    switch (buffer[start]) {
      case INSERT:
        return new PgoutputRow('insert', this.#relationAt(buffer, start + 1, end), buffer, start + 5, end);
      case UPDATE:
        return new PgoutputRow('update', this.#relationAt(buffer, start + 1, end), buffer, start + 5, end);
      case DELETE:
        return new PgoutputRow('delete', this.#relationAt(buffer, start + 1, end), buffer, start + 5, end);
      case BEGIN:
        requireBytes(start + BEGIN_BYTES, end);
        return {
          tag: 'begin',
          commitLsn: lsn(buffer.readBigUInt64BE(start + 1)),
          committedAtUs: buffer.readBigInt64BE(start + 9) + POSTGRES_EPOCH_US,
          xid: buffer.readUInt32BE(start + 17),
        };
      case COMMIT:
        requireBytes(start + COMMIT_BYTES, end);
        // A byte of flags, unused so far, comes first.
        return {
          tag: 'commit',
          commitLsn: lsn(buffer.readBigUInt64BE(start + 2)),
          endLsn: lsn(buffer.readBigUInt64BE(start + 10)),
        };
      case RELATION:
        return this.#relation(new Reader(buffer, start + 1, end));
      case MESSAGE:
        return logicalMessage(buffer, start + 1, end);
      case TRUNCATE:
        return this.#truncate(buffer, start + 1, end);
      case ORIGIN:
      case TYPE:
        return IGNORED;
      default:
        throw new WalhookError(
          'STREAM_INVALID',
          `expected a pgoutput message, found the type byte 0x${(buffer[start] ?? 0).toString(16)} in a message of ${end - start} bytes`,
        );
    }
  }

  /**
   * Decodes what is left of a message that was too long to be assembled. Throws STREAM_INVALID where what
   * follows hangs on it: of those a relation is the longest, and shorter than any limit that may be set.
   */
  decodeHead(head: Buffer, bytes: number): WalMessage {
    const kind = ({ [INSERT]: 'insert', [UPDATE]: 'update', [DELETE]: 'delete' } as const)[head[0] ?? 0];
    if (kind !== undefined) {
      return { tag: 'oversized', kind, relation: this.#relationAt(head, 1, head.length), bytes };
    }
    if (head[0] === MESSAGE || head[0] === TYPE || head[0] === ORIGIN) return IGNORED;
    throw new WalhookError(
      'STREAM_INVALID',
      `expected a row above limits.message, found the type byte 0x${(head[0] ?? 0).toString(16)} in a message of ${bytes} bytes`,
    );
  }

  #relationAt(buffer: Buffer, at: number, end: number): Relation {
    requireBytes(at + 4, end);
    const relation = this.#relations.get(buffer.readUInt32BE(at));
    if (relation === undefined) {
      throw new WalhookError(
        'STREAM_INVALID',
        `expected a relation announced before its rows, found the unknown relation ${buffer.readUInt32BE(at)}`,
      );
    }
    return relation;
  }

  #relation(reader: Reader): WalMessage {
    const oid = reader.uint32();
    // An empty namespace stands for pg_catalog.
    const schema = reader.cString() || 'pg_catalog';
    const name = reader.cString();
    const identity = IDENTITIES[String.fromCharCode(reader.uint8())] ?? 'default';
    const columns: RelationColumn[] = [];
    for (let count = reader.uint16(); count > 0; count -= 1) {
      const isIdentity = (reader.uint8() & 1) === 1;
      columns.push({
        isIdentity,
        name: reader.cString(),
        typeOid: reader.uint32(),
        typeModifier: reader.int32(),
      });
    }
    const relation = { oid, schema, name, identity, columns };
    this.#relations.set(oid, relation);
    return { tag: 'relation', relation };
  }

  #truncate(buffer: Buffer, start: number, end: number): WalMessage {
    const reader = new Reader(buffer, start, end);
    const count = reader.uint32();
    reader.uint8(); // CASCADE and RESTART IDENTITY, which say nothing that the list of relations does not
    const relations: Relation[] = [];
    for (let i = 0; i < count; i += 1) relations.push(this.#relationAt(buffer, reader.skip(4), end));
    return { tag: 'truncate', relations };
  }
}

function logicalMessage(buffer: Buffer, start: number, end: number): WalMessage {
  const reader = new Reader(buffer, start, end);
  const transactional = (reader.uint8() & 1) === 1;
  reader.skip(8); // its own LSN, which neither orders nor identifies it
  const prefix = reader.cString();
  const length = reader.uint32();
  const at = reader.skip(length);
  return { tag: 'message', transactional, prefix, content: buffer.toString('utf8', at, at + length) };
}

class PgoutputRow implements RowMessage {
  readonly tag: 'insert' | 'update' | 'delete';
  readonly relation: Relation;
  readonly #buffer: Buffer;
  readonly #start: number;
  readonly #end: number;

  constructor(
    tag: 'insert' | 'update' | 'delete',
    relation: Relation,
    buffer: Buffer,
    start: number,
    end: number,
  ) {
    this.tag = tag;
    this.relation = relation;
    this.#buffer = buffer;
    this.#start = start;
    this.#end = end;
  }

  get bytes(): number {
    return this.#end - this.#start;
  }

  retained(): RowMessage {
    const copy = Buffer.from(this.#buffer.subarray(this.#start, this.#end));
    return new PgoutputRow(this.tag, this.relation, copy, 0, copy.length);
  }

  images(): RowImages {
    const buffer = this.#buffer;
    const start = this.#start + 1;
    const end = this.#end;
    requireBytes(start, end);
    const kind = buffer[this.#start];
    if (kind === NEW_TUPLE) return { old: NO_OLD_IMAGE, new: new PgoutputTuple(buffer, start, end) };
    if (kind !== KEY_TUPLE && kind !== OLD_TUPLE) throw badTuple(kind);
    const tuple = new PgoutputTuple(buffer, start, end);
    const old: OldImage = kind === KEY_TUPLE ? { kind: 'key', tuple } : { kind: 'full', tuple };
    if (this.tag === 'delete') return { old, new: null };
    requireBytes(tuple.end + 1, end);
    if (buffer[tuple.end] !== NEW_TUPLE) throw badTuple(buffer[tuple.end]);
    return { old, new: new PgoutputTuple(buffer, tuple.end + 1, end) };
  }
}

class PgoutputTuple implements Tuple {
  readonly columnCount: number;
  /** One past the tuple's last byte. */
  readonly end: number;
  readonly #buffer: Buffer;
  /** Where each column's text starts; -1 for NULL, -2 for not sent. */
  readonly #starts: number[];
  readonly #lengths: number[];

  /** @param messageEnd one past the message's last byte */
  constructor(buffer: Buffer, start: number, messageEnd: number) {
    this.#buffer = buffer;
    requireBytes(start + 2, messageEnd);
    this.columnCount = buffer.readUInt16BE(start);
    this.#starts = new Array<number>(this.columnCount);
    this.#lengths = new Array<number>(this.columnCount);
    let at = start + 2;
    for (let column = 0; column < this.columnCount; column += 1) {
      const kind = buffer[at];
      at += 1;
      if (kind === VALUE_TEXT) {
        requireBytes(at + 4, messageEnd);
        const length = buffer.readUInt32BE(at);
        this.#starts[column] = at + 4;
        this.#lengths[column] = length;
        at += 4 + length;
      } else if (kind === VALUE_NULL || kind === VALUE_UNCHANGED) {
        this.#starts[column] = kind === VALUE_NULL ? -1 : -2;
        this.#lengths[column] = 0;
      } else {
        throw badTuple(kind);
      }
    }
    requireBytes(at, messageEnd);
    this.end = at;
  }

  text(column: number): ColumnText {
    const start = this.#starts[column];
    const length = this.#lengths[column];
    if (start === undefined || length === undefined || start === -1) return null;
    if (start === -2) return UNCHANGED;
    return this.#buffer.toString('utf8', start, start + length);
  }

  byteLength(column: number): number {
    return this.#lengths[column] ?? 0;
  }
}

/** What a message is read up to must lie within it: what follows in the buffer is another message. */
function requireBytes(upTo: number, end: number): void {
  if (upTo > end) {
    throw new WalhookError(
      'STREAM_INVALID',
      `expected ${upTo - end} more bytes in a pgoutput message, found its end`,
    );
  }
}

function badTuple(kind: number | undefined): WalhookError {
  return new WalhookError(
    'STREAM_INVALID',
    `expected a row image in text form, found the type byte 0x${(kind ?? 0).toString(16)}`,
  );
}

/** Reads the parts of the rarer messages in order. */
class Reader {
  readonly #buffer: Buffer;
  readonly #end: number;
  #at: number;

  /** @param end one past the message's last byte */
  constructor(buffer: Buffer, at: number, end: number) {
    this.#buffer = buffer;
    this.#at = at;
    this.#end = end;
  }

  /** Moves on by `bytes` and returns where they began. */
  skip(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    requireBytes(this.#at, this.#end);
    return at;
  }

  uint8(): number {
    return this.#buffer.readUInt8(this.skip(1));
  }

  uint16(): number {
    return this.#buffer.readUInt16BE(this.skip(2));
  }

  uint32(): number {
    return this.#buffer.readUInt32BE(this.skip(4));
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.skip(4));
  }

  cString(): string {
    const end = this.#buffer.indexOf(0, this.#at);
    const start = this.skip((end < 0 ? this.#end : end) + 1 - this.#at);
    return this.#buffer.toString('utf8', start, end);
  }
}
