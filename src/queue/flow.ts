/**
 * What all processes that deliver a Webhook agree on: who may have how many requests in flight, how many
 * were started lately, and whether the Webhook is parked because its receiver is down.
 *
 * The store keeps it as one small text for each Webhook and swaps it only where nobody else did meanwhile;
 * what it says and how it moves on is decided in deliver/flow.
 */

export interface FlowState {
  /** Requests in flight that each process may have. */
  readonly held: Readonly<Record<string, HeldSlots>>;
  /** null: requests go out. */
  readonly park: Park | null;
  /** When the Webhook was last unparked, while its recovery ramps up; null otherwise. */
  readonly rampFromMs: number | null;
  /** Requests started, by the time their slice of the rate's window began. The oldest first. */
  readonly starts: readonly (readonly [startMs: number, count: number])[];
}

export interface HeldSlots {
  readonly slots: number;
  /** How many it could use. */
  readonly wants: number;
  readonly seenMs: number;
}

/** A Webhook whose receiver is down. Its Deliveries wait and use up no Attempt. */
export interface Park {
  readonly sinceMs: number;
  /** When one request probes the receiver next. */
  readonly untilMs: number;
  /** How often in a row it was parked, the first time and after each failed probe. */
  readonly openings: number;
  /** The word of the last failure, e.g. `timeout`. */
  readonly reason: string;
  /** The process that is probing, until `untilMs`; null while nobody does. */
  readonly prober: string | null;
}

export const NO_FLOW: FlowState = { held: {}, park: null, rampFromMs: null, starts: [] };

/** A flow state to be replaced. */
export interface FlowSwap {
  readonly webhook: string;
  /** null: none yet. */
  readonly expected: string | null;
  readonly next: string;
}

export interface FlowSwapped {
  readonly isSwapped: boolean;
  /** What stands there then. */
  readonly current: string | null;
}

export interface FlowStore {
  /**
   * Replaces the flow state of each Webhook where it still is what was expected; one that is not hinders no other.
   * Answers in the order of the swaps, which are of different Webhooks.
   */
  swapFlows(swaps: readonly FlowSwap[]): Promise<readonly FlowSwapped[]>;
  /** Webhook → flow state, of those that have one. */
  flows(): Promise<ReadonlyMap<string, string>>;
}

const VERSION = 1;

export function encodeFlow(state: FlowState): string {
  return JSON.stringify({ v: VERSION, ...state });
}

/** The inverse of {@link encodeFlow}; a text of another version counts as none: it is rebuilt within seconds. */
export function decodeFlow(text: string | null): FlowState {
  if (text === null) return NO_FLOW;
  const { v, ...state } = JSON.parse(text) as FlowState & { readonly v: number };
  return v === VERSION ? state : NO_FLOW;
}
