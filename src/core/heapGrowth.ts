/**
 * Keeps the heap of a daemon small that stands beside others: by itself V8 takes what speed can make use of.
 *
 * Its young generation grows to 48 MiB under load and never shrinks while there is work; past a few MiB more of it
 * saves little. Its old generation may grow to four times what was alive at the last collection, most of which is
 * what has come and gone since; to twice that costs some collections more.
 *
 * V8 reads both settings whenever it decides, so that they can be made while the process runs; the limit of the young
 * generation itself (`--max-semi-space-size`) is read only at the start of the process, which is not ours.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** By how much the old generation may grow before it is collected, in percent of what was alive. */
const GROWING_PERCENT = 100;

/** Bounds both; the young generation stops growing at the first collection that finds it this large. */
export function boundHeapGrowth(maxYoungBytes: number): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
  const observer = new PerformanceObserver(() => {
    const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space');
    if (young === undefined || young.space_size < maxYoungBytes) return;
    setFlagsFromString('--semi-space-growth-factor=1');
    observer.disconnect();
  });
  observer.observe({ entryTypes: ['gc'] });
}
