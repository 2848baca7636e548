/**
 * Resending or cancelling many Deliveries: a piece at a time, so that people see how far it is and can stop it.
 * Kept in this process; what is done is done in the queue, and a restart ends the rest.
 */
import { randomBytes } from 'node:crypto';
import { toWalhookError } from '../core/errors.ts';
import type { DeliveryFilter, InspectStore } from '../queue/inspect.ts';

export type OperationState = 'running' | 'done' | 'cancelled' | 'failed';

export interface Operation {
  readonly id: string;
  readonly act: 'resend' | 'cancel';
  /** Who asked for it. */
  readonly by: string;
  /** Where its filter leads. */
  readonly search: string;
  readonly startedAtMs: number;
  /** How many the filter meant when it began. */
  readonly total: number;
  readonly state: OperationState;
  readonly done: number;
  readonly skipped: number;
  /** Why it ended early. */
  readonly error: string | null;
}

export type OperationWish = Pick<Operation, 'act' | 'by' | 'search' | 'total'> & {
  readonly filter: DeliveryFilter;
};

/** At a time; what has more to do takes turns with what others want of the store. */
const PIECE = 500;
const MAX_KEPT = 50;

export class Operations {
  readonly #store: () => Pick<InspectStore, 'list' | 'resend' | 'cancel'>;
  readonly #now: () => number;
  readonly #operations = new Map<string, Operation>();

  constructor(store: () => Pick<InspectStore, 'list' | 'resend' | 'cancel'>, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  find(id: string): Operation | null {
    return this.#operations.get(id) ?? null;
  }

  /** Begins and returns at once. @param onEnded called with what came of it */
  start({ filter, ...wish }: OperationWish, onEnded: (operation: Operation) => void): Operation {
    const operation: Operation = {
      ...wish,
      id: randomBytes(6).toString('hex'),
      startedAtMs: this.#now(),
      state: 'running',
      done: 0,
      skipped: 0,
      error: null,
    };
    this.#operations.set(operation.id, operation);
    for (const [id, { state }] of this.#operations) {
      if (this.#operations.size <= MAX_KEPT) break;
      if (state !== 'running') this.#operations.delete(id);
    }
    void this.#run(operation.id, operation.act, filter).then(() => {
      const ended = this.#operations.get(operation.id);
      if (ended !== undefined) onEnded(ended);
    });
    return operation;
  }

  /** Ends it after the piece that is under way. */
  stop(id: string): void {
    if (this.#operations.get(id)?.state === 'running') this.#change(id, { state: 'cancelled' });
  }

  async #run(id: string, act: 'resend' | 'cancel', filter: DeliveryFilter): Promise<void> {
    let cursor: string | null = null;
    try {
      do {
        const page: Awaited<ReturnType<InspectStore['list']>> = await this.#store().list(filter, {
          limit: PIECE,
          cursor,
        });
        cursor = page.cursor;
        if (this.#operations.get(id)?.state !== 'running') return;
        if (page.items.length === 0) continue;
        const ids = page.items.map((one) => one.id);
        const operated = await this.#store()[act]({ ids }, this.#now());
        const { done = 0, skipped = 0 } = this.#operations.get(id) ?? {};
        this.#change(id, { done: done + operated.done, skipped: skipped + operated.skipped });
      } while (cursor !== null);
      if (this.#operations.get(id)?.state === 'running') this.#change(id, { state: 'done' });
    } catch (error) {
      this.#change(id, { state: 'failed', error: toWalhookError(error).code });
    }
  }

  #change(id: string, changes: Partial<Operation>): void {
    const operation = this.#operations.get(id);
    if (operation !== undefined) this.#operations.set(id, { ...operation, ...changes });
  }
}
