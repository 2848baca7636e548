/** The commands with `postgres.plugin: wal2json`, as users run them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EmbeddedPostgres } from '../../src/demo/embeddedPostgres.ts';
import { configFolder, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createQueue, type TestQueue } from '../helpers/queue.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { startWal2jsonServer, WAL2JSON_ROOT } from './server.ts';

describe.skipIf(WAL2JSON_ROOT === null)('with postgres.plugin: wal2json', () => {
  let server: EmbeddedPostgres;
  let database: TestDatabase;
  let queue: TestQueue;
  let sink: Sink;

  beforeAll(async () => {
    server = await startWal2jsonServer();
    database = await createDatabase(server.url('postgres'));
    queue = await createQueue('postgres');
    sink = await openSink();
    await database.client.query(`
      create table orders (id int8 primary key, total numeric, big text);
      alter table orders alter big set storage external`);
  });
  afterAll(async () => {
    if (WAL2JSON_ROOT === null) return;
    await sink[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
    await queue[Symbol.asyncDispose]();
    await server.stop();
  });

  const config = (plugin: string) => ({
    environment: 'test',
    postgres: { url: database.url, slot: database.name, plugin },
    queue: queue.section,
    limits: { message: '1MiB' },
    webhooks: [{ name: 'orders', models: ['orders'], events: ['created'], url: sink.url }],
  });

  it('sets up, delivers, goes on after a row that is too large, and checks', async () => {
    await using folder = await configFolder(config('wal2json'));
    expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0, stderr: '' });
    const { rows } = await database.client.query(
      'select plugin from pg_replication_slots where slot_name = $1',
      [database.name],
    );
    expect(rows).toEqual([{ plugin: 'wal2json' }]);
    {
      await using daemon = startDaemon(['-c', folder.file]);
      await database.client.query("insert into orders values (9007199254740993, 1.10, 'a')");
      await database.client.query("insert into orders values (2, 0, repeat('x', 8000000))");
      await database.client.query("insert into orders values (3, 'NaN', 'c')");
      await until(() => sink.received.length === 2, { what: daemon.output() });
      expect(sink.received[0]?.body).toContain('"data":{"id":9007199254740993,"total":"1.10","big":"a"}');
      expect(daemon.log().filter((line) => line['reason'] === 'too_large')).toHaveLength(1);
      daemon.kill('SIGTERM');
      expect(await daemon.ended).toBe(0);
    }
    const checked = await walhook(['check', '--json', '-c', folder.file]);
    const { findings } = JSON.parse(checked.stdout) as { findings: { code: string }[] };
    expect(findings.map((finding) => finding.code)).toEqual(
      expect.arrayContaining(['WAL2JSON_NAN', 'WAL2JSON_TOAST']),
    );
    expect(checked.code).toBe(0);
  });

  it('refuses the slot of the other plugin', async () => {
    await using folder = await configFolder(config('pgoutput'));
    const setup = await walhook(['setup', '-c', folder.file]);
    expect(setup.code).toBe(1);
    expect(setup.stderr).toContain('SLOT_FOREIGN');
    await using daemon = startDaemon(['-c', folder.file]);
    await daemon.untilLogged('found one of wal2json');
  });

  it('refuses what the plugin cannot do', async () => {
    const { postgres, ...rest } = config('wal2json');
    await using folder = await configFolder({ ...rest, postgres: { ...postgres, origin: 'none' } });
    const validated = await walhook(['validate', '-c', folder.file]);
    expect(validated.code).toBe(2);
    expect(validated.stderr + validated.stdout).toContain('postgres.origin');
  });
});
