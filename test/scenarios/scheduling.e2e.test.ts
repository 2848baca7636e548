/** When requests go out, over two processes as users run them: rate, concurrency, pauses, brakes, ages and bounds. */
import { describe, expect, it } from 'vitest';
import { startDaemon, walhook } from '../helpers/command.ts';
import { isQueueMissing, QUEUE_KINDS, type QueueKind } from '../helpers/queue.ts';
import { until } from '../helpers/until.ts';
import { openScenario, type ScenarioOptions, untilCapturing } from './fixture.ts';

const LONG = { timeout: 120_000 };

/** One process that does everything, and one that delivers alone. */
async function twoProcesses(kind: QueueKind, webhook: ScenarioOptions['webhook']) {
  const scenario = await openScenario({ queue: kind, config: { admin: false }, webhook: webhook ?? {} });
  const first = scenario.daemon();
  const second = startDaemon(['--role', 'deliver', '-c', scenario.file]);
  await untilCapturing(first);
  await second.untilLogged('walhook starts');
  return {
    scenario,
    sink: scenario.sink,
    outputs: () => `${first.output().slice(-2_000)}\n---\n${second.output().slice(-2_000)}`,
    command: (...args: readonly string[]) => walhook([...args, '-c', scenario.file]),
    async webhook() {
      const { stdout } = await walhook(['status', '--json', '-c', scenario.file]);
      const { webhooks } = JSON.parse(stdout) as { webhooks: readonly Record<string, unknown>[] };
      return webhooks[0] ?? {};
    },
    async [Symbol.asyncDispose]() {
      await second[Symbol.asyncDispose]();
      await scenario[Symbol.asyncDispose]();
    },
  };
}

