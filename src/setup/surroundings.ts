/** What else is there around the slot: other slots, publications, subscriptions, clocks, poolers. Reads only. */
import type { ClientBase } from 'pg';
import { causeCode, toWalhookError } from '../core/errors.ts';
import { connect, type PostgresTarget } from '../database/connect.ts';
import { type Provider, readProvider } from './provider.ts';
import type { Names } from './state.ts';

export interface OtherSlot {
  readonly name: string;
  readonly isActive: boolean;
  readonly retainedBytes: number;
}

export interface Surroundings {
  readonly provider: Provider;
  /** Slots of this server but ours. */
  readonly otherSlots: readonly OtherSlot[];
  /** `publication: schema.table` of other publications, for tables of ours. */
  readonly sharedTables: readonly { readonly publication: string; readonly table: string }[];
  readonly subscriptions: readonly string[];
  /** Server time minus ours; null where the answer took too long to tell. */
  readonly clockSkewMs: number | null;
  readonly replication: ReplicationTrial;
}

/** What became of a replication connection that was opened and closed again. */
export interface ReplicationTrial {
  readonly systemIdentifier: string | null;
  /** null where it worked. */
  readonly error: string | null;
  readonly code: string | null;
}

const SLOTS = `
  select slot_name as name, active,
    greatest(0, coalesce((case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end) - restart_lsn, 0))::text as retained
  from pg_catalog.pg_replication_slots where slot_name <> $1 and not temporary order by 1`;

const SHARED = `
  select other.pubname as publication, other.schemaname || '.' || other.tablename as table
  from pg_catalog.pg_publication_tables other
  join pg_catalog.pg_publication_tables ours
    on ours.pubname = $1 and ours.schemaname = other.schemaname and ours.tablename = other.tablename
  where other.pubname <> $1 order by 1, 2 limit 200`;

/** Longer round trips say too little about a clock. */
const MAX_ROUND_TRIP_MS = 1_000;

export async function readSurroundings(
  client: ClientBase,
  names: Pick<Names, 'slot' | 'publication'>,
  replication: PostgresTarget,
  now: () => number,
): Promise<Surroundings> {
  const slots = await client.query<{ name: string; active: boolean; retained: string }>(SLOTS, [names.slot]);
  const shared = await client.query<{ publication: string; table: string }>(SHARED, [names.publication]);
  const subscriptions = await client.query<{ name: string }>(
    'select subname as name from pg_catalog.pg_stat_subscription where subname is not null group by 1 order by 1',
  );
  return {
    provider: await readProvider(client),
    otherSlots: slots.rows.map((row) => ({
      name: row.name,
      isActive: row.active,
      retainedBytes: Number(row.retained),
    })),
    sharedTables: shared.rows,
    subscriptions: subscriptions.rows.map((row) => row.name),
    clockSkewMs: await readSkew(client, now),
    replication: await tryReplication(replication),
  };
}

async function readSkew(client: ClientBase, now: () => number): Promise<number | null> {
  const before = now();
  const { rows } = await client.query<{ ms: number }>(
    'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
  );
  const after = now();
  if (after - before > MAX_ROUND_TRIP_MS) return null;
  return Math.round((rows[0]?.ms ?? 0) - (before + after) / 2);
}

/** Poolers refuse it, pg_hba.conf may, and replication_url may lead elsewhere: only trying tells. */
async function tryReplication(target: PostgresTarget): Promise<ReplicationTrial> {
  try {
    const client = await connect(target, { replication: 'database' } as object);
    try {
      const { rows } = await client.query<{ systemid: string }>('IDENTIFY_SYSTEM');
      return { systemIdentifier: rows[0]?.systemid ?? null, error: null, code: null };
    } finally {
      await client.end();
    }
  } catch (error) {
    const known = toWalhookError(error);
    return { systemIdentifier: null, error: known.message, code: causeCode(known.cause) };
  }
}
