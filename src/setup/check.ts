/**
 * Preflight: what stands in the way of capturing, each with its remedy. Pure; the caller brings what was
 * read of the database and the queue.
 */
import { type ErrorCode, WalhookError } from '../core/errors.ts';
import type { StoreState } from '../queue/store.ts';
import { checkBinding, SCHEMA_VERSION } from './installation.ts';
import { ident, qualified } from './names.ts';
import { chooseTables, hasUsableIdentity } from './plan.ts';
import { type Provider, replicationRemedy, walLevelRemedy, walLimitRemedy } from './provider.ts';
import type { DatabaseState } from './state.ts';

/** A code of the catalogue, or of what only check finds. */
export type FindingCode =
  | ErrorCode
  | 'HELPERS_OLD'
  | 'TABLE_MISSING'
  | 'TABLE_WITHOUT_KEY'
  | 'TABLE_UNREADABLE'
  | 'TABLE_UNPUBLISHED'
  | 'PUBLICATION_PARTIAL'
  | 'ROWS_UNPUBLISHED'
  | 'NO_BEFORE_IMAGE'
  | 'PRESET_MISFIT'
  | 'BEFORE_IMAGE_MISSING'
  | 'WAL_UNLIMITED'
  | 'NO_FREE_SLOT'
  | 'TABLE_UNSAFE'
  | 'REPLICATION_REFUSED'
  | 'REPLICATION_ELSEWHERE'
  | 'PROVIDER'
  | 'SLOT_BUDGET'
  | 'OLD_TRANSACTION'
  | 'OLD_CATALOG_XMIN'
  | 'GAP'
  | 'OTHER_SLOT'
  | 'SHARED_TABLE'
  | 'SUBSCRIPTION'
  | 'CLOCK_SKEW'
  | 'ORIGIN_UNSUPPORTED'
  | 'QUEUE_NOT_DURABLE'
  | 'WAL2JSON_KEYLESS'
  | 'WAL2JSON_NAN'
  | 'WAL2JSON_PARTITIONS'
  | 'WAL2JSON_ROW_FILTER'
  | 'WAL2JSON_TOAST';

export interface Finding {
  readonly code: FindingCode;
  /** `problem`: capturing fails or loses something. `advice`: it works, but. */
  readonly level: 'problem' | 'advice';
  readonly message: string;
  /** A command or SQL to paste. */
  readonly remedy: string;
}

export interface CheckInput {
  readonly state: DatabaseState;
  readonly environment: string;
  readonly slot: string;
  readonly publication: string;
  readonly plugin: string;
  readonly patterns: readonly string[] | null;
  readonly modelTables: readonly { readonly schema: string; readonly table: string }[];
  /** Tables that models need beside their own. */
  readonly companions?: readonly { readonly schema: string; readonly table: string }[];
  readonly store: StoreState | null;
  /** Absent: nobody's but ours. */
  readonly provider?: Provider;
  /** e.g. `append-only file…`; starts with `none` where nothing is durable. */
  readonly durability: string;
}

export function checkDatabase(input: CheckInput): Finding[] {
  return [
    ...checkServer(input),
    ...checkHelpers(input),
    ...checkPublication(input),
    ...checkTables(input),
    ...checkWrites(input),
    ...checkBeforeImages(input),
    ...checkSlot(input),
    ...checkQueue(input),
  ];
}

function checkServer({ state, provider = 'self' }: CheckInput): Finding[] {
  const findings: Finding[] = [];
  const { role } = state;
  if (state.walLevel !== 'logical') {
    findings.push({
      code: 'WAL_LEVEL',
      level: 'problem',
      message: `expected wal_level = logical, found ${state.walLevel}`,
      remedy: walLevelRemedy(provider),
    });
  }
  if (!role.mayReplicate) {
    findings.push({
      code: 'REPLICATION_PRIVILEGE',
      level: 'problem',
      message: `expected the role ${role.name} to have REPLICATION, found that it has not`,
      remedy: replicationRemedy(provider, role.name),
    });
  }
  if (state.walLimitBytes === null) {
    findings.push({
      code: 'WAL_UNLIMITED',
      level: 'advice',
      message:
        'expected max_slot_wal_keep_size to bound the WAL that a slot keeps, found no limit: while walhook is down, WAL grows until the disk is full',
      remedy: walLimitRemedy(provider),
    });
  }
  const needsSlot = state.slot.walStatus === 'missing';
  if ((needsSlot && state.freeSlots < 1) || (state.slot.activePid === null && state.freeSenders < 1)) {
    findings.push({
      code: 'NO_FREE_SLOT',
      level: 'problem',
      message: `expected a free replication slot and WAL sender, found ${state.freeSlots} and ${state.freeSenders}`,
      remedy:
        'raise max_replication_slots and max_wal_senders and restart the server, or drop a slot nothing uses',
    });
  }
  return findings;
}

