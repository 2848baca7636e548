/** Deliver over a store in memory and a clock of ours: what happens when the store or the process falters. */
import { describe, expect, it } from 'vitest';
import { WalhookError } from '../../src/core/errors.ts';
import { NO_FAILPOINT } from '../../src/core/failpoint.ts';
import { SILENT } from '../../src/core/logger.ts';
import { Deliverer, type DelivererOptions } from '../../src/deliver/deliverer.ts';
import type { DeliverTarget } from '../../src/deliver/target.ts';
import { decodeFlow, encodeFlow, NO_FLOW } from '../../src/queue/flow.ts';
import { ManualClock, settled } from '../helpers/clock.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { MemoryStore } from './memoryStore.ts';
import { deliveries, deliverTarget, guard } from './webhooks.ts';

const RETRY = { scheduleMs: [5_000, 5_000], maxAgeMs: 7 * 86_400_000 };

interface Delivering extends AsyncDisposable {
  readonly store: MemoryStore;
  readonly clock: ManualClock;
  readonly sink: Sink;
  readonly deliverer: Deliverer;
  /** Ends `run`; resolves when it has ended. */
  stop(): Promise<void>;
  /** Adds a job of so many Deliveries for `w`. */
  add(count: number, webhook?: string): void;
  /** Lets the oldest request that is held be answered. */
  answerOne(status?: number): Promise<void>;
  /** Answers every request at once from now on. */
  answerAll(status?: number): void;
  readonly held: () => number;
}

async function delivering(
  more: Partial<DelivererOptions> & {
    readonly target?: Partial<DeliverTarget>;
    readonly shared?: Delivering;
  } = {},
): Promise<Delivering> {
  const clock = more.shared?.clock ?? new ManualClock();
  const store = more.shared?.store ?? new MemoryStore();
  store.now = () => clock.now();
  const sink = await openSink();
  const held: ((status: number) => void)[] = [];
  sink.answerWith((_request, response) => {
    held.push((status) => {
      response.statusCode = status;
      response.end();
    });
  });
  const deliverer = new Deliverer({
    store,
    process: 'p1',
    targets: [
      deliverTarget('w', sink.url, { concurrency: 1, ...more.target }),
      deliverTarget('other', `${sink.url}other`),
    ],
    userAgent: 'walhook/test',
    addresses: guard(),
    clock,
    log: SILENT,
    failpoint: NO_FAILPOINT,
    shutdownMs: 5_000,
    restMs: 0,
    ...more,
  });
  const abort = new AbortController();
  const running = deliverer.run(abort.signal);
  await clock.advance(0);
  return {
    store,
    clock,
    sink,
    deliverer,
    held: () => held.length,
    async stop() {
      abort.abort();
      await running;
    },
    add: (count, webhook = 'w') => store.add(webhook, deliveries(count, clock.now())),
    async answerOne(status = 200) {
      await until(() => held.length > 0, { what: 'a request' });
      held.shift()?.(status);
      await settled();
    },
    answerAll(status = 200) {
      for (const answer of held.splice(0)) answer(status);
      sink.answerWith((_request, response) => {
        response.statusCode = status;
        response.end();
      });
    },
    async [Symbol.asyncDispose]() {
      abort.abort();
      for (const answer of held.splice(0)) answer(200);
      sink.answerWith((_request, response) => void response.end());
      await running;
      await sink[Symbol.asyncDispose]();
    },
  };
}

/** Moves the clock on, second by second, until something is true. */
async function within(seconds: number, of: Delivering, probe: () => boolean): Promise<boolean> {
  for (let i = 0; i < seconds && !probe(); i += 1) {
    await of.clock.advance(1_000);
    // Requests take time of the real clock.
    await until(probe, { timeoutMs: 30 }).catch(() => undefined);
  }
  return probe();
}

