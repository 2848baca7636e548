/** One connection's Changes on their way to the enqueuer, over parts that are given. */
import { describe, expect, it } from 'vitest';
import type { Candidate } from '../../src/capture/candidate.ts';
import { CaptureSession } from '../../src/capture/session.ts';
import type { MessageSource } from '../../src/change/messageContext.ts';
import { systemClock } from '../../src/core/clock.ts';
import { NO_FAILPOINT } from '../../src/core/failpoint.ts';
import { SILENT } from '../../src/core/logger.ts';
import type { Relation } from '../../src/decode/messages.ts';
import { PgoutputDecoder } from '../../src/decode/pgoutput.ts';
import { Enqueuer } from '../../src/enqueue/enqueuer.ts';
import { START } from '../../src/enqueue/position.ts';
import { Matcher } from '../../src/match/match.ts';
import type { Flush } from '../../src/queue/store.ts';
import type { Frame } from '../../src/replication/frames.ts';
import {
  type IncludeOptions,
  plainOptions,
  type RepresentOptions,
  Shapes,
} from '../../src/represent/shape.ts';
import {
  encodeBegin,
  encodeCommit,
  encodeMessage,
  encodeRelation,
  encodeRow,
} from '../helpers/pgoutputEncoder.ts';
import { deliveryAt } from '../queue/stores.ts';

const column = (name: string, isIdentity = false) => ({ name, typeOid: 23, typeModifier: -1, isIdentity });
const ARTICLE: Relation = {
  oid: 1,
  schema: 'public',
  name: 'article',
  identity: 'default',
  columns: [column('id', true)],
};
const JOIN: Relation = {
  oid: 2,
  schema: 'public',
  name: 'article_tag',
  identity: 'default',
  columns: [column('id', true), column('article_id'), column('tag_id')],
};
const TAGS: IncludeOptions = {
  name: 'tags',
  schema: 'public',
  table: 'tag',
  through: { schema: 'public', table: 'article_tag' },
  source: 'article_id',
  target: 'tag_id',
  where: [],
  touch: false,
};

const join = (id: number, more = '1') => frame(encodeRow(2, { tag: 'insert', new: [String(id), '1', more] }));
const frame = (buffer: Buffer): Frame => ({ tag: 'data', buffer, start: 0, end: buffer.length });
const article = (id: number) => frame(encodeRow(1, { tag: 'insert', new: [String(id)] }));
const articles = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => article(from + i));

function opened(maxHeld: number, messageSources: readonly MessageSource[] = []) {
  const flushes: Flush[] = [];
  const store = {
    takeFence: () => Promise.resolve(1),
    flush: (flush: Flush) => {
      flushes.push(flush);
      return Promise.resolve('done' as const);
    },
  };
  const enqueuer = new Enqueuer({
    store,
    fence: 1,
    position: START,
    definitions: null,
    onSettled: () => undefined,
    onQueued: () => undefined,
    clock: systemClock,
    log: SILENT,
    failpoint: NO_FAILPOINT,
    signal: new AbortController().signal,
  });
  const represent = new Map<string, RepresentOptions>([
    ['article', { ...plainOptions('article'), includes: [TAGS] }],
  ]);
  const target = {
    key: 'w',
    name: 'w',
    enabled: true,
    models: ['article'],
    events: ['created'],
    conditions: null,
    columns: null,
    onUnavailable: 'error',
    require: [],
    format: 'walhook',
    collapse: null,
  } as const;
  let mostStaged = 0;
  const settler = {
    settle: (candidates: readonly Candidate[]) => {
      for (const { change } of candidates) enqueuer.add('w', deliveryAt(change.index));
      mostStaged = Math.max(mostStaged, enqueuer.staged);
      return Promise.resolve();
    },
  };
  const facts = {
    primaryKey: ['id'],
    isTracked: false,
    isStamping: false,
    types: new Map(),
    foreignKeys: [],
  };
  const session = new CaptureSession({
    models: [],
    represent,
    context: [],
    ownSchemas: [],
    messageSources,
    auditSources: [],
    matcher: new Matcher([target]),
    maxHeld,
    decoder: new PgoutputDecoder(),
    catalog: { facts: () => Promise.resolve(facts) } as never,
    tables: { find: () => Promise.resolve(null), clear: () => undefined } as never,
    rows: { isRemembered: () => false, clear: () => undefined } as never,
    includes: {} as never,
    enqueuer,
    settler: settler as never,
    shapes: new Shapes(represent),
    log: SILENT,
    onStatusWanted: () => undefined,
    onHeartbeat: () => undefined,
    from: START,
  });
  return { session, enqueuer, flushes, mostStaged: () => mostStaged };
}

describe('a Transaction too long to be held back', () => {
  it('lets its Deliveries go on, though join rows of it wait for its end', async () => {
    const { session, enqueuer, flushes, mostStaged } = opened(100);
    const begin = [encodeRelation(ARTICLE), encodeRelation(JOIN), encodeBegin(1_000n, 1n, 7)].map(frame);
    await session.accept([...begin, ...articles(1, 150)]);
    await session.accept([join(1)]);
    for (let at = 0; at < 40; at += 1) await session.accept(articles(151 + at * 500, 650 + at * 500));
    expect(mostStaged()).toBeLessThan(5_000);
    await session.accept([frame(encodeCommit(1_000n, 1_100n))]);
    await enqueuer.drain();
    enqueuer.stop();
    const stored = flushes.flatMap(({ batches }) => batches).reduce((sum, { size }) => sum + size, 0);
    expect(stored).toBe(20_150);
    expect(flushes.at(-1)?.to).toBe('000000000000044c-00000000');
  });

  it('is told by the bytes of its join rows too', async () => {
    const { session, flushes } = opened(1_000);
    const begin = [encodeRelation(ARTICLE), encodeRelation(JOIN), encodeBegin(1_000n, 1n, 7)].map(frame);
    await session.accept([...begin, article(1)]);
    for (let id = 1; id <= 31; id += 1) await session.accept([join(id, 'x'.repeat(1_048_576))]);
    expect(flushes).toEqual([]);
    await session.accept([join(32, 'x'.repeat(1_048_576))]);
    expect(flushes).toHaveLength(1);
  });
});

describe('a Transaction that calls walhook.mute()', () => {
  const source = { prefix: 'walhook', username: 'username', requestId: 'request_id' };
  it.each([
    ['fires nothing where that is allowed, also of what came before', true, 0],
    ['fires all the same where it is not', false, 2],
  ])('%s', async (_, allowMute, expected) => {
    const { session, enqueuer, flushes } = opened(100, [{ ...source, allowMute }]);
    await session.accept([encodeRelation(ARTICLE), encodeBegin(1_000n, 1n, 7)].map(frame));
    await session.accept([article(1), frame(encodeMessage(true, 'walhook.mute', '')), article(2)]);
    await session.accept([frame(encodeCommit(1_000n, 1_100n))]);
    await enqueuer.drain();
    enqueuer.stop();
    expect(flushes.flatMap(({ batches }) => batches).reduce((sum, { size }) => sum + size, 0)).toBe(expected);
    expect(flushes.at(-1)?.to).toBe('000000000000044c-00000000');
  });
});
