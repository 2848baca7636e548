import { describe, expect, it } from 'vitest';
import { pageQuery, placeOf } from '../../src/capture/replay.ts';

type Related = Parameters<typeof pageQuery>[0];
const related = {
  table: {
    relation: { schema: 'sales', name: 'Odd "x"', columns: [{ name: 'a' }, { name: 'b' }, { name: 'note' }] },
    key: [
      { name: 'b', index: 1 },
      { name: 'a', index: 0 },
    ],
  },
  typeNames: ['bigint', 'text', 'text'],
} as unknown as Related;

describe('a page of a replay', () => {
  it('is read in the order of the primary key, all columns', () => {
    expect(pageQuery(related, null, null)).toEqual({
      text: 'select "a", "b", "note" from "sales"."Odd ""x""" order by "b", "a" limit 200',
      values: [],
    });
  });

  it('begins behind the last row, in the types of the key', () => {
    const { text, values } = pageQuery(related, "note = 'x' -- why", ['k', '9007199254740993']);
    expect(text).toContain(`where (note = 'x' -- why\n) and ("b", "a") > ($1::text, $2::bigint) order by`);
    expect(values).toEqual(['k', '9007199254740993']);
  });
});

describe('the table of a model', () => {
  const models = [{ name: 'order', schema: 'shop', table: 'orders' }];
  it.each([
    ['order', { schema: 'shop', table: 'orders' }],
    ['orders', { schema: 'public', table: 'orders' }],
    ['shop.items', { schema: 'shop', table: 'items' }],
  ])('%s is found', (model, place) => {
    expect(placeOf(model, models)).toEqual(place);
  });
});
