/** `npm run bench -- NAME`: runs one of the benchmarks, each in a process of its own. */

/** By name. Loaded when called, so that none disturbs another. */
const BENCHMARKS: Readonly<Record<string, () => Promise<void>>> = {
  costs: async () => (await import('./costs.ts')).benchCosts(),
  deliver: async () => (await import('./deliver.ts')).benchDeliver(),
  drain: async () => (await import('./drain.ts')).benchDrain(),
  isolation: async () => (await import('./isolation.ts')).benchIsolation(),
  order: async () => (await import('./order.ts')).benchOrder(),
  many: async () => (await import('./many.ts')).benchMany(),
  memory: async () => (await import('./memory.ts')).benchMemory(),
  render: async () => (await import('./render.ts')).benchRender(),
};

const name = process.argv[2] ?? '';
const benchmark = Object.hasOwn(BENCHMARKS, name) ? BENCHMARKS[name] : undefined;
if (benchmark === undefined) {
  process.stderr.write(`npm run bench -- ${Object.keys(BENCHMARKS).join('|')}\n`);
  process.exitCode = 2;
} else {
  await benchmark();
}
