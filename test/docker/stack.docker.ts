/** docker-compose.yml from a clean clone: it comes up, webhooks arrive, and nothing stays. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { commandsOf, shellBlock } from '../docs/shellBlocks.ts';
import { queriesOfDashboard, queriesOfRules } from '../helpers/dashboard.ts';
import { until } from '../helpers/until.ts';
import { call, cleanClone, composes, docker, type Folder, fact, uniqueName, works } from './docker.ts';

const TOKEN = 'walhook-on-my-machine';
const isDocker = works('docker', 'info');
const PROMETHEUS = /image: (prom\/\S+)/.exec(
  readFileSync(new URL('../../docker-compose.yml', import.meta.url), 'utf8'),
)?.[1];
const isPrometheus =
  isDocker &&
  PROMETHEUS !== undefined &&
  (works('docker', 'image', 'inspect', PROMETHEUS) || works('docker', 'pull', '-q', PROMETHEUS));
const COMPOSES = isDocker ? composes().map((words) => ({ words, name: words.join(' ') })) : [];

/** What Prometheus answers, as far as it is read here. */
interface PrometheusAnswer {
  readonly status: string;
  readonly data: {
    readonly result?: readonly unknown[];
    readonly version?: string;
    readonly groups?: readonly { readonly rules: readonly { readonly health: string }[] }[];
  };
}

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
  /** A command as it is written, at a terminal of its own. */
  const asReader = (command: string) =>
    call(['script', '-qec', command.replace(/^docker compose/, name), '/dev/null'], { cwd: clone.path, env });
  const received = () => compose('logs', '--no-color', 'receiver');
  const ask = async (path: string) => {
    const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${TOKEN}` } });
    return await answer.text();
  };

  beforeAll(async () => {
    clone = await cleanClone();
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    env = {
      COMPOSE_PROJECT_NAME: project,
      WALHOOK_PORT: String(port),
      PROMETHEUS_PORT: String(await freePort()),
    };
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
    await compose('--profile', 'monitoring', 'down', '-v').catch(() => undefined);
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
    for (const command of commandsOf(shellBlock('README.md', 'docker compose run --rm setup')))
      await asReader(command);
    await until(async () => (await received()).includes('"model":"orders"'), { timeoutMs: 20_000 });
  });

  it('changes a row by the command at the head of its file', async () => {
    const [command = ''] =
      readFileSync(`${clone.path}/docker-compose.yml`, 'utf8').match(/docker compose exec .*/) ?? [];
    await asReader(command);
    await until(async () => (await received()).includes('"color":"00ff00"'), { timeoutMs: 20_000 });
  });

  it.skipIf(!isPrometheus)(
    'is scraped by its profile monitoring: each query of the dashboard has data',
    async () => {
      await compose('--profile', 'monitoring', 'up', '-d', 'prometheus');
      const ask = async (path: string): Promise<PrometheusAnswer | null> => {
        const answer = await fetch(`http://127.0.0.1:${env['PROMETHEUS_PORT']}/api/v1/${path}`).catch(
          () => null,
        );
        return answer === null || answer.status === 503 ? null : ((await answer.json()) as PrometheusAnswer);
      };
      const resultsOf = async (query: string): Promise<number> => {
        const answer = await ask(`query?${new URLSearchParams({ query })}`);
        if (answer !== null) expect({ query, status: answer.status }).toEqual({ query, status: 'success' });
        return answer?.data.result?.length ?? 0;
      };
      // The daemon of the stack, and no other: by the name and port that the stack's own file has.
      await until(async () => (await resultsOf('count_over_time(up{instance="walhook:9464"}[1m]) > 3')) > 0, {
        timeoutMs: 90_000,
      });
      fact(`${name}: scraped by Prometheus ${(await ask('status/buildinfo'))?.data.version}`);
      // No condition fails in the stack: the query that counts those is answered in test/observe.
      const queries = queriesOfDashboard()
        .filter((query) => !query.includes('outcome="failed"'))
        .map((query) => query.replaceAll('$__rate_interval', '1m').replaceAll('$webhook', '.*'));
      for (const query of queries)
        await until(async () => (await resultsOf(query)) > 0, {
          timeoutMs: 30_000,
          what: `data for ${query}`,
        });
      for (const query of queriesOfRules()) await resultsOf(query);
      const rules = (await ask('rules'))?.data.groups?.flatMap((group) => group.rules) ?? [];
      expect(rules.map(({ health }) => health)).toEqual(queriesOfRules().map(() => 'ok'));
      fact(
        `${name}: ${queries.length} queries of the dashboard have data, ${rules.length} rules are evaluated`,
      );
    },
  );

  it('leaves nothing after `down -v`', async () => {
    await compose('--profile', 'monitoring', 'down', '-v');
    const label = `label=com.docker.compose.project=${project}`;
    expect(await docker('ps', '-aq', '--filter', label)).toBe('');
    expect(await docker('volume', 'ls', '-q', '--filter', label)).toBe('');
    expect(await docker('network', 'ls', '-q', '--filter', label)).toBe('');
    fact(`${name}: no container, volume or network is left`);
  });
});
