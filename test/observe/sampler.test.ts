/** What the sampler tells while database and queue are not there. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { WalhookError } from '../../src/core/errors.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { Sampler } from '../../src/observe/sampler.ts';

describe('a sample', () => {
  it('is taken where a service cannot be asked, also where asking throws at once', async () => {
    const sampler = new Sampler({
      readSlot: () => Promise.reject(new WalhookError('POSTGRES_UNREACHABLE', 'away')),
      readQueue: () => {
        throw new WalhookError('QUEUE_UNREACHABLE', 'not opened yet');
      },
      metrics: new Metrics('0', systemClock),
      clock: systemClock,
    });
    expect(await sampler.sample()).toMatchObject({
      slot: null,
      slotError: { code: 'POSTGRES_UNREACHABLE' },
      queue: null,
      queueError: { code: 'QUEUE_UNREACHABLE' },
    });
  });
});
