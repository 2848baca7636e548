import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Relation,
  type RowMessage,
  type Tuple,
  UNCHANGED,
  type WalMessage,
} from '../../src/decode/messages.ts';
import { PgoutputDecoder } from '../../src/decode/pgoutput.ts';
import { anyLsn, identifier, instantUs, oid, relation, row, text } from '../helpers/arbitrary.ts';
import {
  encodeBegin,
  encodeCommit,
  encodeMessage,
  encodeOrigin,
  encodeRelation,
  encodeRow,
  encodeTruncate,
  encodeType,
  type TestRow,
} from '../helpers/pgoutputEncoder.ts';

/** Decodes a message that lies somewhere inside a larger read. */
function decode(decoder: PgoutputDecoder, message: Buffer, before = 3, after = 5): WalMessage {
  const read = Buffer.concat([Buffer.alloc(before, 0x74), message, Buffer.alloc(after, 0x4e)]);
  return decoder.decode(read, before, before + message.length);
}

function textsOf(tuple: Tuple): unknown[] {
  return Array.from({ length: tuple.columnCount }, (_, i) => tuple.text(i));
}

/** A decoded row in the shape in which it was encoded. */
function rowOf(message: RowMessage): unknown {
  const { old, new: now } = message.images();
  const before = old.kind === 'none' ? null : { kind: old.kind, tuple: textsOf(old.tuple) };
  if (message.tag === 'insert') return { tag: message.tag, new: now === null ? null : textsOf(now) };
  if (message.tag === 'delete') return { tag: message.tag, old: before };
  return { tag: message.tag, old: before, new: now === null ? null : textsOf(now) };
}

function announced(table: Relation): PgoutputDecoder {
  const decoder = new PgoutputDecoder();
  decoder.decode(encodeRelation(table), 0, encodeRelation(table).length);
  return decoder;
}

const table: Relation = {
  oid: 16_384,
  schema: 'public',
  name: 'thing',
  identity: 'default',
  columns: ['id', 'name', 'note'].map((name, i) => ({
    name,
    typeOid: 25,
    typeModifier: -1,
    isIdentity: i === 0,
  })),
};

describe('decoding what was encoded gives it back', () => {
  it('for begin and commit, with xids above 2^31 and every time PostgreSQL has', () => {
    fc.assert(
      fc.property(anyLsn, anyLsn, instantUs, oid, (commitLsn, endLsn, committedAtUs, xid) => {
        const decoder = new PgoutputDecoder();
        expect(decode(decoder, encodeBegin(commitLsn, committedAtUs, xid))).toEqual({
          tag: 'begin',
          commitLsn,
          committedAtUs,
          xid,
        });
        expect(decode(decoder, encodeCommit(commitLsn, endLsn))).toEqual({
          tag: 'commit',
          commitLsn,
          endLsn,
        });
      }),
    );
  });

  it('for relations, with OIDs above 2^31 and names of any characters', () => {
    fc.assert(
      fc.property(relation, (one) => {
        expect(decode(new PgoutputDecoder(), encodeRelation(one))).toEqual({
          tag: 'relation',
          relation: one,
        });
      }),
    );
  });

  it('for rows of every kind, column by column', () => {
    const sample = relation.chain((one) => fc.tuple(fc.constant(one), row(one.columns.length)));
    fc.assert(
      fc.property(sample, ([one, change]) => {
        const message = decode(announced(one), encodeRow(one.oid, change)) as RowMessage;
        expect(message.tag).toBe(change.tag);
        expect(message.relation).toEqual(one);
        expect(rowOf(message)).toEqual(change);
      }),
    );
  });

  it('for truncated tables, in their order', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(relation, { maxLength: 5, selector: (one) => one.oid }),
        fc.nat(3),
        (tables, options) => {
          const decoder = new PgoutputDecoder();
          for (const one of tables) decode(decoder, encodeRelation(one));
          const message = encodeTruncate(
            tables.map((one) => one.oid),
            options,
          );
          expect(decode(decoder, message)).toEqual({ tag: 'truncate', relations: tables });
        },
      ),
    );
  });

  it('for logical messages', () => {
    fc.assert(
      fc.property(fc.boolean(), identifier, text, anyLsn, (transactional, prefix, content, at) => {
        expect(decode(new PgoutputDecoder(), encodeMessage(transactional, prefix, content, at))).toEqual({
          tag: 'message',
          transactional,
          prefix,
          content,
        });
      }),
    );
  });

  it('for what is of no consequence', () => {
    expect(decode(new PgoutputDecoder(), encodeOrigin(7n, 'node-1'))).toEqual({ tag: 'ignored' });
    expect(decode(new PgoutputDecoder(), encodeType(16_400, 'public', 'mood'))).toEqual({ tag: 'ignored' });
  });
});

