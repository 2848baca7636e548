import { describe, expect, it } from 'vitest';
import { isWatchable, type ModelOptions, modelName, unknownTypes } from '../../src/change/table.ts';
import { ownSchemas } from '../../src/setup/ownSchemas.ts';
import { testModel, testRelation, testTable } from '../helpers/rows.ts';

const model = (
  name: string,
  table: string,
  schema = 'public',
  exclude: readonly string[] = [],
): ModelOptions => testModel(name, table, { schema, exclude });
const relation = (schema: string, name: string) => testRelation([['id*', 23]], 'default', { schema, name });

describe('the name of a Model', () => {
  it.each<[string, string, string, readonly ModelOptions[], string]>([
    ['the table, in public', 'public', 'orders', [], 'orders'],
    ['schema and table outside of it', 'sales', 'orders', [], 'sales.orders'],
    ['as configured', 'sales', 'orders', [model('order', 'orders', 'sales')], 'order'],
    ['as configured, for this table only', 'public', 'orders', [model('order', 'orders', 'sales')], 'orders'],
    [
      'schema and table where a Model has the name',
      'public',
      'orders',
      [model('orders', 'o', 'sales')],
      'public.orders',
    ],
    [
      'the configured one, though it is that of another table',
      'sales',
      'o',
      [model('orders', 'o', 'sales')],
      'orders',
    ],
    ['any text', 'public', 'x', [model('Bestellung 🐘', 'x')], 'Bestellung 🐘'],
  ])('%s', (_what, schema, name, models, expected) => {
    expect(modelName(relation(schema, name), models)).toBe(expected);
  });
});

describe('tables that are never watched', () => {
  it.each([
    ['public', true],
    ['sales', true],
    ['walhook_shop', true],
    ['shop_queue', true],
    ['pgcrypto', true],
    ['Walhook', true],
    ['walhook', false],
    ['walhook_queue', false],
    ['pg_catalog', false],
    ['pg_toast', false],
    ['pg_temp_3', false],
    ['information_schema', false],
  ])('are those of our own and the server: %s %s', (schema, expected) => {
    expect(isWatchable(relation(schema, 'orders'), ownSchemas('walhook'))).toBe(expected);
  });

  // queue.prefix names the schema, setup leaves it out of the publication, but FOR ALL TABLES does not.
  it('are those of a queue with another prefix', () => {
    expect(isWatchable(relation('shop_queue', 'job'), ownSchemas('shop'))).toBe(false);
  });
});

describe('a table', () => {
  const columns = [
    ['id*', 20],
    ['name', 25],
    ['password', 25],
    ['price', 1700],
    ['changed_by', 25],
    ['request_id', 25],
  ] as const;
  const names = (list: readonly { readonly name: string }[]) => list.map((column) => column.name);

  it('shows its columns in their order, knows decimals, and is keyed by its identity', () => {
    const table = testTable(testRelation(columns));
    expect(names(table.columns)).toEqual(['id', 'name', 'password', 'price', 'changed_by', 'request_id']);
    expect(table.columns.map((column) => column.index)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(names(table.columns.filter((column) => column.isDecimal))).toEqual(['price']);
    expect(names(table.key)).toEqual(['id']);
    expect(table.columns[1]?.jsonPrefix).toBe('"name":');
  });

  it('hides what its Model excludes', () => {
    const table = testTable(testRelation(columns), {
      models: [model('thing', 'thing', 'public', ['password', 'none'])],
    });
    expect(names(table.columns)).not.toContain('password');
    expect(table.columns.map((column) => column.index)).toEqual([0, 1, 3, 4, 5]);
  });

  it('hides nothing for another table’s Model', () => {
    const table = testTable(testRelation(columns), {
      models: [model('thing', 'thing', 'other', ['password'])],
    });
    expect(names(table.columns)).toContain('password');
    expect(table.model).toBe('public.thing');
  });

  it('is keyed by the primary key in its own order, where the catalog knows it', () => {
    const primaryKey = ['name', 'id'];
    expect(names(testTable(testRelation(columns, 'full'), { primaryKey }).key)).toEqual(primaryKey);
    expect(names(testTable(testRelation(columns, 'nothing'), { primaryKey }).key)).toEqual(primaryKey);
  });

  it.each([
    ['the identity, where the primary key has been renamed since', 'default', ['renamed'], ['id']],
    ['the identity, where a part of the primary key is not in the row', 'index', ['id', 'gone'], ['id']],
    ['nothing under FULL without a primary key', 'full', [], []],
    ['nothing under NOTHING without a primary key', 'nothing', [], []],
  ] as const)('is keyed by %s', (_what, identity, primaryKey, key) => {
    expect(names(testTable(testRelation(columns, identity), { primaryKey }).key)).toEqual(key);
  });

  it('hides the columns that carry context', () => {
    const table = testTable(testRelation(columns), {
      context: [
        { kind: 'message', source: 0 },
        { kind: 'columns', username: 'changed_by', requestId: null, trust: 'always' },
      ],
    });
    expect(names(table.columns)).toEqual(['id', 'name', 'password', 'price', 'request_id']);
    expect(table.contextSources).toEqual([
      { kind: 'message', source: 0 },
      { kind: 'columns', columns: { username: 4, requestId: -1, trust: 'always', isStamped: false } },
    ]);
  });

  it('takes walhook.track’s columns for context only where its trigger is', () => {
    const context = [{ kind: 'tracked' }] as const;
    const untracked = testTable(testRelation(columns), { context });
    expect(untracked.contextSources).toEqual([]);
    expect(names(untracked.columns)).toContain('changed_by');
    const tracked = testTable(testRelation(columns), { context, isTracked: true });
    expect(tracked.contextSources).toEqual([
      { kind: 'columns', columns: { username: 4, requestId: 5, trust: 'changed', isStamped: true } },
    ]);
    expect(names(tracked.columns)).toEqual(['id', 'name', 'password', 'price']);
  });

  it('takes nothing for context that the table has not', () => {
    const context = [
      { kind: 'columns', username: 'editor', requestId: 'req', trust: 'changed' },
      { kind: 'columns', username: null, requestId: null, trust: 'changed' },
    ] as const;
    expect(testTable(testRelation(columns), { context }).contextSources).toEqual([]);
  });

  it.each([
    ['its own columns', 'changed_by', 'request_id', true],
    ['its user alone', 'changed_by', null, true],
    ['other columns', 'name', 'request_id', false],
    ['its user with another request', 'changed_by', 'name', false],
  ])('of walhook.track stamps %s: %s', (_what, username, requestId, isStamped) => {
    const table = testTable(testRelation(columns), {
      isTracked: true,
      context: [{ kind: 'columns', username, requestId, trust: 'changed' }],
    });
    expect(table.contextSources[0]).toMatchObject({ columns: { isStamped } });
  });

  it('asks the catalog once for each type that is not built in', () => {
    const relation = testRelation([
      ['a', 23],
      ['b', 16_400],
      ['c', 1007],
      ['d', 16_400],
    ]);
    expect(unknownTypes(relation)).toEqual([16_400, 1007]);
  });
});
