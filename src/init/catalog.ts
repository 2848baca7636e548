/**
 * What `walhook init` reads of a database: its tables with their columns, keys, foreign keys and enum labels.
 * Reads only, and needs no more than to connect.
 */
import type { ClientBase } from 'pg';

export interface FoundColumn {
  readonly name: string;
  /** As `format_type` says it, e.g. `character varying(50)`; of a domain the type below it. */
  readonly type: string;
  /** Of an enum or a domain over one, in their order; empty for any other type. */
  readonly labels: readonly string[];
}

export interface FoundForeignKey {
  readonly columns: readonly string[];
  /** `schema.table` */
  readonly references: string;
}

export interface FoundTable {
  readonly schema: string;
  readonly name: string;
  readonly isPartitioned: boolean;
  readonly columns: readonly FoundColumn[];
  /** Empty where it is deferrable: PostgreSQL does not take such a key for a row's identity. */
  readonly primaryKey: readonly string[];
  readonly foreignKeys: readonly FoundForeignKey[];
  readonly identity: 'default' | 'nothing' | 'full' | 'index';
  /** The planner's estimate; null where the table was never analyzed. */
  readonly rows: number | null;
  /** walhook.track has put its triggers on it. */
  readonly isTracked: boolean;
}

interface Row {
  schema: string;
  name: string;
  partitioned: boolean;
  identity: string;
  rows: number;
  tracked: boolean;
  columns: FoundColumn[] | null;
  primary_key: string[] | null;
  foreign_keys: FoundForeignKey[] | null;
}

/** Roots of ordinary and partitioned tables outside system schemas, walhook's own and extensions'. */
const TABLES = `
  select n.nspname as schema, c.relname as name, c.relkind = 'p' as partitioned, c.relreplident as identity,
    c.reltuples::float8 as rows,
    exists (select from pg_catalog.pg_trigger t where t.tgrelid = c.oid and t.tgname in ('walhook_stamp', 'walhook_announce')) as tracked,
    (select json_agg(json_build_object('name', a.attname,
        'type', case t.typtype when 'd' then pg_catalog.format_type(t.typbasetype, t.typtypmod)
                else pg_catalog.format_type(a.atttypid, a.atttypmod) end,
        'labels', (select coalesce(json_agg(e.enumlabel order by e.enumsortorder), '[]') from pg_catalog.pg_enum e
                   where e.enumtypid = case t.typtype when 'd' then t.typbasetype else t.oid end)) order by a.attnum)
     from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
     where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
    (select json_agg(a.attname order by k.position)
     from pg_catalog.pg_index i, unnest(i.indkey::int2[]) with ordinality as k(attnum, position), pg_catalog.pg_attribute a
     where i.indrelid = c.oid and i.indisprimary and i.indimmediate
       and a.attrelid = c.oid and a.attnum = k.attnum) as primary_key,
    (select json_agg(json_build_object('columns',
        (select json_agg(a.attname order by k.position)
         from unnest(f.conkey) with ordinality as k(attnum, position), pg_catalog.pg_attribute a
         where a.attrelid = c.oid and a.attnum = k.attnum),
        'references', rn.nspname || '.' || r.relname) order by f.conname)
     from pg_catalog.pg_constraint f
     join pg_catalog.pg_class r on r.oid = f.confrelid join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
     where f.conrelid = c.oid and f.contype = 'f' and f.conparentid = 0) as foreign_keys
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p'
    and n.nspname !~ '^pg_' and n.nspname <> all (array['information_schema', 'walhook', 'walhook_queue'])
    and not exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
  order by n.nspname = 'public' desc, n.nspname, c.relname`;

const IDENTITIES: Readonly<Record<string, FoundTable['identity']>> = {
  d: 'default',
  n: 'nothing',
  f: 'full',
  i: 'index',
};

/** Public's tables first, then by schema and name. */
export async function readTables(client: ClientBase): Promise<FoundTable[]> {
  const { rows } = await client.query<Row>(TABLES);
  return rows.map((row) => ({
    schema: row.schema,
    name: row.name,
    isPartitioned: row.partitioned,
    columns: row.columns ?? [],
    primaryKey: row.primary_key ?? [],
    foreignKeys: row.foreign_keys ?? [],
    identity: IDENTITIES[row.identity] ?? 'default',
    rows: row.rows < 0 ? null : row.rows,
    isTracked: row.tracked,
  }));
}
