/**
 * What the catalog knows of a table beyond its Relation message: the primary key, the types its columns
 * are made of, and whether walhook.track stamps its rows.
 *
 * The answer is of the moment of asking, not of the position of the stream: types and keys change rarely,
 * and what cannot be found any more falls back to what the Relation message says.
 */
import type { Pool } from 'pg';
import { type ForeignKey, type TableFacts, unknownTypes } from '../change/table.ts';
import type { Relation } from '../decode/messages.ts';
import type { ColumnType } from '../decode/values.ts';
import type { TableName, TableShape } from '../decode/wal2json.ts';

const FACTS = `
  select
    coalesce((
      select array_agg(a.attname::text order by k.place)
      from pg_catalog.pg_index i
      cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, place)
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
      where i.indrelid = c.oid and i.indisprimary
    ), '{}') as primary_key,
    (
      select bool_or(t.tgenabled in ('O', 'A')) from pg_catalog.pg_trigger t
      join pg_catalog.pg_proc p on p.oid = t.tgfoid
      join pg_catalog.pg_namespace n on n.oid = p.pronamespace
      where t.tgrelid = c.oid and n.nspname = 'walhook' and p.proname = 'stamp'
    ) as is_stamping,
    (
      select coalesce(json_agg(json_build_object(
        'column', a.attname, 'schema', tn.nspname, 'table', tc.relname, 'target', ta.attname) order by a.attnum), '[]')
      from pg_catalog.pg_constraint f
      join pg_catalog.pg_attribute a on a.attrelid = f.conrelid and a.attnum = f.conkey[1]
      join pg_catalog.pg_class tc on tc.oid = f.confrelid
      join pg_catalog.pg_namespace tn on tn.oid = tc.relnamespace
      join pg_catalog.pg_attribute ta on ta.attrelid = f.confrelid and ta.attnum = f.confkey[1]
      where f.conrelid = c.oid and f.contype = 'f' and cardinality(f.conkey) = 1
    ) as foreign_keys
  from pg_catalog.pg_class c
  where c.oid = $1`;

const RELATION = `
  select c.oid::int8::text as oid,
    json_agg(json_build_array(a.attname, a.atttypid::int8::text, format_type(a.atttypid, a.atttypmod)) order by a.attnum) as columns
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where n.nspname = $1 and c.relname = $2
  group by c.oid`;

/** The columns of a publication stand in its view since 15; before, all are published. */
const SHAPE = `
  with self as (
    select c.oid, c.relreplident
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = $1 and c.relname = $2
  ), published as (
    select c.oid, n.nspname, c.relname, to_jsonb(pt) -> 'attnames' as attnames
    from (
      select oid, 0 as place from self
      union
      select a.relid::oid, a.place::int
      from self cross join lateral pg_catalog.pg_partition_ancestors(self.oid) with ordinality as a (relid, place)
    ) as chain
    join pg_catalog.pg_class c on c.oid = chain.oid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_publication_tables pt
      on pt.pubname = $3 and pt.schemaname = n.nspname and pt.tablename = c.relname
    order by chain.place desc
    limit 1
  )
  select p.oid::int8::text as oid, p.nspname as schema, p.relname as name, self.relreplident as identity,
    coalesce((
      select array_agg(a.attname::text)
      from pg_catalog.pg_index i
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey::int2[])
      where i.indrelid = self.oid
        and case self.relreplident when 'd' then i.indisprimary when 'i' then i.indisreplident else false end
    ), '{}') as identity_columns,
    coalesce((
      select json_agg(json_build_object(
        'name', a.attname, 'typeOid', a.atttypid::int8, 'isToastable', a.attstorage <> 'p',
        'isPublished', p.attnames is null or p.attnames ? a.attname::text) order by a.attnum)
      from pg_catalog.pg_attribute a
      where a.attrelid = p.oid and a.attnum > 0 and not a.attisdropped
    ), '[]') as columns
  from self left join published p on true`;

const IDENTITIES = { d: 'default', n: 'nothing', f: 'full', i: 'index' } as const;

/** A table that is looked up and not streamed. */
export interface DescribedRelation {
  readonly relation: Relation;
  /** As SQL spells the type of each column. */
  readonly typeNames: readonly string[];
}

/** Types by OID with everything they are made of; composite fields as rows of their own. */
const TYPES = `
  with recursive needed (oid) as (
    select unnest($1::oid[])
    union
    select part.oid
    from needed
    join pg_catalog.pg_type t on t.oid = needed.oid
    cross join lateral (
      select t.typbasetype as oid where t.typtype = 'd'
      union all
      select b.oid from pg_catalog.pg_type b where b.oid = t.typelem and b.typarray = t.oid
      union all
      select a.atttypid from pg_catalog.pg_attribute a
      where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) as part
  )
  select t.oid::int8::text as oid, t.typtype as kind, t.typbasetype::int8::text as base,
    case when e.typarray = t.oid then e.oid::int8::text end as element,
    coalesce(e.typdelim, ',') as delimiter,
    (
      select json_agg(json_build_array(a.attname, a.atttypid::int8::text) order by a.attnum)
      from pg_catalog.pg_attribute a
      where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) as fields
  from needed
  join pg_catalog.pg_type t on t.oid = needed.oid
  left join pg_catalog.pg_type e on e.oid = t.typelem`;

