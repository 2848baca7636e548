/**
 * Webhooks kept as rows, written from here: for the page and the API. Each is held to the rules that the daemon
 * holds it to, and written in one transaction as the role given. What is written is in force once it has come
 * through the slot.
 */
import type { Pool, PoolClient } from 'pg';
import { causeCode, WalhookError } from '../core/errors.ts';
import { type Json, parseJson, stringifyJson } from '../core/json.ts';
import { ident } from '../setup/names.ts';
import { mistakesOfRow, type RowRules } from './defineRow.ts';
import { ROW_COLUMNS, type WebhookRow } from './webhookRow.ts';

export interface RowStoreOptions {
  /** Of the watched database. */
  readonly pool: Pool;
  /** Whom to write as, e.g. walhook_editor, of which the pool's role must be a member; null: as that role itself. */
  readonly role: string | null;
  /** The rules of the file in force. */
  readonly rules: () => RowRules;
  /** Names that the file's webhooks have. */
  readonly fileNames: () => readonly string[];
}

/** The keys of a webhook that rows may have, with `secret_name`; null or absent: the default. */
export type RowValues = Readonly<Record<string, Json>>;

const COLUMNS = Object.keys(ROW_COLUMNS);
const LOCK_TIMEOUT = '2s';

export class RowStore {
  readonly #options: RowStoreOptions;

  constructor(options: RowStoreOptions) {
    this.#options = options;
  }

  /** By name. Throws ROWS_UNAVAILABLE where the table is not there or not to be read. */
  async list(): Promise<WebhookRow[]> {
    return await this.#write((client) => readRows(client, 'order by name', []));
  }

  /** null where there is no row of that name. */
  async find(name: string): Promise<WebhookRow | null> {
    return (await this.#write((client) => readRows(client, 'where name = $1', [name])))[0] ?? null;
  }

  /** Throws WEBHOOK_INVALID with every mistake. */
  async create(values: RowValues): Promise<WebhookRow> {
    const checked = this.#checked(values);
    const columns = COLUMNS.filter((column) => Object.hasOwn(checked, column));
    const places = columns.map((column, i) => `$${i + 1}${castOf(column)}`);
    const sql = `insert into walhook.webhook (${columns.map(ident).join(', ')}) values (${places.join(', ')}) returning id::text as id`;
    const id = await this.#write(async (client) => {
      const { rows } = await client.query<{ id: string }>(sql, parametersOf(columns, checked));
      return rows[0]?.id ?? '';
    });
    return { id, values: checked };
  }

  /**
   * Changes a row. Throws WEBHOOK_UNKNOWN, or WEBHOOK_INVALID with every mistake.
   *
   * @param mode `replace`: what is absent becomes the default; `merge`: it stays, and null makes it the default
   */
  async update(name: string, values: RowValues, mode: 'replace' | 'merge'): Promise<WebhookRow> {
    return await this.#write(async (client) => {
      const [row] = await readRows(client, 'where name = $1 for update', [name]);
      if (row === undefined) throw unknownRow();
      const checked = this.#checked(mode === 'merge' ? { ...row.values, ...values } : values, name);
      const sets = COLUMNS.map((column, i) => `${ident(column)} = $${i + 2}${castOf(column)}`);
      await client.query(`update walhook.webhook set ${sets.join(', ')} where id = $1::bigint`, [
        row.id,
        ...parametersOf(COLUMNS, { enabled: true, ...checked }),
      ]);
      return { id: row.id, values: checked };
    });
  }

  /** Its Deliveries wait as orphans. Throws WEBHOOK_UNKNOWN. */
  async delete(name: string): Promise<void> {
    await this.#write(async (client) => {
      const { rowCount } = await client.query('delete from walhook.webhook where name = $1', [name]);
      if (rowCount === 0) throw unknownRow();
    });
  }

  /** @param before the name that it has */
  #checked(values: RowValues, before: string | null = null): RowValues {
    const { rules, fileNames } = this.#options;
    const said = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
    const mistakes = mistakesOfRow({ values: said }, rules());
    const { name } = said;
    if (typeof name === 'string' && name !== before && fileNames().includes(name)) {
      mistakes.push(
        'name: expected a name of its own, found that the configuration file has a webhook of that name',
      );
    }
    if (mistakes.length > 0) throw new WalhookError('WEBHOOK_INVALID', mistakes.join('; '));
    return said;
  }

  async #write<T>(act: (client: PoolClient) => Promise<T>): Promise<T> {
    const { pool, role } = this.#options;
    const client = await pool.connect();
    try {
      await client.query('begin');
      await client.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`);
      if (role !== null) await client.query(`set local role ${ident(role)}`);
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

async function readRows(client: PoolClient, clause: string, parameters: string[]): Promise<WebhookRow[]> {
  const { rows } = await client.query<{ id: string; row: string }>(
    `select id::text as id, to_jsonb(w)::text as row from walhook.webhook w ${clause}`,
    parameters,
  );
  return rows.map(({ id, row }) => {
    const all = Object.entries(parseJson(row) as Record<string, Json>);
    const said = all.filter(([column, value]) => Object.hasOwn(ROW_COLUMNS, column) && value !== null);
    return { id, values: Object.fromEntries(said) };
  });
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

function unknownRow(): WalhookError {
  return new WalhookError(
    'WEBHOOK_UNKNOWN',
    'expected the name of a webhook kept as a row, found another text',
  );
}

/** SQLSTATEs of what the table refuses, and of a table that is not there or not ours to write. */
function refusal(error: unknown): unknown {
  switch (causeCode(error)) {
    case '23505':
      return new WalhookError(
        'WEBHOOK_INVALID',
        'name: expected a name of its own, found that another row has it',
        { cause: error },
      );
    case '23514':
      return new WalhookError(
        'WEBHOOK_INVALID',
        'expected values that walhook.webhook accepts, found others',
        {
          cause: error,
        },
      );
    case '42P01':
    case '3F000':
    case '42501':
    case '22023':
      return new WalhookError(
        'ROWS_UNAVAILABLE',
        'expected the table walhook.webhook and the right to write it, found that one is missing',
        { cause: error },
      );
    default:
      return error;
  }
}
