/** Why a Change did not fire, asked of another process than the one that captures. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { configFolder, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase } from '../helpers/database.ts';
import { createQueue, isQueueMissing } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

describe.each(['postgres', 'redis'] as const)('walhook explain over %s', (kind) => {
  it.skipIf(isQueueMissing(kind))('tells the leaf and the value it saw', async () => {
    await using database = await createDatabase();
    await using queue = await createQueue(kind);
    await using sink = await openSink();
    await database.client.query(`create table thing (id int primary key, status text, note text);
      alter table thing replica identity full`);
    const webhook = { models: ['thing'], events: ['created', 'updated'], url: sink.url };
    await using folder = await configFolder({
      postgres: { url: database.url, slot: `slot_${randomBytes(5).toString('hex')}` },
      queue: queue.section,
      models: [{ name: 'thing', table: 'thing', ignore_changes: ['note'] }],
      webhooks: [
        { ...webhook, name: 'Only on', conditions: { and: [{ attr: 'status', value: 'on' }] } },
        { ...webhook, name: 'typo', conditions: { attr: 'stauts', value: 'on' } },
      ],
    });
    expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0 });
    await using daemon = startDaemon(['-c', folder.file]);
    await daemon.untilLogged('capturing');
    await database.client.query(`insert into thing values (1, 'off'), (2, 'on');
      update thing set note = 'x' where id = 1`);
    const explain = (...args: string[]) => walhook(['explain', '-c', folder.file, ...args]);
    await until(
      async () => (await explain('--webhook', 'Only on', '--key', '1')).stdout.includes('ignore_changes'),
      {
        what: daemon.output(),
      },
    );
    const told = await explain('--webhook', 'Only on', '--key', '1', '--json');
    expect(JSON.parse(told.stdout)).toMatchObject({
      webhook: 'Only on',
      not_fired: [
        {
          key: '1',
          event: 'created',
          by: 'conditions',
          because: [{ attr: 'status', op: 'eq', value: 'on', seen: 'off', result: 'false' }],
        },
        { event: 'updated', by: 'ignore_changes', because: [] },
      ],
      failed: [],
    });
    const line = (await explain('--webhook', 'Only on', '--key', '1', '--model', 'thing')).stdout.split(
      '\n',
    )[0];
    expect(line).toMatch(
      /^20\S+Z created thing 1: did not fire, by conditions: status eq "on": saw "off", which does not equal the value$/,
    );
    expect(await explain('--webhook', 'Only on', '--key', '2')).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^nothing is kept of the row 2/),
    });
    expect(await explain('--webhook', 'typo', '--key', '2')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/fired and failed, by condition: .*has no key "stauts"/),
    });
    expect(await explain('--webhook', 'none', '--key', '2')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^WEBHOOK_UNKNOWN/),
    });

    // A purge by this process is obeyed by the one that captures, though it writes anew what it has in memory.
    await database.client.query("insert into thing values (3, 'off')");
    await until(async () => (await explain('--webhook', 'Only on', '--key', '3')).code === 0);
    const purge = ['deliveries', 'purge', '--model', 'thing', '--key', '3', '--yes', '-c', folder.file];
    expect(await walhook(purge)).toMatchObject({ code: 0 });
    expect((await explain('--webhook', 'Only on', '--key', '3')).code).toBe(1);
    await database.client.query("insert into thing values (4, 'off')");
    await until(async () => (await explain('--webhook', 'Only on', '--key', '4')).code === 0);
    expect((await explain('--webhook', 'Only on', '--key', '3')).code).toBe(1);

    // What was kept survives the daemon.
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect(await explain('--webhook', 'Only on', '--key', '1')).toMatchObject({ code: 0 });
  });
});
