/**
 * The metrics as Prometheus takes them: the text checked by promtool where there is one (and by the rules that
 * it goes by where there is none), and every query of the dashboard and the alerts over what a daemon serves
 * that has captured, delivered, retried and failed.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { configFolder, type Daemon, startDaemon, walhook } from '../helpers/command.ts';
import { queriesOfDashboard, queriesOfRules, RULES, variablesOfDashboard } from '../helpers/dashboard.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createQueue, type TestQueue } from '../helpers/queue.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

const promtool = spawnSync('promtool', ['--version']).status === 0;
const prometheus = spawnSync('prometheus', ['--version']).status === 0;

let database: TestDatabase;
let queue: TestQueue;
let sink: Sink;
let daemon: Daemon;
let folder: Awaited<ReturnType<typeof configFolder>>;
let text = '';
let metricsUrl = '';

beforeAll(async () => {
  database = await createDatabase();
  queue = await createQueue('postgres');
  sink = await openSink();
  await database.client.query('create table t (id int primary key, note text)');
  folder = await configFolder({
    environment: 'test',
    postgres: { url: database.url, slot: `slot_${randomBytes(5).toString('hex')}`, wal_budget: '1GiB' },
    queue: queue.section,
    admin: { listen: '127.0.0.1:0', metrics: '127.0.0.1:0' },
    webhooks: [
      { name: 'well', models: ['t'], events: ['created'], url: `${sink.url}well` },
      { name: 'ill', models: ['t'], events: ['created'], url: `${sink.url}ill`, retry: { schedule: [] } },
      {
        name: 'undecided',
        models: ['t'],
        events: ['created'],
        url: sink.url,
        conditions: { attr: 'nothing.at.all', value: 1 },
      },
    ],
  });
  expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0, stderr: '' });
  sink.answerWith((request, response) => {
    response.statusCode = request.path === '/ill' ? 500 : 200;
    response.end();
  });
  daemon = startDaemon(['-c', folder.file]);
  await daemon.untilLogged('capturing');
  await daemon.untilLogged('metrics are served');
  const url = String(daemon.log().find(({ msg }) => msg === 'metrics are served')?.['url']);
  metricsUrl = url;
  await database.client.query("insert into t values (1, 'a'), (2, 'b')");
  text = await until(
    async () => {
      const now = await (await fetch(`${url}/metrics`)).text();
      const isComplete =
        /walhook_deliver_attempts_total\{webhook="ill",outcome="failed"\} [1-9]/.test(now) &&
        /walhook_queue_depth\{webhook="ill",state="failed"\} [1-9]/.test(now) &&
        /walhook_match_events_total\{webhook="undecided",outcome="failed"\} [1-9]/.test(now) &&
        /walhook_slot_budget_bytes [1-9]/.test(now);
      return isComplete && now;
    },
    { timeoutMs: 30_000, what: `all metrics of ${daemon.output()}` },
  );
}, 90_000);

afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  await sink[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  await queue[Symbol.asyncDispose]();
});

interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

function seriesOf(exposition: string): Series[] {
  return exposition.split('\n').flatMap((line) => {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match === null) return [];
    const labels = [...(match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
    return [
      {
        name: match[1] ?? '',
        labels: Object.fromEntries(labels.map(([, key, value]) => [key, value ?? ''])),
      },
    ];
  });
}

/** Every selector of an expression: a metric with what its labels are to be. */
function selectorsOf(expression: string): { name: string; labels: string[][] }[] {
  return [...expression.matchAll(/(walhook_\w+|process_\w+|nodejs_\w+)(?:\{([^}]*)\})?/g)].map(
    ([, name, inner]) => ({
      name: name ?? '',
      labels: [...(inner ?? '').matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].map((one) => one.slice(1, 4)),
    }),
  );
}

function holds(series: Series, [label = '', operator = '', value = '']: readonly string[]): boolean {
  const found = series.labels[label] ?? '';
  // What the dashboard's variables stand for is chosen by who looks.
  const pattern = new RegExp(`^(?:${value.replace(/\$\{?\w+(?::\w+)?\}?/g, '.*')})$`);
  if (operator === '=') return value.startsWith('$') ? label in series.labels : found === value;
  if (operator === '!=') return found !== value;
  return pattern.test(found) === (operator === '=~');
}

