import { describe, expect, it } from 'vitest';
import { SILENT } from '../../src/core/logger.ts';
import { BoundedStore } from '../../src/enqueue/bounds.ts';
import { type Batch, toBatches } from '../../src/queue/delivery.ts';
import { ManualClock } from '../helpers/clock.ts';
import { deliveriesAt } from '../queue/stores.ts';

describe('the brake', () => {
  const batches = (count: number): Batch[] => toBatches('w', deliveriesAt(1, count));

  it('pulls when a webhook fires more than it may, and again after it was resumed', async () => {
    const clock = new ManualClock();
    const braked: (readonly string[])[] = [];
    const inner = {
      takeFence: () => Promise.resolve(1),
      flush: (flush: { braked?: readonly string[] }) => {
        braked.push(flush.braked ?? []);
        return Promise.resolve('done' as const);
      },
    };
    const backlog = { max: 1_000, bytes: 1e9, rule: 'overflow' } as const;
    const bounds = new Map([['w', { backlog, brake: { max: 30, perMs: 60_000 } }]]);
    const store = new BoundedStore(inner, bounds, clock, SILENT);
    let at = 0;
    const flush = async (count: number, to = String(++at)) =>
      store.flush({ fence: 1, from: '', to, batches: batches(count), failed: [], definitions: null });
    await flush(30);
    await flush(0);
    await flush(1);
    // A flush that is tried again counts once.
    await flush(30, 'same');
    await flush(30, 'same');
    await clock.advance(60_000);
    await flush(30);
    await flush(31);
    expect(braked).toEqual([[], [], ['w'], [], [], [], ['w']]);
  });
});
