/** One Webhook's flow state, changed together with the other processes: read, decided anew, swapped. */
import { decodeFlow, encodeFlow, type FlowState } from '../../queue/flow.ts';
import type { Swapper } from './swapper.ts';

/** Swaps that others won before one's own is given up for now. */
const MAX_TRIES = 10;

export class Agreement {
  readonly #swapper: Pick<Swapper, 'swap'>;
  readonly #webhook: string;
  /** As last seen: the first try needs no reading. */
  #text: string | null = null;

  constructor(swapper: Pick<Swapper, 'swap'>, webhook: string) {
    this.#swapper = swapper;
    this.#webhook = webhook;
  }

  /**
   * Applies a change to the state in force. `change` may be called several times and must be pure.
   *
   * @returns what the change that was applied says; null when others were always faster
   */
  async change<T>(
    change: (state: FlowState) => { readonly state: FlowState; readonly grant: T },
  ): Promise<T | null> {
    for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
      const { state, grant } = change(decodeFlow(this.#text));
      const next = encodeFlow(state);
      const swap = { webhook: this.#webhook, expected: this.#text, next };
      const { isSwapped, current } = await this.#swapper.swap(swap);
      this.#text = current;
      if (isSwapped) return grant;
    }
    return null;
  }
}
