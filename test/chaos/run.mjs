// `npm run test:chaos -- --seed N --minutes M [--queue redis|postgres] [--writers N] [--stop-leader]`: a mix of
// faults in an order that the seed decides; with --stop-leader every third is the leader being stopped. Arguments become variables, because the test runner knows none of them.
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    minutes: { type: 'string', default: '3' },
    queue: { type: 'string', default: 'redis' },
    writers: { type: 'string', default: '2' },
    'stop-leader': { type: 'boolean', default: false },
  },
});
const runner = spawn('npx', ['vitest', 'run', '--config', 'vitest.chaos.config.ts'], {
  stdio: 'inherit',
  env: {
    ...process.env,
    CHAOS_SEED: values.seed,
    CHAOS_MINUTES: values.minutes,
    CHAOS_QUEUE: values.queue,
    CHAOS_WRITERS: values.writers,
    CHAOS_STOP_LEADER: values['stop-leader'] ? 'yes' : 'no',
  },
});
runner.on('close', (code) => {
  process.exitCode = code ?? 1;
});
