/**
 * Who hosts the server, and what a remedy looks like there: where superuser rights are not to be had, ALTER
 * SYSTEM is no help. Pure but for the reading.
 */
import type { ClientBase, Pool } from 'pg';
import { ident } from './names.ts';

export type Provider = 'self' | 'rds' | 'aurora' | 'cloudsql' | 'azure' | 'supabase' | 'neon';

/** Told by settings and roles that only they have. */
const DETECT = `
  select case
    when to_regprocedure('pg_catalog.aurora_version()') is not null or to_regprocedure('aurora_version()') is not null then 'aurora'
    when exists (select from pg_catalog.pg_settings where name like 'rds.%') then 'rds'
    when exists (select from pg_catalog.pg_roles where rolname = 'neon_superuser') then 'neon'
    when exists (select from pg_catalog.pg_roles where rolname = 'supabase_admin') then 'supabase'
    when exists (select from pg_catalog.pg_roles where rolname = 'cloudsqlsuperuser') then 'cloudsql'
    when exists (select from pg_catalog.pg_roles where rolname = 'azure_pg_admin') then 'azure'
    else 'self' end as provider`;

export async function readProvider(client: ClientBase | Pool): Promise<Provider> {
  const { rows } = await client.query<{ provider: Provider }>(DETECT);
  return rows[0]?.provider ?? 'self';
}

/** How wal_level becomes logical. */
export function walLevelRemedy(provider: Provider): string {
  switch (provider) {
    case 'rds':
      return 'set rds.logical_replication = 1 in the parameter group of the instance, then reboot it';
    case 'aurora':
      return 'set rds.logical_replication = 1 in the cluster parameter group, then reboot the writer';
    case 'cloudsql':
      return 'gcloud sql instances patch INSTANCE --database-flags=cloudsql.logical_decoding=on # restarts it';
    case 'azure':
      return 'az postgres flexible-server parameter set --name wal_level --value logical …, then restart the server';
    case 'neon':
      return 'enable logical replication in the settings of the project; it cannot be switched off again';
    case 'supabase':
      return 'wal_level is logical on Supabase: check that postgres.url leads to the project’s database itself';
    case 'self':
      return 'ALTER SYSTEM SET wal_level = logical; -- as superuser, then restart the server';
  }
}

/** How a role may use replication. */
export function replicationRemedy(provider: Provider, role: string): string {
  switch (provider) {
    case 'rds':
    case 'aurora':
      return `GRANT rds_replication TO ${ident(role)}; -- as the master user`;
    case 'cloudsql':
      return `ALTER USER ${ident(role)} WITH REPLICATION; -- as a member of cloudsqlsuperuser`;
    case 'azure':
      return `ALTER ROLE ${ident(role)} WITH REPLICATION; -- as the server's admin`;
    case 'supabase':
      return 'use the role postgres in postgres.replication_url: REPLICATION cannot be granted to others on Supabase';
    case 'neon':
      return 'use a role made in the Neon console or with its API: those may use replication';
    case 'self':
      return `ALTER ROLE ${ident(role)} REPLICATION; -- as superuser`;
  }
}

/** How the WAL that a slot keeps is bounded. */
export function walLimitRemedy(provider: Provider): string {
  switch (provider) {
    case 'rds':
      return 'set max_slot_wal_keep_size (in MB) in the parameter group of the instance, and postgres.wal_budget';
    case 'aurora':
      return 'set postgres.wal_budget: Aurora keeps WAL in its own storage, and bills for it';
    case 'cloudsql':
      return 'gcloud sql instances patch INSTANCE --database-flags=max_slot_wal_keep_size=10240';
    case 'azure':
      return 'az postgres flexible-server parameter set --name max_slot_wal_keep_size --value 10240 …';
    case 'supabase':
    case 'neon':
      return 'set postgres.wal_budget, and watch the size of the project: its own limit is not ours to set';
    case 'self':
      return "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf(); -- as superuser";
  }
}

/** Hosts that are poolers, by the names that their providers give them; they speak no replication. */
export function isPoolerHost(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { hostname, port } = new URL(url);
  return (
    /(^|[.-])pooler[.-]/.test(hostname) || /-pooler\./.test(hostname) || port === '6543' || port === '6432'
  );
}

/** What a provider does that a person should know before relying on a slot there. */
export function providerNote(provider: Provider): string | null {
  switch (provider) {
    case 'rds':
      return 'RDS writes WAL every few minutes on an idle database too, and a blue/green deployment or major upgrade wants the slot dropped: drain walhook first';
    case 'aurora':
      return 'a major upgrade of Aurora wants the slot dropped: drain walhook first';
    case 'azure':
      return 'before PostgreSQL 17 a failover of Azure Flexible Server may lose the slot: check after each';
    case 'neon':
      return 'a connected walhook keeps a Neon compute from suspending, and a slot that is not read for long is removed there';
    case 'supabase':
      return 'Supabase grows a small disk by itself when WAL is kept: set postgres.wal_budget';
    case 'cloudsql':
    case 'self':
      return null;
  }
}
