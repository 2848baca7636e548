/** What setup and check find in a database, made by hand. */
import { LSN_ZERO } from '../../src/core/lsn.ts';
import type { Installation } from '../../src/queue/store.ts';
import type { SlotState } from '../../src/replication/slot.ts';
import type { DatabaseState, PublicationState, TableState } from '../../src/setup/state.ts';

export const INSTALLATION: Installation = {
  queueId: 'q1',
  generation: '0badcafe',
  environment: 'default',
  systemIdentifier: '7',
  database: 'app',
  slot: 'walhook',
};

export function tableState(name: string, more: Partial<TableState> = {}): TableState {
  return {
    schema: 'public',
    name,
    kind: 'r',
    hasPrimaryKey: true,
    identity: 'default',
    identityColumns: ['id'],
    isOwned: true,
    isReadable: true,
    isPublished: false,
    publishedColumns: null,
    ...more,
  };
}

export const PUBLICATION: PublicationState = { isAllTables: false, viaRoot: true, unpublished: [] };

export const SLOT: SlotState = {
  walStatus: 'reserved',
  plugin: 'pgoutput',
  database: 'app',
  activePid: null,
  confirmedFlushLsn: LSN_ZERO,
  restartLsn: LSN_ZERO,
  retainedBytes: 0,
  lagBytes: 0,
  currentLsn: LSN_ZERO,
};

export const NO_SLOT: SlotState = { ...SLOT, walStatus: 'missing', plugin: null, database: null };

/** A database in which everything is as it should be. */
export function databaseState(more: Partial<DatabaseState> = {}): DatabaseState {
  return {
    identity: { systemIdentifier: '7', database: 'app', versionNumber: 180_000 },
    role: { name: 'walhook', isSuperuser: false, mayReplicate: true, mayCreate: true },
    walLevel: 'logical',
    walLimitBytes: 10 * 1_073_741_824,
    freeSlots: 5,
    freeSenders: 5,
    publication: PUBLICATION,
    tables: [tableState('orders', { isPublished: true, identity: 'full' })],
    hasSchema: true,
    hasHelpers: true,
    webhookRows: 'published',
    installation: INSTALLATION,
    slot: SLOT,
    tracked: [],
    ...more,
  };
}
