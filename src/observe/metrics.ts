/**
 * The metrics of this process: made from their definitions, written by the stages through small functions,
 * exposed as text. Owns the Prometheus client.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { CONTEXT_OUTCOMES, type ContextOutcome } from '../change/context.ts';
import type { Clock } from '../core/clock.ts';
import type { Lsn } from '../core/lsn.ts';
import type { AttemptSample } from '../deliver/attempter.ts';
import type { QueueCounts } from '../queue/store.ts';
import { CaptureLag } from './captureLag.ts';
import { type MetricDefinition, type MetricName, metricDefinitions } from './metricDefinitions.ts';

export type CaptureStateName = 'capturing' | 'standby' | 'disconnected';
const CAPTURE_STATES: readonly CaptureStateName[] = ['capturing', 'standby', 'disconnected'];

export interface SlotSample {
  readonly retainedBytes: number;
  readonly budgetBytes: number | null;
}

/** What a Webhook has in the queue. */
export interface QueueSample extends QueueCounts {
  /** null when the queue does not tell. */
  readonly oldestMs: number | null;
}

export class Metrics {
  readonly registry = new Registry();
  readonly #gauges = new Map<MetricName, Gauge>();
  readonly #counters = new Map<MetricName, Counter>();
  readonly #histograms = new Map<MetricName, Histogram>();
  readonly #cached = new Map<string, () => void>();
  readonly #lag: CaptureLag;
  #state: CaptureStateName | null = null;

  constructor(version: string, clock: Clock) {
    this.#lag = new CaptureLag(clock);
    for (const [name, definition] of Object.entries(metricDefinitions)) {
      this.#make(name as MetricName, definition);
    }
    this.#gauge('walhook_build_info').set({ version }, 1);
    this.#gauge('walhook_config_last_reload_successful').set(1);
    // So that the first of them is seen to rise.
    for (const outcome of CONTEXT_OUTCOMES) this.contextWas(outcome, 0);
    // A gauge without labels begins at 0; those of the capturing process alone are absent elsewhere.
    this.#withoutCapture();
  }

  /** In the text format of Prometheus. */
  async text(): Promise<string> {
    if (this.#state === 'capturing') this.#gauge('walhook_capture_lag_seconds').set(this.#lag.seconds());
    return await this.registry.metrics();
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  get captureState(): CaptureStateName | null {
    return this.#state;
  }

  get captureLagSeconds(): number {
    return this.#lag.seconds();
  }

  /** null when this process does not capture and does not want to. */
  captureIs(state: CaptureStateName | null): void {
    this.#state = state;
    for (const one of CAPTURE_STATES) {
      if (state === null) this.#gauge('walhook_capture_state').remove({ state: one });
      else this.#gauge('walhook_capture_state').set({ state: one }, one === state ? 1 : 0);
    }
    this.#gauge('walhook_leader').set(state === 'capturing' ? 1 : 0);
    if (state !== 'capturing') this.#withoutCapture();
  }

  /** A function that counts one more Change of a table. */
  changesOf(table: string): () => void {
    return this.#cachedCounter('walhook_capture_changes_total', { table });
  }

  /** A Transaction has been read to its end. */
  committed(endLsn: Lsn, committedAtMs: number): void {
    this.#lag.committed(endLsn, committedAtMs);
  }

  /** Everything that ends at or before `lsn` is in the queue. */
  settled(lsn: Lsn): void {
    this.#lag.settled(lsn);
  }

  contextWas(outcome: ContextOutcome, count: number): void {
    this.#counter('walhook_capture_context_total').inc({ outcome }, count);
  }

  decided(webhook: string, outcome: 'matched' | 'not_matched' | 'failed'): void {
    this.#cachedCounter('walhook_match_events_total', { webhook, outcome })();
  }

  attempted({ webhook, outcome, durationMs, ageMs }: AttemptSample): void {
    this.#cachedCounter('walhook_deliver_attempts_total', { webhook, outcome })();
    this.#histogram('walhook_deliver_attempt_seconds').observe(durationMs / 1_000);
    if (outcome !== 'delivered') return;
    this.#histogram('walhook_deliver_commit_to_delivered_seconds').observe(Math.max(0, ageMs) / 1_000);
  }

  reloaded(isSuccessful: boolean): void {
    this.#gauge('walhook_config_last_reload_successful').set(isSuccessful ? 1 : 0);
  }

  /** What the slot and the queue hold. Ignored while another process captures. */
  sampled(slot: SlotSample | null, queue: ReadonlyMap<string, QueueSample> | null): void {
    if (this.#state !== 'capturing') return;
    if (slot !== null) {
      this.#gauge('walhook_slot_retained_wal_bytes').set(slot.retainedBytes);
      if (slot.budgetBytes === null) this.#gauge('walhook_slot_budget_bytes').remove({});
      else this.#gauge('walhook_slot_budget_bytes').set(slot.budgetBytes);
    }
    if (queue === null) return;
    const depth = this.#gauge('walhook_queue_depth');
    const oldest = this.#gauge('walhook_queue_oldest_seconds');
    depth.reset();
    oldest.reset();
    for (const [webhook, counts] of queue) {
      for (const state of ['waiting', 'delayed', 'active', 'failed'] as const) {
        depth.set({ webhook, state }, counts[state]);
      }
      if (counts.oldestMs !== null) oldest.set({ webhook }, counts.oldestMs / 1_000);
    }
  }

  #withoutCapture(): void {
    for (const [name, definition] of Object.entries<MetricDefinition>(metricDefinitions)) {
      if (definition.isCapturingOnly !== true) continue;
      const gauge = this.#gauge(name as MetricName);
      if (definition.labels.length === 0) gauge.remove({});
      else gauge.reset();
    }
  }

  #make(name: MetricName, definition: MetricDefinition): void {
    const { help, labels, buckets } = definition;
    const common = { name, help, labelNames: [...labels], registers: [this.registry] };
    if (definition.kind === 'gauge') this.#gauges.set(name, new Gauge(common));
    else if (definition.kind === 'counter') this.#counters.set(name, new Counter(common));
    else this.#histograms.set(name, new Histogram({ ...common, buckets: [...(buckets ?? [])] }));
  }

  /** Looking a label set up costs more than counting: once per set is enough. */
  #cachedCounter(name: MetricName, labels: Readonly<Record<string, string>>): () => void {
    const id = `${name} ${Object.values(labels).join(' ')}`;
    let count = this.#cached.get(id);
    if (count === undefined) {
      const child = this.#counter(name).labels(labels);
      count = () => child.inc();
      this.#cached.set(id, count);
    }
    return count;
  }

  #gauge(name: MetricName): Gauge {
    return found(this.#gauges.get(name), name);
  }

  #counter(name: MetricName): Counter {
    return found(this.#counters.get(name), name);
  }

  #histogram(name: MetricName): Histogram {
    return found(this.#histograms.get(name), name);
  }
}

function found<T>(metric: T | undefined, name: string): T {
  if (metric === undefined) throw new Error(`${name} is of another kind`);
  return metric;
}
