/** Notes and binding anew: one list of facts over both backends. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Installation, QueueStore } from '../../src/queue/store.ts';
import { createQueue, isQueueMissing, QUEUE_KINDS, type TestQueue } from '../helpers/queue.ts';
import { openStore } from '../helpers/stores.ts';

const installation: Installation = {
  queueId: 'q',
  generation: '0badcafe',
  environment: 'test',
  systemIdentifier: '7',
  database: 'db',
  slot: 'walhook',
};

describe.each(QUEUE_KINDS)('the notes of the %s queue', (kind) => {
  const isSkipped = isQueueMissing(kind);
  let queue: TestQueue;
  let store: QueueStore;

  beforeAll(async () => {
    if (isSkipped) return;
    queue = await createQueue(kind);
    store = await openStore(queue.section);
    await store.initialise(installation, 'pos-0');
  });

  afterAll(async () => {
    if (isSkipped) return;
    await store.close();
    await queue[Symbol.asyncDispose]();
  });

  it.skipIf(isSkipped)('are kept by key and found by the beginning of it', async () => {
    await store.putNote('a:2', 'two');
    await store.putNote('a:1', 'one');
    await store.putNote('b:1', 'other');
    expect([...(await store.notes('a:'))]).toEqual([
      ['a:1', 'one'],
      ['a:2', 'two'],
    ]);
    await store.putNote('a:1', null);
    expect([...(await store.notes('a:')).keys()]).toEqual(['a:2']);
  });

  it.skipIf(isSkipped)('are written only where they say what was expected', async () => {
    expect(await store.putNote('lease', 'me', null)).toBe(true);
    expect(await store.putNote('lease', 'you', null)).toBe(false);
    expect(await store.putNote('lease', 'you', 'nobody')).toBe(false);
    expect(await store.putNote('lease', null, 'nobody')).toBe(false);
    expect((await store.notes('lease')).get('lease')).toBe('me');
    expect(await store.putNote('lease', 'you', 'me')).toBe(true);
    expect(await store.putNote('lease', null, 'you')).toBe(true);
    expect(await store.notes('lease')).toEqual(new Map());
  });

  it.skipIf(isSkipped)('are taken by one of many who expect the same', async () => {
    const tries = await Promise.all(
      Array.from({ length: 8 }, (_, i) => store.putNote('race', `holder ${i}`, null)),
    );
    expect(tries.filter(Boolean)).toHaveLength(1);
  });

  it.skipIf(isSkipped)('outlive a binding anew, which takes position and fence', async () => {
    const fence = await store.takeFence();
    await store.putNote('kept', 'yes');
    await store.rebind({ ...installation, generation: '0000beef' }, 'pos-9');
    expect(await store.state()).toMatchObject({
      position: 'pos-9',
      fence: fence + 1,
      installation: { generation: '0000beef' },
    });
    expect((await store.notes('kept')).get('kept')).toBe('yes');
  });
});
