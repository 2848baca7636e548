import { describe, expect, it } from 'vitest';
import { keepMisses } from '../../src/capture/keepMisses.ts';
import { type Miss, MissLog, type MissStore, readMisses } from '../../src/capture/misses.ts';
import { purge } from '../../src/capture/purgeMisses.ts';
import { SILENT } from '../../src/core/logger.ts';
import { Secret } from '../../src/core/secret.ts';
import type { DeliveryFilter } from '../../src/queue/inspect.ts';
import { createSealer } from '../../src/queue/seal.ts';
import { ManualClock, settled } from '../helpers/clock.ts';

const miss = (key: string | number, more: Partial<Miss> = {}): Miss => ({
  key: String(key),
  model: 'thing',
  event: 'updated',
  committedAtMs: 1_700_000_000_000,
  position: '0000000000000001-00000000',
  by: 'conditions',
  because: [{ attr: 'status', op: 'eq', value: 'on', seen: 'off', why: 'does not equal the value' }],
  ...more,
});

class Notes implements MissStore {
  readonly sealer = createSealer([new Secret('0123456789abcdef')]);
  readonly texts = new Map<string, string>();
  readonly deliveries = { purge: () => Promise.resolve({ done: 0, skipped: 0 }) };
  writes = 0;
  isDown = false;

  async notes(prefix: string): Promise<ReadonlyMap<string, string>> {
    if (this.isDown) throw new Error('down');
    return new Map([...this.texts].filter(([key]) => key.startsWith(prefix)));
  }

  async putNote(key: string, value: string | null): Promise<boolean> {
    if (this.isDown) throw new Error('down');
    this.writes += 1;
    if (value === null) this.texts.delete(key);
    else this.texts.set(key, value);
    return true;
  }
}

/** Of one webhook, as taken. */
function taken(log: MissLog, webhook = 'w'): string[] {
  return log.take().flatMap(([name, misses]) => (name === webhook ? misses.map(({ key }) => key) : []));
}

describe('the log of Changes that did not fire', () => {
  it('keeps the last hundred of each webhook', async () => {
    const clock = new ManualClock();
    const log = new MissLog(clock);
    for (let i = 0; i < 250; i += 1) {
      if (i % 50 === 0) await clock.advance(1_000);
      log.add('w', () => miss(i));
    }
    log.add('v', () => miss('other'));
    const keys = taken(log);
    expect([keys.length, keys[0], keys.at(-1)]).toEqual([100, '150', '249']);
  });

  it('explains at most a hundred in a second of a webhook, and two thousand of all', async () => {
    const clock = new ManualClock();
    const log = new MissLog(clock);
    let described = 0;
    const describe = () => {
      described += 1;
      return miss(described);
    };
    for (let i = 0; i < 1_000; i += 1) log.add('w', describe);
    expect(described).toBe(100);
    for (let webhook = 0; webhook < 100; webhook += 1) {
      for (let i = 0; i < 100; i += 1) log.add(`w${webhook}`, describe);
    }
    expect(described).toBe(2_000);
    await clock.advance(1_000);
    log.add('w', describe);
    expect(described).toBe(2_001);
  });

  it('bounds what is kept of one', () => {
    const log = new MissLog(new ManualClock());
    const big = {
      attr: 'a',
      op: 'in',
      value: 'v'.repeat(2_000),
      seen: 's'.repeat(2_000),
      why: 'is not in the list',
    };
    log.add('w', () => miss(1, { because: [big] }));
    log.add('w', () => miss('k'.repeat(5_000)));
    const [[, kept] = ['', []]] = log.take();
    expect(kept[0]?.because).toEqual([{ attr: 'a', op: 'in', why: 'is not in the list' }]);
    expect(kept[1]).toMatchObject({ key: 'k'.repeat(200), because: [] });
  });

  it('does not fail where explaining does', () => {
    const log = new MissLog(new ManualClock());
    log.add('w', () => {
      throw new Error('a defect');
    });
    expect(log.take()).toEqual([]);
  });
});

