/** Present rows as Events: for receivers that start late, or to fill a Gap. */
import { describe, expect, it } from 'vitest';
import { walhook } from '../helpers/command.ts';
import { openStore } from '../helpers/stores.ts';
import { until } from '../helpers/until.ts';
import { openScenario, type Scenario, untilCapturing } from './fixture.ts';

const replay = (scenario: Scenario, ...args: string[]) => walhook(['replay', '-c', scenario.file, ...args]);
const lastJson = (stdout: string) =>
  JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Record<string, unknown>;

/** Rows that were there before the slot was. */
async function withRows(count: number): Promise<Scenario> {
  const scenario = await openScenario({ setup: null });
  await scenario.database.client.query(
    "insert into op select i, 0, 'old' from generate_series(1000001, 1000000 + $1::int) as i",
    [count],
  );
  expect(await walhook(['setup', '-c', scenario.file])).toMatchObject({ code: 0 });
  return scenario;
}

describe('a replay', () => {
  it('sends every present row as created, marked, in the order of the key, with ids that sort', async () => {
    await using scenario = await withRows(450);
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    const { code, stdout } = await replay(scenario, '--model', 'op', '--rate', '100000', '--json');
    expect(code).toBe(0);
    expect(lastJson(stdout)).toMatchObject({ state: 'done', rows: 450, deliveries: 450 });
    await until(() => scenario.sink.received.length === 450);
    const ids = scenario.sink.received.map(({ headers }) => String(headers['webhook-id']));
    expect(new Set(ids).size).toBe(450);
    expect(scenario.sink.received.every(({ headers }) => headers['webhook-replay'] === '1')).toBe(true);
    const events = scenario.sink.events() as { event: string; data: { id: number }; snapshots: unknown }[];
    expect(events.every(({ event }) => event === 'created')).toBe(true);
    const byId = new Map(events.map((event, i) => [ids[i], event.data.id]));
    expect(ids.toSorted().map((id) => byId.get(id))).toEqual(
      [...byId.values()].toSorted((a, b) => Number(a) - Number(b)),
    );
    await scenario.commit(1);
    await until(() => scenario.sink.received.length === 451);
    expect(scenario.sink.received.at(-1)?.headers['webhook-replay']).toBeUndefined();
  });

  it('takes a condition, and refuses one that is none', async () => {
    await using scenario = await withRows(10);
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    expect(await replay(scenario, '--model', 'op', '--where', 'id > 1000007 -- the last')).toMatchObject({
      code: 0,
    });
    await until(() => scenario.sink.received.length === 3);
    for (const where of ['no_such_column = 1', '1 = 1); drop table op; --', 'id >']) {
      expect(await replay(scenario, '--model', 'op', '--where', where)).toMatchObject({ code: 2 });
    }
    expect(await replay(scenario, '--model', 'nothing')).toMatchObject({ code: 2 });
  });

  it('goes on after the daemon was killed, with the same ids', async () => {
    await using scenario = await withRows(1_000);
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    const { stdout } = await replay(scenario, '--model', 'op', '--rate', '400', '--detach', '--json');
    const { id } = lastJson(stdout);
    await until(() => scenario.sink.received.length >= 200);
    daemon.kill('SIGKILL');
    await daemon.ended;
    const next = scenario.daemon();
    await untilCapturing(next);
    expect(await replay(scenario, '--resume', String(id))).toMatchObject({ code: 0 });
    const rows = () => new Set(scenario.sink.events().map((event) => (event['data'] as { id: number }).id));
    await until(() => rows().size === 1_000, { timeoutMs: 40_000 });
    const ids = new Set(scenario.sink.received.map(({ headers }) => headers['webhook-id']));
    expect(ids.size).toBe(1_000);
  });

  it('can be cancelled', async () => {
    await using scenario = await withRows(2_000);
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    const { stdout } = await replay(scenario, '--model', 'op', '--rate', '100', '--detach', '--json');
    const { id } = lastJson(stdout);
    await until(() => scenario.sink.received.length > 0);
    expect(lastJson((await replay(scenario, '--cancel', String(id), '--json')).stdout)).toMatchObject({
      state: 'cancelled',
    });
    await daemon.untilLogged('the replay was stopped');
    expect((await replay(scenario, '--list')).stdout).toContain('cancelled');
    expect(scenario.sink.received.length).toBeLessThan(2_000);
  });

  it('fills what a full backlog left out, and settles it', async () => {
    await using scenario = await withRows(3);
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    const store = await openStore(await scenario.queueSection());
    try {
      const unknown = { firstId: null, lastId: null, firstLsn: null, lastLsn: null, detail: null };
      const times = { firstMs: null, lastMs: null, openedMs: 1, closedMs: 2, settledMs: null };
      const webhook = [...(await store.counts()).keys()][0] ?? 'ops';
      const id = await store.recordGap({
        generation: null,
        tables: [],
        kind: 'overflow',
        webhook,
        models: { op: 3 },
        ...unknown,
        ...times,
      });
      const args = ['--model', 'op', '--gap'];
      expect(await replay(scenario, ...args, String(id))).toMatchObject({ code: 0 });
      await until(() => scenario.sink.received.length === 3);
      expect((await store.gaps()).find((gap) => gap.id === id)?.settledMs).toEqual(expect.any(Number));
      expect(await replay(scenario, ...args, 'none')).toMatchObject({ code: 2 });
    } finally {
      await store.close();
    }
  });
});
