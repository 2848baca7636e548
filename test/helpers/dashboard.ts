/** The queries of the dashboard for Grafana and of the alerts for Prometheus, as the examples have them. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export const RULES = new URL('../../examples/prometheus/rules.yaml', import.meta.url);
const DASHBOARD = new URL('../../examples/grafana/dashboard.json', import.meta.url);

export interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat?: string;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly Target[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly type: string;
      readonly query: string;
      readonly datasource?: { readonly type: string; readonly uid: string };
    }[];
  };
}

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync(DASHBOARD, 'utf8')) as Dashboard;
}

/** What its panels ask. */
export function queriesOfDashboard(): string[] {
  return readDashboard().panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

/** What its variables ask. */
export function variablesOfDashboard(): string[] {
  return readDashboard()
    .templating.list.filter(({ type }) => type === 'query')
    .map(({ query }) => query);
}

export function queriesOfRules(): string[] {
  const { groups } = parse(readFileSync(RULES, 'utf8')) as { groups: { rules: { expr: string }[] }[] };
  return groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
}
