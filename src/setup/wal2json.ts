/**
 * What wal2json cannot tell of the tables at hand. docs/wal2json.md says it of the plugin; this says it of a
 * database, one finding each.
 */
import type { ClientBase, Pool } from 'pg';
import type { Finding } from './check.ts';
import { ident, qualified } from './names.ts';

/** A published table, or one that a Model names. */
export interface Wal2jsonTable {
  readonly schema: string;
  readonly name: string;
  readonly isPublished: boolean;
  readonly isPartitioned: boolean;
  /** Of float and numeric types. */
  readonly numberColumns: readonly string[];
  /** May be stored out of line. */
  readonly largeColumns: readonly string[];
  readonly isFull: boolean;
  /** UPDATE and DELETE have something to name the row by. */
  readonly hasIdentity: boolean;
  readonly hasRowFilter: boolean;
}

/** Row filters stand in the view of publications since 15. */
const TABLES = `
  select n.nspname as schema, c.relname as name, bool_or(pt.tablename is not null) as "isPublished",
    c.relkind = 'p' as "isPartitioned", c.relreplident = 'f' as "isFull",
    bool_or(to_jsonb(pt) ->> 'rowfilter' is not null) as "hasRowFilter",
    c.relreplident = 'f' or exists (
      select from pg_catalog.pg_index i
      where i.indrelid = c.oid
        and case c.relreplident when 'd' then i.indisprimary when 'i' then i.indisreplident else false end
    ) as "hasIdentity",
    coalesce(array_agg(a.attname::text order by a.attnum) filter (where a.atttypid in (700, 701, 1700)), '{}')
      as "numberColumns",
    coalesce(array_agg(a.attname::text order by a.attnum)
      filter (where a.attstorage <> 'p' and a.atttypid <> 1700), '{}') as "largeColumns"
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_publication_tables pt
    on pt.pubname = $1 and pt.schemaname = n.nspname and pt.tablename = c.relname
  left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relkind in ('r', 'p')
    and (pt.tablename is not null or n.nspname || '.' || c.relname = any ($2::text[]))
  group by n.nspname, c.oid, c.relname, c.relkind, c.relreplident
  order by 1, 2`;

/** Needs no more than to connect. */
export async function readWal2jsonTables(
  client: ClientBase | Pool,
  publication: string,
  modelTables: readonly { readonly schema: string; readonly table: string }[],
): Promise<Wal2jsonTable[]> {
  const named = modelTables.map(({ schema, table }) => `${schema}.${table}`);
  return (await client.query<Wal2jsonTable>(TABLES, [publication, named])).rows;
}

export function wal2jsonFindings(tables: readonly Wal2jsonTable[]): Finding[] {
  return tables.flatMap((table) => [
    ...keyless(table),
    ...rowFilter(table),
    ...numbers(table),
    ...partitions(table),
    ...largeValues(table),
  ]);
}

function keyless(table: Wal2jsonTable): Finding[] {
  if (table.hasIdentity) return [];
  const name = qualified(table);
  return [
    {
      code: 'WAL2JSON_KEYLESS',
      level: 'problem',
      message: `expected a key on ${name}, found none: wal2json leaves out its UPDATE and DELETE`,
      remedy: `ALTER TABLE ${name} ADD PRIMARY KEY (…); -- or: ALTER TABLE ${name} REPLICA IDENTITY FULL;`,
    },
  ];
}

function rowFilter(table: Wal2jsonTable): Finding[] {
  if (!table.hasRowFilter) return [];
  return [
    {
      code: 'WAL2JSON_ROW_FILTER',
      level: 'problem',
      message: `expected ${qualified(table)} to be published without a row filter, found one: wal2json sends every row`,
      remedy: 'use conditions of the webhook instead, or postgres.plugin: pgoutput',
    },
  ];
}

function numbers({ numberColumns, ...table }: Wal2jsonTable): Finding[] {
  if (numberColumns.length === 0) return [];
  return [
    {
      code: 'WAL2JSON_NAN',
      level: 'advice',
      message: `${qualified(table)} has float or numeric columns (${numberColumns.map(ident).join(', ')}): before wal2json 2.6 NaN and Infinity in them arrive as null`,
      remedy: 'wal2json 2.6 on the server, or postgres.plugin: pgoutput',
    },
  ];
}

function partitions(table: Wal2jsonTable): Finding[] {
  if (!table.isPartitioned) return [];
  return [
    {
      code: 'WAL2JSON_PARTITIONS',
      level: 'advice',
      message: `${qualified(table)} is partitioned: wal2json names the partition, and which table it belongs to is looked up when its row is read`,
      remedy: 'let walhook read everything before a partition is detached, or postgres.plugin: pgoutput',
    },
  ];
}

function largeValues({ largeColumns, isFull, ...table }: Wal2jsonTable): Finding[] {
  if (largeColumns.length === 0 || isFull) return [];
  const name = qualified(table);
  return [
    {
      code: 'WAL2JSON_TOAST',
      level: 'advice',
      message: `${name} does not send whole rows: wal2json leaves out a large value that an UPDATE did not change (${largeColumns.map(ident).join(', ')})`,
      remedy: `ALTER TABLE ${name} REPLICA IDENTITY FULL; -- where webhooks need these values`,
    },
  ];
}
