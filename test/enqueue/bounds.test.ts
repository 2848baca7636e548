import { describe, expect, it } from 'vitest';
import { SILENT } from '../../src/core/logger.ts';
import { BoundedStore } from '../../src/enqueue/bounds.ts';
import { type Batch, toBatches } from '../../src/queue/delivery.ts';
import type { Flush } from '../../src/queue/store.ts';
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
    const made = (count: number, to = String(++at)): Flush => ({
      ...{ fence: 1, from: '', to, batches: batches(count), failed: [], definitions: null },
    });
    const flush = async (count: number) => store.flush(made(count));
    await flush(30);
    await flush(0);
    await flush(1);
    // A flush that is tried again counts once.
    const again = made(30);
    await store.flush(again);
    await store.flush(again);
    await clock.advance(60_000);
    await flush(30);
    await flush(31);
    // What goes ahead of its position counts by itself, and is no reason to pause what was resumed.
    await store.flush(made(0, String(at)));
    await store.flush(made(31, String(at)));
    expect(braked).toEqual([[], [], ['w'], [], [], [], ['w'], [], ['w']]);
  });
});
