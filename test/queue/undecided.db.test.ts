/** Deliveries that failed because a condition could not be evaluated: bounded in number, in both stores. */
import { describe, expect, it } from 'vitest';
import { deliveryId } from '../../src/queue/delivery.ts';
import { MAX_UNDECIDED } from '../../src/queue/entry.ts';
import type { FailedDelivery } from '../../src/queue/store.ts';
import { deliveryAt, isStoreMissing, prepareStore, STORE_KINDS } from './stores.ts';

const failing = (webhook: string, from: number, to: number, reason = 'condition'): FailedDelivery[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({
    webhook,
    delivery: deliveryAt(from + i),
    reason,
    detail: 'why',
    attempts: 0,
    failedAtMs: 60_000,
  }));
const idOf = (place: number) => deliveryId(deliveryAt(place).eventId, 'w');

describe.each(STORE_KINDS)('what could not be decided, in the %s queue,', (kind) => {
  const isSkipped = isStoreMissing(kind);

  it.skipIf(isSkipped)(
    'is kept as far as it is the newest of its webhook, and all of it is counted',
    async () => {
      await using queue = await prepareStore(kind);
      const { store } = queue;
      await queue.flush({}, { failed: [...failing('w', 1, 20, 'too_large'), ...failing('w', 21, 980)] });
      await queue.flush({}, { failed: [...failing('w', 981, 1_040, 'unavailable'), ...failing('x', 1, 3)] });
      expect((await store.counts()).get('w')).toMatchObject({ failed: 1_020, failedTotal: 1_040 });
      expect((await store.counts()).get('x')).toMatchObject({ failed: 3, failedTotal: 3 });
      const found = await Promise.all(
        [20, 21, 40, 41, 1_040].map((place) => store.deliveries.get(idOf(place))),
      );
      expect(found.map((one) => one !== null)).toEqual([true, false, false, true, true]);
      expect(await store.deliveries.count({ webhook: 'w', state: 'failed' })).toBe(1_020);
      // Nothing of the others is left behind, in bytes either.
      await store.deliveries.purge({});
      expect((await store.counts()).get('w')).toMatchObject({ failed: 0, logBytes: 0 });
      const text = await queue.everything();
      expect(text.includes(deliveryAt(30).eventId)).toBe(false);
    },
  );

  it.skipIf(isSkipped)('is bounded within one flush', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.flush({ w: [deliveryAt(5_000)] }, { failed: failing('w', 1, MAX_UNDECIDED + 50) });
    expect((await store.counts()).get('w')).toMatchObject({
      waiting: 1,
      failed: MAX_UNDECIDED,
      failedTotal: MAX_UNDECIDED + 50,
    });
    expect(await store.deliveries.get(idOf(50))).toBeNull();
    expect(await store.deliveries.get(idOf(51))).toMatchObject({ state: 'failed', error: 'condition' });
    await store.deliveries.purge({ state: 'failed' });
    expect((await store.counts()).get('w')).toMatchObject({ failed: 0, logBytes: 0 });
  });

  it.skipIf(isSkipped)('makes room for others when it is sent again', async () => {
    await using queue = await prepareStore(kind);
    const { store } = queue;
    await queue.flush({}, { failed: failing('w', 1, MAX_UNDECIDED) });
    await store.deliveries.resend({ ids: [idOf(1), idOf(2)] }, 1);
    await queue.flush({}, { failed: failing('w', 2_001, 2_003) });
    expect((await store.counts()).get('w')).toMatchObject({ waiting: 2, failed: MAX_UNDECIDED });
    expect(await store.deliveries.get(idOf(3))).toBeNull();
    expect(await store.deliveries.get(idOf(4))).not.toBeNull();
  });
});
