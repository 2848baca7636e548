/** docs/metrics.md, written from the definitions. A test compares the two. */
import { type MetricDefinition, metricDefinitions } from './metricDefinitions.ts';

export function metricsMarkdown(): string {
  const rows = Object.entries<MetricDefinition>(metricDefinitions).map(
    ([name, { kind, labels, help, isCapturingOnly }]) => {
      const where = isCapturingOnly === true ? ' Capturing process only.' : '';
      return `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help}${where} |`;
    },
  );
  return [
    '# Metrics',
    '',
    'At `/metrics` of the admin server (a token of any role), or without a token on a port of its own with',
    '`admin.metrics: 0.0.0.0:9464`. Base units; labels are closed and few, never ids or URLs. `webhook` is the',
    "webhook's key. Gauges of the slot and the queue come from the process that captures, so that a sum over",
    'several daemons counts nothing twice.',
    '',
    '| name | kind | labels | |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    'A Grafana dashboard and Prometheus alert rules that use them are in `examples/`.',
    '',
  ].join('\n');
}
