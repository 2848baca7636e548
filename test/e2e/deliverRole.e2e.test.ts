/** `walhook run --role deliver` from start to SIGTERM, on both queues. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { toBatches } from '../../src/queue/delivery.ts';
import { deliveries } from '../deliver/webhooks.ts';
import { configFolder, startDaemon } from '../helpers/command.ts';
import { isQueueMissing, QUEUE_KINDS, type QueueKind } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { openStores } from '../queue/openStores.ts';

async function delivering(kind: QueueKind, more: Record<string, unknown> = {}) {
  const prefix = `r${randomBytes(5).toString('hex')}`;
  const stores = await openStores(kind, prefix);
  const sink = await openSink();
  const held: (() => void)[] = [];
  sink.answerWith((_request, response) => void held.push(() => response.end()));
  const folder = await configFolder({
    postgres: { url: 'postgres://nobody@127.0.0.1:1/none' },
    queue: { url: stores.url, prefix },
    webhooks: [{ name: 'w', models: ['thing'], events: ['created'], url: sink.url, concurrency: 2 }],
    ...more,
  });
  const daemon = startDaemon(['--role', 'deliver', '-c', folder.file]);
  await daemon.untilLogged('walhook starts');
  const { fence } = stores;
  const batches = deliveries(5, Date.now()).flatMap((one) => toBatches('w', [one]));
  await stores.store.flush({ fence, from: 'pos-0', to: 'pos-1', batches, failed: [], definitions: null });
  await until(() => held.length === 2);
  return {
    daemon,
    held,
    sink,
    counts: async () => (await stores.store.counts()).get('w'),
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
      await sink[Symbol.asyncDispose]();
      await stores[Symbol.asyncDispose]();
    },
  };
}

describe.each(QUEUE_KINDS)('the deliver role, with the queue on %s', (kind) => {
  const isSkipped = isQueueMissing(kind);

  it.skipIf(isSkipped)(
    'ends after SIGTERM when its requests have ended, and gives back the rest',
    async () => {
      await using of = await delivering(kind);
      of.daemon.kill('SIGTERM');
      await until(async () => (await of.counts())?.active === 2);
      for (const answer of of.held.splice(0)) answer();
      expect(await of.daemon.ended).toBe(0);
      expect(await of.counts()).toMatchObject({ deliveredTotal: 2, waiting: 3, active: 0 });
      expect(of.sink.received).toHaveLength(2);
    },
  );

  it.skipIf(isSkipped)('waits no longer than shutdown_timeout', async () => {
    await using of = await delivering(kind, { shutdown_timeout: '500ms' });
    const startedMs = performance.now();
    of.daemon.kill('SIGTERM');
    expect(await of.daemon.ended).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(15_000);
    expect(await of.counts()).toMatchObject({ deliveredTotal: 0, failed: 0, delayed: 0 });
  });

  it.skipIf(isSkipped)('ends at once at the second signal', async () => {
    await using of = await delivering(kind, { shutdown_timeout: '10m' });
    of.daemon.kill('SIGTERM');
    await until(async () => (await of.counts())?.active === 2);
    of.daemon.kill('SIGTERM');
    expect(await of.daemon.ended).toBe(130);
  });
});
