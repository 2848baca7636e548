/** How the store speaks to PostgreSQL: two pools, repeats where another transaction won, and errors with a code. */
import type { Pool, QueryResultRow } from 'pg';
import { causeCode, WalhookError } from '../../core/errors.ts';
import { connect, openPool, type PostgresTarget } from '../../database/connect.ts';

/** Connections of one process: two for capture and commands, four for deliver; another one listens. */
const DURABLE_CONNECTIONS = 2;
const FAST_CONNECTIONS = 4;
/**
 * How long an answer may take. A server that is cut off without a word would hold its caller for hours, and with
 * it the heartbeat of this process: after this it is taken for gone. Nothing is lost by a statement that was
 * done all the same: a flush is recognised by its position, and what else was taken is given back.
 */
export const ANSWER_TIMEOUT_MS = 10_000;
/**
 * The server ends a statement of deliver's before it is given up here: one that went on waiting for a lock could take
 * jobs after their owner was asked what it knows of, and nobody would ever send them.
 */
const STATEMENT_TIMEOUT_MS = 9_000;
/** The durable connections sweep and upgrade too. */
const DURABLE_ANSWER_TIMEOUT_MS = 30_000;
/** 40P01 deadlock, 40001 serialization: the statement changed nothing and may be repeated. */
const REPEATABLE = new Set(['40P01', '40001']);
const MAX_REPEATS = 5;
const UNDEFINED_TABLE = '42P01';
const INVALID_SCHEMA = '3F000';

export class PostgresCall {
  readonly #durable: Pool;
  readonly #fast: Pool;

  private constructor(durable: Pool, fast: Pool) {
    this.#durable = durable;
    this.#fast = fast;
  }

  /** Connects once, to report what is wrong. Throws QUEUE_UNREACHABLE. */
  static async open(target: PostgresTarget): Promise<PostgresCall> {
    await (await connect(target)).end();
    const durable = await openPool(target, DURABLE_CONNECTIONS, {
      query_timeout: DURABLE_ANSWER_TIMEOUT_MS,
    });
    const fast = await openPool(target, FAST_CONNECTIONS, {
      options: `-c synchronous_commit=off -c statement_timeout=${STATEMENT_TIMEOUT_MS}`,
      query_timeout: ANSWER_TIMEOUT_MS,
    });
    return new PostgresCall(durable, fast);
  }

  /**
   * What must survive a crash of the server: the answer comes when it is on the disk.
   *
   * @param name under which the connection keeps the statement prepared
   *
   * Throws QUEUE_UNREACHABLE; UNEXPECTED where the server refuses the statement.
   */
  async durable<Row extends QueryResultRow>(text: string, values?: unknown[], name?: string): Promise<Row[]> {
    return await query<Row>(this.#durable, text, values, name);
  }

  /** What may be lost in a crash of the server, and is then done again. Otherwise as {@link durable}. */
  async fast<Row extends QueryResultRow>(text: string, values?: unknown[], name?: string): Promise<Row[]> {
    return await query<Row>(this.#fast, text, values, name);
  }

  async close(): Promise<void> {
    await Promise.all([this.#durable.end(), this.#fast.end()]);
  }
}

async function query<Row extends QueryResultRow>(
  pool: Pool,
  text: string,
  values?: unknown[],
  name?: string,
): Promise<Row[]> {
  for (let tries = 1; ; tries += 1) {
    try {
      const query = { text, ...(values ? { values } : {}), ...(name ? { name } : {}) };
      return (await pool.query<Row>(query)).rows;
    } catch (error) {
      if (tries >= MAX_REPEATS || !REPEATABLE.has(causeCode(error) ?? '')) throw translated(error);
    }
  }
}

/** Whether a statement was refused because setup has not made the store's objects. */
export function isNotSetUp(error: unknown): boolean {
  const state = causeCode(error instanceof WalhookError ? error.cause : error);
  return state === UNDEFINED_TABLE || state === INVALID_SCHEMA;
}

/**
 * SQLSTATEs that say something of the server at present and nothing of the statement: it is going away, has no room
 * for us, let another win, or may only be read (a standby, a failover under way).
 */
const UNAVAILABLE = /^(08|40|53|57|58)|^25006$|^55P03$/;

export function translated(error: unknown): unknown {
  const code = causeCode(error);
  const isSqlState = code !== null && /^[0-9A-Z]{5}$/.test(code);
  if (isSqlState && !UNAVAILABLE.test(code)) {
    return new WalhookError('UNEXPECTED', `the queue's PostgreSQL refused a statement (${code})`, {
      cause: error,
    });
  }
  return new WalhookError(
    'QUEUE_UNREACHABLE',
    `the queue's PostgreSQL ${isSqlState ? 'cannot serve at present' : 'did not answer'} (${code ?? 'closed'})`,
    {
      cause: error,
    },
  );
}
