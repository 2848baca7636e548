/** Webhooks by the name people know or by their key, as the queue's store knows them. */
import { WalhookError } from '../core/errors.ts';
import { rememberedKeys } from '../definitions/webhooks.ts';
import type { QueueStore } from '../queue/store.ts';

/** The key of a Webhook that is in force, or that has Deliveries. Throws WEBHOOK_UNKNOWN. */
export async function webhookKey(
  store: Pick<QueueStore, 'state' | 'counts'>,
  nameOrKey: string,
): Promise<string> {
  const keys = rememberedKeys((await store.state())?.definitions ?? null);
  const key = keys.get(nameOrKey);
  if (key !== undefined) return key;
  const known = new Set([...keys.values(), ...(await store.counts()).keys()]);
  if (known.has(nameOrKey)) return nameOrKey;
  throw new WalhookError(
    'WEBHOOK_UNKNOWN',
    `expected a webhook of the queue, found none of the name or key ${JSON.stringify(nameOrKey)}`,
    { remedy: 'walhook webhooks list' },
  );
}