describe('what a daemon tells Prometheus', () => {
  it.skipIf(!promtool)('is taken by promtool without a complaint', () => {
    // Throws on a finding, and says which.
    expect(execFileSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })).toBe('');
  });

  it('follows the rules that promtool goes by', () => {
    const kinds = new Map(
      [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => [name ?? '', kind]),
    );
    const help = new Map(
      [...text.matchAll(/^# HELP (\S+) (.+)$/gm)].map(([, name, said]) => [name ?? '', said]),
    );
    expect(kinds.size).toBeGreaterThan(10);
    for (const { name, labels } of seriesOf(text)) {
      const family = kinds.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
      const kind = kinds.get(family);
      expect(help.get(family), name).toBeDefined();
      expect(family, name).toMatch(/^[a-z][a-z0-9_]*$/);
      expect(family, name).not.toMatch(/_(ms|milliseconds|minutes|hours|kb|mb|percent)(_|$)/);
      expect(family.endsWith('_total'), name).toBe(kind === 'counter');
      if (kind !== 'histogram') expect(name, name).not.toMatch(/_(bucket|sum|count)$/);
      expect(
        Object.keys(labels).filter((label) => !/^[a-z_]+$/.test(label)),
        name,
      ).toEqual([]);
      if (kind !== 'histogram') expect(labels, name).not.toHaveProperty('le');
    }
  });

  it('answers every query of the dashboard and of the alerts', () => {
    const series = seriesOf(text);
    const queries = [...queriesOfDashboard(), ...variablesOfDashboard(), ...queriesOfRules()];
    expect(queries.length).toBeGreaterThan(20);
    const unanswered = queries.flatMap((query) =>
      selectorsOf(query)
        .filter(
          ({ name, labels }) =>
            !series.some((one) => one.name === name && labels.every((label) => holds(one, label))),
        )
        .map((selector) => ({ query, selector })),
    );
    expect(unanswered).toEqual([]);
  });

  it('groups by labels that are there', () => {
    const labels = new Set(seriesOf(text).flatMap((one) => Object.keys(one.labels)));
    for (const query of [...queriesOfDashboard(), ...variablesOfDashboard(), ...queriesOfRules()]) {
      for (const [, list] of query.matchAll(/\b(?:by|on|without|group_left|group_right)\s*\(([^)]*)\)/g)) {
        for (const label of (list ?? '')
          .split(',')
          .map((one) => one.trim())
          .filter((one) => one !== '')) {
          expect(['instance', 'job', ...labels], query).toContain(label);
        }
      }
    }
  });

  it('is shown by the dashboard metric by metric', () => {
    const shown = queriesOfDashboard().join('\n');
    const names = [...text.matchAll(/^# TYPE (walhook_\w+) /gm)].map(([, name]) => name ?? '');
    expect(names.filter((name) => !shown.includes(name))).toEqual([]);
  });

  it.skipIf(!promtool)('is alerted on by rules that promtool takes', () => {
    const said = execFileSync('promtool', ['check', 'rules', RULES.pathname], { encoding: 'utf8' });
    expect(said).toMatch(/SUCCESS: \d+ rules found/);
  });

  it.skipIf(!prometheus)(
    'has data for every query of the dashboard in a Prometheus that scrapes it',
    async () => {
      await using scratch = await configFolder({
        global: { scrape_interval: '1s' },
        scrape_configs: [{ job_name: 'walhook', static_configs: [{ targets: [new URL(metricsUrl).host] }] }],
      });
      const port = await freePort();
      const server = spawn(
        'prometheus',
        [
          `--config.file=${scratch.file}`,
          `--storage.tsdb.path=${scratch.path}/data`,
          `--web.listen-address=127.0.0.1:${port}`,
        ],
        { stdio: 'ignore' },
      );
      const ended = once(server, 'close');
      try {
        const ask = async (query: string): Promise<number> => {
          const search = new URLSearchParams({ query });
          const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?${search}`).catch(() => null);
          if (answer === null || answer.status === 503) return 0;
          const said = (await answer.json()) as { status: string; data?: { result: unknown[] } };
          expect({ query, status: said.status }).toEqual({ query, status: 'success' });
          return said.data?.result.length ?? 0;
        };
        // A rate takes two scrapes.
        await until(async () => (await ask('count_over_time(walhook_leader[1m]) > 3')) > 0, {
          timeoutMs: 30_000,
        });
        const queries = queriesOfDashboard().map((query) =>
          query.replaceAll('$__rate_interval', '1m').replaceAll('$webhook', '.*'),
        );
        for (const query of queries)
          expect({ query, hasData: (await ask(query)) > 0 }).toEqual({ query, hasData: true });
        for (const query of queriesOfRules()) await ask(query);
      } finally {
        server.kill('SIGKILL');
        await ended;
      }
    },
  );
});
