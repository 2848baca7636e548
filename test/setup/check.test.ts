import { describe, expect, it } from 'vitest';
import { type CheckInput, checkDatabase, type Finding } from '../../src/setup/check.ts';
import type { DatabaseState } from '../../src/setup/state.ts';
import { databaseState, INSTALLATION, NO_SLOT, PUBLICATION, SLOT, tableState } from './states.ts';

const STORE = { installation: INSTALLATION, position: 'p', fence: 1, definitions: null };

function check(state: Partial<DatabaseState> = {}, more: Partial<CheckInput> = {}): Finding[] {
  return checkDatabase({
    state: databaseState(state),
    environment: 'default',
    slot: 'walhook',
    publication: 'walhook',
    plugin: 'pgoutput',
    patterns: null,
    modelTables: [],
    store: STORE,
    durability: 'committed on PostgreSQL',
    ...more,
  });
}
const role = databaseState().role;
const full = tableState('orders', { isPublished: true, identity: 'full' });

describe('check', () => {
  it('finds nothing where all is well', () => {
    expect(check()).toEqual([]);
  });

  it.each<[string, string, Partial<DatabaseState>, Partial<CheckInput>, RegExp]>([
    ['problem', 'WAL_LEVEL', { walLevel: 'replica' }, {}, /ALTER SYSTEM SET wal_level = logical/],
    [
      'problem',
      'REPLICATION_PRIVILEGE',
      { role: { ...role, name: 'Odd "r"', mayReplicate: false } },
      {},
      /^ALTER ROLE "Odd ""r""" REPLICATION/,
    ],
    ['advice', 'WAL_UNLIMITED', { walLimitBytes: null }, {}, /max_slot_wal_keep_size/],
    ['problem', 'NO_FREE_SLOT', { freeSenders: 0 }, {}, /max_wal_senders/],
    [
      'problem',
      'PUBLICATION_MISSING',
      { publication: null, tables: [] },
      {},
      /^walhook setup --only publication$/,
    ],
    [
      'problem',
      'PUBLICATION_PARTIAL',
      { publication: { ...PUBLICATION, unpublished: ['delete', 'truncate'] } },
      {},
      /^ALTER PUBLICATION walhook SET \(publish = /,
    ],
    [
      'problem',
      'PUBLICATION_PARTIAL',
      { publication: { ...PUBLICATION, viaRoot: false }, tables: [{ ...full, kind: 'p' }] },
      {},
      /publish_via_partition_root = true/,
    ],
    [
      'problem',
      'TABLE_WITHOUT_KEY',
      { tables: [tableState('log', { hasPrimaryKey: false, isPublished: true, identity: 'default' })] },
      {},
      /ADD PRIMARY KEY .* DROP TABLE public\.log/,
    ],
    [
      'problem',
      'TABLE_WITHOUT_KEY',
      { tables: [full, tableState('log', { hasPrimaryKey: false })] },
      { patterns: ['public.*'] },
      /tables: \["!public\.log"\]/,
    ],
    [
      'advice',
      'TABLE_WITHOUT_KEY',
      { tables: [full, tableState('log', { hasPrimaryKey: false })] },
      {},
      /ADD PRIMARY KEY/,
    ],
    [
      'problem',
      'TABLE_UNPUBLISHED',
      { tables: [full, tableState('items')] },
      { modelTables: [{ schema: 'public', table: 'items' }] },
      /^walhook setup --only publication$/,
    ],
    [
      'advice',
      'TABLE_UNPUBLISHED',
      { tables: [full, tableState('items')] },
      {},
      /^walhook setup --only publication$/,
    ],
    [
      'advice',
      'TABLE_UNREADABLE',
      { tables: [{ ...full, isReadable: false }] },
      {},
      /^GRANT SELECT ON public\.orders TO walhook;$/,
    ],
    [
      'advice',
      'NO_BEFORE_IMAGE',
      { tables: [tableState('orders', { isPublished: true })] },
      {},
      /^ALTER TABLE public\.orders REPLICA IDENTITY FULL/,
    ],
    [
      'problem',
      'SLOT_MISSING',
      { slot: NO_SLOT, installation: null },
      { store: null },
      /^walhook setup --only slot$/,
    ],
    ['advice', 'HELPERS_OLD', { hasSchema: true, hasHelpers: false }, {}, /^walhook setup --only schema/],
    ['problem', 'SLOT_LOST', { slot: NO_SLOT }, {}, /^walhook setup --accept-gap$/],
    ['problem', 'SLOT_LOST', { slot: { ...SLOT, walStatus: 'lost' } }, {}, /^walhook setup --accept-gap$/],
    ['problem', 'SLOT_FOREIGN', { slot: { ...SLOT, plugin: 'wal2json' } }, {}, /another postgres\.slot/],
    [
      'problem',
      'SLOT_FOREIGN',
      { slot: { ...SLOT, plugin: null, database: null } },
      {},
      /another postgres\.slot/,
    ],
    ['problem', 'SLOT_FOREIGN', { slot: { ...SLOT, database: 'other' } }, {}, /another postgres\.slot/],
    ['advice', 'QUEUE_NOT_DURABLE', {}, { durability: 'none: appendonly no' }, /appendonly yes/],
    ['problem', 'QUEUE_NOT_SET_UP', { installation: null }, { store: null }, /^walhook setup$/],
    [
      'problem',
      'NOT_MY_QUEUE',
      {},
      { store: { ...STORE, installation: { ...INSTALLATION, systemIdentifier: '8' } } },
      /queue\.url/,
    ],
    [
      'problem',
      'NOT_MY_QUEUE',
      {},
      { store: { ...STORE, installation: { ...INSTALLATION, database: 'other' } } },
      /queue\.url/,
    ],
  ])('finds the %s %s, with its remedy', (level, code, state, more, remedy) => {
    const findings = check(state, more);
    const finding = findings.find((one) => one.code === code && remedy.test(one.remedy));
    expect(finding).toMatchObject({ level, message: expect.stringMatching(/expected|sends? no row/) });
    const others = findings.filter((one) => one !== finding).map((one) => one.code);
    // A slot without a store is two findings that belong together.
    expect(
      others.filter((other) => !['QUEUE_NOT_SET_UP', 'NO_BEFORE_IMAGE', 'TABLE_UNPUBLISHED'].includes(other)),
    ).toEqual([]);
  });

  it.each<[Partial<CheckInput>, RegExp]>([
    [{ patterns: ['public.*', 'public.ordrs'] }, /public\.ordrs of postgres\.tables fits no table/],
    [{ patterns: ['!public.ordrs'] }, /!public\.ordrs of postgres\.tables fits no table/],
    [{ modelTables: [{ schema: 'public', table: 'ordrs' }] }, /public\.ordrs of a model/],
  ])('finds a table that is named and not there: %j', (more, message) => {
    expect(check({}, more)).toContainEqual(
      expect.objectContaining({ code: 'TABLE_MISSING', message: expect.stringMatching(message) }),
    );
  });

  it('counts the tables without a before image in one finding', () => {
    const tables = ['a', 'b', 'c'].map((name) => tableState(name, { isPublished: true }));
    expect(check({ tables })).toMatchObject([
      { code: 'NO_BEFORE_IMAGE', message: expect.stringContaining('public.a and 2 more') },
    ]);
  });

  it('needs a free slot only where one is to be made, and a sender only where none holds it', () => {
    expect(check({ freeSlots: 0 })).toEqual([]);
    expect(check({ freeSenders: 0, slot: { ...SLOT, activePid: 7 } })).toEqual([]);
    expect(check({ freeSlots: 0, slot: NO_SLOT }).map(({ code }) => code)).toContain('NO_FREE_SLOT');
  });

  it('says nothing of tables that a publication of all tables has by itself', () => {
    const publication = { ...PUBLICATION, isAllTables: true };
    expect(check({ publication, tables: [full] })).toEqual([]);
  });

  // run refuses these.
  it.each([
    ['another environment', { environment: 'production' }],
    ['another slot', { slot: 'other' }],
  ])('finds that the queue belongs to %s', (_what, changes) => {
    const findings = check({}, { store: { ...STORE, installation: { ...INSTALLATION, ...changes } } });
    expect(findings.map(({ code }) => code)).toContain('NOT_MY_QUEUE');
  });

  it('finds that the database was set up for another queue', () => {
    const findings = check({ installation: { ...INSTALLATION, queueId: 'other' } });
    expect(findings.map(({ code }) => code)).toContain('NOT_MY_DATABASE');
  });

  // Columns that the publication leaves out are never in an Event.
  it('finds a column list in the publication', () => {
    expect(
      check({ tables: [{ ...full, identity: 'default', publishedColumns: ['id'] }] }).map(({ code }) => code),
    ).toContain('PUBLICATION_PARTIAL');
  });
});
