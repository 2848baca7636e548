/**
 * Named points at which a test lets the process die, to prove that nothing is lost there. Set by
 * `WALHOOK_FAILPOINT=name:n`: the n-th time the point is reached, the process kills itself with SIGKILL.
 */

export const FAILPOINTS = ['inside_flush', 'after_flush', 'after_response'] as const;
export type FailpointName = (typeof FAILPOINTS)[number];

export interface Failpoint {
  reach(name: FailpointName): void;
}

export const NO_FAILPOINT: Failpoint = { reach: () => undefined };

/** @param setting e.g. `after_flush:20`; empty or undefined sets none */
export function failpointFrom(setting: string | undefined, kill: () => void): Failpoint {
  if (!setting) return NO_FAILPOINT;
  const [name, times = '1', ...rest] = setting.split(':');
  const isCount = /^\d+$/.test(times) && Number(times) > 0;
  // One that can never strike would make a fault test that cannot fail.
  if (!FAILPOINTS.some((known) => known === name) || !isCount || rest.length > 0) {
    throw new RangeError(`WALHOOK_FAILPOINT: expected one of ${FAILPOINTS.join(', ')} and a count from 1`);
  }
  let left = Number(times);
  return {
    reach(reached) {
      if (reached !== name) return;
      left -= 1;
      if (left === 0) kill();
    },
  };
}
