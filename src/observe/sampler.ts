/**
 * Looks at slot and queue every few seconds: sets the gauges, and keeps a short history for the page. The
 * database and the queue are asked apart, so that one of them being away leaves what the other says.
 */
import type { Clock } from '../core/clock.ts';
import { toWalhookError, type WalhookError } from '../core/errors.ts';
import type { QueueCounts } from '../queue/store.ts';
import type { Latency } from './latency.ts';
import type { Metrics, QueueSample } from './metrics.ts';
import type { SlotReading } from './slotReading.ts';

export const SAMPLE_EVERY_MS = 5_000;
/** Half an hour. */
const MAX_SAMPLES = 360;

export interface SamplerOptions {
  readonly readSlot: () => Promise<SlotReading>;
  readonly readQueue: () => Promise<ReadonlyMap<string, QueueSample>>;
  /** From commit to delivered, lately; absent: it is not asked. */
  readonly readLatency?: () => Promise<Latency | null>;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** What was found at one moment; null where it could not be asked. */
export interface Sample {
  readonly atMs: number;
  readonly slot: SlotReading | null;
  readonly slotError: WalhookError | null;
  readonly queue: ReadonlyMap<string, QueueSample> | null;
  readonly queueError: WalhookError | null;
  readonly captureLagSeconds: number;
  readonly latency: Latency | null;
}

/** A point of the charts. */
export interface HistoryPoint {
  readonly atMs: number;
  readonly retainedBytes: number | null;
  readonly lagBytes: number | null;
  readonly captureLagSeconds: number;
  /** Waiting, delayed and active, over all Webhooks. */
  readonly backlog: number | null;
  readonly deliveredPerSecond: number | null;
  readonly failedPerSecond: number | null;
  readonly p95Ms: number | null;
}

export class Sampler {
  readonly #options: SamplerOptions;
  #samples: Sample[] = [];

  constructor(options: SamplerOptions) {
    this.#options = options;
  }

  /** Samples until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.sample();
      await this.#options.clock.sleep(SAMPLE_EVERY_MS, signal);
    }
  }

  async sample(): Promise<Sample> {
    const { readSlot, readQueue, readLatency, metrics, clock } = this.#options;
    const [slot, queue, latency] = await Promise.allSettled([
      readSlot(),
      readQueue(),
      readLatency?.() ?? Promise.resolve(null),
    ]);
    const sample: Sample = {
      atMs: clock.now(),
      slot: slot.status === 'fulfilled' ? slot.value : null,
      slotError: slot.status === 'rejected' ? toWalhookError(slot.reason) : null,
      queue: queue.status === 'fulfilled' ? queue.value : null,
      queueError: queue.status === 'rejected' ? toWalhookError(queue.reason) : null,
      captureLagSeconds: metrics.captureLagSeconds,
      latency: latency.status === 'fulfilled' ? latency.value : null,
    };
    metrics.sampled(
      sample.slot === null
        ? null
        : { retainedBytes: sample.slot.slot.retainedBytes, budgetBytes: sample.slot.budgetBytes },
      sample.queue,
    );
    this.#samples.push(sample);
    if (this.#samples.length > MAX_SAMPLES) this.#samples = this.#samples.slice(-MAX_SAMPLES);
    return sample;
  }

  get latest(): Sample | null {
    return this.#samples.at(-1) ?? null;
  }

  history(): HistoryPoint[] {
    return this.#samples.map((sample, i) => historyPoint(sample, this.#samples[i - 1] ?? null));
  }

  /** Until the budget is used up if WAL goes on piling up as it did lately; null when it does not. */
  secondsLeft(): number | null {
    const known = this.#samples.filter((sample) => sample.slot !== null);
    const first = known.at(-24) ?? known[0];
    const last = known.at(-1);
    if (first?.slot == null || last?.slot == null) return null;
    const limit = last.slot.budgetBytes;
    return limit === null
      ? null
      : timeLeft(
          { atMs: first.atMs, bytes: first.slot.slot.retainedBytes },
          { atMs: last.atMs, bytes: last.slot.slot.retainedBytes },
          limit,
        );
  }
}

/** Seconds until `limit` at the pace between two readings; null where it does not grow. */
export function timeLeft(
  first: { readonly atMs: number; readonly bytes: number },
  last: { readonly atMs: number; readonly bytes: number },
  limit: number,
): number | null {
  const perMs = (last.bytes - first.bytes) / (last.atMs - first.atMs);
  if (!Number.isFinite(perMs) || perMs <= 0) return null;
  return Math.max(0, (limit - last.bytes) / perMs) / 1_000;
}

export function historyPoint(sample: Sample, previous: Sample | null): HistoryPoint {
  const total = (
    queue: Sample['queue'],
    key: keyof QueueCounts & (`${string}Total` | 'waiting' | 'delayed' | 'active'),
  ) => (queue === null ? null : [...queue.values()].reduce((sum, counts) => sum + counts[key], 0));
  const seconds = previous === null ? 0 : (sample.atMs - previous.atMs) / 1_000;
  const rate = (key: 'deliveredTotal' | 'failedTotal') => {
    const [now, before] = [total(sample.queue, key), total(previous?.queue ?? null, key)];
    return now === null || before === null || seconds <= 0 ? null : Math.max(0, now - before) / seconds;
  };
  const backlog = (['waiting', 'delayed', 'active'] as const).map((key) => total(sample.queue, key));
  return {
    atMs: sample.atMs,
    retainedBytes: sample.slot?.slot.retainedBytes ?? null,
    lagBytes: sample.slot?.slot.lagBytes ?? null,
    captureLagSeconds: sample.captureLagSeconds,
    backlog: backlog.some((count) => count === null)
      ? null
      : backlog.reduce<number>((sum, count) => sum + (count ?? 0), 0),
    deliveredPerSecond: rate('deliveredTotal'),
    failedPerSecond: rate('failedTotal'),
    p95Ms: sample.latency?.p95Ms ?? null,
  };
}
