import { defineConfig } from 'vitest/config';
import { availablePairs, nameOf } from './test/containers/images.ts';

// The tests that speak to a database, against container images: `npm run test:containers`. What hangs on
// the version of a server is here; what starts servers of its own, or hangs on none, is in `npm test`.
const { pairs, missing } = availablePairs();
for (const line of missing) process.stderr.write(`*** SKIPPED: ${line} ***\n`);
if (pairs.length === 0) throw new Error('there is nothing to run against');

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: pairs.map((pair) => ({
      test: {
        name: nameOf(pair),
        include: [
          'test/{decode,definitions,deliver,enqueue,queue,replication,represent,setup}/**/*.db.test.ts',
          'test/capture/schemaChanges.db.test.ts',
          'test/e2e/{beforeImages,explain,firstLight,mute,netbox,oddities,ordering,peeringManager}.e2e.test.ts',
          'test/{init,rows}/*.e2e.test.ts',
          'test/scenarios/{idle,replay}.e2e.test.ts',
        ],
        // An hour at 120 times its pace: it asks nothing that hangs on a server's version, and much of the machine.
        exclude: ['test/deliver/recovery.db.test.ts'],
        globalSetup: ['test/containers/globalSetup.ts'],
        // As in vitest.config.ts: each wait has its own limit.
        testTimeout: 180_000,
        hookTimeout: 120_000,
      },
    })),
  },
});
