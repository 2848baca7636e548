/**
 * Purging Deliveries, and with them what is kept of Changes that did not fire. The process that captures has them in memory and writes them
 * anew with what comes, so the store is cleaned at once, and an order left there for that process to forget them too.
 */
import { randomBytes } from 'node:crypto';
import { hash64 } from '../core/hash.ts';
import type { DeliveryFilter, InspectStore, Operated } from '../queue/inspect.ts';
import { type Miss, type MissStore, readMisses, writeMisses } from './misses.ts';

const PREFIX = 'miss-purge:';

/** Which Changes are meant. null: any. */
interface Order {
  readonly webhook: string | null;
  readonly model: string | null;
  /** SHA-256 of the row's key: the order itself must not keep what it is to remove. */
  readonly key: string | null;
  readonly sinceMs: number | null;
  readonly untilMs: number | null;
}

/** An order that was left, with the note that holds it. */
export interface PurgeOrder {
  readonly note: string;
  isMeant(webhook: string, miss: Miss): boolean;
}

/**
 * Removes every trace of the Deliveries that a filter means, and of such Changes that did not fire. Throws
 * QUEUE_KEY_MISSING before anything is removed.
 */
export async function purge(
  store: MissStore & { readonly deliveries: Pick<InspectStore, 'purge'> },
  filter: DeliveryFilter,
): Promise<Operated> {
  await purgeMisses(store, filter);
  return await store.deliveries.purge(filter);
}

/**
 * Purges the Changes that a filter means. One that asks for what only Deliveries have (ids, a state, a status, a
 * request) means none. The process that captures forgets them within two seconds.
 */
async function purgeMisses(store: MissStore, filter: DeliveryFilter): Promise<void> {
  const { ids, state, status, requestId, webhook, model, key, sinceMs, untilMs } = filter;
  if ([ids, state, status, requestId].some((one) => one !== undefined)) return;
  const order: Order = {
    webhook: webhook ?? null,
    model: model ?? null,
    key: key === undefined ? null : hash64(key),
    sinceMs: sinceMs ?? null,
    untilMs: untilMs ?? null,
  };
  // Read first: where something cannot be read, nothing is written.
  const known = await readMisses(store, '');
  await store.putNote(`${PREFIX}${randomBytes(8).toString('hex')}`, JSON.stringify(order));
  for (const [name, misses] of known) {
    const kept = misses.filter((miss) => !isMeant(order, name, miss));
    if (kept.length < misses.length) await writeMisses(store, name, kept);
  }
}

/** The orders that are left. */
export async function readPurgeOrders(store: Pick<MissStore, 'notes'>): Promise<readonly PurgeOrder[]> {
  return [...(await store.notes(PREFIX))].map(([note, text]) => {
    const order = JSON.parse(text) as Order;
    return { note, isMeant: (webhook, miss) => isMeant(order, webhook, miss) };
  });
}

/** Whether an order means a Change. Pure. */
function isMeant({ webhook, model, key, sinceMs, untilMs }: Order, name: string, miss: Miss): boolean {
  return (
    (webhook === null || webhook === name) &&
    (model === null || model === miss.model) &&
    (key === null || key === hash64(miss.key)) &&
    (sinceMs === null || miss.committedAtMs >= sinceMs) &&
    (untilMs === null || miss.committedAtMs < untilMs)
  );
}
