/** What setup, teardown and check find in the watched database. Reads only; needs no more than to connect. */
import type { ClientBase, Pool } from 'pg';
import type { Installation } from '../queue/store.ts';
import { readSlot, type SlotState } from '../replication/slot.ts';
import { readIdentity, readInstallation, SCHEMA_VERSION, type ServerIdentity } from './installation.ts';

export interface TableState {
  readonly schema: string;
  readonly name: string;
  /** p partitioned, r ordinary. Partitions of a table are not listed. */
  readonly kind: 'r' | 'p';
  readonly hasPrimaryKey: boolean;
  readonly identity: 'default' | 'nothing' | 'full' | 'index';
  /** The columns that an update or delete always sends; empty where the identity is none or all. */
  readonly identityColumns: readonly string[];
  readonly isOwned: boolean;
  readonly isReadable: boolean;
  /** In the publication. */
  readonly isPublished: boolean;
  /** Of the column list in the publication; null where all columns are published. */
  readonly publishedColumns: readonly string[] | null;
  /** Whether it has generated columns; virtual ones exist since 18. */
  readonly generated?: 'stored' | 'virtual' | null;
}

export interface PublicationState {
  readonly isAllTables: boolean;
  readonly viaRoot: boolean;
  /** Operations it does not publish. */
  readonly unpublished: readonly string[];
  /** Stored generated columns are published: publish_generated_columns, since 18. */
  readonly publishesGenerated?: boolean;
}

export interface RoleState {
  readonly name: string;
  readonly isSuperuser: boolean;
  readonly mayReplicate: boolean;
  /** May create schemas and publications in this database. */
  readonly mayCreate: boolean;
}

export interface DatabaseState {
  readonly identity: ServerIdentity;
  readonly role: RoleState;
  readonly walLevel: string;
  /** `max_slot_wal_keep_size` in bytes; null without a limit. */
  readonly walLimitBytes: number | null;
  readonly freeSlots: number;
  readonly freeSenders: number;
  readonly publication: PublicationState | null;
  readonly tables: readonly TableState[];
  /** A standby; absent: a primary. */
  readonly isInRecovery?: boolean;
  readonly hasSchema: boolean;
  /** The helper schema's table and functions are there, in this version or a newer one. */
  readonly hasHelpers: boolean;
  /** The table walhook.webhook, and whether its Changes come through the slot. */
  readonly webhookRows: 'missing' | 'unpublished' | 'published';
  readonly installation: Installation | null;
  readonly slot: SlotState;
  /** Tables that walhook.track has put triggers on. */
  readonly tracked: readonly string[];
}

interface ServerRow {
  role: string;
  superuser: boolean;
  replication: boolean;
  may_create: boolean;
  wal_level: string;
  wal_limit_mb: string;
  free_slots: number;
  free_senders: number;
  in_recovery: boolean;
  has_schema: boolean;
  has_helpers: boolean;
  webhook_rows: DatabaseState['webhookRows'];
}

const SERVER = `
  select current_user as role, r.rolsuper as superuser,
    r.rolreplication or r.rolsuper or exists (
      -- Providers that give replication by membership instead.
      select from pg_catalog.pg_roles p
      where p.rolname = 'rds_replication' and pg_has_role(p.oid, 'member')
    ) as replication,
    has_database_privilege(current_database(), 'create') as may_create,
    current_setting('wal_level') as wal_level,
    coalesce((select setting from pg_catalog.pg_settings where name = 'max_slot_wal_keep_size'), '-1') as wal_limit_mb,
    current_setting('max_replication_slots')::int - (select count(*)::int from pg_catalog.pg_replication_slots) as free_slots,
    current_setting('max_wal_senders')::int - (select count(*)::int from pg_catalog.pg_stat_replication) as free_senders,
    pg_is_in_recovery() as in_recovery,
    to_regnamespace('walhook') is not null as has_schema,
    to_regclass('walhook.installation') is not null
      and to_regprocedure('walhook.set_context(text,text)') is not null
      and to_regclass('walhook.webhook') is not null
      and coalesce(substring(pg_catalog.obj_description(to_regnamespace('walhook')::oid, 'pg_namespace') from 'version ([0-9]+)')::int, 1)
        >= ${SCHEMA_VERSION} as has_helpers,
    case when to_regclass('walhook.webhook') is null then 'missing'
      when exists (
        select from pg_catalog.pg_publication_tables
        where pubname = $1 and schemaname = 'walhook' and tablename = 'webhook'
      ) then 'published' else 'unpublished' end as webhook_rows
  from pg_catalog.pg_roles r where r.rolname = current_user`;

const PUBLICATION = `
  select puballtables as all_tables, pubviaroot as via_root,
    coalesce(to_jsonb(p) ->> 'pubgencols', 'n') = 's' as generated,
    array_remove(array[
      case when not pubinsert then 'insert' end, case when not pubupdate then 'update' end,
      case when not pubdelete then 'delete' end, case when not pubtruncate then 'truncate' end
    ], null) as unpublished
  from pg_catalog.pg_publication p where pubname = $1`;

/** Publications of whole schemas exist since 15. */
const PUBLISHED_SCHEMAS_SINCE = 150_000;

const OF_PUBLISHED_SCHEMA = `
    or exists (
      select from pg_catalog.pg_publication_namespace s
      join pg_catalog.pg_publication p on p.oid = s.pnpubid and p.pubname = $1
      where s.pnnspid = c.relnamespace
    )`;

/**
 * Tables that could be watched: ordinary and partitioned roots, outside system schemas and our own. A root whose
 * publication publishes leaves is in it, and pg_publication_tables does not list it. A deferrable primary key is
 * no key here: PostgreSQL does not take it for an identity.
 */
