/**
 * Gaps: stretches of Changes known not to have been delivered, kept with their bounds until somebody has
 * dealt with them. This is the one registry of them. A backlog that overflows makes one per Webhook, in the
 * transaction that leaves the Changes out; a lost slot or a queue that came back emptier makes one for all.
 */
import type { Replay } from './replays.ts';

/** Why there is a Gap. Stable words. */
export type GapKind =
  /** Not stored: the Webhook's backlog was full. */
  | 'overflow'
  /** Stored, then dropped for newer ones. */
  | 'dropped'
  /** Its Webhook was gone for longer than retention. */
  | 'orphan'
  /** The slot is gone, or invalidated. */
  | 'slot_lost'
  /** A slot of that name is there and stands behind nothing we know: it was made anew, or moved. */
  | 'slot_moved'
  /** The publication was dropped and made again while nobody looked: nothing was sent in between. */
  | 'publication_remade'
  /** The server's WAL ends before our position: a backup was restored, or a standby was behind. */
  | 'server_behind'
  /** Another system, or a timeline that left ours before our position. */
  | 'other_history'
  /** The queue's store lost its position or its jobs. */
  | 'queue_lost';

export interface Gap {
  /** 1, 2, 3 … in the order in which they were found. */
  readonly id: number;
  readonly kind: GapKind;
  /** The Webhook's key; null: every Webhook. */
  readonly webhook: string | null;
  /** The line of history that the bounds belong to; null where nobody knows. */
  readonly generation: string | null;
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
  /** Tables that may have changed meanwhile, `schema.table`; empty where `models` tells it. */
  readonly tables: readonly string[];
  readonly openedMs: number;
  /** null while it is still growing. */
  readonly closedMs: number | null;
  /** Filled by a replay, or accepted by hand. */
  readonly settledMs: number | null;
  /** One sentence for people. */
  readonly detail: string | null;
}

/** A Gap that is found, and that the store has yet to number. */
export type FoundGap = Omit<Gap, 'id'>;

/** The newest gaps are kept, this many; the oldest settled ones go first. */
export const MAX_GAPS = 1_000;

/** Where a Gap ends, for one that was still growing. */
export interface GapEnd {
  /** PostgreSQL's notation. */
  readonly lsn: string;
  /** Milliseconds since the Unix epoch. */
  readonly atMs: number;
}

export interface GapStore {
  /** Newest first. Empty where setup has not been run. */
  gaps(): Promise<readonly Gap[]>;
  /**
   * Records one that is found, and returns its number. One that nobody has settled, with the same kind,
   * Webhook, Generation and beginning, is the same Gap: what is met again at every reconnect is kept once.
   */
  recordGap(gap: FoundGap): Promise<number>;
  /**
   * Says that a replay has filled it, or that somebody accepts it; it grows no more. What is settled already
   * stays as it is. false: no such Gap.
   *
   * @param end written where the Gap has no end yet
   */
  settleGap(id: number, nowMs: number, end?: GapEnd): Promise<boolean>;
  /** Drops what is beyond {@link MAX_GAPS}: settled ones first, then closed ones, the oldest before others. */
  trimGaps(): Promise<number>;
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

/** A Gap that concerns every Webhook, of which only the cause is known. */
export function gapOfAll(
  kind: GapKind,
  known: Partial<FoundGap> & Pick<FoundGap, 'openedMs' | 'tables'>,
): FoundGap {
  return {
    kind,
    webhook: null,
    generation: null,
    firstId: null,
    lastId: null,
    firstLsn: null,
    lastLsn: null,
    firstMs: null,
    lastMs: null,
    models: {},
    closedMs: null,
    settledMs: null,
    detail: null,
    ...known,
  };
}

/** The Gaps that nobody has dealt with, oldest first. */
export async function openGaps(store: Pick<GapStore, 'gaps'>): Promise<Gap[]> {
  return (await store.gaps()).filter((gap) => gap.settledMs === null).toReversed();
}

/**
 * Whether replays have sent everything that a Gap left out: each of its models, or each of its tables, in a
 * replay that was asked for to fill it, is done, and went to all whom the Gap concerns.
 *
 * @param tableOf `schema.table` of a model
 */
export function isFilled(gap: Gap, replays: readonly Replay[], tableOf: (model: string) => string): boolean {
  const done = replays.filter(
    (one) =>
      one.gap === gap.id && one.state === 'done' && (one.webhook === null || one.webhook === gap.webhook),
  );
  const models = Object.keys(gap.models);
  if (models.length > 0) return models.every((model) => done.some((one) => one.model === model));
  return (
    gap.tables.length > 0 && gap.tables.every((table) => done.some((one) => tableOf(one.model) === table))
  );
}

/** One sentence for people: what is missing, from when to when, of which tables. */
export function describeGap(gap: Gap | FoundGap): string {
  const counted = Object.values(gap.models).reduce((sum, count) => sum + count, 0);
  const what = counted === 0 ? 'Changes' : `${counted} Deliveries`;
  const whose = gap.webhook === null ? '' : ` for ${gap.webhook}`;
  const of = gap.tables.length > 0 ? gap.tables : Object.keys(gap.models);
  const tables = of.length === 0 ? '' : ` of ${listed(of)}`;
  const begin = bound(gap.firstLsn, gap.firstMs) ?? 'an unknown position';
  const end = bound(gap.lastLsn, gap.lastMs);
  const growing = end === null ? 'now' : `${end} and growing`;
  const to = gap.closedMs === null ? growing : (end ?? 'an unknown position');
  const number = 'id' in gap ? `${gap.id} ` : '';
  return `${number}${gap.kind}: ${what}${tables}${whose} from ${begin} to ${to} were not delivered`;
}

function bound(lsn: string | null, atMs: number | null): string | null {
  const time = atMs === null ? null : new Date(atMs).toISOString();
  return lsn === null || time === null ? (lsn ?? time) : `${lsn} (${time})`;
}

const MAX_LISTED = 8;

function listed(names: readonly string[]): string {
  const more = names.length - MAX_LISTED;
  const shown = names.slice(0, MAX_LISTED).join(', ');
  return more > 0 ? `${shown} and ${more} more` : shown;
}
