/**
 * When requests go out, over two processes as users run them: rates, pauses, 410s, waits that a receiver asks
 * for, ages, brakes and bounds. Each fact has a webhook of its own, and a row goes to the one that its note names.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Daemon, startDaemon, walhook } from '../helpers/command.ts';
import { isQueueMissing, QUEUE_KINDS, type QueueKind } from '../helpers/queue.ts';
import type { Answer, Received } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { openScenario, type Scenario, untilCapturing } from './fixture.ts';

/** `then` is the key's name in the configuration; no promise is meant. */
const fullAt50 = (rule: string) => ({
  backlog: Object.fromEntries([
    ['max', 50],
    ['then', rule],
  ]),
});
const OFTEN = Array<string>(20).fill('1s');
const WEBHOOKS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  rated: { rate_limit: { max: 10, per: '1s' }, concurrency: 20 },
  paused: { concurrency: 2 },
  gone: { concurrency: 1 },
  later: { retry: { schedule: OFTEN } },
  aged: { retry: { schedule: OFTEN, max_age: '3s' } },
  braked: { brake: { max: 20, per: '1m' } },
  overflow: fullAt50('overflow'),
  dropped: fullAt50('drop_oldest'),
  hold: fullAt50('hold'),
};

const quiet = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Status {
  readonly webhooks: readonly { readonly webhook: string; readonly isPaused: boolean }[];
  readonly gaps: readonly { readonly kind: string; readonly webhook: string | null }[];
}

