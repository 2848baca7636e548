/** walhook.mute() on a real database, through the built command. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { configFolder, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase } from '../helpers/database.ts';
import { createQueue } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

/** Makes the changes and tells the names of the rows that arrived, in order of their ids, and what was counted. */
async function arrivedFrom(allowMute: boolean): Promise<{ names: string[]; counted: string[] }> {
  await using database = await createDatabase();
  await using queue = await createQueue('postgres');
  await using sink = await openSink();
  await database.client.query('create table thing (id int primary key, name text)');
  await using folder = await configFolder({
    environment: 'test',
    postgres: { url: database.url, slot: `slot_${randomBytes(5).toString('hex')}` },
    queue: queue.section,
    context: [{ message: 'walhook', allow_mute: allowMute }],
    limits: { lookahead: 100 },
    admin: { listen: '127.0.0.1:0', metrics: '127.0.0.1:0' },
    webhooks: [{ name: 'all', models: ['thing'], events: ['created'], url: sink.url }],
  });
  expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0 });
  await using daemon = startDaemon(['-c', folder.file]);
  const role = `plain_${randomBytes(4).toString('hex')}`;
  await database.client.query(`
    create role ${role}; grant insert on thing to ${role};
    begin; set local role ${role};
    insert into thing values (1, 'before the call'); select walhook.mute(); insert into thing values (2, 'after it');
    commit;
    begin;
    insert into thing values (3, 'call rolled back'); savepoint s; select walhook.mute(); rollback to s;
    commit;
    begin; select walhook.mute(); insert into thing select i, 'many' from generate_series(100, 400) as i; commit;
    begin; select pg_logical_emit_message(true, 'walhook', 'no JSON'); insert into thing values (4, 'another transaction'); commit;
    drop owned by ${role}; drop role ${role};`);
  type Body = { readonly data: { readonly id: number; readonly name: string } };
  const bodies = () => sink.events() as unknown as Body[];
  await until(() => bodies().some(({ data }) => data.id === 4), { what: daemon.output() });
  const byId = bodies().toSorted((a, b) => a.data.id - b.data.id);
  const url = String(daemon.log().find(({ msg }) => msg === 'metrics are served')?.['url']);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const counted = metrics.split('\n').filter((line) => line.startsWith('walhook_capture_context_total'));
  return {
    names: [...new Set(byId.map(({ data }) => data.name))],
    counted: counted.map((line) => line.replace(/.*outcome="(\w+)"\}/, '$1')).toSorted(),
  };
}

describe('walhook.mute()', () => {
  it('makes its own transaction fire nothing, before and after the call, where that is allowed', async () => {
    expect(await arrivedFrom(true)).toEqual({
      names: ['call rolled back', 'another transaction'],
      counted: ['malformed 1', 'muted 2', 'partial 1'],
    });
  });

  it('does nothing where it is not allowed', async () => {
    expect(await arrivedFrom(false)).toEqual({
      names: ['before the call', 'after it', 'call rolled back', 'another transaction', 'many'],
      counted: ['malformed 1', 'muted 0', 'partial 0'],
    });
  });
});
