/**
 * What both stores can do with jobs and entries, as far as listing and operating on Deliveries needs it.
 * inspector.ts makes the operations people know out of these; each is one transaction of the store.
 */
import type { Entry } from './entry.ts';
import type { DeliveryFilter, Retention, Swept } from './inspect.ts';
import type { SingleJob } from './reports.ts';

/** A job without its Events. */
export interface StoredJob {
  readonly id: string;
  readonly webhook: string;
  readonly attempts: number;
  readonly dueMs: number;
  /** Bit i is set when delivery i is done with. */
  readonly done: number;
  readonly size: number;
  /** Taken by a process. */
  readonly isTaken: boolean;
  readonly head: string;
  readonly history: string;
  /** Bit i is set when delivery i was delivered and the log holds it here; see deliveredBatch.ts. */
  readonly logged: number;
  readonly records: string;
  /** Where it stands among the others; opaque, for the cursor. */
  readonly place: string;
}

export interface WholeJob extends StoredJob {
  /** Sealed. */
  readonly events: string;
  /** Sealed. */
  readonly bodies: string;
  /** Sealed, line by line. */
  readonly exchanges: string;
}

/**
 * So much of an Event's id says where it stands in commit order: generation, LSN and index. Ids of a job rise in that,
 * so that its first and its last tell whether another can be in it.
 */
export const ORDERED_LENGTH = '0badcafe-0000000000000000-00000000'.length;

export interface JobScan {
  /** waiting: jobs that are not done · logged: jobs in which the log holds something. */
  readonly part: 'waiting' | 'logged';
  readonly webhook: string | null;
  /** Goes on below this place; null: from the newest. */
  readonly after: string | null;
  /** Jobs whose last commit was before this end the scan. */
  readonly sinceMs: number | null;
  /** Only jobs whose first commit was before this. */
  readonly untilMs: number | null;
  /** Only jobs whose head holds all of these. */
  readonly tokens: readonly string[];
  /** Only jobs with Attempts, what is known of which holds this; null: any job. */
  readonly attempt: string | null;
  /** Only jobs that wait for a retry, or only others; null: any job. */
  readonly tried: boolean | null;
  readonly taken: boolean | null;
  /** Only jobs in whose range of Event ids one of these is, which are sorted; null: any job. */
  readonly events: readonly string[] | null;
  /** Jobs to give back at most. */
  readonly most: number;
}

export interface Scan<T> {
  readonly items: readonly T[];
  /** Where to go on; null: nothing is left. */
  readonly next: string | null;
}

/** An entry's head. */
export interface StoredEntry {
  readonly head: string;
  readonly place: string;
}

export interface WholeEntry {
  readonly id: string;
  readonly head: string;
  /** Sealed. */
  readonly event: string;
  /** Sealed. */
  readonly bodies: string;
}

export interface EntryScan {
  readonly filter: DeliveryFilter;
  readonly after: string | null;
  readonly most: number;
}

export interface CancelItem {
  readonly job: string;
  readonly bit: number;
  readonly eventBytes: number;
  readonly entry: Entry;
}

/** A job of which Deliveries are taken out. */
export interface BlankItem {
  readonly job: string;
  /** As it was read; a job that has changed since is left as it is. */
  readonly expected: { readonly head: string; readonly done: number };
  readonly mask: number;
  /** Bytes of the Events among them that were not done. */
  readonly freshBytes: number;
  readonly head: string;
  /** Sealed. */
  readonly events: string;
  /** Sealed, line by line. */
  readonly exchanges: string;
}

export interface RequeueItem {
  /** The Delivery's. */
  readonly id: string;
  readonly webhook: string;
  /** Where the log holds it; null: in an entry. */
  readonly from: { readonly job: string; readonly bit: number } | null;
  readonly single: SingleJob;
}

/** tried: a job of a retry · delivered: a job in which something was logged, its newest number. */
export type OutcomeRow =
  | { readonly kind: 'ended'; readonly seq: number; readonly head: string }
  | { readonly kind: 'tried' | 'delivered'; readonly seq: number; readonly job: StoredJob };

export interface Outcomes {
  /** In no order. */
  readonly rows: readonly OutcomeRow[];
  /** Nothing up to here is missing in the rows, and nothing will ever be added to it; some rows may go further. */
  readonly upTo: number;
}

/** Jobs with something logged up to a number and more after it, of which is looked at most for one page. */
export const MAX_STRADDLING = 5_000;

export interface Backend {
  /** Keys of the Webhooks that ever had a Delivery. */
  webhookKeys(): Promise<readonly string[]>;
  parkedWebhooks(): Promise<ReadonlySet<string>>;
  scanJobs(scan: JobScan): Promise<Scan<StoredJob>>;
  readJobs(ids: readonly string[]): Promise<readonly WholeJob[]>;
  scanEntries(scan: EntryScan): Promise<Scan<StoredEntry>>;
  readEntries(ids: readonly string[]): Promise<readonly WholeEntry[]>;
  countEntries(filter: DeliveryFilter): Promise<number>;
  /** Ends Deliveries of jobs; returns how many were still to be done. */
  cancelInJobs(items: readonly CancelItem[]): Promise<number>;
  /** Takes Deliveries out of jobs; returns the ids of the jobs that were as expected. */
  blankInJobs(items: readonly BlankItem[]): Promise<readonly string[]>;
  /** Turns what the log holds back into jobs; returns how many were still there. */
  requeue(items: readonly RequeueItem[]): Promise<number>;
  /** Makes delayed jobs due; returns how many were. */
  makeDue(jobs: readonly string[]): Promise<number>;
  /** Returns how many were there. */
  dropEntries(ids: readonly string[]): Promise<number>;
  /** The first recorded after a place in their sequence, up to `most` of each kind. */
  outcomesAfter(seq: number, most: number): Promise<Outcomes>;
  lastOutcome(): Promise<number>;
  sweep(retention: Retention, nowMs: number): Promise<Swept>;
}
