/**
 * What setup has to do to a database, decided without touching it: SQL in sections, each headed by the role
 * it needs, and what it will not do because the application's own writes would fail. Pure.
 */

import { type IdentityState, planIdentities } from './identities.ts';
import { ident, literal, qualified } from './names.ts';
import { planHelperRights } from './rolePlan.ts';
import type { DatabaseState, TableState } from './state.ts';

export { ident, literal, qualified };

export type SectionName = 'publication' | 'schema' | 'slot' | 'identities';

export interface Section {
  readonly name: SectionName;
  /** Which role may run it, in words. */
  readonly needs: string;
  /** Empty where nothing is left to do. */
  readonly statements: readonly string[];
}

export interface SetupPlan {
  readonly sections: readonly Section[];
  /** Tables whose writes would fail once published, by the reason. */
  readonly refused: readonly string[];
  /** What was left out or found different, for people. */
  readonly notes: readonly string[];
  /** Sends the rows of walhook.webhook through the slot, last of all; null where they have gone through it. */
  readonly resendRows: string | null;
}

export interface SetupWish {
  readonly slot: string;
  readonly publication: string;
  /** `postgres.tables`; null: those of `models`, else all with a key. */
  readonly patterns: readonly string[] | null;
  /** Tables of `models`. */
  readonly modelTables: readonly { readonly schema: string; readonly table: string }[];
  /** Tables that models need beside their own. */
  readonly companions?: readonly { readonly schema: string; readonly table: string }[];
  readonly only: readonly SectionName[];
  /** The text of sql/schema.sql. */
  readonly schemaSql: string;
  /** The role that `run` uses. */
  readonly role: string;
  readonly pluginName: string;
  /** Tables whose models ask for `before_image: full`, where `--identities` was said. */
  readonly fullImages?: readonly IdentityState[];
  /** An invalidated slot is dropped and made anew: what it lost was accepted. */
  readonly replacesLost?: boolean;
}

/** Marks a publication as ours: teardown drops no other. */
export const PUBLICATION_COMMENT = 'Made by walhook setup.';

/**
 * The daemon knows of webhooks kept as rows what came through its slot, in the order of the stream, and nothing
 * else. Rows from before the slot, or before their table was published, are sent through it as updates of nothing.
 */
export const RESEND_ROWS = 'update walhook.webhook set name = name;';

export function planSetup(state: DatabaseState, wish: SetupWish): SetupPlan {
  const refused: string[] = [];
  const notes: string[] = [];
  const sections: Section[] = [];
  if (wish.only.includes('publication')) {
    sections.push({
      name: 'publication',
      needs: 'the owner of the tables, with CREATE on the database',
      statements: planPublication(state, wish, refused, notes),
    });
  }
  if (wish.only.includes('schema')) {
    sections.push({
      name: 'schema',
      needs: 'a role with CREATE on the database',
      statements: planSchema(state, wish),
    });
  }
  if (wish.fullImages !== undefined && wish.fullImages.length > 0) {
    sections.push({
      name: 'identities',
      needs: 'the owner of the tables',
      statements: planIdentities(wish.fullImages, state.hasHelpers || wish.only.includes('schema'), notes),
    });
  }
  if (wish.only.includes('slot')) {
    sections.push({ name: 'slot', needs: 'a role with REPLICATION', statements: planSlot(state, wish) });
  }
  return { sections, refused, notes, resendRows: resendsRows(state, wish) ? RESEND_ROWS : null };
}

/** From 17 on the slot follows to standbys that synchronise slots; elsewhere that costs nothing. */
const FAILOVER_VERSION = 170_000;

function planSlot({ slot, identity, isInRecovery }: DatabaseState, wish: SetupWish): string[] {
  const name = literal(wish.slot);
  const failover =
    identity.versionNumber >= FAILOVER_VERSION && isInRecovery !== true ? ', failover => true' : '';
  const create = `select pg_create_logical_replication_slot(${name}, ${literal(wish.pluginName)}${failover});`;
  if (slot.walStatus === 'missing') return [create];
  return slot.walStatus === 'lost' && wish.replacesLost === true
    ? [`select pg_drop_replication_slot(${name});`, create]
    : [];
}

