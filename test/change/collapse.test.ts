/** Several Changes of one row in one Transaction as one. */
import { describe, expect, it } from 'vitest';
import { collapse, type KeyedChange } from '../../src/change/collapse.ts';
import { noMessages } from '../../src/change/messageContext.ts';
import type { Change, ChangeKind } from '../../src/change/transaction.ts';
import { lsn } from '../../src/core/lsn.ts';
import { testImages, testRelation, testRow } from '../helpers/rows.ts';

const RELATION = testRelation([
  ['id*', 23],
  ['note', 25],
]);
const TAGS = { created: 'insert', updated: 'update', deleted: 'delete' } as const;

/** `created 1→1` and the like; a touch is an update without a row. */
function item(index: number, kind: ChangeKind, before: string | null, after: string | null, isTouch = false) {
  const images =
    kind === 'created' || kind === 'truncated'
      ? testImages(null, [after, `v${index}`])
      : testImages(['full', [before, `v${index - 1}`]], kind === 'deleted' ? null : [after, `v${index}`]);
  const row = isTouch || kind === 'truncated' ? null : testRow(TAGS[kind], RELATION, images);
  const change: Change = {
    kind,
    transaction: { xid: 1, commitLsn: lsn(1n), committedAtUs: 1n },
    index,
    relation: RELATION,
    row,
    oversizedBytes: 0,
    messages: noMessages([]),
  };
  return { change, keyBefore: before, keyAfter: after } satisfies KeyedChange;
}

const folded = (...items: readonly KeyedChange[]) =>
  collapse(items).map(({ change, key, items: from }) => {
    const images = change.row?.images();
    const before = images?.old.kind === 'full' ? images.old.tuple.text(1) : null;
    const after = images?.new?.text(1) ?? null;
    return `${change.kind} ${key} ${String(before)}→${String(after)} of ${from.length} at ${change.index}`;
  });

describe('Changes of one row', () => {
  it.each([
    [
      'created, then updated',
      [item(0, 'created', null, '1'), item(1, 'updated', '1', '1')],
      ['created 1 null→v1 of 2 at 0'],
    ],
    ['created, then deleted', [item(0, 'created', null, '1'), item(1, 'deleted', '1', null)], []],
    [
      'updated twice',
      [item(1, 'updated', '1', '1'), item(2, 'updated', '1', '1')],
      ['updated 1 v0→v2 of 2 at 1'],
    ],
    [
      'updated, then deleted',
      [item(1, 'updated', '1', '1'), item(2, 'deleted', '1', null)],
      ['deleted 1 v0→null of 2 at 1'],
    ],
    [
      'deleted, then created',
      [item(1, 'deleted', '1', null), item(2, 'created', null, '1')],
      ['updated 1 v0→v2 of 2 at 1'],
    ],
    [
      'touched, then updated',
      [item(1, 'updated', '1', '1', true), item(2, 'updated', '1', '1')],
      ['updated 1 v1→v2 of 2 at 1'],
    ],
    [
      'touched twice',
      [item(1, 'updated', '1', '1', true), item(2, 'updated', '1', '1', true)],
      ['updated 1 null→null of 2 at 1'],
    ],
    [
      'followed through a change of key',
      [item(1, 'updated', '1', '2'), item(2, 'updated', '2', '2')],
      ['updated 2 v0→v2 of 2 at 1'],
    ],
    [
      'not followed past a truncation',
      [item(0, 'created', null, '1'), item(1, 'truncated', null, null), item(2, 'created', null, '1')],
      ['created 1 null→v0 of 1 at 0', 'truncated null null→null of 1 at 1', 'created 1 null→v2 of 1 at 2'],
    ],
    [
      'of two rows kept apart',
      [item(1, 'updated', '1', '1'), item(2, 'updated', '2', '2'), item(3, 'updated', '1', '1')],
      ['updated 1 v0→v3 of 2 at 1', 'updated 2 v1→v2 of 1 at 2'],
    ],
  ] as const)('are one: %s', (_, items, expected) => {
    expect(folded(...items)).toEqual(expected);
  });
});