const quiet = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.each(QUEUE_KINDS)('two processes on the %s queue', (kind) => {
  const isSkipped = isQueueMissing(kind);

  it.skipIf(isSkipped)('start no more requests than rate_limit says, in any window', LONG, async () => {
    await using of = await twoProcesses(kind, { rate_limit: { max: 10, per: '1s' }, concurrency: 20 });
    await of.scenario.commit(60);
    await of.scenario.untilComplete();
    const times = of.sink.received.map(({ atMs }) => atMs).toSorted((a, b) => a - b);
    // Ten may arrive late together with the ten after them: the receiver's clock sees arrivals, not starts.
    for (const [i, atMs] of times.entries()) {
      const withinWindow = times.slice(i).filter((other) => other < atMs + 900).length;
      expect(withinWindow).toBeLessThanOrEqual(20);
    }
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(4_500);
  });

  it.skipIf(isSkipped)(
    'stop at once when the webhook is paused, and go on when it is resumed',
    LONG,
    async () => {
      await using of = await twoProcesses(kind, { concurrency: 2 });
      of.sink.answerWith((_request, response) => void setTimeout(() => response.end(), 100));
      await of.scenario.commit(200);
      await until(() => of.sink.received.length >= 10);
      expect((await of.command('webhooks', 'pause', 'ops')).code).toBe(0);
      await quiet(500);
      const atPause = of.sink.received.length;
      await quiet(1_500);
      expect(of.sink.received.length).toBe(atPause);
      expect(atPause).toBeLessThan(200);
      expect((await of.command('webhooks', 'resume', 'ops')).code).toBe(0);
      await until(() => of.sink.received.length > atPause, { timeoutMs: 3_000 });
      of.sink.answerWith((_request, response) => void response.end());
      await of.scenario.untilComplete();
      expect(of.sink.received).toHaveLength(200);
    },
  );

  it.skipIf(isSkipped)(
    'rest after a 410, keep what waits, and go on when a person says so',
    LONG,
    async () => {
      await using of = await twoProcesses(kind, { concurrency: 1 });
      of.sink.answerWith((_request, response) => {
        response.statusCode = 410;
        response.end();
      });
      await of.scenario.commit(20);
      await until(async () => (await of.webhook())['paused'] === true, {
        what: `a pause in ${of.outputs()}`,
      });
      const atPause = of.sink.received.length;
      await quiet(2_000);
      expect(of.sink.received.length).toBe(atPause);
      // The first, and what the other process had begun by then.
      expect(atPause).toBeLessThanOrEqual(3);
      of.sink.answerWith((_request, response) => void response.end());
      of.sink.received.length = 0;
      await of.command('webhooks', 'resume', 'ops');
      await of.scenario.untilComplete();
      expect(of.sink.received).toHaveLength(20);
    },
  );

  it.skipIf(isSkipped)('are put off by Retry-After, and never sped up by it', LONG, async () => {
    await using of = await twoProcesses(kind, { retry: { schedule: ['1s', '1s', '1s'] } });
    const said = ['3', '0', '-5', 'NaN', '1e9', new Date(Date.now() - 1e9).toUTCString(), '3, 9'];
    const firstMs = new Map<string, number>();
    const waits = new Map<string, number>();
    of.sink.answerWith((request, response) => {
      const id = String(request.headers['webhook-id']);
      const { data } = JSON.parse(request.body) as { data: { id: number } };
      const before = firstMs.get(id);
      firstMs.set(id, before ?? request.atMs);
      if (before !== undefined) {
        waits.set(said[data.id - 1] ?? '', request.atMs - before);
        return void response.end();
      }
      response.writeHead(503, { 'retry-after': said[data.id - 1] ?? '' }).end();
    });
    await of.scenario.commit(said.length);
    await until(() => waits.size === said.length, { timeoutMs: 30_000 });
    expect(waits.get('3')).toBeGreaterThanOrEqual(2_900);
    for (const [what, ms] of waits) expect([what, ms >= 450]).toEqual([what, true]);
    for (const what of said.slice(1)) expect([what, (waits.get(what) ?? 1e9) < 8_000]).toEqual([what, true]);
  });

  it.skipIf(isSkipped)('give a Delivery up that is older than max_age', LONG, async () => {
    await using of = await twoProcesses(kind, { retry: { schedule: Array(20).fill('1s'), max_age: '3s' } });
    of.sink.answerWith((_request, response) => {
      response.statusCode = 500;
      response.end();
    });
    await of.scenario.commit(1);
    const failed = async () => {
      const { stdout } = await of.command('deliveries', 'list', '--state', 'failed', '--json');
      return stdout;
    };
    await until(async () => (await failed()).includes('older than retry.max_age'), { timeoutMs: 20_000 });
    const times = of.sink.received.map(({ atMs }) => atMs);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeLessThan(3_500);
  });

  it.skipIf(isSkipped)(
    'are braked by a flood of matches, whose Deliveries wait for a person',
    LONG,
    async () => {
      await using of = await twoProcesses(kind, { brake: { max: 20, per: '1m' } });
      await of.scenario.commit(15);
      await of.scenario.untilComplete();
      await of.scenario.commit(300);
      await quiet(2_000);
      const atBrake = of.sink.received.length;
      expect(atBrake).toBeLessThan(315);
      await quiet(1_000);
      expect(of.sink.received.length).toBe(atBrake);
      await of.command('webhooks', 'resume', 'ops');
      await of.scenario.untilComplete();
    },
  );

  it.skipIf(isSkipped).each(['overflow', 'drop_oldest'] as const)(
    'leave out what a full backlog does not take (%s), and tell it as a Gap',
    LONG,
    async (then) => {
      await using of = await twoProcesses(kind, { backlog: { max: 50, then } });
      await of.command('webhooks', 'pause', 'ops');
      for (let i = 0; i < 20; i += 1) await of.scenario.commit(10);
      await until(async () => ((await of.scenario.status()).gaps ?? []).length > 0);
      await quiet(1_000);
      await of.command('webhooks', 'resume', 'ops');
      await until(() => of.sink.received.length >= 25);
      await quiet(2_000);
      const ids = of.sink.events().map((event) => (event['data'] as { id: number }).id);
      expect(ids.length).toBeLessThanOrEqual(75);
      expect(new Set(ids).has(then === 'overflow' ? 1 : 200)).toBe(true);
      expect(new Set(ids).has(then === 'overflow' ? 200 : 1)).toBe(false);
      // What comes now is taken again.
      await of.scenario.commit(1);
      await until(() => of.sink.events().some((event) => (event['data'] as { id: number }).id === 201));
    },
  );

  it.skipIf(isSkipped)(
    'hold the stream at a full backlog where that is wished, and lose nothing',
    LONG,
    async () => {
      await using of = await twoProcesses(kind, { backlog: { max: 50, then: 'hold' } });
      await of.command('webhooks', 'pause', 'ops');
      for (let i = 0; i < 20; i += 1) await of.scenario.commit(10);
      await quiet(3_000);
      expect(of.sink.received.length).toBe(0);
      await of.command('webhooks', 'resume', 'ops');
      await of.scenario.untilComplete(60_000);
      expect(of.sink.received).toHaveLength(200);
      expect((await of.scenario.status()).gaps).toEqual([]);
    },
  );
});
