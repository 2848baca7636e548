/**
 * `walhook replay`: asks the daemon that captures for the present rows of a model as Events, and follows it.
 * The replay lives in the queue's store: it goes on without this command, and after a restart of the daemon.
 */
import { placeOf } from '../capture/replay.ts';
import type { LoadedConfig } from '../config/load.ts';
import { systemClock } from '../core/clock.ts';
import { WalhookError } from '../core/errors.ts';
import { Scope } from '../core/lifecycle.ts';
import { defineWebhooks, readDefinitions, rememberedKeys } from '../definitions/webhooks.ts';
import type { Gap } from '../queue/gaps.ts';
import {
  cancelReplay,
  findReplay,
  type Replay,
  type ReplayWish,
  readReplays,
  requestReplay,
} from '../queue/replays.ts';
import type { QueueStore } from '../queue/store.ts';
import { ident } from '../setup/names.ts';
import { loadConfigFile } from './configFile.ts';
import { type OpenServices, openServices, requireSetUp } from './connections.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';

export interface ReplayCommandOptions extends CommonOptions {
  readonly model?: string;
  readonly where?: string;
  readonly gap?: string;
  readonly webhook?: string;
  readonly rate?: string;
  readonly detach?: boolean;
  readonly list?: boolean;
  readonly resume?: string;
  readonly cancel?: string;
}

const FOLLOW_MS = 500;
const MAX_RATE = 100_000;

export async function replay(options: ReplayCommandOptions, io: CommandIo): Promise<ExitStatus> {
  const loaded = loadConfigFile(options, io);
  await using scope = new Scope();
  const services = await openServices(loaded, scope);
  const { store } = services;
  await requireSetUp(store);
  const tell = (one: Replay) =>
    io.out(line(options.json === true ? JSON.stringify(one) : describeReplay(one)));
  if (options.list === true) {
    for (const one of await readReplays(store)) tell(one);
    return 0;
  }
  if (options.cancel !== undefined) {
    tell(required(await cancelReplay(store, options.cancel, systemClock.now()), options.cancel));
    return 0;
  }
  const asked =
    options.resume === undefined
      ? await requestReplay(store, await wishOf(options, loaded, services), systemClock.now())
      : required(await findReplay(store, options.resume), options.resume);
  tell(asked);
  return options.detach === true ? 0 : await follow(store, asked, tell, io);
}

function required(replay: Replay | null, id: string): Replay {
  if (replay === null) {
    throw new WalhookError('USAGE', `expected the id of a replay, found ${id}`, {
      remedy: 'walhook replay --list',
    });
  }
  return replay;
}

/** Prints what changes until it has ended. Interrupted, the replay itself goes on. */
async function follow(
  store: QueueStore,
  asked: Replay,
  tell: (replay: Replay) => void,
  io: CommandIo,
): Promise<ExitStatus> {
  let last = asked;
  while (last.endedAtMs === null && !io.signal.aborted) {
    await systemClock.sleep(FOLLOW_MS, io.signal);
    const now = required(await findReplay(store, asked.id), asked.id);
    if (now.state !== last.state || now.rows !== last.rows) tell(now);
    last = now;
  }
  if (last.endedAtMs === null) {
    io.err(
      line(
        `the replay goes on; walhook replay --resume ${asked.id} follows it, --cancel ${asked.id} ends it`,
      ),
    );
  }
  return last.state === 'failed' ? 1 : 0;
}

async function wishOf(
  options: ReplayCommandOptions,
  loaded: LoadedConfig,
  { client, store }: OpenServices,
): Promise<ReplayWish> {
  const { model, where = null } = options;
  if (model === undefined) throw new WalhookError('USAGE', 'expected --model, found none');
  const rate = Number(options.rate ?? '200');
  if (!Number.isInteger(rate) || rate < 1 || rate > MAX_RATE) {
    throw new WalhookError('USAGE', `--rate: expected 1 to ${MAX_RATE} rows a second, found ${options.rate}`);
  }
  const found = options.gap === undefined ? null : await gapOf(options.gap, store);
  const webhook =
    options.webhook === undefined ? (found?.webhook ?? null) : await keyOf(options.webhook, loaded, store);
  await refuseBadCondition(client, placeOf(model, modelsOf(loaded)), where);
  return { model, where, gap: found?.id ?? null, webhook, rowsPerSecond: rate };
}

async function gapOf(id: string, store: QueueStore): Promise<Gap> {
  const found = (await store.gaps()).find((one) => String(one.id) === id);
  if (found === undefined) {
    throw new WalhookError('USAGE', `--gap: expected the number of a Gap, found ${id}`, {
      remedy: 'walhook status',
    });
  }
  return found;
}

function modelsOf({ config }: LoadedConfig) {
  return config.models.map(({ name, table }) => ({ name, ...table }));
}

async function keyOf(name: string, { config }: LoadedConfig, store: QueueStore): Promise<string> {
  const published = (await store.state())?.definitions ?? null;
  const ofFile = defineWebhooks(config, rememberedKeys(published)).map(({ match }) => match);
  // Those kept as rows are known by what the capturing process has published.
  const all = [...ofFile, ...readDefinitions(published)];
  const found = all.find((one) => one.name === name) ?? all.find((one) => one.key === name);
  if (found === undefined) {
    throw new WalhookError('WEBHOOK_UNKNOWN', `expected a webhook named ${name}, found none`, {
      remedy: 'walhook webhooks list',
    });
  }
  return found.key;
}

/** The planner says what is wrong with a condition, and reads no row. */
async function refuseBadCondition(
  client: OpenServices['client'],
  { schema, table }: { readonly schema: string; readonly table: string },
  where: string | null,
): Promise<void> {
  await client.query('begin read only');
  try {
    const condition = where === null ? '' : ` where (${where}\n)`;
    await client.query({
      text: `explain select from ${ident(schema)}.${ident(table)}${condition}`,
      values: [],
    });
  } catch (error) {
    const text = error instanceof Error ? error.message.split('\n')[0] : '';
    throw new WalhookError(
      'USAGE',
      `expected a table ${schema}.${table} and a condition over it, found: ${text}`,
      {
        cause: error,
      },
    );
  } finally {
    await client.query('rollback');
  }
}

function describeReplay(replay: Replay): string {
  const { id, model, state, rows, deliveries, error } = replay;
  const done =
    state === 'waiting' ? 'waits for the daemon that captures' : `${rows} rows, ${deliveries} Deliveries`;
  return `${id} ${model}: ${state}, ${done}${error === null ? '' : `: ${error}`}`;
}
