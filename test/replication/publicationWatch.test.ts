import { describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { SILENT } from '../../src/core/logger.ts';
import { lsn } from '../../src/core/lsn.ts';
import { PublicationWatch } from '../../src/replication/publicationWatch.ts';
import { until } from '../helpers/until.ts';

/** A watch over a publication that answers what it is told to, and what came of it. */
function watching(...answers: (string | null | Error)[]) {
  const confirmed: bigint[] = [];
  const onGone = vi.fn();
  const read = vi.fn(() => {
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer ?? null);
  });
  const watch = new PublicationWatch({
    publication: 'p',
    oid: '1',
    read,
    onConfirmed: (at) => confirmed.push(at),
    onGone,
    clock: systemClock,
    log: SILENT,
  });
  return { watch, confirmed, onGone, read };
}

describe('a position that is settled', () => {
  it('is confirmed after a look that began later, and the newest of several with one look', async () => {
    const { watch, confirmed, read } = watching('1');
    watch.offer(lsn(1n));
    expect(confirmed).toEqual([]);
    watch.offer(lsn(2n));
    watch.offer(lsn(3n));
    await until(() => confirmed.length === 2);
    expect(confirmed).toEqual([1n, 3n]);
    expect(read).toHaveBeenCalledTimes(2);
    watch.stop();
  });

  it.each([
    ['gone', null],
    ['another one of the name', '2'],
  ])('is never confirmed where the publication is %s', async (_what, answer) => {
    const { watch, confirmed, onGone } = watching('1', answer);
    watch.offer(lsn(1n));
    await until(() => confirmed.length === 1);
    watch.offer(lsn(2n));
    await until(() => onGone.mock.calls.length > 0);
    watch.offer(lsn(3n));
    await expect(watch.finish()).rejects.toMatchObject({ code: 'PUBLICATION_MISSING' });
    expect(confirmed).toEqual([1n]);
    expect(onGone).toHaveBeenCalledTimes(1);
  });

  it('waits while nobody answers, and is confirmed by the next look', async () => {
    const { watch, confirmed, onGone } = watching(new Error('connection refused'), '1');
    watch.offer(lsn(1n));
    await until(() => confirmed.length === 1);
    expect(onGone).not.toHaveBeenCalled();
    watch.stop();
  });

  it('is confirmed at the end without waiting for its turn', async () => {
    const { watch, confirmed } = watching('1');
    watch.offer(lsn(1n));
    watch.offer(lsn(2n));
    await watch.finish();
    expect(confirmed.at(-1)).toBe(2n);
    watch.offer(lsn(3n));
    await watch.finish();
    expect(confirmed.at(-1)).toBe(2n);
  });
});
