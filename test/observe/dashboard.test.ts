/**
 * The dashboard and what hands it to Grafana, as far as can be told without one: by what Grafana asks of a
 * dashboard, by promtool, and by the files of the stack that belong together.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { configFolder } from '../helpers/command.ts';
import { readDashboard, variablesOfDashboard } from '../helpers/dashboard.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const isPromtool = spawnSync('promtool', ['--version']).status === 0;

const dashboard = readDashboard();
const panels = dashboard.panels.map((panel) => ({ title: panel.title, panel }));
const shown = panels.filter(({ panel }) => panel.type !== 'row');
const targets = shown.flatMap(({ title, panel }) =>
  (panel.targets ?? []).map((target) => ({ title, ...target })),
);
const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, { volumes?: string[]; environment?: Record<string, string> }>;
};
/** Paths of the stack's Grafana, each with the file of this project that stands there. */
const mounted = (services['grafana']?.volumes ?? []).map((one) => {
  const [file = '', path = ''] = one.split(':');
  return { file, path };
});
const { datasources } = parse(read('examples/grafana/provisioning/datasources/prometheus.yaml')) as {
  datasources: { uid: string; type: string; url: string; isDefault: boolean }[];
};
const { providers } = parse(read('examples/grafana/provisioning/dashboards/walhook.yaml')) as {
  providers: { name: string; type: string; options: { path: string } }[];
};

describe('the dashboard', () => {
  it('has the keys by which Grafana finds and migrates it', () => {
    expect(dashboard).toMatchObject({ uid: 'walhook', title: 'walhook' });
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(36);
    // Grafana gives the id; one that is written would be another dashboard's.
    expect(dashboard).not.toHaveProperty('id');
    expect(dashboard).not.toHaveProperty('__inputs');
  });

  it('has panels of distinct ids and titles', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(dashboard.panels.map(({ title }) => title)).size).toBe(ids.length);
  });

  it('lays its panels beside each other, within its 24 columns', () => {
    const taken = new Map<string, string>();
    for (const { title, gridPos } of dashboard.panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.get(`${x} ${y}`), title).toBeUndefined();
          taken.set(`${x} ${y}`, title);
        }
    }
  });

  it.each(panels)('$title is of a kind that Grafana brings along', ({ panel }) => {
    expect(['row', 'stat', 'gauge', 'timeseries']).toContain(panel.type);
  });

  it.each(shown)('$title asks the chosen data source, each query under a letter of its own', ({ panel }) => {
    expect(panel.datasource).toEqual({ type: 'prometheus', uid: '${datasource}' });
    const refIds = (panel.targets ?? []).map(({ refId }) => refId);
    expect(refIds.length).toBeGreaterThan(0);
    expect(new Set(refIds).size).toBe(refIds.length);
  });

  it('has every variable that its queries and data sources name', () => {
    const known = dashboard.templating.list.map(({ name }) => name);
    const named = JSON.stringify([dashboard.panels, dashboard.templating]).matchAll(/\$\{?([a-z]\w*)/g);
    expect(Array.from(named, ([, name]) => name).filter((name) => !known.includes(name ?? ''))).toEqual([]);
    expect(dashboard.templating.list.find(({ name }) => name === 'datasource')).toMatchObject({
      type: 'datasource',
      query: 'prometheus',
    });
    for (const query of variablesOfDashboard()) expect(query).toMatch(/^label_values\(walhook_\w+, \w+\)$/);
  });

  it.each(targets)('$title: the legend of $expr names labels that are left', ({
    expr,
    legendFormat = '',
  }) => {
    const left =
      /\bby \(([^)]*)\)/
        .exec(expr)?.[1]
        ?.split(',')
        .map((label) => label.trim()) ?? [];
    const named = Array.from(legendFormat.matchAll(/\{\{(\w+)\}\}/g), ([, label]) => label);
    expect(named.filter((label) => !left.includes(label ?? ''))).toEqual([]);
  });

  it.skipIf(!isPromtool)('has queries that Prometheus parses', async () => {
    const rules = targets.map(({ expr }, at) => ({
      record: `panel:${at}`,
      expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$webhook', '.*'),
    }));
    await using folder = await configFolder(stringify({ groups: [{ name: 'panels', rules }] }));
    const said = execFileSync('promtool', ['check', 'rules', folder.file], { encoding: 'utf8' });
    expect(said).toContain(`${targets.length} rules found`);
  });
});

describe('the stack', () => {
  it('hands Grafana a data source that leads to its own Prometheus, under the kind that the dashboard asks for', () => {
    expect(datasources).toEqual([
      expect.objectContaining({ type: 'prometheus', uid: 'prometheus', isDefault: true, access: 'proxy' }),
    ]);
    const { hostname, port } = new URL(datasources[0]?.url ?? '');
    expect(Object.keys(services)).toContain(hostname);
    expect(port).toBe('9090');
  });

  it('hands it the folder in which the dashboard stands, and opens with it', () => {
    const at = mounted.find(({ file }) => file === './examples/grafana/dashboard.json')?.path ?? '';
    expect(providers).toEqual([
      { name: 'walhook', type: 'file', options: { path: at.replace(/\/[^/]*$/, '') } },
    ]);
    expect(services['grafana']?.environment).toMatchObject({
      GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: at,
    });
    expect(mounted).toContainEqual({
      file: './examples/grafana/provisioning',
      path: '/etc/grafana/provisioning',
    });
  });

  it('has Prometheus scrape the port at which its walhook serves metrics', () => {
    const { scrape_configs } = parse(read('examples/prometheus/prometheus.yaml')) as {
      scrape_configs: { static_configs: { targets: string[] }[] }[];
    };
    const { admin } = parse(read('examples/compose/walhook.yaml')) as { admin: { metrics: string } };
    const targets = scrape_configs.flatMap((one) => one.static_configs.flatMap(({ targets }) => targets));
    expect(targets).toEqual([`walhook:${admin.metrics.split(':')[1]}`]);
    expect(Object.keys(services)).toContain('walhook');
  });
});
