/**
 * Replays: the present rows of a Model as Events `created`, for receivers that start late or to fill a Gap. Done
 * by the daemon that captures, page by page in the order of the primary key, beside the stream and at a rate.
 *
 * A marker, a transactional message, gives the Events their place in commit order: their ids bear its position
 * and count up from there. After a restart a replay goes on behind the last page that was stored; a page that
 * was stored but not noted goes out again under the same ids.
 */
import type { Pool } from 'pg';
import { NOBODY } from '../change/context.ts';
import { noMessages } from '../change/messageContext.ts';
import type { ModelOptions, Table } from '../change/table.ts';
import type { Change } from '../change/transaction.ts';
import type { Clock } from '../core/clock.ts';
import { causeCode, type ErrorCode, toWalhookError, WalhookError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { lsnFromHex, lsnToHex, parseLsn } from '../core/lsn.ts';
import type { Matcher, MatchTarget } from '../match/match.ts';
import type { QueuedDelivery } from '../queue/delivery.ts';
import { type GapStore, isFilled } from '../queue/gaps.ts';
import type { NoteStore } from '../queue/notes.ts';
import { findReplay, putReplay, type Replay, readReplays } from '../queue/replays.ts';
import type { FailedDelivery } from '../queue/store.ts';
import { DatabaseLookups, type LookupQuery, type TextRow } from '../represent/lookups.ts';
import { quote } from '../represent/relatedRows.ts';
import type { RelatedTable, RelatedTables } from '../represent/relatedTables.ts';
import { plainOptions, type RepresentOptions, shapeOf } from '../represent/shape.ts';
import { TextTuple } from '../represent/textTuple.ts';
import { type Candidate, NO_MEMBERSHIPS } from './candidate.ts';
import { captureError } from './retry.ts';
import type { Settler, SettlerOptions } from './settle.ts';

export interface ReplayOptions {
  readonly pool: Pool;
  readonly store: NoteStore & Pick<GapStore, 'gaps' | 'settleGap'>;
  readonly models: readonly ModelOptions[];
  /** By model. */
  readonly represent: ReadonlyMap<string, RepresentOptions>;
  /** Of the webhooks in force when a replay begins or goes on. */
  readonly matcher: () => Matcher;
  readonly tables: RelatedTables;
  readonly rows: { clear(): void };
  readonly settlerFor: (sink: SettlerOptions['enqueuer']) => Settler;
  /** Resolves when they are stored. */
  readonly insert: (deliveries: readonly ForWebhook[], failed: readonly FailedDelivery[]) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

interface ForWebhook {
  readonly webhook: string;
  readonly delivery: QueuedDelivery;
}

export const REPLAY_PREFIX = 'walhook.replay';
const POLL_MS = 1_000;
const PAGE_ROWS = 200;
/** What passes: the replay goes on where it was. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'POSTGRES_UNREACHABLE',
  'QUEUE_FENCED',
  'QUEUE_UNREACHABLE',
]);
const QUERY_CANCELED = '57014';
/** A condition of the operator's may have to read a table whole. */
const PAGE_TIMEOUT_MS = 30_000;

/** Looks for replays that were asked for, and does them one after the other, until the signal is aborted. */
export async function runReplays(options: ReplayOptions, signal: AbortSignal): Promise<void> {
  const { store, clock, log } = options;
  while (!signal.aborted) {
    try {
      const next = (await readReplays(store)).find((one) => one.endedAtMs === null);
      if (next !== undefined) await runReplay(options, next, signal);
    } catch (error) {
      log.debug({ err: error }, `replays wait: ${toWalhookError(error).message}`);
    }
    await clock.sleep(POLL_MS, signal);
  }
}

/** Does one replay to its end, or until the signal is aborted or it is cancelled. */
async function runReplay(options: ReplayOptions, asked: Replay, signal: AbortSignal): Promise<void> {
  const { store, clock, log } = options;
  const { id, model } = asked;
  let replay = asked;
  try {
    const source = await sourceOf(options, replay);
    if (replay.marker === null) replay = await begin(options, replay);
    log.info({ replay: id, model, rows: replay.rows }, 'replaying');
    while (!signal.aborted) {
      const startedMs = clock.monotonic();
      const page = await source.page(replay.after);
      const next = await onePage(options, source, replay, page);
      if (!(await putReplay(store, replay, next))) {
        // Cancelled, or taken over by the daemon that captures now.
        log.info({ replay: id, state: (await findReplay(store, id))?.state }, 'the replay was stopped');
        return;
      }
      replay = next;
      if (next.endedAtMs !== null) break;
      const dueMs = (page.length * 1_000) / replay.rowsPerSecond - (clock.monotonic() - startedMs);
      if (dueMs > 0) await clock.sleep(dueMs, signal);
    }
    if (replay.endedAtMs === null) return;
    await settleGap(options, replay);
    log.info({ replay: id, model, rows: replay.rows, deliveries: replay.deliveries }, 'the replay is done');
  } catch (error) {
    const known = captureError(error);
    // A condition that takes too long now will do so again.
    const isPassing = PASSING.has(known.code) && causeCode(error) !== QUERY_CANCELED;
    if (isPassing || signal.aborted) throw known;
    const failed: Replay = { ...replay, state: 'failed', error: known.message, endedAtMs: clock.now() };
    await putReplay(store, replay, failed);
    log.error({ replay: id, model, code: known.code }, `the replay failed: ${known.message}`);
  }
}

/** A table whose rows are replayed. */
interface Source {
  readonly table: Table;
  readonly targets: readonly MatchTarget[];
  /** The rows behind a key, in the order of the key. */
  page(after: readonly string[] | null): Promise<readonly TextRow[]>;
}

async function sourceOf(options: ReplayOptions, replay: Replay): Promise<Source> {
  const { tables, matcher, models, pool } = options;
  tables.clear();
  const place = placeOf(replay.model, models);
  const related = await tables.find(place.schema, place.table);
  if (related === null) {
    throw new WalhookError(
      'USAGE',
      `expected a table of the model ${replay.model}, found none that this role sees`,
    );
  }
  const { table } = related;
  if (table.key.length === 0) {
    throw new WalhookError(
      'USAGE',
      `expected a primary key on ${related.id}, found none: its rows have no order to be read in`,
    );
  }
  const watching = matcher().targets(table.model, 'created');
  const targets = replay.webhook === null ? watching : watching.filter((one) => one.key === replay.webhook);
  if (targets.length === 0) {
    throw new WalhookError('USAGE', `expected a webhook that watches created of ${table.model}, found none`);
  }
  const lookups = new DatabaseLookups(pool, PAGE_TIMEOUT_MS);
  return {
    table,
    targets,
    page: async (after) => (await lookups.run([pageQuery(related, replay.where, after)]))[0] ?? [],
  };
}

/** The table of a model: as configured, else `schema.table` or a table of public. */
export function placeOf(
  model: string,
  models: readonly Pick<ModelOptions, 'name' | 'schema' | 'table'>[],
): { readonly schema: string; readonly table: string } {
  const named = models.find((one) => one.name === model);
  if (named !== undefined) return { schema: named.schema, table: named.table };
  const dot = model.indexOf('.');
  return dot < 0
    ? { schema: 'public', table: model }
    : { schema: model.slice(0, dot), table: model.slice(dot + 1) };
}

/** One page by the primary key, of all columns. */
export function pageQuery(
  { table, typeNames }: Pick<RelatedTable, 'table' | 'typeNames'>,
  where: string | null,
  after: readonly string[] | null,
): LookupQuery {
  const { relation, key } = table;
  const columns = relation.columns.map((one) => quote(one.name)).join(', ');
  const keys = key.map((one) => quote(one.name)).join(', ');
  const bounds = key.map((one, i) => `$${i + 1}::${typeNames[one.index] ?? 'text'}`).join(', ');
  const conditions = [
    // On a line of its own, so that a comment in it ends there.
    ...(where === null ? [] : [`(${where}\n)`]),
    ...(after === null ? [] : [`(${keys}) > (${bounds})`]),
  ];
  const condition = conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`;
  return {
    text: `select ${columns} from ${quote(relation.schema)}.${quote(relation.name)}${condition} order by ${keys} limit ${PAGE_ROWS}`,
    values: after ?? [],
  };
}

/** Writes the marker whose position the ids bear. */
async function begin({ pool, store, clock }: ReplayOptions, replay: Replay): Promise<Replay> {
  const { rows } = await pool.query<{ lsn: string }>(
    'select pg_catalog.pg_logical_emit_message(true, $1, $2)::text as lsn',
    [REPLAY_PREFIX, JSON.stringify({ id: replay.id, model: replay.model })],
  );
  const marker = lsnToHex(parseLsn(rows[0]?.lsn ?? '0/0'));
  const begun: Replay = { ...replay, state: 'running', marker, markedAtMs: clock.now() };
  if (!(await putReplay(store, replay, begun))) {
    throw new WalhookError('QUEUE_FENCED', 'expected to run the replay, found it changed');
  }
  return begun;
}

async function onePage(
  options: ReplayOptions,
  source: Source,
  replay: Replay,
  page: readonly TextRow[],
): Promise<Replay> {
  const deliveries: ForWebhook[] = [];
  const failed: FailedDelivery[] = [];
  const settler = options.settlerFor({
    add: (webhook, delivery) => deliveries.push({ webhook, delivery }),
    addFailed: (one) => failed.push(one),
  });
  // What was read for the page before may have changed since.
  options.rows.clear();
  await settler.settle(page.map((row, i) => candidateOf(options, source, replay, row, i)));
  await options.insert(deliveries, failed);
  const last = page.at(-1);
  const isOver = page.length < PAGE_ROWS;
  return {
    ...replay,
    state: isOver ? 'done' : 'running',
    endedAtMs: isOver ? options.clock.now() : null,
    after: last === undefined ? replay.after : source.table.key.map((one) => last[one.index] ?? ''),
    rows: replay.rows + page.length,
    deliveries: replay.deliveries + deliveries.length,
  };
}

/** A row as if it had been inserted where the marker stands. Transaction 0 is nobody's: it marks a replay. */
function candidateOf(
  { represent }: ReplayOptions,
  { table, targets }: Source,
  replay: Replay,
  row: TextRow,
  place: number,
): Candidate {
  const tuple = new TextTuple(row);
  const change: Change = {
    kind: 'created',
    transaction: {
      xid: 0,
      commitLsn: lsnFromHex(replay.marker ?? '0'.repeat(16)),
      committedAtUs: BigInt(replay.markedAtMs ?? 0) * 1_000n,
    },
    index: replay.rows + place,
    relation: table.relation,
    row: null,
    oversizedBytes: 0,
    messages: noMessages([]),
  };
  return {
    change,
    table,
    shape: shapeOf(table, represent.get(table.model) ?? plainOptions(table.model)),
    targets,
    context: NOBODY,
    rows: { old: { kind: 'none' }, new: tuple },
    touched: null,
    memberships: NO_MEMBERSHIPS,
  };
}

/** A Gap is settled when the replays that were asked for to fill it have sent all of its models. */
async function settleGap({ store, models, clock, log }: ReplayOptions, replay: Replay): Promise<void> {
  if (replay.gap === null) return;
  const gap = (await store.gaps()).find((one) => one.id === replay.gap);
  if (gap === undefined || gap.settledMs !== null) return;
  const tableOf = (model: string) => {
    const { schema, table } = placeOf(model, models);
    return `${schema}.${table}`;
  };
  if (!isFilled(gap, await readReplays(store), tableOf)) return;
  await store.settleGap(gap.id, clock.now());
  log.info({ gap: gap.id }, 'the Gap is filled');
}
