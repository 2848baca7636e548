/** `kill -9` in the middle, twenty times: nothing is lost, nothing is made up, repeats keep their id. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { configFolder, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase } from '../helpers/database.ts';
import { createQueue, isQueueMissing, QUEUE_KINDS, type QueueKind } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { judge, LEDGER_TABLE, type Verdict, Writers } from './ledger.ts';
import { ACKNOWLEDGES_TOO_FAR, buildMutant } from './mutant.ts';

const KILLS = 20;
/** Named points, then times at random. */
const FAILPOINTS = ['after_flush', 'inside_flush', 'after_response', null] as const;
/** Jobs of a process that was killed go back to the queue after its heartbeat's time. */
const SETTLE_MS = 240_000;

describe.each(QUEUE_KINDS)('with the queue on %s', (kind) => {
  it.skipIf(isQueueMissing(kind))('loses nothing when killed twenty times', async () => {
    const verdict = await killAgainAndAgain(kind);
    expect(verdict).toMatchObject({ lost: [], phantoms: [], secondIds: [], sharedIds: [] });
  });

  it.skipIf(isQueueMissing(kind))(
    'catches a build that acknowledges one commit too far: it loses Changes, or capturing refuses to go on',
    async () => {
      await using mutant = await buildMutant(ACKNOWLEDGES_TOO_FAR);
      const verdict = await killAgainAndAgain(kind, mutant.main);
      expect(verdict.isRefused || verdict.lost.length > 0).toBe(true);
    },
  );
});

async function killAgainAndAgain(
  kind: QueueKind,
  main?: string,
): Promise<Verdict & { readonly isRefused: boolean }> {
  await using database = await createDatabase();
  await using queue = await createQueue(kind);
  await using sink = await openSink();
  await database.client.query(LEDGER_TABLE);
  const options = main === undefined ? {} : { main };
  await using folder = await configFolder({
    environment: 'crash',
    postgres: { url: database.url, slot: `slot_${randomBytes(5).toString('hex')}` },
    // The mutant's mistake must not hide behind the delay of an append-only file.
    queue: { ...queue.section, ack_delay: '0s' },
    webhooks: [
      {
        name: 'ops',
        models: ['op'],
        events: ['created'],
        url: sink.url,
        // More waits here than a backlog holds by default; what overflows is told in a Gap, and not delivered.
        backlog: { max: 10_000_000, bytes: '10GiB' },
        retry: { schedule: ['1s', '1s', '1s'] },
      },
    ],
  });
  expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0 });

  const writers = new Writers(database.url);
  writers.start(2, 20);
  let isRefused = false;
  for (let i = 0; i < KILLS && !isRefused; i += 1) {
    const failpoint = FAILPOINTS[i % FAILPOINTS.length] ?? null;
    const env =
      failpoint === null ? {} : { WALHOOK_FAILPOINT: `${failpoint}:${1 + Math.floor(Math.random() * 40)}` };
    await using daemon = startDaemon(['-c', folder.file], { ...options, env });
    let hasEnded = false;
    void daemon.ended.then(() => {
      hasEnded = true;
    });
    const hasBegun = () =>
      daemon.log().some((entry) => entry['msg'] === 'capturing' || entry['code'] === 'SLOT_LOST');
    await until(() => hasEnded || hasBegun());
    // The slot is ahead of what is stored: capturing says so and does nothing.
    isRefused = daemon.log().some((entry) => entry['code'] === 'SLOT_LOST');
    if (isRefused) daemon.kill('SIGKILL');
    else if (failpoint === null) {
      await delay(Math.random() * 2_000);
      daemon.kill('SIGKILL');
    }
    expect(await daemon.ended, daemon.output()).toBe('SIGKILL');
  }
  const ledger = await writers.stop();
  if (isRefused) return { ...judge(ledger, sink.received), isRefused };
  await using daemon = startDaemon(['-c', folder.file], options);
  // The ledger is judged once, at the end: the receiver lives in this process and must not wait for it.
  await until(() => isDrained(folder.file), { timeoutMs: SETTLE_MS }).catch(() => undefined);
  daemon.kill('SIGTERM');
  expect(await daemon.ended).toBe(0);
  const verdict = judge(ledger, sink.received);
  process.stdout.write(
    `${kind}: ${ledger.committed.size} committed, ${ledger.rolledBack.size} rolled back, ${sink.received.length} received, ` +
      `${verdict.repeats} repeated, ${verdict.lost.length} lost\n`,
  );
  return { ...verdict, isRefused };
}

/** Everything captured has been delivered: for a build that loses, more will not come. */
async function isDrained(file: string): Promise<boolean> {
  const { stdout } = await walhook(['status', '--json', '-c', file]);
  const report = JSON.parse(stdout) as {
    slot: { lag_bytes: number };
    webhooks: { waiting: number; delayed: number; active: number }[];
  };
  const left = report.webhooks.reduce((sum, one) => sum + one.waiting + one.delayed + one.active, 0);
  await delay(1_000);
  return left === 0 && report.slot.lag_bytes < 100_000;
}
