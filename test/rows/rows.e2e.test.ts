/** Webhooks kept as rows, through the built command on both queues: they fire from their place in the stream on. */
import { createHmac, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSql } from '../../src/setup/perform.ts';
import { configFolder, type Daemon, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createQueue, isQueueMissing, QUEUE_KINDS, type TestQueue } from '../helpers/queue.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

describe.each(QUEUE_KINDS)('webhooks kept as rows, with the queue on %s', { timeout: 240_000 }, (kind) => {
  const isSkipped = isQueueMissing(kind);
  let database: TestDatabase;
  let queue: TestQueue;
  let sink: Sink;
  let folder: Awaited<ReturnType<typeof configFolder>>;
  let config: Readonly<Record<string, unknown>>;
  let file: string;
  let daemons: Daemon[];

  beforeEach(async () => {
    if (isSkipped) return;
    daemons = [];
    database = await createDatabase();
    queue = await createQueue(kind);
    sink = await openSink();
    await database.client.query('create table orders (id bigint primary key, n int not null default 0)');
    config = {
      postgres: { url: database.url, slot: `slot_${randomBytes(5).toString('hex')}` },
      queue: queue.section,
      admin: false,
      addresses: { allow: [`127.0.0.1:${sink.port}`] },
      rows: { allow_hosts: ['127.0.0.1', '*.example.com'] },
      secrets: { ours: 'a secret' },
      webhooks: [{ name: 'of the file', models: ['orders'], events: ['created'], url: `${sink.url}file` }],
    };
    folder = await configFolder(config);
    file = folder.file;
    expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0, stderr: '' });
  });

  afterEach(async () => {
    if (isSkipped) return;
    for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
    await queue[Symbol.asyncDispose]();
  });

  function start(env: Readonly<Record<string, string>> = {}): Daemon {
    const daemon = startDaemon(['-c', file], { env });
    daemons.push(daemon);
    return daemon;
  }

  const run = (sql: string) => database.client.query(sql);
  const webhook = (name: string, more: Readonly<Record<string, string>> = {}) => {
    const values: Record<string, string> = {
      name: `'${name}'`,
      models: "'{orders}'",
      events: "'{created}'",
      url: `'${sink.url}${name.replaceAll(' ', '-')}'`,
      ...more,
    };
    return `insert into walhook.webhook (${Object.keys(values).join(', ')}) values (${Object.values(values).join(', ')});`;
  };
  const output = () => daemons.map((one) => one.output().slice(-4_000)).join('\n');
  const received = (path: string) => sink.received.filter((one) => one.path === `/${path}`);
  /** Keys of the rows that arrived at a path, in ascending order, each once. */
  const arrived = (path: string) => {
    const ids = received(path).map((one) => (JSON.parse(one.body) as { data: { id: number } }).data.id);
    return [...new Set(ids)].filter((id) => id < MARKERS).sort((a, b) => a - b);
  };
  const status = async () =>
    JSON.parse((await walhook(['status', '--json', '-c', folder.file])).stdout) as {
      webhooks: { waiting: number; active: number; delayed: number }[];
      rows: { name: string; in_force: boolean; problems: string[] }[];
    };
  /** Everything committed before has been captured, and nothing of it waits. */
  const untilThrough = async () => {
    const id = MARKERS + Math.floor(Math.random() * MARKERS);
    await run(`insert into orders values (${id})`);
    const hasCome = () => received('file').some((one) => one.body.includes(`"id":${id}`));
    await until(hasCome, { what: 'the marker', timeoutMs: 120_000 }).catch((error: unknown) => {
      throw new Error(`${String(error)}; ${output()}`);
    });
    const isDone = async () =>
      (await status()).webhooks.every((one) => one.waiting + one.active + one.delayed === 0);
    await until(isDone, { what: `nothing waits; ${output()}`, timeoutMs: 30_000 });
  };

  it.skipIf(isSkipped)('fire for what follows in the Transaction, not for what precedes', async () => {
    const daemon = start();
    await run(`begin; insert into orders values (1); ${webhook('a')} insert into orders values (2); commit;`);
    await run('insert into orders values (3)');
    await untilThrough();
    expect(arrived('a')).toEqual([2, 3]);
    await run(`begin; insert into orders values (4);
      update walhook.webhook set enabled = false; insert into orders values (5); commit;`);
    await run('insert into orders values (6)');
    await run('begin; update walhook.webhook set enabled = true; insert into orders values (7); commit;');
    await untilThrough();
    expect(arrived('a')).toEqual([2, 3, 4, 7]);
    await run(`begin; update walhook.webhook set events = '{deleted}', url = '${sink.url}b';
      insert into orders values (8); update walhook.webhook set events = '{created}'; insert into orders values (9); commit`);
    await untilThrough();
    expect({ a: arrived('a'), b: arrived('b') }).toEqual({ a: [2, 3, 4, 7], b: [9] });
    await run('begin; delete from walhook.webhook; insert into orders values (10); commit');
    await run('insert into orders values (11)');
    await untilThrough();
    expect({ a: arrived('a'), b: arrived('b') }).toEqual({ a: [2, 3, 4, 7], b: [9] });
    expect(arrived('file')).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
  });

  it.skipIf(isSkipped)(
    'are known after a restart, and what was written meanwhile is taken up in its place',
    async () => {
      const first = start();
      await run(webhook('a', { secret_name: "'ours'" }));
      await run('insert into orders values (1)');
      await untilThrough();
      first.kill('SIGKILL');
      await first.ended;
      await run(
        `insert into orders values (2); begin; insert into orders values (3); ${webhook('b')} commit;`,
      );
      await run(`delete from walhook.webhook where name = 'b'; insert into orders values (4)`);
      await run(`insert into orders values (5); ${webhook('c')} insert into orders values (6)`);
      start();
      await untilThrough();
      expect({ a: arrived('a'), c: arrived('c') }).toEqual({ a: [1, 2, 3, 4, 5, 6], c: [6] });
      await run('insert into orders values (7)');
      await until(() => arrived('c').includes(7));
      const [signed] = received('a');
      const hmac = createHmac('sha512', 'a secret')
        .update(signed?.body ?? '')
        .digest('hex');
      expect(signed?.headers['x-hook-signature']).toBe(hmac);
    },
  );

  it.skipIf(isSkipped)(
    'come to an installation from before, and those that setup finds are in force',
    async () => {
      await run('drop table walhook.webhook cascade');
      const daemon = start();
      await run('insert into orders values (1)');
      await untilThrough();
      // As somebody made it from what setup prints, and used it before it was published.
      await run(readSql('schema.sql'));
      await run(webhook('a'));
      await run('insert into orders values (2)');
      expect(await walhook(['setup', '-c', file])).toMatchObject({ code: 0, stderr: '' });
      await run('insert into orders values (3)');
      await untilThrough();
      expect({ a: arrived('a'), file: arrived('file') }).toEqual({ a: [3], file: [1, 2, 3] });
      daemon.kill('SIGTERM');
      expect(await daemon.ended).toBe(0);
    },
  );

  it.skipIf(isSkipped)('are not in force where they are invalid, and the rest goes on', async () => {
    start();
    await run(webhook('of the file'));
    await run(webhook('bad template', { body_template: "'{{ data.id'" }));
    await run(webhook('other host', { url: "'https://example.org/'" }));
    await run(webhook('no such secret', { secret_name: "'theirs'" }));
    await run(webhook('good'));
    await run('insert into orders values (1)');
    await untilThrough();
    expect({ good: arrived('good'), file: arrived('file') }).toEqual({ good: [1], file: [1] });
    expect((await status()).rows).toEqual([
      {
        name: 'bad template',
        enabled: true,
        in_force: false,
        problems: [expect.stringMatching(/^body_template/)],
      },
      { name: 'good', enabled: true, in_force: true, problems: [] },
      {
        name: 'no such secret',
        enabled: true,
        in_force: false,
        problems: [expect.stringMatching(/^secret_name/)],
      },
      { name: 'of the file', enabled: true, in_force: false, problems: [expect.stringMatching(/^name/)] },
      {
        name: 'other host',
        enabled: true,
        in_force: false,
        problems: [expect.stringMatching(/^url: .*example\.org/)],
      },
    ]);
    expect((await walhook(['status', '-c', folder.file])).stdout).toMatch(
      /INVALID\s+no such secret: secret_name/,
    );
    await run(
      `update walhook.webhook set body_template = '{"data": {"id": {{ data.id }}}}', url = '${sink.url}mended' where name = 'bad template'`,
    );
    await run('insert into orders values (2)');
    await untilThrough();
    expect(arrived('mended')).toEqual([2]);
  });

  it.skipIf(isSkipped).each([
    ['', {}],
    // mute() may be called last of all: Transactions are held back to their commit.
    [', Transactions held back', { context: [{ message: 'walhook', allow_mute: true }] }],
  ])(
    'fire for exactly what they were in force for, under load and whatever is killed%s',
    async (_what, more) => {
      await using other = await configFolder({ ...config, ...more });
      file = other.file;
      let daemon = start();
      const random = seeded(7);
      const expected = new Set<number>();
      const forbidden = new Set<number>();
      let isOn = true;
      let isThere = true;
      let next = 1;
      const insert = () => {
        const id = next++;
        (isOn ? expected : forbidden).add(id);
        return `insert into orders values (${id});`;
      };
      const change = () => {
        isOn = !isOn;
        // Switched by what it watches, or by being there at all.
        if (!isOn && random() < 0.5) {
          isThere = false;
          return "delete from walhook.webhook where name = 'switch';";
        }
        if (!isThere) {
          isThere = true;
          return webhook('switch');
        }
        return `update walhook.webhook set events = '{${isOn ? 'created' : 'deleted'}}' where name = 'switch';`;
      };
      await run(webhook('switch'));
      for (let round = 0; round < ROUNDS; round += 1) {
        const steps = Array.from({ length: 1 + Math.floor(random() * 8) }, () =>
          random() < 0.2 ? change() : insert(),
        );
        await run(`begin; ${steps.join(' ')} commit`);
        if (round % KILL_EVERY === KILL_EVERY - 1) {
          daemon.kill('SIGKILL');
          await daemon.ended;
          const failpoint = ['after_flush', 'inside_flush', 'after_response'][Math.floor(random() * 3)];
          daemon = start(
            round % 2 === 0 ? {} : { WALHOOK_FAILPOINT: `${failpoint}:${1 + Math.floor(random() * 20)}` },
          );
        }
      }
      if (!isOn) await run(change());
      daemon.kill('SIGKILL');
      await daemon.ended;
      start();
      await untilThrough();
      const found = new Set(arrived('switch'));
      expect([...expected].filter((id) => !found.has(id))).toEqual([]);
      expect([...forbidden].filter((id) => found.has(id))).toEqual([]);
      expect(forbidden.size).toBeGreaterThan(100);
    },
  );
});

/** Keys from here on mark that everything before has gone through. */
const MARKERS = 1_000_000;
const ROUNDS = 600;
const KILL_EVERY = 120;

/** mulberry32: the same numbers every time. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
