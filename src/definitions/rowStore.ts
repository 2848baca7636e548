/**
 * Webhooks kept as rows, written from here: for the page and the API. Each is held to the rules that the daemon
 * holds it to, and written in one transaction. What is written is in force once it has come through the slot.
 *
 * Every row has a version, which changes with whatever is written of it: who changes a row may say which version
 * they saw, and is refused when somebody else was faster.
 */
import { createHash } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import { causeCode, WalhookError } from '../core/errors.ts';
import { type Json, parseJson, stringifyJson } from '../core/json.ts';
import { ident } from '../setup/names.ts';
import { checkRow, type RowMistake, type RowRules, rowSentence } from './defineRow.ts';
import { ROW_COLUMNS, type WebhookRow } from './webhookRow.ts';

export interface RowStoreOptions {
  /** Of the watched database. Throws POSTGRES_UNREACHABLE or POSTGRES_AUTHENTICATION. */
  readonly pool: () => Promise<Pool>;
  /** Whom to write as, e.g. walhook_editor, where the pool's role is a member of it; else as that role itself. */
  readonly role: string | null;
  /** The rules of the file in force. */
  readonly rules: () => RowRules;
  /** Names that the file's webhooks have. */
  readonly fileNames: () => readonly string[];
}

/** The keys of a webhook that rows may have, with `secret_name`; null or absent: the default. */
export type RowValues = Readonly<Record<string, Json>>;

/** A row as it stands in the table. */
export interface StoredRow extends WebhookRow {
  /** Another one as soon as anything of the row is changed. */
  readonly version: string;
}

/** How a row is changed. */
export interface RowChange {
  /** `replace`: what is absent becomes the default; `merge`: it stays, and null makes it the default. */
  readonly mode: 'replace' | 'merge';
  /** What it must be for this to happen; null: whatever it is. */
  readonly version: string | null;
}

/** Refused with every mistake, each with its path. */
export class RowRefused extends WalhookError {
  readonly mistakes: readonly RowMistake[];

  constructor(mistakes: readonly RowMistake[], cause?: unknown) {
    super('WEBHOOK_INVALID', mistakes.map(rowSentence).join('; '), cause === undefined ? {} : { cause });
    this.mistakes = mistakes;
  }
}

const COLUMNS = Object.keys(ROW_COLUMNS);
const LOCK_TIMEOUT = '2s';

export class RowStore {
  readonly #options: RowStoreOptions;

  constructor(options: RowStoreOptions) {
    this.#options = options;
  }

  /** By name. Throws ROWS_UNAVAILABLE where the table is not there or not to be read. */
  async list(): Promise<StoredRow[]> {
    return await this.#write((client) => readRows(client, 'order by name', []));
  }

