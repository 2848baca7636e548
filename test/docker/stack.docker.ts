/** docker-compose.yml from a clean clone: it comes up, webhooks arrive, and nothing stays. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { until } from '../helpers/until.ts';
import { call, cleanClone, composes, docker, type Folder, fact, uniqueName, works } from './docker.ts';

const TOKEN = 'walhook-on-my-machine';
const isDocker = works('docker', 'info');
const COMPOSES = isDocker ? composes().map((words) => ({ words, name: words.join(' ') })) : [];

describe.skipIf(COMPOSES.length > 0)('a stack', () => {
  it.skip('is not tried: there is neither `docker compose` nor `docker-compose`', () => undefined);
});

describe.each(COMPOSES)('the stack of $name, from a clean clone', ({ words, name }) => {
  const project = uniqueName();
  let clone: Folder;
  let env: Record<string, string>;
  let url: string;
  let healthyAfterMs = 0;

  const compose = async (...args: string[]) =>
    (await call([...words, ...args], { cwd: clone.path, env })).stdout;
  const psql = (sql: string) => compose('exec', '-T', 'db', 'psql', '-U', 'postgres', 'app', '-c', sql);
  const received = () => compose('logs', '--no-color', 'receiver');
  const ask = async (path: string) => {
    const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${TOKEN}` } });
    return await answer.text();
  };

  beforeAll(async () => {
    clone = await cleanClone();
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    env = { COMPOSE_PROJECT_NAME: project, WALHOOK_PORT: String(port) };
    await compose('build');
    const startedMs = Date.now();
    await compose('up', '-d');
    await until(async () => (await states('walhook'))[0] === 'healthy', { timeoutMs: 60_000 });
    healthyAfterMs = Date.now() - startedMs;
    fact(`${name}: healthy ${(healthyAfterMs / 1_000).toFixed(1)} s after \`up\``);
  });

  const states = async (service: string) => {
    const ids = (await compose('ps', '-q', service)).trim().split('\n').filter(Boolean);
    return await Promise.all(ids.map((id) => docker('inspect', '-f', '{{.State.Health.Status}}', id)));
  };

  afterAll(async () => {
    await compose('down', '-v').catch(() => undefined);
    await clone?.[Symbol.asyncDispose]();
  });

  it('is healthy within a minute', () => {
    expect(healthyAfterMs).toBeGreaterThan(0);
    expect(healthyAfterMs).toBeLessThanOrEqual(60_000);
  });

  it('brings a row that psql inserts to the receiver and to the page', async () => {
    await psql(
      "begin; set local walhook.username = 'grace'; insert into extras_tag (name, slug) values ('By hand', 'by-hand'); commit",
    );
    const startedMs = Date.now();
    const line = await until(
      async () => (await received()).split('\n').find((one) => one.includes('by-hand')),
      {
        timeoutMs: 20_000,
      },
    );
    fact(`${name}: at the receiver ${Date.now() - startedMs} ms after psql returned, by its log`);
    expect(line).toContain('"event":"created"');
    expect(line).toContain('"username":"grace"');
    expect(await received()).toContain('webhook-signature valid');
    await until(async () =>
      (await ask('/api/deliveries?model=extras_tag&state=delivered')).includes('"delivered"'),
    );
    expect(await ask('/deliveries?model=extras_tag')).toContain('extras_tag');
  });

  it('has something to show without a hand: the app changes rows', async () => {
    await until(async () => /"username":"(alice|bob)"/.test(await received()), { timeoutMs: 40_000 });
  });

  it('takes a table of its user, by the words of the README', async () => {
    await psql('create table orders (id int primary key, status text)');
    await compose('run', '--rm', 'setup');
    await psql("insert into orders values (1, 'new')");
    await until(async () => (await received()).includes('"model":"orders"'), { timeoutMs: 20_000 });
  });

  it('leaves nothing after `down -v`', async () => {
    await compose('down', '-v');
    const label = `label=com.docker.compose.project=${project}`;
    expect(await docker('ps', '-aq', '--filter', label)).toBe('');
    expect(await docker('volume', 'ls', '-q', '--filter', label)).toBe('');
    expect(await docker('network', 'ls', '-q', '--filter', label)).toBe('');
    fact(`${name}: no container, volume or network is left`);
  });
});
