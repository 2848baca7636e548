/**
 * Setup where something was bound before and does not fit any more: what is missing is told as a Gap, and only
 * when a person has accepted it (`--accept-gap`), or said that this database is the one now (`--adopt`), is the
 * queue bound anew, under a new Generation.
 */
import { randomBytes } from 'node:crypto';
import type { Client } from 'pg';
import { WalhookError } from '../core/errors.ts';
import { formatLsn, type Lsn } from '../core/lsn.ts';
import { formatPosition } from '../enqueue/position.ts';
import { describeGap, type FoundGap, type Gap, type GapKind, gapOfAll, openGaps } from '../queue/gaps.ts';
import type { Installation, QueueStore, StoreState } from '../queue/store.ts';
import { compareHistory, type HistoryOptions, type Parting, publishedTables } from './history.ts';
import { LOST_QUEUE_REMEDY, newInstallation, SCHEMA_VERSION, type ServerIdentity } from './installation.ts';
import type { DatabaseState } from './state.ts';

/** What no longer fits. `foreign`: the database is not the recorded one. */
export type Misfit = { readonly kind: 'foreign' | 'gap' } & Parting;

const ADOPT_REMEDY =
  'check postgres.url and environment; if this database is to be watched by this walhook from now on: walhook setup --adopt';

/** Whether a recorded binding is of this database, server and environment. */
export function isOfThis(installation: Installation, identity: ServerIdentity, environment: string): boolean {
  return (
    installation.systemIdentifier === identity.systemIdentifier &&
    installation.database === identity.database &&
    installation.environment === environment
  );
}

/** Compares what is bound with what is here. null where all fits, or nothing was bound. */
export async function findMisfit(
  options: HistoryOptions,
  state: DatabaseState,
  bound: StoreState | null,
  environment: string,
): Promise<Misfit | null> {
  const { identity, installation, slot } = state;
  for (const known of [installation, bound?.installation ?? null]) {
    if (known !== null && !isOfThis(known, identity, environment)) {
      return {
        kind: 'foreign',
        code: known === installation ? 'NOT_MY_DATABASE' : 'NOT_MY_QUEUE',
        message: `expected a binding of ${identity.database} on system ${identity.systemIdentifier} for the environment ${environment}, found one of ${known.database} on ${known.systemIdentifier} for ${known.environment}`,
        gap: await gap(options, 'other_history', known.generation, slot.confirmedFlushLsn),
      };
    }
  }
  if (bound === null) {
    if (installation === null) return null;
    return {
      kind: 'gap',
      code: 'NOT_MY_QUEUE',
      message: `expected the queue ${installation.queueId} that the slot ${options.slotName} is bound to, found one that holds nothing of walhook`,
      gap: await gap(options, 'queue_lost', installation.generation, slot.confirmedFlushLsn),
    };
  }
  const { found } = await compareHistory(options, bound, slot);
  return found === null ? null : { kind: 'gap', ...found };
}

async function gap(options: HistoryOptions, kind: GapKind, generation: string, to: Lsn): Promise<FoundGap> {
  return gapOfAll(kind, {
    generation,
    lastLsn: formatLsn(to),
    tables: await publishedTables(options.client, options.publication),
    openedMs: options.nowMs,
    closedMs: options.nowMs,
  });
}

/** Throws what does not fit, unless the one who asks has accepted it. */
export function refuseMisfit(
  misfit: Misfit | null,
  accepts: { readonly gap: boolean; readonly adoption: boolean },
): void {
  if (misfit === null || accepts.adoption || (misfit.kind === 'gap' && accepts.gap)) return;
  const text = misfit.kind === 'gap' ? `${misfit.message}. Gap ${describeGap(misfit.gap)}` : misfit.message;
  const remedy =
    misfit.kind === 'foreign'
      ? ADOPT_REMEDY
      : misfit.gap.kind === 'queue_lost'
        ? LOST_QUEUE_REMEDY
        : undefined;
  throw new WalhookError(misfit.code, text, { remedy });
}

/**
 * Binds the queue anew: a new Generation, from where the slot starts. The Gap is closed there and kept; those
 * that were found before are closed with it.
 */
export async function rebind(
  client: Client,
  store: QueueStore,
  misfit: Misfit,
  fresh: { readonly state: DatabaseState; readonly environment: string; readonly slot: string },
  startsAt: Lsn,
  nowMs: number,
): Promise<{ readonly installation: Installation; readonly gaps: readonly Gap[] }> {
  const bound = (await store.state())?.installation ?? null;
  const made = newInstallation(fresh.state.identity, fresh.environment, fresh.slot);
  const installation: Installation = {
    ...made,
    queueId: bound?.queueId ?? made.queueId,
    generation: randomBytes(4).toString('hex'),
  };
  const position = formatPosition({ lsn: startsAt, index: 0 });
  if (bound !== null) {
    // Before the position moves, so that nothing that happens here leaves the Gap untold.
    await store.initialise(bound, position);
    await recordOnce(store, misfit.gap);
  }
  await store.rebind(installation, position);
  if (bound === null) await recordOnce(store, misfit.gap);
  const gaps = await acceptGaps(store, startsAt, nowMs);
  await recordInstallation(client, installation);
  return { installation, gaps };
}

/** Settles the Gaps that concern every Webhook. Those that were still growing end where capturing goes on. */
export async function acceptGaps(store: QueueStore, startsAt: Lsn, nowMs: number): Promise<readonly Gap[]> {
  const open = (await openGaps(store)).filter((gap) => gap.webhook === null);
  const end = { lsn: formatLsn(startsAt), atMs: nowMs };
  for (const { id } of open) await store.settleGap(id, nowMs, end);
  const ids = open.map(({ id }) => id);
  return (await store.gaps()).filter(({ id }) => ids.includes(id)).toReversed();
}

/** What a daemon has recorded already is not recorded again, though the slot may stand elsewhere by now. */
async function recordOnce(store: QueueStore, found: FoundGap): Promise<void> {
  const isKnown = (await openGaps(store)).some(
    (gap) => gap.webhook === null && gap.kind === found.kind && gap.generation === found.generation,
  );
  if (!isKnown) await store.recordGap(found);
}

/** Writes the binding into the watched database, where the helper schema is there. */
export async function recordInstallation(client: Client, installation: Installation): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>(
    "select to_regclass('walhook.installation') is not null as there",
  );
  if (rows[0]?.there !== true) return;
  await client.query(
    `insert into walhook.installation (slot, queue_id, generation, environment, system_identifier, database, schema_version)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (slot) do update set queue_id = excluded.queue_id, generation = excluded.generation,
       environment = excluded.environment, system_identifier = excluded.system_identifier,
       database = excluded.database, schema_version = excluded.schema_version`,
    [
      installation.slot,
      installation.queueId,
      installation.generation,
      installation.environment,
      installation.systemIdentifier,
      installation.database,
      SCHEMA_VERSION,
    ],
  );
}
