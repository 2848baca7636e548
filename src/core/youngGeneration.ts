/**
 * Keeps the collector's young generation small. V8 lets it grow to 48 MiB under load and never shrinks it while
 * there is work; for a daemon that stands beside others that is a third of all it needs. Past a few MiB more of
 * it saves little work of the collector.
 *
 * V8 reads its growth factor at each growth, so that it can be stopped while the process runs; the limit itself
 * (`--max-semi-space-size`) is read only at the start of the process, which is not ours.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** Stops the growth at the first collection that finds the young generation this large. */
export function boundYoungGeneration(maxBytes: number): void {
  const observer = new PerformanceObserver(() => {
    const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space');
    if (young === undefined || young.space_size < maxBytes) return;
    setFlagsFromString('--semi-space-growth-factor=1');
    observer.disconnect();
  });
  observer.observe({ entryTypes: ['gc'] });
}
