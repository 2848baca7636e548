import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Context } from '../../src/change/context.ts';
import { imagesOf, keyOfRow } from '../../src/change/images.ts';
import { noMessages } from '../../src/change/messageContext.ts';
import type { Table } from '../../src/change/table.ts';
import type { Change, ChangeKind } from '../../src/change/transaction.ts';
import { lsn } from '../../src/core/lsn.ts';
import { type RowImages, UNCHANGED } from '../../src/decode/messages.ts';
import { buildEvent, buildUnreadableEvent, eventId, formatTimestamp } from '../../src/represent/event.ts';
import { testImages, testRelation, testTable } from '../helpers/rows.ts';

const GENERATION = '0badcafe';
const COMMITTED_US = 1_691_436_623_140_019n;
const LIMITS = { valueBytes: 1_048_576, eventBytes: 4_194_304 };
const NOBODY: Context = { username: null, requestId: null };

const table = testTable(
  testRelation([
    ['id*', 20],
    ['name', 25],
    ['price', 1700],
    ['note', 25],
  ]),
);
const full = testTable({ ...table.relation, identity: 'full' }, { primaryKey: ['id'] });

function change(kind: ChangeKind, more: Partial<Change> = {}): Change {
  return {
    kind,
    transaction: { xid: 7, commitLsn: lsn(0x16b3748n), committedAtUs: COMMITTED_US },
    index: 0x2a,
    relation: table.relation,
    row: null,
    oversizedBytes: 0,
    messages: noMessages([]),
    ...more,
  };
}

const build = (
  kind: ChangeKind,
  rows: RowImages | null,
  {
    of = table,
    context = NOBODY,
    limits = LIMITS,
  }: { of?: Table; context?: Context; limits?: typeof LIMITS } = {},
) => {
  const images = rows === null ? null : imagesOf(of, rows, kind === 'created', limits.valueBytes);
  const key = rows === null ? '' : keyOfRow(of, rows);
  const source = {
    change: change(kind),
    table: of,
    context,
    key,
    before: images?.before ?? null,
    after: images?.after ?? null,
    data: null,
  };
  return { ...buildEvent(source, GENERATION, limits.eventBytes), key };
};

