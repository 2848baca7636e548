/**
 * The binding of one slot, one queue and one environment: what `setup` records in the watched database and
 * what `run` compares before it opens the slot.
 */
import { randomBytes } from 'node:crypto';
import type { ClientBase, Pool } from 'pg';
import { causeCode, WalhookError } from '../core/errors.ts';
import type { Installation, StoreState } from '../queue/store.ts';

/** Version of the helper schema in sql/; stands in the comment on the schema too. */
export const SCHEMA_VERSION = 2;

/** For a store that is empty where the database says it should not be. */
export const LOST_QUEUE_REMEDY =
  'check queue.url and queue.prefix; if that queue is gone for good: walhook setup --accept-gap, which says what is missed';

/** What the watched server says of itself. */
export interface ServerIdentity {
  readonly systemIdentifier: string;
  readonly database: string;
  readonly versionNumber: number;
}

/** The row of `walhook.installation`; null without one, or without the helper schema. */
export async function readInstallation(
  client: ClientBase | Pool,
  slot: string,
): Promise<Installation | null> {
  try {
    const { rows } = await client.query<{
      queue_id: string;
      generation: string;
      environment: string;
      system_identifier: string;
      database: string;
      slot: string;
    }>(
      'select queue_id, generation, environment, system_identifier, database, slot from walhook.installation where slot = $1',
      [slot],
    );
    const row = rows[0];
    return row === undefined
      ? null
      : {
          queueId: row.queue_id,
          generation: row.generation,
          environment: row.environment,
          systemIdentifier: row.system_identifier,
          database: row.database,
          slot: row.slot,
        };
  } catch (error) {
    // 42P01 no such table, 3F000 no such schema: setup --no-schema.
    if (['42P01', '3F000'].includes(causeCode(error) ?? '')) return null;
    throw error;
  }
}

export async function readIdentity(client: ClientBase | Pool): Promise<ServerIdentity> {
  const { rows } = await client.query<{ system: string; database: string; version: string }>(
    `select (select system_identifier::text from pg_catalog.pg_control_system()) as system,
       current_database() as database, current_setting('server_version_num') as version`,
  );
  return {
    systemIdentifier: rows[0]?.system ?? '',
    database: rows[0]?.database ?? '',
    versionNumber: Number(rows[0]?.version),
  };
}

/** A new binding, for `setup`. */
export function newInstallation(identity: ServerIdentity, environment: string, slot: string): Installation {
  return {
    queueId: randomBytes(8).toString('hex'),
    generation: randomBytes(4).toString('hex'),
    environment,
    systemIdentifier: identity.systemIdentifier,
    database: identity.database,
    slot,
  };
}

export interface Binding {
  /** Of the queue's store; null where setup has not been run on it. */
  readonly store: StoreState | null;
  /** What stood in the store when this process last looked; absent: it has not looked before. */
  readonly before?: Installation | null;
  /** Of the watched database; null where the helper schema is not there. */
  readonly recorded: Installation | null;
  readonly identity: ServerIdentity;
  readonly environment: string;
  readonly slot: string;
}

/** Compares everything with everything. Throws QUEUE_LOST, QUEUE_NOT_SET_UP, NOT_MY_QUEUE or NOT_MY_DATABASE. */
export function checkBinding({
  store,
  before = null,
  recorded,
  identity,
  environment,
  slot,
}: Binding): Installation {
  if (store === null && before !== null) {
    throw new WalhookError(
      'QUEUE_LOST',
      `expected the queue ${before.queueId} that was in the store a moment ago, found a store that holds nothing of walhook: its jobs and its position are lost`,
      { remedy: LOST_QUEUE_REMEDY },
    );
  }
  if (store === null && recorded !== null) {
    throw new WalhookError(
      'NOT_MY_QUEUE',
      `expected the queue ${recorded.queueId} that this database is bound to, found a store that holds nothing of walhook: it is another one, or its jobs and its position are lost`,
      { remedy: LOST_QUEUE_REMEDY },
    );
  }
  if (store === null) {
    throw new WalhookError(
      'QUEUE_NOT_SET_UP',
      "expected the queue's store to be bound to a slot, found nothing of walhook in it",
    );
  }
  const bound = store.installation;
  const compare = (
    code: 'NOT_MY_QUEUE' | 'NOT_MY_DATABASE',
    what: string,
    expected: string,
    found: string,
  ) => {
    if (expected !== found) throw new WalhookError(code, `expected ${what} ${expected}, found ${found}`);
  };
  compare('NOT_MY_QUEUE', 'a queue of the environment', environment, bound.environment);
  compare('NOT_MY_QUEUE', 'a queue of the slot', slot, bound.slot);
  compare('NOT_MY_QUEUE', 'a queue of the database', identity.database, bound.database);
  compare('NOT_MY_QUEUE', 'a queue of the system', identity.systemIdentifier, bound.systemIdentifier);
  if (recorded !== null) {
    compare('NOT_MY_DATABASE', 'a database of the environment', environment, recorded.environment);
    compare('NOT_MY_DATABASE', 'a record of the database', identity.database, recorded.database);
    compare(
      'NOT_MY_DATABASE',
      'a record of the system',
      identity.systemIdentifier,
      recorded.systemIdentifier,
    );
    compare('NOT_MY_DATABASE', 'a database of the queue', bound.queueId, recorded.queueId);
    compare('NOT_MY_DATABASE', 'a database of the generation', bound.generation, recorded.generation);
  }
  return bound;
}
