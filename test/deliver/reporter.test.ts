import { describe, expect, it } from 'vitest';
import { WalhookError } from '../../src/core/errors.ts';
import { SILENT } from '../../src/core/logger.ts';
import { Reporter } from '../../src/deliver/reporter.ts';
import type { DeliverStore, Report } from '../../src/queue/store.ts';
import { ManualClock, settled } from '../helpers/clock.ts';

function reporting(restMs = 0) {
  const clock = new ManualClock();
  const asked: (readonly Report[])[] = [];
  const answers: { resolve: () => void; reject: (error: unknown) => void }[] = [];
  const store = {
    report: (_process: string, reports: readonly Report[]) => {
      asked.push(reports);
      return new Promise<void>((resolve, reject) => answers.push({ resolve, reject }));
    },
  } as unknown as DeliverStore;
  const reporter = new Reporter({ store, process: 'p', clock, log: SILENT, restMs });
  const answer = async (error?: Error) => {
    const next = answers.shift();
    if (error === undefined) next?.resolve();
    else next?.reject(error);
    await settled();
  };
  return { reporter, clock, asked, answer };
}

const report = (id: string): Report => ({
  job: { id, webhook: 'w', attempts: 0, deliveries: [], done: 0 },
  index: 0,
  outcome: { kind: 'delivered' },
  isLast: true,
});
const ids = (asked: readonly (readonly Report[])[]) =>
  asked.map((reports) => reports.map(({ job }) => job.id));

