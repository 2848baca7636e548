import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../../src/core/json.ts';
import { ask, type Letter } from './ask.ts';

/** An Event with these snapshots. */
function change(prechange: Json, postchange: Json): JsonObject {
  return { data: { name: 'Site 1' }, snapshots: { prechange, postchange } };
}

const planned = { status: 'planned' };
const active = { status: 'active' };

describe('changed and unchanged', () => {
  it.each<[attr: string, before: Json, after: Json, changed: Letter]>([
    ['status', planned, active, 'T'],
    ['status', active, active, 'F'],
    ['description', {}, { description: 'hello' }, 'T'],
    ['status', null, active, 'T'],
    ['status', active, null, 'T'],
    ['status', null, { status: null }, 'T'],
    ['status', { status: 1 }, { status: true }, 'F'],
    ['tags', { tags: ['a'] }, { tags: [] }, 'T'],
    ['statsu', planned, active, 'E'],
    ['status.value', planned, active, 'E'],
    ['description.value', { description: '' }, { description: '' }, 'E'],
    ['tags.name', { tags: ['Alpha'] }, { tags: ['Alpha', 'Beta'] }, 'E'],
    ['tags.name', { tags: [] }, { tags: ['Alpha'] }, 'E'],
    ['tags.name', { tags: ['Alpha'] }, { tags: [] }, 'E'],
    ['tags.name', { tags: [] }, { tags: [{ name: 'Alpha' }] }, 'T'],
    ['cf.blob.key', { cf: { blob: 'legacy' } }, { cf: { blob: { key: 1 } } }, 'T'],
    ['cf.blob.key', { cf: { blob: { key: 1 } } }, { cf: { blob: 'legacy' } }, 'T'],
    ['status.value', null, active, 'E'],
    ['status', null, null, 'E'],
    ['snapshots', { snapshots: 1 }, { snapshots: 2 }, 'T'],
  ])('%s from %j to %j', (attr, before, after, changed) => {
    const opposite: Record<string, Letter> = { T: 'F', F: 'T', E: 'E' };
    const event = change(before, after);
    expect(ask({ attr, op: 'changed' }, event)).toBe(changed);
    expect(ask({ attr, op: 'unchanged' }, event)).toBe(opposite[changed]);
    expect(ask({ attr, op: 'changed', negate: true }, event)).toBe(opposite[changed]);
    expect(ask({ attr, op: 'unchanged', negate: true }, event)).toBe(changed);
  });

  it.each([
    undefined,
    'oops',
    ['prechange'],
    42,
    null,
    {},
  ])('fail where the snapshots are %j', (snapshots) => {
    const event: JsonObject = snapshots === undefined ? { data: {} } : { data: {}, snapshots };
    expect(ask({ attr: 'status', op: 'changed' }, event)).toBe('E');
    expect(ask({ attr: 'status', op: 'unchanged', negate: true }, event)).toBe('E');
  });

  it('see no change in lenient mode where the path leads nowhere', () => {
    for (const event of [change(planned, active), change(null, null), { data: {} }]) {
      expect(ask({ attr: 'statsu', op: 'changed' }, event, 'lenient')).toBe('F');
      expect(ask({ attr: 'statsu', op: 'unchanged' }, event, 'lenient')).toBe('T');
    }
    expect(ask({ attr: 'status', op: 'changed' }, change(planned, active), 'lenient')).toBe('T');
    expect(ask({ attr: 'status', op: 'changed' }, change(null, active), 'lenient')).toBe('T');
  });

  it.each<[condition: JsonObject]>([
    [{ attr: 'status', op: 'changed', value: 'active' }],
    [{ attr: 'status', op: 'unchanged', value: null }],
    [{ attr: 'snapshots.prechange.status', op: 'changed' }],
    [{ attr: '$event.username', op: 'changed' }],
  ])('are refused as %j', (condition) => {
    expect(ask(condition, change(planned, active))).toBe('X');
  });
});

