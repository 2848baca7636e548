/**
 * Replays as notes in the queue's store: asked for by a command, done by the daemon that captures, followed and
 * cancelled from anywhere. What the note says is how far the replay is, so that it goes on after a restart.
 */
import { randomBytes } from 'node:crypto';
import type { NoteStore } from './notes.ts';

export type ReplayState = 'waiting' | 'running' | 'done' | 'cancelled' | 'failed';

export interface Replay {
  /** 8 hex digits. */
  readonly id: string;
  readonly model: string;
  /** SQL over the row; null: every row. */
  readonly where: string | null;
  /** The Gap that it fills. */
  readonly gap: number | null;
  /** The only Webhook it is for; null: all that watch the model's `created`. */
  readonly webhook: string | null;
  readonly rowsPerSecond: number;
  readonly state: ReplayState;
  /** Why it failed. */
  readonly error: string | null;
  /** Position of the marker that the Events' ids bear, 16 hex digits; null before it was written. */
  readonly marker: string | null;
  readonly markedAtMs: number | null;
  /** Key of the last row that is done, column by column. */
  readonly after: readonly string[] | null;
  readonly rows: number;
  readonly deliveries: number;
  readonly requestedAtMs: number;
  readonly endedAtMs: number | null;
}

export interface ReplayWish {
  readonly model: string;
  readonly where: string | null;
  readonly gap: number | null;
  readonly webhook: string | null;
  readonly rowsPerSecond: number;
}

const PREFIX = 'replay:';
/** Ended ones that are kept to be looked at. */
const MAX_ENDED = 100;

/** All of them, oldest first. */
export async function readReplays(store: NoteStore): Promise<Replay[]> {
  const replays = [...(await store.notes(PREFIX)).values()].map((text) => JSON.parse(text) as Replay);
  return replays.sort((a, b) => a.requestedAtMs - b.requestedAtMs);
}

export async function findReplay(store: NoteStore, id: string): Promise<Replay | null> {
  const text = (await store.notes(`${PREFIX}${id}`)).get(`${PREFIX}${id}`);
  return text === undefined ? null : (JSON.parse(text) as Replay);
}

export async function requestReplay(store: NoteStore, wish: ReplayWish, nowMs: number): Promise<Replay> {
  const ended = (await readReplays(store)).filter((one) => one.endedAtMs !== null);
  for (const { id } of ended.slice(0, Math.max(0, ended.length - MAX_ENDED))) {
    await store.putNote(`${PREFIX}${id}`, null);
  }
  const replay: Replay = {
    ...wish,
    id: randomBytes(4).toString('hex'),
    state: 'waiting',
    error: null,
    marker: null,
    markedAtMs: null,
    after: null,
    rows: 0,
    deliveries: 0,
    requestedAtMs: nowMs,
    endedAtMs: null,
  };
  await store.putNote(`${PREFIX}${replay.id}`, JSON.stringify(replay), null);
  return replay;
}

/** Writes what a replay says now, unless somebody changed it meanwhile. Returns whether it was written. */
export function putReplay(store: NoteStore, before: Replay, now: Replay): Promise<boolean> {
  return store.putNote(`${PREFIX}${now.id}`, JSON.stringify(now), JSON.stringify(before));
}

/** Cancels a replay that has not ended. Returns what it says then; null for no such replay. */
export async function cancelReplay(store: NoteStore, id: string, nowMs: number): Promise<Replay | null> {
  for (;;) {
    const replay = await findReplay(store, id);
    if (replay === null || replay.endedAtMs !== null) return replay;
    const cancelled: Replay = { ...replay, state: 'cancelled', endedAtMs: nowMs };
    if (await putReplay(store, replay, cancelled)) return cancelled;
  }
}
