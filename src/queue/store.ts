/**
 * The store behind the queue, as capture, deliver and the commands see it. Two backends implement it with
 * the same behaviour: Redis and PostgreSQL.
 *
 * Every operation is one transaction of the store. The counters change in the transaction that changes what
 * they count, so they are right after any crash.
 */
import { WalhookError } from '../core/errors.ts';
import type { AttemptRecord } from './attempt.ts';
import type { Batch, QueuedDelivery } from './delivery.ts';
import type { Trace } from './entry.ts';
import type { FlowStore } from './flow.ts';
import type { Backlog, GapStore } from './gaps.ts';
import type { InspectStore } from './inspect.ts';
import type { NoteStore } from './notes.ts';
import type { OrphanStore } from './orphans.ts';
import type { Sealer } from './seal.ts';
import type { WorkerStore } from './workers.ts';

/** Format of what the store holds. An older daemon refuses a newer one. */
export const STORE_FORMAT = 4;

/** Throws QUEUE_VERSION where a store is of a newer format, which this version must not touch. */
export function refuseNewerFormat(format: number): void {
  if (format <= STORE_FORMAT) return;
  throw new WalhookError(
    'QUEUE_VERSION',
    `expected a store of format ${STORE_FORMAT} or older, found format ${format}`,
  );
}

/** Throws QUEUE_VERSION where a store is of another format; of an older one setup brings it to this one. */
export function requireCurrentFormat(format: number | null): void {
  if (format === null || format === STORE_FORMAT) return;
  refuseNewerFormat(format);
  throw new WalhookError(
    'QUEUE_VERSION',
    `expected a store of format ${STORE_FORMAT}, found format ${format}`,
    { remedy: 'walhook setup, which keeps all that waits' },
  );
}

/** What binds a store to one slot of one database (the other half stands in `walhook.installation`). */
export interface Installation {
  readonly queueId: string;
  /** 8 hex digits: the line of history that positions and ids belong to. */
  readonly generation: string;
  readonly environment: string;
  readonly systemIdentifier: string;
  readonly database: string;
  readonly slot: string;
}

export interface StoreState {
  readonly installation: Installation;
  /** How far Changes are in the store; see enqueue/position.ts. */
  readonly position: string;
  /** Rises with every daemon that takes over capturing. */
  readonly fence: number;
  /** The webhooks in force, as the capturing process published them; null before it did. */
  readonly definitions: string | null;
}

/** The webhooks in force, as {@link StoreState} has them. */
export interface PublishedDefinitions {
  /** Tells them from others; of no meaning beyond its store. */
  readonly digest: string;
  readonly text: string | null;
}

/** Everything since the last flush, stored in one transaction or not at all. */
export interface Flush {
  /** The capturing daemon's; another one in the store means that it has been replaced. */
  readonly fence: number;
  readonly from: string;
  readonly to: string;
  readonly batches: readonly Batch[];
  /** Deliveries that failed before any request was made, e.g. too large to be read. */
  readonly failed: readonly FailedDelivery[];
  readonly definitions: string | null;
  /** By Webhook; one that is not named has no bound. */
  readonly backlogs?: ReadonlyMap<string, Backlog>;
  /** Webhooks that fire more than their brake allows: paused with this flush, what it holds of them waits. */
  readonly braked?: readonly string[];
}

/**
 * held: a Webhook is at its backlog's bound and holds the stream: nothing was stored, try again later ·
 * fenced: another daemon has taken over, nothing was stored.
 */
export type FlushResult = 'done' | 'fenced' | 'held';

export interface FailedDelivery {
  readonly webhook: string;
  readonly delivery: QueuedDelivery;
  /** A stable word, e.g. `status`, `timeout`, `template`. */
  readonly reason: string;
  /** One sentence for people. */
  readonly detail: string;
  readonly attempts: number;
  readonly failedAtMs: number;
}

