/**
 * Whether the stored position may still be used to skip what the slot sends again. It may not when the slot,
 * the server or the store is another than the one it was made with; then Changes are missing, and capturing
 * stops with a Gap that says which.
 */
import type { ClientBase, Pool } from 'pg';
import { type ErrorCode, WalhookError } from '../core/errors.ts';
import { formatLsn, type Lsn } from '../core/lsn.ts';
import type { PostgresTarget } from '../database/connect.ts';
import { parsePosition } from '../enqueue/position.ts';
import { describeGap, type FoundGap, type GapKind, type GapStore, gapOfAll } from '../queue/gaps.ts';
import type { NoteStore } from '../queue/notes.ts';
import type { StoreState } from '../queue/store.ts';
import type { SlotState, WalStatus } from '../replication/slot.ts';
import { forkFrom, readHistory, readServerPosition } from '../replication/timeline.ts';

/** What the capturing daemon notes of its progress, beside the position. */
export interface Progress {
  readonly generation: string;
  readonly timeline: number;
  /** Of the newest Transaction read; null before there was one. */
  readonly committedAtMs: number | null;
  /** The oid of the publication that was read; absent in notes of older versions. */
  readonly publicationOid?: string;
}

const KEY = 'progress';

export async function readProgress(store: NoteStore, generation: string): Promise<Progress | null> {
  const text = (await store.notes(KEY)).get(KEY);
  const progress = text === undefined ? null : (JSON.parse(text) as Progress);
  return progress?.generation === generation ? progress : null;
}

export async function putProgress(store: NoteStore, progress: Progress): Promise<void> {
  await store.putNote(KEY, JSON.stringify(progress));
}

/** Everything that a position is compared with. */
export interface HistoryView {
  readonly position: Lsn;
  readonly slot: { readonly walStatus: WalStatus; readonly confirmedFlushLsn: Lsn };
  /** End of the server's WAL. */
  readonly currentLsn: Lsn;
  /** Where the server's history left the timeline of the position; null where it did not, or never was on it. */
  readonly fork: Lsn | 'same' | 'unrelated';
  /** Whether the publication is another than the one that was read, under the same name. */
  readonly isPublicationRemade: boolean;
}

/** Why the position may not be used; null where it may. Pure. */
export function judgeHistory({
  position,
  slot,
  currentLsn,
  fork,
  isPublicationRemade,
}: HistoryView): GapKind | null {
  if (slot.walStatus === 'missing' || slot.walStatus === 'lost') return 'slot_lost';
  if (fork === 'unrelated' || (fork !== 'same' && fork < position)) return 'other_history';
  if (position > currentLsn) return 'server_behind';
  // The acknowledgement trails the position: a slot that stands ahead was made anew or moved, or the store
  // came back older than it was.
  if (slot.confirmedFlushLsn > position) return 'slot_moved';
  return isPublicationRemade ? 'publication_remade' : null;
}

const CODES: Partial<Record<GapKind, ErrorCode>> = {
  other_history: 'OTHER_HISTORY',
  server_behind: 'OTHER_HISTORY',
};

const FOUND: Partial<Record<GapKind, (view: HistoryView) => string>> = {
  slot_lost: ({ slot }) => (slot.walStatus === 'lost' ? 'it invalidated' : 'none of that name'),
  slot_moved: ({ slot, position }) =>
    `it at ${formatLsn(slot.confirmedFlushLsn)}, ahead of the stored position ${formatLsn(position)}: it was made anew or moved, or the queue came back older than it was`,
  publication_remade: () =>
    'its publication dropped and made again since: what was committed in between was not sent',
  server_behind: ({ currentLsn, position }) =>
    `a server whose WAL ends at ${formatLsn(currentLsn)}, before the stored position ${formatLsn(position)}`,
  other_history: ({ fork, position }) =>
    fork === 'unrelated' || fork === 'same'
      ? 'a server on an unrelated timeline'
      : `a server that left our timeline at ${formatLsn(fork)}, before the stored position ${formatLsn(position)}`,
};

