/**
 * Lets so many pieces of work be under way at a time, first come first served. A thousand lanes that are woken
 * at once take their jobs few at a time: what is taken is sent before more is, and is not all in memory.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(most: number) {
    this.#free = most;
  }

  /** Does the work when it is its turn; settles as the work does. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      // Handed on, so that nobody who comes now is faster than who has waited.
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
