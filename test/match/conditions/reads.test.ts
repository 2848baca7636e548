import { expect, it } from 'vitest';
import { readsOf } from '../../../src/match/conditions/reads.ts';
import { conditionsOf } from './ask.ts';

it('lists what conditions read, by root', () => {
  const ruleset = {
    and: [
      { attr: 'status.value', value: 'enabled' },
      { attr: 'status', op: 'changed' },
      {
        or: [
          { attr: 'snapshots.prechange.asn', value: 1 },
          { attr: 'snapshots.postchange.cf.a', value: 1 },
          { attr: 'snapshots.prechange', value: null },
          { attr: 'snapshots.before.x', value: 1 },
          { attr: '$event.username', value: 'admin' },
          { attr: 'status.value', value: 'disabled' },
        ],
      },
    ],
  };
  expect(readsOf(conditionsOf(ruleset))).toEqual({
    data: [
      { attr: 'status.value', at: 'conditions.and[0]', row: { first: 'status', rest: ['value'] } },
      { attr: 'status.value', at: 'conditions.and[2].or[5]', row: { first: 'status', rest: ['value'] } },
    ],
    prechange: [
      { attr: 'snapshots.prechange.asn', at: 'conditions.and[2].or[0]', row: { first: 'asn', rest: [] } },
    ],
    postchange: [
      { attr: 'snapshots.postchange.cf.a', at: 'conditions.and[2].or[1]', row: { first: 'cf', rest: ['a'] } },
    ],
    change: [{ attr: 'status', at: 'conditions.and[1]', row: { first: 'status', rest: [] } }],
    event: ['username'],
    nowhere: [{ attr: 'snapshots.before.x', at: 'conditions.and[2].or[3]' }],
  });
});

it('lists nothing where there are no conditions', () => {
  expect(Object.values(readsOf(null)).flat()).toEqual([]);
});
