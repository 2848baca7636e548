/** Who works on the queue, and what has waited in it for longest. */

/** A process that takes jobs. */
export interface Worker {
  /** As core/processName.ts makes it. */
  readonly process: string;
  /** Its last sign of life, milliseconds since the Unix epoch. */
  readonly seenMs: number;
  /** Jobs it has taken; each holds up to 25 Deliveries. */
  readonly jobs: number;
}

export interface WorkerStore {
  /** Those that have not been given up yet, by name. */
  workers(): Promise<readonly Worker[]>;
  /**
   * The commit time of the oldest job by Webhook, milliseconds since the Unix epoch: of the last Delivery in
   * it. Webhooks without a job are left out.
   */
  oldest(): Promise<ReadonlyMap<string, number>>;
}
