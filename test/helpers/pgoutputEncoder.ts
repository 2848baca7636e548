/**
 * Writes pgoutput messages, protocol version 1, as a server does: the other half of src/decode/pgoutput.ts,
 * written from the documentation.
 *
 * https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
import { type ColumnText, type Relation, UNCHANGED } from '../../src/decode/messages.ts';

const POSTGRES_EPOCH_US = 946_684_800_000_000n;

export type TestTuple = readonly ColumnText[];

/** The tuples of a row message, as the server sends them. */
export type TestRow =
  | { readonly tag: 'insert'; readonly new: TestTuple }
  | {
      readonly tag: 'update';
      readonly old: { readonly kind: 'key' | 'full'; readonly tuple: TestTuple } | null;
      readonly new: TestTuple;
    }
  | { readonly tag: 'delete'; readonly old: { readonly kind: 'key' | 'full'; readonly tuple: TestTuple } };

export function encodeBegin(commitLsn: bigint, committedAtUs: bigint, xid: number): Buffer {
  return Buffer.concat([
    letter('B'),
    uint64(commitLsn),
    int64(committedAtUs - POSTGRES_EPOCH_US),
    uint32(xid),
  ]);
}

export function encodeCommit(commitLsn: bigint, endLsn: bigint, committedAtUs = POSTGRES_EPOCH_US): Buffer {
  return Buffer.concat([
    letter('C'),
    uint8(0),
    uint64(commitLsn),
    uint64(endLsn),
    int64(committedAtUs - POSTGRES_EPOCH_US),
  ]);
}

export function encodeOrigin(lsn: bigint, name: string): Buffer {
  return Buffer.concat([letter('O'), uint64(lsn), cString(name)]);
}

export function encodeType(oid: number, schema: string, name: string): Buffer {
  return Buffer.concat([letter('Y'), uint32(oid), cString(schema), cString(name)]);
}

const IDENTITY_LETTERS = { default: 'd', nothing: 'n', full: 'f', index: 'i' } as const;

export function encodeRelation(relation: Relation): Buffer {
  const columns = relation.columns.map((column) =>
    Buffer.concat([
      uint8(column.isIdentity ? 1 : 0),
      cString(column.name),
      uint32(column.typeOid),
      int32(column.typeModifier),
    ]),
  );
  return Buffer.concat([
    letter('R'),
    uint32(relation.oid),
    cString(relation.schema === 'pg_catalog' ? '' : relation.schema),
    cString(relation.name),
    letter(IDENTITY_LETTERS[relation.identity]),
    uint16(columns.length),
    ...columns,
  ]);
}

export function encodeRow(relationOid: number, row: TestRow): Buffer {
  const letters = { insert: 'I', update: 'U', delete: 'D' } as const;
  const old = row.tag === 'insert' || row.old === null ? [] : [oldLetter(row.old.kind), tuple(row.old.tuple)];
  const now = row.tag === 'delete' ? [] : [letter('N'), tuple(row.new)];
  return Buffer.concat([letter(letters[row.tag]), uint32(relationOid), ...old, ...now]);
}

export function encodeTruncate(relationOids: readonly number[], options = 0): Buffer {
  return Buffer.concat([
    letter('T'),
    uint32(relationOids.length),
    uint8(options),
    ...relationOids.map(uint32),
  ]);
}

export function encodeMessage(transactional: boolean, prefix: string, content: string, lsn = 1n): Buffer {
  const bytes = Buffer.from(content, 'utf8');
  return Buffer.concat([
    letter('M'),
    uint8(transactional ? 1 : 0),
    uint64(lsn),
    cString(prefix),
    uint32(bytes.length),
    bytes,
  ]);
}

function tuple(values: TestTuple): Buffer {
  const columns = values.map((value) => {
    if (value === null) return letter('n');
    if (value === UNCHANGED) return letter('u');
    const bytes = Buffer.from(value, 'utf8');
    return Buffer.concat([letter('t'), uint32(bytes.length), bytes]);
  });
  return Buffer.concat([uint16(values.length), ...columns]);
}

function oldLetter(kind: 'key' | 'full'): Buffer {
  return letter(kind === 'key' ? 'K' : 'O');
}

function letter(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'utf8');
}

function uint8(value: number): Buffer {
  return Buffer.from([value]);
}

function uint16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16BE(value);
  return buffer;
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

function uint64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(value);
  return buffer;
}

function int64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64BE(value);
  return buffer;
}
