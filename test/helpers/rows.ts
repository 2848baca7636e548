/** Tables and rows made by hand, for the stages that see them decoded. */

import {
  type ContextOption,
  describeTable,
  type ModelOptions,
  type Table,
  type TableFacts,
} from '../../src/change/table.ts';
import type { ColumnText, Relation, ReplicaIdentity, RowImages, Tuple } from '../../src/decode/messages.ts';
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

export interface TestTableOptions {
  readonly primaryKey?: readonly string[];
  readonly isTracked?: boolean;
  readonly types?: ReadonlyMap<number, ColumnType>;
  readonly models?: readonly ModelOptions[];
  readonly context?: readonly ContextOption[];
}

export function testTable(relation: Relation, options: TestTableOptions = {}): Table {
  const facts: TableFacts = {
    primaryKey: options.primaryKey ?? [],
    isTracked: options.isTracked ?? false,
    types: options.types ?? new Map(),
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

export type TestOld = readonly ['key' | 'full', readonly ColumnText[]] | null;

export function testImages(old: TestOld, now: readonly ColumnText[] | null): RowImages {
  return {
    old: old === null ? { kind: 'none' } : { kind: old[0], tuple: testTuple(old[1]) },
    new: now === null ? null : testTuple(now),
  };
}