describe('a row', () => {
  it('of 1,600 columns is read whole', () => {
    const wide: Relation = {
      ...table,
      columns: Array.from({ length: 1_600 }, (_, i) => ({
        name: `column_${i}`,
        typeOid: 25,
        typeModifier: -1,
        isIdentity: false,
      })),
    };
    const values = wide.columns.map((_, i) => (i % 3 === 0 ? null : `value ${i}`));
    const change: TestRow = { tag: 'update', old: { kind: 'full', tuple: values }, new: values };
    const message = decode(announced(wide), encodeRow(wide.oid, change)) as RowMessage;
    expect(rowOf(message)).toEqual(change);
  });

  it('of no columns is read as empty', () => {
    const empty: Relation = { ...table, columns: [] };
    const change: TestRow = { tag: 'insert', new: [] };
    expect(rowOf(decode(announced(empty), encodeRow(empty.oid, change)) as RowMessage)).toEqual(change);
  });

  it('tells NULL, empty text and an unchanged value apart', () => {
    const change: TestRow = { tag: 'update', old: null, new: [null, '', UNCHANGED] };
    const tuple = (decode(announced(table), encodeRow(table.oid, change)) as RowMessage).images().new;
    expect(tuple?.columnCount).toBe(3);
    expect([0, 1, 2].map((i) => tuple?.text(i))).toEqual([null, '', UNCHANGED]);
    expect([0, 1, 2].map((i) => tuple?.byteLength(i))).toEqual([0, 0, 0]);
  });

  it('knows the bytes of a value without decoding it, and nothing of columns that it has not', () => {
    const change: TestRow = { tag: 'insert', new: ['é😀', 'abc', null] };
    const tuple = (decode(announced(table), encodeRow(table.oid, change)) as RowMessage).images().new;
    expect([0, 1, 2, 3].map((i) => tuple?.byteLength(i))).toEqual([6, 3, 0, 0]);
    expect(tuple?.text(3)).toBeNull();
  });

  it('keeps to the table as it was announced last', () => {
    const decoder = announced(table);
    const before = decode(
      decoder,
      encodeRow(table.oid, { tag: 'insert', new: ['1', 'a', 'b'] }),
    ) as RowMessage;
    const renamed: Relation = { ...table, name: 'renamed', columns: table.columns.slice(0, 1) };
    decode(decoder, encodeRelation(renamed));
    const after = decode(decoder, encodeRow(table.oid, { tag: 'insert', new: ['2'] })) as RowMessage;
    expect([before.relation.name, after.relation.name]).toEqual(['thing', 'renamed']);
  });
});

describe('a message too long to be assembled', () => {
  it.each([
    ['insert', { tag: 'insert', new: ['1', 'x'.repeat(200), null] }],
    ['update', { tag: 'update', old: null, new: ['1', 'x'.repeat(200), null] }],
    ['delete', { tag: 'delete', old: { kind: 'key', tuple: ['1', null, 'x'.repeat(200)] } }],
  ] as const)('still names the table of its %s', (kind, change) => {
    const head = encodeRow(table.oid, change).subarray(0, 64);
    expect(announced(table).decodeHead(head, 70_000_000)).toEqual({
      tag: 'oversized',
      kind,
      relation: table,
      bytes: 70_000_000,
    });
  });

  it('is of no consequence where it is no row', () => {
    const head = encodeMessage(true, 'other', 'x'.repeat(100)).subarray(0, 64);
    expect(announced(table).decodeHead(head, 70_000_000)).toEqual({ tag: 'ignored' });
  });

  it.each([
    ['relation', encodeRelation(table)],
    ['begin', encodeBegin(1n, 2n, 3)],
    ['commit', encodeCommit(1n, 2n)],
    ['truncate', encodeTruncate([table.oid])],
    ['row of a relation that was not announced', encodeRow(99, { tag: 'insert', new: ['1'] })],
    ['row that names no relation', Buffer.from('I')],
  ])('is refused where what follows hangs on it: %s', (_what, message) => {
    expect(() => announced(table).decodeHead(message.subarray(0, 64), 110_000)).toThrow(
      expect.objectContaining({ code: 'STREAM_INVALID' }),
    );
  });

  // 1,600 columns with names of 63 bytes: no limits.message that the configuration accepts is below it.
  it('is never a relation', () => {
    const columns = Array.from({ length: 1_600 }, () => ({
      name: 'n'.repeat(63),
      typeOid: 25,
      typeModifier: -1,
      isIdentity: false,
    }));
    const longest = { ...table, schema: 's'.repeat(63), name: 'n'.repeat(63), columns };
    expect(encodeRelation(longest).length).toBeLessThan(131_072);
  });
});

