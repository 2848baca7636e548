/**
 * Replica identities, set where a model asks for the row before (`before_image: full`) and setup was told to
 * (`--identities`): only from DEFAULT or NOTHING, partitions too, and remembered so that teardown restores them.
 */
import type { ClientBase } from 'pg';
import { literal, qualified } from './names.ts';
import type { TableState } from './state.ts';

/** A table, or a partition of one, and what it sends of the row before. */
export interface IdentityState {
  readonly schema: string;
  readonly name: string;
  /** Partitioned: holds no rows, but new partitions do not follow it. */
  readonly isRoot: boolean;
  readonly identity: TableState['identity'];
}

const IDENTITIES = { d: 'default', n: 'nothing', f: 'full', i: 'index' } as const;

/** The tables named and all their partitions. */
export async function readIdentityStates(
  client: ClientBase,
  tables: readonly { readonly schema: string; readonly table: string }[],
): Promise<IdentityState[]> {
  const { rows } = await client.query<{
    schema: string;
    name: string;
    kind: string;
    identity: keyof typeof IDENTITIES;
  }>(
    `select n.nspname as schema, c.relname as name, c.relkind as kind, c.relreplident as identity
     from unnest($1::text[], $2::text[]) with ordinality as wanted (schema, name, place)
     join pg_catalog.pg_namespace wn on wn.nspname = wanted.schema
     join pg_catalog.pg_class w on w.relnamespace = wn.oid and w.relname = wanted.name and w.relkind in ('r', 'p')
     cross join lateral (
       select w.oid as relid union select relid from pg_catalog.pg_partition_tree(w.oid)
     ) as part
     join pg_catalog.pg_class c on c.oid = part.relid
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     order by wanted.place, c.relkind desc, 1, 2`,
    [tables.map((one) => one.schema), tables.map((one) => one.table)],
  );
  return rows.map((row) => ({
    schema: row.schema,
    name: row.name,
    isRoot: row.kind === 'p',
    identity: IDENTITIES[row.identity],
  }));
}

/** @param remembers whether the helper schema is there to remember what was before */
export function planIdentities(
  tables: readonly IdentityState[],
  remembers: boolean,
  notes: string[],
): string[] {
  const statements: string[] = [];
  for (const table of tables) {
    const name = qualified(table);
    if (table.identity === 'index') {
      notes.push(`${name} keeps its REPLICA IDENTITY USING INDEX: setup changes only DEFAULT and NOTHING`);
    }
    if (table.identity !== 'default' && table.identity !== 'nothing') continue;
    if (remembers) {
      statements.push(
        `insert into walhook.identity_before (table_name, identity) values (${literal(name)}, ${literal(table.identity)}) on conflict do nothing;`,
      );
    }
    statements.push(`alter table ${name} replica identity full;`);
  }
  return statements;
}

/** Statements that restore what setup changed, where it is still as setup left it. */
export async function planIdentityRestore(client: ClientBase): Promise<string[]> {
  const { rows: there } = await client.query<{ there: boolean }>(
    "select to_regclass('walhook.identity_before') is not null as there",
  );
  if (there[0]?.there !== true) return [];
  const { rows } = await client.query<{ name: string; identity: string }>(
    `select b.table_name as name, b.identity from walhook.identity_before b
     join pg_catalog.pg_class c on c.oid = to_regclass(b.table_name)
     where c.relreplident = 'f' order by 1`,
  );
  return rows.map(
    ({ name, identity }) =>
      `alter table ${name} replica identity ${identity === 'nothing' ? 'nothing' : 'default'};`,
  );
}
