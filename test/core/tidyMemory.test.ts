import { describe, expect, it } from 'vitest';
import { SILENT } from '../../src/core/logger.ts';
import { tidyMemory } from '../../src/core/tidyMemory.ts';

describe('memory', () => {
  it('that nothing holds any more is given back', async () => {
    let held: unknown[] | null = Array.from({ length: 200_000 }, (_, i) => ({ name: `one of many ${i}` }));
    const reference = new WeakRef(held);
    expect(held.length).toBe(200_000);
    held = null;
    // A reference that was read in this turn of the event loop is held until its end.
    await new Promise((resolve) => setImmediate(resolve));
    await tidyMemory(SILENT);
    expect(reference.deref()).toBeUndefined();
  });
});