export interface HistoryOptions {
  readonly client: ClientBase | Pool;
  /** For the history of timelines; null: another timeline is taken for an unrelated one. */
  readonly replication: PostgresTarget | null;
  readonly store: NoteStore & Pick<GapStore, 'recordGap'>;
  readonly slotName: string;
  readonly publication: string;
  readonly nowMs: number;
}

/** Changes that are missing, and how to say so. The Gap is not stored yet. */
export interface Parting {
  readonly gap: FoundGap;
  readonly code: ErrorCode;
  readonly message: string;
}

export interface HistoryResult {
  /** The server's. */
  readonly timeline: number;
  readonly found: Parting | null;
}

/** Compares position, slot and server. */
export async function compareHistory(
  options: HistoryOptions,
  state: StoreState,
  slot: SlotState,
): Promise<HistoryResult> {
  const { client, store } = options;
  const { generation } = state.installation;
  const progress = await readProgress(store, generation);
  const server = await readServerPosition(client);
  const view: HistoryView = {
    position: parsePosition(state.position).lsn,
    slot,
    currentLsn: server.currentLsn,
    fork: await forkOf(options, progress?.timeline ?? server.timeline, server.timeline),
    isPublicationRemade: await isRemade(options, progress?.publicationOid),
  };
  const reason = judgeHistory(view);
  if (reason === null) return { timeline: server.timeline, found: null };
  return {
    timeline: server.timeline,
    found: {
      gap: await gapOf(options, reason, view, generation, progress),
      code: CODES[reason] ?? 'SLOT_LOST',
      message: `expected the slot ${options.slotName} to go on from ${formatLsn(view.position)}, found ${FOUND[reason]?.(view) ?? reason}`,
    },
  };
}

/** Returns the server's timeline. Throws SLOT_LOST or OTHER_HISTORY after storing the Gap. */
export async function checkHistory(
  options: HistoryOptions,
  state: StoreState,
  slot: SlotState,
): Promise<number> {
  const { timeline, found } = await compareHistory(options, state, slot);
  if (found === null) return timeline;
  const id = await options.store.recordGap(found.gap);
  throw new WalhookError(found.code, `${found.message}. Gap ${describeGap({ ...found.gap, id })}`);
}

async function forkOf(options: HistoryOptions, ours: number, theirs: number): Promise<HistoryView['fork']> {
  if (ours === theirs) return 'same';
  if (theirs <= 1 || options.replication === null) return 'unrelated';
  return forkFrom(await readHistory(options.replication, theirs), ours) ?? 'unrelated';
}

/**
 * Up to 17 the server itself refuses to read WAL from before a publication; from 18 on it sends nothing of that WAL
 * and says so in its own log alone.
 */
async function isRemade(
  { client, publication }: HistoryOptions,
  known: string | undefined,
): Promise<boolean> {
  if (known === undefined) return false;
  const { rows } = await client.query<{ oid: string }>(
    `select oid::text as oid from pg_catalog.pg_publication
     where pubname = $1 and current_setting('server_version_num')::int >= 180000`,
    [publication],
  );
  return rows[0] !== undefined && rows[0].oid !== known;
}

async function gapOf(
  options: HistoryOptions,
  reason: GapKind,
  view: HistoryView,
  generation: string,
  progress: Progress | null,
): Promise<FoundGap> {
  const isMoved = reason === 'slot_moved';
  return gapOfAll(reason, {
    generation,
    firstLsn: formatLsn(view.position),
    firstMs: progress?.committedAtMs ?? null,
    lastLsn: isMoved ? formatLsn(view.slot.confirmedFlushLsn) : null,
    tables: await publishedTables(options.client, options.publication),
    openedMs: options.nowMs,
    closedMs: isMoved ? options.nowMs : null,
  });
}

/** The tables that a publication names: those of which Changes may be missing. */
export async function publishedTables(client: ClientBase | Pool, publication: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select schemaname || '.' || tablename as name from pg_catalog.pg_publication_tables
     where pubname = $1 order by 1 limit 1000`,
    [publication],
  );
  return rows.map((row) => row.name);
}
