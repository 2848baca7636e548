import { describe, expect, it } from 'vitest';
import { imagesOf } from '../../src/change/images.ts';
import { describeTable } from '../../src/change/table.ts';
import type { ColumnText } from '../../src/decode/messages.ts';
import { type FrozenSource, frozenMember, frozenSnapshots } from '../../src/represent/frozen.ts';
import type { Included } from '../../src/represent/includedRows.ts';
import { type IncludeOptions, plainOptions, shapeOf } from '../../src/represent/shape.ts';
import { testImages, testRelation } from '../helpers/rows.ts';

const INT_ARRAY = 1007;
const relation = testRelation([
  ['id*', 20],
  ['name', 25],
  ['peer_id', 20],
  ['at', 1184],
  ['updated', 1184],
  ['last_updated', 1184],
  ['list', INT_ARRAY],
  ['doc', 3802],
  ['custom_field_data', 3802],
]);
const table = describeTable(
  relation,
  {
    primaryKey: ['id'],
    isTracked: false,
    isStamping: false,
    foreignKeys: [{ column: 'peer_id', schema: 'public', table: 'peer', target: 'id' }],
    types: new Map([[INT_ARRAY, { kind: 'array', element: { kind: 'scalar', oid: 23 }, delimiter: ',' }]]),
  },
  [],
  [],
);

function include(name: string): IncludeOptions {
  const through = { schema: 'public', table: 'through' };
  return { name, schema: 'public', table: name, through, source: 'a', target: 'b', where: [], touch: true };
}

const shape = shapeOf(table, {
  ...plainOptions('thing'),
  includes: [include('tags'), include('policies')],
  snapshotOrder: ['name', 'policies', 'tags'],
});

const ROW: readonly ColumnText[] = [
  '7',
  'x',
  '3',
  '2023-08-07 19:30:23.140019+00',
  '2023-08-07 19:30:23+00',
  '2023-08-07 19:30:23.140019+00',
  '{1,NULL,2}',
  '[1, {"a": 1.10}]',
  '{"k": 1}',
];

function included(json: string | null, keys: readonly string[]): Included {
  return { part: { json, missing: json === null ? 'lookup' : null }, keys };
}

const LISTS: FrozenSource['included'] = new Map([
  [
    'tags',
    {
      before: included('[{"id":2,"name":"Foo"},{"id":1,"name":"Bar"}]', ['2', '1']),
      after: included('[]', []),
    },
  ],
  ['policies', { before: included(null, []), after: included('[{"id":9}]', ['9', '10']) }],
]);

function source(old: readonly ColumnText[] | null, now: readonly ColumnText[] | null): FrozenSource {
  const images = imagesOf(table, testImages(old === null ? null : ['full', old], now), old === null, 1_000);
  return { table, shape, ...images, included: LISTS };
}

describe('frozen snapshots', () => {
  it('are Django’s serialisation: keys and relations by key, short times, arrays as text', () => {
    expect(frozenSnapshots(source(null, ROW), 'peering-manager')).toBe(
      '{"prechange":null,"postchange":{"name":"x","policies":[9,10],"tags":[],"peer":3,"at":"2023-08-07T19:30:23.140Z",' +
        '"updated":"2023-08-07T19:30:23Z","last_updated":"2023-08-07T19:30:23.140Z","list":"[\\"1\\", null, \\"2\\"]",' +
        '"doc":[1, {"a": 1.10}],"custom_field_data":{"k": 1}}}',
    );
  });

  it('have the tags that were, no time of the last change before, and nothing that could not be read', () => {
    const { prechange } = JSON.parse(frozenSnapshots(source(ROW, null), 'peering-manager'));
    expect(Object.keys(prechange as object).slice(0, 3)).toEqual(['name', 'tags', 'peer']);
    expect(prechange).toMatchObject({ tags: ['Foo', 'Bar'] });
    expect(prechange).not.toHaveProperty('updated');
    expect(prechange).toHaveProperty('last_updated');
  });

  it('are NetBox’s: sorted tags, custom_fields, never last_updated', () => {
    const { prechange, postchange } = JSON.parse(frozenSnapshots(source(ROW, ROW), 'netbox'));
    expect(prechange).toMatchObject({
      tags: ['Bar', 'Foo'],
      custom_fields: { k: 1 },
      updated: '2023-08-07T19:30:23Z',
    });
    expect({ ...prechange, ...postchange }).not.toHaveProperty('last_updated');
  });
});

describe('a member of a snapshot, for conditions', () => {
  const { before, after } = source(ROW, ROW);
  const ask = (
    name: string,
    lists: FrozenSource['included'] | null = LISTS,
    side: 'before' | 'after' = 'after',
  ) => {
    const image = side === 'after' ? after : before;
    if (image === null) throw new Error('expected an image');
    const place = side === 'after' ? 'postchange' : 'prechange';
    return frozenMember({ table, shape }, lists, place, image, name, 'peering-manager');
  };

  it.each([
    ['name', { json: '"x"', missing: null }],
    ['peer', { json: '3', missing: null }],
    ['at', { json: '"2023-08-07T19:30:23.140Z"', missing: null }],
    ['policies', { json: '[9,10]', missing: null }],
    ['peer_id', undefined],
    ['id', undefined],
    ['nothing', undefined],
  ])('%s is %j', (name, part) => {
    expect(ask(name)).toEqual(part);
  });

  it('is pending until rows were looked up, and missing where they could not be', () => {
    expect(ask('tags', null)).toBe('pending');
    expect(ask('name', null)).toEqual({ json: '"x"', missing: null });
    expect(ask('policies', LISTS, 'before')).toEqual({ json: null, missing: 'lookup' });
  });
});
