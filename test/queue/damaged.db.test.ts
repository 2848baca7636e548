/** Jobs whose text cannot be read: what both stores do with them. */
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/core/secret.ts';
import { deliveryId } from '../../src/queue/delivery.ts';
import { createSealer } from '../../src/queue/seal.ts';
import {
  deliveriesAt,
  deliveryAt,
  FAILURE,
  isStoreMissing,
  type Prepared,
  prepareStore,
  STORE_KINDS,
} from './stores.ts';

const idOf = (place: number) => deliveryId(deliveryAt(place).eventId, 'w');
const sealed = { payloads: 'full', sealer: createSealer([new Secret('0123456789abcdef')]) } as const;

type Part = 'head' | 'events' | 'history';

/** Writes a part of the newest job of `w` anew. */
async function damage(queue: Prepared, part: Part, change: (text: string) => string): Promise<void> {
  if (queue.query !== null) {
    const column = part === 'events' ? 'payload' : part;
    const job = `${queue.prefix}_queue.job`;
    const { rows } = (await queue.query(
      `select id, ${column} as text from ${job} order by id desc limit 1`,
    )) as {
      rows: { id: string; text: string }[];
    };
    await queue.query(`update ${job} set ${column} = $1 where id = $2`, [
      change(rows[0]?.text ?? ''),
      rows[0]?.id,
    ]);
    return;
  }
  const redis = new Redis(queue.url);
  try {
    const newest = (await redis.keys(`{${queue.prefix}}:job:*`)).toSorted().at(-1) ?? '';
    await redis.hset(newest, part, change((await redis.hget(newest, part)) ?? ''));
  } finally {
    redis.disconnect();
  }
}

describe.each(STORE_KINDS)('a damaged job of the %s queue', (kind) => {
  const isSkipped = isStoreMissing(kind);

  it.skipIf(isSkipped).each<[string, Part, (text: string) => string]>([
    ['Events are cut off', 'events', (text) => text.slice(0, 40)],
    ['sealed Events were altered', 'events', (text) => `${text.slice(0, -8)}AAAAAAAA`],
    ['sealed Events are no more than their mark', 'events', (text) => text.slice(0, 17)],
  ])('whose %s ends as failed, Delivery by Delivery, and the others go on', async (what, part, change) => {
    await using queue = await prepareStore(kind, what.startsWith('sealed') ? sealed : undefined);
    const { store } = queue;
    await queue.flush({ w: deliveriesAt(1, 3) });
    await damage(queue, part, change);
    await queue.flush({ w: [deliveryAt(4)] });
    const jobs = await queue.claim('w');
    expect(jobs.flatMap((job) => job.deliveries)).toEqual([deliveryAt(4)]);
    expect(await store.deliveries.get(idOf(2))).toMatchObject({
      state: 'failed',
      error: 'damaged',
      detail: expect.stringMatching(/^expected /),
      key: '2',
      event: null,
    });
    const bytes = Buffer.byteLength(deliveryAt(4).json);
    expect((await store.counts()).get('w')).toMatchObject({ active: 1, waiting: 0, failed: 3, bytes });
    expect(await queue.claim('w')).toEqual([]);
    expect(await store.deliveries.resend({ state: 'failed' }, 1)).toEqual({ done: 0, skipped: 3 });
  });

  it.skipIf(isSkipped)('that does not say what it holds ends as one failed Delivery', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.flush({ w: deliveriesAt(1, 3) });
    await damage(queue, 'head', () => '{"v":1,"d":[{"i":"private');
    expect((await store.deliveries.list({}, { limit: 10, cursor: null })).items).toEqual([]);
    expect(await queue.claim('w')).toEqual([]);
    const failed = await store.deliveries.get(idOf(1));
    expect(failed).toMatchObject({ state: 'failed', error: 'damaged' });
    expect(failed?.detail).not.toContain('private');
    expect((await store.counts()).get('w')).toMatchObject({ active: 0, waiting: 0, failed: 1, bytes: 0 });
  });

  it.skipIf(isSkipped)('whose Attempts cannot be read ends as failed without them', async () => {
    await using queue = await prepareStore(kind);
    await queue.end('w', [deliveryAt(1)], { kind: 'retry', attempts: 1, dueMs: 1 }, FAILURE);
    await damage(queue, 'history', (text) => text.slice(0, 20));
    expect(await queue.claim('w')).toEqual([]);
    expect(await queue.store.deliveries.get(idOf(1))).toMatchObject({ error: 'damaged', attempts: 0 });
    expect((await queue.store.counts()).get('w')).toMatchObject({
      active: 0,
      delayed: 0,
      waiting: 0,
      bytes: 0,
    });
  });

  it.skipIf(isSkipped)('makes way for the next of its row', async () => {
    await using queue = await prepareStore(kind);
    const rows = ['0123456789abcdef'];
    await queue.flush({ w: [deliveryAt(1, { rows })] });
    await damage(queue, 'events', () => '');
    await queue.flush({ w: [deliveryAt(2, { rows })] });
    expect(await queue.claim('w')).toEqual([]);
    expect((await queue.claim('w'))[0]?.deliveries[0]?.key).toBe('2');
  });

  it.skipIf(isSkipped)('is none that a newer version wrote: that one waits', async () => {
    await using queue = await prepareStore(kind);
    await queue.flush({ w: [deliveryAt(1)] });
    await damage(queue, 'head', (text) => text.replace('"v":1', '"v":2'));
    await expect(queue.claim('w')).rejects.toMatchObject({ code: 'QUEUE_VERSION' });
    expect((await queue.store.counts()).get('w')).toMatchObject({ active: 1, failed: 0 });
    // Given back by who cannot read it, it is there for a process of the newer version.
    await queue.store.recover('p1', []);
    expect((await queue.store.counts()).get('w')).toMatchObject({ active: 0, waiting: 1, failed: 0 });
    await damage(queue, 'head', (text) => text.replace('"v":2', '"v":1'));
    expect((await queue.claim('w', 'p2'))[0]?.deliveries).toEqual([deliveryAt(1)]);
  });
});