describe('delivering', () => {
  it('sends what is woken for, in order, and records it', async () => {
    await using of = await delivering();
    of.answerAll();
    of.add(30);
    await until(() => of.store.delivered.length === 30);
    const sent = of.sink.events().map((event) => event['n']);
    expect(sent).toEqual(sent.toSorted((a, b) => Number(a) - Number(b)));
    expect(of.store.open()).toEqual([]);
  });

  it('finds by polling what nobody woke it for', async () => {
    await using of = await delivering();
    of.answerAll();
    of.store.jobs.push({
      id: 'x',
      webhook: 'w',
      dueMs: 0,
      attempts: 0,
      deliveries: deliveries(1, of.clock.now()),
      owner: null,
      done: 0,
    });
    expect(await within(3, of, () => of.store.delivered.length === 1)).toBe(true);
  });

  it('leaves alone what is for a Webhook that is not defined', async () => {
    await using of = await delivering();
    of.answerAll();
    of.add(1, 'gone');
    of.add(1);
    await until(() => of.store.delivered.length === 1);
    expect(of.store.open()).toEqual([{ owner: null, webhook: 'gone', deliveries: 1 }]);
  });

  it('never has more requests in flight than its concurrency, over all its jobs', async () => {
    await using of = await delivering({ target: { concurrency: 3 } });
    for (let i = 0; i < 5; i += 1) of.add(10);
    await of.clock.advance(300);
    let most = 0;
    while (of.store.delivered.length < 50) {
      await until(() => of.held() > 0 || of.store.delivered.length === 50);
      most = Math.max(most, of.held());
      if (of.held() > 0) await of.answerOne();
    }
    expect(most).toBe(3);
    expect(of.sink.received).toHaveLength(50);
  });

  it('begins with one request at a time, and makes use of all places where no answer comes', async () => {
    await using of = await delivering({ target: { concurrency: 8 } });
    of.add(20);
    await until(() => of.held() === 1);
    await settled();
    expect(of.held()).toBe(1);
    await of.clock.advance(60);
    await until(() => of.held() > 1);
    await of.clock.advance(200);
    await until(() => of.held() === 8);
  });

  it('sends a burst to a receiver that answers at once over few connections', async () => {
    await using of = await delivering({ target: { concurrency: 8 } });
    of.answerAll();
    of.add(20);
    await until(() => of.store.delivered.length === 20);
    expect(new Set(of.sink.received.map(({ fromPort }) => fromPort)).size).toBeLessThanOrEqual(3);
  });

  it('gives a share back that it makes no use of, and asks again when there is work', async () => {
    await using of = await delivering();
    of.answerAll();
    const held = async () => decodeFlow((await of.store.flows()).get('w') ?? null).held;
    of.add(1);
    await until(() => of.store.delivered.length === 1);
    expect(await held()).toHaveProperty('p1');
    await within(3, of, () => false);
    expect(await held()).toEqual({});
    of.add(1);
    await until(() => of.store.delivered.length === 2);
    expect(await held()).toHaveProperty('p1');
  });

  it('tries again at its time, not before, and counts', async () => {
    await using of = await delivering();
    of.add(1);
    await of.answerOne(500);
    await until(() => of.store.jobs.some((job) => job.attempts === 1));
    await of.clock.advance(2_400);
    expect(of.sink.received).toHaveLength(1);
    of.answerAll();
    expect(await within(5, of, () => of.store.delivered.length === 1)).toBe(true);
    const ids = of.sink.received.map((one) => one.headers['webhook-id']);
    expect(new Set(ids).size).toBe(1);
  });

  it('keeps what failed for good with its reason', async () => {
    await using of = await delivering();
    of.answerAll(503);
    of.add(1);
    expect(await within(20, of, () => of.store.failed.length === 1)).toBe(true);
    expect(of.store.failed).toMatchObject([{ reason: 'status', attempts: 3 }]);
    expect(of.sink.received).toHaveLength(3);
  });

  it('sends a retry when it is due, and not with the poll that comes after', async () => {
    await using of = await delivering({ target: { retry: { ...RETRY, scheduleMs: [400], onGone: 'fail' } } });
    of.add(1);
    await of.answerOne(503);
    await of.clock.advance(20);
    await until(() => of.store.open()[0]?.owner === null);
    await of.clock.advance(100);
    expect(of.sink.received).toHaveLength(1);
    await of.clock.advance(400);
    await until(() => of.sink.received.length === 2);
    expect(of.clock.now() - new ManualClock().now()).toBeLessThan(1_000);
  });

  it('sends a retry of another process when it is due, once a claim has told of it', async () => {
    await using of = await delivering();
    of.answerAll();
    const dueMs = of.clock.now() + 400;
    const retry = { webhook: 'w', attempts: 1, owner: null, done: 0, dueMs };
    of.store.jobs.push({ ...retry, id: 'theirs', deliveries: deliveries(1, of.clock.now()) });
    of.add(1);
    await until(() => of.sink.received.length === 1);
    await settled();
    await of.clock.advance(450);
    await until(() => of.sink.received.length === 2);
    expect(of.clock.now()).toBeLessThan(dueMs + 500);
  });

  it('lets the Deliveries of a batch fail one by one', async () => {
    await using of = await delivering({ target: { retry: { ...RETRY, onGone: 'fail' } } });
    of.sink.answerWith((request, response) => {
      response.statusCode = Number(JSON.parse(request.body).n) % 2 === 0 ? 410 : 200;
      response.end();
    });
    of.add(10);
    await until(() => of.store.delivered.length + of.store.failed.length === 10);
    expect(of.store.failed).toHaveLength(5);
    expect(of.store.open()).toEqual([]);
  });

  it('is not stopped by one Webhook that does not answer', async () => {
    await using of = await delivering({ shutdownMs: 50 });
    of.sink.answerWith((request, response) => {
      if (request.path === '/other') response.end();
    });
    of.add(5);
    of.add(20, 'other');
    await until(() => of.store.delivered.length === 20);
    expect(of.store.open()).toMatchObject([{ webhook: 'w', deliveries: 5 }]);
  });
});

