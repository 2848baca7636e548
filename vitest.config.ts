import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/globalSetup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores run a PostgreSQL, a Redis and the tests: more files at once only slow each other down.
    maxWorkers: 2,
  },
});
