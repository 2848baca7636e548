/**
 * Looks at the watched database over one connection of its own, which is made when it is needed and made
 * anew after an error. One question at a time, each bounded in time.
 */
import type { Client } from 'pg';
import { connect, type PostgresTarget } from '../database/connect.ts';

const STATEMENT_TIMEOUT_MS = 5_000;

export class Probe {
  readonly #target: PostgresTarget;
  #client: Client | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(target: PostgresTarget) {
    this.#target = target;
  }

  /** Throws POSTGRES_UNREACHABLE, POSTGRES_AUTHENTICATION, or what the question throws. */
  async ask<T>(question: (client: Client) => Promise<T>): Promise<T> {
    const asked = this.#last.then(() => this.#ask(question));
    this.#last = asked.catch(() => undefined);
    return await asked;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    await this.#drop();
  }

  async #ask<T>(question: (client: Client) => Promise<T>): Promise<T> {
    try {
      this.#client ??= await connect(this.#target, {
        statement_timeout: STATEMENT_TIMEOUT_MS,
        application_name: 'walhook admin',
      });
      return await question(this.#client);
    } catch (error) {
      await this.#drop();
      throw error;
    } finally {
      if (this.#isClosed) await this.#drop();
    }
  }

  async #drop(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => undefined);
  }
}