  /** null where there is no row of that name. */
  async find(name: string): Promise<StoredRow | null> {
    return (await this.#write((client) => readRows(client, 'where name = $1', [name])))[0] ?? null;
  }

  /** Every mistake that {@link create} or {@link update} would refuse a row for, but for a name that another row has. */
  check(values: RowValues): RowMistake[] {
    return this.#mistakes(said(values));
  }

  /** Throws RowRefused. */
  async create(values: RowValues): Promise<StoredRow> {
    const checked = this.#checked(values);
    const columns = COLUMNS.filter((column) => Object.hasOwn(checked, column));
    const places = columns.map((column, i) => `$${i + 1}${castOf(column)}`);
    const sql = `insert into walhook.webhook (${columns.map(ident).join(', ')}) values (${places.join(', ')}) returning id::text as id`;
    return await this.#write(async (client) => {
      const { rows } = await client.query<{ id: string }>(sql, parametersOf(columns, checked));
      return await rowOf(client, rows[0]?.id ?? '');
    });
  }

  /** Changes a row. Throws WEBHOOK_UNKNOWN, WEBHOOK_CHANGED or RowRefused. */
  async update(name: string, values: RowValues, { mode, version }: RowChange): Promise<StoredRow> {
    return await this.#write(async (client) => {
      const row = await lockedRow(client, name, version);
      const checked = this.#checked(mode === 'merge' ? { ...row.values, ...values } : values);
      const sets = COLUMNS.map((column, i) => `${ident(column)} = $${i + 2}${castOf(column)}`);
      await client.query(`update walhook.webhook set ${sets.join(', ')} where id = $1::bigint`, [
        row.id,
        ...parametersOf(COLUMNS, { enabled: true, ...checked }),
      ]);
      return await rowOf(client, row.id);
    });
  }

  /** Its Deliveries wait as orphans. Throws WEBHOOK_UNKNOWN or WEBHOOK_CHANGED. */
  async delete(name: string, version: string | null): Promise<void> {
    await this.#write(async (client) => {
      const { id } = await lockedRow(client, name, version);
      await client.query('delete from walhook.webhook where id = $1::bigint', [id]);
    });
  }

  #checked(values: RowValues): RowValues {
    const kept = said(values);
    const mistakes = this.#mistakes(kept);
    if (mistakes.length > 0) throw new RowRefused(mistakes);
    return kept;
  }

  #mistakes(values: RowValues): RowMistake[] {
    const { rules, fileNames } = this.#options;
    const mistakes = checkRow({ values }, rules());
    const { name } = values;
    if (typeof name === 'string' && fileNames().includes(name)) {
      mistakes.push({
        path: 'name',
        message: 'expected a name of its own, found that the configuration file has a webhook of that name',
      });
    }
    return mistakes;
  }

  async #write<T>(act: (client: PoolClient) => Promise<T>): Promise<T> {
    const { pool, role } = this.#options;
    const client = await (await pool()).connect();
    try {
      await client.query('begin');
      await client.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`);
      if (role !== null) await becomes(client, role);
      const result = await act(client);
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback').catch(() => undefined);
      throw refusal(error);
    } finally {
      client.release();
    }
  }
}

/** What is null stays the default, as if it were absent. */
function said(values: RowValues): RowValues {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
}

/** Takes the role for this transaction; stays who it is where it may not, or there is no such role. */
async function becomes(client: PoolClient, role: string): Promise<void> {
  await client.query('savepoint role');
  try {
    await client.query(`set local role ${ident(role)}`);
  } catch (error) {
    if (!NOT_THE_ROLE.has(causeCode(error) ?? '')) throw error;
    await client.query('rollback to savepoint role');
  }
}

/** Not a member of it, and no role of that name. */
const NOT_THE_ROLE = new Set(['42501', '22023']);

async function lockedRow(client: PoolClient, name: string, version: string | null): Promise<StoredRow> {
  const [row] = await readRows(client, 'where name = $1 for update', [name]);
  if (row === undefined) {
    throw new WalhookError(
      'WEBHOOK_UNKNOWN',
      'expected the name of a webhook kept as a row, found another text',
    );
  }
  if (version !== null && version !== row.version) {
    throw new WalhookError(
      'WEBHOOK_CHANGED',
      `expected version ${version} of the webhook, found ${row.version}`,
    );
  }
  return row;
}

async function rowOf(client: PoolClient, id: string): Promise<StoredRow> {
  const [row] = await readRows(client, 'where id = $1::bigint', [id]);
  if (row === undefined) throw new WalhookError('WEBHOOK_UNKNOWN', 'expected the row, found it gone');
  return row;
}

async function readRows(client: PoolClient, clause: string, parameters: string[]): Promise<StoredRow[]> {
  const { rows } = await client.query<{ id: string; row: string }>(
    `select id::text as id, to_jsonb(w)::text as row from walhook.webhook w ${clause}`,
    parameters,
  );
  return rows.map(({ id, row }) => {
    const all = Object.entries(parseJson(row) as Record<string, Json>);
    const values = all.filter(([column, value]) => Object.hasOwn(ROW_COLUMNS, column) && value !== null);
    return { id, values: Object.fromEntries(values), version: versionOf(row) };
  });
}

function versionOf(row: string): string {
  return createHash('sha256').update(row).digest('base64url').slice(0, 22);
}

function castOf(column: string): string {
  const kind = ROW_COLUMNS[column];
  return kind === 'json' ? '::jsonb' : kind === 'list' ? '::text[]' : '';
}

function parametersOf(columns: readonly string[], values: RowValues): unknown[] {
  return columns.map((column) => {
    const value = values[column] ?? null;
    return ROW_COLUMNS[column] === 'json' && value !== null ? stringifyJson(value) : value;
  });
}

/** SQLSTATEs of what the table refuses, and of a table that is not there or not ours to write. */
function refusal(error: unknown): unknown {
  switch (causeCode(error)) {
    case '23505':
      return new RowRefused(
        [{ path: 'name', message: 'expected a name of its own, found that another row has it' }],
        error,
      );
    case '23514':
      return new RowRefused(
        [
          {
            path: constrained(error),
            message: 'expected a value that walhook.webhook accepts, found another',
          },
        ],
        error,
      );
    case '42P01':
    case '3F000':
    case '42501':
      return new WalhookError(
        'ROWS_UNAVAILABLE',
        'expected the table walhook.webhook and the right to write it, found that one is missing',
        { cause: error },
      );
    default:
      return error;
  }
}

/** `webhook_timeout_check` is the constraint of the column timeout. */
function constrained(error: unknown): string {
  const name = typeof error === 'object' && error !== null ? Reflect.get(error, 'constraint') : '';
  const column = String(name).replace(/^webhook_(.*)_check\d*$/, '$1');
  return Object.hasOwn(ROW_COLUMNS, column) ? column : '';
}