describe('what a server does not send', () => {
  const streamInvalid = expect.objectContaining({ code: 'STREAM_INVALID' });

  it.each([
    ['an unknown type of message', Buffer.from([0x7a, 1, 2, 3])],
    ['an empty message', Buffer.alloc(0)],
    ['a row of a relation that was not announced', encodeRow(99, { tag: 'insert', new: [] })],
    ['truncation of a relation that was not announced', encodeTruncate([table.oid, 99])],
  ])('is refused: %s', (_what, message) => {
    expect(() => announced(table).decode(message, 0, message.length)).toThrow(streamInvalid);
  });

  it.each([
    [
      'an unknown kind of tuple',
      Buffer.concat([Buffer.from('I'), Buffer.from([0, 0, 0x40, 0]), Buffer.from('Z')]),
    ],
    [
      'a value in binary form',
      Buffer.concat([Buffer.from('I'), Buffer.from([0, 0, 0x40, 0]), Buffer.from('N\0\x01b')]),
    ],
    [
      'an update whose old image stands alone',
      encodeRow(table.oid, { tag: 'delete', old: { kind: 'full', tuple: ['1', null, null] } }).fill(
        'U',
        0,
        1,
      ),
    ],
  ])('is refused when the row is looked at: %s', (_what, message) => {
    const change = announced(table).decode(message, 0, message.length) as RowMessage;
    expect(() => change.images()).toThrow(streamInvalid);
  });

  const samples: [string, Buffer][] = [
    ['begin', encodeBegin(1n, 2n, 3)],
    ['commit', encodeCommit(1n, 2n)],
    ['relation', encodeRelation(table)],
    ['insert', encodeRow(table.oid, { tag: 'insert', new: ['1', 'abc', null] })],
    [
      'update',
      encodeRow(table.oid, {
        tag: 'update',
        old: { kind: 'full', tuple: ['1', 'abc', null] },
        new: ['1', 'def', UNCHANGED],
      }),
    ],
    ['delete', encodeRow(table.oid, { tag: 'delete', old: { kind: 'key', tuple: ['1', null, null] } })],
    ['truncate', encodeTruncate([table.oid])],
    ['message', encodeMessage(true, 'walhook', '{"username":"a"}')],
  ];

  it.each(samples)('ends in an error or an answer, never in a hang: %s cut anywhere', (_what, message) => {
    for (let length = 0; length < message.length; length += 1) {
      const cut = Buffer.from(message.subarray(0, length));
      const decoder = announced(table);
      const startedMs = performance.now();
      try {
        const decoded = decoder.decode(cut, 0, cut.length);
        if ('images' in decoded) decoded.images();
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
      expect(performance.now() - startedMs).toBeLessThan(1_000);
    }
  });

  it.each(samples)('is refused as what it is: %s cut short', (_what, message) => {
    for (let length = 1; length < message.length; length += 1) {
      const read = Buffer.concat([message.subarray(0, length), Buffer.alloc(200_000, 'n')]);
      expect(() => {
        const decoded = announced(table).decode(read, 0, length);
        if ('images' in decoded) decoded.images();
      }).toThrow(streamInvalid);
    }
  });

  it('ends in an error or an answer for any bytes', () => {
    const bytes = fc.tuple(fc.constantFrom(...'BCDIMORTUYSE'), fc.uint8Array({ maxLength: 60 }));
    fc.assert(
      fc.property(bytes, ([type, rest]) => {
        const message = Buffer.concat([Buffer.from(type), Buffer.from([0, 0, 0x40, 0]), Buffer.from(rest)]);
        try {
          const decoded = announced(table).decode(message, 0, message.length);
          if ('images' in decoded) decoded.images();
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
