/** How long it lately took from commit to delivered, over all processes: of the newest Deliveries in the log. Pure. */
import type { DeliverySummary } from '../queue/inspect.ts';

export interface Latency {
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** Of how many Deliveries. */
  readonly count: number;
}

/** Deliveries that are looked at. */
export const LATENCY_OF = 200;

/** null where none has been delivered. What was resent by hand waited for a person, and does not count. */
export function latencyOf(deliveries: readonly DeliverySummary[]): Latency | null {
  const ages = deliveries
    .flatMap(({ state, isResent, endedMs, committedAtMs }) =>
      state === 'delivered' && !isResent && endedMs !== null ? [Math.max(0, endedMs - committedAtMs)] : [],
    )
    .sort((a, b) => a - b);
  const at = (share: number) => ages[Math.min(ages.length - 1, Math.floor(share * ages.length))];
  const [p50Ms, p95Ms] = [at(0.5), at(0.95)];
  return p50Ms === undefined || p95Ms === undefined ? null : { p50Ms, p95Ms, count: ages.length };
}
