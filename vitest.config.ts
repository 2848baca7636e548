import { defineConfig } from 'vitest/config';

// *.test.ts is pure; *.db.test.ts speaks to a PostgreSQL and a Redis; *.e2e.test.ts runs the
// built command; *.browser.test.ts looks at its page with a Chromium.
const services = ['test/**/*.db.test.ts', 'test/**/*.e2e.test.ts', 'test/**/*.browser.test.ts'];
// They take half the time of all: where another server runs them afterwards, they are left to it.
const apart = process.env['TEST_SCENARIOS_APART'] === undefined ? [] : ['test/scenarios/**'];

export default defineConfig({
  test: {
    // Two cores run a PostgreSQL, a Redis and the tests: more files at once only slow each other down.
    maxWorkers: 2,
    projects: [
      {
        test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: services, testTimeout: 30_000 },
      },
      {
        test: {
          name: 'services',
          include: services,
          exclude: apart,
          globalSetup: ['test/helpers/globalSetup.ts'],
          // Each wait has its own limit; this one ends what hangs, on a loaded machine too.
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
