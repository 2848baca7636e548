/** A container that is stopped under load: within its grace period, and without loss. */
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandsOf, replaced, shellBlock } from '../docs/shellBlocks.ts';
import { until } from '../helpers/until.ts';
import { call, cleanClone, docker, fact, uniqueName, works } from './docker.ts';

/** Rows inserted while the container is stopped and started again. */
const ROWS = 6_000;
const GRACE_SECONDS = 30;
const RIGHTS = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];

const CONFIG = `
environment: docker
postgres: {url: "postgres://postgres:postgres@db/app"}
queue: {url: "redis://queue"}
webhooks:
  - {name: orders, models: [orders], events: [created], url: "http://receiver:9000/", concurrency: 32}
`;

describe.skipIf(!works('docker', 'info'))('a container under load', () => {
  const name = uniqueName();
  const tag = `${name}:test`;
  const at = (part: string) => `${name}-${part}`;

  /** Starts a container on the network of this test, known there by its part. */
  const start = (part: string, options: readonly string[], image: string, ...command: string[]) =>
    docker(
      'run',
      '-d',
      '--name',
      at(part),
      '--network',
      name,
      '--network-alias',
      part,
      ...options,
      image,
      ...command,
    );
  const psql = (sql: string) => docker('exec', at('db'), 'psql', '-U', 'postgres', '-d', 'app', '-Atc', sql);

  beforeAll(async () => {
    await using clone = await cleanClone();
    await call(['docker', 'build', '-q', '--network', 'host', '-t', tag, '.'], { cwd: clone.path });
    await docker('network', 'create', name);
    await docker('volume', 'create', name);
    // The configuration stands on a volume: a daemon of Docker's that is elsewhere sees no file of ours.
    await docker(
      'run',
      '--rm',
      '-u',
      '0',
      '-v',
      `${name}:/etc/walhook`,
      '--entrypoint',
      'sh',
      tag,
      '-c',
      `cat > /etc/walhook/walhook.yaml <<'END'${CONFIG}END`,
    );
    await start(
      'db',
      ['-e', 'POSTGRES_PASSWORD=postgres', '-e', 'POSTGRES_DB=app'],
      'postgres:17',
      'postgres',
      '-c',
      'wal_level=logical',
    );
    await start('queue', [], 'valkey/valkey:8', 'valkey-server', '--appendonly', 'yes');
    await start(
      'receiver',
      RIGHTS,
      tag,
      'receiver',
      '--host',
      '0.0.0.0',
      '--port',
      '9000',
      '--delay',
      '30ms',
    );
    const isUp = () =>
      docker('exec', at('db'), 'pg_isready', '-h', '127.0.0.1', '-U', 'postgres', '-d', 'app').then(
        () => true,
        () => false,
      );
    await until(isUp, { timeoutMs: 60_000 });
    await psql('create table orders (id int primary key)');
    await docker('run', '--rm', '--network', name, ...RIGHTS, '-v', `${name}:/etc/walhook:ro`, tag, 'setup');
    await start(
      'walhook',
      [...RIGHTS, '-v', `${name}:/etc/walhook:ro`, '--stop-timeout', String(GRACE_SECONDS)],
      tag,
    );
  });

  afterAll(async () => {
    for (const part of ['walhook', 'receiver', 'queue', 'db'])
      await docker('rm', '-fv', at(part)).catch(() => undefined);
    await docker('volume', 'rm', name).catch(() => undefined);
    await docker('network', 'rm', name).catch(() => undefined);
    await docker('image', 'rm', '-f', tag).catch(() => undefined);
  });

  it('is built, started and asked for its health by the lines of docs/operating.md', async () => {
    await using clone = await cleanClone();
    const [build = '', run = ''] = commandsOf(shellBlock('docs/operating.md', 'docker run --read-only'));
    expect(await readFile(`${clone.path}/package.json`, 'utf8')).toContain(
      `"version": "${/walhook:(\S+)/.exec(build)?.[1]}"`,
    );
    const documented = `${name}:documented`;
    const image = { 'walhook:0.1.0': documented };
    // Where the builder has no network of its own, npm reaches its registry as this machine does.
    await call(['sh', '-c', replaced(build, { ...image, 'docker build': 'docker build --network host' })], {
      cwd: clone.path,
    });
    await writeFile(
      `${clone.path}/walhook.yaml`,
      // The environment of the daemon beside which it stands by.
      `environment: docker
postgres: {url: "\${DATABASE_URL}"}
queue: {url: "\${QUEUE_URL}"}
admin: {listen: "127.0.0.1:8081", metrics: "127.0.0.1:9464"}
webhooks:
  - {name: orders, models: [orders], events: [created], url: "http://receiver:9000/"}
`,
    );
    const env = { DATABASE_URL: 'postgres://postgres:postgres@db/app', QUEUE_URL: 'redis://queue' };
    const started = replaced(run, {
      ...image,
      'docker run': `docker run -d --name ${at('documented')} --network ${name}`,
    });
    try {
      await call(['sh', '-c', started], { cwd: clone.path, env });
      const health = () => docker('inspect', '-f', '{{.State.Health.Status}}', at('documented'));
      await until(async () => (await health()) === 'healthy', { timeoutMs: 60_000 });
      await docker('stop', at('documented'));
      expect(await docker('inspect', '-f', '{{.State.ExitCode}}', at('documented'))).toBe('0');
    } finally {
      await docker('rm', '-fv', at('documented')).catch(() => undefined);
      await docker('image', 'rm', '-f', documented).catch(() => undefined);
    }
  });

  it('stops within its grace period, twice, and loses nothing', async () => {
    const written = psql(
      `do $$ begin for i in 1..${ROWS} loop insert into orders values (i); commit; if i % 20 = 0 then perform pg_sleep(0.02); end if; end loop; end $$`,
    );
    for (const share of [0.1, 0.4]) {
      await until(async () => (await arrivals()).length >= ROWS * share, { timeoutMs: 120_000 });
      const startedMs = Date.now();
      await docker('stop', at('walhook'));
      const tookMs = Date.now() - startedMs;
      const code = await docker('inspect', '-f', '{{.State.ExitCode}}', at('walhook'));
      fact(
        `stopped in ${(tookMs / 1_000).toFixed(1)} s, exit code ${code}, after ${(await arrivals()).length} requests`,
      );
      // 137 is SIGKILL, which Docker sends when the grace period is over.
      expect(code).toBe('0');
      expect(tookMs).toBeLessThan(GRACE_SECONDS * 1_000);
      await docker('start', at('walhook'));
    }
    await written;
    const ids = () => arrivals().then((all) => new Set(all.map(({ row }) => row)));
    await until(async () => (await ids()).size >= ROWS, {
      timeoutMs: 240_000,
      what: 'every row at the receiver',
    });
    const all = await arrivals();
    const deliveries = new Set(all.map(({ id }) => id));
    fact(
      `${ROWS} rows committed, ${deliveries.size} webhook-ids, ${all.length} requests: 0 lost, ${all.length - deliveries.size} repeated`,
    );
    expect((await ids()).size).toBe(ROWS);
    expect(deliveries.size).toBe(ROWS);
  });

  /** What the receiver has printed of each request: the row's id and the webhook-id. */
  async function arrivals(): Promise<{ row: number; id: string }[]> {
    const log = await docker('logs', at('receiver'));
    const found = log.matchAll(/^webhook-id: (\S+)$[\s\S]*?"data":\{"id":(\d+)/gm);
    return Array.from(found, ([, id = '', row]) => ({ row: Number(row), id }));
  }
});
