/**
 * Decodes lines of wal2json, format version 2, with its options as src/replication/startReplication.ts sets
 * them.
 *
 * https://github.com/eulerto/wal2json
 *
 * A line names its table and columns itself; what it does not say (the table's id, its replica identity,
 * columns left out because an update did not change them) is brought by the caller as the catalog tells it.
 * Numbers keep their text: they never pass through a double. What the plugin cannot tell stays untold:
 * docs/wal2json.md has the list.
 */
import { WalhookError } from '../core/errors.ts';
import { type Lsn, parseLsn } from '../core/lsn.ts';
import {
  type BeginMessage,
  type ColumnText,
  type CommitMessage,
  type LogicalMessage,
  type OldImage,
  type Relation,
  type RelationColumn,
  type ReplicaIdentity,
  type RowImages,
  type RowMessage,
  type Tuple,
  UNCHANGED,
} from './messages.ts';

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** One value of a line: PostgreSQL's text of it. */
export interface LineColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly text: string | null;
}

/** A row as a line tells it. */
export interface RowLine {
  readonly tag: 'row';
  readonly kind: 'insert' | 'update' | 'delete';
  readonly table: TableName;
  /** null for a delete. Without the large values that an update left as they were. */
  readonly columns: readonly LineColumn[] | null;
  /** What the replica identity sends of the row before; null for an insert. */
  readonly identity: readonly LineColumn[] | null;
  readonly primaryKey: readonly string[];
  readonly bytes: number;
}

export interface TruncateLine {
  readonly tag: 'truncate';
  readonly table: TableName;
}

export type Line = BeginMessage | CommitMessage | LogicalMessage | RowLine | TruncateLine;

/** What the catalog says of the table under which a row is published. */
export interface TableShape {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly identity: ReplicaIdentity;
  /** Columns of the replica identity's index: of the primary key, or the one it names. */
  readonly identityColumns: readonly string[];
  /** Those that the publication has. */
  readonly columns: readonly ShapeColumn[];
  /** Columns that the publication leaves out. */
  readonly hidden: readonly string[];
}

export interface ShapeColumn {
  readonly name: string;
  readonly typeOid: number;
  /** Its values may be stored out of line, and so be left out of an update. */
  readonly isToastable: boolean;
}

/** The type that wal2json writes without the `\x` of its text. */
const BYTEA_OID = 17;
const KINDS = { I: 'insert', U: 'update', D: 'delete' } as const;

/**
 * A number as a value. No text can hold an unescaped `"value":`, for only the plugin's own keys stand before
 * a colon.
 */
const NUMBER_VALUE = /"value":(-?[0-9][^,}]*)/g;

interface RawColumn {
  readonly name: string;
  readonly typeoid: number;
  readonly value?: string | boolean | null;
}

interface RawLine {
  readonly action: string;
  readonly xid: number | null;
  readonly timestamp: string | null;
  readonly lsn: string;
  readonly nextlsn?: string;
  readonly schema: string;
  readonly table: string;
  readonly columns?: readonly RawColumn[];
  readonly identity?: readonly RawColumn[];
  readonly pk?: readonly RawColumn[];
  readonly transactional: boolean;
  readonly prefix: string;
  readonly content: string;
}

/** Reads one line. Throws STREAM_INVALID on anything else. */
export function parseLine(text: string): Line {
  const raw = parseRaw(text);
  switch (raw.action) {
    case 'B':
      return {
        tag: 'begin',
        commitLsn: lsnOf(raw.lsn),
        committedAtUs: microseconds(raw.timestamp),
        xid: raw.xid ?? 0,
      };
    case 'C':
      return { tag: 'commit', commitLsn: lsnOf(raw.lsn), endLsn: lsnOf(raw.nextlsn) };
    case 'I':
    case 'U':
    case 'D':
      return {
        tag: 'row',
        kind: KINDS[raw.action],
        table: { schema: raw.schema, name: raw.table },
        columns: raw.columns?.map(lineColumn) ?? null,
        identity: raw.identity?.map(lineColumn) ?? null,
        primaryKey: raw.pk?.map((column) => column.name) ?? [],
        bytes: text.length,
      };
    case 'T':
      return { tag: 'truncate', table: { schema: raw.schema, name: raw.table } };
    case 'M':
      return {
        tag: 'message',
        transactional: raw.transactional,
        prefix: raw.prefix,
        content: raw.content,
      };
    default:
      throw invalid(`the action ${JSON.stringify(raw.action)}`);
  }
}

