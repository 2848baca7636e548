/**
 * Which Webhooks need the row as it was before, and which of their tables do not send it. Without REPLICA
 * IDENTITY FULL PostgreSQL sends the key alone. Pure.
 */
import type { ModelOptions } from '../change/table.ts';
import type { ChangeKind } from '../change/transaction.ts';
import { readsOf } from '../match/conditions/reads.ts';
import type { MatchTarget } from '../match/match.ts';
import type { Finding } from '../setup/check.ts';
import { qualified } from '../setup/names.ts';
import type { TableState } from '../setup/state.ts';
import type { Template } from '../template/engine.ts';
import type { WebhookDefinition } from './webhooks.ts';

/** One reading that only a before image can answer. */
interface Read {
  readonly kind: ChangeKind;
  /** Of the row; null: the snapshot as a whole. */
  readonly column: string | null;
  /** As it is written. */
  readonly path: string;
  /** Templates can do without: they print nothing. */
  readonly by: 'conditions' | 'templates';
}

/** A Webhook and a table that does not send what it reads. */
export interface MissingBeforeImage {
  readonly webhook: MatchTarget;
  readonly model: string;
  readonly table: TableState;
  /** What it reads, as written. */
  readonly paths: readonly string[];
  readonly level: Finding['level'];
  /** None of its Events of this table could be decided: it does not start on it. */
  readonly blocks: boolean;
}

export function missingBeforeImages(
  webhooks: readonly WebhookDefinition[],
  models: readonly ModelOptions[],
  tables: readonly TableState[],
): MissingBeforeImage[] {
  return webhooks.flatMap((definition) => {
    const { match } = definition;
    const reads = match.enabled ? readsBefore(definition) : [];
    if (reads.length === 0) return [];
    return watchedTables(match, models, tables).flatMap(({ model, table, options }) => {
      if (table.identity === 'full') return [];
      const known = knownColumns(table, options);
      const missing = reads.filter(({ column }) => column === null || !known.has(column));
      return missing.length === 0 ? [] : [missingOf(match, model, table, missing)];
    });
  });
}

function missingOf(
  webhook: MatchTarget,
  model: string,
  table: TableState,
  missing: readonly Read[],
): MissingBeforeImage {
  const decisive = missing.filter(({ by }) => by === 'conditions');
  const isProblem = decisive.length > 0 && webhook.onUnavailable === 'error';
  return {
    webhook,
    model,
    table,
    paths: [...new Set(missing.map(({ path }) => path))],
    level: isProblem ? 'problem' : 'advice',
    blocks: isProblem && webhook.events.every((kind) => decisive.some((read) => read.kind === kind)),
  };
}

/** One finding for each Webhook, with the SQL for all of its tables. */
export function beforeImageFindings(missing: readonly MissingBeforeImage[]): Finding[] {
  const byWebhook = new Map<string, MissingBeforeImage[]>();
  for (const one of missing) {
    byWebhook.set(one.webhook.name, [...(byWebhook.get(one.webhook.name) ?? []), one]);
  }
  return [...byWebhook].map(([name, ones]): Finding => {
    const tables = ones.map(({ table }) => qualified(table));
    const paths = [...new Set(ones.flatMap((one) => one.paths))];
    const isProblem = ones.some(({ level }) => level === 'problem');
    return {
      code: 'BEFORE_IMAGE_MISSING',
      level: isProblem ? 'problem' : 'advice',
      message: `webhook ${name} reads ${some(paths)}: expected a before image, found that ${some(tables)} ${tables.length === 1 ? 'sends' : 'send'} the key alone${consequence(ones)}`,
      remedy: `${tables.map((table) => `ALTER TABLE ${table} REPLICA IDENTITY FULL;`).join(' ')}${isProblem ? ` -- ${ones.some(({ blocks }) => blocks) ? 'then reload walhook run (SIGHUP); ' : ''}or set on_unavailable of the webhook to fire or skip` : ''}`,
    };
  });
}

function consequence(ones: readonly MissingBeforeImage[]): string {
  if (ones.some(({ blocks }) => blocks)) return '; it does not start there';
  const [first] = ones;
  if (first === undefined) return '';
  if (ones.some(({ level }) => level === 'problem')) return '; such Events end as failed Deliveries';
  return first.webhook.onUnavailable === 'error' ? '' : `; on_unavailable is ${first.webhook.onUnavailable}`;
}

const SHOWN = 5;

function some(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return more > 0 ? `${names.slice(0, SHOWN).join(', ')} and ${more} more` : names.join(', ');
}

/** A deleted row's `data` is its before image too. */
function readsBefore({ match, deliver }: WebhookDefinition): Read[] {
  const reads: Read[] = [];
  const conditions = readsOf(match.conditions);
  const changes = [...conditions.change, ...readsOf(match.columns).change];
  const add = (kind: ChangeKind, by: Read['by'], column: string | null, path: string) => {
    if (match.events.includes(kind)) reads.push({ kind, by, column, path });
  };
  for (const { row, attr } of changes) add('updated', 'conditions', row.first, attr);
  for (const { row, attr } of conditions.change) {
    // Below a deleted row everything has changed; whether there was anything is known only by looking.
    if (row.rest.length > 0) add('deleted', 'conditions', row.first, attr);
  }
  for (const { row, attr } of conditions.prechange) {
    add('updated', 'conditions', row.first, attr);
    add('deleted', 'conditions', row.first, attr);
  }
  for (const { row, attr } of conditions.data) add('deleted', 'conditions', row.first, attr);
  for (const reference of templateReferences([deliver.url, deliver.headers, deliver.body])) {
    const [root, first, second] = reference;
    const path = reference.join('.');
    if (root === 'changes') add('updated', 'templates', first ?? null, path);
    if (root === 'snapshots' && first === 'prechange') {
      add('updated', 'templates', second ?? null, path);
      add('deleted', 'templates', second ?? null, path);
    }
    if (root === 'data' && first !== undefined) add('deleted', 'templates', first, path);
  }
  return reads;
}

function templateReferences(templates: readonly (Template | null)[]): (readonly string[])[] {
  return templates.flatMap((template) => template?.references ?? []);
}

interface WatchedTable {
  readonly model: string;
  readonly table: TableState;
  readonly options: ModelOptions | undefined;
}

function watchedTables(
  match: MatchTarget,
  models: readonly ModelOptions[],
  tables: readonly TableState[],
): WatchedTable[] {
  return tables.flatMap((table) => {
    if (!table.isPublished) return [];
    const options = models.find((one) => one.schema === table.schema && one.table === table.name);
    const isTaken = models.some((one) => one.name === table.name);
    const plain = table.schema === 'public' && !isTaken ? table.name : `${table.schema}.${table.name}`;
    const model = options?.name ?? plain;
    return match.models.includes(model) || match.models.includes('*') ? [{ model, table, options }] : [];
  });
}

/** What a key-only before image holds, by column and by field. */
function knownColumns(table: TableState, options: ModelOptions | undefined): ReadonlySet<string> {
  const fields =
    options?.naming === 'fields' ? table.identityColumns.map((name) => name.replace(/(?<=.)_id$/, '')) : [];
  return new Set([...table.identityColumns, ...fields]);
}