const tablesSql = (version: number) => `
  select n.nspname as schema, c.relname as name, c.relkind as kind,
    exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary and i.indimmediate) as has_key,
    c.relreplident as identity,
    (select coalesce(array_agg(a.attname::text order by a.attnum), '{}')
     from pg_catalog.pg_index i
     join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey::int2[])
     where i.indrelid = c.oid
       and case c.relreplident when 'd' then i.indisprimary when 'i' then i.indisreplident else false end
    ) as identity_columns,
    pg_has_role(c.relowner, 'usage') as is_owned,
    has_table_privilege(c.oid, 'select') as is_readable,
    pt.tablename is not null
    or exists (
      select from pg_catalog.pg_publication p
      where p.pubname = $1 and (p.puballtables or exists (
        select from pg_catalog.pg_publication_rel r where r.prpubid = p.oid and r.prrelid = c.oid))
    )${version < PUBLISHED_SCHEMAS_SINCE ? '' : OF_PUBLISHED_SCHEMA} as is_published,
    (select max(case a.attgenerated::text when 'v' then 'virtual' else 'stored' end)
     from pg_catalog.pg_attribute a
     where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated <> '') as generated
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_publication_tables pt
    on pt.pubname = $1 and pt.schemaname = n.nspname and pt.tablename = c.relname
  where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p'
    and n.nspname <> all ($2::text[]) and n.nspname !~ '^pg_'
    and not exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
  order by n.nspname, c.relname`;

/** Column lists exist since 15. */
const COLUMN_LISTS = `
  select n.nspname as schema, c.relname as name,
    (select array_agg(a.attname::text order by a.attnum) from pg_catalog.pg_attribute a
     where a.attrelid = r.prrelid and a.attnum = any (r.prattrs::int2[])) as columns
  from pg_catalog.pg_publication_rel r
  join pg_catalog.pg_publication p on p.oid = r.prpubid and p.pubname = $1
  join pg_catalog.pg_class c on c.oid = r.prrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where r.prattrs is not null`;

const TRACKED = `
  select distinct t.tgrelid::regclass::text as name
  from pg_catalog.pg_trigger t
  join pg_catalog.pg_proc p on p.oid = t.tgfoid
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join pg_catalog.pg_class c on c.oid = t.tgrelid
  where n.nspname = 'walhook' and not t.tgisinternal and t.tgparentid = 0 and c.relnamespace <> n.oid
  order by 1`;

const IDENTITIES = { d: 'default', n: 'nothing', f: 'full', i: 'index' } as const;
const MEBIBYTE = 1_048_576;

export interface Names {
  readonly slot: string;
  readonly publication: string;
  /** Schemas that are never watched beside the server's own. */
  readonly ownSchemas: readonly string[];
}

export async function readDatabaseState(client: ClientBase | Pool, names: Names): Promise<DatabaseState> {
  const server = (await client.query<ServerRow>(SERVER, [names.publication])).rows[0];
  const identity = await readIdentity(client);
  return {
    identity,
    role: {
      name: server?.role ?? '',
      isSuperuser: server?.superuser ?? false,
      mayReplicate: server?.replication ?? false,
      mayCreate: server?.may_create ?? false,
    },
    walLevel: server?.wal_level ?? '',
    walLimitBytes: Number(server?.wal_limit_mb ?? -1) < 0 ? null : Number(server?.wal_limit_mb) * MEBIBYTE,
    freeSlots: server?.free_slots ?? 0,
    freeSenders: server?.free_senders ?? 0,
    publication: await readPublication(client, names.publication),
    tables: await readTables(client, names, identity.versionNumber),
    isInRecovery: server?.in_recovery ?? false,
    hasSchema: server?.has_schema ?? false,
    hasHelpers: server?.has_helpers ?? false,
    webhookRows: server?.webhook_rows ?? 'missing',
    installation: await readInstallation(client, names.slot),
    slot: await readSlot(client, names.slot),
    tracked: (await client.query<{ name: string }>(TRACKED)).rows.map((row) => row.name),
  };
}

async function readPublication(client: ClientBase | Pool, name: string): Promise<PublicationState | null> {
  const { rows } = await client.query<{
    all_tables: boolean;
    via_root: boolean;
    generated: boolean;
    unpublished: string[];
  }>(PUBLICATION, [name]);
  const row = rows[0];
  return row === undefined
    ? null
    : {
        isAllTables: row.all_tables,
        viaRoot: row.via_root,
        unpublished: row.unpublished,
        publishesGenerated: row.generated,
      };
}

/** Tables that could be watched, with what PostgreSQL sends of them. */
export async function readTables(
  client: ClientBase | Pool,
  names: Names,
  version: number,
): Promise<TableState[]> {
  const { rows } = await client.query<{
    schema: string;
    name: string;
    kind: 'r' | 'p';
    has_key: boolean;
    identity: keyof typeof IDENTITIES;
    identity_columns: string[];
    is_owned: boolean;
    is_readable: boolean;
    is_published: boolean;
    generated: 'stored' | 'virtual' | null;
  }>(tablesSql(version), [names.publication, [...names.ownSchemas, 'information_schema']]);
  const lists =
    version < 150_000
      ? []
      : (
          await client.query<{ schema: string; name: string; columns: string[] }>(COLUMN_LISTS, [
            names.publication,
          ])
        ).rows;
  return rows.map((row) => ({
    schema: row.schema,
    name: row.name,
    kind: row.kind,
    hasPrimaryKey: row.has_key,
    identity: IDENTITIES[row.identity],
    identityColumns: row.identity_columns,
    isOwned: row.is_owned,
    isReadable: row.is_readable,
    isPublished: row.is_published,
    generated: row.generated,
    publishedColumns:
      lists.find((list) => list.schema === row.schema && list.name === row.name)?.columns ?? null,
  }));
}
