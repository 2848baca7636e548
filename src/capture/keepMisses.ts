/** Keeps the Changes that did not fire in the store, for as long as this process captures. */
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import { type MissLog, type MissStore, readMisses, writeMisses } from './misses.ts';
import { readPurgeOrders } from './purgeMisses.ts';

const WRITE_EVERY_MS = 1_000;

/** Writes what is new once a second until the signal is aborted, and once more then. Never throws. */
export async function keepMisses(
  misses: MissLog,
  store: MissStore,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      // The flushes say it louder, and what was lost here was only for people to look at.
      log.debug({ err: error }, 'Changes that did not fire were not written');
    }
  };
  await attempt(async () => {
    for (const [webhook, known] of await readMisses(store, '')) misses.restore(webhook, known);
  });
  while (!signal.aborted) {
    await clock.sleep(WRITE_EVERY_MS, signal);
    await attempt(() => writeChanged(misses, store));
  }
}

async function writeChanged(misses: MissLog, store: MissStore): Promise<void> {
  const orders = await readPurgeOrders(store);
  for (const { isMeant } of orders) misses.forget(isMeant);
  for (const [webhook, known] of misses.take()) await writeMisses(store, webhook, known);
  // What is not written yet is in the store as it was: the orders stand until it is.
  if (misses.isChanged) return;
  for (const { note } of orders) await store.putNote(note, null);
}
