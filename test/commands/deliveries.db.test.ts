/** The commands over the queue, as the command line calls them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli.ts';
import { deliveryId } from '../../src/queue/delivery.ts';
import {
  attempt,
  DELIVERED,
  deliveriesAt,
  deliveryAt,
  FAILED,
  FAILURE,
  isStoreMissing,
  prepareStore,
  reports,
  STORE_KINDS,
} from '../queue/stores.ts';

const DEFINITIONS = JSON.stringify({
  v: 1,
  webhooks: [{ name: 'My hook', key: 'w', enabled: true, models: ['thing'], events: ['created'] }],
});

async function commands(kind: (typeof STORE_KINDS)[number]) {
  const queue = await prepareStore(kind);
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-'));
  const config = path.join(folder, 'walhook.yaml');
  await writeFile(
    config,
    `postgres: {url: "postgres://h/d"}\nqueue: {url: "${queue.url}", prefix: ${queue.prefix}}\n`,
  );
  return {
    ...queue,
    /** Runs a command; `answer` is what is typed when it asks. */
    async run(args: readonly string[], answer?: string) {
      let [out, err] = ['', ''];
      const exit = await runCli([...args, '-c', config], {
        env: {},
        out: (text) => {
          out += text;
        },
        err: (text) => {
          err += text;
        },
        readInput: () => Promise.resolve(''),
        ...(answer === undefined ? {} : { ask: () => Promise.resolve(answer) }),
        isTerminal: answer !== undefined,
        columns: 80,
        signal: new AbortController().signal,
      });
      return { exit, out, err };
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true });
      await queue[Symbol.asyncDispose]();
    },
  };
}

describe.each(STORE_KINDS)('the commands over the %s queue', (kind) => {
  const isSkipped = isStoreMissing(kind);

  it.skipIf(isSkipped)('list and show Deliveries, for people and as JSON', async () => {
    await using queue = await commands(kind);
    await queue.flush({}, { definitions: DEFINITIONS });
    await queue.end('w', deliveriesAt(1, 3), FAILED, FAILURE);
    const listed = await queue.run([
      'deliveries',
      'list',
      '--webhook',
      'My hook',
      '--state',
      'failed',
      '--limit',
      '2',
      '--json',
    ]);
    expect(listed).toMatchObject({ exit: 0, err: '' });
    const { deliveries, cursor } = JSON.parse(listed.out) as { deliveries: unknown[]; cursor: string };
    expect(deliveries).toMatchObject([
      {
        id: deliveryId(deliveryAt(3).eventId, 'w'),
        state: 'failed',
        status: 503,
        committed_at: '1970-01-01T00:00:03.000Z',
      },
      { key: '2', attempts: 1, next_at: null, ended_at: '1970-01-01T00:01:00.000Z', resent: false },
    ]);
    const rest = await queue.run(['deliveries', 'list', '--state', 'failed', '--cursor', cursor]);
    expect(rest.out).toMatch(/failed\s+w\s+thing\s+1\s+1\s+503/);
    const id = deliveryId(deliveryAt(1).eventId, 'w');
    const shown = await queue.run(['deliveries', 'show', id, '--json']);
    expect(JSON.parse(shown.out)).toMatchObject({
      event: deliveryAt(1).json,
      request: { url: 'http://receiver/in', body_is: 'event' },
      log: [{ status: 503, response: { body: 'ok', truncated: false } }],
    });
    expect((await queue.run(['deliveries', 'show', id])).out).toContain('POST http://receiver/in');
    expect(await queue.run(['deliveries', 'show', 'none'])).toMatchObject({ exit: 1, out: '' });
  });

  it.skipIf(isSkipped)('tell the count and ask before they change anything', async () => {
    await using queue = await commands(kind);
    await queue.end('w', deliveriesAt(1, 3), FAILED, FAILURE);
    const resend = ['deliveries', 'resend', '--status', '503'];
    expect(await queue.run(resend)).toMatchObject({
      exit: 2,
      err: expect.stringContaining('resend 3 Deliveries'),
    });
    expect(await queue.run(resend, 'n')).toMatchObject({ exit: 1 });
    expect((await queue.store.counts()).get('w')).toMatchObject({ failed: 3 });
    expect(await queue.run(resend, 'y')).toMatchObject({ exit: 0, out: 'resent 3 of 3\n' });
    expect((await queue.store.counts()).get('w')).toMatchObject({ failed: 0, waiting: 3 });
    const id = deliveryId(deliveryAt(2).eventId, 'w');
    expect((await queue.run(['deliveries', 'cancel', id, '--yes', '--json'])).out).toBe(
      '{"operation":"cancel","matched":1,"done":1,"skipped":0}\n',
    );
    expect(await queue.run(['deliveries', 'purge', '--model', 'thing', '--key', '2', '--yes'])).toMatchObject(
      {
        out: 'purged 1 of 1\n',
      },
    );
    expect(await queue.run(['deliveries', 'purge', '--yes'])).toMatchObject({ exit: 2 });
    expect(await queue.run(['deliveries', 'cancel', '--state', 'gone', '--yes'])).toMatchObject({ exit: 2 });
  });

  it.skipIf(isSkipped)('list, pause, resume and test webhooks', async () => {
    await using queue = await commands(kind);
    await queue.flush({ gone: [deliveryAt(1)] }, { definitions: DEFINITIONS });
    expect((await queue.run(['webhooks', 'pause', 'My hook'])).out).toBe('paused w\n');
    const rows = JSON.parse((await queue.run(['webhooks', 'list', '--json'])).out) as unknown;
    expect(rows).toMatchObject([
      { key: 'gone', name: null, waiting: 1 },
      { key: 'w', name: 'My hook', enabled: true, paused: true, waiting: 0 },
    ]);
    expect((await queue.run(['webhooks', 'resume', 'w'])).exit).toBe(0);
    expect((await queue.run(['webhooks', 'pause', 'unknown'])).err).toContain('WEBHOOK_UNKNOWN');
    const testing = queue.run(['webhooks', 'test', 'w', '--json']);
    let taken = await queue.claim('w');
    while (taken.length === 0) taken = await queue.claim('w');
    expect(taken[0]?.deliveries[0]).toMatchObject({ isTest: true, model: 'thing' });
    await queue.store.report(
      'p1',
      taken.flatMap((job) => reports(job, DELIVERED, attempt())),
    );
    const tested = await testing;
    expect(JSON.parse(tested.out)).toMatchObject({ state: 'delivered', status: 200 });
    expect(tested.exit).toBe(0);
    expect(await queue.run(['webhooks', 'test', 'w', '--timeout', '200ms'])).toMatchObject({ exit: 1 });
  });
});
