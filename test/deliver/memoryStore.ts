/** Deliver's side of the store in memory, with a say in what goes wrong. */
import { WalhookError } from '../../src/core/errors.ts';
import type { QueuedDelivery } from '../../src/queue/delivery.ts';
import type { FlowSwap, FlowSwapped } from '../../src/queue/flow.ts';
import type { ClaimRequest, ClaimResult, DeliverStore, Report } from '../../src/queue/store.ts';
import type { Worker } from '../../src/queue/workers.ts';

interface Job {
  readonly id: string;
  readonly webhook: string;
  readonly dueMs: number;
  readonly attempts: number;
  readonly deliveries: readonly QueuedDelivery[];
  owner: string | null;
  done: number;
}

type Operation = 'heartbeat' | 'claim' | 'report' | 'release' | 'recover' | 'dueWebhooks' | 'swapFlows';
/** lost: it was done and the answer never came · refused: it was not done. */
type Fault = 'lost' | 'refused';

export class MemoryStore implements DeliverStore {
  readonly delivered: string[] = [];
  readonly failed: { readonly eventId: string; readonly reason: string; readonly attempts: number }[] = [];
  readonly paused = new Set<string>();
  readonly parked = new Set<string>();
  jobs: Job[] = [];
  /** Asked before each operation. */
  fault: (operation: Operation, process: string) => Fault | null = () => null;
  /** The server's clock. */
  now: () => number = () => 0;
  readonly #seen = new Map<string, number>();
  readonly #callbacks: ((webhooks: readonly string[]) => void)[] = [];
  readonly #flows = new Map<string, string>();
  #nextId = 1;

  add(webhook: string, deliveries: readonly QueuedDelivery[], more: Partial<Job> = {}): void {
    const id = String(this.#nextId);
    this.#nextId += 1;
    this.jobs.push({ id, webhook, dueMs: 0, attempts: 0, deliveries, owner: null, done: 0, ...more });
    this.wake(webhook);
  }

  wake(webhook: string): void {
    for (const callback of this.#callbacks) callback([webhook]);
  }

  pause(webhook: string): Promise<void> {
    this.paused.add(webhook);
    this.wake(webhook);
    return Promise.resolve();
  }

  resume(webhook: string): void {
    this.paused.delete(webhook);
    this.wake(webhook);
  }

  /** Deliveries whose outcome is not in the store, by who owns their job. */
  open(): { readonly owner: string | null; readonly webhook: string; readonly deliveries: number }[] {
    return this.jobs.map(({ owner, webhook, deliveries, done }) => ({
      owner,
      webhook,
      deliveries: deliveries.filter((_, i) => ((done >> i) & 1) === 0).length,
    }));
  }

  heartbeat(process: string, ttlMs: number): Promise<void> {
    return this.#perform('heartbeat', process, () => {
      const nowMs = this.now();
      this.#seen.set(process, nowMs);
      for (const [other, seenMs] of this.#seen) {
        if (seenMs >= nowMs - ttlMs) continue;
        this.#seen.delete(other);
        for (const job of this.jobs) if (job.owner === other) job.owner = null;
      }
    });
  }

  claim({ webhook, process, maxJobs, nowMs }: ClaimRequest): Promise<ClaimResult> {
    return this.#perform('claim', process, () => {
      const isPaused = this.paused.has(webhook);
      const free = this.jobs.filter((job) => job.webhook === webhook && job.owner === null);
      const taken = isPaused ? [] : free.filter((job) => job.dueMs <= nowMs).slice(0, maxJobs);
      for (const job of taken) job.owner = process;
      const jobs = taken.map(({ id, attempts, deliveries, done }) => ({
        id,
        webhook,
        attempts,
        deliveries,
        done,
      }));
      const later = this.jobs.filter((job) => job.webhook === webhook && job.owner === null);
      const nextDueMs = isPaused || later.length === 0 ? null : Math.min(...later.map((job) => job.dueMs));
      return { jobs, nextDueMs, isPaused };
    });
  }

  report(process: string, reports: readonly Report[]): Promise<void> {
    return this.#perform('report', process, () => {
      for (const { job, index, outcome, isLast } of reports) {
        const own = this.jobs.find((one) => one.id === job.id && one.owner === process);
        const delivery = job.deliveries[index];
        if (own === undefined || delivery === undefined) continue;
        own.done |= 1 << index;
        if (outcome.kind === 'delivered') this.delivered.push(delivery.eventId);
        else if (outcome.kind === 'failed') this.failed.push({ eventId: delivery.eventId, ...outcome });
        else if (outcome.kind === 'retry')
          this.add(job.webhook, [delivery], { attempts: outcome.attempts, dueMs: outcome.dueMs });
        if (isLast) this.jobs = this.jobs.filter((one) => one !== own);
      }
    });
  }

  release(process: string, jobs: readonly { readonly id: string }[]): Promise<void> {
    return this.#perform('release', process, () => {
      for (const { id } of jobs) {
        const own = this.jobs.find((one) => one.id === id && one.owner === process);
        if (own !== undefined) own.owner = null;
      }
    });
  }

  workers(): Promise<readonly Worker[]> {
    const jobsOf = (name: string) => this.jobs.filter((job) => job.owner === name).length;
    return Promise.resolve(
      [...this.#seen].map(([process, seenMs]) => ({ process, seenMs, jobs: jobsOf(process) })),
    );
  }

  recover(process: string, known: readonly string[]): Promise<void> {
    return this.#perform('recover', process, () => {
      for (const job of this.jobs) if (job.owner === process && !known.includes(job.id)) job.owner = null;
    });
  }

  setParked(webhook: string, isParked: boolean): Promise<void> {
    if (isParked) this.parked.add(webhook);
    else this.parked.delete(webhook);
    return Promise.resolve();
  }

  swapFlows(swaps: readonly FlowSwap[]): Promise<readonly FlowSwapped[]> {
    return this.#perform('swapFlows', '', () =>
      swaps.map(({ webhook, expected, next }) => {
        const current = this.#flows.get(webhook) ?? null;
        if (current !== expected) return { isSwapped: false, current };
        this.#flows.set(webhook, next);
        return { isSwapped: true, current: next };
      }),
    );
  }

  flows(): Promise<ReadonlyMap<string, string>> {
    return Promise.resolve(this.#flows);
  }

  dueWebhooks(nowMs: number): Promise<string[]> {
    return this.#perform('dueWebhooks', '', () => [
      ...new Set(
        this.jobs
          .filter((job) => job.owner === null && job.dueMs <= nowMs && !this.paused.has(job.webhook))
          .map((job) => job.webhook),
      ),
    ]);
  }

  onWake(callback: (webhooks: readonly string[]) => void): Promise<void> {
    this.#callbacks.push(callback);
    return Promise.resolve();
  }

  async #perform<T>(operation: Operation, process: string, perform: () => T): Promise<T> {
    await Promise.resolve();
    const fault = this.fault(operation, process);
    const result = fault === 'refused' ? null : perform();
    if (fault !== null) throw new WalhookError('QUEUE_UNREACHABLE', `${operation} ${fault}`);
    return result as T;
  }
}