describe('outcomes', () => {
  it('of one turn share a report; those that come meanwhile share the next', async () => {
    const { reporter, asked, answer } = reporting();
    reporter.add(report('a'));
    reporter.add(report('b'));
    await settled();
    reporter.add(report('c'));
    reporter.add(report('d'));
    await settled();
    expect(ids(asked)).toEqual([['a', 'b']]);
    await answer();
    expect(ids(asked)).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    await answer();
    await reporter.drain();
  });

  it('rest a little between two reports, unless much waits or somebody waits for them', async () => {
    const { reporter, clock, asked, answer } = reporting(10);
    const sizes = () => asked.map((reports) => reports.length);
    reporter.add(report('a'));
    await settled();
    await answer();
    reporter.add(report('b'));
    await clock.advance(9);
    reporter.add(report('c'));
    await settled();
    expect(sizes()).toEqual([1]);
    await clock.advance(1);
    expect(sizes()).toEqual([1, 2]);
    await answer();
    reporter.add(report('d'));
    await settled();
    expect(sizes()).toEqual([1, 2]);
    reporter.add(report('e'), () => undefined);
    await settled();
    expect(sizes()).toEqual([1, 2, 2]);
    await answer();
    for (let i = 0; i < 250; i += 1) reporter.add(report(String(i)));
    await settled();
    expect(sizes()).toEqual([1, 2, 2, 250]);
    await answer();
    reporter.add(report('z'));
    void reporter.drain();
    await settled();
    expect(sizes()).toEqual([1, 2, 2, 250, 1]);
    await clock.advance(10_000);
    reporter.add(report('late'));
    await answer();
    expect(sizes()).toEqual([1, 2, 2, 250, 1, 1]);
  });

  it('that were delivered wait a little for the rest of their job, and failures for nothing', async () => {
    const { reporter, clock, asked, answer } = reporting(10);
    reporter.add({ ...report('job'), isLast: false });
    await clock.advance(30);
    expect(asked).toHaveLength(0);
    reporter.add({ ...report('job'), index: 1 });
    await clock.advance(10);
    expect(ids(asked)).toEqual([['job', 'job']]);
    await answer();
    reporter.add({ ...report('slow'), isLast: false });
    await clock.advance(40);
    expect(asked).toHaveLength(1);
    await clock.advance(10);
    expect(ids(asked).at(-1)).toEqual(['slow']);
    await answer();
    await clock.advance(20);
    const failed = { kind: 'retry', attempts: 1, dueMs: 1 } as const;
    reporter.add({ ...report('slow'), isLast: false, outcome: failed });
    await settled();
    expect(ids(asked).at(-1)).toEqual(['slow']);
    expect(asked).toHaveLength(3);
    await answer();
    reporter.add({ ...report('held'), isLast: false });
    void reporter.recorded();
    await settled();
    expect(ids(asked).at(-1)).toEqual(['held']);
  });

  it('are waited for without those that are added meanwhile', async () => {
    const { reporter, asked, answer } = reporting();
    reporter.add(report('a'));
    await settled();
    const recorded = reporter.recorded();
    reporter.add(report('b'));
    await answer();
    await recorded;
    expect(ids(asked)).toEqual([['a'], ['b']]);
  });

  it('that are given up keep nobody waiting', async () => {
    const { reporter, answer } = reporting();
    reporter.add(report('a'));
    await settled();
    reporter.add(report('b'));
    const recorded = reporter.recorded();
    reporter.giveUp();
    await answer();
    await recorded;
  });

  it('are at most 2,000 in a report', async () => {
    const { reporter, asked, answer } = reporting();
    for (let i = 0; i < 4_500; i += 1) reporter.add(report(String(i)));
    await settled();
    await answer();
    await answer();
    await answer();
    expect(asked.map((reports) => reports.length)).toEqual([2_000, 2_000, 500]);
  });

  it('that are not recorded are reported again, in the same order', async () => {
    const { reporter, clock, asked, answer } = reporting();
    reporter.add(report('a'));
    await settled();
    await answer(new WalhookError('QUEUE_UNREACHABLE', 'gone'));
    reporter.add(report('b'));
    await clock.advance(100);
    await answer();
    await answer();
    expect(ids(asked)).toEqual([['a'], ['a'], ['b']]);
    await reporter.drain();
  });

  it('that the store refuses are told apart by halves, tried three times, and hold up no others', async () => {
    const { reporter, clock, asked, answer } = reporting();
    for (const id of ['a', 'bad', 'c', 'd']) void reporter.add(report(id));
    await settled();
    const refused = new WalhookError('UNEXPECTED', 'refused');
    for (let at = 0; at < asked.length; at += 1) {
      await answer(asked[at]?.some(({ job }) => job.id === 'bad') ? refused : undefined);
      await clock.advance(60_000);
    }
    await reporter.drain();
    expect(ids(asked)).toEqual([
      ['a', 'bad', 'c', 'd'],
      ['a', 'bad'],
      ['a'],
      ['bad'],
      ['bad'],
      ['bad'],
      ['c', 'd'],
    ]);
  });

  it('are not given up for having been refused once after the store was unreachable for long', async () => {
    const { reporter, clock, asked, answer } = reporting();
    reporter.add(report('a'));
    await settled();
    for (let i = 0; i < 5; i += 1) {
      await answer(new WalhookError('QUEUE_UNREACHABLE', 'gone'));
      await clock.advance(60_000);
    }
    await answer(new WalhookError('UNEXPECTED', 'refused'));
    await clock.advance(60_000);
    expect(ids(asked)).toEqual(Array(7).fill(['a']));
    await answer();
    await reporter.drain();
  });

  it('are waited for by drain, and not after it was given up', async () => {
    const { reporter, clock, answer } = reporting();
    reporter.add(report('a'));
    await settled();
    let isDrained = false;
    const drained = reporter.drain().then(() => {
      isDrained = true;
    });
    await answer(new WalhookError('QUEUE_UNREACHABLE', 'gone'));
    await clock.advance(50);
    expect(isDrained).toBe(false);
    reporter.giveUp();
    await clock.advance(10_000);
    await answer(new WalhookError('QUEUE_UNREACHABLE', 'gone'));
    await clock.advance(10_000);
    await drained;
    expect(isDrained).toBe(true);
  });

  it('need no drain where there are none', async () => {
    await reporting().reporter.drain();
  });
});
