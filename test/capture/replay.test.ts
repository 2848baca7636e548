import { describe, expect, it } from 'vitest';
import { pageQuery, placeOf, runReplays } from '../../src/capture/replay.ts';
import { SILENT } from '../../src/core/logger.ts';
import { findReplay, requestReplay } from '../../src/queue/replays.ts';
import { ManualClock } from '../helpers/clock.ts';

type Related = Parameters<typeof pageQuery>[0];
const related = {
  table: {
    relation: { schema: 'sales', name: 'Odd "x"', columns: [{ name: 'a' }, { name: 'b' }, { name: 'note' }] },
    key: [
      { name: 'b', index: 1 },
      { name: 'a', index: 0 },
    ],
  },
  typeNames: ['bigint', 'text', 'text'],
} as unknown as Related;

describe('a page of a replay', () => {
  it('is read in the order of the primary key, all columns', () => {
    expect(pageQuery(related, null, null)).toEqual({
      text: 'select "a", "b", "note" from "sales"."Odd ""x""" order by "b", "a" limit 200',
      values: [],
    });
  });

  it('begins behind the last row, in the types of the key', () => {
    const { text, values } = pageQuery(related, "note = 'x' -- why", ['k', '9007199254740993']);
    expect(text).toContain(`where (note = 'x' -- why\n) and ("b", "a") > ($1::text, $2::bigint) order by`);
    expect(values).toEqual(['k', '9007199254740993']);
  });
});

describe('the table of a model', () => {
  const models = [{ name: 'order', schema: 'shop', table: 'orders' }];
  it.each([
    ['order', { schema: 'shop', table: 'orders' }],
    ['orders', { schema: 'public', table: 'orders' }],
    ['shop.items', { schema: 'shop', table: 'items' }],
  ])('%s is found', (model, place) => {
    expect(placeOf(model, models)).toEqual(place);
  });
});

describe('a replay that cannot read', () => {
  const state = (code: string) => Object.assign(new Error('read failed'), { code });
  it.each([
    ['goes on later when the connection broke', new Error('Connection terminated unexpectedly'), 'waiting'],
    ['goes on later when the server restarts', state('57P01'), 'waiting'],
    ['goes on later when the server is out of reach', state('ECONNREFUSED'), 'waiting'],
    ['has failed when its condition takes too long', state('57014'), 'failed'],
    ['has failed when its condition is no SQL', state('42601'), 'failed'],
  ])('%s', async (_, error, expected) => {
    const kept = new Map<string, string>();
    const store = {
      notes: (prefix: string) =>
        Promise.resolve(new Map([...kept].filter(([key]) => key.startsWith(prefix)))),
      putNote: (key: string, value: string | null) => {
        kept.set(key, value ?? '');
        return Promise.resolve(true);
      },
    };
    const wish = { model: 'order', where: null, gap: null, webhook: null, rowsPerSecond: 10 };
    const { id } = await requestReplay(store, wish, 1);
    const clock = new ManualClock();
    const stop = new AbortController();
    const tables = { clear: () => undefined, find: () => Promise.reject(error) };
    const running = runReplays({ store, tables, models: [], clock, log: SILENT } as never, stop.signal);
    await clock.advance(1);
    stop.abort();
    await running;
    expect((await findReplay(store, id))?.state).toBe(expected);
  });
});
