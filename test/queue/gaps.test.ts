import { describe, expect, it } from 'vitest';
import { describeGap, type Gap, gapOfAll, isFilled } from '../../src/queue/gaps.ts';
import type { Replay } from '../../src/queue/replays.ts';

const gap = (more: Partial<Gap> = {}): Gap => ({
  id: 3,
  ...gapOfAll('slot_lost', { firstLsn: '0/10', firstMs: 0, tables: ['public.orders'], openedMs: 1 }),
  ...more,
});
const overflow = (more: Partial<Gap> = {}) =>
  gap({ kind: 'overflow', webhook: 'w', tables: [], models: { a: 1, b: 2 }, ...more });

describe('a Gap is described in one sentence', () => {
  it.each([
    [
      'while it grows',
      gap(),
      '3 slot_lost: Changes of public.orders from 0/10 (1970-01-01T00:00:00.000Z) to now',
    ],
    [
      'with both ends',
      gap({ lastLsn: '0/20', lastMs: 1_000, closedMs: 2 }),
      '3 slot_lost: Changes of public.orders from 0/10 (1970-01-01T00:00:00.000Z) to 0/20 (1970-01-01T00:00:01.000Z)',
    ],
    [
      'with no end known',
      gap({ firstLsn: null, firstMs: null, tables: [], closedMs: 2 }),
      '3 slot_lost: Changes from an unknown position to an unknown position',
    ],
    [
      'of one Webhook',
      overflow({ firstMs: null, lastLsn: '0/20' }),
      '3 overflow: 3 Deliveries of a, b for w from 0/10 to 0/20 and growing',
    ],
    [
      'with a bounded list',
      gap({ firstMs: null, tables: Array.from({ length: 10 }, (_, i) => `t${i}`) }),
      '3 slot_lost: Changes of t0, t1, t2, t3, t4, t5, t6, t7 and 2 more from 0/10 to now',
    ],
  ])('%s', (_case, one, expected) => {
    expect(describeGap(one)).toBe(`${expected} were not delivered`);
  });
});

describe('a Gap is filled', () => {
  const replay = (model: string, more: Partial<Replay> = {}): Replay => ({
    ...{
      id: '01234567',
      model,
      where: null,
      gap: 3,
      webhook: null,
      rowsPerSecond: 1,
      state: 'done',
      error: null,
    },
    ...{
      marker: null,
      markedAtMs: null,
      after: null,
      rows: 0,
      deliveries: 0,
      requestedAtMs: 0,
      endedAtMs: 1,
    },
    ...more,
  });
  const [a, b] = [replay('a'), replay('b')];

  it.each<[string, Gap, Replay[], boolean]>([
    ['by a replay of each of its models', overflow(), [a, b], true],
    ['not by some of them', overflow(), [a], false],
    ['not by those for another Gap', overflow(), [a, replay('b', { gap: 4 })], false],
    ['not by those that failed', overflow(), [a, replay('b', { state: 'failed' })], false],
    ['by those for its Webhook alone', overflow(), [a, replay('b', { webhook: 'w' })], true],
    ['not by those for another one', overflow(), [a, replay('b', { webhook: 'x' })], false],
    ['by a replay of each of its tables', gap(), [replay('orders')], true],
    ['not where one Webhook was told of many', gap(), [replay('orders', { webhook: 'w' })], false],
    ['never where nobody knows what it left out', gap({ tables: [] }), [replay('orders')], false],
  ])('%s', (_case, one, replays, expected) => {
    expect(isFilled(one, replays, (model) => `public.${model}`)).toBe(expected);
  });
});
