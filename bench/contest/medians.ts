/** Medians over the turns of one contender. */
import { median } from '../measure.ts';
import type { Backlog, Steady } from './contest.ts';

export function medianBacklog(all: readonly Backlog[]): Backlog {
  const of = (key: keyof Backlog): number => median(all.map((one) => one[key]));
  return {
    perSecond: of('perSecond'),
    cpu: of('cpu'),
    queueCpu: of('queueCpu'),
    serverCpu: of('serverCpu'),
    requests: of('requests'),
    bytes: of('bytes'),
    lost: of('lost'),
    duplicates: of('duplicates'),
  };
}

/** By rate, in the order of the plan. */
export function medianSteady(turns: readonly (readonly Steady[])[]): Steady[] {
  return (turns[0] ?? []).map(({ rate }, at) => {
    const of = (key: keyof Steady): number => median(turns.map((turn) => turn[at]?.[key] ?? Number.NaN));
    return {
      rate,
      achieved: of('achieved'),
      p50: of('p50'),
      p95: of('p95'),
      p99: of('p99'),
      lost: of('lost'),
      duplicates: of('duplicates'),
    };
  });
}
