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
export type LeftOut = 'framework' | 'audit' | 'no_key' | 'dotted_schema';

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
  '__EFMigrationsHistory',
  '__drizzle_migrations',
  'SequelizeMeta',
  'typeorm_metadata',
  'oban_jobs',
  'delayed_jobs',
  'que_jobs',
  'river_job',
  'spatial_ref_sys',
]);

/** Schemas that tools fill for themselves. */
const TOOL_SCHEMA = /^(_timescaledb|timescaledb|hdb_|graphile_|pgboss|drizzle$|supabase_)/;

/** Shapes of audit tables: what a row of them is about, and which columns say who and in which request. */
const AUDIT_SHAPES: readonly {
  readonly key: string;
  /** What such a table has as well; a table of the application's own has it hardly ever. */
  readonly beside: readonly string[];
  readonly usernames: readonly string[];
  readonly requestIds: readonly string[];
}[] = [
  // NetBox, Peering Manager
  { key: 'changed_object_id', beside: ['action'], usernames: ['user_name'], requestIds: ['request_id'] },
  // django-auditlog
  { key: 'object_pk', beside: ['action'], usernames: ['actor_email', 'actor'], requestIds: ['cid'] },
  // django-easy-audit
  { key: 'object_id', beside: ['event_type'], usernames: ['user_pk_as_string'], requestIds: [] },
  // one of the application's own
  {
    key: 'object_id',
    beside: ['action'],
    usernames: ['user_name', 'username'],
    requestIds: ['request_id'],
  },
  // audited
  { key: 'auditable_id', beside: ['action'], usernames: ['username'], requestIds: ['request_uuid'] },
  // PaperTrail
  {
    key: 'item_id',
    beside: ['item_type', 'whodunnit'],
    usernames: ['whodunnit'],
    requestIds: ['request_id'],
  },
];

/** Copies of rows that a tool keeps of each change: nobody wants them twice. Columns that tell them. */
const HISTORY_SHAPES: readonly (readonly string[])[] = [
  // Hibernate Envers
  ['rev', 'revtype'],
  // django-simple-history
  ['history_id', 'history_type', 'history_date'],
  // the audit triggers of the PostgreSQL wiki, and Supabase's
  ['row_data', 'changed_fields'],
  ['record_id', 'old_record_id', 'old_record'],
];

/** Here and below as `plain` makes them: `updated_by` and `updatedBy` are one. */
const AUTHOR_COLUMNS = ['changedby', 'modifiedby', 'updatedby', 'lastmodifiedby', 'lastchangedby'];
const REVISION_AUTHORS = ['username', 'user', 'author', 'modifiedby', 'changedby', 'auditor'];
const TEXT_TYPE = /^(text|character varying|citext|character\b|name)/;
const DISPLAY_COLUMNS = [
  'display',
  'displayname',
  'name',
  'title',
  'label',
  'slug',
  'username',
  'email',
  'code',
];

export function propose(tables: readonly FoundTable[]): Proposal {
  const audits = [...tables.flatMap((table) => auditOf(table) ?? []), ...revisionsOf(tables)];
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
  if (audits.has(idOf(table)) || isHistory(table)) return 'audit';
  if (FRAMEWORK_TABLES.has(table.name) || TOOL_SCHEMA.test(table.schema)) return 'framework';
  // In the file the first dot ends the schema.
  if (table.schema.includes('.')) return 'dotted_schema';
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
  const texts = new Map(columns.filter(isText).map(({ name }) => [plain(name), name]));
  const column = DISPLAY_COLUMNS.flatMap((name) => texts.get(name) ?? [])[0];
  if (column !== undefined) return `{{ ${column} }}`;
  const [first, last] = [texts.get('firstname'), texts.get('lastname')];
  return first === undefined || last === undefined ? null : `{{ ${first} }} {{ ${last} }}`;
}

/** A name without the habits of its language: `displayName`, `display_name` and `DisplayName` are one. */
function plain(name: string): string {
  return /^[A-Za-z]\w*$/.test(name) ? name.replaceAll('_', '').toLowerCase() : '';
}

function isText({ type }: FoundColumn): boolean {
  return TEXT_TYPE.test(type);
}

function auditOf(table: FoundTable): AuditProposal | null {
  const names = new Set(table.columns.map(({ name }) => name));
  const texts = new Set(table.columns.filter(isText).map(({ name }) => name));
  for (const shape of AUDIT_SHAPES) {
    if (![shape.key, ...shape.beside].every((name) => names.has(name))) continue;
    const username = shape.usernames.find((name) => texts.has(name)) ?? null;
    const requestId = shape.requestIds.find((name) => names.has(name)) ?? null;
    if (username !== null || requestId !== null) {
      return { table: idOf(table), username, requestId, match: [[shape.key, 'id']] };
    }
  }
  return null;
}

function isHistory({ columns }: FoundTable): boolean {
  const names = new Set(columns.map(({ name }) => name));
  return HISTORY_SHAPES.some((shape) => shape.every((name) => names.has(name)));
}

/** Envers keeps who it was in the table of revisions, one row for each transaction, where it is told to. */
function revisionsOf(tables: readonly FoundTable[]): AuditProposal[] {
  const histories = tables.filter((table) => isHistory(table));
  const revisions = new Set(
    histories.flatMap(({ foreignKeys }) =>
      foreignKeys.filter(({ columns }) => columns.join() === 'rev').map(({ references }) => references),
    ),
  );
  return tables
    .filter((table) => revisions.has(idOf(table)))
    .flatMap((table) => {
      const column = table.columns.find((one) => isText(one) && REVISION_AUTHORS.includes(plain(one.name)));
      return column === undefined
        ? []
        : [{ table: idOf(table), username: column.name, requestId: null, match: [] }];
    });
}

/** Names that any watched table has; a table without them is not harmed by their being asked for. */
function authorColumns(tables: readonly FoundTable[]): Proposal['columns'] {
  const columns = tables.filter((table) => !table.isTracked).flatMap((table) => table.columns.filter(isText));
  const named = (name: string) => columns.find((column) => plain(column.name) === name)?.name;
  const username = AUTHOR_COLUMNS.flatMap((name) => named(name) ?? [])[0];
  if (username === undefined) return null;
  return { username, requestId: named('requestid') ?? null };
}
