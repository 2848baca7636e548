/**
 * What `walhook init` makes of a catalog: which tables become Models and how they are shown, which are left
 * out and why, and where the database already says who changed a row. Pure.
 */
import type { FoundColumn, FoundTable } from './catalog.ts';

export interface ProposedModel {
  readonly name: string;
  /** `schema.table` */
  readonly table: string;
  readonly primaryKey: readonly string[];
  readonly isPartitioned: boolean;
  readonly rows: number | null;
  /** A template over its most telling column; null where none is. */
  readonly display: string | null;
  readonly foreignKeys: readonly { readonly column: string; readonly references: string }[];
  readonly choices: readonly { readonly column: string; readonly labels: readonly string[] }[];
  /** Updates and deletes carry the row before. */
  readonly hasBeforeImage: boolean;
}

/** Why a table is no Model. */
export type LeftOut = 'framework' | 'audit' | 'no_key';

export interface AuditProposal {
  /** `schema.table` */
  readonly table: string;
  readonly username: string | null;
  readonly requestId: string | null;
  /** Its column → the changed row's. */
  readonly match: readonly (readonly [string, string])[];
}

export interface Proposal {
  readonly models: readonly ProposedModel[];
  readonly leftOut: readonly { readonly table: string; readonly why: LeftOut }[];
  readonly audits: readonly AuditProposal[];
  /** Columns of the tables themselves that name who wrote the row. */
  readonly columns: { readonly username: string | null; readonly requestId: string | null } | null;
  readonly hasTracked: boolean;
}

/** Tables that frameworks keep for themselves: nobody wants a webhook of them. */
const FRAMEWORK_TABLES = new Set([
  'django_session',
  'django_migrations',
  'django_content_type',
  'django_admin_log',
  'auth_permission',
  'schema_migrations',
  'ar_internal_metadata',
  'alembic_version',
  'flyway_schema_history',
  'databasechangelog',
  'databasechangeloglock',
  '_prisma_migrations',
  'knex_migrations',
  'knex_migrations_lock',
  'goose_db_version',
  'spatial_ref_sys',
]);

/** Shapes of audit tables: what a row of them is about, and which columns say who and in which request. */
const AUDIT_SHAPES: readonly {
  readonly key: string;
  readonly usernames: readonly string[];
  readonly requestIds: readonly string[];
}[] = [
  // NetBox, Peering Manager
  { key: 'changed_object_id', usernames: ['user_name'], requestIds: ['request_id'] },
  // django-auditlog, django-easy-audit
  { key: 'object_pk', usernames: ['actor_email', 'user_pk_as_string', 'actor'], requestIds: ['cid'] },
  { key: 'object_id', usernames: ['user_name', 'username'], requestIds: ['request_id', 'request_event_id'] },
  // audited, PaperTrail
  { key: 'auditable_id', usernames: ['username'], requestIds: ['request_uuid'] },
  { key: 'item_id', usernames: ['whodunnit'], requestIds: ['request_id'] },
];

const AUTHOR_COLUMNS = ['changed_by', 'modified_by', 'updated_by', 'last_modified_by', 'last_changed_by'];
const TEXT_TYPE = /^(text|character varying|citext|character\b|name)/;
const DISPLAY_COLUMNS = [
  'display',
  'display_name',
  'name',
  'title',
  'label',
  'slug',
  'username',
  'email',
  'code',
];

export function propose(tables: readonly FoundTable[]): Proposal {
  const audits = tables.flatMap((table) => auditOf(table) ?? []);
  const auditNames = new Set(audits.map((audit) => audit.table));
  const leftOut: { table: string; why: LeftOut }[] = [];
  const models: ProposedModel[] = [];
  for (const table of tables) {
    const why = whyLeftOut(table, auditNames);
    if (why === null) models.push(modelOf(table));
    else leftOut.push({ table: idOf(table), why });
  }
  const watched = tables.filter((table) => whyLeftOut(table, auditNames) === null);
  return {
    models,
    leftOut,
    audits,
    columns: authorColumns(watched),
    hasTracked: tables.some((table) => table.isTracked),
  };
}

function idOf({ schema, name }: FoundTable): string {
  return `${schema}.${name}`;
}

function whyLeftOut(table: FoundTable, audits: ReadonlySet<string>): LeftOut | null {
  if (audits.has(idOf(table))) return 'audit';
  if (FRAMEWORK_TABLES.has(table.name)) return 'framework';
  const isIdentified =
    table.identity === 'full' ||
    table.identity === 'index' ||
    (table.identity === 'default' && table.primaryKey.length > 0);
  return isIdentified ? null : 'no_key';
}

function modelOf(table: FoundTable): ProposedModel {
  return {
    name: table.schema === 'public' ? table.name : idOf(table),
    table: idOf(table),
    primaryKey: table.primaryKey,
    isPartitioned: table.isPartitioned,
    rows: table.rows,
    display: displayOf(table),
    foreignKeys: table.foreignKeys.flatMap(({ columns, references }) => {
      const [column, ...others] = columns;
      return column !== undefined && others.length === 0 ? [{ column, references }] : [];
    }),
    choices: table.columns.flatMap(({ name, labels }) =>
      labels.length === 0 ? [] : [{ column: name, labels }],
    ),
    hasBeforeImage: table.identity === 'full',
  };
}

/** The first column of the usual names; a person's two names together. */
function displayOf({ columns }: FoundTable): string | null {
  const texts = new Set(columns.filter(isText).map(({ name }) => name));
  const column = DISPLAY_COLUMNS.find((name) => texts.has(name));
  if (column !== undefined) return `{{ ${column} }}`;
  return texts.has('first_name') && texts.has('last_name') ? '{{ first_name }} {{ last_name }}' : null;
}

function isText({ type }: FoundColumn): boolean {
  return TEXT_TYPE.test(type);
}

function auditOf(table: FoundTable): AuditProposal | null {
  const names = new Set(table.columns.map(({ name }) => name));
  const texts = new Set(table.columns.filter(isText).map(({ name }) => name));
  for (const shape of AUDIT_SHAPES) {
    if (!names.has(shape.key)) continue;
    const username = shape.usernames.find((name) => texts.has(name)) ?? null;
    const requestId = shape.requestIds.find((name) => names.has(name)) ?? null;
    if (username !== null || requestId !== null) {
      return { table: idOf(table), username, requestId, match: [[shape.key, 'id']] };
    }
  }
  return null;
}

/** Names that any watched table has; a table without them is not harmed by their being asked for. */
function authorColumns(tables: readonly FoundTable[]): Proposal['columns'] {
  const untracked = tables.filter((table) => !table.isTracked);
  const has = (name: string) =>
    untracked.some((table) => table.columns.some((column) => column.name === name && isText(column)));
  const username = AUTHOR_COLUMNS.find(has) ?? null;
  if (username === null) return null;
  return { username, requestId: has('request_id') ? 'request_id' : null };
}
