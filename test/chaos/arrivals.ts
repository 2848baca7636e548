/**
 * What has arrived so far. Reads each request once: the receiver lives in the same process, and reading
 * everything again and again would keep it from answering.
 */
import type { Sink } from '../helpers/sink.ts';

/** Where the webhook of the operations sends. */
export const OPS_PATH = '/';

export class Arrivals {
  readonly #missing: Set<number>;
  readonly #sink: Sink;
  #read = 0;

  constructor(committed: ReadonlySet<number>, sink: Sink) {
    this.#missing = new Set(committed);
    this.#sink = sink;
  }

  /** Operations that were committed and have not arrived. */
  missing(): number[] {
    const { received } = this.#sink;
    for (; this.#read < received.length; this.#read += 1) {
      const one = received[this.#read];
      if (one?.path !== OPS_PATH) continue;
      this.#missing.delete((JSON.parse(one.body) as { data: { id: number } }).data.id);
    }
    return [...this.#missing];
  }
}
