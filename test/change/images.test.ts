import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Image, imagesOf, rowKey } from '../../src/change/images.ts';
import type { Table } from '../../src/change/table.ts';
import { type ColumnText, type ReplicaIdentity, UNCHANGED } from '../../src/decode/messages.ts';
import { type TestOld, testImages, testModel, testRelation, testTable, testTuple } from '../helpers/rows.ts';

const COLUMNS = [
  ['id*', 20],
  ['name', 25],
  ['big', 25],
] as const;
const table = (identity: ReplicaIdentity): Table =>
  testTable(
    testRelation(
      identity === 'nothing' ? COLUMNS.map(([name, oid]) => [name.replace('*', ''), oid] as const) : COLUMNS,
      identity,
    ),
  );

/** `id=1 name="a" big!toast`, and whether only the key is known. */
function shown(image: Image | null, of: Table): string | null {
  if (image === null) return null;
  const columns = of.columns.map((column, i) => {
    const fragment = image.fragments[i];
    return fragment === null ? `${column.name}!${image.missing?.[i]}` : `${column.name}=${fragment}`;
  });
  return `${image.isKeyOnly ? 'key ' : ''}${columns.join(' ')}`;
}

type Case = readonly [
  what: string,
  identity: ReplicaIdentity,
  kind: 'created' | 'updated' | 'deleted',
  old: TestOld,
  now: readonly ColumnText[] | null,
  before: string | null,
  after: string | null,
];

describe('the images of a Change', () => {
  it.each<Case>([
    ['created', 'default', 'created', null, ['1', 'a', null], null, 'id=1 name="a" big=null'],
    ['created', 'full', 'created', null, ['1', 'a', 'B'], null, 'id=1 name="a" big="B"'],
    ['created', 'nothing', 'created', null, ['1', 'a', 'B'], null, 'id=1 name="a" big="B"'],
    [
      'updated',
      'default',
      'updated',
      null,
      ['1', 'b', 'B'],
      'key id=1 name!identity big!identity',
      'id=1 name="b" big="B"',
    ],
    [
      'updated',
      'index',
      'updated',
      null,
      ['1', 'b', 'B'],
      'key id=1 name!identity big!identity',
      'id=1 name="b" big="B"',
    ],
    [
      'updated with its key',
      'default',
      'updated',
      ['key', ['1', null, null]],
      ['2', 'b', 'B'],
      'key id=1 name!identity big!identity',
      'id=2 name="b" big="B"',
    ],
    [
      'updated with its key',
      'index',
      'updated',
      ['key', ['1', null, null]],
      ['2', 'b', null],
      'key id=1 name!identity big!identity',
      'id=2 name="b" big=null',
    ],
    [
      'updated',
      'full',
      'updated',
      ['full', ['1', 'a', 'B']],
      ['1', 'b', 'B'],
      'id=1 name="a" big="B"',
      'id=1 name="b" big="B"',
    ],
    [
      'updated',
      'nothing',
      'updated',
      null,
      ['1', 'b', 'B'],
      'key id!identity name!identity big!identity',
      'id=1 name="b" big="B"',
    ],
    [
      'updated, a large value unchanged',
      'default',
      'updated',
      null,
      ['1', 'b', UNCHANGED],
      'key id=1 name!identity big!identity',
      'id=1 name="b" big!toast',
    ],
    [
      'updated, a large value unchanged',
      'full',
      'updated',
      ['full', ['1', 'a', 'B']],
      ['1', 'b', UNCHANGED],
      'id=1 name="a" big="B"',
      'id=1 name="b" big="B"',
    ],
    [
      'updated, a large value unchanged and NULL before',
      'full',
      'updated',
      ['full', ['1', 'a', null]],
      ['1', 'b', UNCHANGED],
      'id=1 name="a" big=null',
      'id=1 name="b" big=null',
    ],
    [
      'updated, key and large value',
      'default',
      'updated',
      ['key', ['1', null, null]],
      ['2', 'b', UNCHANGED],
      'key id=1 name!identity big!identity',
      'id=2 name="b" big!toast',
    ],
    [
      'deleted',
      'default',
      'deleted',
      ['key', ['1', null, null]],
      null,
      'key id=1 name!identity big!identity',
      null,
    ],
    [
      'deleted',
      'index',
      'deleted',
      ['key', ['1', null, null]],
      null,
      'key id=1 name!identity big!identity',
      null,
    ],
    ['deleted', 'full', 'deleted', ['full', ['1', null, 'B']], null, 'id=1 name=null big="B"', null],
    [
      'created with a value too large',
      'default',
      'created',
      null,
      ['1', 'x'.repeat(11), null],
      null,
      'id=1 name!too_large big=null',
    ],
    [
      'created with a value just small enough',
      'default',
      'created',
      null,
      ['1', 'é'.repeat(5), null],
      null,
      'id=1 name="ééééé" big=null',
    ],
    [
      'updated with values too large on both sides',
      'full',
      'updated',
      ['full', ['1', 'x'.repeat(11), 'B']],
      ['1', 'b', 'y'.repeat(11)],
      'id=1 name!too_large big="B"',
      'id=1 name="b" big!too_large',
    ],
    [
      'updated, a large value unchanged that is too large',
      'full',
      'updated',
      ['full', ['1', 'a', 'y'.repeat(11)]],
      ['1', 'b', UNCHANGED],
      'id=1 name="a" big!too_large',
      'id=1 name="b" big!too_large',
    ],
    [
      'deleted with a key too large',
      'default',
      'deleted',
      ['key', ['12345678901', null, null]],
      null,
      'key id!too_large name!identity big!identity',
      null,
    ],
  ])('%s under %s', (_what, identity, kind, old, now, before, after) => {
    const of = table(identity);
    const images = imagesOf(of, testImages(old, now), kind === 'created', 10);
    expect({ before: shown(images.before, of), after: shown(images.after, of) }).toEqual({ before, after });
  });

  it('know nothing of the row before under NOTHING, whatever columns are marked', () => {
    const of = testTable(testRelation(COLUMNS, 'nothing'));
    expect(shown(imagesOf(of, testImages(null, ['1', 'a', 'b']), false, 10).before, of)).toBe(
      'key id!identity name!identity big!identity',
    );
  });

  it('have a reason for everything that is missing, and for nothing else', () => {
    const value = fc.oneof(fc.string({ maxLength: 20 }), fc.constant(null), fc.constant(UNCHANGED));
    const row = fc.tuple(value, value, value);
    const identity = fc.constantFrom<ReplicaIdentity>('default', 'full', 'index', 'nothing');
    const old = fc.option(fc.tuple(fc.constantFrom<'key' | 'full'>('key', 'full'), row));
    fc.assert(
      fc.property(identity, old, fc.option(row), fc.boolean(), (kind, before, now, isCreated) => {
        const of = table(kind);
        const images = imagesOf(of, testImages(before, now), isCreated, 10);
        for (const image of [images.before, images.after]) {
          if (image === null) continue;
          expect(image.fragments).toHaveLength(3);
          image.fragments.forEach((fragment, i) => {
            expect(fragment === null).toBe((image.missing?.[i] ?? null) !== null);
          });
        }
        expect(images.after === null).toBe(now === null);
      }),
    );
  });

  it('never show an excluded column', () => {
    const of = testTable(testRelation(COLUMNS, 'full'), {
      models: [testModel('thing', 'thing', { exclude: ['name'] })],
    });
    const images = imagesOf(
      of,
      testImages(['full', ['1', 'secret', 'b']], ['1', 'secret2', UNCHANGED]),
      false,
      10,
    );
    expect(JSON.stringify(images)).not.toContain('secret');
    expect(shown(images.after, of)).toBe('id=1 big="b"');
  });
});

