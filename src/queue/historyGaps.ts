/**
 * Gaps: stretches of Changes known not to have been delivered, kept in the queue's store, never silence.
 *
 * A Gap of capture (a slot lost, a store that came back emptier) is about every Webhook; a Gap of one Webhook
 * (its backlog's bound) names it and counts what was left out.
 */
import { randomBytes } from 'node:crypto';
import type { NoteStore } from './notes.ts';

/** Why there is a Gap. Stable words. */
export type GapReason =
  /** The slot is gone, or invalidated. */
  | 'slot_lost'
  /** A slot of that name is there and stands behind nothing we know: it was made anew, or moved. */
  | 'slot_moved'
  /** The server's WAL ends before our position: a backup was restored, or a standby was behind. */
  | 'server_behind'
  /** Another system, or a timeline that left ours before our position. */
  | 'other_history'
  /** The queue's store lost its position or its jobs. */
  | 'queue_lost'
  /** The queue's store came back at an older position than was acknowledged. */
  | 'queue_behind'
  /** A Webhook's backlog was full. */
  | 'overflow';

/** One end of a Gap. What is not known is null. */
export interface GapBound {
  /** PostgreSQL's notation. */
  readonly lsn: string | null;
  /** Milliseconds since the Unix epoch. */
  readonly atMs: number | null;
  readonly eventId: string | null;
}

export interface Gap {
  /** 8 hex digits, for `walhook replay --gap`. */
  readonly id: string;
  readonly reason: GapReason;
  /** The Generation that the bounds belong to. */
  readonly generation: string;
  /** null: it concerns every Webhook. */
  readonly webhook: string | null;
  readonly from: GapBound;
  /** null while it grows. */
  readonly to: GapBound | null;
  /** Events left out per model; null where nobody could count them. */
  readonly counts: Readonly<Record<string, number>> | null;
  /** Tables that may have changed meanwhile. */
  readonly tables: readonly string[];
  readonly detectedAtMs: number;
  /** When a replay filled it, or someone accepted it. */
  readonly acceptedAtMs: number | null;
}

export const UNKNOWN_BOUND: GapBound = { lsn: null, atMs: null, eventId: null };

const PREFIX = 'gap:';
/** The oldest accepted ones go first. */
const MAX_GAPS = 1_000;

export function newGapId(): string {
  return randomBytes(4).toString('hex');
}

/** Every Gap known, oldest first. */
export async function readGaps(store: NoteStore): Promise<Gap[]> {
  const gaps = [...(await store.notes(PREFIX)).values()].map((text) => JSON.parse(text) as Gap);
  return gaps.sort((a, b) => a.detectedAtMs - b.detectedAtMs);
}

/** Stores a Gap, or what is known of it now. */
export async function putGap(store: NoteStore, gap: Gap): Promise<void> {
  await store.putNote(`${PREFIX}${gap.id}`, JSON.stringify(gap));
  const gaps = await readGaps(store);
  const surplus = gaps
    .filter((one) => one.acceptedAtMs !== null)
    .slice(0, Math.max(0, gaps.length - MAX_GAPS));
  for (const { id } of surplus) await store.putNote(`${PREFIX}${id}`, null);
}

/**
 * Stores a Gap unless one with the same reason and beginning is open already: what is found again at every
 * reconnect is one Gap.
 */
export async function recordGap(store: NoteStore, gap: Gap): Promise<Gap> {
  const known = (await readGaps(store)).find(
    (one) =>
      one.acceptedAtMs === null &&
      one.reason === gap.reason &&
      one.webhook === gap.webhook &&
      one.generation === gap.generation &&
      one.from.lsn === gap.from.lsn,
  );
  if (known !== undefined) return known;
  await putGap(store, gap);
  return gap;
}

/** One sentence for people: what is missing, from when to when, of which tables. */
export function describeGap(gap: Gap): string {
  const bound = (one: GapBound | null, open: string) => {
    if (one === null) return open;
    const time = one.atMs === null ? null : new Date(one.atMs).toISOString();
    if (one.lsn === null) return time ?? open;
    return time === null ? one.lsn : `${one.lsn} (${time})`;
  };
  const counted = Object.values(gap.counts ?? {}).reduce((sum, count) => sum + count, 0);
  const what = gap.counts === null ? 'Changes' : `${counted} Events`;
  const whose = gap.webhook === null ? '' : ` for ${gap.webhook}`;
  const tables = gap.tables.length === 0 ? '' : ` of ${listed(gap.tables)}`;
  return `${gap.id} ${gap.reason}: ${what}${tables}${whose} from ${bound(gap.from, 'an unknown position')} to ${bound(gap.to, 'now')} were not delivered`;
}

const MAX_LISTED = 8;

function listed(names: readonly string[]): string {
  const more = names.length - MAX_LISTED;
  const shown = names.slice(0, MAX_LISTED).join(', ');
  return more > 0 ? `${shown} and ${more} more` : shown;
}
