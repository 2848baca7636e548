/**
 * Gaps: stretches of Changes known not to have been delivered, kept with their bounds until somebody has
 * dealt with them. A backlog that overflows makes one per Webhook; a lost slot or a queue that came back
 * emptier makes one for all.
 */

/**
 * overflow: not stored, the backlog was full · dropped: stored, then dropped for newer ones · slot: the slot
 * was lost · queue: the store lost what it held · orphan: its Webhook was gone for longer than retention.
 */
export type GapKind = 'overflow' | 'dropped' | 'slot' | 'queue' | 'orphan';

export interface Gap {
  /** 1, 2, 3 … in the order in which they were found. */
  readonly id: number;
  readonly kind: GapKind;
  /** The Webhook's key; null: every Webhook. */
  readonly webhook: string | null;
  /** Event ids; null where they are not known. */
  readonly firstId: string | null;
  readonly lastId: string | null;
  /** PostgreSQL's notation; null where they are not known. */
  readonly firstLsn: string | null;
  readonly lastLsn: string | null;
  /** Commit times, milliseconds since the Unix epoch. */
  readonly firstMs: number | null;
  readonly lastMs: number | null;
  /** Deliveries by model; empty where nobody can know. */
  readonly models: Readonly<Record<string, number>>;
  readonly openedMs: number;
  /** null while it is still growing. */
  readonly closedMs: number | null;
  /** Filled by a replay, or accepted by hand. */
  readonly settledMs: number | null;
  /** One sentence for people. */
  readonly detail: string | null;
}

/** The newest gaps are kept, this many; the oldest settled ones go first. */
export const MAX_GAPS = 1_000;

/** `w: overflow, 35 Deliveries from 0/1A to 0/3C`, for people. */
export function describeLeftOut(gap: Gap): string {
  const count = Object.values(gap.models).reduce((sum, n) => sum + n, 0);
  const ends = gap.closedMs === null ? `${gap.lastLsn} and growing` : gap.lastLsn;
  return `${gap.webhook}: ${gap.kind}, ${count} Deliveries from ${gap.firstLsn} to ${ends}`;
}

export interface GapStore {
  /** Newest first. */
  gaps(): Promise<readonly Gap[]>;
  /** Records one that is found whole; returns its id. */
  recordGap(gap: Omit<Gap, 'id'>): Promise<number>;
  /** Says that a replay has filled it, or that somebody accepts it. false: no such Gap. */
  settleGap(id: number, nowMs: number): Promise<boolean>;
}

/** What happens at a Webhook's bound. */
export interface Backlog {
  /** Deliveries that wait anywhere: waiting, active, delayed, parked. */
  readonly max: number;
  readonly bytes: number;
  /**
   * overflow: nothing further is stored, a Gap is recorded · drop_oldest: the oldest make room, a Gap is
   * recorded · hold: the stream waits.
   */
  readonly rule: 'overflow' | 'drop_oldest' | 'hold';
}