function checkHelpers({ state }: CheckInput): Finding[] {
  if (!state.hasSchema || state.hasHelpers) return [];
  return [
    {
      code: 'HELPERS_OLD',
      level: 'advice',
      message: `expected the schema walhook to be of version ${SCHEMA_VERSION}, found an older one: some of its functions or the view walhook.health are missing`,
      remedy: 'walhook setup --only schema, by the owner of the schema',
    },
  ];
}

function checkPublication({ state, publication: name }: CheckInput): Finding[] {
  const { publication } = state;
  if (publication === null) {
    return [
      {
        code: 'PUBLICATION_MISSING',
        level: 'problem',
        message: `expected the publication ${name}, found none of that name`,
        remedy: 'walhook setup --only publication',
      },
    ];
  }
  const findings: Finding[] = [];
  if (state.webhookRows === 'unpublished') {
    findings.push({
      code: 'ROWS_UNPUBLISHED',
      level: 'problem',
      message: `expected ${name} to publish walhook.webhook, found that it does not: webhooks kept as rows never fire`,
      remedy: 'walhook setup',
    });
  }
  if (publication.unpublished.length > 0) {
    findings.push({
      code: 'PUBLICATION_PARTIAL',
      level: 'problem',
      message: `expected ${name} to publish every operation, found without ${publication.unpublished.join(', ')}`,
      remedy: `ALTER PUBLICATION ${ident(name)} SET (publish = 'insert, update, delete, truncate');`,
    });
  }
  if (!publication.viaRoot && state.tables.some((table) => table.kind === 'p' && table.isPublished)) {
    findings.push({
      code: 'PUBLICATION_PARTIAL',
      level: 'problem',
      message: `expected ${name} to publish partitions under their root, found publish_via_partition_root = false`,
      remedy: `ALTER PUBLICATION ${ident(name)} SET (publish_via_partition_root = true);`,
    });
  }
  return findings;
}

function checkTables({ state, patterns, modelTables, companions, publication }: CheckInput): Finding[] {
  const unknown: string[] = [];
  const chosen = chooseTables(state.tables, { patterns, modelTables, companions: companions ?? [] }, unknown);
  const isWanted = (table: (typeof chosen)[number]) =>
    patterns !== null || modelTables.length > 0 || table.isPublished;
  const findings = unknown.map(
    (message): Finding => ({
      code: 'TABLE_MISSING',
      level: 'problem',
      message: `expected every table that is named to be there, found that ${message}`,
      remedy: 'mend its name in postgres.tables or models, or create the table',
    }),
  );
  for (const table of state.tables.filter((one) => one.isPublished || chosen.includes(one))) {
    const name = qualified(table);
    if (!hasUsableIdentity(table)) {
      findings.push({
        code: 'TABLE_WITHOUT_KEY',
        level: table.isPublished || isWanted(table) ? 'problem' : 'advice',
        message: table.isPublished
          ? `expected a primary key on the published table ${name}, found none: UPDATE and DELETE on it fail`
          : `expected a primary key on ${name}, found none: it cannot be published without breaking UPDATE and DELETE`,
        remedy: table.isPublished
          ? `ALTER TABLE ${name} ADD PRIMARY KEY (…); -- or: ALTER PUBLICATION ${ident(publication)} DROP TABLE ${name};`
          : `ALTER TABLE ${name} ADD PRIMARY KEY (…); -- or leave it out: tables: ["!${table.schema}.${table.name}"]`,
      });
      continue;
    }
    if (!table.isPublished && state.publication !== null && !state.publication.isAllTables) {
      findings.push({
        code: 'TABLE_UNPUBLISHED',
        level: isWanted(table) ? 'problem' : 'advice',
        message: `expected ${name} in the publication ${publication}, found it is not`,
        remedy: 'walhook setup --only publication',
      });
    }
    if (table.publishedColumns !== null) {
      findings.push({
        code: 'PUBLICATION_PARTIAL',
        level: 'problem',
        message: `expected ${publication} to publish every column of ${name}, found only ${table.publishedColumns.join(', ')}`,
        remedy: `ALTER PUBLICATION ${ident(publication)} DROP TABLE ${name}; ALTER PUBLICATION ${ident(publication)} ADD TABLE ${name};`,
      });
    }
    if (table.isPublished && !table.isReadable) {
      findings.push({
        code: 'TABLE_UNREADABLE',
        level: 'advice',
        message: `expected the role ${state.role.name} to read ${name}, found no SELECT: related rows cannot be looked up`,
        remedy: `GRANT SELECT ON ${name} TO ${ident(state.role.name)};`,
      });
    }
  }
  return findings;
}

