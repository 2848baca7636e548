/**
 * Starting and stopping as one thing: what is acquired registers its release at once, releases run in
 * reverse, and one AbortSignal reaches every loop.
 */

type Release = () => void | Promise<void>;

/** Collects releases and runs them last-in first-out. Used with `await using`. */
export class Scope implements AsyncDisposable {
  readonly #releases: Release[] = [];

  /** Registers what `close` must undo. */
  defer(release: Release): void {
    this.#releases.push(release);
  }

  /** Runs every release even when one throws; the first error is thrown at the end. Repeatable. */
  async close(): Promise<void> {
    let failure: { error: unknown } | null = null;
    for (let release = this.#releases.pop(); release; release = this.#releases.pop()) {
      try {
        await release();
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure) throw failure.error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Waits for a promise at most `ms`. Returns whether it settled in time; its rejection is thrown.
 * The promise itself goes on: callers that give up must be able to live with that.
 */
export async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true as const), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits for a promise, but no longer than `ms` after the signal was aborted. Returns whether it settled in
 * time; its rejection is thrown. The promise itself goes on.
 */
export async function settlesSoonAfter(
  signal: AbortSignal,
  promise: Promise<unknown>,
  ms: number,
): Promise<boolean> {
  let late: (isLate: false) => void = () => undefined;
  let timer: NodeJS.Timeout | undefined;
  const begin = () => {
    timer = setTimeout(() => late(false), ms);
  };
  const isLate = new Promise<false>((resolve) => {
    late = resolve;
  });
  signal.addEventListener('abort', begin, { once: true });
  if (signal.aborted) begin();
  try {
    return await Promise.race([promise.then(() => true as const), isLate]);
  } finally {
    signal.removeEventListener('abort', begin);
    clearTimeout(timer);
  }
}

/** A promise with its handles outside, for the one place where a loop wakes another. */
export class Signal {
  #waiting: (() => void) | null = null;
  #raised = false;

  /** Wakes the waiter, or lets the next `wait` return at once. */
  raise(): void {
    this.#raised = true;
    const wake = this.#waiting;
    this.#waiting = null;
    wake?.();
  }

  /** Resolves when raised since the last wait. One waiter at a time. */
  async wait(): Promise<void> {
    if (!this.#raised) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    this.#raised = false;
  }
}