describe('keeping them in the store', () => {
  it('writes once a second what is new, goes on from what was there, and once more at the end', async () => {
    const clock = new ManualClock();
    const store = new Notes();
    store.texts.set('miss:w', JSON.stringify([miss('before')]));
    store.texts.set('lease', 'another note');
    const log = new MissLog(clock);
    const stop = new AbortController();
    const keeping = keepMisses(log, store, { clock, log: SILENT }, stop.signal);
    await settled();
    for (let i = 0; i < 10; i += 1) log.add('w', () => miss(i));
    expect(store.writes).toBe(0);
    await clock.advance(1_000);
    expect(store.writes).toBe(1);
    await clock.advance(5_000);
    expect(store.writes).toBe(1);
    log.add('w', () => miss('last'));
    stop.abort();
    await keeping;
    const keys = (await readMisses(store, 'w')).get('w')?.map(({ key }) => key);
    // What was there before there was a key is read, what is written is sealed.
    expect(store.texts.get('miss:w')).toMatch(/^sealed1:[A-Za-z0-9+/:=]+$/);
    expect(keys).toEqual(['before', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'last']);
  });

  it('goes on when the store is down', async () => {
    const clock = new ManualClock();
    const store = new Notes();
    store.isDown = true;
    const log = new MissLog(clock);
    const stop = new AbortController();
    const keeping = keepMisses(log, store, { clock, log: SILENT }, stop.signal);
    await settled();
    log.add('w', () => miss(1));
    await clock.advance(1_000);
    store.isDown = false;
    log.add('w', () => miss(2));
    await clock.advance(1_000);
    stop.abort();
    await keeping;
    expect((await readMisses(store, '')).get('w')).toHaveLength(2);
  });

  it('forgets what is purged, in the store at once and then in memory', async () => {
    const { clock, store, log, end } = await keepingMisses();
    for (const key of ['1', '2']) log.add('w', () => miss(key));
    log.add('other', () => miss('1', { model: 'person' }));
    await clock.advance(1_000);
    await purge(store, { model: 'thing', key: '1' });
    expect(await keysOf(store)).toEqual({ w: ['2'], other: ['1'] });
    // The order does not say which row it was.
    expect([...store.texts].find(([key]) => key.startsWith('miss-purge:'))?.[1]).not.toContain('"1"');
    await clock.advance(1_000);
    log.add('w', () => miss('3'));
    await clock.advance(1_000);
    await end();
    expect(await keysOf(store)).toEqual({ w: ['2', '3'], other: ['1'] });
    expect([...store.texts.keys()]).toEqual(['miss:w', 'miss:other']);
  });

  it('are left, and the Deliveries too, where the key to read them is missing', async () => {
    const store = new Notes();
    const other = createSealer([new Secret('another key, 16+')]);
    store.texts.set('miss:w', other.seal('[]'));
    let isPurged = false;
    store.deliveries.purge = () => {
      isPurged = true;
      return Promise.resolve({ done: 1, skipped: 0 });
    };
    await expect(purge(store, { model: 'thing', key: '1' })).rejects.toMatchObject({
      code: 'QUEUE_KEY_MISSING',
    });
    expect([isPurged, [...store.texts.keys()]]).toEqual([false, ['miss:w']]);
  });

  it.each<[string, DeliveryFilter, readonly string[]]>([
    ['a webhook', { webhook: 'w' }, []],
    ['another webhook', { webhook: 'x' }, ['1', '2']],
    ['a model', { model: 'thing' }, ['2']],
    ['a row', { model: 'person', key: '2' }, ['1']],
    ['a row of another model', { model: 'thing', key: '2' }, ['1', '2']],
    ['a time', { sinceMs: 1_700_000_000_001, untilMs: 1_700_000_000_003 }, ['1']],
    ['the time before', { untilMs: 1_700_000_000_002 }, ['2']],
    ['what only Deliveries have', { model: 'thing', state: 'failed' }, ['1', '2']],
  ])('are purged by %s', async (_what, filter, left) => {
    const { clock, store, log, end } = await keepingMisses();
    log.add('w', () => miss('1'));
    log.add('w', () => miss('2', { model: 'person', committedAtMs: 1_700_000_000_002 }));
    await clock.advance(1_000);
    await purge(store, filter);
    expect((await keysOf(store))['w']).toEqual(left);
    await clock.advance(1_000);
    await end();
    expect((await keysOf(store))['w']).toEqual(left);
  });
});

/** A process that keeps them. */
async function keepingMisses() {
  const clock = new ManualClock();
  const store = new Notes();
  const log = new MissLog(clock);
  const stop = new AbortController();
  const keeping = keepMisses(log, store, { clock, log: SILENT }, stop.signal);
  await settled();
  const end = async () => {
    stop.abort();
    await keeping;
  };
  return { clock, store, log, end };
}

async function keysOf(store: Notes): Promise<Record<string, string[]>> {
  const all = await readMisses(store, '');
  return Object.fromEntries([...all].map(([webhook, misses]) => [webhook, misses.map(({ key }) => key)]));
}
