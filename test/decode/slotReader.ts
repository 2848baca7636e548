/** Reads what a logical slot holds over SQL, as the bytes that a replication connection would carry. */
import type { Client } from 'pg';
import type { TestDatabase } from '../helpers/database.ts';

export interface SlotReader {
  readonly slot: string;
  /** Every message since the last call. */
  read(): Promise<Buffer[]>;
}

/** As the sessions of src/replication/stream.ts pin them. */
const SETTINGS = `
  set timezone = 'UTC'; set datestyle = 'ISO'; set intervalstyle = 'postgres'; set extra_float_digits = 1;
  set bytea_output = 'hex'; set lc_monetary = 'C'`;

/** A publication of all tables and a slot of its own. */
export async function openSlotReader({ client, name }: TestDatabase): Promise<SlotReader> {
  await client.query(SETTINGS);
  await client.query('create publication everything for all tables with (publish_via_partition_root = true)');
  await client.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [name]);
  return { slot: name, read: () => changes(client, name) };
}

async function changes(client: Client, slot: string): Promise<Buffer[]> {
  const { rows } = await client.query<{ data: Buffer }>(
    `select data from pg_logical_slot_get_binary_changes($1, null, null,
       'proto_version', '1', 'publication_names', 'everything', 'messages', 'true')`,
    [slot],
  );
  return rows.map((row) => row.data);
}
