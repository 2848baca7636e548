/** Tables and rows made by hand, for the stages that see them decoded. */

import {
  type ContextOption,
  describeTable,
  type ForeignKey,
  type ModelOptions,
  type Table,
  type TableFacts,
} from '../../src/change/table.ts';
import type {
  ColumnText,
  Relation,
  ReplicaIdentity,
  RowImages,
  RowMessage,
  Tuple,
} from '../../src/decode/messages.ts';
import type { ColumnType } from '../../src/decode/values.ts';

/** Name and type OID of a column; a name that ends in `*` is part of the identity. */
export type TestColumn = readonly [name: string, typeOid: number];

export function testRelation(
  columns: readonly TestColumn[],
  identity: ReplicaIdentity = 'default',
  more: Partial<Relation> = {},
): Relation {
  return {
    oid: 16_384,
    schema: 'public',
    name: 'thing',
    identity,
    columns: columns.map(([name, typeOid]) => ({
      name: name.replace(/\*$/, ''),
      typeOid,
      typeModifier: -1,
      isIdentity: identity === 'full' || name.endsWith('*'),
    })),
    ...more,
  };
}

/** A Model of `table` in public, with nothing configured but what is given. */
export function testModel(name: string, table: string, more: Partial<ModelOptions> = {}): ModelOptions {
  return { name, schema: 'public', table, exclude: [], naming: 'columns', ignoreChanges: [], ...more };
}

export interface TestTableOptions {
  readonly primaryKey?: readonly string[];
  readonly isTracked?: boolean;
  readonly types?: ReadonlyMap<number, ColumnType>;
  readonly foreignKeys?: readonly ForeignKey[];
  readonly models?: readonly ModelOptions[];
  readonly context?: readonly ContextOption[];
}

export function testTable(relation: Relation, options: TestTableOptions = {}): Table {
  const facts: TableFacts = {
    primaryKey: options.primaryKey ?? [],
    isTracked: options.isTracked ?? false,
    isStamping: options.isTracked ?? false,
    types: options.types ?? new Map(),
    foreignKeys: options.foreignKeys ?? [],
  };
  return describeTable(relation, facts, options.models ?? [], options.context ?? []);
}

export function testTuple(values: readonly ColumnText[]): Tuple {
  return {
    columnCount: values.length,
    text: (column) => values[column] ?? null,
    byteLength: (column) => {
      const value = values[column];
      return typeof value === 'string' ? Buffer.byteLength(value) : 0;
    },
  };
}

/** A row's message as the decoder would give it. */
export function testRow(tag: RowMessage['tag'], relation: Relation, images: RowImages): RowMessage {
  const row: RowMessage = { tag, relation, bytes: 100, images: () => images, retained: () => row };
  return row;
}

export type TestOld = readonly ['key' | 'full', readonly ColumnText[]] | null;

export function testImages(old: TestOld, now: readonly ColumnText[] | null): RowImages {
  return {
    old: old === null ? { kind: 'none' } : { kind: old[0], tuple: testTuple(old[1]) },
    new: now === null ? null : testTuple(now),
  };
}
