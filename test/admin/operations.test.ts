import { describe, expect, it } from 'vitest';
import { type Operation, Operations, type OperationWish } from '../../src/admin/operations.ts';
import type { DeliverySummary } from '../../src/queue/inspect.ts';
import { until } from '../helpers/until.ts';

const WISH: OperationWish = {
  act: 'resend',
  by: 'ops',
  search: '',
  total: 1_200,
  filter: { state: 'failed' },
};

/** A store of so many failed Deliveries, which waits before each piece until it is let. */
function storeOf(size: number) {
  const ids = Array.from({ length: size }, (_, i) => `d${i}`);
  const resent: string[] = [];
  let allowed = Number.POSITIVE_INFINITY;
  let broken = false;
  const store = {
    list: async (_filter: unknown, { limit, cursor }: { limit: number; cursor: string | null }) => {
      const from = Number(cursor ?? 0);
      const items = ids.slice(from, from + limit).map((id) => ({ id }) as DeliverySummary);
      return { items, cursor: from + limit < size ? String(from + limit) : null };
    },
    resend: async ({ ids: some = [] }: { ids?: readonly string[] }) => {
      await until(() => resent.length < allowed);
      if (broken) throw new Error('away');
      resent.push(...some);
      return { done: some.length - 1, skipped: 1 };
    },
    cancel: async () => ({ done: 0, skipped: 0 }),
  };
  return {
    operations: new Operations(
      () => store,
      () => 0,
    ),
    resent,
    allow: (count: number) => {
      allowed = count;
    },
    breakDown: () => {
      broken = true;
    },
  };
}

const ended = (operations: Operations, wish = WISH) =>
  new Promise<Operation>((resolve) => void operations.start(wish, resolve));

describe('an operation on many Deliveries', () => {
  it('does each of them once, a piece at a time, and counts', async () => {
    const of = storeOf(1_200);
    expect(await ended(of.operations)).toMatchObject({ state: 'done', done: 1_197, skipped: 3, error: null });
    expect(new Set(of.resent).size).toBe(1_200);
    expect(of.resent).toHaveLength(1_200);
  });

  it('shows how far it is, and stops after the piece under way', async () => {
    const of = storeOf(1_200);
    of.allow(500);
    const last = new Promise<Operation>((resolve) => {
      const { id } = of.operations.start(WISH, resolve);
      void until(() => of.operations.find(id)?.done === 499).then(() => {
        of.operations.stop(id);
        of.allow(Number.POSITIVE_INFINITY);
      });
    });
    expect(await last).toMatchObject({ state: 'cancelled' });
    expect(of.resent.length).toBeLessThan(1_200);
  });

  it('says that it ended early where the queue does not answer', async () => {
    const of = storeOf(10);
    of.breakDown();
    expect(await ended(of.operations)).toMatchObject({ state: 'failed', done: 0, error: 'UNEXPECTED' });
  });

  it('is forgotten when many others have ended since', async () => {
    const of = storeOf(1);
    const first = await ended(of.operations);
    for (let i = 0; i < 60; i += 1) await ended(of.operations);
    expect(of.operations.find(first.id)).toBeNull();
  });
});
