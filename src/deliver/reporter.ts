/**
 * Records outcomes in the store, many at a time: while one report is on its way the next one fills, and under
 * load there is a short rest between two. Each report is work for the store however little it says, and so is
 * each job in it: what was delivered of a job waits a little for the rest of it.
 *
 * An outcome that cannot be recorded stays and is tried again; meanwhile its job stays taken, so nothing is
 * sent twice while this process lives. What the store refuses though it can be reached is told apart from
 * the others by halves, and given up after some tries: it must not hold the outcomes of every Webhook.
 */
import { backoffMs } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';
import { toWalhookError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { DeliverStore, Report } from '../queue/store.ts';

const BACKOFF = { firstMs: 100, maxMs: 5_000 };
/** Outcomes in one report: a bounded statement, far above what arrives while one is on its way. */
const MAX_REPORTS = 2_000;
const REST_MS = 10;
/** What was delivered waits for the rest of its job for so many rests. */
const RESTS_FOR_JOB = 5;
/** Outcomes that are not kept waiting. */
const ENOUGH = 250;
/** Tries of one outcome that the store refuses though it can be reached. */
const MAX_REFUSALS = 3;

export interface ReporterOptions {
  readonly store: DeliverStore;
  readonly process: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** From the start of one report to that of the next, unless much waits or somebody waits for it. */
  readonly restMs?: number;
}

interface Waiting {
  readonly report: Report;
  readonly sinceMs: number;
  /** Called when it is recorded, or given up. Hardly ever does anybody wait. */
  whenSettled: readonly (() => void)[];
}

const NOBODY: readonly (() => void)[] = [];

export class Reporter {
  readonly #options: ReporterOptions;
  #waiting: Waiting[] = [];
  /** On their way to the store. */
  #underWay: readonly Waiting[] = [];
  #running: Promise<void> | null = null;
  #isGivenUp = false;
  #isUrgent = false;
  #lastBeganMs = Number.NEGATIVE_INFINITY;
  #endRest: () => void = () => undefined;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** Jobs of which every outcome is known, and the last of them not recorded yet. */
  get finishing(): string[] {
    return [...lastOfJobs(this.#underWay), ...lastOfJobs(this.#waiting)];
  }

  /** @param whenSettled called when the outcome is recorded, or its recording was given up; it is recorded soon */
  add(report: Report, whenSettled?: () => void): void {
    const isUrgent = whenSettled !== undefined;
    this.#waiting.push({
      report,
      sinceMs: this.#options.clock.monotonic(),
      whenSettled: isUrgent ? [whenSettled] : NOBODY,
    });
    if (isUrgent || this.#waiting.length >= ENOUGH) this.#hurry();
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  /**
   * Resolves when what was added until now is recorded, or given up. Other than {@link drain} it does not wait
   * for what is added meanwhile, which under load never ends.
   */
  async recorded(): Promise<void> {
    const until = [...this.#underWay, ...this.#waiting];
    if (until.length === 0) return;
    this.#hurry();
    await new Promise<void>((resolve) => {
      let left = until.length;
      const settled = () => {
        left -= 1;
        if (left === 0) resolve();
      };
      for (const one of until) one.whenSettled = [...one.whenSettled, settled];
    });
  }

  /** Resolves when everything added is recorded, or the recording was given up. */
  async drain(): Promise<void> {
    while (this.#running !== null) {
      this.#hurry();
      await this.#running;
    }
  }

  /** Stops retrying: what is not recorded by then is sent again by whoever takes the jobs over. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#hurry();
  }

  /** Ends the rest before the next report, or leaves it out. */
  #hurry(): void {
    this.#isUrgent = true;
    this.#endRest();
    // To abort makes an error with its stack, each time, whether or not anything is left to be aborted.
    this.#endRest = () => undefined;
  }

  /** Rests until something is to be reported, and takes it. */
  async #next(): Promise<readonly Waiting[]> {
    const { clock, restMs = REST_MS } = this.#options;
    let atMs = this.#lastBeganMs + restMs;
    for (;;) {
      const leftMs = atMs - clock.monotonic();
      if (leftMs > 0 && !this.#isUrgent) {
        const rest = new AbortController();
        this.#endRest = () => rest.abort();
        await clock.sleep(leftMs, rest.signal);
      }
      const nowMs = clock.monotonic();
      const sinceMs = this.#isUrgent ? nowMs : nowMs - RESTS_FOR_JOB * restMs;
      const { due, rest } = split(this.#waiting, sinceMs);
      if (due.length > 0) {
        this.#isUrgent = false;
        this.#lastBeganMs = nowMs;
        this.#waiting = [...due.slice(MAX_REPORTS), ...rest];
        return due.slice(0, MAX_REPORTS);
      }
      atMs = nowMs + restMs;
    }
  }

  async #run(): Promise<void> {
    // Outcomes of the same turn of the event loop share a report.
    await Promise.resolve();
    while (this.#waiting.length > 0 && !this.#isGivenUp) {
      const waiting = await this.#next();
      this.#underWay = waiting;
      await this.#record(waiting.map(({ report }) => report));
      this.#underWay = [];
      settle(waiting);
    }
    settle(this.#waiting.splice(0));
  }

  async #record(reports: readonly Report[]): Promise<void> {
    const { store, process, clock, log } = this.#options;
    let refusals = 0;
    for (let tries = 1; !this.#isGivenUp; tries += 1) {
      try {
        await store.report(process, reports);
        return;
      } catch (error) {
        const { code, message } = toWalhookError(error);
        if (code !== 'QUEUE_UNREACHABLE') {
          if (reports.length > 1) return await this.#recordByHalves(reports);
          refusals += 1;
          if (refusals >= MAX_REFUSALS) {
            const { webhook } = reports[0]?.job ?? {};
            // Its job stays taken until this process ends; then its Delivery is sent again.
            log.error({ webhook, code }, `an outcome is given up, the store refuses it: ${message}`);
            return;
          }
        }
        log.warn({ code, tries, outcomes: reports.length }, `outcomes not recorded: ${message}`);
        await clock.sleep(backoffMs(tries, BACKOFF, Math.random()));
      }
    }
  }

  async #recordByHalves(reports: readonly Report[]): Promise<void> {
    const middle = Math.ceil(reports.length / 2);
    await this.#record(reports.slice(0, middle));
    await this.#record(reports.slice(middle));
  }
}

function settle(waiting: readonly Waiting[]): void {
  for (const { whenSettled } of waiting) for (const settled of whenSettled) settled();
}

function lastOfJobs(waiting: readonly Waiting[]): Set<string> {
  const ids = new Set<string>();
  for (const { report } of waiting) if (report.isLast) ids.add(report.job.id);
  return ids;
}

/** What is to be reported: failures and retries, what ends its job, and what waits since a time or longer. */
function split(
  waiting: readonly Waiting[],
  sinceMs: number,
): { readonly due: readonly Waiting[]; readonly rest: readonly Waiting[] } {
  const finished = lastOfJobs(waiting);
  const due: Waiting[] = [];
  const rest: Waiting[] = [];
  for (const one of waiting) {
    const { job, outcome } = one.report;
    const isDue = outcome.kind !== 'delivered' || finished.has(job.id) || one.sinceMs <= sinceMs;
    (isDue ? due : rest).push(one);
  }
  return { due, rest };
}