describe('the Event of a Change', () => {
  it('created has the row as it is, in the order of its columns', () => {
    const event = build('created', testImages(null, ['9007199254740993', 'say "hi"', '1.10', null]), {
      context: { username: 'admin', requestId: 'af7aebe6' },
    });
    expect(event.json).toBe(
      '{"event":"created","timestamp":"2023-08-07T19:30:23.140019Z","model":"thing","username":"admin","request_id":"af7aebe6",' +
        '"data":{"id":9007199254740993,"name":"say \\"hi\\"","price":"1.10","note":null},' +
        '"snapshots":{"prechange":null,"postchange":{"id":9007199254740993,"name":"say \\"hi\\"","price":"1.10","note":null}}}',
    );
    expect(event.key).toBe('9007199254740993');
  });

  it('updated under FULL has the row before and after', () => {
    const event = build('updated', testImages(['full', ['1', 'a', '1', 'n']], ['1', 'b', '2', UNCHANGED]), {
      of: full,
    });
    expect(event.json).toBe(
      '{"event":"updated","timestamp":"2023-08-07T19:30:23.140019Z","model":"thing","username":null,"request_id":null,' +
        '"data":{"id":1,"name":"b","price":"2","note":"n"},' +
        '"snapshots":{"prechange":{"id":1,"name":"a","price":"1","note":"n"},"postchange":{"id":1,"name":"b","price":"2","note":"n"}}}',
    );
  });

  it('updated without a before image says so, and what was not sent', () => {
    const event = build('updated', testImages(['key', ['1', null, null, null]], ['2', 'b', null, UNCHANGED]));
    expect(event.json).toBe(
      '{"event":"updated","timestamp":"2023-08-07T19:30:23.140019Z","model":"thing","username":null,"request_id":null,' +
        '"data":{"id":2,"name":"b","price":null},' +
        '"snapshots":{"prechange":{"id":1},"postchange":{"id":2,"name":"b","price":null}},' +
        '"unavailable":{"data":{"note":"toast"},"prechange":{"*":"identity"},"postchange":{"note":"toast"}}}',
    );
  });

  it('deleted has the last state as its data', () => {
    const event = build('deleted', testImages(['full', ['1', 'a', null, null]], null), { of: full });
    expect(event.json).toBe(
      '{"event":"deleted","timestamp":"2023-08-07T19:30:23.140019Z","model":"thing","username":null,"request_id":null,' +
        '"data":{"id":1,"name":"a","price":null,"note":null},' +
        '"snapshots":{"prechange":{"id":1,"name":"a","price":null,"note":null},"postchange":null}}',
    );
    expect(event.key).toBe('1');
  });

  it('deleted without a before image has its key', () => {
    const event = build('deleted', testImages(['key', ['1', null, null, null]], null));
    expect(event.json).toContain(
      '"data":{"id":1},"snapshots":{"prechange":{"id":1},"postchange":null},"unavailable":{"data":{"*":"identity"},"prechange":{"*":"identity"}}}',
    );
  });

  it('truncated has no row', () => {
    const event = build('truncated', null);
    expect(event.json).toBe(
      '{"event":"truncated","timestamp":"2023-08-07T19:30:23.140019Z","model":"thing","username":null,"request_id":null,' +
        '"data":null,"snapshots":{"prechange":null,"postchange":null}}',
    );
    expect(event.key).toBe('');
  });

  it('says what is above limits.value', () => {
    const limits = { ...LIMITS, valueBytes: 10 };
    const event = build('created', testImages(null, ['1', 'x'.repeat(11), '1', 'n']), { limits });
    expect(JSON.parse(event.json)).toMatchObject({
      data: { id: 1, price: '1', note: 'n' },
      unavailable: { data: { name: 'too_large' }, postchange: { name: 'too_large' } },
    });
    expect(event.json).not.toContain('xxx');
  });

  it.each([
    ['created', '{"prechange":null,"postchange":{}}', ['data', 'postchange']],
    ['updated', '{"prechange":{},"postchange":{}}', ['data', 'prechange', 'postchange']],
    ['deleted', '{"prechange":{},"postchange":null}', ['data', 'prechange']],
  ] as const)('%s says so where its row could not be had', (kind, snapshots, missing) => {
    const event = buildUnreadableEvent(change(kind), table.model, NOBODY, GENERATION, 'too_large');
    expect(event.json).toContain(`,"data":{},"snapshots":${snapshots},"unavailable":{`);
    expect(Object.keys((JSON.parse(event.json) as { unavailable: object }).unavailable)).toEqual(missing);
    expect(event).toMatchObject({
      id: expect.stringMatching(/^0badcafe-00000000016b3748-0000002a-[0-9a-f]{8}$/),
    });
  });

  it('is valid JSON whatever names and values it has', () => {
    const hostile = fc.string({ unit: 'binary', maxLength: 20 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(hostile, fc.option(hostile)), { maxLength: 6 }),
        hostile,
        hostile,
        (row, model, user) => {
          const relation = testRelation(
            row.map(([name]) => [`c${name}`, 25] as const),
            'full',
            { name: model },
          );
          const values = row.map(([, value]) => value);
          const event = build('updated', testImages(['full', values], values), {
            of: testTable(relation),
            context: { username: user, requestId: user },
          });
          const parsed = JSON.parse(event.json) as Record<string, unknown>;
          expect(Object.keys(parsed)).toEqual([
            'event',
            'timestamp',
            'model',
            'username',
            'request_id',
            'data',
            'snapshots',
          ]);
          expect(parsed).toMatchObject({ model, username: user, request_id: user });
        },
      ),
    );
  });
});

describe('the time of an Event', () => {
  it.each([
    [1_691_436_623_140_019n, '2023-08-07T19:30:23.140019Z'],
    [0n, '1970-01-01T00:00:00.000000Z'],
    [1n, '1970-01-01T00:00:00.000001Z'],
    [-1n, '1969-12-31T23:59:59.999999Z'],
    [-1_000n, '1969-12-31T23:59:59.999000Z'],
    [-1_001n, '1969-12-31T23:59:59.998999Z'],
    [999_999n, '1970-01-01T00:00:00.999999Z'],
    [253_402_300_799_999_999n, '9999-12-31T23:59:59.999999Z'],
  ])('%d µs is %s', (us, text) => {
    expect(formatTimestamp(us)).toBe(text);
  });

  it('keeps every microsecond', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n }), (us) => {
        const text = formatTimestamp(us);
        expect(BigInt(Date.parse(text)) * 1_000n + BigInt(text.slice(-4, -1))).toBe(us);
      }),
    );
  });
});

