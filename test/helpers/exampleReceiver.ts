/** A receiver of examples/receivers, run as its reader would, and webhooks sent to it by the daemon. */
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { expect } from 'vitest';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { configFolder, startDaemon, walhook } from './command.ts';
import { createDatabase } from './database.ts';
import { until } from './until.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

export interface ReceiverProcess {
  /** Its own file, in a folder where its imports resolve. */
  readonly file: string;
  readonly cwd: string;
}

/**
 * Expects that the receiver takes what walhook sends, once, and refuses what was altered, is old, or is not
 * signed.
 */
export async function expectReceives({ file, cwd }: ReceiverProcess): Promise<void> {
  const port = await freePort();
  const child = spawn(process.execPath, [file], {
    cwd,
    env: { PATH: process.env['PATH'], PORT: String(port), WEBHOOK_SECRET: SECRET },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString('utf8');
  });
  try {
    const url = `http://localhost:${port}/hook`;
    await until(() =>
      fetch(url, { method: 'POST', body: '{}' }).then(
        ({ status }) => status === 401,
        () => false,
      ),
    );
    await sendOne(url, () => printed.includes('updated orders by grace\n'));
    await expectVerifies(url, () => printed);
  } finally {
    if (child.exitCode === null) {
      const ended = once(child, 'close');
      child.kill('SIGKILL');
      await ended;
    }
  }
}

/** One update of a row, through slot and queue. */
async function sendOne(url: string, hasArrived: () => boolean): Promise<void> {
  await using database = await createDatabase();
  await using queue = await createDatabase();
  await database.client.query(
    "create table orders (id int primary key, note text); insert into orders values (1, 'é 🐘')",
  );
  await using folder = await configFolder({
    postgres: { url: database.url },
    queue: { url: queue.url },
    admin: false,
    webhooks: [{ name: 'orders', models: ['orders'], events: ['updated'], url, secret: SECRET }],
  });
  const env = { WALHOOK_CONFIG: folder.file };
  expect(await walhook(['setup'], { env })).toMatchObject({ code: 0 });
  await using daemon = startDaemon([], { env });
  await database.client.query(
    "begin; select walhook.set_context('grace', 'r1'); update orders set note = '→'; commit",
  );
  await until(hasArrived, {
    timeoutMs: 60_000,
    what: `the webhook at the receiver; so far:\n${daemon.output()}`,
  });
}

/** Requests made by hand, by the words of Standard Webhooks. */
async function expectVerifies(url: string, printed: () => string): Promise<void> {
  const body = '{"event":"created","model":"by-hand","username":"x"}';
  const now = Math.floor(Date.now() / 1_000);
  const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
  const send = async (id: string, seconds: number, sent = body): Promise<number> => {
    const signature = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64');
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': String(seconds),
      'webhook-signature': `v1,${signature}`,
    };
    return (await fetch(url, { method: 'POST', headers, body: sent })).status;
  };
  expect(await send('a', now)).toBe(204);
  expect(await send('a', now), 'a redelivery is answered 2xx').toBe(204);
  expect(printed().match(/created by-hand/g), 'and handled once').toHaveLength(1);
  expect(await send('b', now, body.replace('x', 'y')), 'altered').toBe(401);
  expect(await send('c', now - 3_600), 'an hour old').toBe(401);
}
