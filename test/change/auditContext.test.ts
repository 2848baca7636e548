import { describe, expect, it } from 'vitest';
import { AuditRows, type AuditSource } from '../../src/change/auditContext.ts';

const SOURCE: AuditSource = {
  schema: 'public',
  table: 'log',
  username: 'who',
  requestId: 'request',
  match: [['object', 'id']],
};

type Row = readonly [key: string, index: number, object: string | null, who: string | null, request?: string];

function rowsOf(rows: readonly Row[], max = 100): AuditRows {
  const held = new AuditRows(max);
  for (const [key, index, object, username, requestId = null] of rows) {
    held.hold(key, { index, username, requestId: requestId ?? null, matched: [object] });
  }
  return held;
}

const ask = (rows: AuditRows, index: number, id: string | null) =>
  rows.contextOf(SOURCE, index, (column) => (column === 'id' ? id : null));

describe('who made a Change, by the audit table', () => {
  it.each<[string, readonly Row[], number, string | null, string | null]>([
    ['is nobody without rows', [], 0, '1', null],
    [
      'is who the row that names it says',
      [
        ['a', 1, '1', 'ann'],
        ['b', 2, '2', 'bob'],
      ],
      5,
      '1',
      'ann',
    ],
    [
      'is the last of several that name it',
      [
        ['a', 1, '1', 'ann'],
        ['b', 2, '1', 'bob'],
      ],
      5,
      '1',
      'bob',
    ],
    [
      'is the nearest where none names it',
      [
        ['a', 1, '7', 'ann'],
        ['b', 9, '8', 'bob'],
      ],
      8,
      '1',
      'bob',
    ],
    [
      'is the one that follows where two are as near',
      [
        ['a', 4, '7', 'ann'],
        ['b', 6, '8', 'bob'],
      ],
      5,
      '1',
      'bob',
    ],
    [
      'is the one before where nothing follows',
      [
        ['a', 1, '7', 'ann'],
        ['b', 2, '8', 'bob'],
      ],
      9,
      '1',
      'bob',
    ],
    [
      'goes on to the next where the nearest does not say',
      [
        ['a', 1, '7', 'ann'],
        ['b', 2, '8', null],
      ],
      9,
      '1',
      'ann',
    ],
    [
      'is the nearest for a row without the matched column',
      [
        ['a', 1, '7', 'ann'],
        ['b', 9, null, 'bob'],
      ],
      0,
      null,
      'ann',
    ],
    [
      'is the last image of an audit row',
      [
        ['a', 1, '1', 'ann'],
        ['a', 5, '1', 'eve'],
      ],
      2,
      '1',
      'eve',
    ],
  ])('%s', (_, rows, index, id, username) => {
    expect(ask(rowsOf(rows), index, id).username).toBe(username);
  });

  it('finds each value by itself', () => {
    const rows = rowsOf([
      ['a', 1, '1', null, 'r1'],
      ['b', 2, '1', 'bob'],
    ]);
    expect(ask(rows, 0, '1')).toEqual({ username: 'bob', requestId: 'r1' });
  });

  it('forgets what a row matched before it was changed', () => {
    const rows = rowsOf([
      ['a', 1, '1', 'ann'],
      ['b', 2, '9', 'bob'],
      ['a', 3, '2', 'ann'],
    ]);
    expect(ask(rows, 2, '1').username).toBe('bob');
  });

  it('keeps a bounded number of rows, the latest', () => {
    const rows = rowsOf(
      Array.from({ length: 1_000 }, (_, i): Row => [`k${i}`, i, `${i}`, `user${i}`]),
      10,
    );
    expect(rows.size).toBeLessThanOrEqual(20);
    expect(ask(rows, 0, '999').username).toBe('user999');
    expect(ask(rows, 0, '3').username).toMatch(/^user9\d\d$/);
  });
});
