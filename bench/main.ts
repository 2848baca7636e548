/** `npm run bench -- NAME`: runs one of the benchmarks of benches.ts, or all of them one after another. */
import { BENCHES } from './benches.ts';

const [name, ...args] = process.argv.slice(2);
const bench = BENCHES.find((one) => one.name === name);
if (bench !== undefined) {
  await (await bench.load())(args);
  // Whatever timers and sockets are left: it has said what it has to say.
  process.exit();
} else if (name === 'all') {
  await (await import('./all.ts')).benchAll(args);
} else {
  process.stderr.write(`npm run bench -- all|${BENCHES.map((one) => one.name).join('|')}\n`);
  process.exitCode = 2;
}