interface TypeRow {
  readonly oid: string;
  readonly kind: string;
  readonly base: string;
  readonly element: string | null;
  readonly delimiter: string;
  readonly fields: readonly (readonly [string, string])[] | null;
}

/** Reads the watched database's catalog through a pool. */
export class Catalog {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** What is known of a table now. A table that is gone has no key and only built-in types. */
  async facts(relation: Relation): Promise<TableFacts> {
    const { rows } = await this.#pool.query<{
      primary_key: string[];
      is_stamping: boolean | null;
      foreign_keys: ForeignKey[];
    }>(FACTS, [relation.oid]);
    return {
      primaryKey: rows[0]?.primary_key ?? [],
      isTracked: (rows[0]?.is_stamping ?? null) !== null,
      isStamping: rows[0]?.is_stamping ?? false,
      foreignKeys: rows[0]?.foreign_keys ?? [],
      types: await this.#types(unknownTypes(relation)),
    };
  }

  /** A table as if the stream had announced it; null where there is none of that name. */
  async relation(schema: string, name: string): Promise<DescribedRelation | null> {
    const { rows } = await this.#pool.query<{ oid: string; columns: [string, string, string][] }>(RELATION, [
      schema,
      name,
    ]);
    const row = rows[0];
    if (row === undefined) return null;
    const columns = row.columns.map(([column, typeOid]) => ({
      name: column,
      typeOid: Number(typeOid),
      typeModifier: -1,
      isIdentity: false,
    }));
    return {
      relation: { oid: Number(row.oid), schema, name, identity: 'nothing', columns },
      typeNames: row.columns.map(([, , typeName]) => typeName),
    };
  }

  /**
   * How rows of a table are published, for plugins that do not tell: as the table itself, or as the partitioned
   * table that it is a partition of. null where there is no table of that name.
   */
  async shape(table: TableName, publication: string): Promise<TableShape | 'unpublished' | null> {
    const { rows } = await this.#pool.query<{
      oid: string | null;
      schema: string;
      name: string;
      identity: keyof typeof IDENTITIES;
      identity_columns: string[];
      columns: { name: string; typeOid: number; isToastable: boolean; isPublished: boolean }[];
    }>(SHAPE, [table.schema, table.name, publication]);
    const row = rows[0];
    if (row === undefined) return null;
    if (row.oid === null) return 'unpublished';
    return {
      oid: Number(row.oid),
      schema: row.schema,
      name: row.name,
      identity: IDENTITIES[row.identity],
      identityColumns: row.identity_columns,
      columns: row.columns
        .filter((column) => column.isPublished)
        .map(({ name, typeOid, isToastable }) => ({ name, typeOid, isToastable })),
      hidden: row.columns.filter((column) => !column.isPublished).map((column) => column.name),
    };
  }

  /** Whether the publication sends the changes of a table. */
  async isPublished(publication: string, schema: string, name: string): Promise<boolean> {
    const { rows } = await this.#pool.query(
      'select from pg_catalog.pg_publication_tables where pubname = $1 and schemaname = $2 and tablename = $3',
      [publication, schema, name],
    );
    return rows.length > 0;
  }

  async #types(oids: readonly number[]): Promise<ReadonlyMap<number, ColumnType>> {
    if (oids.length === 0) return new Map();
    const { rows } = await this.#pool.query<TypeRow>(TYPES, [oids]);
    return resolveTypes(oids, new Map(rows.map((row) => [Number(row.oid), row])));
  }
}

/** A composite may contain itself through an array; deeper than this a value stays PostgreSQL's text. */
const MAX_TYPE_DEPTH = 16;

function resolveTypes(
  oids: readonly number[],
  rows: ReadonlyMap<number, TypeRow>,
): ReadonlyMap<number, ColumnType> {
  const resolve = (oid: number, depth: number): ColumnType => {
    const row = rows.get(oid);
    if (row === undefined || depth > MAX_TYPE_DEPTH) return { kind: 'scalar', oid };
    if (row.kind === 'd') return resolve(Number(row.base), depth + 1);
    if (row.element !== null) {
      const element = resolve(Number(row.element), depth + 1);
      return { kind: 'array', element, delimiter: row.delimiter };
    }
    if (row.kind === 'c') {
      const fields = (row.fields ?? []).map(([name, type]) => ({
        name,
        type: resolve(Number(type), depth + 1),
      }));
      return { kind: 'composite', fields };
    }
    return { kind: 'scalar', oid };
  };
  return new Map(oids.map((oid) => [oid, resolve(oid, 0)]));
}
