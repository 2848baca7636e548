/**
 * Records outcomes in the store, many at a time: while one report is on its way the next one fills.
 *
 * An outcome that cannot be recorded stays and is tried again; meanwhile its job stays taken, so nothing is
 * sent twice while this process lives.
 */
import { backoffMs } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';
import { toWalhookError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { DeliverStore, Report } from '../queue/store.ts';

const BACKOFF = { firstMs: 100, maxMs: 5_000 };
/** Outcomes in one report: a bounded statement, far above what arrives while one is on its way. */
const MAX_REPORTS = 2_000;

export interface ReporterOptions {
  readonly store: DeliverStore;
  readonly process: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Reporter {
  readonly #options: ReporterOptions;
  #waiting: Report[] = [];
  #running: Promise<void> | null = null;
  #isGivenUp = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  add(report: Report): void {
    this.#waiting.push(report);
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Resolves when everything added is recorded, or the recording was given up. */
  async drain(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** Stops retrying: what is not recorded by then is sent again by whoever takes the jobs over. */
  giveUp(): void {
    this.#isGivenUp = true;
  }

  async #run(): Promise<void> {
    // Outcomes of the same turn of the event loop share a report.
    await Promise.resolve();
    while (this.#waiting.length > 0 && !this.#isGivenUp) {
      const reports = this.#waiting.splice(0, MAX_REPORTS);
      await this.#record(reports);
    }
  }

  async #record(reports: readonly Report[]): Promise<void> {
    const { store, process, clock, log } = this.#options;
    for (let tries = 1; !this.#isGivenUp; tries += 1) {
      try {
        await store.report(process, reports);
        return;
      } catch (error) {
        const known = toWalhookError(error);
        log.warn(
          { code: known.code, tries, outcomes: reports.length },
          `outcomes not recorded: ${known.message}`,
        );
        await clock.sleep(backoffMs(tries, BACKOFF, Math.random()));
      }
    }
  }
}