describe('the key of a row', () => {
  const composite = testTable(
    testRelation([
      ['b*', 25],
      ['a*', 20],
      ['x', 25],
    ]),
    { primaryKey: ['a', 'b'] },
  );
  const keyless = testTable(
    testRelation(
      [
        ['a', 20],
        ['b', 25],
      ],
      'full',
    ),
  );

  it('is the text of its one column', () => {
    expect(rowKey(table('default'), testTuple(['007', 'a', null]))).toBe('007');
  });

  it('is a list in the order of the primary key for several', () => {
    expect(rowKey(composite, testTuple(['x,"y"', '1', null]))).toBe(JSON.stringify(['1', 'x,"y"']));
  });

  it('is all of the row where there is no key', () => {
    expect(rowKey(keyless, testTuple(['1', 'a']))).toBe('["1","a"]');
  });

  it('tells rows apart that differ in it', () => {
    const key = fc.tuple(fc.string(), fc.string());
    fc.assert(
      fc.property(key, key, ([b1, a1], [b2, a2]) => {
        const isSame =
          rowKey(composite, testTuple([b1, a1, '1'])) === rowKey(composite, testTuple([b2, a2, '2']));
        expect(isSame).toBe(a1 === a2 && b1 === b2);
      }),
    );
  });

  // The key travels in the queue and stands in the log.
  it('never holds an excluded column', () => {
    const of = testTable(
      testRelation(
        [
          ['a', 20],
          ['password', 25],
        ],
        'full',
      ),
      {
        models: [testModel('thing', 'thing', { exclude: ['password'] })],
      },
    );
    expect(rowKey(of, testTuple(['1', 'hunter2']))).not.toContain('hunter2');
  });

  it('is bounded however large the row is', () => {
    expect(rowKey(keyless, testTuple(['1', 'x'.repeat(20_000_000)])).length).toBeLessThan(1_048_576);
  });
});
