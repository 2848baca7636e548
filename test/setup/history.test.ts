import { describe, expect, it } from 'vitest';
import { lsn } from '../../src/core/lsn.ts';
import { forkFrom } from '../../src/replication/timeline.ts';
import { type HistoryView, judgeHistory } from '../../src/setup/history.ts';

const at = (value: number) => lsn(BigInt(value));
const view = (more: Partial<HistoryView> = {}): HistoryView => ({
  position: at(100),
  slot: { walStatus: 'reserved', confirmedFlushLsn: at(90) },
  currentLsn: at(500),
  fork: 'same',
  isPublicationRemade: false,
  ...more,
});

describe('a stored position', () => {
  it.each([
    ['is used where slot, server and history fit', {}, null],
    [
      'is used where the slot stands exactly there',
      { slot: { walStatus: 'reserved', confirmedFlushLsn: at(100) } },
      null,
    ],
    [
      'is used while the slot is about to be lost',
      { slot: { walStatus: 'unreserved', confirmedFlushLsn: at(90) } },
      null,
    ],
    ['is used at the very end of the WAL', { currentLsn: at(100) }, null],
    ['is used after a failover that had all of it', { fork: at(100) }, null],
    ['says that the slot is gone', { slot: { walStatus: 'missing', confirmedFlushLsn: at(0) } }, 'slot_lost'],
    [
      'says that the slot is invalid',
      { slot: { walStatus: 'lost', confirmedFlushLsn: at(90) } },
      'slot_lost',
    ],
    [
      'says that the slot stands ahead',
      { slot: { walStatus: 'reserved', confirmedFlushLsn: at(101) } },
      'slot_moved',
    ],
    ['says that the server ends before it', { currentLsn: at(99) }, 'server_behind'],
    ['says that history left before it', { fork: at(99) }, 'other_history'],
    ['says that the publication is another one', { isPublicationRemade: true }, 'publication_remade'],
    ['says that history is another', { fork: 'unrelated' as const }, 'other_history'],
  ] as const)('%s', (_, more, reason) => {
    expect(judgeHistory(view(more as Partial<HistoryView>))).toBe(reason);
  });
});

describe('a history file', () => {
  const history = '1\t0/3000158\tno recovery target specified\n\n2\t1A/FF000000\tbefore 2026-01-01\n';
  it.each([
    [1, lsn(0x3000158n)],
    [2, lsn(0x1aff000000n)],
    [3, null],
  ])('says where timeline %i was left', (timeline, fork) => {
    expect(forkFrom(history, timeline)).toBe(fork);
  });
});
