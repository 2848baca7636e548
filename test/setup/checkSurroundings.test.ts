import { describe, expect, it } from 'vitest';
import { type Gap, gapOfAll } from '../../src/queue/gaps.ts';
import type { SlotHealth } from '../../src/replication/slotHealth.ts';
import { walBudget } from '../../src/replication/walBudget.ts';
import { checkDatabase } from '../../src/setup/check.ts';
import { checkSurroundings, type SurroundingsInput } from '../../src/setup/checkSurroundings.ts';
import type { Surroundings } from '../../src/setup/surroundings.ts';
import { databaseState, INSTALLATION, SLOT, tableState } from './states.ts';

const GIB = 1_073_741_824;
const surroundings = (more: Partial<Surroundings> = {}): Surroundings => ({
  provider: 'self',
  otherSlots: [],
  sharedTables: [],
  subscriptions: [],
  clockSkewMs: 3,
  replication: { systemIdentifier: '7', error: null, code: null },
  ...more,
});
const health = (more: Partial<SlotHealth> = {}): SlotHealth => ({
  safeWalBytes: null,
  walLimitBytes: null,
  invalidationReason: null,
  catalogXminAge: 10,
  spilledBytes: 0,
  oldestTransaction: null,
  ...more,
});
const budget = (retainedBytes: number) =>
  walBudget({
    retainedBytes,
    limitBytes: 10 * GIB,
    budgetBytes: null,
    safeWalBytes: null,
    bytesPerSecond: null,
  });
const gap: Gap = { id: 1, ...gapOfAll('slot_lost', { tables: [], openedMs: 0 }) };
const input = (more: Partial<SurroundingsInput> = {}): SurroundingsInput => ({
  state: databaseState(),
  surroundings: surroundings(),
  health: health(),
  budget: budget(GIB),
  gaps: [],
  misfit: null,
  replicationUrl: 'postgres://h/d',
  fullTables: [],
  wantsOrigin: false,
  ...more,
});

const refused = {
  systemIdentifier: null,
  error: 'unsupported startup parameter: replication',
  code: '08P01',
};
const oldest = { pid: 42, user: 'app', application: 'batch', ageSeconds: 7_200 };

describe('check looks around', () => {
  it.each<[string, Partial<SurroundingsInput>, [string, 'problem' | 'advice'][]]>([
    ['and finds nothing where all is well', {}, []],
    [
      'and finds replication refused',
      { surroundings: surroundings({ replication: refused }), replicationUrl: 'postgres://h:6543/d' },
      [['REPLICATION_REFUSED', 'problem']],
    ],
    [
      'and leaves a missing privilege to the finding that has its remedy',
      {
        state: databaseState({ role: { ...databaseState().role, mayReplicate: false } }),
        surroundings: surroundings({ replication: { ...refused, code: '42501' } }),
      },
      [],
    ],
    [
      'and finds replication leading elsewhere',
      { surroundings: surroundings({ replication: { systemIdentifier: '8', error: null, code: null } }) },
      [['REPLICATION_ELSEWHERE', 'problem']],
    ],
    ['and finds the budget near its end', { budget: budget(9 * GIB) }, [['SLOT_BUDGET', 'problem']]],
    [
      'and finds the slot about to be lost',
      { state: databaseState({ slot: { ...SLOT, walStatus: 'unreserved' } }) },
      [['SLOT_BUDGET', 'problem']],
    ],
    [
      'and finds an old transaction',
      { health: health({ oldestTransaction: oldest }) },
      [['OLD_TRANSACTION', 'advice']],
    ],
    [
      'and finds the catalog kept from vacuum',
      { health: health({ catalogXminAge: 60_000_000 }) },
      [['OLD_CATALOG_XMIN', 'advice']],
    ],
    [
      'and finds a slot that nobody reads',
      {
        surroundings: surroundings({
          otherSlots: [{ name: 'old', isActive: false, retainedBytes: 2 * GIB }],
        }),
      },
      [['OTHER_SLOT', 'advice']],
    ],
    [
      'and lets slots be that are read, or keep little',
      {
        surroundings: surroundings({
          otherSlots: [
            { name: 'read', isActive: true, retainedBytes: 2 * GIB },
            { name: 'small', isActive: false, retainedBytes: 5 },
          ],
        }),
      },
      [],
    ],
    [
      'and finds who else would carry full rows',
      {
        surroundings: surroundings({ sharedTables: [{ publication: 'other', table: 'public.orders' }] }),
        fullTables: ['public.orders'],
      },
      [['SHARED_TABLE', 'advice']],
    ],
    [
      'and finds a subscription',
      { surroundings: surroundings({ subscriptions: ['s'] }) },
      [['SUBSCRIPTION', 'advice']],
    ],
    [
      'and finds clocks apart',
      { surroundings: surroundings({ clockSkewMs: -5_000 }) },
      [['CLOCK_SKEW', 'advice']],
    ],
    ['and finds a Gap', { gaps: [gap] }, [['GAP', 'advice']]],
    [
      'and finds a position that does not fit',
      { misfit: { code: 'OTHER_HISTORY', message: 'x', gap: { ...gap, kind: 'server_behind' } } },
      [['OTHER_HISTORY', 'problem']],
    ],
    [
      'and finds origin asked of an old server',
      {
        wantsOrigin: true,
        state: databaseState({
          identity: { systemIdentifier: '7', database: 'app', versionNumber: 150_000 },
        }),
      },
      [['ORIGIN_UNSUPPORTED', 'problem']],
    ],
    [
      'and tells the traps of a provider',
      { surroundings: surroundings({ provider: 'neon' }) },
      [['PROVIDER', 'advice']],
    ],
  ])('%s', (_, more, findings) => {
    expect(checkSurroundings(input(more)).map(({ code, level }) => [code, level])).toEqual(findings);
  });
});

describe('check finds writes that fail under REPLICA IDENTITY FULL', () => {
  const codes = (table: Parameters<typeof tableState>[1], versionNumber = 180_000) =>
    checkDatabase({
      state: databaseState({
        identity: { systemIdentifier: '7', database: 'app', versionNumber },
        tables: [tableState('orders', { isPublished: true, identity: 'full', ...table })],
      }),
      slot: 'walhook',
      publication: 'walhook',
      plugin: 'pgoutput',
      environment: 'default',
      patterns: null,
      modelTables: [],
      store: {
        installation: INSTALLATION,
        position: `${'0'.repeat(16)}-00000000`,
        fence: 1,
        definitions: null,
      },
      durability: 'committed',
    })
      .map(({ code }) => code)
      .filter((code) => code !== 'PUBLICATION_PARTIAL');

  it.each([
    ['beside a column list', { publishedColumns: ['id'] }, 150_000, ['TABLE_UNSAFE']],
    ['beside a virtual generated column', { generated: 'virtual' }, 180_000, ['TABLE_UNSAFE']],
    ['beside a stored one that is not published', { generated: 'stored' }, 180_000, ['TABLE_UNSAFE']],
    ['but not beside a stored one before 18', { generated: 'stored' }, 170_000, []],
    [
      'but not under another identity',
      { identity: 'default', publishedColumns: ['id'] },
      180_000,
      ['NO_BEFORE_IMAGE'],
    ],
  ] as const)('%s', (_, table, version, found) => {
    expect(codes(table, version)).toEqual(found);
  });
});
