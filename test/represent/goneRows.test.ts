import { describe, expect, it } from 'vitest';
import { GoneRows } from '../../src/represent/goneRows.ts';
import { testImages, testRelation, testTable } from '../helpers/rows.ts';

const relation = testRelation(
  [
    ['id*', 20],
    ['name', 25],
    ['note', 25],
  ],
  'full',
);
const table = testTable(relation, { primaryKey: ['id'] });
const old = (values: readonly (string | null)[], kind: 'full' | 'key' = 'full') =>
  testImages([kind, values], null).old;

describe('rows that were deleted', () => {
  it('are found by their key, with the columns asked for', () => {
    const gone = new GoneRows();
    gone.hold(table, old(['7', 'seven', null]));
    expect(gone.find('public.thing', 'id', '7', ['name', 'id', 'other', 'note'])).toEqual([
      'seven',
      '7',
      null,
      null,
    ]);
    expect(gone.find('public.thing', 'id', '8', ['name'])).toBeNull();
    expect(gone.find('public.other', 'id', '7', ['name'])).toBeNull();
  });

  it('are not kept where only the key was sent, or nothing tells them apart', () => {
    const gone = new GoneRows();
    gone.hold(table, old(['7', null, null], 'key'));
    gone.hold(testTable(relation, { primaryKey: ['id', 'name'] }), old(['8', 'x', null]));
    expect([gone.find('public.thing', 'id', '7', []), gone.find('public.thing', 'id', '8', [])]).toEqual([
      null,
      null,
    ]);
  });

  it('are bounded in number and without long values: the latest stay', () => {
    const gone = new GoneRows();
    for (let id = 0; id < 3_000; id += 1) gone.hold(table, old([`${id}`, 'x', 'y'.repeat(9_000)]));
    expect(gone.find('public.thing', 'id', '0', ['name'])).toBeNull();
    expect(gone.find('public.thing', 'id', '2999', ['name', 'note'])).toEqual(['x', null]);
  });
});
