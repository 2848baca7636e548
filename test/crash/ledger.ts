/**
 * The oracle of every test of "nothing lost": what was committed, against what arrived.
 *
 * Writers insert operations into a table in Transactions of random size, and roll some of them back. An
 * operation is owed exactly when its Transaction was committed.
 */
import { Client } from 'pg';
import type { Received } from '../helpers/sink.ts';

export interface Ledger {
  readonly committed: ReadonlySet<number>;
  readonly rolledBack: ReadonlySet<number>;
}

export interface Verdict {
  /** Committed and never delivered. */
  readonly lost: readonly number[];
  /** Delivered and never committed. */
  readonly phantoms: readonly number[];
  /** Operations delivered under more than one id. */
  readonly secondIds: readonly number[];
  /** Ids that named more than one operation. */
  readonly sharedIds: readonly string[];
  /** Requests that repeated an id already seen. */
  readonly repeats: number;
}

export const LEDGER_TABLE = 'create table op (id bigint primary key, writer int not null, note text)';

export class Writers {
  readonly #url: string;
  readonly #stop = new AbortController();
  readonly #committed = new Set<number>();
  readonly #rolledBack = new Set<number>();
  #running: Promise<void>[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  start(writers: number, pauseMs: number): void {
    this.#running = Array.from({ length: writers }, (_, i) => this.#write(i, pauseMs));
  }

  async stop(): Promise<Ledger> {
    this.#stop.abort();
    await Promise.all(this.#running);
    return { committed: this.#committed, rolledBack: this.#rolledBack };
  }

  get count(): number {
    return this.#committed.size;
  }

  async #write(writer: number, pauseMs: number): Promise<void> {
    const client = new Client({ connectionString: this.#url });
    await client.connect();
    let next = writer * 1_000_000_000;
    while (!this.#stop.signal.aborted) {
      const size = Math.random() < 0.02 ? 400 : 1 + Math.floor(Math.random() * 5);
      const ids = Array.from({ length: size }, () => next++);
      const isKept = Math.random() < 0.9;
      await client.query('begin');
      await client.query('insert into op select id, $2, $3 from unnest($1::bigint[]) as id', [
        ids,
        writer,
        'x'.repeat(40),
      ]);
      await client.query(isKept ? 'commit' : 'rollback');
      for (const id of ids) (isKept ? this.#committed : this.#rolledBack).add(id);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * pauseMs));
    }
    await client.end();
  }
}

export function judge(ledger: Ledger, received: readonly Received[]): Verdict {
  const idsOf = new Map<number, Set<string>>();
  const opsOf = new Map<string, Set<number>>();
  for (const { headers, body } of received) {
    const op = (JSON.parse(body) as { data: { id: number } }).data.id;
    const id = String(headers['webhook-id']);
    idsOf.set(op, (idsOf.get(op) ?? new Set()).add(id));
    opsOf.set(id, (opsOf.get(id) ?? new Set()).add(op));
  }
  return {
    lost: [...ledger.committed].filter((op) => !idsOf.has(op)),
    phantoms: [...idsOf.keys()].filter((op) => !ledger.committed.has(op)),
    secondIds: [...idsOf].filter(([, ids]) => ids.size > 1).map(([op]) => op),
    sharedIds: [...opsOf].filter(([, ops]) => ops.size > 1).map(([id]) => id),
    repeats: received.length - opsOf.size,
  };
}
