import { describe, expect, it } from 'vitest';
import { toBatches } from '../../src/queue/delivery.ts';
import { rowName, rowsOf } from '../../src/queue/rows.ts';
import { deliveries } from '../deliver/webhooks.ts';

const at = (key: string, table = 't', schema = 's') => ({ schema, table, key });

describe('the rows of a Delivery', () => {
  it('are its row alone while the key stays', () => {
    expect(rowsOf(at('1'), '1')).toEqual([rowName('s', 't', '1')]);
    expect(rowsOf(at('1'), null)).toEqual([rowName('s', 't', '1')]);
  });

  it('are both where the key changes: the one before and the one after', () => {
    expect(rowsOf(at('2'), '1')).toEqual([rowName('s', 't', '1'), rowName('s', 't', '2')]);
  });

  it('are told apart by schema, table and key', () => {
    const names = [at('1'), at('2'), at('1', 'u'), at('1', 't', 'r'), at(''), at('t1', '')].flatMap((row) =>
      rowsOf(row, null),
    );
    expect(new Set(names).size).toBe(names.length);
    expect(names.every((name) => /^[0-9a-f]{16}$/.test(name))).toBe(true);
  });

  it('make each Delivery a job of its own, in their order', () => {
    const [one, two, three, four] = deliveries(4, 0);
    if (!one || !two || !three || !four) throw new Error('no Deliveries');
    const batches = toBatches('w', [one, two, { ...three, rows: ['a'] }, four]);
    expect(batches.map(({ size, rows }) => [size, rows])).toEqual([
      [2, []],
      [1, ['a']],
      [1, []],
    ]);
  });
});
