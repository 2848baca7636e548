/** A database, a queue and a configuration for both, for the tests of setup. */
import type { Client } from 'pg';
import { loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import { systemClock } from '../../src/core/clock.ts';
import { openQueue } from '../../src/queue/open.ts';
import type { QueueStore } from '../../src/queue/store.ts';
import { performSetup, type SetupRequest } from '../../src/setup/perform.ts';
import { type DatabaseState, type Names, readDatabaseState } from '../../src/setup/state.ts';
import { planTeardown, type TeardownPlan } from '../../src/setup/teardown.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createQueue } from '../helpers/queue.ts';

export interface Fixture extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly client: Client;
  readonly store: QueueStore;
  readonly config: Config;
  readonly names: Names;
  /** Runs setup; returns what it told. */
  setup(request?: Partial<SetupRequest>, client?: Client): Promise<string[]>;
  state(client?: Client): Promise<DatabaseState>;
  teardownPlan(): Promise<TeardownPlan>;
}

/** @param postgres further keys of the configuration's `postgres`; the slot is named after the database */
export async function openFixture(
  postgres: Readonly<Record<string, unknown>> = {},
  more: Readonly<Record<string, unknown>> = {},
): Promise<Fixture> {
  const database = await createDatabase();
  const queue = await createQueue('postgres');
  const text = JSON.stringify({
    postgres: { url: database.url, slot: database.name, ...postgres },
    queue: queue.section,
    ...more,
  });
  const { loaded, mistakes } = loadConfig(text, { source: { env: {}, readFile: () => '' } });
  if (loaded === null) throw new Error(JSON.stringify(mistakes));
  const { config } = loaded;
  const store = await openQueue({ url: () => queue.section.url, prefix: queue.section.prefix }, systemClock);
  const names: Names = {
    slot: config.postgres.slot,
    publication: config.postgres.publication,
    ownSchemas: ['walhook', 'walhook_queue'],
  };
  const { client } = database;
  return {
    database,
    client,
    store,
    config,
    names,
    async setup(request = {}, by = client) {
      const told: string[] = [];
      const whole: SetupRequest = { only: ['publication', 'schema', 'slot'], timeoutMs: 20_000, ...request };
      await performSetup(by, store, config, names, whole, (one) => told.push(one));
      return told;
    },
    state: (by = client) => readDatabaseState(by, names),
    teardownPlan: async () => planTeardown(client, store, await readDatabaseState(client, names), names),
    async [Symbol.asyncDispose]() {
      await store.close();
      await queue[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}
