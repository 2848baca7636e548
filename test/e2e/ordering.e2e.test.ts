/** `ordering: row` from the row to the receiver, through changed keys, failures and a kill. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { configFolder, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase } from '../helpers/database.ts';
import { createQueue, isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { openSink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

interface Arrived {
  readonly id: string;
  readonly rows: readonly number[];
}

/** What should have gone before, of the same rows, and had not. */
function overtaken(arrived: readonly Arrived[]): string[] {
  const first = new Map<string, number>();
  arrived.forEach(({ id }, at) => {
    if (!first.has(id)) first.set(id, at);
  });
  return arrived.flatMap(({ id, rows }, at) =>
    arrived
      .filter((other) => other.id < id && other.rows.some((row) => rows.includes(row)))
      .filter((other) => (first.get(other.id) ?? 0) > at)
      .map((other) => `${id} before ${other.id}`),
  );
}

describe.each(QUEUE_KINDS)('with the queue on %s', (kind) => {
  it.skipIf(isQueueMissing(kind))('rows arrive in commit order, whatever their keys become', async () => {
    await using database = await createDatabase();
    await using queue = await createQueue(kind);
    await using sink = await openSink();
    await database.client.query(`
      create table thing (id bigint primary key, n int);
      alter table thing replica identity full;`);
    await using folder = await configFolder({
      environment: 'test',
      postgres: { url: database.url, slot: `slot_${randomBytes(5).toString('hex')}` },
      queue: queue.section,
      webhooks: [
        {
          name: 'w',
          models: ['thing'],
          events: ['created', 'updated', 'deleted'],
          url: sink.url,
          ordering: 'row',
          retry: { schedule: Array.from({ length: 20 }, () => '30ms') },
        },
      ],
    });
    expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0 });
    const arrived: Arrived[] = [];
    sink.answerWith((request, response) => {
      response.statusCode = Math.random() < 0.1 ? 500 : 200;
      const { prechange, postchange } = JSON.parse(request.body).snapshots;
      const rows = [prechange?.id, postchange?.id].filter((id): id is number => typeof id === 'number');
      if (response.statusCode === 200) arrived.push({ id: String(request.headers['webhook-id']), rows });
      response.end();
    });
    const start = () => startDaemon(['-c', folder.file]);
    await using first = start();
    for (let n = 0; n < 15; n += 1) {
      await database.client.query(`
        insert into thing select i, ${n} from generate_series(1, 10) i;
        update thing set n = n + 1;
        update thing set id = id + 100 where id % 2 = 0;
        update thing set n = n + 1;
        update thing set id = id - 101 where id > 100 and id - 101 not in (select id from thing);
        delete from thing;`);
      if (n === 8) first.kill('SIGKILL');
    }
    await first.ended;
    await using second = start();
    const expected = 15 * (10 + 10 + 5 + 10 + 10);
    const ids = () => new Set(arrived.map(({ id }) => id));
    await until(() => ids().size >= expected, { timeoutMs: 50_000, what: `${expected} Deliveries` });
    expect(ids().size).toBe(expected);
    expect(overtaken(arrived)).toEqual([]);
    second.kill('SIGTERM');
    expect(await second.ended).toBe(0);
  });
});
