/**
 * Swaps flow states many at a time: while one call is on its way, the next one fills. A thousand lanes that ask
 * for their share are ten calls to the store, not a thousand.
 */
import type { FlowStore, FlowSwap, FlowSwapped } from '../../queue/flow.ts';

/** Swaps in one call: a bounded statement. */
const MAX_SWAPS = 100;

interface Asked {
  readonly swap: FlowSwap;
  readonly resolve: (swapped: FlowSwapped) => void;
  readonly reject: (error: unknown) => void;
}

export class Swapper {
  readonly #store: Pick<FlowStore, 'swapFlows'>;
  #asked: Asked[] = [];
  #isRunning = false;

  constructor(store: Pick<FlowStore, 'swapFlows'>) {
    this.#store = store;
  }

  /** As the store's `swapFlows` does for one. Throws what the store throws. */
  swap(swap: FlowSwap): Promise<FlowSwapped> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ swap, resolve, reject });
      if (this.#isRunning) return;
      this.#isRunning = true;
      // Not at once: those who ask in the same turn of the event loop go together.
      queueMicrotask(() => void this.#run());
    });
  }

  async #run(): Promise<void> {
    while (this.#asked.length > 0) {
      const { now, later } = nextCall(this.#asked);
      this.#asked = later;
      try {
        const results = await this.#store.swapFlows(now.map(({ swap }) => swap));
        for (const [i, { resolve, reject }] of now.entries()) {
          const swapped = results[i];
          if (swapped === undefined) reject(new Error('the store answered for fewer than were asked'));
          else resolve(swapped);
        }
      } catch (error) {
        for (const { reject } of now) reject(error);
      }
    }
    this.#isRunning = false;
  }
}

/** The oldest go first; of one Webhook one at a time, for the second expects what the first leaves. */
function nextCall(asked: readonly Asked[]): { readonly now: Asked[]; readonly later: Asked[] } {
  const taken = new Set<string>();
  const now: Asked[] = [];
  const later: Asked[] = [];
  for (const one of asked) {
    const isTaken = now.length < MAX_SWAPS && !taken.has(one.swap.webhook);
    (isTaken ? now : later).push(one);
    taken.add(one.swap.webhook);
  }
  return { now, later };
}