describe('the id of an Event', () => {
  const idOf = (commit: bigint, index: number, object = 'x') =>
    eventId(
      GENERATION,
      change('created', { index, transaction: { xid: 1, commitLsn: lsn(commit), committedAtUs: 0n } }),
      object,
    );

  it('has the documented shape', () => {
    expect(idOf(0x16b3748n, 42, 'thing\x001')).toMatch(/^0badcafe-00000000016b3748-0000002a-[0-9a-f]{8}$/);
    expect(idOf(0xffff_ffff_ffff_ffffn, 0xffff_ffff)).toMatch(/^0badcafe-f{16}-f{8}-[0-9a-f]{8}$/);
  });

  it('sorts in commit order, and by index within a Transaction', () => {
    const position = fc.tuple(
      fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
      fc.nat(0xffff_ffff),
      fc.string(),
    );
    fc.assert(
      fc.property(position, position, ([lsnA, indexA, objectA], [lsnB, indexB, objectB]) => {
        const isEarlier = lsnA < lsnB || (lsnA === lsnB && indexA < indexB);
        if (lsnA === lsnB && indexA === indexB) return;
        expect(idOf(lsnA, indexA, objectA) < idOf(lsnB, indexB, objectB)).toBe(isEarlier);
      }),
    );
  });

  it('tells the Events of one Change apart by model and key', () => {
    const rows = testImages(null, ['1', 'a', null, null]);
    const other = testTable({ ...table.relation, name: 'other' });
    const ids = [
      build('created', rows).id,
      build('created', testImages(null, ['2', 'a', null, null])).id,
      build('created', rows, { of: other }).id,
    ];
    expect(new Set(ids).size).toBe(3);
    expect(build('created', rows).id).toBe(ids[0]);
  });

  // The server sends an unchanged TOASTed key as not sent in the new row and in full in the old one.
  it('has the object of its row also where the key is a large value that did not change', () => {
    const text = testTable(
      testRelation([
        ['slug*', 25],
        ['v', 25],
      ]),
      { primaryKey: ['slug'] },
    );
    const made = build('created', testImages(null, ['key', 'a']), { of: text });
    const moved = build('updated', testImages(['key', ['key', null]], [UNCHANGED, 'b']), { of: text });
    expect(moved.key).toBe(made.key);
  });
});

describe('limits.event', () => {
  const bytes = (json: string) => Buffer.byteLength(json);

  it('takes the largest values first, and only as many as it needs', () => {
    const limits = { ...LIMITS, eventBytes: 1_500 };
    const event = build('created', testImages(null, ['1', 'm'.repeat(300), '1', 'l'.repeat(500)]), {
      limits,
    });
    expect(JSON.parse(event.json)).toMatchObject({
      data: { id: 1, name: 'm'.repeat(300), price: '1' },
      unavailable: { data: { note: 'too_large' }, postchange: { note: 'too_large' } },
    });
    expect(bytes(event.json)).toBeLessThanOrEqual(1_500);
  });

  it('leaves an Event alone that just fits, by its bytes', () => {
    const rows = testImages(null, ['1', 'é'.repeat(100), '1', 'n']);
    const whole = build('created', rows);
    expect(build('created', rows, { limits: { ...LIMITS, eventBytes: bytes(whole.json) + 100 } }).json).toBe(
      whole.json,
    );
  });

  it('keeps what was missing before', () => {
    const limits = { ...LIMITS, eventBytes: 1_024 };
    const rows = testImages(['key', ['1', null, null, null]], ['1', 'x'.repeat(900), '1', UNCHANGED]);
    expect(JSON.parse(build('updated', rows, { limits }).json)).toMatchObject({
      snapshots: { prechange: { id: 1 }, postchange: { id: 1, price: '1' } },
      unavailable: {
        data: { name: 'too_large', note: 'toast' },
        prechange: { '*': 'identity' },
        postchange: { name: 'too_large', note: 'toast' },
      },
    });
  });

  it('is kept by rows of ordinary names', () => {
    const value = fc.string({ unit: 'binary', maxLength: 400 });
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 4, maxLength: 4 }),
        fc.array(value, { minLength: 4, maxLength: 4 }),
        fc.integer({ min: 1_024, max: 5_000 }),
        (old, now, eventBytes) => {
          const relation = testRelation(
            [
              ['a*', 25],
              ['b', 25],
              ['c', 25],
              ['d', 25],
            ],
            'full',
          );
          const event = build('updated', testImages(['full', old], now), {
            of: testTable(relation, { primaryKey: ['a'] }),
            limits: { ...LIMITS, eventBytes },
          });
          expect(() => JSON.parse(event.json)).not.toThrow();
          expect(bytes(event.json)).toBeLessThanOrEqual(eventBytes);
        },
      ),
    );
  });

  it('is kept by a table of many columns with long names', () => {
    const columns = Array.from({ length: 400 }, (_, i) => [`${'n'.repeat(58)}_${i}`, 25] as const);
    const event = build(
      'created',
      testImages(
        null,
        columns.map(() => 'x'),
      ),
      {
        of: testTable(testRelation(columns)),
        limits: { ...LIMITS, eventBytes: 16_384 },
      },
    );
    expect(bytes(event.json)).toBeLessThanOrEqual(16_384);
  });
});
