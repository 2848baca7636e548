/**
 * Rows that are counted up, one by one, for a webhook that keeps the order of each row. Of a row that stands at n,
 * exactly 1 to n were committed: each must arrive, in that order, and nothing beyond.
 */
import type { Received } from '../helpers/sink.ts';

export const COUNTERS = 20;
export const COUNTER_TABLE = `create table counter (id int primary key, seq int not null);
  insert into counter select i, 0 from generate_series(1, ${COUNTERS}) as i`;

export interface CounterVerdict {
  /** `id:seq` of what was committed and did not arrive. */
  readonly missing: readonly string[];
  readonly phantoms: readonly string[];
  /** First arrivals that came after a later one of their row. */
  readonly outOfOrder: readonly string[];
  /** One `id:seq` under several ids, or one id for several. */
  readonly confused: readonly string[];
}

/** Follows arrivals, reading each request once. */
export class CounterLedger {
  readonly #received: readonly Received[];
  readonly #path: string;
  #read = 0;
  readonly #ids = new Map<string, string>();
  readonly #named = new Map<string, string>();
  readonly #last = new Map<number, number>();
  readonly #outOfOrder: string[] = [];
  readonly #confused = new Set<string>();

  constructor(received: readonly Received[], path: string) {
    this.#received = received;
    this.#path = path;
  }

  /** @param final where each row stands at the end */
  judge(final: ReadonlyMap<number, number>): CounterVerdict {
    this.#catchUp();
    const missing: string[] = [];
    for (const [id, seq] of final) {
      for (let n = 1; n <= seq; n += 1) if (!this.#ids.has(`${id}:${n}`)) missing.push(`${id}:${n}`);
    }
    const phantoms = [...this.#ids.keys()].filter((one) => {
      const [id = 0, seq = 0] = one.split(':').map(Number);
      return seq > (final.get(id) ?? 0);
    });
    return { missing, phantoms, outOfOrder: this.#outOfOrder, confused: [...this.#confused] };
  }

  #catchUp(): void {
    for (; this.#read < this.#received.length; this.#read += 1) {
      const one = this.#received[this.#read];
      if (one === undefined || one.path !== this.#path) continue;
      const { data } = JSON.parse(one.body) as { data: { id: number; seq: number } };
      this.#note(data.id, data.seq, String(one.headers['webhook-id']));
    }
  }

  #note(id: number, seq: number, webhookId: string): void {
    const name = `${id}:${seq}`;
    const known = this.#ids.get(name);
    const other = this.#named.get(webhookId);
    if ((known ?? webhookId) !== webhookId || (other ?? name) !== name) this.#confused.add(name);
    if (known !== undefined) return;
    this.#ids.set(name, webhookId);
    this.#named.set(webhookId, name);
    const last = this.#last.get(id) ?? 0;
    if (seq < last) this.#outOfOrder.push(name);
    this.#last.set(id, Math.max(seq, last));
  }
}
