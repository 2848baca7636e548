import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { NO_COUNTS } from '../../src/admin/webhooks.ts';
import { lsn } from '../../src/core/lsn.ts';
import { type MetricDefinition, metricDefinitions } from '../../src/observe/metricDefinitions.ts';
import { Metrics, type QueueSample } from '../../src/observe/metrics.ts';
import { metricsMarkdown } from '../../src/observe/metricsPage.ts';
import { ManualClock } from '../helpers/clock.ts';

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
const sample = (changes: Partial<QueueSample>): QueueSample => ({ ...NO_COUNTS, oldestMs: null, ...changes });

/** The lines of a metric, without its help. */
async function lines(metrics: Metrics, name: string): Promise<string[]> {
  return (await metrics.text()).split('\n').filter((line) => line.startsWith(name));
}

describe('the metrics', () => {
  it('are those that docs/metrics.md lists; WALHOOK_WRITE_DOCS=yes writes it', async () => {
    const file = new URL('../../docs/metrics.md', import.meta.url);
    if (process.env['WALHOOK_WRITE_DOCS'] === 'yes') {
      const { writeFileSync } = await import('node:fs');
      writeFileSync(file, metricsMarkdown());
    }
    expect(read('docs/metrics.md')).toBe(metricsMarkdown());
  });

  it('have base units, and labels that are neither ids nor URLs', () => {
    const labels = new Set(['webhook', 'state', 'outcome', 'table', 'version']);
    for (const [name, definition] of Object.entries<MetricDefinition>(metricDefinitions)) {
      expect(name).toMatch(/^walhook_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith('_total')).toBe(definition.kind === 'counter');
      expect(definition.labels.filter((label) => !labels.has(label))).toEqual([]);
    }
  });

  it('are all announced, and those of capturing have no value elsewhere', async () => {
    const metrics = new Metrics('1.2.3', new ManualClock());
    const text = await metrics.text();
    for (const [name, { isCapturingOnly }] of Object.entries<MetricDefinition>(metricDefinitions)) {
      expect(text).toContain(`# TYPE ${name} `);
      if (isCapturingOnly === true) expect(await lines(metrics, name)).toEqual([]);
    }
    expect(text).toContain('walhook_build_info{version="1.2.3"} 1');
    expect(text).toContain('walhook_leader 0');
    metrics.sampled({ retainedBytes: 5, budgetBytes: 10 }, new Map([['w', sample({ waiting: 3 })]]));
    expect(await lines(metrics, 'walhook_slot')).toEqual([]);
    expect(await lines(metrics, 'walhook_queue')).toEqual([]);
  });

  it('of slot and queue come from the process that captures, and go with it', async () => {
    const metrics = new Metrics('1', new ManualClock());
    metrics.captureIs('capturing');
    metrics.sampled(
      { retainedBytes: 5, budgetBytes: 10 },
      new Map([['w', sample({ waiting: 3, oldestMs: 1_500 })]]),
    );
    expect(await lines(metrics, 'walhook_slot')).toEqual([
      'walhook_slot_retained_wal_bytes 5',
      'walhook_slot_budget_bytes 10',
    ]);
    expect(await lines(metrics, 'walhook_queue_depth{webhook="w",state="waiting"}')).toHaveLength(1);
    expect(await lines(metrics, 'walhook_queue_oldest')).toEqual([
      'walhook_queue_oldest_seconds{webhook="w"} 1.5',
    ]);
    expect(await lines(metrics, 'walhook_leader')).toEqual(['walhook_leader 1']);
    expect(await lines(metrics, 'walhook_capture_state{state="capturing"}')).toEqual([
      'walhook_capture_state{state="capturing"} 1',
    ]);
    // A webhook that is gone, and a limit that was lifted.
    metrics.sampled({ retainedBytes: 6, budgetBytes: null }, new Map());
    expect(await lines(metrics, 'walhook_queue')).toEqual([]);
    expect(await lines(metrics, 'walhook_slot')).toEqual(['walhook_slot_retained_wal_bytes 6']);
    metrics.captureIs('standby');
    expect(await lines(metrics, 'walhook_slot')).toEqual([]);
    expect(await lines(metrics, 'walhook_leader')).toEqual(['walhook_leader 0']);
  });

  it('count what the stages tell', async () => {
    const metrics = new Metrics('1', new ManualClock());
    const count = metrics.changesOf('public.t');
    count();
    count();
    metrics.decided('w', 'not_matched');
    metrics.attempted({ webhook: 'w', outcome: 'retry', durationMs: 30, ageMs: 40 });
    metrics.attempted({ webhook: 'w', outcome: 'delivered', durationMs: 30, ageMs: 1_200 });
    const text = await metrics.text();
    expect(text).toContain('walhook_capture_changes_total{table="public.t"} 2');
    expect(text).toContain('walhook_match_events_total{webhook="w",outcome="not_matched"} 1');
    expect(text).toContain('walhook_deliver_attempts_total{webhook="w",outcome="retry"} 1');
    expect(text).toContain('walhook_deliver_attempt_seconds_count 2');
    expect(text).toContain('walhook_deliver_commit_to_delivered_seconds_sum 1.2');
    expect(text).toContain('walhook_deliver_commit_to_delivered_seconds_count 1');
  });
});

describe('the lag of capturing', () => {
  const at = (value: number) => lsn(BigInt(value));

  it('is the age of the oldest commit that is not stored', async () => {
    const clock = new ManualClock();
    const metrics = new Metrics('1', clock);
    const committedAt = clock.now();
    metrics.committed(at(10), committedAt);
    await clock.advance(3_000);
    metrics.committed(at(20), clock.now());
    expect(metrics.captureLagSeconds).toBe(3);
    metrics.settled(at(10));
    expect(metrics.captureLagSeconds).toBe(0);
    await clock.advance(1_000);
    expect(metrics.captureLagSeconds).toBe(1);
    metrics.settled(at(20));
    expect(metrics.captureLagSeconds).toBe(1);
    await clock.advance(5_000);
    expect(metrics.captureLagSeconds).toBe(0);
  });

  it('goes on rising when the store does not answer, in bounded memory', async () => {
    const clock = new ManualClock();
    const metrics = new Metrics('1', clock);
    for (let i = 0; i < 3_000; i += 1) {
      metrics.committed(at(i + 1), clock.now());
      await clock.advance(50);
    }
    expect(metrics.captureLagSeconds).toBe(150);
  }, 30_000);
});

describe('the examples', () => {
  it.each([
    'examples/grafana/dashboard.json',
    'examples/prometheus/rules.yaml',
  ])('of %s name metrics that there are', (file) => {
    const text = read(file);
    expect(() => (file.endsWith('.json') ? JSON.parse(text) : parse(text))).not.toThrow();
    const known = new Set(
      Object.entries<MetricDefinition>(metricDefinitions).flatMap(([name, { kind }]) =>
        kind === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
      ),
    );
    const used = [...text.matchAll(/walhook_[a-z_]+/g)].map(([name]) => name);
    expect(used.length).toBeGreaterThan(5);
    expect(used.filter((name) => !known.has(name))).toEqual([]);
  });
});
