/**
 * Reads rows of the watched database for the representation of others: at most two connections, in short
 * read-only transactions with a time limit. The rows are of the moment of the look-up.
 *
 * Values come as PostgreSQL's text under the same settings as those of the stream, so that one set of
 * encoders serves both.
 */
import type { Pool, PoolClient } from 'pg';

export interface LookupQuery {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Rows as columns of text. */
export type TextRow = readonly (string | null)[];

export interface Lookups {
  /** Answers in the order of the queries. Throws when the database does not answer, or not in time. */
  run(queries: readonly LookupQuery[]): Promise<TextRow[][]>;
}

/** Settings belong to the transaction: the connection may be a pooler's. */
const BEGIN = (timeoutMs: number) => `
  begin read only;
  set local timezone = 'UTC';
  set local datestyle = 'ISO';
  set local intervalstyle = 'postgres';
  set local extra_float_digits = 1;
  set local bytea_output = 'hex';
  set local lc_monetary = 'C';
  set local statement_timeout = ${timeoutMs}`;

/** How much later than the server's own limit an answer may come. */
const LOST_ANSWER_MS = 5_000;

const asText = { getTypeParser: () => (value: string) => value };

export class DatabaseLookups implements Lookups {
  readonly #pool: Pool;
  readonly #timeoutMs: number;

  constructor(pool: Pool, timeoutMs: number) {
    this.#pool = pool;
    this.#timeoutMs = timeoutMs;
  }

  async run(queries: readonly LookupQuery[]): Promise<TextRow[][]> {
    const client = await this.#pool.connect();
    let failure: Error | undefined;
    try {
      return await this.#transaction(client, queries);
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      // A connection in an unknown state is not given back.
      client.release(failure);
    }
  }

  async #transaction(client: PoolClient, queries: readonly LookupQuery[]): Promise<TextRow[][]> {
    await client.query(BEGIN(this.#timeoutMs));
    const answers: TextRow[][] = [];
    for (const { text, values } of queries) {
      const { rows } = await client.query({
        text,
        values: [...values],
        rowMode: 'array',
        types: asText as never,
        // The server ends the statement itself; a server that is gone has to be given up from here.
        ...({ query_timeout: this.#timeoutMs + LOST_ANSWER_MS } as object),
      });
      answers.push(rows as unknown as TextRow[]);
    }
    await client.query('commit');
    return answers;
  }
}