describe.each(presentKinds())('two processes on the %s queue', (kind) => {
  let scenario: Scenario;
  let second: Daemon;
  const answers = new Map<string, Answer>();
  let nextId = 1;

  beforeAll(async () => {
    scenario = await openScenario({
      queue: kind,
      config: { admin: false },
      webhooks: (url) =>
        Object.entries(WEBHOOKS).map(([name, keys]) => ({
          name,
          models: ['op'],
          events: ['created'],
          conditions: { attr: 'note', value: name },
          url: `${url}${name}`,
          ...keys,
        })),
    });
    scenario.sink.answerWith((request, response) => {
      const answer = answers.get(request.path.slice(1));
      if (answer === undefined) response.end();
      else answer(request, response);
    });
    const first = scenario.daemon();
    second = startDaemon(['--role', 'deliver', '-c', scenario.file]);
    await untilCapturing(first);
    await second.untilLogged('walhook starts');
  });

  afterAll(async () => {
    await second[Symbol.asyncDispose]();
    await scenario[Symbol.asyncDispose]();
  });

  /** One webhook and its rows. */
  const webhook = (name: string) => {
    const received = () => scenario.sink.received.filter((one) => one.path === `/${name}`);
    return {
      answer: (answer: Answer) => answers.set(name, answer),
      received,
      times: () => received().map(({ atMs }) => atMs),
      /** The rows that arrived, by their place among those committed here. */
      rows: () => new Set(received().map(rowOf)),
      /** Commits one Transaction of so many rows; returns their ids. */
      async commit(count: number): Promise<number[]> {
        const ids = Array.from({ length: count }, () => nextId++);
        const values = ids.map((id) => `(${id}, 0, '${name}')`).join(',');
        await scenario.database.client.query(`insert into op values ${values}`);
        return ids;
      },
      async untilArrived(ids: readonly number[], timeoutMs = 30_000): Promise<void> {
        const lost = () => {
          const arrived = new Set(received().map(rowOf));
          return ids.filter((id) => !arrived.has(id));
        };
        await until(() => lost().length === 0, { timeoutMs, what: `all rows of ${name} arrive` });
      },
      async act(act: 'pause' | 'resume'): Promise<void> {
        expect(await walhook(['webhooks', act, name, '-c', scenario.file])).toMatchObject({ code: 0 });
      },
      async isPaused(): Promise<boolean> {
        return (await status()).webhooks.some((one) => one.webhook === name && one.isPaused);
      },
      async gaps(): Promise<string[]> {
        return (await status()).gaps.filter((gap) => gap.webhook === name).map((gap) => gap.kind);
      },
    };
  };

  async function status(): Promise<Status> {
    const { stdout } = await walhook(['status', '--json', '-c', scenario.file]);
    return JSON.parse(stdout) as Status;
  }

  it.concurrent('start no more requests than rate_limit says, in any window', async () => {
    const rated = webhook('rated');
    await rated.untilArrived(await rated.commit(60));
    const times = rated.times().toSorted((a, b) => a - b);
    // Ten may arrive late together with the ten after them: the receiver's clock sees arrivals, not starts.
    for (const [i, atMs] of times.entries()) {
      expect(times.slice(i).filter((other) => other < atMs + 900).length).toBeLessThanOrEqual(20);
    }
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(4_500);
  });

  it.concurrent('stop at once when the webhook is paused, and go on when it is resumed', async () => {
    const paused = webhook('paused');
    paused.answer((_request, response) => void setTimeout(() => response.end(), 100));
    const ids = await paused.commit(200);
    await until(() => paused.received().length >= 10);
    await paused.act('pause');
    await quiet(500);
    const atPause = paused.received().length;
    await quiet(1_500);
    expect(paused.received().length).toBe(atPause);
    expect(atPause).toBeLessThan(200);
    await paused.act('resume');
    await until(() => paused.received().length > atPause, { timeoutMs: 5_000 });
    paused.answer((_request, response) => void response.end());
    await paused.untilArrived(ids);
    expect(paused.received()).toHaveLength(200);
  });

  it.concurrent('rest after a 410, keep what waits, and go on when a person says so', async () => {
    const gone = webhook('gone');
    gone.answer((_request, response) => void response.writeHead(410).end());
    const ids = await gone.commit(50);
    await until(() => gone.isPaused(), { what: 'a pause' });
    await quiet(1_500);
    // The first, and what the other process had begun by then.
    expect(gone.received().length).toBeLessThanOrEqual(2);
    gone.answer((_request, response) => void response.end());
    await gone.act('resume');
    await gone.untilArrived(ids);
  });

  it.concurrent('are put off by Retry-After, and never hurried by it', async () => {
    const later = webhook('later');
    const said = ['3', '0', '-5', 'NaN', '1e9', new Date(Date.now() - 1e9).toUTCString(), '3, 9'];
    const saidTo = new Map<number, string>();
    const firstMs = new Map<number, number>();
    const waits = new Map<string, number>();
    later.answer((request, response) => {
      const id = rowOf(request);
      const before = firstMs.get(id);
      if (before !== undefined) {
        waits.set(saidTo.get(id) ?? '', request.atMs - before);
        return void response.end();
      }
      firstMs.set(id, request.atMs);
      const value = said[saidTo.size] ?? '';
      saidTo.set(id, value);
      response.writeHead(503, { 'retry-after': value }).end();
    });
    await later.commit(said.length);
    await until(() => waits.size === said.length, { timeoutMs: 30_000 });
    expect(waits.get('3')).toBeGreaterThanOrEqual(2_900);
    // The schedule says 1 s, with half of it as jitter.
    for (const [what, ms] of waits) expect([what, ms >= 450]).toEqual([what, true]);
    for (const what of said.slice(1)) expect([what, (waits.get(what) ?? 1e9) < 8_000]).toEqual([what, true]);
  });

  it.concurrent('give a Delivery up that is older than max_age', async () => {
    const aged = webhook('aged');
    aged.answer((_request, response) => void response.writeHead(500).end());
    await aged.commit(1);
    const failed = async () => {
      const list = ['deliveries', 'list', '--webhook', 'aged', '--state', 'failed', '--json'];
      return (await walhook([...list, '-c', scenario.file])).stdout;
    };
    await until(async () => (await failed()).includes('older than retry.max_age'), { timeoutMs: 20_000 });
    // Nothing is begun later than three seconds after the commit; a poll may begin it a second late.
    expect((aged.times().at(-1) ?? 0) - (aged.times()[0] ?? 0)).toBeLessThan(4_500);
    expect(aged.times().length).toBeGreaterThan(1);
  });

  it.concurrent('are braked by a flood of matches, whose Deliveries wait for a person', async () => {
    const braked = webhook('braked');
    await braked.untilArrived(await braked.commit(15));
    const ids = await braked.commit(300);
    await until(() => braked.isPaused(), { what: 'the brake' });
    const atBrake = braked.received().length;
    await quiet(1_000);
    expect(braked.received().length).toBe(atBrake);
    expect(atBrake).toBeLessThan(315);
    await braked.act('resume');
    await braked.untilArrived(ids);
  });

  it.concurrent.each([
    'overflow',
    'dropped',
  ] as const)('leave out what a full backlog does not take (%s), and tell it as a Gap', async (gap) => {
    const full = webhook(gap);
    await full.act('pause');
    const ids: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      ids.push(...(await full.commit(30)));
      await quiet(300);
    }
    await until(async () => (await full.gaps()).includes(gap), { what: 'a Gap' });
    await full.act('resume');
    const kept = gap === 'overflow' ? ids.slice(0, 30) : ids.slice(-30);
    await full.untilArrived(kept);
    // What comes now is taken again.
    await full.untilArrived(await full.commit(1));
    expect(full.received().length).toBeLessThanOrEqual(81);
    if (gap === 'dropped') expect(full.rows().has(ids[0] ?? 0)).toBe(false);
  });

  // After the others: it holds the stream, which is everybody's.
  it('hold the stream at a full backlog where that is wished, and lose nothing', async () => {
    const held = webhook('hold');
    await held.act('pause');
    const ids: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      ids.push(...(await held.commit(30)));
      await quiet(200);
    }
    await scenario.daemons[0]?.untilLogged('the stream is held');
    expect(held.received()).toHaveLength(0);
    await held.act('resume');
    await held.untilArrived(ids, 60_000);
    expect(held.received()).toHaveLength(120);
    expect(await held.gaps()).toEqual([]);
  });
});

/** A queue that this machine does not have is left out before anything starts. */
function presentKinds(): readonly QueueKind[] {
  return QUEUE_KINDS.filter((kind) => !isQueueMissing(kind));
}

function rowOf(request: Received): number {
  return (JSON.parse(request.body) as { readonly data: { readonly id: number } }).data.id;
}
