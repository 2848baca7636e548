/**
 * Deliveries as people see and operate them: listed, found by id, resent, cancelled and purged, in every
 * state, from the moment they are enqueued. The page, the API and the commands build on this.
 *
 * A Delivery is in one place at a time: in a job (waiting, active, delayed, parked) or in the log (delivered,
 * failed, cancelled). The log keeps what has ended for as long as {@link Retention} says.
 *
 * Lists go from the newest commit to the oldest. Every operation is bounded: one that has much to look
 * through ends early, with a cursor from which to go on.
 */
import type { LoggedAttempt, SentRequest } from './attempt.ts';

export const DELIVERY_STATES = [
  'waiting',
  'active',
  'delayed',
  'parked',
  'delivered',
  'failed',
  'cancelled',
] as const;

/**
 * waiting: not yet tried, or given back · active: taken by a process · delayed: waits for its next try ·
 * parked: waits while the breaker of its Webhook is open · delivered, failed, cancelled: has ended.
 */
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** All that is given must hold. An empty filter means every Delivery. */
export interface DeliveryFilter {
  /** Ids as sent in `webhook-id`; at most {@link MAX_IDS}. */
  readonly ids?: readonly string[];
  /** The Webhook's key. */
  readonly webhook?: string;
  readonly state?: DeliveryState;
  readonly model?: string;
  /** The row's key. With `model` it names one row. */
  readonly key?: string;
  readonly requestId?: string;
  /** Of the last Attempt: an HTTP status (`503`), or the word of an error (`timeout`). */
  readonly status?: string;
  /** Committed at this time (milliseconds since the Unix epoch) or later. */
  readonly sinceMs?: number;
  /** Committed before this time. */
  readonly untilMs?: number;
}

export const MAX_IDS = 1_000;
export const MAX_PAGE = 500;

export interface DeliverySummary {
  /** As sent in `webhook-id`. */
  readonly id: string;
  /** The Webhook's key. */
  readonly webhook: string;
  readonly state: DeliveryState;
  readonly model: string;
  readonly key: string;
  readonly requestId: string | null;
  readonly eventId: string;
  readonly committedAtMs: number;
  /** Attempts made so far, over all resends. */
  readonly attempts: number;
  /** HTTP status of the last Attempt that had a response; null where it had none. */
  readonly status: number | null;
  /** A stable word: why the last Attempt was no success, or why it failed or was cancelled. */
  readonly error: string | null;
  /** One sentence for people. */
  readonly detail: string | null;
  /** When the last Attempt began; null before the first. */
  readonly lastAttemptMs: number | null;
  readonly durationMs: number | null;
  /** The next try, where one is due at a time. */
  readonly nextMs: number | null;
  /** When it was delivered, failed or cancelled. */
  readonly endedMs: number | null;
  /** Resent by hand at least once. */
  readonly isResent: boolean;
}

export interface DeliveryDetail extends DeliverySummary {
  readonly schema: string;
  readonly table: string;
  readonly lsn: string;
  readonly xid: number;
  /** The Event's JSON text, byte for byte; null where the log does not hold it (any more). */
  readonly event: string | null;
  /** As last sent; null before the first Attempt and where the log does not hold it (any more). */
  readonly request: SentRequest | null;
  /** Every Attempt, the first one first. */
  readonly log: readonly LoggedAttempt[];
}

export interface PageRequest {
  /** 1 to {@link MAX_PAGE}. */
  readonly limit: number;
  /** From the page before; null for the first. */
  readonly cursor: string | null;
}

export interface DeliveryPage {
  /** May be fewer than asked for, even none, while there is a cursor. */
  readonly items: readonly DeliverySummary[];
  /** null: there is nothing further. */
  readonly cursor: string | null;
}

/** What an operation on many did. */
export interface Operated {
  /** Deliveries that changed. */
  readonly done: number;
  /** Deliveries that could not: ended or gone meanwhile, or without their Event. */
  readonly skipped: number;
}

/** How long what has ended stays in the log. */
export interface Retention {
  readonly delivered: { readonly ageMs: number; readonly count: number };
  /** Failed and cancelled ones. */
  readonly failedMs: number;
  /** Requests and responses; the Event of a failed Delivery stays with it. */
  readonly bodiesMs: number;
  /** Over all. Above it the oldest delivered ones go first, then the oldest others. */
  readonly bytes: number;
}

export interface Swept {
  readonly delivered: number;
  readonly failed: number;
  /** Failed ones among them that went before their time, because `bytes` was reached. */
  readonly early: number;
  /** More is to be dropped: call again. */
  readonly hasMore: boolean;
}

export interface InspectStore {
  /** Newest commit first. Throws USAGE on a cursor that is none. */
  list(filter: DeliveryFilter, page: PageRequest): Promise<DeliveryPage>;
  /** null where it is nowhere (any more). */
  get(id: string): Promise<DeliveryDetail | null>;
  /** How many a filter means. Looks through all of them. */
  count(filter: DeliveryFilter): Promise<number>;
  /**
   * Sends again what has ended, with fresh tries and the same id, marked `webhook-resend: 1`; makes due at
   * once what is delayed. What is waiting or active is skipped.
   */
  resend(filter: DeliveryFilter, nowMs: number): Promise<Operated>;
  /** Ends what has not ended. A request in flight is not cut off; should it succeed, it is delivered. */
  cancel(filter: DeliveryFilter, nowMs: number): Promise<Operated>;
  /** Removes every trace of what has ended, and cancels and removes what has not. */
  purge(filter: DeliveryFilter): Promise<Operated>;
  /**
   * Outcomes (delivered, to be retried, failed, cancelled) as they are recorded, oldest first.
   *
   * @param after cursor of the call before; null: from now on
   * @param limit what one job delivered at once is given as a whole, and may pass it
   */
  outcomes(after: string | null, limit: number): Promise<OutcomePage>;
  /** Drops what retention no longer keeps, at most a few thousand at a time. */
  sweep(retention: Retention, nowMs: number): Promise<Swept>;
}

export interface OutcomePage {
  readonly items: readonly DeliverySummary[];
  /** For the next call. */
  readonly cursor: string;
}