function planPublication(
  state: DatabaseState,
  wish: SetupWish,
  refused: string[],
  notes: string[],
): string[] {
  const { publication } = state;
  const chosen = chooseTables(state.tables, wish, notes);
  const safe = chosen.filter((table) => {
    if (hasUsableIdentity(table)) return true;
    if (isNamed(table, wish)) {
      refused.push(
        `${qualified(table)} has no primary key: once published, every UPDATE and DELETE of the application on it would fail`,
      );
    } else {
      notes.push(`${qualified(table)} is left out: it has no primary key`);
    }
    return false;
  });
  const name = ident(wish.publication);
  // Without ONLY the tables that inherit from one would be published as well, asked for or not.
  const list = (tables: readonly TableState[]) =>
    tables.map((table) => `  only ${qualified(table)}`).join(',\n');
  if (publication === null) {
    const tables = safe.length === 0 ? '' : ` for table\n${list(safe)}\n `;
    return [
      `create publication ${name}${tables} with (publish_via_partition_root = true);`,
      `comment on publication ${name} is ${literal(PUBLICATION_COMMENT)};`,
    ];
  }
  const statements: string[] = [];
  if (!publication.viaRoot && state.tables.some((table) => table.kind === 'p')) {
    statements.push(`alter publication ${name} set (publish_via_partition_root = true);`);
  }
  if (publication.isAllTables) {
    notes.push(
      `the publication ${wish.publication} is FOR ALL TABLES: a table made later without a key will refuse UPDATE and DELETE`,
    );
    return statements;
  }
  const missing = safe.filter((table) => !table.isPublished);
  if (missing.length > 0) statements.push(`alter publication ${name} add table\n${list(missing)};`);
  const extra = state.tables.filter((table) => table.isPublished && !chosen.includes(table));
  for (const table of extra) notes.push(`${qualified(table)} is published too and stays so`);
  return statements;
}

function planSchema(state: DatabaseState, wish: SetupWish): string[] {
  const grant = planHelperRights(wish.role).join('\n');
  return [...(state.hasHelpers ? [] : [wish.schemaSql.trim(), grant]), ...publishRows(state, wish)];
}

function publishRows(state: DatabaseState, wish: SetupWish): string[] {
  const isThere = state.publication !== null || wish.only.includes('publication');
  if (!isThere || state.publication?.isAllTables === true || state.webhookRows === 'published') return [];
  return [`alter publication ${ident(wish.publication)} add table walhook.webhook;`];
}

/** Whether rows of walhook.webhook may be there that the slot has not sent. */
function resendsRows(state: DatabaseState, wish: SetupWish): boolean {
  const isNewlyPublished =
    wish.only.includes('schema') &&
    (publishRows(state, wish).length > 0 || (state.publication?.isAllTables === true && !state.hasHelpers));
  const isNewSlot = wish.only.includes('slot') && planSlot(state, wish).length > 0;
  const isThere = wish.only.includes('schema') || state.webhookRows !== 'missing';
  return isThere && (isNewlyPublished || isNewSlot);
}

/** The tables that were asked for. */
export function chooseTables(
  tables: readonly TableState[],
  wish: Pick<SetupWish, 'patterns' | 'modelTables' | 'companions'>,
  notes: string[] = [],
): TableState[] {
  const { patterns } = wish;
  if (patterns !== null) {
    for (const pattern of patterns.filter((one) => !tables.some((table) => fits(table, one)))) {
      notes.push(`the pattern ${pattern} of postgres.tables fits no table`);
    }
    return tables.filter((table) => matchesPatterns(table, patterns));
  }
  if (wish.modelTables.length === 0) return [...tables];
  for (const { schema, table } of wish.modelTables) {
    if (!tables.some((known) => known.schema === schema && known.name === table)) {
      notes.push(`the table ${schema}.${table} of a model does not exist, or this role cannot see it`);
    }
  }
  const wantedTables = [...wish.modelTables, ...(wish.companions ?? [])];
  return tables.filter((table) =>
    wantedTables.some((wanted) => wanted.schema === table.schema && wanted.table === table.name),
  );
}

/**
 * `public.*`, `public.orders`, `!public.django_session`: the last pattern that fits decides. Where all of them
 * leave tables out, the others are in.
 */
export function matchesPatterns(
  table: { readonly schema: string; readonly name: string },
  patterns: readonly string[],
): boolean {
  const last = patterns.findLast((pattern) => fits(table, pattern));
  if (last !== undefined) return !isNegated(last);
  return patterns.length > 0 && patterns.every(isNegated);
}

function isNegated(pattern: string): boolean {
  return pattern.startsWith('!');
}

function fits(table: { readonly schema: string; readonly name: string }, pattern: string): boolean {
  const text = isNegated(pattern) ? pattern.slice(1) : pattern;
  const full = text.includes('.') ? text : `public.${text}`;
  return glob(full).test(`${table.schema}.${table.name}`);
}

function glob(pattern: string): RegExp {
  const escaped = pattern.replaceAll(/[\\^$+?()[\]{}|.]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`, 'su');
}

function isNamed(table: TableState, wish: SetupWish): boolean {
  const names = [`${table.schema}.${table.name}`, ...(table.schema === 'public' ? [table.name] : [])];
  return (
    (wish.patterns ?? []).some((pattern) => names.includes(pattern)) ||
    wish.modelTables.some((wanted) => wanted.schema === table.schema && wanted.table === table.name)
  );
}

/** Whether PostgreSQL accepts UPDATE and DELETE on the table once they are published. */
export function hasUsableIdentity(table: TableState): boolean {
  if (table.identity === 'nothing') return false;
  return table.identity === 'default' ? table.hasPrimaryKey : true;
}
