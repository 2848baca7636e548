import { describe, expect, it } from 'vitest';
import { type Change, TransactionReader } from '../../src/change/transaction.ts';
import { lsn } from '../../src/core/lsn.ts';
import type { RowMessage, WalMessage } from '../../src/decode/messages.ts';
import { testImages, testRelation, testRow } from '../helpers/rows.ts';

const relation = testRelation([['id*', 23]]);
const other = { ...relation, oid: 2, name: 'other' };

const begin = (commit: number): WalMessage => ({
  tag: 'begin',
  commitLsn: lsn(BigInt(commit)),
  committedAtUs: BigInt(commit) * 1_000n,
  xid: 4_000_000_000 + commit,
});
const commit = (at: number): WalMessage => ({
  tag: 'commit',
  commitLsn: lsn(BigInt(at)),
  endLsn: lsn(BigInt(at + 5)),
});
const row = (tag: RowMessage['tag'] = 'insert', of = relation): RowMessage =>
  testRow(tag, of, testImages(null, ['1']));
const said = (content: string, more: Partial<Extract<WalMessage, { tag: 'message' }>> = {}): WalMessage => ({
  tag: 'message',
  transactional: true,
  prefix: 'walhook',
  content,
  ...more,
});

const WALHOOK = { prefix: 'walhook', username: 'username', requestId: 'request_id', allowMute: false };

function read(messages: readonly WalMessage[]) {
  const reader = new TransactionReader([WALHOOK]);
  const changes: Change[] = [];
  const commits = messages.flatMap(
    (message) => reader.accept(message, (change) => changes.push(change)) ?? [],
  );
  return { reader, changes, commits };
}

describe('the Changes of a Transaction', () => {
  it('are numbered from zero in each, over every row and truncated table', () => {
    const { changes } = read([
      begin(10),
      row('insert'),
      said('{}'),
      row('update', other),
      { tag: 'truncate', relations: [relation, other] },
      { tag: 'relation', relation },
      { tag: 'oversized', kind: 'delete', relation, bytes: 70_000_000 },
      { tag: 'ignored' },
      row('delete'),
      commit(10),
      begin(20),
      row('insert'),
      commit(20),
    ]);
    expect(
      changes.map(({ kind, index, relation: of, oversizedBytes }) => [kind, index, of.name, oversizedBytes]),
    ).toEqual([
      ['created', 0, 'thing', 0],
      ['updated', 1, 'other', 0],
      ['truncated', 2, 'thing', 0],
      ['truncated', 3, 'other', 0],
      ['deleted', 4, 'thing', 70_000_000],
      ['deleted', 5, 'thing', 0],
      ['created', 0, 'thing', 0],
    ]);
    expect(changes[0]?.transaction).toEqual({ xid: 4_000_000_010, commitLsn: 10n, committedAtUs: 10_000n });
    expect(changes[6]?.transaction.commitLsn).toBe(20n);
  });

  it('carry their row, but for truncated tables and rows too large to be read', () => {
    const { changes } = read([
      begin(1),
      row('insert'),
      { tag: 'truncate', relations: [relation] },
      { tag: 'oversized', kind: 'insert', relation, bytes: 1 },
    ]);
    expect(changes.map((change) => change.row === null)).toEqual([false, true, true]);
  });

  it('end with the commit, which is handed on', () => {
    const { commits, reader } = read([begin(10), row(), commit(10)]);
    expect(commits).toEqual([commit(10)]);
    expect(reader.open).toBeNull();
  });

  it('are counted while the Transaction is open', () => {
    const { reader } = read([begin(10), row(), row()]);
    expect(reader.open?.commitLsn).toBe(10n);
    expect(reader.nextIndex).toBe(2);
    expect(read([begin(10), row(), commit(10), begin(20)]).reader.nextIndex).toBe(0);
  });

  it('are none in an empty Transaction', () => {
    expect(read([begin(10), commit(10)])).toMatchObject({ changes: [], commits: [{ endLsn: 15n }] });
  });

  it.each<[string, WalMessage]>([
    ['a row', row()],
    ['a truncated table', { tag: 'truncate', relations: [relation] }],
    ['an oversized row', { tag: 'oversized', kind: 'insert', relation, bytes: 1 }],
  ])('are refused outside of one: %s', (_what, message) => {
    expect(() => read([message])).toThrow(expect.objectContaining({ code: 'STREAM_INVALID' }));
    expect(() => read([begin(1), commit(1), message])).toThrow(
      expect.objectContaining({ code: 'STREAM_INVALID' }),
    );
  });
});

describe('the context that messages set', () => {
  const names = (messages: readonly WalMessage[]) =>
    read(messages).changes.map(({ messages }) => [
      messages.contexts[0]?.username,
      messages.contexts[0]?.requestId,
    ]);

  it('speaks for the Changes after them, and for no other Transaction', () => {
    expect(
      names([
        begin(1),
        row(),
        said('{"username": "alice", "request_id": "r1"}'),
        row(),
        said('{"username": "bob"}'),
        row(),
        said('{}'),
        row(),
        said('{"request_id": "r2"}'),
        row(),
        commit(1),
        begin(2),
        row(),
      ]),
    ).toEqual([
      [null, null],
      ['alice', 'r1'],
      ['bob', 'r1'],
      [null, null],
      [null, 'r2'],
      [null, null],
    ]);
  });

  it.each<[string, WalMessage]>([
    ['a message outside of its transaction', said('{"username": "mallory"}', { transactional: false })],
    ['another prefix', said('{"username": "mallory"}', { prefix: 'walhook.pad' })],
    ['an empty prefix', said('{"username": "mallory"}', { prefix: '' })],
  ])('is not that of %s', (_what, message) => {
    expect(names([begin(1), message, row()])).toEqual([[null, null]]);
  });

  it('is not carried over from before the begin', () => {
    expect(names([said('{"username": "early"}'), begin(1), row()])).toEqual([[null, null]]);
  });
});
