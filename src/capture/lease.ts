/**
 * Who captures: a note in the queue's store that the capturing daemon renews, so that the others notice when
 * it is stopped or cut off from the store although its connection to PostgreSQL still stands.
 *
 * The lease decides only when to take over. What keeps two from doing harm is elsewhere: the slot has one
 * holder, and the fence in every flush refuses whoever was replaced. A lease lost is a third sign of the same.
 */
import { WalhookError } from '../core/errors.ts';
import type { NoteStore } from '../queue/notes.ts';

/** What the note says. */
export interface Leader {
  /** host, pid and a random word. */
  readonly process: string;
  readonly host: string;
  readonly pid: number;
  /** The server process of its replication connection; null before there is one. */
  readonly backendPid: number | null;
  readonly sinceMs: number;
  /** Wall time of the leader, for people. */
  readonly renewedMs: number;
}

/** How often a lease is renewed, and how long it may go without before others take over. */
export const RENEW_MS = 2_000;
export const LEASE_MS = 10_000;

const KEY = 'leader';
/** Stays when a lease is released: the server may take its time to end a process in the midst of decoding. */
const HOLDER_KEY = 'leader-backend';

export async function readLease(store: NoteStore): Promise<string | null> {
  return (await store.notes(KEY)).get(KEY) ?? null;
}

/** The server process of the newest connection that captured; null where there was none. */
export async function readLastHolder(store: NoteStore): Promise<number | null> {
  const text = (await store.notes(HOLDER_KEY)).get(HOLDER_KEY);
  return text === undefined ? null : Number(text);
}

/** The leader that a lease names; null for none. */
export function leaderOf(lease: string | null): Leader | null {
  return lease === null ? null : (JSON.parse(lease) as Leader);
}

export class Lease {
  readonly #store: NoteStore;
  #leader: Leader;
  #text: string;

  private constructor(store: NoteStore, leader: Leader, text: string) {
    this.#store = store;
    this.#leader = leader;
    this.#text = text;
  }

  /**
   * Takes the lease from whoever had it.
   *
   * @param seen what the note said when it was decided to take over
   * @returns null where another daemon was faster
   */
  static async take(store: NoteStore, leader: Leader, seen: string | null): Promise<Lease | null> {
    const text = JSON.stringify(leader);
    return (await store.putNote(KEY, text, seen)) ? new Lease(store, leader, text) : null;
  }

  /** Throws QUEUE_FENCED where another daemon has taken it, QUEUE_UNREACHABLE where nobody can say. */
  async renew(nowMs: number, backendPid: number | null): Promise<void> {
    const leader = { ...this.#leader, backendPid, renewedMs: nowMs };
    const text = JSON.stringify(leader);
    if (text === this.#text) return;
    if (backendPid !== null && backendPid !== this.#leader.backendPid) {
      await this.#store.putNote(HOLDER_KEY, String(backendPid));
    }
    if (!(await this.#store.putNote(KEY, text, this.#text))) {
      // The answer to an earlier renewal may have been lost on the way: then it is ours as it stands.
      const found = await readLease(this.#store);
      if (!this.#isOurs(found) || !(await this.#store.putNote(KEY, text, found))) {
        throw new WalhookError('QUEUE_FENCED', 'expected to hold the lease, found that another daemon does');
      }
    }
    this.#leader = leader;
    this.#text = text;
  }

  #isOurs(lease: string | null): boolean {
    const { process, sinceMs } = this.#leader;
    const found = leaderOf(lease);
    return found?.process === process && found.sinceMs === sinceMs;
  }

  /** Lets others take over at once. */
  async release(): Promise<void> {
    await this.#store.putNote(KEY, null, this.#text);
  }
}