/** A job taken by one process. */
export interface ClaimedJob {
  readonly id: string;
  readonly webhook: string;
  /** Attempts made so far for its one Delivery; 0 for a job that was never tried. */
  readonly attempts: number;
  readonly deliveries: readonly QueuedDelivery[];
  /** Bit i is set when delivery i is done with already (cancelled, or a claim after a crash). */
  readonly done: number;
  /** What is known of earlier Attempts; handed back with the report. */
  readonly trace?: Trace;
  /** Sent again by hand: marked `webhook-resend: 1`. */
  readonly isResend?: boolean;
}

export interface ClaimRequest {
  readonly webhook: string;
  readonly process: string;
  readonly maxJobs: number;
  readonly nowMs: number;
}

export interface ClaimResult {
  readonly jobs: readonly ClaimedJob[];
  /** When the next job that is not taken is due; null when there is none, or the Webhook is paused. */
  readonly nextDueMs: number | null;
  readonly isPaused: boolean;
}

export type Outcome =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'retry'; readonly attempts: number; readonly dueMs: number }
  | {
      readonly kind: 'failed';
      readonly attempts: number;
      readonly reason: string;
      readonly detail: string;
      readonly failedAtMs: number;
    }
  /** It was cancelled in the store meanwhile, and no Attempt was made. */
  | { readonly kind: 'cancelled' };

/** What became of one Delivery of a claimed job. */
export interface Report {
  readonly job: ClaimedJob;
  /** Its place in the job. */
  readonly index: number;
  readonly outcome: Outcome;
  /** Nothing of the job is left after this. */
  readonly isLast: boolean;
  /** The Attempt that led to it, for the log. */
  readonly attempt?: AttemptRecord;
}

/** Deliveries of one Webhook, counted. */
export interface QueueCounts {
  readonly waiting: number;
  /** Waiting for a retry's time. */
  readonly delayed: number;
  readonly active: number;
  /** In the log. */
  readonly delivered: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Since the store was made. */
  readonly deliveredTotal: number;
  readonly failedTotal: number;
  /** Not stored or dropped at the backlog's bound; Gaps tell which. */
  readonly skippedTotal: number;
  /** Bytes of Events that are waiting, delayed or active. */
  readonly bytes: number;
  /** Of the log. */
  readonly logBytes: number;
  readonly isPaused: boolean;
  /** Paused by its brake, not by hand. */
  readonly isBraked: boolean;
  /** Its breaker is open: what waits counts as parked. */
  readonly isParked: boolean;
}

/** When what is stored has survived a crash of the store's server. */
export interface Durability {
  /** {@link QueueStore.untilOnDisk} tells; nothing has to be waited for blindly. */
  readonly isConfirmed: boolean;
  /** Where it does not: how long an acknowledgement should trail a flush, in milliseconds. */
  readonly ackDelayMs: number;
  /** For people; begins with `none` where a crash loses what waits. */
  readonly note: string;
}

/** Capture's side. */
export interface CaptureStore {
  /** Takes over capturing: from now on a flush with a lower fence is refused. */
  takeFence(): Promise<number>;
  /** A flush repeated is stored once. */
  flush(flush: Flush): Promise<FlushResult>;
}

