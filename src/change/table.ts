/**
 * A table as the later stages see it: under which Model it appears, how its columns become JSON, which of
 * them identify a row, and which carry context. Built once per Relation message.
 */
import { jsonString } from '../core/json.ts';
import type { Relation } from '../decode/messages.ts';
import { type ColumnType, type Encoder, encoderFor, isKnownScalar, NUMERIC_OID } from '../decode/values.ts';
import type { ContextColumns, ContextSource, Trust } from './context.ts';

export interface Column {
  /** In the database. */
  readonly name: string;
  /** In Events: the column's name, or with `naming: fields` that of its foreign key without `_id`. */
  readonly field: string;
  /** Its position in tuples. */
  readonly index: number;
  /** `"name":`, ready to stand before the value. */
  readonly jsonPrefix: string;
  readonly encode: Encoder;
  /** A numeric: its JSON string is compared with numbers as an exact decimal. */
  readonly isDecimal: boolean;
}

export interface Table {
  readonly relation: Relation;
  readonly model: string;
  /** What stands in data and snapshots: without excluded columns and those that carry context. */
  readonly columns: readonly Column[];
  /** Of the primary key, else of the replica identity; empty where a row can only be told by all of it. */
  readonly key: readonly Column[];
  /** Every column of the relation, by position in its tuples. */
  readonly allColumns: readonly Column[];
  /** Every column that is not excluded, for rows that nothing less identifies. */
  readonly identifying: readonly Column[];
  readonly contextSources: readonly ContextSource[];
  readonly foreignKeys: readonly ForeignKey[];
  /** Indexes of the columns whose changes alone make no Event. */
  readonly ignored: ReadonlySet<number>;
}

/** A foreign key of one column. Those of several columns are left as they are. */
export interface ForeignKey {
  readonly column: string;
  readonly schema: string;
  readonly table: string;
  /** The column it points to. */
  readonly target: string;
}

/** What the catalog knows beyond the Relation message. */
export interface TableFacts {
  /** Names of the primary key's columns in key order; empty without one. */
  readonly primaryKey: readonly string[];
  /** Whether walhook.track has made `changed_by` and `request_id` columns that its trigger stamps. */
  readonly isTracked: boolean;
  /** Whether that trigger fires; a disabled one leaves the name of the last editor where it stands. */
  readonly isStamping: boolean;
  /** Types of the columns that are not plain built-in ones, by OID. */
  readonly types: ReadonlyMap<number, ColumnType>;
  readonly foreignKeys: readonly ForeignKey[];
}

/** A Model as configured. */
export interface ModelOptions {
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  /** Columns that do not exist after decoding. */
  readonly exclude: readonly string[];
  readonly naming: 'columns' | 'fields';
  /** Columns or fields: an update of nothing else makes no Event. */
  readonly ignoreChanges: readonly string[];
}

/** `source` counts the configured sources of that kind. */
export type ContextOption =
  | { readonly kind: 'message'; readonly source: number }
  | { readonly kind: 'audit'; readonly source: number }
  | {
      readonly kind: 'columns';
      readonly username: string | null;
      readonly requestId: string | null;
      readonly trust: Trust;
    }
  | { readonly kind: 'tracked' };

/** The columns that walhook.track adds. */
const TRACKED = { username: 'changed_by', requestId: 'request_id' } as const;

/**
 * Whether Changes of a table can be Events. Those of the server's schemas never are.
 *
 * @param ownSchemas walhook's own and that of its queue
 */
export function isWatchable({ schema }: Relation, ownSchemas: readonly string[]): boolean {
  return !(ownSchemas.includes(schema) || schema === 'information_schema' || schema.startsWith('pg_'));
}

/** Default: the table's name; `schema.table` outside public, or where a configured Model has the name. */
export function modelName(relation: Relation, models: readonly ModelOptions[]): string {
  const configured = models.find(
    (model) => model.schema === relation.schema && model.table === relation.name,
  );
  if (configured !== undefined) return configured.name;
  const isTaken = models.some((model) => model.name === relation.name);
  return relation.schema === 'public' && !isTaken ? relation.name : `${relation.schema}.${relation.name}`;
}

export function describeTable(
  relation: Relation,
  facts: TableFacts,
  models: readonly ModelOptions[],
  context: readonly ContextOption[],
): Table {
  const model = modelName(relation, models);
  const options = models.find((known) => known.name === model);
  const excluded = new Set(options?.exclude ?? []);
  const allColumns = relation.columns.map((column, index): Column => {
    const type = facts.types.get(column.typeOid) ?? { kind: 'scalar', oid: column.typeOid };
    const field = fieldName(column.name, facts.foreignKeys, options?.naming ?? 'columns');
    return {
      name: column.name,
      field,
      index,
      jsonPrefix: `${jsonString(field)}:`,
      encode: encoderFor(type),
      isDecimal: type.kind === 'scalar' && type.oid === NUMERIC_OID,
    };
  });
  const identifying = allColumns.filter((column) => !excluded.has(column.name));
  const contextSources = sourcesOf(relation, facts, context);
  const hidden = new Set(
    contextSources.flatMap((source) =>
      source.kind === 'columns' ? [source.columns.username, source.columns.requestId] : [],
    ),
  );
  return {
    relation,
    model,
    allColumns,
    identifying,
    columns: identifying.filter((column) => !hidden.has(column.index)),
    key: keyColumns(relation, facts, identifying),
    contextSources,
    foreignKeys: facts.foreignKeys,
    ignored: new Set(
      allColumns
        .filter(({ name, field }) => options?.ignoreChanges.some((one) => one === name || one === field))
        .map((column) => column.index),
    ),
  };
}

/** What a column is called in Events. */
export function fieldName(
  column: string,
  foreignKeys: readonly ForeignKey[],
  naming: 'columns' | 'fields',
): string {
  const isKey = foreignKeys.some((key) => key.column === column);
  return naming === 'fields' && isKey && column.length > 3 && column.endsWith('_id')
    ? column.slice(0, -3)
    : column;
}

function keyColumns(relation: Relation, facts: TableFacts, columns: readonly Column[]): Column[] {
  const primary = facts.primaryKey.flatMap((name) => columns.filter((column) => column.name === name));
  if (primary.length > 0 && primary.length === facts.primaryKey.length) return primary;
  if (relation.identity === 'full' || relation.identity === 'nothing') return [];
  return columns.filter((column) => relation.columns[column.index]?.isIdentity === true);
}

function sourcesOf(
  relation: Relation,
  facts: TableFacts,
  options: readonly ContextOption[],
): ContextSource[] {
  const place = (name: string | null) => relation.columns.findIndex((column) => column.name === name);
  return options.flatMap((option): ContextSource[] => {
    if (option.kind === 'message' || option.kind === 'audit') return [option];
    const names = option.kind === 'tracked' ? TRACKED : option;
    if (option.kind === 'tracked' && !facts.isTracked) return [];
    const columns: ContextColumns = {
      username: place(names.username),
      requestId: place(names.requestId),
      trust: option.kind === 'tracked' ? 'changed' : option.trust,
      isStamped:
        facts.isStamping &&
        names.username === TRACKED.username &&
        (names.requestId === TRACKED.requestId || names.requestId === null),
    };
    return columns.username < 0 && columns.requestId < 0 ? [] : [{ kind: 'columns', columns }];
  });
}

/** The OIDs that {@link describeTable} needs the catalog's word for. */
export function unknownTypes(relation: Relation): number[] {
  return [...new Set(relation.columns.map((column) => column.typeOid))].filter((oid) => !isKnownScalar(oid));
}
