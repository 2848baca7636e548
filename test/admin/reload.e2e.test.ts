/** A reload while Transactions go by: each is read by one set of definitions, and none is lost. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { configFolder, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase } from '../helpers/database.ts';
import { createQueue, isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

const TRANSACTIONS = 400;

describe.each(QUEUE_KINDS)('with the queue on %s', (kind) => {
  it.skipIf(isQueueMissing(kind))(
    'a reload takes effect between two Transactions',
    async () => {
      await using database = await createDatabase();
      await using queue = await createQueue(kind);
      await using sink = await openSink();
      await database.client.query('create table t (id int primary key, n int, side text)');
      const config = (side: string) => ({
        environment: 'test',
        postgres: { url: database.url, slot: `slot_${randomBytes(5).toString('hex')}` },
        queue: queue.section,
        admin: { listen: '127.0.0.1:0' },
        webhooks: [
          {
            name: 'one side',
            models: ['t'],
            events: ['created'],
            url: sink.url,
            conditions: { attr: 'side', value: side },
            body_template: '{"n": {{ data.n }}, "side": "{{ data.side }}"}',
          },
        ],
      });
      const left = config('left');
      await using folder = await configFolder(left);
      expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0, stderr: '' });
      await using daemon = startDaemon(['-c', folder.file]);
      await daemon.untilLogged('capturing');

      // Each Transaction has a row of either side: exactly one of them is for whichever definition reads it.
      for (let n = 0; n < TRANSACTIONS; n += 1) {
        await database.client.query(
          `insert into t values (${2 * n}, ${n}, 'left'), (${2 * n + 1}, ${n}, 'right')`,
        );
        if (n === TRANSACTIONS / 4) {
          const right = { ...config('right'), postgres: left.postgres };
          await writeFile(folder.file, JSON.stringify(right));
          daemon.kill('SIGHUP');
        }
        if (n === TRANSACTIONS / 2) await daemon.untilLogged('reloaded definitions hold', 30_000);
      }
      const seen = () =>
        new Map(
          sink.received.map(({ body }) => {
            const { n, side } = JSON.parse(body) as { n: number; side: string };
            return [n, side];
          }),
        );
      await until(() => seen().size === TRANSACTIONS, {
        timeoutMs: 40_000,
        what: daemon.output().slice(-3_000),
      });
      const sides = Array.from({ length: TRANSACTIONS }, (_, n) => seen().get(n));
      const switched = sides.indexOf('right');
      expect(switched).toBeGreaterThan(0);
      expect(sides).toEqual(sides.map((_, n) => (n < switched ? 'left' : 'right')));
      expect(sink.received.length).toBe(TRANSACTIONS);
      const [told] = daemon.log().filter(({ msg }) => String(msg).startsWith('reloaded definitions hold'));
      expect(told).toMatchObject({ version: 1, lsn: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/) });
      daemon.kill('SIGTERM');
      expect(await daemon.ended).toBe(0);
    },
    120_000,
  );
});
