/** The inverse of setup: what would be lost, and what is dropped. */
import type { Client } from 'pg';
import type { QueueStore } from '../queue/store.ts';
import { planIdentityRestore } from './identities.ts';
import { ident, literal } from './names.ts';
import { PUBLICATION_COMMENT } from './plan.ts';
import type { DatabaseState } from './state.ts';

export interface TeardownPlan {
  /** What would be lost, a sentence each. Empty where nothing would be. */
  readonly losses: readonly string[];
  readonly statements: readonly string[];
  readonly notes: readonly string[];
}

export interface TeardownNames {
  readonly slot: string;
  readonly publication: string;
}

/** Reads what is at stake and decides what is dropped. */
export async function planTeardown(
  client: Client,
  store: QueueStore | null,
  state: DatabaseState,
  names: TeardownNames,
): Promise<TeardownPlan> {
  const losses: string[] = [];
  const notes: string[] = [];
  const statements: string[] = [];
  const waiting = await countWaiting(store);
  if (waiting > 0) losses.push(`${waiting} Deliveries that wait in the queue`);
  if (state.slot.walStatus !== 'missing') {
    if (await hasUndelivered(client, state, names)) {
      losses.push(`Changes in ${state.slot.lagBytes} bytes of WAL that have not been read`);
    }
    statements.push(`select pg_drop_replication_slot(${literal(names.slot)});`);
  }
  const others = await otherSlots(client, names.slot);
  if (others.length > 0) {
    notes.push(
      `publication, helpers and tracked tables stay, for the slot ${others.join(', ')} is bound too`,
    );
    statements.push(`delete from walhook.installation where slot = ${literal(names.slot)};`);
    return { losses, statements, notes };
  }
  if (state.publication !== null) {
    if (await isOurs(client, names.publication))
      statements.push(`drop publication ${ident(names.publication)};`);
    else notes.push(`the publication ${names.publication} was not made by setup and stays`);
  }
  for (const table of state.tracked) statements.push(`select walhook.untrack(${literal(table)});`);
  if (state.tracked.length > 0) {
    notes.push('the columns that walhook.track added stay, for they hold data');
  }
  statements.push(...(await planIdentityRestore(client)));
  if (state.hasSchema) statements.push('drop schema walhook cascade;');
  if (state.hasSchema && (await isEditorOurs(client))) statements.push(DROP_EDITOR);
  return { losses, statements, notes };
}

/** The role belongs to the whole server: it stays where another database uses it. */
const DROP_EDITOR = `do $body$
begin
  drop role walhook_editor;
exception when dependent_objects_still_exist or insufficient_privilege or undefined_object then null;
end
$body$;`;

async function isEditorOurs(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ ours: boolean }>(
    `select shobj_description(oid, 'pg_authid') = $1 as ours from pg_catalog.pg_roles where rolname = 'walhook_editor'`,
    [PUBLICATION_COMMENT],
  );
  return rows[0]?.ours === true;
}

async function countWaiting(store: QueueStore | null): Promise<number> {
  if (store === null || (await store.state()) === null) return 0;
  let waiting = 0;
  for (const counts of (await store.counts()).values())
    waiting += counts.waiting + counts.delayed + counts.active;
  return waiting;
}

/** Looks for one Change past the confirmed position, without consuming it. */
async function hasUndelivered(client: Client, state: DatabaseState, names: TeardownNames): Promise<boolean> {
  if (state.publication === null || state.slot.walStatus === 'lost') return false;
  // wal2json knows no publication: whatever is left may be a Change of a published table.
  if (state.slot.plugin === 'wal2json') return hasLines(client, names);
  if (state.slot.plugin !== 'pgoutput') return false;
  const { rows } = await client.query(
    `select from pg_logical_slot_peek_binary_changes($1, null, 1, 'proto_version', '1', 'publication_names', $2) limit 1`,
    [names.slot, `"${names.publication}"`],
  );
  return rows.length > 0;
}

/** Slots of this database that are bound to queues of their own, and use the same helpers. */
async function otherSlots(client: Client, slot: string): Promise<string[]> {
  const { rows: found } = await client.query<{ there: boolean }>(
    "select to_regclass('walhook.installation') is not null as there",
  );
  if (found[0]?.there !== true) return [];
  const { rows } = await client.query<{ slot: string }>(
    'select slot from walhook.installation where slot <> $1 order by slot',
    [slot],
  );
  return rows.map((row) => row.slot);
}

async function hasLines(client: Client, { slot }: TeardownNames): Promise<boolean> {
  const { rows } = await client.query(
    `select from pg_logical_slot_peek_changes($1, null, null, 'format-version', '2', 'include-transaction', '0') limit 1`,
    [slot],
  );
  return rows.length > 0;
}

async function isOurs(client: Client, publication: string): Promise<boolean> {
  const { rows } = await client.query<{ ours: boolean }>(
    `select obj_description(oid, 'pg_publication') = $2 as ours from pg_catalog.pg_publication where pubname = $1`,
    [publication, PUBLICATION_COMMENT],
  );
  return rows[0]?.ours === true;
}
