/** The same stretch of WAL through both plugins, each to Events as they would be queued. */
import { type CaptureOptions, captureOnce } from '../../src/capture/capture.ts';
import { systemClock } from '../../src/core/clock.ts';
import { NO_FAILPOINT } from '../../src/core/failpoint.ts';
import { SILENT } from '../../src/core/logger.ts';
import type { Plugin } from '../../src/core/plugins.ts';
import { NO_TLS, openPool } from '../../src/database/connect.ts';
import { formatPosition } from '../../src/enqueue/position.ts';
import { Matcher } from '../../src/match/match.ts';
import { decodePayload, type QueuedDelivery } from '../../src/queue/delivery.ts';
import { readSlot } from '../../src/replication/slot.ts';
import type { TestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';
import { INSTALLATION } from '../setup/states.ts';

export const PUBLICATION = 'watched';

export interface Told {
  /** Events in their order. */
  readonly events: readonly QueuedDelivery[];
  /** Reasons of failed Deliveries. */
  readonly failed: readonly string[];
}

/** A publication of all tables that there are, a slot for each plugin, and the table that ends each reading. */
export async function openSlots({ client, name }: TestDatabase, tables = 'all tables'): Promise<void> {
  await client.query('create table the_end (id serial primary key)');
  const which = tables === 'all tables' ? tables : `table ${tables}, the_end`;
  await client.query(
    `create publication ${PUBLICATION} for ${which} with (publish_via_partition_root = true)`,
  );
  for (const plugin of ['pgoutput', 'wal2json'] as const) {
    await client.query('select pg_create_logical_replication_slot($1, $2)', [slotOf(name, plugin), plugin]);
  }
}

function slotOf(name: string, plugin: Plugin): string {
  return `${name}_${plugin}`;
}

/** What has been committed since the slots were opened, as one plugin tells it. */
export async function told(
  database: TestDatabase,
  plugin: Plugin,
  more: Partial<CaptureOptions> = {},
): Promise<Told> {
  const slotName = slotOf(database.name, plugin);
  await database.client.query('insert into the_end default values');
  const connection = { url: () => database.url, tls: NO_TLS, role: 'watched' as const };
  const pool = await openPool(connection, 2);
  const events: QueuedDelivery[] = [];
  const failed: string[] = [];
  const abort = new AbortController();
  const slot = await readSlot(pool, slotName);
  const ended = captureOnce(
    {
      target: connection,
      slot: slotName,
      plugin,
      publication: PUBLICATION,
      pool,
      store: {
        takeFence: () => Promise.resolve(1),
        flush: (flush) => {
          events.push(...flush.batches.flatMap(({ payload }) => decodePayload(payload)));
          failed.push(...flush.failed.map((one) => one.reason));
          return Promise.resolve('done');
        },
      },
      ownSchemas: [],
      models: [],
      represent: new Map(),
      context: [{ kind: 'message', source: 0 }],
      messageSources: [
        { prefix: 'walhook', username: 'username', requestId: 'request_id', allowMute: false },
      ],
      auditSources: [],
      matcher: new Matcher([
        {
          key: 'w',
          name: 'w',
          enabled: true,
          models: ['*'],
          events: ['created', 'updated', 'deleted', 'truncated'],
          conditions: null,
          columns: null,
          onUnavailable: 'error',
          require: [],
          format: 'walhook',
          collapse: null,
        },
      ]),
      definitions: null,
      limits: { valueBytes: 1_048_576, eventBytes: 4_194_304, messageBytes: 67_108_864, lookahead: 10_000 },
      lookupTimeoutMs: 2_000,
      ackDelayMs: 0,
      onQueued: () => undefined,
      clock: systemClock,
      log: SILENT,
      failpoint: NO_FAILPOINT,
      ...more,
    },
    {
      state: {
        installation: INSTALLATION,
        position: formatPosition({ lsn: slot.confirmedFlushLsn, index: 0 }),
        fence: 1,
        definitions: null,
      },
      fence: 1,
      slot,
    },
    abort.signal,
  );
  let failure: unknown = null;
  ended.catch((error: unknown) => {
    failure = error;
  });
  try {
    await until(() => failure !== null || events.some((event) => event.table === 'the_end'));
    abort.abort();
    await ended;
  } finally {
    await pool.end();
  }
  return { events: events.filter((event) => event.table !== 'the_end'), failed };
}

/** Each Event as an object, with its id. */
export function shown({ events }: Told): Record<string, unknown>[] {
  return events.map(({ eventId, json, key }) => ({ eventId, key, ...(JSON.parse(json) as object) }));
}