/** Deliver's side. */
export interface DeliverStore extends FlowStore, Pick<WorkerStore, 'workers'> {
  /**
   * Marks a process as alive; jobs of processes silent for longer than `ttlMs` go back to the queue. By the clock
   * of the store's server: those of the processes' machines may be far apart.
   */
  heartbeat(process: string, ttlMs: number): Promise<void>;
  /**
   * Takes the jobs that are due, oldest first. One that cannot be read ends as failed; throws QUEUE_VERSION and
   * QUEUE_KEY_MISSING where it could be read by a newer version, or with a key.
   */
  claim(request: ClaimRequest): Promise<ClaimResult>;
  /** Records outcomes. Those of jobs that the process has lost meanwhile are dropped. */
  report(process: string, reports: readonly Report[]): Promise<void>;
  /** Gives jobs back whose remaining Deliveries were not begun. */
  release(process: string, jobs: readonly { readonly id: string }[]): Promise<void>;
  /** Gives back what the process owns beyond the jobs it knows: taken by a claim whose answer was lost. */
  recover(process: string, known: readonly string[]): Promise<void>;
  /** Gives out nothing more of a Webhook until it is resumed. */
  pause(webhook: string): Promise<void>;
  /** Says that the breaker of a Webhook is open, so that what waits shows as parked. */
  setParked(webhook: string, isParked: boolean): Promise<void>;
  /** Webhooks with a job that is due and not taken. */
  dueWebhooks(nowMs: number): Promise<string[]>;
  /**
   * Calls back with the keys of Webhooks that have new work or were paused or resumed.
   *
   * @param onCancelled called with Deliveries of taken jobs that are not to be sent any more
   * @param onReconnected called when the store may have come back with less than it had: what it says that this
   *   process owns may be another set than what the process has
   */
  onWake(
    callback: (webhooks: readonly string[]) => void,
    onCancelled?: (cancelled: CancelledInJob) => void,
    onReconnected?: () => void,
  ): Promise<void>;
}

/** Bit i of `mask` is set when delivery i of the job was cancelled. */
export interface CancelledInJob {
  readonly job: string;
  readonly mask: number;
}

export interface QueueStore
  extends CaptureStore,
    DeliverStore,
    NoteStore,
    GapStore,
    OrphanStore,
    WorkerStore {
  readonly kind: 'redis' | 'postgres';
  /** Seals what holds values of rows before it is kept, e.g. in a note, and opens it. */
  readonly sealer: Sealer;
  /** Deliveries as people see and operate them. */
  readonly deliveries: InspectStore;
  /** null where setup has not been run. Throws QUEUE_VERSION. */
  state(): Promise<StoreState | null>;
  /**
   * The definitions in force, where they are others than those of a digest: for who looks every second, because of
   * a thousand webhooks they are half a megabyte. null: they are the same.
   *
   * @param digest of those that are known; null: of none
   *
   * Throws QUEUE_VERSION where a newer version has taken the store over.
   */
  definitionsOtherThan(digest: string | null): Promise<PublishedDefinitions | null>;
  /** Makes the store's objects and binds them. Idempotent for the same binding. */
  initialise(installation: Installation, position: string): Promise<void>;
  /**
   * Binds the store anew, at another position: after a Gap was accepted, or another database adopted. Takes
   * the fence too, so that a daemon that still captures stores nothing more.
   */
  rebind(installation: Installation, position: string): Promise<void>;
  /** Removes everything of this prefix. */
  destroy(): Promise<void>;
  counts(): Promise<ReadonlyMap<string, QueueCounts>>;
  resume(webhook: string): Promise<void>;
  /** Queues one Delivery outside of the stream, e.g. a sample; due at once. */
  enqueue(webhook: string, delivery: QueuedDelivery): Promise<void>;
  /** Failed Deliveries of a Webhook, newest first. */
  failed(webhook: string, limit: number): Promise<FailedDelivery[]>;
  /**
   * Looks whether the server is one that a queue can live on; returns what should be known. Throws
   * QUEUE_EVICTS, QUEUE_SERVER_OLD, and QUEUE_VERSION where setup has to bring the store to this format.
   */
  inspectServer(options: { readonly requireNoEviction: boolean }): Promise<readonly string[]>;
  /** What an acknowledgement may rest on here. */
  durability(): Promise<Durability>;
  /**
   * Waits until everything up to a position is on the disk of a store that can tell so; false where it was not
   * within a few seconds, or the store does not hold that position any more. Throws QUEUE_UNREACHABLE.
   *
   * @param position a position, or the sixteen digits that one begins with
   */
  untilOnDisk(position: string): Promise<boolean>;
  /** Servers that hold it and that its URL may not name: those that Sentinels or a Cluster led to. */
  readonly places: readonly { readonly host: string; readonly port: number }[];
  close(): Promise<void>;
}
