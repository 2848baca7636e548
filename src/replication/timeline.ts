/**
 * Timelines: which line of history a server's WAL belongs to. A promoted standby starts a new one, and so does
 * a restored backup. A position stays meaningful on the new timeline only where it lies before the fork.
 *
 * https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES
 */
import type { ClientBase, Pool } from 'pg';
import { type Lsn, parseLsn } from '../core/lsn.ts';
import { connect, type PostgresTarget } from '../database/connect.ts';

export interface ServerPosition {
  readonly timeline: number;
  /** End of the WAL: nothing after it has been written. */
  readonly currentLsn: Lsn;
}

/** A standby's control file may lag behind its replay; a primary's file names never do. */
export async function readServerPosition(client: ClientBase | Pool): Promise<ServerPosition> {
  const { rows } = await client.query<{ timeline: string; lsn: string }>(`
    select case when pg_is_in_recovery()
        then (select timeline_id::text from pg_catalog.pg_control_checkpoint())
        else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int::text end as timeline,
      (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text as lsn`);
  return { timeline: Number(rows[0]?.timeline ?? 0), currentLsn: parseLsn(rows[0]?.lsn ?? '0/0') };
}

/**
 * Where history left a timeline, from the text of the present timeline's history file: lines of parent, the
 * position of the fork, and why. null where the timeline is no ancestor.
 */
export function forkFrom(history: string, timeline: number): Lsn | null {
  for (const line of history.split('\n')) {
    const match = /^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/.exec(line);
    if (match !== null && Number(match[1]) === timeline) return parseLsn(match[2] ?? '');
  }
  return null;
}

/** The history file of a timeline, over a replication connection of its own. */
export async function readHistory(target: PostgresTarget, timeline: number): Promise<string> {
  const client = await connect(target, { replication: 'database' } as object);
  try {
    const { rows } = await client.query<{ content: Buffer | string }>(`TIMELINE_HISTORY ${timeline}`);
    const content = rows[0]?.content ?? '';
    return typeof content === 'string' ? content : content.toString('utf8');
  } finally {
    await client.end();
  }
}
