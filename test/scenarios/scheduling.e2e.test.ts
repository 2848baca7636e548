/** When requests go out, over two processes as users run them: rate and pauses. */
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
    command: (...args: readonly string[]) => walhook([...args, '-c', scenario.file]),
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
});
