/**
 * Where the operations are that have not arrived: in the queue, in its log, still to be read from the slot, or
 * nowhere, which is a loss.
 */
import { Client } from 'pg';
import { systemClock } from '../../src/core/clock.ts';
import { DELIVERY_STATES, type DeliveryFilter, MAX_PAGE } from '../../src/queue/inspect.ts';
import type { QueueStore } from '../../src/queue/store.ts';
import type { TestQueue } from '../helpers/queue.ts';
import { openStore } from '../helpers/stores.ts';

export interface Places {
  /** The queue, past its proxy. */
  readonly section: TestQueue['section'];
  /** The watched database, past its proxy. */
  readonly url: string;
  /** Where its WAL ended after the last operation. */
  readonly walEnd: string;
}

export interface Whereabouts {
  /** Read from the slot, and neither in the queue nor in its log as something that did not arrive. */
  readonly lost: readonly number[];
  /** In the queue, or still to be read. */
  readonly late: readonly number[];
  /** How many, by where they are. */
  readonly places: ReadonlyMap<string, number>;
  /** What else says why something waits: slot, processes, breaker. One line each. */
  readonly notes: readonly string[];
}

/** States in which a Delivery may still arrive, or is known not to have. */
const OPEN_STATES = DELIVERY_STATES.filter((state) => state !== 'delivered');
/** Of what is in no open state, so many are looked up in the log of what was delivered. */
const MAX_LOOKED_UP = 200;

export async function findWhereabouts(at: Places, missing: readonly number[]): Promise<Whereabouts> {
  if (missing.length === 0) return { lost: [], late: [], places: new Map(), notes: [] };
  const slot = await slotOf(at);
  const store = await openStore(at.section);
  try {
    const states = await openStates(store);
    const places = new Map<string, number>();
    const lost: number[] = [];
    const late: number[] = [];
    let lookedUp = 0;
    for (const op of missing) {
      const state = states.get(String(op));
      let place: string =
        state ?? (slot.isReadToEnd ? 'nowhere' : 'nowhere, the slot is not read to its end');
      if (state === undefined && lookedUp < MAX_LOOKED_UP) {
        lookedUp += 1;
        const { items } = await store.deliveries.list({ key: String(op) }, { limit: 1, cursor: null });
        if (items[0] !== undefined) place = `${items[0].state} in the log, and never received`;
      }
      places.set(place, (places.get(place) ?? 0) + 1);
      (state === undefined && slot.isReadToEnd ? lost : late).push(op);
    }
    return { lost, late, places, notes: [slot.note, ...(await notesOf(store))] };
  } finally {
    await store.close();
  }
}

export function describeWhereabouts({ lost, late, places, notes }: Whereabouts): string {
  if (lost.length + late.length === 0) return '';
  const lines = [...places].map(([place, count]) => `  ${count} ${place}`);
  return [
    `not arrived: ${lost.length + late.length}`,
    ...lines,
    ...notes.map((note) => `  ${note}`),
    '',
  ].join('\n');
}

/** By the row's key: the state of every Delivery that did not arrive. */
async function openStates(store: QueueStore): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const state of OPEN_STATES) {
    const filter: DeliveryFilter = { state };
    let cursor: string | null = null;
    do {
      const page = await store.deliveries.list(filter, { limit: MAX_PAGE, cursor });
      for (const { key, error } of page.items) {
        found.set(key, error === null ? state : `${state} (${error})`);
      }
      cursor = page.cursor;
    } while (cursor !== null);
  }
  return found;
}

async function slotOf({ url, walEnd }: Places): Promise<{ isReadToEnd: boolean; note: string }> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ done: boolean; at: string; active: boolean }>(
      `select confirmed_flush_lsn >= $1::pg_lsn as done, confirmed_flush_lsn::text as at, active
       from pg_replication_slots where database = current_database()`,
      [walEnd],
    );
    const { done = false, at = 'no slot', active = false } = rows[0] ?? {};
    return {
      isReadToEnd: done,
      note: `slot: acknowledged ${at} of ${walEnd}, ${active ? 'active' : 'idle'}`,
    };
  } finally {
    await client.end();
  }
}

async function notesOf(store: QueueStore): Promise<string[]> {
  const counts = [...(await store.counts())].map(
    ([webhook, { waiting, delayed, active, failed, isParked, isPaused }]) =>
      `queue: ${webhook} ${JSON.stringify({ waiting, delayed, active, failed, isParked, isPaused })}`,
  );
  const now = systemClock.now();
  const workers = (await store.workers()).map(
    ({ process, seenMs, jobs }) => `process: ${process} seen ${now - seenMs} ms ago, ${jobs} jobs`,
  );
  const flows = [...(await store.flows())].map(([webhook, state]) => `flow: ${webhook} ${state}`);
  return [...counts, ...workers, ...flows];
}
