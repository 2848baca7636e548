/** Orphans: Webhooks that have Deliveries and are defined no more. */

export interface Orphan {
  /** The Webhook's key. */
  readonly webhook: string;
  /** When it was first seen to be gone. */
  readonly sinceMs: number;
  /** Deliveries that wait for it. */
  readonly waiting: number;
}

export interface OrphanStore {
  /** Remembers since when which Webhooks are gone; forgets those that are back. Returns those gone. */
  markOrphans(defined: readonly string[], nowMs: number): Promise<readonly Orphan[]>;
  /** Drops all that waits for a Webhook, and records a Gap. Returns how many Deliveries that were. */
  dropWaiting(webhook: string, nowMs: number): Promise<number>;
}
