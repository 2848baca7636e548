/**
 * The table walhook.webhook as pages and API use it: edited through {@link RowStore} as the role walhook_editor,
 * and looked at beside what is in force. Relies on a pool of its own, made when it is first needed.
 *
 * Looking promises to be quick: a database that is away makes a page poorer, never slow.
 */
import type { Pool } from 'pg';
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { settlesWithin } from '../core/lifecycle.ts';
import { openPool, type PostgresTarget } from '../database/connect.ts';
import { rowRulesOf } from '../definitions/defineRow.ts';
import type { LiveDefinitions } from '../definitions/live.ts';
import { RowStore, type StoredRow } from '../definitions/rowStore.ts';
import { ROWS_TABLE } from '../definitions/webhookRow.ts';

export const EDITOR_ROLE = 'walhook_editor';
const CONNECTIONS = 2;
const STATEMENT_TIMEOUT_MS = 5_000;
/** How long a look may take, and how long after one that failed none is tried. */
const LOOK_MS = 1_500;
const LOOK_AGAIN_MS = 5_000;

export class RowTable {
  readonly edit: RowStore;
  readonly #target: PostgresTarget;
  readonly #clock: Clock;
  #pool: Promise<Pool> | null = null;
  #failedAtMs = Number.NEGATIVE_INFINITY;

  constructor(target: PostgresTarget, live: LiveDefinitions, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
    this.edit = new RowStore({
      pool: () => this.#open(),
      role: EDITOR_ROLE,
      rules: () => rowRulesOf(live.current.loaded.config),
      fileNames: () => live.current.webhooks.map(({ match }) => match.name),
    });
  }

  /** The rows as they stand in the table; null where they cannot be read now. */
  async look(): Promise<readonly StoredRow[] | null> {
    if (this.#clock.monotonic() - this.#failedAtMs < LOOK_AGAIN_MS) return null;
    let rows: readonly StoredRow[] | null = null;
    const looking = this.edit.list().then(
      (found) => {
        rows = found;
      },
      () => undefined,
    );
    await settlesWithin(looking, LOOK_MS);
    if (rows === null) this.#failedAtMs = this.#clock.monotonic();
    return rows;
  }

  /** Models that webhooks can watch: those of the file, and the published tables. Those of the file alone where the database is away. */
  async modelNames({ models, postgres }: Config): Promise<string[]> {
    const configured = models.map(({ name }) => name);
    const named = new Set(models.map(({ table }) => `${table.schema}.${table.table}`));
    let tables: readonly { readonly schema: string; readonly name: string }[] = [];
    const looking = this.#published(postgres.publication).then(
      (found) => {
        tables = found;
      },
      () => undefined,
    );
    await settlesWithin(looking, LOOK_MS);
    const plain = tables
      .filter(({ schema, name }) => schema !== ROWS_TABLE.schema && !named.has(`${schema}.${name}`))
      .map(({ schema, name }) =>
        schema === 'public' && !configured.includes(name) ? name : `${schema}.${name}`,
      );
    return [...configured, ...plain].sort();
  }

  async #published(publication: string): Promise<{ schema: string; name: string }[]> {
    const pool = await this.#open();
    const { rows } = await pool.query<{ schema: string; name: string }>(
      'select schemaname as schema, tablename as name from pg_catalog.pg_publication_tables where pubname = $1 limit 1000',
      [publication],
    );
    return rows;
  }

  async close(): Promise<void> {
    const pool = this.#pool;
    this.#pool = null;
    await pool?.then(
      (open) => open.end(),
      () => undefined,
    );
  }

  async #open(): Promise<Pool> {
    this.#pool ??= openPool(this.#target, CONNECTIONS, {
      statement_timeout: STATEMENT_TIMEOUT_MS,
      application_name: 'walhook admin',
    });
    const opening = this.#pool;
    try {
      return await opening;
    } catch (error) {
      if (this.#pool === opening) this.#pool = null;
      throw error;
    }
  }
}