describe('a pause', () => {
  it('gives jobs back that were not begun, and takes none until it is over', async () => {
    await using of = await delivering({ target: { concurrency: 2 } });
    for (let i = 0; i < 3; i += 1) of.add(1);
    await until(() => of.held() === 1);
    await of.clock.advance(20);
    await until(() => of.held() === 2 && of.store.open().every(({ owner }) => owner === 'p1'));
    of.store.pause('w');
    await until(() => of.store.open().filter(({ owner }) => owner === null).length === 1);
    of.add(1);
    await of.answerOne();
    await of.answerOne();
    await until(() => of.store.delivered.length === 2);
    await of.clock.advance(3_000);
    expect(of.sink.received).toHaveLength(2);
    of.store.resume('w');
    of.answerAll();
    await until(() => of.store.delivered.length === 4);
  });

  it.each([
    ['the rest of a batch that was begun', [25]],
    ['what is in hand of many batches', [25, 25, 25]],
  ])('stops at once, also %s', async (_what, jobs) => {
    await using of = await delivering();
    for (const count of jobs)
      of.store.jobs.push({
        id: `j${of.store.jobs.length}`,
        webhook: 'w',
        dueMs: 0,
        attempts: 0,
        deliveries: deliveries(count, of.clock.now()),
        owner: null,
        done: 0,
      });
    of.store.wake('w');
    await until(() => of.held() === 1);
    of.store.pause('w');
    await settled();
    of.answerAll();
    // Another Webhook's Deliveries, queued later, show that there was time.
    of.add(20, 'other');
    await until(() => of.sink.received.filter((one) => one.path === '/other').length === 20);
    expect(of.sink.received.filter((one) => one.path === '/').length).toBeLessThanOrEqual(2);
  });
});

describe('a receiver that answers 410 Gone', () => {
  it('is sent nothing further from then on, though the store takes its time to know of the pause', async () => {
    await using of = await delivering();
    const { pause } = of.store;
    let isAsked = false;
    let store: () => void = () => undefined;
    const stored = new Promise<void>((resolve) => {
      store = resolve;
    });
    of.store.pause = async (webhook) => {
      isAsked = true;
      await stored;
      await pause.call(of.store, webhook);
    };
    of.answerAll(410);
    of.add(25);
    of.add(25);
    await until(() => isAsked);
    await of.clock.advance(3_000);
    await of.clock.advance(3_000);
    expect(of.sink.received).toHaveLength(1);
    store();
    await until(() => of.store.paused.size > 0);
    await of.clock.advance(3_000);
    expect(of.sink.received).toHaveLength(1);
    of.answerAll();
    of.store.resume('w');
    expect(await within(20, of, () => of.store.delivered.length === 50)).toBe(true);
  });

  it('is sent more where the pause cannot be stored: nothing is kept back for ever', async () => {
    await using of = await delivering();
    of.store.pause = () => Promise.reject(new WalhookError('QUEUE_UNREACHABLE', 'gone'));
    of.answerAll(410);
    of.add(5);
    await until(() => of.store.failed.length + of.sink.received.length >= 2);
    of.answerAll();
    expect(await within(20, of, () => of.store.open().length === 0)).toBe(true);
  });
});

