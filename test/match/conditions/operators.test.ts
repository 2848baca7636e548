import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../../src/core/json.ts';
import { ask, type Letter, ROW } from './ask.ts';

/** A condition, and its result in Peering Manager and NetBox 4.7; one letter where they agree. */
type Row = readonly [attr: string, op: string, value: Json, results: string, more?: JsonObject];

const ROWS: readonly Row[] = [
  ['a', 'eq', 1.0, 'T'],
  ['a', 'eq', true, 'T'],
  ['b', 'eq', 1, 'T'],
  ['a', 'eq', '1', 'F'],
  ['missing', 'eq', 1, 'FE'],
  ['missing', 'eq', null, 'TE'],
  ['missing', 'eq', 1, 'TE', { negate: true }],
  ['missing', 'gt', 1, 'E'],
  ['missing', 'regex', 'x', 'E'],
  ['missing', 'contains', 'x', 'E'],
  ['missing', 'in', ['x'], 'FE'],
  ['n', 'eq', null, 'T'],
  ['n', 'eq', null, 'F', { negate: true }],
  ['n', 'gt', 1, 'E'],
  ['n', 'contains', 'x', 'E'],
  ['n', 'regex', 'x', 'E'],
  ['n.x', 'eq', null, 'TE'],
  ['n.x', 'eq', 1, 'FE'],
  ['d.x.y', 'eq', 1, 'T'],
  ['d.x.z', 'eq', 1, 'FE'],
  ['d.q.z', 'eq', null, 'TE'],
  ['a.b', 'eq', 1, 'FE'],
  ['s.x', 'eq', 'a', 'FE'],
  ['d.x', 'eq', null, 'T', { negate: true }],
  ['s', 'regex', 'a', 'T'],
  ['s', 'regex', '^ab', 'T'],
  ['s', 'regex', '', 'T'],
  ['s', 'regex', '(?i).*C$', 'T'],
  ['s', 'regex', 'b', 'F'],
  ['s', 'regex', '.*C$', 'F'],
  ['s', 'regex', '[', 'X'],
  ['a', 'regex', '1', 'E'],
  ['s', 'contains', 'b', 'T'],
  ['s', 'contains', '', 'T'],
  ['s', 'contains', 'B', 'F'],
  ['l', 'contains', 1, 'T'],
  ['l', 'contains', true, 'T'],
  ['l', 'contains', [1], 'F'],
  ['a', 'contains', 1, 'E'],
  ['d', 'contains', 'x', 'T'],
  ['d', 'contains', 'y', 'F'],
  ['d', 'contains', 1, 'F'],
  ['d', 'contains', ['x'], 'E'],
  ['s', 'contains', 1, 'E'],
  ['e', 'contains', 1, 'F'],
  ['tags.slug', 'contains', 'foo', 'T'],
  ['tags.slug', 'contains', 'zzz', 'F'],
  ['tags', 'contains', 'exempt', 'F'],
  ['tn', 'contains', 'exempt', 'T'],
  ['tags.slug', 'eq', ['foo', 'bar'], 'T'],
  ['tags.slug', 'eq', ['bar', 'foo'], 'F'],
  ['tags.nope', 'contains', 'x', 'FE'],
  ['e.slug', 'contains', 'x', 'F'],
  ['e.slug', 'eq', [], 'T'],
  ['tn.slug', 'contains', 'x', 'E'],
  ['ln.k', 'contains', 1, 'E'],
  ['ll.k', 'contains', 1, 'E'],
  ['tags.0', 'eq', 'x', 'FE'],
  ['l.0', 'eq', 1, 'FE'],
  ['a', 'in', [1, 2], 'T'],
  ['n', 'in', [null], 'T'],
  ['s', 'in', ['abc', 'd'], 'T'],
  ['a', 'in', ['1'], 'F'],
  ['a', 'in', [], 'F'],
  ['tags', 'in', [1], 'F'],
  ['tn', 'in', [['exempt', 'x']], 'T'],
  ['d', 'in', [{ x: { y: true } }], 'T'],
  ['d', 'in', [{ x: { y: 1, z: 1 } }], 'F'],
  ['status.value', 'in', ['enabled', 'disabled'], 'F', { negate: true }],
  ['asn', 'gt', 65000, 'T'],
  ['asn', 'gte', 65001, 'T'],
  ['asn', 'lte', 65001.5, 'T'],
  ['b', 'gt', 0, 'T'],
  ['asn', 'lt', 65001, 'F'],
  ['s', 'gt', 1, 'E'],
  ['l', 'lt', 1, 'E'],
  ['l', 'eq', [1, 2, 3], 'T'],
  ['l', 'eq', [true, 2.0, 3], 'T'],
  ['status', 'eq', 'enabled', 'F'],
  ['a', 'eq', { k: 1 }, 'X'],
  ['a', 'gt', true, 'X'],
  ['a', 'gt', '1', 'X'],
  ['a', 'in', '1', 'X'],
  ['a', 'regex', 1, 'X'],
  ['a', 'contains', null, 'X'],
  ['a', 'neq', 1, 'X'],
  ['a', 'EQ', 1, 'X'],
  ['', 'eq', 1, 'FE'],
  ['a..b', 'eq', null, 'TE'],
  ['a', 'eq', 1, 'F', { negate: 'yes' }],
  ['a', 'eq', 1, 'T', { negate: 0 }],
  ['a', 'eq', 1, 'T', { negate: {} }],
  ['a', 'eq', 1, 'F', { negate: [0] }],
  ['a', 'eq', 1, 'X', { foo: 1 }],
];

