/**
 * Changes that did not fire: the last hundred of each Webhook with the reason, kept in memory and written to
 * the store beside the queue, outside of the flushes, so that `walhook explain` can tell.
 *
 * Bounded in everything: how many are kept, how large one is, how many are explained in a second, how often
 * they are written. Under load that makes a sample of them; nothing that is sent waits for it.
 */
import type { Clock } from '../core/clock.ts';
import type { Json, JsonObject } from '../core/json.ts';
import { parseJson, stringifyJson } from '../core/json.ts';
import type { QueueStore } from '../queue/store.ts';

/** One Change that a Webhook watched and did not fire for. */
export type Miss = {
  /** The row's. */
  readonly key: string;
  readonly model: string;
  readonly event: string;
  /** The commit's time, in milliseconds since 1970. */
  readonly committedAtMs: number;
  /** Of the Change in the history; sorts as text. */
  readonly position: string;
  /** Which setting said no. */
  readonly by: string;
  /** The conditions that decided, with the values they saw. */
  readonly because: Json[];
};

/** Of one Webhook. */
const KEPT = 100;
/** Characters of one as JSON. */
const MAX_CHARS = 1_000;
/** Explained in one second, of one Webhook and of all. */
const PER_WEBHOOK = 100;
const PER_SECOND = 2_000;
/** Webhooks written in one round. */
const PER_ROUND = 50;

interface Kept {
  misses: Miss[];
  /** Explained in this second. */
  count: number;
  isChanged: boolean;
}

export class MissLog {
  readonly #webhooks = new Map<string, Kept>();
  readonly #clock: Clock;
  #second = 0;
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Never throws: what fails here must not fail the Change.
   *
   * @param describe is asked only where the Change is kept
   */
  add(webhook: string, describe: () => Miss): void {
    this.#beginSecond();
    if (this.#count >= PER_SECOND) return;
    const kept = this.#kept(webhook);
    if (kept.count >= PER_WEBHOOK) return;
    this.#count += 1;
    kept.count += 1;
    try {
      kept.misses.push(bounded(describe()));
    } catch {
      return;
    }
    kept.isChanged = true;
    if (kept.misses.length > KEPT) kept.misses.shift();
  }

  /** Goes on from what an earlier connection or process wrote. */
  restore(webhook: string, misses: readonly Miss[]): void {
    const kept = this.#kept(webhook);
    kept.misses.unshift(...misses.slice(-Math.max(0, KEPT - kept.misses.length)));
  }

  /** Whether something has changed since it was last taken. */
  get isChanged(): boolean {
    return [...this.#webhooks.values()].some((kept) => kept.isChanged);
  }

  /** Takes what has changed since it was last taken, a bounded number of Webhooks. */
  take(): [webhook: string, misses: readonly Miss[]][] {
    const changed = [...this.#webhooks].filter(([, kept]) => kept.isChanged).slice(0, PER_ROUND);
    return changed.map(([webhook, kept]) => {
      kept.isChanged = false;
      return [webhook, kept.misses];
    });
  }

  /** Forgets those that are meant; of the Webhooks that had some, what is left is to be written. */
  forget(isMeant: (webhook: string, miss: Miss) => boolean): void {
    for (const [webhook, kept] of this.#webhooks) {
      const left = kept.misses.filter((miss) => !isMeant(webhook, miss));
      if (left.length === kept.misses.length) continue;
      kept.misses = left;
      kept.isChanged = true;
    }
  }

  #kept(webhook: string): Kept {
    let kept = this.#webhooks.get(webhook);
    if (kept === undefined) {
      kept = { misses: [], count: 0, isChanged: false };
      this.#webhooks.set(webhook, kept);
    }
    return kept;
  }

  #beginSecond(): void {
    const second = Math.floor(this.#clock.monotonic() / 1_000);
    if (second === this.#second) return;
    this.#second = second;
    this.#count = 0;
    for (const kept of this.#webhooks.values()) kept.count = 0;
  }
}

/** What is too long loses the values seen, then all that decided. */
function bounded(miss: Miss): Miss {
  if (stringifyJson(miss).length <= MAX_CHARS) return miss;
  const bare = { ...miss, because: miss.because.slice(0, 3).map(withoutValues) };
  return stringifyJson(bare).length <= MAX_CHARS
    ? bare
    : { ...miss, key: miss.key.slice(0, 200), because: [] };
}

function withoutValues(leaf: Json): Json {
  if (typeof leaf !== 'object' || leaf === null || Array.isArray(leaf)) return leaf;
  const { seen: _seen, value: _value, ...rest } = leaf;
  return rest;
}

const PREFIX = 'miss:';

/** What conditions saw are values of rows: they are sealed like Events. */
export type MissStore = Pick<QueueStore, 'notes' | 'putNote' | 'sealer'>;

/** Of the Webhooks whose keys start so. Throws QUEUE_KEY_MISSING. */
export async function readMisses(
  store: Pick<MissStore, 'notes' | 'sealer'>,
  webhook: string,
): Promise<ReadonlyMap<string, readonly Miss[]>> {
  const notes = await store.notes(`${PREFIX}${webhook}`);
  return new Map(
    [...notes].map(([key, text]) => [
      key.slice(PREFIX.length),
      parseJson(store.sealer.open(text)) as unknown as Miss[],
    ]),
  );
}

/** Replaces what is kept of a Webhook. Throws what the store throws. */
export async function writeMisses(
  store: Pick<MissStore, 'putNote' | 'sealer'>,
  webhook: string,
  misses: readonly Miss[],
): Promise<void> {
  await store.putNote(`${PREFIX}${webhook}`, store.sealer.seal(stringifyJson([...misses] as JsonObject[])));
}
