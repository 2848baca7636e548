/**
 * The benchmarks by name, as data: a further one is a further line here. Each is loaded when it is run, so
 * that none disturbs another.
 */

export interface Bench {
  readonly name: string;
  /** What it measures, for docs/performance.md. */
  readonly title: string;
  /** What one has to know to read its figures, for docs/performance.md. */
  readonly note?: string;
  /** Whether `npm run bench -- all` runs it. */
  readonly isInAll: boolean;
  /** Settings of the environment that make it fit into a run of `all`; alone it takes its own. */
  readonly all: Readonly<Record<string, string>>;
  /** What makes it short, for `all --quick`. */
  readonly quick: Readonly<Record<string, string>>;
  /** `all` ends it after that. */
  readonly limitSeconds: number;
  load(): Promise<(args: readonly string[]) => Promise<void> | void>;
}

export const BENCHES: readonly Bench[] = [
  {
    name: 'drain',
    title: 'from the slot to the match, where nothing matches',
    isInAll: true,
    all: { BENCH_LARGE: '200000', BENCH_SMALL: '60000' },
    quick: { BENCH_ROUNDS: '3', BENCH_LARGE: '100000', BENCH_SMALL: '30000' },
    limitSeconds: 300,
    load: async () => (await import('./drain.ts')).benchDrain,
  },
  {
    name: 'deliver',
    title: 'from the queue to the receiver, and into the queue',
    isInAll: true,
    all: { BENCH_DELIVERIES: '30000' },
    quick: { BENCH_ROUNDS: '3', BENCH_DELIVERIES: '20000' },
    limitSeconds: 300,
    load: async () => (await import('./deliver.ts')).benchDeliver,
  },
  {
    name: 'endToEnd',
    title: 'from commit to receiver, webhooks a second',
    note: 'The contenders, the receiver and PostgreSQL share the processors, so that a rate falls with what all of them use: bare undici has the receiver beside it only, capture alone only PostgreSQL. walhook stores each Delivery before it acknowledges, and writes a log of each request and response; the library with undici keeps nothing.',
    isInAll: true,
    all: { BENCH_ROUNDS: '3' },
    quick: { BENCH_ROUNDS: '1', BENCH_CHANGES: '5000' },
    limitSeconds: 400,
    load: async () => (await import('./endToEnd.ts')).benchEndToEnd,
  },
  {
    name: 'latency',
    title: 'from commit to receiver under a steady load, milliseconds',
    note: 'Latency is the receiver’s clock less the server’s commit timestamp. A rate above what the machine can do shows as seconds: what waits is sent in time, not lost.',
    isInAll: true,
    all: { BENCH_SECONDS: '4' },
    quick: { BENCH_ROUNDS: '1', BENCH_SECONDS: '3' },
    limitSeconds: 500,
    load: async () => (await import('./latency.ts')).benchLatency,
  },
  {
    name: 'peers',
    title: 'beside Debezium Server, pgstream and what npm alone gives',
    note: 'What each does not do is in bench/peers/, one file for each, with how it was fetched and configured. walhook stores each Delivery before it acknowledges; Debezium Server and pgstream keep what waits in the slot, so that one receiver that is slow holds up the slot; the library and the trigger keep nothing: see what was lost after a kill. Rows with targets: Debezium Server without batches and pgstream.',
    isInAll: true,
    all: { BENCH_ROUNDS: '1', BENCH_CHANGES: '10000', BENCH_SECONDS: '10' },
    quick: { BENCH_ROUNDS: '1', BENCH_CHANGES: '5000', BENCH_SECONDS: '5' },
    limitSeconds: 900,
    load: async () => (await import('./peers/peers.ts')).benchPeers,
  },
  {
    name: 'isolation',
    title: 'healthy webhooks beside four receivers in trouble',
    isInAll: true,
    all: {},
    quick: { BENCH_ROUNDS: '1', BENCH_RUN_MS: '5000' },
    limitSeconds: 400,
    load: async () => (await import('./isolation.ts')).benchIsolation,
  },
  {
    name: 'order',
    title: 'in commit order of each row, with failures and a process killed',
    isInAll: true,
    all: {},
    quick: { BENCH_DELIVERIES: '5000' },
    limitSeconds: 400,
    load: async () => (await import('./order.ts')).benchOrder,
  },
  {
    name: 'many',
    title: 'a thousand webhooks: start, idle, and what they deliver',
    isInAll: true,
    all: { BENCH_ROUNDS: '1' },
    quick: { BENCH_ROUNDS: '1', BENCH_DELIVERIES: '10000' },
    limitSeconds: 500,
    load: async () => (await import('./many.ts')).benchMany,
  },
  {
    name: 'memory',
    title: 'memory under a large Transaction and very large rows',
    isInAll: true,
    all: {},
    quick: { BENCH_UPDATES: '300000' },
    limitSeconds: 400,
    load: async () => (await import('./memory.ts')).benchMemory,
  },
  {
    name: 'page',
    title: 'the page and the list of Deliveries over a log of 200,000',
    isInAll: true,
    all: {},
    quick: { BENCH_DELIVERIES: '50000', BENCH_ROUNDS: '5' },
    limitSeconds: 400,
    load: async () => (await import('./page.ts')).benchPage,
  },
  {
    name: 'tail',
    title: 'the live tail at 500 outcomes a second',
    isInAll: true,
    all: { BENCH_SECONDS: '20' },
    quick: { BENCH_SECONDS: '5' },
    limitSeconds: 300,
    load: async () => (await import('./tail.ts')).benchTail,
  },
  {
    name: 'quiet',
    title: 'a quiet database beside a busy one',
    isInAll: false,
    all: {},
    quick: {},
    limitSeconds: 600,
    load: async () => (await import('./quiet.ts')).benchQuiet,
  },
  {
    name: 'render',
    title: 'rendering a template',
    isInAll: true,
    all: {},
    quick: {},
    limitSeconds: 120,
    load: async () => (await import('./render.ts')).benchRender,
  },
  {
    name: 'costs',
    title: 'what walhook costs the database: writes docs/costs.md',
    isInAll: false,
    all: {},
    quick: {},
    limitSeconds: 300,
    load: async () => (await import('./costs.ts')).benchCosts,
  },
];