describe('one condition', () => {
  it.each(
    ROWS.map(([attr, op, value, results, more]) => ({ condition: { attr, op, value, ...more }, results })),
  )('$condition.attr $condition.op $condition.value: $results', ({ condition, results }) => {
    const [lenient, strict = lenient] = results;
    expect(ask({ and: [condition] }, { data: ROW }, 'lenient')).toBe(lenient);
    expect(ask({ and: [condition] }, { data: ROW }, 'strict')).toBe(strict);
    expect(ask(condition, { data: ROW }, 'strict'), 'bare').toBe(strict);
  });

  it('compares for equality where there is no op', () => {
    expect(ask({ attr: 'a', value: 1 }, { data: ROW })).toBe('T');
    expect(ask({ attr: 'a', value: 2 }, { data: ROW })).toBe('F');
  });

  it.each<[attr: string, op: string, value: Json, data: JsonObject, result: Letter]>([
    ['x', 'gt', 1, { x: 2 }, 'T'],
    ['x', 'gt', 1, { x: 1 }, 'F'],
    ['x', 'gt', 1, { x: 'foo' }, 'E'],
    ['x', 'gte', 1, { x: 1 }, 'T'],
    ['x', 'gte', 1, { x: 0 }, 'F'],
    ['x', 'lt', 2, { x: 1 }, 'T'],
    ['x', 'lt', 2, { x: 2 }, 'F'],
    ['x', 'lte', 2, { x: 2 }, 'T'],
    ['x', 'lte', 2, { x: 3 }, 'F'],
    ['x', 'contains', 1, { x: 123 }, 'E'],
    ['x', 'regex', '[a-z]+', { x: 'abc' }, 'T'],
    ['x', 'regex', '[a-z]+', { x: '123' }, 'F'],
    ['x.y.z', 'eq', 1, { x: { y: null } }, 'E'],
    ['x.y.z', 'eq', 1, { x: { y: { a: 1 } } }, 'E'],
    ['tags.parent.slug', 'contains', 'exempt', { tags: [] }, 'F'],
    ['constructor', 'eq', null, { x: 1 }, 'E'],
    ['x.constructor.name', 'eq', 'Object', { x: {} }, 'E'],
    ['x', 'contains', 'toString', { x: {} }, 'F'],
  ])('%s %s %j of %j', (attr, op, value, data, result) => {
    expect(ask({ attr, op, value }, { data })).toBe(result);
  });
});

describe('integers beyond 2^53', () => {
  const big = 9007199254740993n;

  it.each<[op: string, seen: Json, value: Json, result: Letter]>([
    ['eq', big, big, 'T'],
    ['eq', big, 9007199254740992, 'F'],
    ['gt', big, 9007199254740992, 'T'],
    ['lt', 9007199254740992, big, 'T'],
    ['eq', 2n ** 60n, 2 ** 60, 'T'],
    ['in', big, [1, big], 'T'],
    ['contains', [big], 9007199254740992, 'F'],
    ['eq', 1, 1n, 'T'],
    ['eq', true, 1n, 'T'],
    ['lte', -(2n ** 63n), 0.5, 'T'],
  ])('%s: %s and %s', (op, seen, value, result) => {
    expect(ask({ attr: 'x', op, value }, { data: { x: seen } })).toBe(result);
  });
});

describe('data that the Event does not have', () => {
  const questions = [
    { op: 'eq', value: null },
    { op: 'in', value: [null] },
    { op: 'contains', value: 'foo' },
    { op: 'regex', value: '^foo' },
    { op: 'gt', value: 1 },
  ];

  it.each(questions)('makes $op false in strict mode, negated or not', (question) => {
    for (const negate of [false, true]) {
      expect(ask({ attr: 'status', ...question, negate }, { data: null })).toBe('F');
      expect(ask({ attr: 'a.b', ...question, negate }, {})).toBe('F');
    }
  });

  it('is null in lenient mode', () => {
    expect(ask({ attr: 'status', value: null }, { data: null }, 'lenient')).toBe('T');
    expect(ask({ attr: 'status', op: 'gt', value: 1 }, { data: null }, 'lenient')).toBe('E');
  });

  it('leaves the snapshots to be asked', () => {
    const event = { data: null, snapshots: { prechange: { status: 'planned' }, postchange: null } };
    const regex = { attr: 'status', op: 'regex', value: 'foo' };
    const snapshot = { attr: 'snapshots.prechange.status', value: 'planned' };
    expect(ask({ or: [regex, snapshot] }, event)).toBe('T');
    expect(ask({ and: [regex, snapshot] }, event)).toBe('F');
  });
});

describe("the Event's own keys", () => {
  const event = { event: 'updated', model: 'site', username: null, request_id: 'af7aebe6', data: {} };

  it.each<[attr: string, op: string, value: Json, result: Letter]>([
    ['$event.event', 'eq', 'updated', 'T'],
    ['$event.model', 'in', ['site', 'rack'], 'T'],
    ['$event.username', 'eq', null, 'T'],
    ['$event.username', 'regex', 'admin', 'E'],
    ['$event.request_id', 'contains', 'aebe', 'T'],
  ])('%s %s %j', (attr, op, value, result) => {
    expect(ask({ attr, op, value }, event, 'strict')).toBe(result);
    expect(ask({ attr, op, value }, event, 'lenient')).toBe(result);
  });
});

describe('regex', () => {
  it('is not tried on a text that would take too long', () => {
    const condition = { attr: 'x', op: 'regex', value: '[ab]*a[ab]{500}[cd]' };
    expect(ask(condition, { data: { x: 'ab'.repeat(1_000) } })).toBe('F');
    expect(ask(condition, { data: { x: 'ab'.repeat(1_000_000) } })).toBe('E');
  });
});
