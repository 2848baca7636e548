/** The demo as its README has it, through the built command: everything embedded, in a folder of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { walhook } from '../helpers/command.ts';
import { until } from '../helpers/until.ts';

const MAIN = new URL('../../dist/main.js', import.meta.url).pathname;
const README = new URL('../../README.md', import.meta.url);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'walhook-demo-test-'));
  // A PostgreSQL does not run as root: the demo then takes another user.
  await chmod(folder, 0o777);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('walhook demo', () => {
  it('with --once shows a round: each SQL, and each webhook of it as a line of JSON', async () => {
    const { code, stdout } = await walhook(['demo', '--once'], { env: { TMPDIR: folder } });
    expect(code).toBe(0);
    const lines = stdout.split('\n').filter((line) => line !== '');
    const events = lines.flatMap((line) => (line.startsWith('{') ? [JSON.parse(line).event as string] : []));
    expect(lines.length - events.length).toBe(lines.filter((line) => line.startsWith('-- ')).length);
    expect(new Set(events)).toEqual(new Set(['created', 'updated', 'deleted']));
  });

  it('goes on, and takes the SQL that the README names from another shell', async () => {
    const sql = /npm run demo -- --sql "([^"]+)"/.exec(await readFile(README, 'utf8'))?.[1] ?? '';
    const demo = spawn(process.execPath, [MAIN, 'demo'], { env: { ...process.env, TMPDIR: folder } });
    const ended = once(demo, 'close');
    let output = '';
    for (const stream of [demo.stdout, demo.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString('utf8');
      });
    }
    try {
      await until(() => output.includes('The demo goes on'), { what: 'the demo', timeoutMs: 60_000 });
      const done = await walhook(['demo', '--sql', sql], { env: { TMPDIR: folder, USER: 'somebody' } });
      expect(done).toMatchObject({ code: 0, stdout: expect.stringMatching(/^UPDATE [1-9]/) });
      await until(() => /^\{"event":"updated".*"username":"somebody"/m.test(output), { what: 'its webhook' });
    } finally {
      demo.kill('SIGINT');
      await ended;
    }
  });
});
