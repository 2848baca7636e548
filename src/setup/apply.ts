/**
 * Runs what was planned: the publication and the helper schema in one transaction that takes locks only
 * briefly and proves, before it commits, that the application's writes still work; then the slot; then the
 * binding of database and queue.
 */
import type { Client } from 'pg';
import { causeCode, WalhookError } from '../core/errors.ts';
import { type Lsn, parseLsn } from '../core/lsn.ts';
import { formatPosition } from '../enqueue/position.ts';
import type { Installation, QueueStore } from '../queue/store.ts';
import { newInstallation } from './installation.ts';
import { qualified } from './names.ts';
import type { SetupPlan } from './plan.ts';
import { recordInstallation } from './rebind.ts';
import type { DatabaseState, TableState } from './state.ts';

const LOCK_TIMEOUT = '2s';
const LOCK_NOT_AVAILABLE = '55P03';

/** Runs the publication and schema sections. Throws SETUP_PRIVILEGE or SETUP_UNSAFE; then nothing is changed. */
export async function applySections(client: Client, plan: SetupPlan, state: DatabaseState): Promise<void> {
  const sections = plan.sections.filter(
    (section) => section.name !== 'slot' && section.statements.length > 0,
  );
  if (sections.length === 0) return;
  const before = await refusedWrites(client, state.tables);
  await client.query('begin');
  try {
    await client.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`);
    for (const section of sections) {
      for (const statement of section.statements) {
        await client.query(statement).catch((error: unknown) => {
          throw refusal(error, `the section ${section.name}`, section.needs);
        });
      }
    }
    const after = await refusedWrites(client, state.tables);
    const broken = [...after].filter(([write]) => !before.has(write));
    if (broken.length > 0) {
      const [write, reason] = broken[0] ?? ['', ''];
      throw new WalhookError('SETUP_UNSAFE', `expected ${write} to go on working, found: ${reason}`);
    }
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

/**
 * UPDATEs and DELETEs that fail, by table, with the reason. EXPLAIN goes as far as PostgreSQL's own check of
 * publication and replica identity and touches no row. Throws where a table is locked for longer than we wait.
 */
async function refusedWrites(client: Client, tables: readonly TableState[]): Promise<Map<string, string>> {
  const refused = new Map<string, string>();
  const isOwnTransaction = await client
    .query<{ open: boolean }>('select pg_current_xact_id_if_assigned() is not null as open')
    .then(({ rows }) => rows[0]?.open === true);
  if (isOwnTransaction) {
    await proveWrites(client, tables, refused);
    return refused;
  }
  await client.query('begin');
  try {
    await client.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`);
    await proveWrites(client, tables, refused);
  } finally {
    await client.query('rollback');
  }
  return refused;
}

async function proveWrites(
  client: Client,
  tables: readonly TableState[],
  refused: Map<string, string>,
): Promise<void> {
  for (const table of tables.filter((candidate) => candidate.isOwned)) {
    const name = qualified(table);
    const { rows } = await client.query<{ column: string }>(
      `select quote_ident(attname) as column from pg_catalog.pg_attribute
       where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = '' and attidentity <> 'a' limit 1`,
      [name],
    );
    const column = rows[0]?.column;
    // Which of the two is published is another's choice where the publication was there before.
    const writes = column === undefined ? [] : [`update ${name} set ${column} = ${column}`];
    for (const write of [...writes, `delete from ${name}`]) {
      await client.query('savepoint walhook_proof');
      try {
        await client.query(`explain ${write}`);
      } catch (error) {
        if (causeCode(error) === LOCK_NOT_AVAILABLE) throw refusal(error, `the proof of ${name}`, '');
        const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : '';
        refused.set(`${write.startsWith('update') ? 'UPDATE' : 'DELETE'} on ${name}`, reason);
      }
      await client.query('rollback to savepoint walhook_proof');
    }
  }
}

/**
 * Creates the slot and returns where it starts. Waits for every transaction that has written; throws
 * SLOT_TIMEOUT with their names when that takes too long.
 */
export async function createSlot(client: Client, statement: string, timeoutMs: number): Promise<Lsn> {
  await client.query(`set statement_timeout = ${Math.max(1, Math.floor(timeoutMs))}`);
  try {
    const { rows } = await client.query<Record<string, string>>(
      statement.replace(/^select (.*);$/, 'select lsn::text from $1'),
    );
    return parseLsn(rows[0]?.['lsn'] ?? '');
  } catch (error) {
    if (causeCode(error) === '57014') throw await slotTimeout(client, timeoutMs);
    throw refusal(error, 'the section slot', 'a role with REPLICATION');
  } finally {
    await client.query('reset statement_timeout').catch(() => undefined);
  }
}

async function slotTimeout(client: Client, timeoutMs: number): Promise<WalhookError> {
  const { rows } = await client.query<{
    pid: number;
    usename: string | null;
    application_name: string;
    age: string;
  }>(
    `select pid, usename, application_name, date_trunc('second', clock_timestamp() - xact_start)::text as age
     from pg_catalog.pg_stat_activity
     where backend_xid is not null and pid <> pg_backend_pid() order by xact_start limit 5`,
  );
  const waiting = rows.map(
    (row) =>
      `pid ${row.pid} (${row.usename ?? 'unknown'}, ${row.application_name || 'no application name'}, open for ${row.age})`,
  );
  const found = waiting.length === 0 ? 'a prepared or just ended one' : waiting.join(', ');
  return new WalhookError(
    'SLOT_TIMEOUT',
    `expected every writing transaction to end within ${Math.round(timeoutMs / 1_000)} s, found still open: ${found}`,
  );
}

/** SQLSTATEs of missing rights and of locks that were not to be had. */
function refusal(error: unknown, what: string, needs: string): unknown {
  const text = error instanceof Error ? error.message.split('\n')[0] : '';
  switch (causeCode(error)) {
    case '42501':
      return new WalhookError('SETUP_PRIVILEGE', `${what} needs ${needs}, found: ${text}`, { cause: error });
    case LOCK_NOT_AVAILABLE:
      return new WalhookError(
        'SETUP_PRIVILEGE',
        `${what} waited ${LOCK_TIMEOUT} for a lock and gave up: ${text}`,
        {
          cause: error,
          remedy: 'run walhook setup again when the table is less busy',
        },
      );
    case '53400':
      return new WalhookError('SLOT_FOREIGN', `${what}: ${text}`, {
        cause: error,
        remedy: 'raise max_replication_slots and restart the server, or drop a slot nothing uses',
      });
    case '55000':
      return new WalhookError('WAL_LEVEL', `${what}: ${text}`, { cause: error });
    default:
      return error;
  }
}

/**
 * Binds database and queue to one another; a binding that both have is kept. What does not fit was refused before.
 *
 * @param startsAt where the slot starts; nothing before it is owed
 */
export async function bind(
  client: Client,
  store: QueueStore,
  state: DatabaseState,
  names: { readonly slot: string; readonly environment: string },
  startsAt: Lsn,
): Promise<Installation> {
  const bound = (await store.state())?.installation ?? null;
  const installation = bound ?? newInstallation(state.identity, names.environment, names.slot);
  // A store that is bound keeps its position; what this version adds to it is made.
  await store.initialise(installation, formatPosition({ lsn: startsAt, index: 0 }));
  if (state.installation === null) await recordInstallation(client, installation);
  return installation;
}
