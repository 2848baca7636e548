/** Webhooks that read a before image which their table does not send: check names them, run as well. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { configFolder, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase } from '../helpers/database.ts';
import { createQueue } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

const CHANGED = { models: ['thing'], events: ['updated'], conditions: { attr: 'status', op: 'changed' } };

describe('a before image that is not sent', () => {
  it('is told by check and run, and starts only webhooks that can do without', async () => {
    await using database = await createDatabase();
    await using queue = await createQueue('postgres');
    await using sink = await openSink();
    await database.client.query('create table thing (id int primary key, status text)');
    await using folder = await configFolder({
      postgres: { url: database.url, slot: `slot_${randomBytes(5).toString('hex')}` },
      queue: queue.section,
      templates: { env: ['SITE'] },
      webhooks: [
        { ...CHANGED, name: 'strict', url: `${sink.url}strict` },
        {
          ...CHANGED,
          name: 'fires',
          on_unavailable: 'fire',
          url: `${sink.url}fires`,
          body_template: '"{{ env("SITE") }}"',
        },
        { name: 'all', models: ['*'], events: ['updated'], url: `${sink.url}all` },
      ],
    });
    expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0 });
    const checked = await walhook(['check', '--json', '-c', folder.file]);
    const { findings } = JSON.parse(checked.stdout) as { findings: Record<string, string>[] };
    expect(checked.code).toBe(1);
    expect(findings.filter(({ code }) => code === 'BEFORE_IMAGE_MISSING')).toMatchObject([
      {
        level: 'problem',
        message: expect.stringContaining('strict'),
        remedy: expect.stringMatching(/^ALTER TABLE public\.thing REPLICA IDENTITY FULL;/),
      },
      { level: 'advice', message: expect.stringContaining('fires') },
    ]);

    const paths = () => sink.received.map((one) => one.path).sort();
    {
      await using daemon = startDaemon(['-c', folder.file], { env: { SITE: 'fra' } });
      await daemon.untilLogged('capturing');
      expect(daemon.log().filter((entry) => entry['code'] === 'BEFORE_IMAGE_MISSING')).toMatchObject([
        { webhook: 'strict', try: expect.stringContaining('ALTER TABLE public.thing') },
        { webhook: 'fires' },
      ]);
      await database.client.query("insert into thing values (1, 'a'); update thing set status = 'b'");
      await until(() => sink.received.length >= 2, { what: daemon.output() });
      daemon.kill('SIGTERM');
      expect(await daemon.ended).toBe(0);
    }
    expect(paths()).toEqual(['/all', '/fires']);
    expect(sink.received.find((one) => one.path === '/fires')?.body).toBe('"fra"');

    await database.client.query('alter table thing replica identity full');
    expect(await walhook(['check', '-c', folder.file])).toMatchObject({
      stdout: expect.not.stringContaining('BEFORE_IMAGE'),
    });
    await using daemon = startDaemon(['-c', folder.file], { env: { SITE: 'fra' } });
    await daemon.untilLogged('capturing');
    await database.client.query("update thing set status = 'c'; update thing set status = 'c'");
    await until(() => sink.received.length >= 6, { what: daemon.output() });
    expect(paths().slice(-6)).toEqual(['/all', '/all', '/all', '/fires', '/fires', '/strict']);
    expect(daemon.log().filter((entry) => entry['code'] === 'BEFORE_IMAGE_MISSING')).toEqual([]);
  });
});
