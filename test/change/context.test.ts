import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Context,
  type ContextColumns,
  type ContextSource,
  contextOf,
} from '../../src/change/context.ts';
import {
  type MessageSource,
  type Messages,
  noMessages,
  withMessage,
} from '../../src/change/messageContext.ts';
import type { ChangeKind } from '../../src/change/transaction.ts';
import { type ColumnText, UNCHANGED } from '../../src/decode/messages.ts';
import { type TestOld, testImages } from '../helpers/rows.ts';

const WALHOOK: MessageSource = {
  prefix: 'walhook',
  username: 'username',
  requestId: 'request_id',
  allowMute: false,
};

function messagesAfter(source: MessageSource, said: readonly (readonly [string, string])[]): Messages {
  return said.reduce(
    (before, [prefix, content]) => withMessage(before, [source], prefix, content),
    noMessages([source]),
  );
}

function contextAfter(...contents: readonly string[]) {
  const { contexts, malformed } = messagesAfter(
    WALHOOK,
    contents.map((content) => ['walhook', content]),
  );
  return { ...contexts[0], malformed };
}

describe('context messages', () => {
  it.each<[readonly string[], string | null, string | null]>([
    [['{"username": "a", "request_id": "r"}'], 'a', 'r'],
    [['{"username": "a"}', '{"request_id": "r"}'], 'a', 'r'],
    [['{"username": "a"}', '{"username": "b"}'], 'b', null],
    [['{"username": "a", "request_id": "r"}', '{}'], null, null],
    [['{"username": "a"}', '{"username": ""}'], null, null],
    [['{"username": "a"}', '{"username": null}'], null, null],
    [['{"username": "a"}', '{"other": 1}'], 'a', null],
    [['{"username": 7, "request_id": 9223372036854775807}'], '7', '9223372036854775807'],
    [['{"username": true, "request_id": ["r"]}'], null, null],
    [['{"username": "a", "username": "b"}'], 'b', null],
    [[' \n{"username": "é🐘"} '], 'é🐘', null],
    [['{"__proto__": {"username": "evil"}}'], null, null],
  ])('%j: %s, %s', (contents, username, requestId) => {
    expect(contextAfter(...contents)).toEqual({ username, requestId, malformed: 0 });
  });

  it.each([
    ['no JSON', 'username=a'],
    ['nothing', ''],
    ['a list', '["a"]'],
    ['a text', '"a"'],
    ['null', 'null'],
    ['a number', '1'],
    ['unfinished JSON', '{"username": "a"'],
    ['more than one value', '{}{}'],
    ['too much', JSON.stringify({ username: 'x'.repeat(9_000) })],
    ['too deep', `${'{"a":'.repeat(1_500)}1${'}'.repeat(1_500)}`],
  ])('that are %s change nothing, and are counted', (_what, content) => {
    expect(contextAfter('{"username": "a"}', content, content)).toEqual({
      username: 'a',
      requestId: null,
      malformed: 2,
    });
  });

  it('keep the count of malformed ones when they are cleared', () => {
    expect(contextAfter('x', '{"username": "a"}', '{}')).toEqual({
      username: null,
      requestId: null,
      malformed: 1,
    });
  });

  it('never throw, whatever they are', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (content) => {
        const context = contextAfter('{"username": "a"}', content);
        expect(context.malformed).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('messages of others', () => {
  const sequin: MessageSource = {
    prefix: 'sequin:transaction_annotations.set',
    username: 'user',
    requestId: 'request',
    allowMute: false,
  };

  it('replace one another where Sequin sets them, and its clearing clears', () => {
    const set = sequin.prefix;
    const clear = 'sequin:transaction_annotations.clear';
    const contextOfAll = (...said: (readonly [string, string])[]) => messagesAfter(sequin, said).contexts[0];
    expect(contextOfAll([set, '{"user": "a", "request": "r"}'])).toEqual({ username: 'a', requestId: 'r' });
    expect(contextOfAll([set, '{"user": "a", "request": "r"}'], [set, '{"user": "b"}'])).toEqual({
      username: 'b',
      requestId: null,
    });
    expect(contextOfAll([set, '{"user": "a"}'], [clear, 'whatever'])).toEqual({
      username: null,
      requestId: null,
    });
  });

  it('are heard under their own key names only', () => {
    expect(messagesAfter(sequin, [['walhook', '{"user": "a"}']]).contexts[0]).toEqual({
      username: null,
      requestId: null,
    });
  });

  it('mute only where that is allowed', () => {
    const muting = (allowMute: boolean) =>
      messagesAfter({ ...WALHOOK, allowMute }, [['walhook.mute', '']]).isMuted;
    expect([muting(true), muting(false)]).toEqual([true, false]);
  });
});

/** Columns of the row: 0 username, 1 request id. */
const columns = (more: Partial<ContextColumns> = {}): ContextSource => ({
  kind: 'columns',
  columns: { username: 0, requestId: 1, trust: 'changed', isStamped: false, ...more },
});
const messages: ContextSource = { kind: 'message', source: 0 };
const NOBODY: Context = { username: null, requestId: null };
const ALICE: Context = { username: 'alice', requestId: null };
const saying = (...contexts: readonly Context[]): Messages => ({ contexts, malformed: 0, isMuted: false });

interface Row {
  readonly kind: ChangeKind;
  readonly old: TestOld;
  readonly now: readonly ColumnText[] | null;
}
const created = (...now: ColumnText[]): Row => ({ kind: 'created', old: null, now });
const updated = (old: TestOld, ...now: ColumnText[]): Row => ({ kind: 'updated', old, now });
const deleted = (old: TestOld): Row => ({ kind: 'deleted', old, now: null });

describe('the context of a Change', () => {
  it.each<[string, readonly ContextSource[], Context, Row | null, string | null, string | null]>([
    ['nothing is known without sources', [], ALICE, created('bob', 'r'), null, null],
    ['the message speaks', [messages], ALICE, null, 'alice', null],
    [
      'the first source that knows wins, value by value',
      [messages, columns()],
      ALICE,
      created('bob', 'r'),
      'alice',
      'r',
    ],
    ['the order is the configured one', [columns(), messages], ALICE, created('bob', 'r'), 'bob', 'r'],
    ['an empty column is unknown', [columns(), messages], ALICE, created('', ''), 'alice', null],
    [
      'a text of a length that no name has is cut',
      [columns()],
      NOBODY,
      created('u'.repeat(100_000), 'r'),
      'u'.repeat(1_024),
      'r',
    ],
    ['NULL is unknown', [columns(), messages], ALICE, created(null, null), 'alice', null],
    ['columns say nothing without a row', [columns(), messages], ALICE, null, 'alice', null],

    ['created: the columns say who', [columns()], NOBODY, created('bob', 'r'), 'bob', 'r'],
    [
      'a table may lack one of the columns',
      [columns({ requestId: -1 })],
      NOBODY,
      created('bob', 'r'),
      'bob',
      null,
    ],

    [
      'changed: a written column is believed',
      [columns()],
      NOBODY,
      updated(['full', ['a', 'r1']], 'b', 'r2'),
      'b',
      'r2',
    ],
    [
      'changed: an unwritten column is not',
      [columns()],
      NOBODY,
      updated(['full', ['a', 'r1']], 'a', 'r2'),
      null,
      'r2',
    ],
    ['changed: written from NULL', [columns()], NOBODY, updated(['full', [null, null]], 'b', ''), 'b', null],
    ['changed: cleared', [columns()], NOBODY, updated(['full', ['a', 'r1']], null, ''), null, null],
    [
      'changed: nobody can tell without a before image',
      [columns()],
      NOBODY,
      updated(null, 'b', 'r'),
      null,
      null,
    ],
    [
      'changed: nor from the key alone',
      [columns()],
      NOBODY,
      updated(['key', ['a', null]], 'b', 'r'),
      null,
      null,
    ],
    [
      'changed: an unsent value was not written',
      [columns()],
      NOBODY,
      updated(['full', ['a', 'r1']], UNCHANGED, 'r2'),
      null,
      'r2',
    ],
    ['changed: never for deleted', [columns()], NOBODY, deleted(['full', ['a', 'r1']]), null, null],

    [
      'always: whatever the row says',
      [columns({ trust: 'always' })],
      NOBODY,
      updated(null, 'b', 'r'),
      'b',
      'r',
    ],
    [
      'always: also when it did not change',
      [columns({ trust: 'always' })],
      NOBODY,
      updated(['full', ['a', 'r']], 'a', 'r'),
      'a',
      'r',
    ],
    [
      'always: for deleted its last editor',
      [columns({ trust: 'always' })],
      NOBODY,
      deleted(['full', ['a', 'r']]),
      'a',
      'r',
    ],
    [
      'always: nothing of a deleted row of which the key is known',
      [columns({ trust: 'always' })],
      NOBODY,
      deleted(['key', ['a', 'r']]),
      null,
      null,
    ],
    [
      'always: an unsent value from the old row',
      [columns({ trust: 'always' })],
      NOBODY,
      updated(['full', ['a', '']], UNCHANGED, UNCHANGED),
      'a',
      null,
    ],
    [
      'always: an unsent value without one',
      [columns({ trust: 'always' })],
      NOBODY,
      updated(null, UNCHANGED, ''),
      null,
      null,
    ],

    [
      'stamped: the stamp is of this Change',
      [columns({ isStamped: true })],
      NOBODY,
      updated(null, 'a', 'r'),
      'a',
      'r',
    ],
    [
      'stamped: also when the same user writes again',
      [columns({ isStamped: true })],
      NOBODY,
      updated(['full', ['a', 'r']], 'a', 'r'),
      'a',
      'r',
    ],
    [
      'stamped: NULL when nothing was set',
      [columns({ isStamped: true })],
      NOBODY,
      updated(['full', ['a', 'r']], null, null),
      null,
      null,
    ],
    [
      'stamped: never for deleted, whose stamp is of the last editor',
      [columns({ isStamped: true })],
      NOBODY,
      deleted(['full', ['a', 'r']]),
      null,
      null,
    ],
  ])('%s', (_what, sources, said, row, username, requestId) => {
    const images = row === null ? null : testImages(row.old, row.now);
    const context = contextOf(sources, {
      messages: saying(said),
      lastMessages: null,
      kind: row?.kind ?? 'truncated',
      images,
      audit: () => null,
    });
    expect(context).toEqual({ username, requestId });
  });

  const audit: ContextSource = { kind: 'audit', source: 0 };
  it.each<[string, readonly ContextSource[], Context | null, Context | null, string | null, string | null]>([
    [
      'a later message fills in what none before said',
      [messages],
      { username: 'late', requestId: 'r9' },
      null,
      'alice',
      'r9',
    ],
    [
      'the audit table speaks for who is silent',
      [messages, audit],
      null,
      { username: 'bob', requestId: 'r' },
      'alice',
      'r',
    ],
    [
      'the audit table comes first where it is configured first',
      [audit, messages],
      null,
      { username: 'bob', requestId: null },
      'bob',
      null,
    ],
    ['an audit table that was not read to its end says nothing', [audit], null, null, null, null],
  ])('%s', (_what, sources, last, audited, username, requestId) => {
    const context = contextOf(sources, {
      messages: saying(ALICE),
      lastMessages: last === null ? null : saying(last),
      kind: 'updated',
      images: null,
      audit: () => audited,
    });
    expect(context).toEqual({ username, requestId });
  });
});