describe('a receiver that is down', () => {
  const PATIENT = { scheduleMs: Array.from({ length: 30 }, () => 5_000), maxAgeMs: 7 * 86_400_000 };

  it('parks its Webhook, whose Deliveries wait and use up no Attempt, until a probe finds it up', async () => {
    await using of = await delivering({ target: { concurrency: 4, retry: { ...PATIENT, onGone: 'fail' } } });
    of.answerAll(503);
    of.add(25);
    of.add(15);
    await until(() => of.sink.received.length >= 10);
    await within(2, of, () => false);
    const before = of.sink.received.length;
    expect(before).toBeLessThanOrEqual(14);
    expect(decodeFlow((await of.store.flows()).get('w') ?? null).park).toMatchObject({
      openings: 1,
      reason: 'status 503',
    });
    expect(of.store.parked).toEqual(new Set(['w']));
    // A probe after 15 to 30 seconds, no more than one of them.
    await within(30, of, () => false);
    expect(of.sink.received.length - before).toBe(1);
    expect(Math.max(...of.store.jobs.map(({ attempts }) => attempts))).toBeLessThanOrEqual(2);
    of.answerAll();
    expect(await within(120, of, () => of.store.delivered.length === 40)).toBe(true);
    expect(decodeFlow((await of.store.flows()).get('w') ?? null).park).toBeNull();
    expect(of.store.parked).toEqual(new Set());
  });

  it('is probed by one request alone: those begun before it was parked decide nothing any more', async () => {
    await using of = await delivering({ target: { concurrency: 12, retry: { ...PATIENT, onGone: 'fail' } } });
    of.add(12);
    // No answer in sight: all places are made use of.
    expect(await within(5, of, () => of.held() === 12)).toBe(true);
    for (let i = 0; i < 10; i += 1) await of.answerOne(503);
    const parkOf = async () => decodeFlow((await of.store.flows()).get('w') ?? null).park;
    await until(async () => (await parkOf()) !== null);
    expect(await within(32, of, () => of.held() === 3)).toBe(true);
    await of.answerOne(503);
    await of.answerOne(503);
    await within(1, of, () => false);
    expect(await parkOf()).toMatchObject({ openings: 1, prober: 'p1' });
    of.answerAll();
    expect(await within(30, of, () => of.store.delivered.length === 12)).toBe(true);
    expect(await parkOf()).toBeNull();
  });

  it('holds nobody else up', async () => {
    await using of = await delivering();
    of.sink.answerWith((request, response) => {
      response.statusCode = request.path === '/other' ? 200 : 503;
      response.end();
    });
    of.add(25);
    of.add(25, 'other');
    await until(() => of.store.delivered.length === 25);
    expect(of.sink.received.filter((one) => one.path === '/').length).toBeLessThanOrEqual(11);
  });
});

describe('a rate', () => {
  it('starts no more than its number in its time, and then goes on', async () => {
    await using of = await delivering({ target: { concurrency: 50, rate: { max: 10, perMs: 1_000 } } });
    of.answerAll();
    of.add(25);
    await until(() => of.store.delivered.length === 10);
    await of.clock.advance(900);
    expect(of.sink.received).toHaveLength(10);
    expect(await within(3, of, () => of.store.delivered.length === 25)).toBe(true);
  });
});

