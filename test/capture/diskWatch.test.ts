import { describe, expect, it } from 'vitest';
import { DiskWatch } from '../../src/capture/diskWatch.ts';
import { WalhookError } from '../../src/core/errors.ts';
import { SILENT } from '../../src/core/logger.ts';
import { lsn, lsnToHex } from '../../src/core/lsn.ts';
import { ManualClock, settled } from '../helpers/clock.ts';

type Answer = boolean | WalhookError;

/** A watch over a store that answers when it is told to. */
function watching() {
  const asked: string[] = [];
  const answers: ((answer: Answer) => void)[] = [];
  const confirmed: bigint[] = [];
  const clock = new ManualClock();
  const untilOnDisk = (position: string) => {
    asked.push(position);
    return new Promise<boolean>((resolve, reject) => {
      answers.push((answer) => (typeof answer === 'boolean' ? resolve(answer) : reject(answer)));
    });
  };
  const watch = new DiskWatch({
    store: { untilOnDisk },
    onConfirmed: (at) => confirmed.push(at),
    clock,
    log: SILENT,
  });
  const answer = async (what: Answer) => {
    answers.shift()?.(what);
    await settled();
  };
  return { watch, asked, confirmed, clock, answer };
}

const hex = (...values: bigint[]) => values.map((value) => lsnToHex(lsn(value)));

describe('what is stored', () => {
  it('is confirmed when the store says that it is on its disk, and the newest of many with one question', async () => {
    const { watch, asked, confirmed, answer } = watching();
    for (const at of [1n, 2n, 3n]) watch.offer(lsn(at));
    await settled();
    expect([asked, confirmed]).toEqual([hex(1n), []]);
    await answer(true);
    expect([asked, confirmed]).toEqual([hex(1n, 3n), [1n]]);
    await answer(true);
    expect([asked, confirmed]).toEqual([hex(1n, 3n), [1n, 3n]]);
  });

  it.each<[string, Answer]>([
    ['not in time', false],
    ['not at all', new WalhookError('QUEUE_UNREACHABLE', 'gone')],
  ])('stays unconfirmed while the store answers %s, and is asked about again', async (_how, refusal) => {
    const { watch, asked, confirmed, clock, answer } = watching();
    watch.offer(lsn(1n));
    for (let i = 0; i < 5; i += 1) {
      await answer(refusal);
      await clock.advance(5_000);
    }
    expect([confirmed, asked.length]).toEqual([[], 6]);
    await answer(true);
    expect(confirmed).toEqual([1n]);
  });

  it('is not confirmed by an answer that comes after the end', async () => {
    const { watch, confirmed, answer } = watching();
    watch.offer(lsn(1n));
    watch.stop();
    await answer(true);
    watch.offer(lsn(2n));
    await settled();
    expect(confirmed).toEqual([]);
  });

  it('is waited for at the end, while the store answers', async () => {
    const { watch, confirmed, answer } = watching();
    watch.offer(lsn(1n));
    const finishing = watch.finish();
    await answer(true);
    await finishing;
    expect(confirmed).toEqual([1n]);
  });
});
