/** The services of a configuration, opened for one command and closed after it. */
import type { Client } from 'pg';
import type { LoadedConfig } from '../config/load.ts';
import { systemClock } from '../core/clock.ts';
import { WalhookError } from '../core/errors.ts';
import type { Scope } from '../core/lifecycle.ts';
import { connect } from '../database/connect.ts';
import { openQueue } from '../queue/open.ts';
import type { QueueStore } from '../queue/store.ts';
import { type Services, servicesOf } from '../services.ts';
import { ownSchemas } from '../setup/ownSchemas.ts';
import type { Names } from '../setup/state.ts';

export interface OpenServices {
  readonly services: Services;
  readonly client: Client;
  readonly store: QueueStore;
}

/** Connects to the watched database and the queue. Throws POSTGRES_UNREACHABLE or QUEUE_UNREACHABLE. */
export async function openServices(loaded: LoadedConfig, scope: Scope): Promise<OpenServices> {
  const services = servicesOf(loaded);
  const client = await connect(services.lookups);
  scope.defer(() => client.end());
  const store = await openQueue(services.queue, systemClock);
  scope.defer(() => store.close());
  return { services, client, store };
}

/** Connects to the queue alone. Throws QUEUE_UNREACHABLE, or QUEUE_NOT_SET_UP where nothing is in it. */
export async function openQueueOnly(loaded: LoadedConfig, scope: Scope): Promise<QueueStore> {
  const store = await openQueue(servicesOf(loaded).queue, systemClock);
  scope.defer(() => store.close());
  await requireSetUp(store);
  return store;
}

/** Throws QUEUE_NOT_SET_UP where the store holds nothing of walhook. */
export async function requireSetUp(store: QueueStore): Promise<void> {
  if ((await store.state()) !== null) return;
  throw new WalhookError('QUEUE_NOT_SET_UP', "expected walhook's queue in the store, found nothing of it");
}

export function namesOf({ config }: LoadedConfig): Names {
  return {
    slot: config.postgres.slot,
    publication: config.postgres.publication,
    ownSchemas: ownSchemas(config.queue.prefix),
  };
}