describe('a store that falters', () => {
  it('is asked again for what it refused', async () => {
    await using of = await delivering();
    of.answerAll();
    let refusals = 3;
    of.store.fault = (operation) => {
      if (operation !== 'claim' || refusals === 0) return null;
      refusals -= 1;
      return 'refused';
    };
    of.add(1);
    expect(await within(10, of, () => of.store.delivered.length === 1)).toBe(true);
    expect(refusals).toBe(0);
  });

  it('gets outcomes again until it has them, and nothing is sent twice meanwhile', async () => {
    await using of = await delivering();
    of.answerAll();
    let refusals = 5;
    of.store.fault = (operation) => {
      if (operation !== 'report' || refusals === 0) return null;
      refusals -= 1;
      return 'refused';
    };
    of.add(3);
    expect(await within(15, of, () => of.store.delivered.length === 3)).toBe(true);
    expect(of.sink.received).toHaveLength(3);
  });

  it('refuses to be listened to at first, and is polled meanwhile', async () => {
    const store = new MemoryStore();
    store.onWake = () => Promise.reject(new WalhookError('QUEUE_UNREACHABLE', 'gone'));
    const clock = new ManualClock();
    const sink = await openSink();
    const deliverer = new Deliverer({
      store,
      process: 'p1',
      targets: [deliverTarget('w', sink.url)],
      userAgent: 'walhook/test',
      addresses: guard(),
      clock,
      log: SILENT,
      failpoint: NO_FAILPOINT,
      shutdownMs: 100,
      restMs: 0,
    });
    const abort = new AbortController();
    const running = deliverer.run(abort.signal).then(
      () => 'stopped',
      () => 'failed',
    );
    await clock.advance(2_000);
    abort.abort();
    const ended = await running;
    await sink[Symbol.asyncDispose]();
    expect(ended).toBe('stopped');
  });

  it('loses the answer of a claim, and what it gave is delivered all the same', async () => {
    await using of = await delivering();
    of.answerAll();
    let isFirst = true;
    of.store.fault = (operation) => {
      if (operation !== 'claim' || !isFirst) return null;
      isFirst = false;
      return 'lost';
    };
    of.add(1);
    expect(await within(15, of, () => of.store.delivered.length === 1)).toBe(true);
  });

  it('loses the answer of a claim while outcomes wait to be recorded, and nothing is sent twice', async () => {
    await using of = await delivering();
    of.answerAll();
    let isAway = true;
    let isRecovered = false;
    of.store.fault = (operation) => (operation === 'report' && isAway ? 'refused' : null);
    of.add(1);
    await until(() => of.sink.received.length === 1);
    of.store.fault = (operation) => {
      if (operation === 'recover') isRecovered = true;
      if (!isAway) return null;
      if (operation === 'report') return 'refused';
      return operation === 'claim' && !isRecovered ? 'lost' : null;
    };
    of.add(1);
    expect(await within(10, of, () => isRecovered && of.sink.received.length > 1)).toBe(true);
    isAway = false;
    expect(await within(15, of, () => of.store.delivered.length === 2)).toBe(true);
    expect(new Set(of.sink.received.map(({ headers }) => headers['webhook-id'])).size).toBe(
      of.sink.received.length,
    );
  });

  it('refuses to take jobs back at a pause, and they are delivered after it all the same', async () => {
    await using of = await delivering({ target: { concurrency: 2 } });
    for (let i = 0; i < 3; i += 1) of.add(1);
    await until(() => of.held() === 1);
    await of.clock.advance(20);
    await until(() => of.held() === 2 && of.store.open().every(({ owner }) => owner === 'p1'));
    let isFirst = true;
    of.store.fault = (operation) => {
      if (operation !== 'release' || !isFirst) return null;
      isFirst = false;
      return 'refused';
    };
    of.store.pause('w');
    await until(() => !isFirst);
    of.store.resume('w');
    of.answerAll();
    expect(await within(15, of, () => of.store.delivered.length === 3)).toBe(true);
  });

  it('is away for longer than a heartbeat counts, and what was in hand goes out after it', async () => {
    await using of = await delivering();
    of.add(3);
    await until(() => of.held() === 1);
    of.store.fault = (operation) => (operation === 'heartbeat' ? 'refused' : null);
    await of.clock.advance(9_000);
    await of.answerOne();
    await until(() => of.store.delivered.length === 1);
    of.store.fault = () => null;
    of.answerAll();
    expect(await within(15, of, () => of.store.delivered.length === 3)).toBe(true);
  });

  it('gives the jobs of a process that was silent too long to another, which alone sends them', async () => {
    await using of = await delivering();
    of.add(3);
    await until(() => of.held() === 1);
    of.store.fault = (operation, process) =>
      operation === 'heartbeat' && process === 'p1' ? 'refused' : null;
    await of.clock.advance(11_000);
    await using second = await delivering({ shared: of, process: 'p2' });
    second.answerAll();
    expect(await within(10, second, () => of.store.delivered.length === 3)).toBe(true);
    of.store.fault = () => null;
    of.answerAll();
    await of.clock.advance(3_000);
    of.add(1);
    expect(await within(10, of, () => of.store.delivered.length === 4)).toBe(true);
    const ids = [...of.sink.received.slice(1), ...second.sink.received].map(
      (one) => one.headers['webhook-id'],
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('refuses one outcome for ever, and takes the others', async () => {
    await using of = await delivering({ target: { retry: { ...RETRY, onGone: 'fail' } } });
    const { report } = of.store;
    of.store.report = (process, reports) =>
      reports.some((one) => one.outcome.kind === 'failed')
        ? Promise.reject(new Error('invalid byte sequence'))
        : report.call(of.store, process, reports);
    of.sink.answerWith((request, response) => {
      response.statusCode = request.path === '/other' ? 200 : 410;
      response.end();
    });
    of.add(1);
    await until(() => of.sink.received.length === 1);
    await of.clock.advance(100);
    of.add(1, 'other');
    const isRecorded = await within(15, of, () => of.store.delivered.length === 1);
    of.store.report = report;
    await of.clock.advance(10_000);
    expect(isRecorded).toBe(true);
  });
});

describe('another process that has ended', () => {
  it('leaves what it had to this one, which does not wait for its silence', async () => {
    await using of = await delivering({
      hasEnded: (process) => process === 'killed',
      target: { concurrency: 4 },
    });
    of.answerAll();
    await of.store.heartbeat('killed', 10_000);
    await of.store.heartbeat('stopped', 10_000);
    const held = { killed: { slots: 4, wants: 4, seenMs: of.clock.now() } };
    await of.store.swapFlows([{ webhook: 'w', expected: null, next: encodeFlow({ ...NO_FLOW, held }) }]);
    const job = { webhook: 'w', dueMs: 0, attempts: 0, done: 0 };
    of.store.jobs.push(
      { ...job, id: 'a', owner: 'killed', deliveries: deliveries(2, of.clock.now()) },
      { ...job, id: 'b', owner: 'stopped', deliveries: deliveries(3, of.clock.now()) },
    );
    expect(await within(4, of, () => of.store.delivered.length === 2)).toBe(true);
    expect(of.store.open()).toMatchObject([{ owner: 'stopped', deliveries: 3 }]);
  });
});

describe('stopping', () => {
  it('waits for what is in flight, records it, and begins nothing further', async () => {
    const of = await delivering();
    of.add(1);
    of.add(1);
    await until(() => of.held() === 1);
    const stopped = of.stop();
    await settled();
    await of.answerOne();
    await stopped;
    expect(of.store.delivered).toHaveLength(1);
    expect(of.sink.received).toHaveLength(1);
    expect(of.store.open()).toEqual([{ owner: null, webhook: 'w', deliveries: 1 }]);
    await of[Symbol.asyncDispose]();
  });

  it('gives back the rest of a batch that was begun', async () => {
    const of = await delivering();
    of.add(5);
    await until(() => of.held() === 1);
    const stopped = of.stop();
    await settled();
    await of.answerOne();
    await stopped;
    const open = of.store.open();
    await of[Symbol.asyncDispose]();
    expect(open).toEqual([{ owner: null, webhook: 'w', deliveries: 4 }]);
  });

  it('stays alive for others while it drains', async () => {
    const of = await delivering({ shutdownMs: 60_000, target: { timeoutMs: 60_000 } });
    of.add(1);
    await until(() => of.held() === 1);
    const stopped = of.stop();
    await of.clock.advance(11_000);
    await of.store.heartbeat('p2', 10_000);
    const owners = of.store.open().map(({ owner }) => owner);
    await of.answerOne();
    await stopped;
    await of[Symbol.asyncDispose]();
    expect(owners).toEqual(['p1']);
  });

  it('cuts off what takes too long, and counts no Attempt for it', async () => {
    const of = await delivering({ shutdownMs: 100 });
    of.add(1);
    await until(() => of.held() === 1);
    await of.stop();
    expect(of.store.delivered).toEqual([]);
    expect(of.store.failed).toEqual([]);
    expect(of.store.open()).toMatchObject([{ webhook: 'w', deliveries: 1 }]);
    expect(of.store.jobs[0]?.attempts).toBe(0);
    await of[Symbol.asyncDispose]();
  });

  it('ends though the store is gone', async () => {
    const of = await delivering({ shutdownMs: 100 });
    of.add(1);
    await until(() => of.held() === 1);
    of.store.fault = () => 'refused';
    const stopped = of.stop();
    await of.answerOne();
    await stopped;
    expect(of.store.delivered).toEqual([]);
    await of.sink[Symbol.asyncDispose]();
  });
});
