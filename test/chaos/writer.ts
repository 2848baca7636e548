/**
 * Writers who go on whatever happens to the server. What was committed is not what they believe (the answer to
 * a commit may be lost) but what stands in the table at the end.
 */
import { Client } from 'pg';
import type { Random } from './random.ts';

export class StubbornWriters {
  readonly #url: string;
  readonly #random: Random;
  readonly #stop = new AbortController();
  #running: Promise<void>[] = [];
  #written = 0;

  constructor(url: string, random: Random) {
    this.#url = url;
    this.#random = random;
  }

  get written(): number {
    return this.#written;
  }

  start(writers: number): void {
    this.#running = Array.from({ length: writers }, (_, i) => this.#write(i));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #write(writer: number): Promise<void> {
    let next = 1 + writer * 1_000_000_000;
    while (!this.#stop.signal.aborted) {
      const client = new Client({
        connectionString: this.#url,
        query_timeout: 20_000,
        connectionTimeoutMillis: 5_000,
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
        while (!this.#stop.signal.aborted) {
          next = await this.#transaction(client, writer, next);
          await pause(this.#random.between(5, 120));
        }
      } catch {
        await pause(200);
      } finally {
        await client.end().catch(() => undefined);
      }
    }
  }

  /** Returns the next free id: one that was tried is never used again. */
  async #transaction(client: Client, writer: number, first: number): Promise<number> {
    const size = this.#random.next() < 0.01 ? 400 : this.#random.between(1, 6);
    const after = first + 2 * size;
    const insert =
      'insert into op (id, writer, note) select i, $3, $4 from generate_series($1::bigint, $2::bigint) as i';
    const values = (from: number) => [
      from,
      from + size - 1,
      writer,
      'x'.repeat(this.#random.between(1, 200)),
    ];
    await client.query('begin');
    await client.query(insert, values(first)).catch(async (error: unknown) => {
      await client.query('rollback');
      throw error;
    });
    if (this.#random.next() < 0.2) {
      await client.query('savepoint s');
      await client.query(insert, values(first + size));
      if (this.#random.next() < 0.5) await client.query('rollback to savepoint s');
    }
    await client.query(this.#random.next() < 0.9 ? 'commit' : 'rollback');
    this.#written += size;
    return after;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
