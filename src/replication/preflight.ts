/**
 * What has to hold on the server before a slot is opened, asked on the connection that will stream.
 *
 * The server itself answers some of it too late or not at all: since 18 a publication that is missing is a
 * warning in its log, after which it sends nothing and moves on; and one SQLSTATE, 55000, stands for a slot of
 * another database, a physical one and one whose WAL is gone.
 */
import type { Client } from 'pg';
import { WalhookError } from '../core/errors.ts';
import { LSN_ZERO, type Lsn, parseLsn } from '../core/lsn.ts';
import type { Plugin } from '../core/plugins.ts';

export interface SourceNames {
  readonly slot: string;
  /** Default pgoutput. */
  readonly plugin?: Plugin;
  readonly publication: string;
}

/** What the server says of slot and publication; null for what is not there. */
export interface SourceState {
  readonly database: string;
  readonly slot: {
    /** null for a physical slot. */
    readonly database: string | null;
    readonly plugin: string | null;
    readonly isLost: boolean;
  } | null;
  /** Its oid: one that is dropped and made again is another. */
  readonly publication: string | null;
  /** Everything the server may send ends at or before this. */
  readonly walEnd: Lsn;
}

/** Asks on a replication connection, which knows no parameters. */
export async function readSource(client: Client, { slot, publication }: SourceNames): Promise<SourceState> {
  const { rows } = await client.query<{
    database: string;
    has_slot: boolean;
    slot_database: string | null;
    plugin: string | null;
    wal_status: string | null;
    publication: string | null;
    wal_end: string | null;
  }>(
    `select current_database() as database, s.slot_name is not null as has_slot, s.database as slot_database,
       s.plugin, s.wal_status,
       (select p.oid::text from pg_catalog.pg_publication p where p.pubname = ${client.escapeLiteral(publication)})
         as publication,
       case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
         else pg_catalog.pg_current_wal_flush_lsn() end::text as wal_end
     from (values (1)) as one
     left join pg_catalog.pg_replication_slots s on s.slot_name = ${client.escapeLiteral(slot)}`,
  );
  const row = rows[0];
  return {
    database: row?.database ?? '',
    slot:
      row?.has_slot === true
        ? { database: row.slot_database, plugin: row.plugin, isLost: row.wal_status === 'lost' }
        : null,
    publication: row?.publication ?? null,
    walEnd: row?.wal_end ? parseLsn(row.wal_end) : LSN_ZERO,
  };
}

/** Returns the publication's oid. Throws SLOT_MISSING, SLOT_FOREIGN, SLOT_LOST or PUBLICATION_MISSING. */
export function requireSource(state: SourceState, names: SourceNames): string {
  const { slot, publication, plugin = 'pgoutput' } = names;
  if (state.slot === null) {
    throw new WalhookError('SLOT_MISSING', `expected the slot ${slot}, found none of that name`);
  }
  if (state.slot.database !== state.database) {
    throw new WalhookError(
      'SLOT_FOREIGN',
      `expected ${slot} to be a slot of the database ${state.database}, found ${state.slot.database === null ? 'a physical one' : `one of ${state.slot.database}`}`,
    );
  }
  if (state.slot.plugin !== plugin) {
    throw new WalhookError(
      'SLOT_FOREIGN',
      `expected ${slot} to be a slot of ${plugin}, found one of ${state.slot.plugin}`,
      { remedy: `set postgres.plugin: ${state.slot.plugin}, or choose another postgres.slot` },
    );
  }
  if (state.slot.isLost) {
    throw new WalhookError('SLOT_LOST', `expected the slot ${slot} to hold its WAL, found it invalidated`);
  }
  if (state.publication === null) {
    throw new WalhookError(
      'PUBLICATION_MISSING',
      `expected the publication ${publication} in ${state.database}, found none of that name`,
    );
  }
  return state.publication;
}