const HEAD = /^\{"action":"([IUD])".*?"schema":("(?:[^"\\]|\\.)*"),"table":("(?:[^"\\]|\\.)*")/;

/** What the beginning of a line tells that was too long to be assembled; null where it is no row. */
export function parseHead(
  head: string,
): { readonly kind: RowLine['kind']; readonly table: TableName } | null {
  const [, action, schema, name] = HEAD.exec(head) ?? [];
  if (action === undefined || schema === undefined || name === undefined) return null;
  return {
    kind: KINDS[action as keyof typeof KINDS],
    table: { schema: JSON.parse(schema) as string, name: JSON.parse(name) as string },
  };
}

function parseRaw(text: string): RawLine {
  let raw: RawLine | null;
  try {
    raw = JSON.parse(text.replaceAll(NUMBER_VALUE, '"value":"$1"')) as RawLine | null;
  } catch (cause) {
    throw invalid(`${text.length} characters that are not JSON`, cause);
  }
  if (typeof raw?.action !== 'string') throw invalid('JSON without an action');
  return raw;
}

function lineColumn({ name, typeoid, value }: RawColumn): LineColumn {
  const text = value === undefined || value === null ? null : textOf(value, typeoid);
  return { name, typeOid: typeoid, text };
}

function textOf(value: string | boolean, typeOid: number): string {
  if (typeof value === 'boolean') return value ? 't' : 'f';
  return typeOid === BYTEA_OID ? `\\x${value}` : value;
}

function lsnOf(text: string | undefined): Lsn {
  try {
    return parseLsn(text ?? '');
  } catch (cause) {
    throw invalid('no LSN', cause);
  }
}

const TIMESTAMP = /^(\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?\+00$/;

/** Since the Unix epoch, of `2023-08-07 19:30:23.140019+00`. */
function microseconds(text: string | null): bigint {
  const parts = TIMESTAMP.exec(text ?? '');
  if (parts === null) throw invalid('no time in UTC');
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number);
  const ms = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
  return BigInt(ms) * 1_000n + BigInt((parts[7] ?? '').padEnd(6, '0'));
}

function invalid(found: string, cause?: unknown): WalhookError {
  return new WalhookError('STREAM_INVALID', `expected a line of wal2json, format version 2, found ${found}`, {
    cause,
  });
}

/**
 * The table as it was when the line was written, as far as line and catalog together tell: the line's own
 * columns, and of the catalog's others those that an update may have left out.
 *
 * @param shape null where the catalog knows the table no more
 * @param oid stands for a table that the catalog does not know
 */
export function relationOf(line: RowLine, shape: TableShape | null, oid: number): Relation {
  const identity = identityOf(line, shape);
  const names = identity === 'index' ? (shape?.identityColumns ?? []) : line.primaryKey;
  return relationFrom(shape ?? { ...line.table, oid }, columnsOf(line, shape), identity, names);
}

interface TypedColumn {
  readonly name: string;
  readonly typeOid: number;
}

/** In the order of the table under which the row is published. */
function columnsOf(line: RowLine, shape: TableShape | null): TypedColumn[] {
  const [columnsNow, identity] = [line.columns ?? [], line.identity ?? []];
  // The list that tells more has the columns in their order.
  const all =
    identity.length > columnsNow.length ? [...identity, ...columnsNow] : [...columnsNow, ...identity];
  const said = all.filter(
    ({ name }, at) =>
      all.findIndex((one) => one.name === name) === at && shape?.hidden.includes(name) !== true,
  );
  if (shape === null) return said;
  const place = (name: string) => {
    const at = shape.columns.findIndex((column) => column.name === name);
    return at < 0 ? shape.columns.length : at;
  };
  const isItself = shape.schema === line.table.schema && shape.name === line.table.name;
  const columns: TypedColumn[] = isItself ? said : said.toSorted((a, b) => place(a.name) - place(b.name));
  for (const column of shape.columns) {
    if (said.some(({ name }) => name === column.name) || !isLeftOut(column, line, shape)) continue;
    // Its place is behind the columns that stand before it now.
    const before = columns.findLastIndex(({ name }) => place(name) < place(column.name));
    columns.splice(before + 1, 0, column);
  }
  return columns;
}

/** The table as the catalog knows it, for messages that name no columns. */
export function relationOfShape(shape: TableShape): Relation {
  return relationFrom(shape, shape.columns, shape.identity, shape.identityColumns);
}

function relationFrom(
  { oid, schema, name }: { readonly oid: number } & TableName,
  columns: readonly TypedColumn[],
  identity: ReplicaIdentity,
  identityColumns: readonly string[],
): Relation {
  const isIdentity = (column: string) =>
    identity === 'full' || (identity !== 'nothing' && identityColumns.includes(column));
  return {
    oid,
    schema,
    name,
    identity,
    columns: columns.map(
      (column): RelationColumn => ({
        name: column.name,
        typeOid: column.typeOid,
        typeModifier: -1,
        isIdentity: isIdentity(column.name),
      }),
    ),
  };
}

/** The line's word counts before the catalog's, which may be of another time. */
function identityOf(line: RowLine, shape: TableShape | null): ReplicaIdentity {
  const now = shape?.identity ?? 'default';
  if (line.identity === null) return now;
  if (isWhole(line, now)) return 'full';
  return now === 'full' && line.identity.length < (shape?.columns.length ?? 0) ? 'default' : now;
}

/**
 * A column that the catalog has and the line has not. An insert tells every column, and so does the row
 * before under REPLICA IDENTITY FULL: what is not in them was added later.
 */
function isLeftOut(column: ShapeColumn, line: RowLine, shape: TableShape | null): boolean {
  if (line.kind === 'insert' || isWhole(line, shape?.identity ?? 'default')) return false;
  return line.kind === 'delete' || column.isToastable;
}

/** Whether what the line tells of the row before is all of it. */
function isWhole({ columns, identity, primaryKey }: RowLine, now: ReplicaIdentity): boolean {
  if (identity === null || now === 'index' || identity.length <= primaryKey.length) return false;
  return (columns ?? []).every(({ name }) => identity.some((one) => one.name === name));
}

/** The row in the columns of its relation. */
export function rowOf(line: RowLine, relation: Relation): RowMessage {
  const isFull = relation.identity === 'full';
  const old: OldImage =
    line.identity === null
      ? { kind: 'none' }
      : { kind: isFull ? 'full' : 'key', tuple: new LineTuple(relation, line.identity, null) };
  const images: RowImages = {
    old,
    new: line.columns === null ? null : new LineTuple(relation, line.columns, UNCHANGED),
  };
  const row: RowMessage = {
    tag: line.kind,
    relation,
    bytes: line.bytes,
    images: () => images,
    retained: () => row,
  };
  return row;
}

class LineTuple implements Tuple {
  readonly #texts: readonly ColumnText[];

  /** @param absent what a column is that the line does not tell */
  constructor(relation: Relation, columns: readonly LineColumn[], absent: ColumnText) {
    const texts = new Map(columns.map((column) => [column.name, column.text]));
    this.#texts = relation.columns.map(({ name }) => {
      const text = texts.get(name);
      return text === undefined ? absent : text;
    });
  }

  get columnCount(): number {
    return this.#texts.length;
  }

  text(column: number): ColumnText {
    return this.#texts[column] ?? null;
  }

  byteLength(column: number): number {
    const text = this.#texts[column];
    return typeof text === 'string' ? Buffer.byteLength(text) : 0;
  }
}