describe('paths into a snapshot', () => {
  const cf1 = { custom_fields: { cf1: 'x' }, tags: [], description: '' };

  it.each<[path: string, value: Json, before: Json, after: Json, result: Letter, lenient?: Letter]>([
    ['prechange.status', 'planned', planned, active, 'T'],
    ['postchange.status', 'active', planned, active, 'T'],
    ['prechange.status.value', 'planned', planned, active, 'E', 'F'],
    ['prechange.status', 'planned', null, active, 'F'],
    ['prechange.status', null, null, active, 'T'],
    ['postchange.status', 'active', active, null, 'F'],
    ['postchange.status', null, active, null, 'T'],
    ['prechange.stauts', 'planned', planned, active, 'E', 'F'],
    ['prechange.stauts', null, null, active, 'E', 'T'],
    ['bogus.status', 'planned', planned, active, 'E', 'F'],
    ['prechange.status.value', null, null, active, 'E', 'T'],
    ['prechange.tags.name', null, null, { tags: ['a'] }, 'E', 'T'],
    ['prechange.description.value', null, null, cf1, 'E', 'T'],
    ['prechange.nonexistent.attr', null, null, cf1, 'E', 'T'],
    ['prechange.custom_fields.cf2', null, null, cf1, 'E', 'T'],
    ['prechange.tags.name', null, null, cf1, 'E', 'T'],
    ['prechange.custom_fields.cf1', null, null, cf1, 'T'],
    ['prechange.tags', null, null, cf1, 'T'],
    ['prechange', null, null, cf1, 'T'],
    ['prechange', null, planned, active, 'F'],
    ['postchange', null, planned, null, 'T'],
    ['prechange.whatever.path', null, null, null, 'T'],
  ])('snapshots.%s = %j from %j to %j', (path, value, before, after, result, lenient = result) => {
    const condition = { attr: `snapshots.${path}`, value };
    expect(ask(condition, change(before, after), 'strict')).toBe(result);
    expect(ask(condition, change(before, after), 'lenient')).toBe(lenient);
  });

  it.each([
    'strict',
    'lenient',
  ] as const)('are false for every operator but eq null on a row that was not there (%s)', (mode) => {
    const questions = [
      { op: 'contains', value: 'foo' },
      { op: 'regex', value: '^foo' },
      { op: 'gt', value: 1 },
      { op: 'lte', value: 1 },
      { op: 'in', value: ['foo'] },
    ];
    for (const question of questions) {
      const condition = { attr: 'snapshots.prechange.description', ...question };
      const event = change(null, { description: 'foo' });
      expect(ask(condition, event, mode)).toBe('F');
      expect(ask({ ...condition, negate: true }, event, mode)).toBe('T');
      const name = { attr: 'name', value: 'Site 1' };
      expect(ask({ or: [condition, name] }, event, mode)).toBe('T');
      expect(ask({ or: [name, condition] }, event, mode)).toBe('T');
    }
  });

  it.each([
    undefined,
    null,
    'oops',
    { postchange: active },
  ])('lead nowhere in snapshots that are %j', (snapshots) => {
    const event: JsonObject = snapshots === undefined ? { data: {} } : { data: {}, snapshots };
    expect(ask({ attr: 'snapshots.prechange.status', value: null }, event, 'strict')).toBe('E');
    expect(ask({ attr: 'snapshots.prechange.status', value: null }, event, 'lenient')).toBe('T');
  });

  it.each<[op: string, value: Json, result: Letter]>([
    ['contains', 'status', 'T'],
    ['contains', 'nope', 'F'],
    ['contains', 1, 'F'],
    ['contains', ['status'], 'E'],
    ['in', [null], 'F'],
    ['gt', 1, 'E'],
    ['regex', 'a', 'E'],
  ])('a whole snapshot %s %j', (op, value, result) => {
    expect(ask({ attr: 'snapshots.prechange', op, value }, change(planned, active))).toBe(result);
  });

  it('tells a transition from a value', () => {
    const ruleset = {
      and: [
        { attr: 'status.value', value: 'active' },
        { attr: 'status', op: 'changed' },
      ],
    };
    const data = { status: { value: 'active', label: 'Active' } };
    expect(ask(ruleset, { ...change(planned, active), data })).toBe('T');
    expect(ask(ruleset, { ...change(active, active), data })).toBe('F');
  });
});