/** Published tables on which PostgreSQL refuses the application's UPDATE and DELETE, though they have a key. */
function checkWrites({ state, publication }: CheckInput): Finding[] {
  const findings: Finding[] = [];
  for (const table of state.tables) {
    const reason = table.isPublished && table.identity === 'full' ? refusedUnderFull(table, state) : null;
    if (reason === null) continue;
    const name = qualified(table);
    findings.push({
      code: 'TABLE_UNSAFE',
      level: 'problem',
      message: `expected UPDATE and DELETE on ${name} to work, found REPLICA IDENTITY FULL beside ${reason}: PostgreSQL refuses them`,
      remedy: `ALTER TABLE ${name} REPLICA IDENTITY DEFAULT; -- or: ALTER PUBLICATION ${ident(publication)} DROP TABLE ${name};`,
    });
  }
  return findings;
}

function refusedUnderFull(table: DatabaseState['tables'][number], state: DatabaseState): string | null {
  if (table.publishedColumns !== null) return 'a column list';
  if (state.identity.versionNumber < 180_000) return null;
  if (table.generated === 'virtual') return 'a virtual generated column';
  return table.generated === 'stored' && state.publication?.publishesGenerated !== true
    ? 'a stored generated column that is not published'
    : null;
}

/** One finding for all: most webhooks do well without. */
function checkBeforeImages({ state }: CheckInput): Finding[] {
  const keyOnly = state.tables
    .filter((table) => table.isPublished && table.identity !== 'full')
    .map(qualified);
  const [first, ...others] = keyOnly;
  if (first === undefined) return [];
  return [
    {
      code: 'NO_BEFORE_IMAGE',
      level: 'advice',
      message: `${first}${others.length === 0 ? ' sends' : ` and ${others.length} more ${others.length === 1 ? 'table' : 'tables'} send`} no row as it was before: prechange holds the key only`,
      remedy: `ALTER TABLE ${first} REPLICA IDENTITY FULL; -- where webhooks need the before image`,
    },
  ];
}

function checkSlot({ state, slot, plugin, store }: CheckInput): Finding[] {
  const found = state.slot;
  if (found.walStatus === 'missing') {
    return [
      store === null
        ? {
            code: 'SLOT_MISSING',
            level: 'problem',
            message: `expected the replication slot ${slot}, found none of that name`,
            remedy: 'walhook setup --only slot',
          }
        : {
            code: 'SLOT_LOST',
            level: 'problem',
            message: `expected the replication slot ${slot}, which setup made, found none of that name`,
            remedy: 'walhook setup --accept-gap',
          },
    ];
  }
  if (found.walStatus === 'lost') {
    return [
      {
        code: 'SLOT_LOST',
        level: 'problem',
        message: `expected the slot ${slot} to hold its WAL, found it invalidated`,
        remedy: 'walhook setup --accept-gap',
      },
    ];
  }
  if (found.plugin !== plugin || found.database !== state.identity.database) {
    return [
      {
        code: 'SLOT_FOREIGN',
        level: 'problem',
        message: `expected a slot of ${plugin} in ${state.identity.database}, found ${found.plugin ?? 'a physical one'} in ${found.database ?? 'no database'}`,
        remedy: 'choose another postgres.slot',
      },
    ];
  }
  return [];
}

/** What `run` would refuse, and what may be lost. */
function checkQueue({ state, store, durability, environment, slot }: CheckInput): Finding[] {
  const findings: Finding[] = [];
  if (durability.startsWith('none')) {
    findings.push({
      code: 'QUEUE_NOT_DURABLE',
      level: 'advice',
      message: `expected the queue's store to survive a crash, found durability: ${durability}`,
      remedy: 'CONFIG SET appendonly yes; CONFIG REWRITE -- on the Redis of queue.url',
    });
  }
  try {
    const { identity, installation: recorded } = state;
    checkBinding({ store, recorded, identity, environment, slot });
  } catch (error) {
    if (!(error instanceof WalhookError)) throw error;
    const { code, message, remedy } = error;
    findings.push({ code, level: 'problem', message, remedy });
  }
  return findings;
}
