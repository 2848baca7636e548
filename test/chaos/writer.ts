/**
 * Writers who go on whatever happens to the server. What was committed is not what they believe (the answer to
 * a commit may be lost) but what stands in the table at the end.
 */
import { Client } from 'pg';
import { COUNTERS } from './counters.ts';
import type { Random } from './random.ts';

/** Rows of a large Transaction. */
const MANY = 5_000;

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
    const client = new Client({ connectionString: this.#url });
    await client.connect();
    try {
      await settlePrepared(client);
    } finally {
      await client.end();
    }
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
        await settlePrepared(client, writer);
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
    const dice = this.#random.next();
    const size = dice < 0.001 ? MANY : dice < 0.01 ? 400 : this.#random.between(1, 6);
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
    if (this.#random.next() < 0.5) {
      // In the order of the key, so that writers do not wait for one another in a circle.
      const first = this.#random.between(1, COUNTERS - 2);
      await client.query('update counter set seq = seq + 1 where id = $1', [first]);
      await client.query('update counter set seq = seq + 1 where id = $1', [
        this.#random.between(first, COUNTERS),
      ]);
    }
    if (this.#random.next() < 0.02) {
      await client.query(
        "insert into scratch select 'x' || i from generate_series(1, 50) as i; truncate scratch",
      );
    }
    const ending = this.#random.next() < 0.9 ? 'commit' : 'rollback';
    if (this.#random.next() < 0.05) {
      await client.query(`prepare transaction '${PREPARED}${writer}'`);
      await pause(this.#random.between(0, 300));
      await client.query(`${ending} prepared '${PREPARED}${writer}'`);
    } else {
      await client.query(ending);
    }
    this.#written += size;
    return after;
  }
}

const PREPARED = 'chaos-';

/** What a writer, or any of them, has prepared and lost sight of is committed: it holds locks. */
async function settlePrepared(client: Client, writer?: number): Promise<void> {
  const { rows } = await client.query<{ gid: string }>('select gid from pg_prepared_xacts');
  for (const { gid } of rows) {
    if (writer === undefined || gid === `${PREPARED}${writer}`)
      await client.query(`commit prepared '${gid}'`);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
