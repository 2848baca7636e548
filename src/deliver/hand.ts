/**
 * The jobs that a lane has taken, Delivery by Delivery: what to begin next, what is in flight, and what can
 * be given back. Holds no connection and no clock.
 *
 * First tries go before retries; so that neither starves the other, every fourth Delivery begun is a retry
 * where there is one, and retries never fill every place in flight.
 */
import type { ClaimedJob } from '../queue/store.ts';

/** One Delivery of a taken job. */
export interface Item {
  readonly job: OpenJob;
  readonly index: number;
}

export interface OpenJob {
  readonly claimed: ClaimedJob;
  /** Deliveries whose outcome is not known yet. */
  left: number;
  inFlight: number;
  /** Its Deliveries that were not begun were dropped: it goes back when nothing of it is in flight. */
  isDropped: boolean;
}

/** Of this many Deliveries begun, one is a retry. */
const RETRY_TURN = 4;
/** Of the requests in flight, this share is kept for first tries. */
const KEPT_FOR_FIRST = 0.25;

export class Hand {
  readonly #jobs = new Map<string, OpenJob>();
  #first: Item[] = [];
  #retries: Item[] = [];
  #inFlight = 0;
  #retriesInFlight = 0;
  #turn = 0;

  /** Deliveries that were not begun. */
  get waiting(): number {
    return this.#first.length + this.#retries.length;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get jobIds(): string[] {
    return [...this.#jobs.keys()];
  }

  take(claimed: ClaimedJob): void {
    const job: OpenJob = { claimed, left: 0, inFlight: 0, isDropped: false };
    this.#jobs.set(claimed.id, job);
    const list = claimed.attempts > 0 ? this.#retries : this.#first;
    for (let index = 0; index < claimed.deliveries.length; index += 1) {
      if ((claimed.done >> index) & 1) continue;
      job.left += 1;
      list.push({ job, index });
    }
  }

  /**
   * The next Delivery to begin; null where there is none, or only retries and their places are taken.
   *
   * @param places requests that may be in flight
   */
  begin(places: number): Item | null {
    const mayRetry = this.#retriesInFlight < retryPlaces(places);
    const isRetryTurn = this.#turn % RETRY_TURN === RETRY_TURN - 1;
    const wantsRetry = mayRetry && this.#retries.length > 0 && (isRetryTurn || this.#first.length === 0);
    const item = (wantsRetry ? this.#retries : this.#first).shift() ?? null;
    if (item === null) return null;
    this.#turn += 1;
    this.#inFlight += 1;
    item.job.inFlight += 1;
    if (item.job.claimed.attempts > 0) this.#retriesInFlight += 1;
    return item;
  }

  /** Its request is over. Without `hasOutcome` (cut off at the end of the process) it stays with its job. */
  end({ job }: Item, hasOutcome: boolean): { readonly isLast: boolean; readonly isReturned: boolean } {
    this.#inFlight -= 1;
    job.inFlight -= 1;
    if (job.claimed.attempts > 0) this.#retriesInFlight -= 1;
    if (hasOutcome) job.left -= 1;
    const isReturned = job.left > 0 && job.isDropped && job.inFlight === 0;
    if (job.left === 0 || isReturned) this.#jobs.delete(job.claimed.id);
    return { isLast: job.left === 0, isReturned };
  }

  /**
   * Drops Deliveries of a job that were not begun, and are not to be.
   *
   * @param mask bit i for delivery i
   */
  cancel(
    id: string,
    mask: number,
  ): { readonly claimed: ClaimedJob; readonly index: number; readonly isLast: boolean }[] {
    const job = this.#jobs.get(id);
    if (job === undefined) return [];
    const isCancelled = (item: Item) => item.job === job && ((mask >> item.index) & 1) === 1;
    const dropped = [...this.#first, ...this.#retries].filter(isCancelled);
    this.#first = this.#first.filter((item) => !isCancelled(item));
    this.#retries = this.#retries.filter((item) => !isCancelled(item));
    return dropped.map(({ index }) => {
      job.left -= 1;
      if (job.left === 0) this.#jobs.delete(id);
      return { claimed: job.claimed, index, isLast: job.left === 0 };
    });
  }

  /** Drops what was not begun. Returns the jobs of which nothing is in flight: they can go back at once. */
  drop(): ClaimedJob[] {
    for (const { job } of [...this.#first, ...this.#retries]) job.isDropped = true;
    this.#first = [];
    this.#retries = [];
    const idle = [...this.#jobs.values()].filter((job) => job.isDropped && job.inFlight === 0);
    for (const { claimed } of idle) this.#jobs.delete(claimed.id);
    return idle.map(({ claimed }) => claimed);
  }
}

function retryPlaces(places: number): number {
  return Math.max(1, places - Math.ceil(places * KEPT_FOR_FIRST));
}
